//! RocketMQ's 4.x wire protocol, pure: bytes in, borrowed views out, and the other way round.
//!
//! No socket, clock or task is in here, and nothing that a peer sends makes it panic or take more memory than a small
//! multiple of the bytes sent. A request's path:
//!
//! - `frame`: where one frame ends and the next begins, in bytes not to be trusted;
//! - `header`: code, opaque, flags and fields, from either encoding, without a copy;
//! - `request`: the fields and bodies of each request family, typed;
//! - `writer`: responses and requests as frames, appended to a connection's buffer;
//! - `code`, `language`, `version`, `sysflag`: the tables of numbers;
//! - `json`: bodies in the two dialects that RocketMQ speaks, and a reader as lenient as its;
//! - `message`: message properties, batches, records and ids, as clients see them.
//!
//! Before: `net::connection`; after: `broker::dispatch`, `namesrv`.

pub mod code;
mod frame;
#[cfg(test)]
mod golden;
mod header;
pub mod json;
pub mod language;
pub mod message;
pub mod request;
pub mod sysflag;
pub mod version;
mod writer;

pub use frame::{BadFrame, Encoding, FRAME_BYTES_MAX, Frame, split};
pub use header::{FLAG_ONEWAY, FLAG_RESPONSE, Header};
pub use language::Language;
pub use writer::{FrameTooLong, RequestWriter, ResponseWriter};
