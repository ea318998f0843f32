//! What a handler answers, and the one table from what went wrong to the code and the words a client gets.

use ringmq_shards::runtime::reader::ReadError;
use ringmq_shards::shard::AppendError;
use ringmq_shards::topic::{BadName, SystemTopic, TopicMissing};

use super::busy::{self, Busy};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::BadRequest;
use crate::remoting::{Encoding, ResponseWriter};

/// The answer of everything off the hot path.
#[derive(Debug)]
pub struct Response {
    pub code: ResponseCode,
    pub remark: Option<String>,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn success() -> Response {
        Response { code: ResponseCode::Success, remark: None, fields: Vec::new(), body: Vec::new() }
    }

    pub fn with_field(mut self, name: &'static str, value: impl ToString) -> Response {
        self.fields.push((name, value.to_string()));
        self
    }

    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Response {
        self.body = body.into();
        self
    }

    pub fn with_remark(mut self, remark: impl Into<String>) -> Response {
        self.remark = Some(remark.into());
        self
    }

    pub fn write(&self, encoding: Encoding, opaque: i32, out: &mut Vec<u8>) {
        let mut writer = ResponseWriter::new(out, encoding, opaque, self.code.number());
        if let Some(remark) = &self.remark {
            writer = writer.remark(remark);
        }
        for (name, value) in &self.fields {
            writer = writer.field(name, value);
        }
        writer.body(&self.body).finish();
    }
}

/// Why a request is not done: one code, and a remark that says what was wrong and what to do.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: ResponseCode,
    pub remark: String,
    fields: Vec<(&'static str, String)>,
}

impl Refusal {
    pub fn new(code: ResponseCode, remark: String) -> Refusal {
        Refusal { code, remark, fields: Vec::new() }
    }

    pub fn with_field(mut self, name: &'static str, value: String) -> Refusal {
        self.fields.push((name, value));
        self
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Response {
        Response { code: refusal.code, remark: Some(refusal.remark), fields: refusal.fields, body: Vec::new() }
    }
}

impl Refusal {
    pub fn stopping() -> Refusal {
        Refusal::new(ResponseCode::ServiceNotAvailable, "the broker is stopping; ask another one".to_owned())
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Refusal {
        Refusal::new(bad.code(), bad.to_string())
    }
}

impl From<BadName<'_>> for Refusal {
    fn from(bad: BadName<'_>) -> Refusal {
        Refusal::new(ResponseCode::InvalidParameter, bad.to_string())
    }
}

impl From<TopicMissing<'_>> for Refusal {
    fn from(missing: TopicMissing<'_>) -> Refusal {
        Refusal::new(ResponseCode::TopicNotExist, missing.to_string())
    }
}

impl From<SystemTopic> for Refusal {
    fn from(system: SystemTopic) -> Refusal {
        Refusal::new(ResponseCode::InvalidParameter, system.to_string())
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Refusal {
        let code = match &error {
            // Nobody is told before.
            AppendError::NoRoom => return Busy::stalled(busy::PATIENCE).refusal(&error),
            AppendError::DiskFull(full) => return Busy::disk_full().refusal_with(ResponseCode::ServiceNotAvailable, full),
            AppendError::NoTopic { .. } => ResponseCode::TopicNotExist,
            AppendError::HalvesFull { .. } => return Busy::quota().refusal(&error),
            // The original answers a congested timer so.
            AppendError::TimersFull { .. } => return Busy::quota().refusal_with(ResponseCode::SystemError, &error),
            AppendError::BadBatch(_) | AppendError::TooLarge { .. } => ResponseCode::MessageIllegal,
            AppendError::Poisoned { .. } => ResponseCode::ServiceNotAvailable,
        };
        Refusal::new(code, error.to_string())
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        Refusal::new(ResponseCode::SystemError, error.to_string())
    }
}

pub fn write_refusal(encoding: Encoding, opaque: i32, refusal: &Refusal, out: &mut Vec<u8>) {
    let mut writer = ResponseWriter::new(out, encoding, opaque, refusal.code.number()).remark(&refusal.remark);
    for (name, value) in &refusal.fields {
        writer = writer.field(name, value);
    }
    writer.finish();
}
