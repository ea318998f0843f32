//! A frame with bytes of its own, for requests that are served after their connection's buffer has moved on.

use crate::remoting::{Encoding, Frame};

#[derive(Clone, Debug)]
pub struct OwnedFrame {
    encoding: Encoding,
    bytes: Box<[u8]>,
    header_bytes: usize,
}

impl OwnedFrame {
    pub fn copy(frame: &Frame<'_>) -> OwnedFrame {
        let bytes = [frame.header, frame.body].concat().into_boxed_slice();
        OwnedFrame { encoding: frame.encoding, bytes, header_bytes: frame.header.len() }
    }

    pub fn frame(&self) -> Frame<'_> {
        let (header, body) = self.bytes.split_at(self.header_bytes);
        Frame { encoding: self.encoding, header, body }
    }
}
