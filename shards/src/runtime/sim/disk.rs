//! One simulated disk: files, operations in flight, locks, faults. Pure: time and chance are passed in.
//!
//! An operation is begun, gets a moment at which it lands, and lands when the scheduler says that the moment has come;
//! so completions are reordered as their random latencies fall.
//!
//! Invariants:
//! - A sync covers the writes that had landed when it was begun, and no others.
//! - The lock of an open file is held until the file is closed and its last operation has landed: a killed process's
//!   writes may land later, and whoever gets the lock finds all of them.
//! - After a power cut no operation lands any more, no lock is held, and what remains is decided by `pages` and `names`.

use super::super::{Buffer, Open};
use super::{
    names::{Inode, Names},
    pages::{Cut, Pages, SECTOR},
    process::ProcessId,
    random::Random,
};
use crate::types::Millis;
use std::{cell::RefCell, collections::BTreeMap, io, ops::Range, path::Path, rc::Rc, task::Waker, time::Duration};

/// What can go wrong, and how fast the disk is. Chances are in a million operations.
#[derive(Clone, Debug)]
pub struct DiskFaults {
    pub write_latency: Range<Duration>,
    pub sync_latency: Range<Duration>,
    pub read_latency: Range<Duration>,
    /// An operation takes ten times as long.
    pub slow: u32,
    /// A write fails (EIO); some of its sectors may have been written.
    pub write_error: u32,
    /// A sync fails (EIO); what it covered stays unsure for ever.
    pub sync_error: u32,
    pub read_error: u32,
    /// For tests of tests: a sync succeeds at once, and does its work when it would have been done. What an
    /// acknowledgement before the sync looks like from outside.
    pub early_sync: u32,
    /// For tests of tests: a block's write rewrites the block before it too, and may tear it. What filling up the last
    /// block would be.
    pub rewrites_block_before: bool,
}

impl Default for DiskFaults {
    fn default() -> DiskFaults {
        DiskFaults {
            write_latency: Duration::from_micros(20)..Duration::from_micros(400),
            sync_latency: Duration::from_micros(50)..Duration::from_millis(1),
            read_latency: Duration::from_micros(30)..Duration::from_micros(500),
            slow: 10_000,
            write_error: 0,
            sync_error: 0,
            read_error: 0,
            early_sync: 0,
            rewrites_block_before: false,
        }
    }
}

/// An open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation(pub u64);

pub enum Request {
    Write { pos: u64, buffer: Rc<Buffer>, range: Range<usize> },
    Read { pos: u64, len: usize },
    Sync,
    Allocate { len: u64 },
}

/// Where the result of an operation is put for the task that waits.
#[derive(Default)]
pub struct Completion {
    pub result: RefCell<Option<io::Result<Option<Buffer>>>>,
    pub waker: RefCell<Option<Waker>>,
}

struct InFlight {
    handle: Handle,
    request: Request,
    /// The writes that a sync covers.
    covers: u64,
    /// The error that it will end with.
    fault: Option<i32>,
    /// `None` once the process is gone.
    completion: Option<Rc<Completion>>,
}

struct OpenFile {
    inode: Inode,
    process: ProcessId,
    writes_allowed: bool,
    dsync: bool,
    closed: bool,
}

#[derive(Default)]
struct Contents {
    pages: Pages,
    size: u64,
    durable_size: u64,
    modified: Millis,
    lock: Option<Handle>,
}

pub struct Disk {
    pub faults: DiskFaults,
    /// Bytes that all files together may take.
    pub capacity: u64,
    /// Operations begun before this land after it.
    pub stalled_until: Duration,
    /// What the drive writes whole: 512 or 4096. Also the alignment it asks for.
    pub sector: u32,
    pub names: Names,
    contents: BTreeMap<Inode, Contents>,
    open: BTreeMap<Handle, OpenFile>,
    in_flight: BTreeMap<Operation, InFlight>,
    /// The last number given to anything.
    last_number: u64,
    /// The last number given to a write that landed.
    last_write: u64,
}

