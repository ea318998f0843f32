//! Measures the store's device at the start, and says which way of making a block durable is the faster one on it.
//!
//! The choice changes speed, never what is promised: both ways are durable when they return.
//!
//! Before: `node::process`, which tells every core; after: `runtime::File`, the very path that blocks take.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::log::SyncMethod;
use ringmq_shards::runtime::{Buffer, File, Lane, Open, fs, spawn, uptime};

const FILE_NAME: &str = "probe.tmp";
const FILE_BYTES: usize = 4 << 20;
const CHUNK_BYTES: usize = 1 << 20;
/// A message alone, and what a busy core puts into one block.
const SMALL_BYTES: usize = 4096;
const LARGE_BYTES: usize = 64 << 10;
const SMALL_WRITES: usize = 8;
const LARGE_WRITES: usize = 16;
const DEPTH: usize = 4;
/// The two ways take turns, so that a disturbance does not hit one alone.
const ROUNDS: usize = 3;
/// A slow device is judged by fewer rounds: the start must not wait for it.
const TIME_MAX: Duration = Duration::from_millis(250);

/// What one way came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// One small block alone, durable: the median.
    pub alone: Duration,
    /// Large blocks, several in flight: time per block.
    pub busy: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    pub write_then_sync: Measured,
    pub dsync: Measured,
}

impl Probe {
    /// The way that is faster for a block alone and a busy one together.
    pub fn faster(&self) -> SyncMethod {
        let cost = |measured: Measured| measured.alone + measured.busy;
        match cost(self.dsync) < cost(self.write_then_sync) {
            true => SyncMethod::Dsync,
            false => SyncMethod::WriteThenSync,
        }
    }
}

/// Measures in `dir`; leaves nothing behind.
pub async fn probe(dir: &Path) -> std::io::Result<Probe> {
    let path = dir.join(FILE_NAME);
    if fs::exists(&path) {
        // Of a start that was killed.
        fs::remove(&path)?;
    }
    let probed = probe_file(&path).await;
    let removed = fs::remove(&path);
    let probe = probed?;
    removed.map(|()| probe)
}

async fn probe_file(path: &Path) -> std::io::Result<Probe> {
    let plain = Rc::new(File::open(path, Open::CreateNew).await?);
    plain.allocate(FILE_BYTES as u64).await?;
    // As in a segment: a write into an extent that was never written would journal metadata.
    let zeroes = Rc::new(Buffer::new(CHUNK_BYTES));
    for at in (0..FILE_BYTES).step_by(CHUNK_BYTES) {
        plain.write_at(&zeroes, at as u64).await?;
    }
    plain.sync().await?;
    let durable = Rc::new(File::open_for(path, Open::ReadWrite, SyncMethod::Dsync).await?);
    let (mut sync_rounds, mut dsync_rounds) = (Vec::new(), Vec::new());
    let began = uptime();
    for _ in 0..ROUNDS {
        sync_rounds.push(measure(&plain, SyncMethod::WriteThenSync).await?);
        dsync_rounds.push(measure(&durable, SyncMethod::Dsync).await?);
        if uptime().saturating_sub(began) > TIME_MAX {
            break;
        }
    }
    Ok(Probe { write_then_sync: best(&sync_rounds), dsync: best(&dsync_rounds) })
}

/// The least disturbed round.
fn best(rounds: &[Measured]) -> Measured {
    let least = |of: fn(&Measured) -> Duration| rounds.iter().map(of).min().unwrap_or_default();
    Measured { alone: least(|round| round.alone), busy: least(|round| round.busy) }
}

async fn measure(file: &Rc<File>, method: SyncMethod) -> std::io::Result<Measured> {
    let small = Rc::new(Buffer::new(SMALL_BYTES));
    let mut alone = Vec::with_capacity(SMALL_WRITES);
    for number in 0..SMALL_WRITES {
        let began = uptime();
        file.write_durable_at(&small, (number * SMALL_BYTES) as u64, method).await?;
        alone.push(uptime().saturating_sub(began));
    }
    alone.sort();
    let failed = Rc::new(Cell::new(None));
    let next = Rc::new(Cell::new(0));
    let large = Rc::new(Buffer::new(LARGE_BYTES));
    let began = uptime();
    let mut writers = Vec::with_capacity(DEPTH);
    for _ in 0..DEPTH {
        let (file, large, next, failed) = (file.clone(), large.clone(), next.clone(), failed.clone());
        writers.push(spawn(Lane::Commit, async move {
            while next.get() < LARGE_WRITES {
                let number = next.replace(next.get() + 1);
                if let Err(error) = file.write_durable_at(&large, (number * LARGE_BYTES) as u64, method).await {
                    failed.set(Some(error));
                }
            }
        }));
    }
    for writer in writers {
        writer.join().await;
    }
    match failed.take() {
        Some(error) => Err(error),
        None => Ok(Measured { alone: alone[alone.len() / 2], busy: uptime().saturating_sub(began) / LARGE_WRITES as u32 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmq_shards::runtime::sleep;

    fn micros(alone: u64, busy: u64) -> Measured {
        Measured { alone: Duration::from_micros(alone), busy: Duration::from_micros(busy) }
    }

    #[test]
    fn the_faster_way_is_chosen_and_the_plain_one_at_a_tie() {
        let choose = |write_then_sync, dsync| Probe { write_then_sync, dsync }.faster();
        assert_eq!(choose(micros(200, 90), micros(120, 80)), SyncMethod::Dsync);
        assert_eq!(choose(micros(200, 90), micros(250, 80)), SyncMethod::WriteThenSync);
        assert_eq!(choose(micros(200, 90), micros(200, 90)), SyncMethod::WriteThenSync);
    }

    #[test]
    fn a_probe_leaves_nothing_behind() {
        use ringmq_shards::runtime::sim::World;
        let world = World::new(1);
        let machine = world.machine("broker");
        let probed = Rc::new(Cell::new(None));
        let put = probed.clone();
        world.spawn_single(machine, "store", move || async move {
            fs::create_dir_all(Path::new("/data")).expect("an empty disk");
            put.set(Some(probe(Path::new("/data")).await.map(|probe| (probe, fs::exists(Path::new("/data/probe.tmp"))))));
        });
        world.run(async { sleep(Duration::from_secs(2)).await });
        let (probe, left) = probed.take().expect("it ran").expect("a disk without faults");
        assert!(!left && probe.dsync.alone > Duration::ZERO && probe.write_then_sync.busy > Duration::ZERO, "{probe:?}");
    }
}
