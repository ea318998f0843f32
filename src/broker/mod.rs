//! The broker: what it does with each request, and what it says to others. Start reading at `dispatch`.

pub mod ack;
pub mod changes;
pub mod client;
pub mod config;
pub mod connections;
pub mod core;
pub mod counters;
pub mod crossing;
pub mod dispatch;
pub mod everywhere;
pub mod group;
pub mod lock;
pub mod membership;
pub mod offset;
pub mod page;
pub mod properties;
pub mod pull;
pub mod rates;
pub mod registrar;
pub mod registration;
pub mod response;
pub mod send;
pub mod settings_sync;
pub mod stats;
pub mod topic;

pub mod view;