impl Disk {
    pub fn new() -> Disk {
        Disk {
            faults: DiskFaults::default(),
            capacity: 1 << 40,
            stalled_until: Duration::ZERO,
            sector: SECTOR as u32,
            names: Names::new(),
            contents: BTreeMap::new(),
            open: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            last_number: 0,
            last_write: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub fn open(&mut self, path: &Path, how: Open, dsync: bool, process: ProcessId, now: Millis) -> io::Result<Handle> {
        let inode = match how {
            Open::Read | Open::ReadWrite => self.names.file(path)?,
            Open::CreateNew => {
                let inode = Inode(self.number());
                self.names.create(path, inode)?;
                self.contents.insert(inode, Contents { modified: now, ..Contents::default() });
                inode
            }
        };
        let handle = Handle(self.number());
        self.open.insert(handle, OpenFile { inode, process, writes_allowed: how != Open::Read, dsync, closed: false });
        Ok(handle)
    }

    pub fn size(&self, handle: Handle) -> io::Result<u64> {
        Ok(self.contents_of(handle)?.size)
    }

    /// Pages of zeroes are holes here.
    pub fn next_data(&self, handle: Handle, pos: u64) -> io::Result<Option<u64>> {
        Ok(self.contents_of(handle)?.pages.next_data(pos))
    }

    pub fn try_lock(&mut self, handle: Handle) -> io::Result<bool> {
        let inode = self.opened(handle)?.inode;
        let lock = &mut self.contents.get_mut(&inode).expect("open files have contents").lock;
        match lock {
            Some(holder) if *holder != handle => Ok(false),
            _ => {
                *lock = Some(handle);
                Ok(true)
            }
        }
    }

    /// Starts an operation and says when it lands.
    pub fn begin(
        &mut self,
        handle: Handle,
        request: Request,
        completion: Rc<Completion>,
        now: Duration,
        random: &mut Random,
    ) -> io::Result<(Operation, Duration)> {
        let open = self.opened(handle)?;
        if !open.writes_allowed && matches!(request, Request::Write { .. } | Request::Allocate { .. }) {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        let dsync = open.dsync;
        let (latency, error) = match &request {
            Request::Write { .. } if dsync => {
                (add(&self.faults.write_latency, &self.faults.sync_latency), self.faults.write_error)
            }
            Request::Write { .. } => (self.faults.write_latency.clone(), self.faults.write_error),
            Request::Read { .. } => (self.faults.read_latency.clone(), self.faults.read_error),
            Request::Sync => (self.faults.sync_latency.clone(), self.faults.sync_error),
            Request::Allocate { .. } => (self.faults.sync_latency.clone(), 0),
        };
        let mut takes = random.duration(&latency);
        if random.chance(self.faults.slow) {
            takes *= 10;
        }
        let fault = random.chance(error).then_some(libc::EIO);
        let operation = Operation(self.number());
        let mut completion = Some(completion);
        if matches!(request, Request::Sync) && random.chance(self.faults.early_sync) {
            *completion.take().expect("still here").result.borrow_mut() = Some(Ok(None));
        }
        let in_flight = InFlight { handle, request, covers: self.last_write, fault, completion };
        self.in_flight.insert(operation, in_flight);
        Ok((operation, now.max(self.stalled_until) + takes))
    }

    /// The moment of an operation has come. Returns its error's number, 0 for none; `None` if it is no more.
    pub fn land(&mut self, operation: Operation, now: Millis, random: &mut Random) -> Option<i32> {
        let InFlight { handle, request, covers, fault, completion } = self.in_flight.remove(&operation)?;
        let result = self.perform(handle, &request, covers, fault, now, random);
        let code = result.as_ref().err().map_or(0, |error| error.raw_os_error().unwrap_or(-1));
        if let Some(completion) = completion {
            *completion.result.borrow_mut() = Some(result);
            if let Some(waker) = completion.waker.take() {
                waker.wake();
            }
        }
        self.release_if_idle(handle);
        Some(code)
    }

    fn perform(
        &mut self,
        handle: Handle,
        request: &Request,
        covers: u64,
        fault: Option<i32>,
        now: Millis,
        random: &mut Random,
    ) -> io::Result<Option<Buffer>> {
        let failed = fault.map(io::Error::from_raw_os_error);
        let OpenFile { inode, dsync, .. } = *self.open.get(&handle).expect("files outlive their operations");
        match request {
            Request::Write { pos, buffer, range } => {
                let bytes = &buffer.as_slice()[range.clone()];
                let end = pos + bytes.len() as u64;
                self.check_room(inode, end)?;
                self.last_write += 1;
                let sequence = self.last_write;
                let contents = self.contents.get_mut(&inode).expect("open files have contents");
                contents.modified = now;
                if let Some(error) = failed {
                    write_some(&mut contents.pages, sequence, *pos, bytes, random);
                    return Err(error);
                }
                if self.faults.rewrites_block_before && bytes.len() <= BLOCK_WRITE_MAX {
                    rewrite_before(&mut contents.pages, sequence, *pos);
                }
                contents.pages.write(sequence, *pos, bytes);
                contents.size = contents.size.max(end);
                if dsync {
                    contents.pages.sync(sequence);
                    contents.durable_size = contents.size;
                }
                Ok(None)
            }
            Request::Read { pos, len } => {
                if let Some(error) = failed {
                    return Err(error);
                }
                let contents = &self.contents[&inode];
                let mut buffer = Buffer::new((*len as u64).min(contents.size.saturating_sub(*pos)) as usize);
                contents.pages.read(*pos, buffer.as_mut_slice());
                Ok(Some(buffer))
            }
            Request::Sync => {
                let contents = self.contents.get_mut(&inode).expect("open files have contents");
                if let Some(error) = failed {
                    contents.pages.doom(covers);
                    return Err(error);
                }
                contents.pages.sync(covers);
                contents.durable_size = contents.size;
                Ok(None)
            }
            Request::Allocate { len } => {
                self.check_room(inode, *len)?;
                let contents = self.contents.get_mut(&inode).expect("open files have contents");
                contents.size = contents.size.max(*len);
                Ok(None)
            }
        }
    }

    pub fn close(&mut self, handle: Handle) {
        if let Some(open) = self.open.get_mut(&handle) {
            open.closed = true;
            self.release_if_idle(handle);
        }
    }

    /// A closed file's lock goes with its last operation.
    fn release_if_idle(&mut self, handle: Handle) {
        let closed = self.open.get(&handle).is_some_and(|open| open.closed);
        if !closed || self.in_flight.values().any(|operation| operation.handle == handle) {
            return;
        }
        let open = self.open.remove(&handle).expect("looked up above");
        let contents = self.contents.get_mut(&open.inode).expect("open files have contents");
        if contents.lock == Some(handle) {
            contents.lock = None;
        }
        self.collect();
    }

    /// The process is gone, the machine runs on. Some of its operations land late (returned with their moments, which
    /// replace the old ones), the others never.
    pub fn abandon(
        &mut self,
        process: ProcessId,
        late: &Range<Duration>,
        now: Duration,
        random: &mut Random,
    ) -> Vec<(Operation, Duration)> {
        let files: Vec<Handle> =
            self.open.iter().filter(|(_, open)| open.process == process).map(|(handle, _)| *handle).collect();
        let operations: Vec<Operation> = self
            .in_flight
            .iter()
            .filter(|(_, operation)| files.contains(&operation.handle))
            .map(|(operation, _)| *operation)
            .collect();
        let mut later = Vec::new();
        for operation in operations {
            let mut in_flight = self.in_flight.remove(&operation).expect("listed above");
            in_flight.completion = None;
            if random.coin() {
                // A new number: the moment that was set for the old one finds nothing.
                let operation = Operation(self.number());
                self.in_flight.insert(operation, in_flight);
                later.push((operation, now.max(self.stalled_until) + random.duration(late)));
            }
        }
        for handle in files {
            self.close(handle);
        }
        later
    }

    /// The machine loses its power.
    pub fn cut(&mut self, random: &mut Random) {
        for (_, InFlight { handle, request, .. }) in std::mem::take(&mut self.in_flight) {
            if let Request::Write { pos, buffer, range } = request
                && random.coin()
            {
                let inode = self.open[&handle].inode;
                self.last_write += 1;
                let contents = self.contents.get_mut(&inode).expect("open files have contents");
                contents.pages.write(self.last_write, pos, &buffer.as_slice()[range.clone()]);
                contents.size = contents.size.max(pos + range.len() as u64);
            }
        }
        self.open.clear();
        self.names.cut(random);
        // Sometimes nearly everything is there, sometimes nearly nothing: each finds its own mistakes.
        let kept = [0, 100_000, 500_000, 900_000, 1_000_000][random.index(5)];
        let unit = if self.sector as usize > SECTOR || random.coin() { 4096 } else { SECTOR };
        for contents in self.contents.values_mut() {
            contents.pages.cut(random, Cut { kept, unit });
            if !random.chance(kept) {
                contents.size = contents.durable_size;
                contents.pages.truncate(contents.size);
            }
            contents.durable_size = contents.size;
            contents.lock = None;
        }
        self.collect();
    }

    /// Forgets contents that nobody can reach any more.
    pub fn collect(&mut self) {
        let named = self.names.inodes();
        let opened: Vec<Inode> = self.open.values().map(|open| open.inode).collect();
        self.contents.retain(|inode, _| named.contains(inode) || opened.contains(inode));
    }

    /// Bytes taken.
    pub fn used(&self) -> u64 {
        self.contents.values().map(|contents| contents.size.next_multiple_of(4096)).sum()
    }

    fn check_room(&self, inode: Inode, size: u64) -> io::Result<()> {
        let has = self.contents[&inode].size.next_multiple_of(4096);
        let wants = size.next_multiple_of(4096);
        if wants > has && self.used() + (wants - has) > self.capacity {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        Ok(())
    }

    fn opened(&self, handle: Handle) -> io::Result<&OpenFile> {
        self.open.get(&handle).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    fn contents_of(&self, handle: Handle) -> io::Result<&Contents> {
        Ok(&self.contents[&self.opened(handle)?.inode])
    }

    pub fn modified(&self, path: &Path) -> io::Result<Millis> {
        Ok(self.contents[&self.names.file(path)?].modified)
    }

    /// A whole file as it would be read now.
    pub fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let contents = &self.contents[&self.names.file(path)?];
        let mut bytes = vec![0; contents.size as usize];
        contents.pages.read(0, &mut bytes);
        Ok(bytes)
    }

    /// A small file's whole contents become this, not yet durably.
    pub fn replace_bytes(&mut self, path: &Path, bytes: &[u8], now: Millis) -> io::Result<Inode> {
        let inode = match self.names.file(path) {
            Ok(inode) => inode,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let inode = Inode(self.number());
                self.names.create(path, inode)?;
                self.contents.insert(inode, Contents::default());
                inode
            }
            Err(error) => return Err(error),
        };
        self.check_room(inode, bytes.len() as u64)?;
        self.last_write += 1;
        let contents = self.contents.get_mut(&inode).expect("named files have contents");
        contents.pages.truncate(0);
        contents.pages.write(self.last_write, 0, bytes);
        contents.size = bytes.len() as u64;
        contents.durable_size = contents.durable_size.min(contents.size);
        contents.modified = now;
        Ok(inode)
    }

    /// What was written to this file is durable from here on.
    pub fn sync_bytes(&mut self, inode: Inode) {
        if let Some(contents) = self.contents.get_mut(&inode) {
            contents.pages.sync(self.last_write);
            contents.durable_size = contents.size;
        }
    }

    /// Changes stored bytes: rot.
    pub fn poke(&mut self, path: &Path, pos: u64, bytes: &[u8]) -> io::Result<()> {
        let inode = self.names.file(path)?;
        self.contents.get_mut(&inode).expect("named files have contents").pages.poke(pos, bytes);
        Ok(())
    }
}

/// Larger writes are not blocks: zeroes, written ahead.
const BLOCK_WRITE_MAX: usize = 256 << 10;

/// The page before a position is written again, with another header first and then as it was: until the next sync, a
/// power cut may leave any mixture.
fn rewrite_before(pages: &mut Pages, sequence: u64, pos: u64) {
    let Some(before) = pos.checked_sub(4096) else { return };
    let mut old = [0; 4096];
    pages.read(before, &mut old);
    if old.iter().all(|byte| *byte == 0) {
        return;
    }
    let new = old.map(|byte| !byte);
    pages.write(sequence, before, &new);
    pages.write(sequence, before, &old);
}

/// What a failed write leaves: any of its sectors.
fn write_some(pages: &mut Pages, sequence: u64, pos: u64, bytes: &[u8], random: &mut Random) {
    for (index, sector) in bytes.chunks(SECTOR).enumerate() {
        if random.coin() {
            pages.write(sequence, pos + (index * SECTOR) as u64, sector);
        }
    }
}

fn add(one: &Range<Duration>, two: &Range<Duration>) -> Range<Duration> {
    one.start + two.start..one.end + two.end
}
