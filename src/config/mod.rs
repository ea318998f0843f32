//! What a node is told: `broker.conf`, the name server's file, `--set`, flags and the environment, made into typed settings.
//!
//! One table (`broker` for the broker, `namesrv` for the name server) says everything about a property: its kind, default,
//! unit, when a change takes effect and what it does. Parsing, checking, `ringmq broker -p`, the answer to mqadmin's
//! getBrokerConfig and the table in `docs/operations.md` all come from it.
//!
//! Before: `cli`; after: `broker::run`, which gets `NodeOptions`.
//!
//! - `java_properties`: the file syntax, nothing about meaning
//! - `kind`: what a value may look like
//! - `property`: one row of a table, and looking rows up
//! - `broker`, `ignored`, `namesrv`: the tables
//! - `changes`: what requests have changed, kept for the next start
//! - `layers`: defaults < environment < file < `--set` < flags
//! - `settings`, `namesrv_settings`: typed results
//! - `node`: everything that starting a node needs
//! - `show`: printed forms of the tables

mod broker;
mod changes;
mod error;
mod ignored;
pub mod java_properties;
mod kind;
mod layers;
mod namesrv;
mod namesrv_settings;
mod node;
mod pop;
mod property;
mod settings;
pub mod show;

pub use broker::BROKER;
pub use changes::{CHANGES_FILE, Change, Changes};
pub use error::{ConfigError, ConfigErrors, Origin};
pub use kind::{Kind, Value};
pub use layers::{Layers, Values};
pub use namesrv::NAMESRV;
pub use namesrv_settings::NamesrvSettings;
pub use node::{Advertised, Candidate, DIRECT_PORT_STEP, NodeOptions, Roles, VIP_PORT_BELOW};
pub use pop::PopSettings;
pub use property::{Applies, Property, Standing, Table};
pub use settings::{Flush, Settings, UpdateRefused};
