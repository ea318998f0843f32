//! The body of a verified message.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | mark |
//! | 8 | 8 | the run |
//! | 16 | 4 | producer: a connection of the run |
//! | 20 | 8 | sequence: counts the producer's messages |
//! | 28 | 4 | CRC-32 of all that stands before and behind it |
//! | 32 | n | bytes that mean nothing |

const MARK: [u8; 8] = *b"RINGMQVR";
const AT_CRC: usize = 28;
const HEAD_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub run_id: u64,
    pub producer: u32,
    pub sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Whole(Content),
    /// It has the mark, but not the bytes that were sent.
    Corrupt,
    /// Somebody else's.
    Foreign,
}

impl Content {
    /// Appends the body: as long as `filler`, but never shorter than its head.
    pub fn write(&self, filler: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MARK);
        out.extend_from_slice(&self.run_id.to_be_bytes());
        out.extend_from_slice(&self.producer.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(filler.get(HEAD_BYTES..).unwrap_or_default());
        let crc = crc(&out[start..]);
        out[start + AT_CRC..start + HEAD_BYTES].copy_from_slice(&crc.to_be_bytes());
    }

    pub fn read(body: &[u8]) -> Read {
        if !body.starts_with(&MARK) {
            return Read::Foreign;
        }
        if body.len() < HEAD_BYTES || body[AT_CRC..HEAD_BYTES] != crc(body).to_be_bytes() {
            return Read::Corrupt;
        }
        let word = |at: usize| u64::from_be_bytes(body[at..at + 8].try_into().expect("8 bytes"));
        let producer = u32::from_be_bytes(body[16..20].try_into().expect("4 bytes"));
        Read::Whole(Content { run_id: word(8), producer, sequence: word(20) })
    }
}

fn crc(body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&body[..AT_CRC]);
    crc.update(&body[HEAD_BYTES..]);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_as_it_was_written_and_any_flipped_bit_shows() {
        let content = Content { run_id: 7, producer: 3, sequence: u64::MAX };
        let mut body = Vec::new();
        content.write(&[9; 50], &mut body);
        assert_eq!((body.len(), Content::read(&body)), (50, Read::Whole(content)));
        for at in MARK.len()..body.len() {
            body[at] ^= 4;
            assert_eq!(Content::read(&body), Read::Corrupt, "byte {at}");
            body[at] ^= 4;
        }
        assert_eq!(Content::read(&body[..20]), Read::Corrupt);
        assert_eq!(Content::read(b"hello"), Read::Foreign);
        let mut short = Vec::new();
        content.write(&[9], &mut short);
        assert_eq!(Content::read(&short), Read::Whole(content));
    }
}
