//! The broker: what it does with each request, and what it says to others.

pub mod registration;
