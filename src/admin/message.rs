//! What a pull returns: records behind each other, read as far as a person wants to see them.

/// One message, borrowed from the answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub queue_offset: i64,
    pub store_timestamp: i64,
    pub compressed: bool,
    pub body: &'a [u8],
    properties: &'a [u8],
}

impl Message<'_> {
    pub fn property(&self, name: &str) -> Option<String> {
        const BETWEEN: u8 = 1;
        const BEHIND: u8 = 2;
        self.properties.split(|&byte| byte == BEHIND).find_map(|property| {
            let at = property.iter().position(|&byte| byte == BETWEEN)?;
            (&property[..at] == name.as_bytes()).then(|| String::from_utf8_lossy(&property[at + 1..]).into_owned())
        })
    }

    /// One line for a person; bytes that are no text are shown as such.
    pub fn text(&self) -> String {
        if self.compressed {
            return format!("({} bytes, compressed by its sender)", self.body.len());
        }
        match std::str::from_utf8(self.body) {
            Ok(text) => text.replace('\n', "\\n"),
            Err(_) => format!("({} bytes that are not text) {}", self.body.len(), self.body.escape_ascii()),
        }
    }
}

/// Every record of a pull's body. None: the bytes are not records.
pub(super) fn messages(mut body: &[u8]) -> Option<Vec<Message<'_>>> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let size = u32::from_be_bytes(*body.first_chunk()?) as usize;
        let (record, rest) = body.split_at_checked(size)?;
        messages.push(message(record)?);
        body = rest;
    }
    Some(messages)
}

/// The record layout of RocketMQ, versions 1 and 2 (which differ in the width of the topic's length).
fn message(record: &[u8]) -> Option<Message<'_>> {
    const MAGIC_V1: u32 = 0xDAA3_20A7;
    const MAGIC_V2: u32 = 0xDAA3_20AB;
    const COMPRESSED: i32 = 0x1;
    const BORN_V6: i32 = 0x10;
    const STORE_V6: i32 = 0x20;

    let mut at = Reader(record);
    at.skip(4)?; // total size
    let magic = at.u32()?;
    if magic != MAGIC_V1 && magic != MAGIC_V2 {
        return None;
    }
    at.skip(12)?; // body CRC, queue id, flag
    let queue_offset = at.i64()?;
    at.skip(8)?; // physical offset
    let sys_flag = at.u32()? as i32;
    at.skip(8)?; // born timestamp
    at.skip(if sys_flag & BORN_V6 == 0 { 8 } else { 20 })?;
    let store_timestamp = at.i64()?;
    at.skip(if sys_flag & STORE_V6 == 0 { 8 } else { 20 })?;
    at.skip(12)?; // reconsume times, prepared transaction offset
    let body_length = at.u32()? as usize;
    let body = at.take(body_length)?;
    let topic_length = if magic == MAGIC_V1 { usize::from(at.take(1)?[0]) } else { at.u16()? };
    at.skip(topic_length)?;
    let properties_length = at.u16()?;
    let properties = at.take(properties_length)?;
    Some(Message { queue_offset, store_timestamp, compressed: sys_flag & COMPRESSED != 0, body, properties })
}

/// Takes fields from the front; none when they are not all there.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.take(bytes).map(|_| ())
    }

    fn u16(&mut self) -> Option<usize> {
        self.take(2).map(|bytes| usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    fn i64(&mut self) -> Option<i64> {
        self.take(8)?.first_chunk().map(|bytes| i64::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(v6: bool, body: &[u8], properties: &[u8]) -> Vec<u8> {
        let host = if v6 { 20 } else { 8 };
        let mut out = vec![0, 0, 0, 0, 0xDA, 0xA3, 0x20, 0xA7];
        out.extend([0; 12]);
        out.extend(7i64.to_be_bytes());
        out.extend([0; 8]);
        out.extend(if v6 { 0x30u32 } else { 0 }.to_be_bytes());
        out.extend([0; 8]);
        out.extend(vec![0; host]);
        out.extend(1234i64.to_be_bytes());
        out.extend(vec![0; host + 12]);
        out.extend((body.len() as u32).to_be_bytes());
        out.extend(body);
        out.extend(b"\x05Topic");
        out.extend((properties.len() as u16).to_be_bytes());
        out.extend(properties);
        let size = (out.len() as u32).to_be_bytes();
        out[..4].copy_from_slice(&size);
        out
    }

    #[test]
    fn records_behind_each_other() {
        let body = [record(false, b"one", b"TAGS\x01a\x02KEYS\x01k 1\x02"), record(true, b"\xff\n", b"")].concat();
        let found = messages(&body).expect("two records");
        assert_eq!((found[0].queue_offset, found[0].store_timestamp, found[0].text()), (7, 1234, "one".to_string()));
        assert_eq!(found[0].property("KEYS").as_deref(), Some("k 1"));
        assert_eq!(found[0].property("KEY"), None);
        assert_eq!(found[1].text(), "(2 bytes that are not text) \\xff\\n");
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = record(false, b"body", b"TAGS\x01a");
        assert!(messages(&whole).is_some());
        for cut in 1..whole.len() {
            assert_eq!(messages(&whole[..cut]), None, "cut at {cut}");
        }
    }
}
