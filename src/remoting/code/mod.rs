//! What frames ask for and how they are answered, by number.

mod request;
mod response;

pub use request::{REQUEST_CODES, Releases, RequestCode, RequestCodeRow};
pub use response::{RESPONSE_CODES, ResponseCode};
