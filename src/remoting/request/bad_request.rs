//! A request whose fields or body cannot be taken for what they should be.

use std::fmt;

use crate::remoting::code::ResponseCode;
use crate::remoting::json::BadJson;

/// The client's fault. The text is the answer's remark; it repeats no more of the request than helps to find the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRequest {
    Missing {
        field: &'static str,
    },
    Value {
        field: &'static str,
        /// Its beginning.
        found: String,
        expected: &'static str,
    },
    /// A request that means nothing without its body.
    NoBody {
        what: &'static str,
    },
    Json {
        what: &'static str,
        why: BadJson,
    },
    Body {
        what: &'static str,
        why: &'static str,
    },
}

impl BadRequest {
    /// Where Java throws (a NullPointerException, a NumberFormatException, a JSONException) the answer is always this,
    /// with the exception's text for a remark.
    pub fn code(&self) -> ResponseCode {
        ResponseCode::SystemError
    }

    pub(super) fn value(field: &'static str, found: &str, expected: &'static str) -> BadRequest {
        BadRequest::Value { field, found: found.chars().take(64).collect(), expected }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRequest::Missing { field } => write!(f, "the field {field} is missing"),
            BadRequest::Value { field, found, expected } => write!(f, "the field {field} is not {expected}: {found}"),
            BadRequest::NoBody { what } => write!(f, "the request has no body; {what} was expected"),
            BadRequest::Json { what, why } => write!(f, "the body is not {what} in JSON: {why}"),
            BadRequest::Body { what, why } => write!(f, "the body is not {what}: {why}"),
        }
    }
}

impl std::error::Error for BadRequest {}
