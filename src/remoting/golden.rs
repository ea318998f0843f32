//! Test support: frames as Java encodes them.

/// The frame of that name, as recorded in `tests/golden/remoting`.
pub fn java_frame(name: &str) -> Vec<u8> {
    let lines = include_str!("../../tests/golden/remoting/java-5.3.3.txt").lines();
    let hex = lines.filter_map(|line| line.split_once('\t')).find(|(found, _)| *found == name).expect("a recorded frame").1;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
}

/// A deterministic source of garbage: xorshift64*.
pub struct Garbage(pub u64);

impl Garbage {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A few bytes of `bytes` replaced, removed, doubled or cut off.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\"'\\{}[]:,ul-.0123456789eE \n";
        for _ in 0..1 + self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] = self.next() as u8,
                1 => bytes[at] = TELLING[self.below(TELLING.len())],
                2 => bytes.truncate(at),
                3 => drop(bytes.remove(at)),
                4 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                _ => {
                    let end = at + self.below(bytes.len() - at + 1);
                    let piece = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
    }
}
