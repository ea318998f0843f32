//! Responses and requests as frames, appended whole to a connection's buffer, without an allocation of their own.
//!
//! A code that does not fit the 16 bits of a binary header (the POP requests) makes the frame a JSON one: frames say
//! their encoding, so every reader copes. An answer that a frame cannot hold becomes an error that says so.
//!
//! Must always be true: `out` holds whole frames only, before a writer is made and after it is finished; a writer that is
//! dropped unfinished takes its bytes back.
//!
//! Before: `broker`, `namesrv`, or a client; after: `net::connection`.

use std::fmt::{self, Display, Write};

use super::code::ResponseCode;
use super::frame::{Encoding, FRAME_BYTES_MAX};
use super::header::{FLAG_ONEWAY, FLAG_RESPONSE};
use super::json::Dialect;
use super::{language, version};

/// Builds one answer.
#[must_use = "an answer that is not finished is not written"]
pub struct ResponseWriter<'o> {
    frame: FrameWriter<'o>,
}

impl<'o> ResponseWriter<'o> {
    /// An answer to the request `opaque`, in the request's encoding. `code` is a `ResponseCode`'s number.
    pub fn new(out: &'o mut Vec<u8>, encoding: Encoding, opaque: i32, code: i32) -> ResponseWriter<'o> {
        ResponseWriter { frame: FrameWriter::new(out, encoding, opaque, code, FLAG_RESPONSE) }
    }

    /// At most once.
    pub fn remark(mut self, remark: &str) -> Self {
        self.frame.remark(remark);
        self
    }

    pub fn field(mut self, name: &str, value: impl Display) -> Self {
        self.frame.field(name, value);
        self
    }

    /// The field, if it has a value.
    pub fn optional(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// The last step before `finish`.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.frame.body(body);
        self
    }

    pub fn finish(self) {
        self.finish_before_body(0);
    }

    /// The frame's head only, for a body of so many bytes that the caller sends right behind `out`.
    /// False: the frame would be too long; `out` now has a whole answer that says so, and no body may follow.
    pub fn finish_before_body(self, body_bytes: usize) -> bool {
        let (encoding, opaque) = (self.frame.encoding, self.frame.opaque);
        let Err((out, FrameTooLong(bytes))) = self.frame.finish(body_bytes) else { return true };
        let mut frame = FrameWriter::new(out, encoding, opaque, ResponseCode::SystemError.number(), FLAG_RESPONSE);
        frame.remark_display(format_args!("the answer has {bytes} bytes, a frame takes {FRAME_BYTES_MAX}"));
        let finished = frame.finish(0);
        assert!(finished.is_ok(), "one remark fits a frame");
        false
    }
}

/// Builds one request.
#[must_use = "a request that is not finished is not written"]
pub struct RequestWriter<'o> {
    frame: FrameWriter<'o>,
}

impl<'o> RequestWriter<'o> {
    /// `code` is a `RequestCode`'s number.
    pub fn new(out: &'o mut Vec<u8>, encoding: Encoding, opaque: i32, code: i32) -> RequestWriter<'o> {
        RequestWriter { frame: FrameWriter::new(out, encoding, opaque, code, 0) }
    }

    /// Nobody waits for an answer.
    pub fn oneway(mut self) -> Self {
        self.frame.flag = FLAG_ONEWAY;
        self
    }

    pub fn field(mut self, name: &str, value: impl Display) -> Self {
        self.frame.field(name, value);
        self
    }

    /// The field, if it has a value.
    pub fn optional(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// The last step before `finish`.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.frame.body(body);
        self
    }

    /// An error leaves `out` as it was.
    pub fn finish(self) -> Result<(), FrameTooLong> {
        self.frame.finish(0).map_err(|(_, too_long)| too_long)
    }
}

/// The bytes that the frame would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLong(pub usize);

impl Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of {} bytes; the limit is {FRAME_BYTES_MAX}", self.0)
    }
}

impl std::error::Error for FrameTooLong {}

/// What both have in common. Lengths are filled in when they are known.
struct FrameWriter<'o> {
    /// `None` once finished.
    out: Option<&'o mut Vec<u8>>,
    /// Where the frame begins in `out`.
    start: usize,
    encoding: Encoding,
    opaque: i32,
    flag: i32,
    /// Where the remark goes: before all fields.
    remark_at: usize,
    has_remark: bool,
    has_fields: bool,
    /// Where the header ended; set when a body was begun.
    header_end: Option<usize>,
}

/// Two words in front of the header.
const HEAD_BYTES: usize = 8;
/// In a binary header: where the flag is, and the remark's length.
const FLAG_AT: usize = HEAD_BYTES + 9;
const REMARK_LENGTH_AT: usize = HEAD_BYTES + 13;
/// The header's length has 24 bits; a frame's limit is below that.
const _: () = assert!(FRAME_BYTES_MAX <= 1 << 24);

