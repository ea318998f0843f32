//! Frames: where one ends and the next begins, in bytes that are not to be trusted.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 4 | length of what follows this word |
//! | 4 | 1 | serialize type: 0 JSON, 1 ROCKETMQ (binary) |
//! | 5 | 3 | header length H |
//! | 8 | H | header |
//! | 8 + H | | body, up to the frame's end |
//!
//! Must always be true: the two words are checked as soon as they are there, before anybody waits for, or makes room
//! for, the bytes that they promise.
//!
//! Before: `net::connection`; after: `header`.

use std::fmt;

/// Java's default for both sides, `com.rocketmq.remoting.frameMaxLength`, with the length word counted.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// The most that the length word may say.
const LENGTH_MAX: usize = FRAME_BYTES_MAX - 4;

/// Nothing that a plain text or TLS peer begins with is a valid length: their first byte is not 0.
const _: () = assert!(LENGTH_MAX < 1 << 24);

/// How the header is written. An answer has the encoding of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    Json,
    Binary,
}

impl Encoding {
    pub(super) fn serialize_type(self) -> u8 {
        match self {
            Encoding::Json => 0,
            Encoding::Binary => 1,
        }
    }
}

/// One whole frame, borrowed from the connection's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub encoding: Encoding,
    pub header: &'a [u8],
    pub body: &'a [u8],
}

/// The first frame in `buffer` and how many bytes it took. `None`: more bytes are needed.
pub fn split(buffer: &[u8]) -> Result<Option<(Frame<'_>, usize)>, BadFrame> {
    let Some(&[a, b, c, d]) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes([a, b, c, d]);
    let length = match usize::try_from(length) {
        Ok(length) if length > LENGTH_MAX => return Err(BadFrame::too_long([a, b, c, d])),
        Ok(length) if length < 4 => return Err(BadFrame::Length(length as i32)),
        Ok(length) => length,
        Err(_) => return Err(BadFrame::Length(length)),
    };
    let Some(&[serialize_type, h0, h1, h2]) = buffer[4..].first_chunk::<4>() else { return Ok(None) };
    let encoding = match serialize_type {
        0 => Encoding::Json,
        1 => Encoding::Binary,
        other => return Err(BadFrame::SerializeType(other)),
    };
    let header_bytes = u32::from_be_bytes([0, h0, h1, h2]) as usize;
    if header_bytes > length - 4 {
        return Err(BadFrame::HeaderLength { header: header_bytes, frame: length });
    }
    let Some(rest) = buffer.get(8..4 + length) else { return Ok(None) };
    let (header, body) = rest.split_at(header_bytes);
    Ok(Some((Frame { encoding, header, body }, 4 + length)))
}

/// Why the bytes are no frame, or their header cannot be read. The connection is closed; the text is its log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// Negative, or too short for the second word.
    Length(i32),
    TooLong(usize),
    /// The first bytes are an HTTP request's.
    Http,
    /// The first bytes are a TLS handshake's.
    Tls,
    /// The first bytes are a PROXY protocol header's.
    ProxyProtocol,
    SerializeType(u8),
    HeaderLength {
        header: usize,
        frame: usize,
    },
    /// A JSON header that is no JSON object, or not UTF-8.
    Json {
        at: usize,
        what: &'static str,
    },
    /// A binary header whose inner lengths do not add up.
    Binary(&'static str),
    /// A number of the header that is none, or does not fit its 32 bits.
    Number {
        field: &'static str,
        found: String,
    },
    TooManyFields,
}

