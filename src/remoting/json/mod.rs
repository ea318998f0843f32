//! Bodies in JSON, as RocketMQ writes and reads them (remoting-protocol.md §2).
//!
//! - `dialect`: how strings and keys are written: fastjson's own way, or the standard one for newer clients;
//! - `writer`: objects and arrays in a buffer, with their commas;
//! - `scanner`: one step at a time through lenient JSON;
//! - `reader`: a whole body as a `serde_json::Value`;
//! - `object`: the members of an object, with fastjson's conversions.

mod dialect;
mod object;
mod reader;
mod scanner;
mod writer;

pub use dialect::Dialect;
pub use object::Object;
pub use reader::{DEPTH_MAX, VALUES_MAX, parse, parse_within};
pub use scanner::BadJson;
pub(super) use scanner::Scanner;
pub use writer::Writer;