impl<'o> FrameWriter<'o> {
    fn new(out: &'o mut Vec<u8>, encoding: Encoding, opaque: i32, code: i32, flag: i32) -> FrameWriter<'o> {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        let (encoding, binary_code) = match i16::try_from(code) {
            Ok(short) => (encoding, short),
            Err(_) => (Encoding::Json, 0),
        };
        match encoding {
            Encoding::Json => write(out, format_args!("{{\"code\":{code}")),
            Encoding::Binary => {
                out.extend_from_slice(&binary_code.to_be_bytes());
                out.push(language::OURS.number());
                out.extend_from_slice(&OUR_VERSION_BINARY.to_be_bytes());
                out.extend_from_slice(&opaque.to_be_bytes());
                out.extend_from_slice(&[0; 8]); // flag, length of the remark
            }
        }
        let mut remark_at = out.len();
        if encoding == Encoding::Binary {
            out.extend_from_slice(&[0; 4]); // length of the fields
            remark_at = out.len() - 4;
        }
        FrameWriter {
            out: Some(out),
            start,
            encoding,
            opaque,
            flag,
            remark_at,
            has_remark: false,
            has_fields: false,
            header_end: None,
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        self.out.as_mut().expect("not finished yet")
    }

    fn remark(&mut self, remark: &str) {
        self.remark_display(remark);
    }

    /// Written at the end, then turned to its place before the fields, if there are any.
    fn remark_display(&mut self, remark: impl Display) {
        assert!(!self.has_remark, "a frame has one remark");
        assert!(self.header_end.is_none(), "the remark goes before the body");
        self.has_remark = true;
        let (start, remark_at, encoding) = (self.start, self.remark_at, self.encoding);
        let out = self.out();
        let end = out.len();
        match encoding {
            Encoding::Json => {
                out.extend_from_slice(b",\"remark\":\"");
                write(&mut Escaped(out), remark);
                out.push(b'"');
            }
            Encoding::Binary => write(out, remark),
        }
        let len = out.len() - end;
        out[remark_at..].rotate_right(len);
        if encoding == Encoding::Binary {
            set_length(out, start + REMARK_LENGTH_AT, len);
            self.remark_at += len;
        }
    }

    fn field(&mut self, name: &str, value: impl Display) {
        assert!(self.header_end.is_none(), "fields go before the body");
        let first = !self.has_fields;
        self.has_fields = true;
        match self.encoding {
            Encoding::Json => {
                let out = self.out();
                out.extend_from_slice(if first { b",\"extFields\":{\"" } else { b",\"" });
                Dialect::Fastjson.write_escaped(name, out);
                out.extend_from_slice(b"\":\"");
                write(&mut Escaped(out), value);
                out.push(b'"');
            }
            Encoding::Binary => {
                let out = self.out();
                let name_bytes = i16::try_from(name.len()).expect("our fields have short names");
                out.extend_from_slice(&name_bytes.to_be_bytes());
                out.extend_from_slice(name.as_bytes());
                let at = out.len();
                out.extend_from_slice(&[0; 4]);
                write(out, value);
                let len = out.len() - at - 4;
                set_length(out, at, len);
            }
        }
    }

    fn body(&mut self, body: &[u8]) {
        self.end_header();
        self.out().extend_from_slice(body);
    }

    fn end_header(&mut self) {
        assert!(self.header_end.is_none(), "a frame has one body");
        let (start, flag, opaque, has_fields, remark_at) = (self.start, self.flag, self.opaque, self.has_fields, self.remark_at);
        let encoding = self.encoding;
        let out = self.out();
        match encoding {
            Encoding::Json => {
                if has_fields {
                    out.push(b'}');
                }
                let (language, version) = (language::OURS.name(), version::OURS);
                write(
                    out,
                    format_args!(
                        ",\"flag\":{flag},\"language\":\"{language}\",\"opaque\":{opaque},\
                         \"serializeTypeCurrentRPC\":\"JSON\",\"version\":{version}}}"
                    ),
                );
            }
            Encoding::Binary => {
                out[start + FLAG_AT..][..4].copy_from_slice(&flag.to_be_bytes());
                let fields_bytes = out.len() - remark_at - 4;
                set_length(out, remark_at, fields_bytes);
            }
        }
        self.header_end = Some(self.out().len());
    }

    /// With so many more bytes of body to come. An error has removed the frame.
    fn finish(mut self, more: usize) -> Result<(), (&'o mut Vec<u8>, FrameTooLong)> {
        if self.header_end.is_none() {
            self.end_header();
        }
        let header_end = self.header_end.expect("just ended");
        let start = self.start;
        let serialize_type = self.encoding.serialize_type();
        let out = self.out.take().expect("finished once");
        let bytes = (out.len() - start).saturating_add(more);
        if bytes > FRAME_BYTES_MAX {
            out.truncate(start);
            return Err((out, FrameTooLong(bytes)));
        }
        set_length(out, start, bytes - 4);
        set_length(out, start + 4, header_end - start - HEAD_BYTES);
        out[start + 4] = serialize_type;
        Ok(())
    }
}

impl Drop for FrameWriter<'_> {
    fn drop(&mut self) {
        if let Some(out) = &mut self.out {
            out.truncate(self.start);
        }
    }
}

/// What a binary header has room for.
const OUR_VERSION_BINARY: i16 = {
    assert!(version::OURS <= i16::MAX as i32);
    version::OURS as i16
};

fn set_length(out: &mut [u8], at: usize, length: usize) {
    // More than a frame holds is found out by `finish`, which then drops these bytes.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

fn write<W: Append>(out: &mut W, value: impl Display) {
    struct Adapter<'a, W>(&'a mut W);
    impl<W: Append> Write for Adapter<'_, W> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.append(text);
            Ok(())
        }
    }
    write!(Adapter(out), "{value}").expect("a Vec takes all, and Display of ours never fails");
}

trait Append {
    fn append(&mut self, text: &str);
}

impl Append for Vec<u8> {
    fn append(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
}

/// Text between the quotes of a JSON string.
struct Escaped<'a>(&'a mut Vec<u8>);

impl Append for Escaped<'_> {
    fn append(&mut self, text: &str) {
        Dialect::Fastjson.write_escaped(text, self.0);
    }
}

#[cfg(test)]
mod tests;
