//! What frames ask for and how they are answered, by number.

mod request;
mod response;

pub use request::{REQUEST_CODES, Releases, RequestCode, RequestCodeRow};
pub use response::{RESPONSE_CODES, ResponseCode};

/// The end of the original's remarks about names that nobody knows.
pub const FAQ: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";
