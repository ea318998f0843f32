//! What can be asked of a device at once: how it is made durable, block size, depth.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A write, then fdatasync.
    Fdatasync,
    /// A write to a file opened with O_DSYNC.
    Dsync,
    Read,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub mode: Mode,
    pub block_bytes: usize,
    pub depth: usize,
}

/// No more threads than this; the parts of the file stay larger than the largest block.
const DEPTH_MAX: usize = 64;
const BLOCK_KIB_MAX: usize = 4 << 10;
const _: () = assert!((super::device::FILE_BYTES / DEPTH_MAX as u64) >= (BLOCK_KIB_MAX as u64) << 10);

/// Everything that is measured when nothing is chosen.
pub fn all() -> Vec<Shape> {
    let mut shapes = Vec::new();
    let mut add = |mode, blocks: &[usize], depths: &[usize]| {
        for kib in blocks {
            shapes.extend(depths.iter().map(|&depth| Shape { mode, block_bytes: kib << 10, depth }));
        }
    };
    for mode in [Mode::Fdatasync, Mode::Dsync] {
        add(mode, &[4, 16, 64, 256, 1024], &[1, 2, 4, 8]);
    }
    add(Mode::Read, &[128, 1024], &[1, 4, 8]);
    shapes
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mode::Fdatasync => "fdatasync",
            Mode::Dsync => "dsync",
            Mode::Read => "read",
        })
    }
}

/// `MODE:KIB:DEPTH`, for example `fdatasync:4:1`.
impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Shape, String> {
        let wrong = || format!("{text} is no MODE:KIB:DEPTH, such as fdatasync:4:1, dsync:16:4 or read:1024:8");
        let parts: Vec<&str> = text.split(':').collect();
        let [mode, kib, depth] = parts[..] else { return Err(wrong()) };
        let mode = [Mode::Fdatasync, Mode::Dsync, Mode::Read].into_iter().find(|known| known.to_string() == mode);
        let (mode, kib, depth) = (mode.ok_or_else(wrong)?, kib.parse::<usize>(), depth.parse::<usize>());
        let (Ok(kib), Ok(depth)) = (kib, depth) else { return Err(wrong()) };
        if !(4..=BLOCK_KIB_MAX).contains(&kib) || !kib.is_multiple_of(4) {
            return Err(format!("{text}: a block has a multiple of 4 KiB, up to {BLOCK_KIB_MAX} KiB"));
        }
        if !(1..=DEPTH_MAX).contains(&depth) {
            return Err(format!("{text}: a depth is 1 to {DEPTH_MAX}"));
        }
        Ok(Shape { mode, block_bytes: kib << 10, depth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_read_from_text() {
        assert_eq!("dsync:16:4".parse(), Ok(Shape { mode: Mode::Dsync, block_bytes: 16 << 10, depth: 4 }));
        for wrong in ["dsync:16", "sync:16:4", "dsync:3:1", "dsync:4:0", "dsync:4:65", "read:x:1"] {
            assert!(wrong.parse::<Shape>().is_err(), "{wrong}");
        }
    }
}
