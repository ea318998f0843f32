//! One file for O_DIRECT, and slices of time in which some threads write or read it.
//!
//! Invariants:
//! - The file has lost its name before the first measured write, so that it goes with the process, however that ends.
//! - Every block has been allocated and written once before anything is measured: a first write would also convert the
//!   extent, and its sync would write the file system's journal, which a log that recycles its segments never does.
//! - Each thread has its own part of the file and goes through it in order, round and round, as each shard's log does.
//!
//! A depth is that many threads, each of which writes and then syncs before its next write. io_uring would not be more
//! honest: the kernel runs its fsyncs, and writes that sync, on worker threads which make the same blocking calls, so
//! what it adds is the hand-over to them, which belongs to RingMQ's figure and not to the device's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::fs::{FallocateFlags, fallocate, statfs};

use super::shape::{Mode, Shape};

/// Divides into as many parts of whole blocks as there are threads, at every block size.
pub const FILE_BYTES: u64 = 256 << 20;
const FILL_BYTES: usize = 4 << 20;
/// What every device takes as the alignment of memory and position.
const ALIGNMENT: usize = 4096;
const TMPFS_MAGIC: i64 = 0x0102_1994;

pub struct Device {
    plain: File,
    /// The same file, opened with O_DSYNC: a write returns when it is durable.
    dsync: File,
}

/// What a shape did in all its slices.
pub struct Measured {
    pub operations: u64,
    /// The sum over all threads.
    pub busy: Duration,
    /// Nanoseconds of an operation: a write with its sync, or a read.
    pub latencies: Histogram<u64>,
}

impl Default for Measured {
    fn default() -> Measured {
        let latencies = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("3 digits are allowed");
        Measured { operations: 0, busy: Duration::ZERO, latencies }
    }
}

impl Device {
    pub fn create(folder: &Path) -> Result<Device, String> {
        let at = |error: io::Error| format!("{}: {error}; name a folder on the disk to be measured", folder.display());
        let kind = statfs(folder).map_err(|error| at(error.into()))?.f_type;
        #[allow(clippy::unnecessary_cast, reason = "the type of the field differs between targets")]
        if kind as i64 == TMPFS_MAGIC {
            return Err(format!("{}: tmpfs keeps files in memory; name a folder on a disk", folder.display()));
        }
        let path = folder.join(format!(".ringmq-bench-disk.{}", std::process::id()));
        let create = OpenOptions::new().read(true).write(true).create_new(true).custom_flags(libc::O_DIRECT).open(&path);
        let plain = create.map_err(at)?;
        let dsync = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC).open(&path);
        fs::remove_file(&path).map_err(at)?;
        let device = Device { plain, dsync: dsync.map_err(at)? };
        device.fill().map_err(|error| format!("{}: {error}; {} MiB must be free there", folder.display(), FILE_BYTES >> 20))?;
        Ok(device)
    }

    fn fill(&self) -> io::Result<()> {
        fallocate(&self.plain, FallocateFlags::empty(), 0, FILE_BYTES)?;
        let mut block = Block::new(FILL_BYTES);
        for position in (0..FILE_BYTES).step_by(FILL_BYTES) {
            self.plain.write_all_at(block.bytes(), position)?;
        }
        self.plain.sync_all()
    }

    /// Runs the shape for about so long, each thread to the end of what it has begun, and adds what was done.
    pub fn run(&self, shape: &Shape, slice: Duration, round: u32, measured: &mut Measured) -> io::Result<()> {
        let begin = Barrier::new(shape.depth);
        let one = |index: usize| {
            // Each round somewhere else, so that short slices do not all write the same few blocks.
            let blocks = FILE_BYTES / shape.depth as u64 / shape.block_bytes as u64;
            let first = index as u64 * blocks;
            let mut next = u64::from(round) * blocks / 7 % blocks;
            let (mut done, mut block) = (Measured::default(), Block::new(shape.block_bytes));
            begin.wait();
            let begun = Instant::now();
            let mut before = begun;
            while before < begun + slice {
                self.operation(shape.mode, block.bytes(), (first + next) * shape.block_bytes as u64)?;
                next = (next + 1) % blocks;
                let after = Instant::now();
                done.latencies.saturating_record((after - before).as_nanos() as u64);
                done.operations += 1;
                before = after;
            }
            done.busy = before - begun;
            Ok(done)
        };
        let results: Vec<io::Result<Measured>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..shape.depth).map(|index| scope.spawn(move || one(index))).collect();
            threads.into_iter().map(|thread| thread.join().expect("it panics nowhere")).collect()
        });
        for done in results {
            let done = done?;
            measured.operations += done.operations;
            measured.busy += done.busy;
            measured.latencies.add(done.latencies).expect("the bounds are the same");
        }
        Ok(())
    }

    fn operation(&self, mode: Mode, block: &mut [u8], position: u64) -> io::Result<()> {
        match mode {
            Mode::Fdatasync => {
                self.plain.write_all_at(block, position)?;
                self.plain.sync_data()
            }
            Mode::Dsync => self.dsync.write_all_at(block, position),
            Mode::Read => self.plain.read_exact_at(block, position),
        }
    }
}

/// Aligned memory of bytes that do not compress.
struct Block {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Block {
    fn new(len: usize) -> Block {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut memory = Vec::with_capacity(len + ALIGNMENT);
        while memory.len() < len + ALIGNMENT {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            memory.extend_from_slice(&state.to_le_bytes());
        }
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Block { memory, start, len }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}
