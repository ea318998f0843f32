//! What happened in a world, folded into one number, so that two runs of a seed can be compared; and on request as a
//! list of lines, so that the first difference can be found.

use std::time::Duration;

/// A kind of event; its two numbers mean what the kind says.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Task, process.
    Spawn,
    /// Task, process.
    Poll,
    /// Process, core.
    Launch,
    /// Process, how (0 exit, 1 kill, 2 power cut).
    End,
    /// Position, length.
    Write,
    /// Position, length.
    Read,
    /// Handle, sequence number it covers.
    Sync,
    /// Operation, 0 or the error's number.
    Landed,
    /// Connection, 0.
    Connect,
    /// Connection and end, bytes.
    Deliver,
    /// Hash of the text, its length.
    Note,
}

#[derive(Default)]
pub struct Trace {
    hash: u64,
    events: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn note(&mut self, at: Duration, event: Event, one: u64, two: u64) {
        self.events += 1;
        for word in [at.as_nanos() as u64, event as u64, one, two] {
            self.fold(word);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>14.6} ms {event:?} {one} {two}", at.as_secs_f64() * 1e3));
        }
    }

    pub fn text(&mut self, at: Duration, text: &str) {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        self.note(at, Event::Note, hash, text.len() as u64);
        if let Some(line) = self.lines.as_mut().and_then(|lines| lines.last_mut()) {
            *line = format!("{:>14.6} ms {text}", at.as_secs_f64() * 1e3);
        }
    }

    fn fold(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn events(&self) -> u64 {
        self.events
    }

    pub fn keep_lines(&mut self) {
        self.lines.get_or_insert_default();
    }

    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
