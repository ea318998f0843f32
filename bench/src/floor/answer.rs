//! Whole frames in, answers out: the same bytes for every kind of floor, so that only the sockets differ.
//!
//! A binary request costs a look at its two words and a copy of one prepared answer, the one that a node gives to a send,
//! with the request's opaque written into it. Nothing is parsed beyond that, because a floor is what no broker gets below.
//! Every request gets it, also the creation of a topic: code 0 is all that anybody looks at there.
//!
//! | at in a binary frame | bytes | field |
//! |---|---|---|
//! | 8 | 2 | code |
//! | 10 | 3 | language, version |
//! | 13 | 4 | opaque |
//! | 17 | 4 | flag |

use ringmq::remoting::message::id::OffsetMessageId;
use ringmq::remoting::request::send::{SendResponse, write_region};
use ringmq::remoting::{BadFrame, Encoding, FLAG_ONEWAY, Frame, Header, ResponseWriter, split};

/// Where the opaque stands in an answer, and in a binary header.
const OPAQUE: usize = 13;
const OPAQUE_IN_HEADER: usize = OPAQUE - 8;
const FLAG_IN_HEADER: usize = 9;

pub struct Answers {
    binary: Vec<u8>,
}

impl Answers {
    pub fn new() -> Answers {
        let mut binary = Vec::new();
        write_answer(Encoding::Binary, 0, &mut binary);
        Answers { binary }
    }

    /// Answers the whole frames that `input` begins with, in their order; returns how many bytes they were.
    pub fn answer(&self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BadFrame> {
        let mut used = 0;
        while let Some((frame, bytes)) = split(&input[used..])? {
            match frame.encoding {
                Encoding::Binary => self.answer_binary(&frame, out)?,
                Encoding::Json => {
                    let header = Header::parse(&frame)?;
                    if !header.is_oneway() {
                        write_answer(Encoding::Json, header.opaque, out);
                    }
                }
            }
            used += bytes;
        }
        Ok(used)
    }

    fn answer_binary(&self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), BadFrame> {
        let word = |at: usize| frame.header.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied();
        let (Some(opaque), Some(flag)) = (word(OPAQUE_IN_HEADER), word(FLAG_IN_HEADER)) else {
            return Err(BadFrame::Binary("shorter than its fixed fields"));
        };
        if i32::from_be_bytes(flag) & FLAG_ONEWAY == 0 {
            let start = out.len();
            out.extend_from_slice(&self.binary);
            out[start + OPAQUE..start + OPAQUE + 4].copy_from_slice(&opaque);
        }
        Ok(())
    }
}

/// What a node answers to a send, with every field that it puts there.
fn write_answer(encoding: Encoding, opaque: i32, out: &mut Vec<u8>) {
    let answer = SendResponse {
        msg_id: OffsetMessageId { broker: ([127, 0, 0, 1], 10911).into(), physical_offset: 1 << 30 },
        queue_id: 3,
        queue_offset: 1_000_000,
        transaction_id: Some("0A0102032345CAFEF00D47B794000000"),
        batch_uniq_id: None,
        recall_handle: None,
    };
    let writer = answer.encode(ResponseWriter::new(out, encoding, opaque, 0));
    write_region("DefaultRegion", true, writer).finish();
}

/// The most that one read takes: more than 64 sends under way on a connection.
pub const READ_BYTES: usize = 64 << 10;

/// The beginning of a frame whose rest a connection has yet to read.
#[derive(Default)]
pub struct Input {
    begun: Vec<u8>,
}

impl Input {
    /// Answers what is whole with these bytes and keeps the rest.
    pub fn answer(&mut self, read: &[u8], answers: &Answers, out: &mut Vec<u8>) -> Result<(), BadFrame> {
        if self.begun.is_empty() {
            let used = answers.answer(read, out)?;
            self.begun.extend_from_slice(&read[used..]);
        } else {
            self.begun.extend_from_slice(read);
            let used = answers.answer(&self.begun, out)?;
            self.begun.drain(..used);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup;

    #[test]
    fn each_whole_frame_is_answered_under_its_opaque() {
        let mut requests = Vec::new();
        for opaque in [7, 8] {
            setup::send("Bench", 3, "", opaque, 0, &[b'x'; 500], &mut requests);
        }
        let (mut input, mut out) = (Input::default(), Vec::new());
        let answers = Answers::new();
        // In two reads, of which the first ends inside the second frame.
        for part in [&requests[..requests.len() - 100], &requests[requests.len() - 100..]] {
            input.answer(part, &answers, &mut out).expect("frames");
        }
        let mut opaques = Vec::new();
        let mut rest = &out[..];
        while let Some((frame, bytes)) = split(rest).expect("a frame") {
            let header = Header::parse(&frame).expect("a header");
            assert!(header.is_response());
            assert_eq!(header.code, 0);
            opaques.push(header.opaque);
            // A node's own answer to `ringmq-bench produce` has 202 bytes while its queue is empty, and up to 18 more later.
            assert!((202..=220).contains(&bytes), "{bytes} bytes");
            rest = &rest[bytes..];
        }
        assert_eq!(opaques, [7, 8]);
    }
}