impl BadFrame {
    /// What it is that would be so long, when it is something well known.
    fn too_long(first: [u8; 4]) -> BadFrame {
        const METHODS: [&[u8; 4]; 11] =
            [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ", b"HTTP"];
        match first {
            _ if METHODS.contains(&&first) => BadFrame::Http,
            [0x16, 0x03, ..] => BadFrame::Tls,
            [b'P', b'R', b'O', b'X'] | [b'\r', b'\n', b'\r', b'\n'] => BadFrame::ProxyProtocol,
            _ => BadFrame::TooLong(u32::from_be_bytes(first) as usize),
        }
    }
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadFrame::Length(length) => write!(f, "a frame of length {length}; the least is 4"),
            BadFrame::TooLong(length) => write!(f, "a frame of {length} bytes; the limit is {FRAME_BYTES_MAX}"),
            BadFrame::Http => f.write_str("this is an HTTP request, but the port speaks RocketMQ's remoting protocol"),
            BadFrame::Tls => f.write_str("this is a TLS handshake, but the port has no TLS; clients must connect without it"),
            BadFrame::ProxyProtocol => f.write_str("this is a PROXY protocol header, which the port does not read"),
            BadFrame::SerializeType(found) => write!(f, "serialize type {found}; known are 0 (JSON) and 1 (ROCKETMQ)"),
            BadFrame::HeaderLength { header, frame } => {
                write!(f, "a header of {header} bytes in a frame that has {} for it", frame - 4)
            }
            BadFrame::Json { at, what } => write!(f, "the header is not a JSON object: {what} at byte {at}"),
            BadFrame::Binary(what) => write!(f, "the binary header does not add up: {what}"),
            BadFrame::Number { field, found } => write!(f, "the header's {field} is not a 32-bit number: {found}"),
            BadFrame::TooManyFields => {
                write!(f, "the header has more than {} extended fields", super::header::FIELDS_MAX)
            }
        }
    }
}

impl std::error::Error for BadFrame {}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(serialize_type: u8, header: &[u8], body: &[u8]) -> Vec<u8> {
        let mut out = ((4 + header.len() + body.len()) as u32).to_be_bytes().to_vec();
        out.push(serialize_type);
        out.extend(&(header.len() as u32).to_be_bytes()[1..]);
        out.extend(header);
        out.extend(body);
        out
    }

    #[test]
    fn frames_are_taken_one_by_one() {
        let mut bytes = frame(0, b"{}", b"body");
        let first = bytes.len();
        bytes.extend(frame(1, b"", b""));
        let (found, used) = split(&bytes).unwrap().unwrap();
        assert_eq!((found, used), (Frame { encoding: Encoding::Json, header: b"{}", body: b"body" }, first));
        let (found, used) = split(&bytes[first..]).unwrap().unwrap();
        assert_eq!((found, used), (Frame { encoding: Encoding::Binary, header: b"", body: b"" }, 8));
        for cut in 0..first {
            assert_eq!(split(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn bad_words_are_refused_before_their_bytes_are_there() {
        let table: &[(&[u8], BadFrame)] = &[
            (&[0, 0, 0, 0], BadFrame::Length(0)),
            (&[0, 0, 0, 3], BadFrame::Length(3)),
            (&[0xff, 0xff, 0xff, 0xff], BadFrame::Length(-1)),
            (&[0x80, 0, 0, 0], BadFrame::Length(i32::MIN)),
            (&[0, 0xff, 0xff, 0xfd], BadFrame::TooLong(0xff_fffd)),
            (&[1, 0, 0, 0], BadFrame::TooLong(1 << 24)),
            (&[0, 0, 0, 4, 2, 0, 0, 0], BadFrame::SerializeType(2)),
            (&[0, 0, 0, 4, 0, 0, 0, 1], BadFrame::HeaderLength { header: 1, frame: 4 }),
            (&[0, 0, 1, 0, 1, 0xff, 0xff, 0xff], BadFrame::HeaderLength { header: 0xff_ffff, frame: 256 }),
            (b"GET / HTTP/1.1\r\n", BadFrame::Http),
            (b"POST", BadFrame::Http),
            (b"PRI * HTTP/2.0", BadFrame::Http),
            (&[0x16, 0x03, 0x01, 0x02, 0x00], BadFrame::Tls),
            (b"PROXY TCP4", BadFrame::ProxyProtocol),
            (b"\r\n\r\n\0\r\nQUIT\n", BadFrame::ProxyProtocol),
            (b"SSH-2.0", BadFrame::TooLong(0x5353_482d)),
        ];
        for (bytes, bad) in table {
            assert_eq!(split(bytes), Err(bad.clone()), "{bytes:?}");
            assert!(!bad.to_string().is_empty());
        }
    }

    #[test]
    fn the_largest_frame_is_waited_for() {
        assert_eq!(split(&[0, 0xff, 0xff, 0xfc]), Ok(None));
        assert_eq!(split(&[0, 0xff, 0xff, 0xfc, 0, 0, 0, 2]), Ok(None));
        assert_eq!(4 + 0xff_fffc, FRAME_BYTES_MAX);
    }
}
