//! Opens a shard's log: locks it, reads it back, cuts a torn tail, refuses a damaged one, and makes it ready to be written.
//!
//! Order matters: the lock comes before the first read (writes of a killed process may still be landing), and before
//! anything is served what was read is synced (it may be only in the drive's cache), the cut is zeroed, and a start
//! block with a higher incarnation is durable.
//!
//! Before: `runtime::live`; after: `log::scan`, `runtime::commit_log`.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::commit_log::CommitLog;
use super::store_error::StoreError;
use super::{Buffer, File, Open, fs, sleep, uptime};
use crate::log::block::HEADER_BYTES;
use crate::log::{BlockHeader, Found, GroupCommit, LogOptions, Resume, Scan, Verdict, segment};
use crate::types::LogPosition;

/// How long we wait for a killed process's writes to end.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_RETRY: Duration = Duration::from_millis(5);
/// What one read of a scan asks for.
const READ_BYTES: usize = 4 << 20;
/// Zeroes over a cut are written in pieces.
const ZERO_BYTES: usize = 1 << 20;

/// What a recovery has done, for the start's output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recovery {
    pub bytes_read: u64,
    pub elapsed: Duration,
    pub torn: bool,
    pub end: LogPosition,
}

/// One block of the log, as it is replayed.
pub struct Replayed<'a> {
    pub header: BlockHeader,
    pub payload: &'a [u8],
}

pub struct Opened {
    pub log: CommitLog,
    pub commits: GroupCommit,
    pub recovery: Recovery,
}

/// Opens the log and replays every block from the segment of `from` on.
pub async fn open(options: LogOptions, from: LogPosition, replay: &mut dyn FnMut(Replayed<'_>)) -> Result<Opened, StoreError> {
    let started = uptime();
    let dir = options.dir.clone();
    fs::create_dir_all(&dir).map_err(|error| StoreError::io(&dir, "making the folder", &error))?;
    let mut segments = list(&options)?;
    let from = options.segment_of(from);
    let is_new = segments.is_empty();
    if is_new {
        create_segment(&options, from).await?;
        segments.push(from);
    }
    let (oldest, newest) = (segments[0], segments[segments.len() - 1]);
    if !segments.contains(&from) {
        let text = format!("the log has segments from {oldest} to {newest}, but must be replayed from {from}");
        return Err(StoreError::new(&dir, text, "restore the missing segment from a backup").at(from));
    }
    let mut files: BTreeMap<LogPosition, Option<Rc<File>>> = BTreeMap::new();
    for first in segments {
        let file = if first < from { None } else { Some(Rc::new(open_locked(&options, first).await?)) };
        files.insert(first, file);
    }
    let (resume, mark, mut recovery) = if is_new {
        // Just made: nothing can be in it.
        let resume = Resume { position: from, incarnation: 1, sequence: 0, previous_crc: 0 };
        (resume, from, Recovery { end: from, ..Recovery::default() })
    } else {
        scan(&options, from, &files, replay).await?
    };
    recovery.elapsed = uptime().saturating_sub(started);
    write_again(&options, &files, mark.max(from), resume.position).await?;
    let mut commits = settle(&options, &mut files, resume).await?;
    let log = CommitLog::new(options, files, resume.position);
    write_start(&log, &mut commits).await?;
    Ok(Opened { log, commits, recovery })
}

/// The segments in the folder, which must follow each other without a gap.
fn list(options: &LogOptions) -> Result<Vec<LogPosition>, StoreError> {
    let dir = &options.dir;
    let names = fs::list(dir).map_err(|error| StoreError::io(dir, "listing the folder", &error))?;
    let segments: Vec<LogPosition> = names.iter().filter_map(|name| segment::first(name)).collect();
    for pair in segments.windows(2) {
        if pair[1].0 - pair[0].0 != options.segment_bytes {
            let text = format!("segment {} is missing", segment::name(LogPosition(pair[0].0 + options.segment_bytes)));
            return Err(StoreError::new(dir, text, "restore it from a backup").at(pair[0]));
        }
    }
    Ok(segments)
}

async fn create_segment(options: &LogOptions, first: LogPosition) -> Result<(), StoreError> {
    let path = options.dir.join(segment::name(first));
    let made = async {
        let file = File::open_for(&path, Open::CreateNew, options.sync).await?;
        file.allocate(options.segment_bytes).await?;
        file.sync().await?;
        file.close().await?;
        fs::sync_dir(&options.dir).await
    };
    made.await.map_err(|error| StoreError::io(&path, "making the segment", &error))
}

async fn open_locked(options: &LogOptions, first: LogPosition) -> Result<File, StoreError> {
    let path = options.dir.join(segment::name(first));
    let file =
        File::open_for(&path, Open::ReadWrite, options.sync).await.map_err(|error| StoreError::io(&path, "opening", &error))?;
    let started = uptime();
    while !file.try_lock().map_err(|error| StoreError::io(&path, "locking", &error))? {
        if uptime().saturating_sub(started) > LOCK_WAIT {
            return Err(StoreError::new(&path, "another process writes this store", "stop it, or use another folder (--data)"));
        }
        sleep(LOCK_RETRY).await;
    }
    let size = file.size().await.map_err(|error| StoreError::io(&path, "measuring", &error))?;
    if size > options.segment_bytes {
        let text = format!("the segment has {size} bytes instead of {}", options.segment_bytes);
        return Err(StoreError::new(&path, text, "restore it from a backup"));
    }
    if size < options.segment_bytes {
        // A crash between the file's creation and its allocation; nothing has been written to it.
        file.allocate(options.segment_bytes).await.map_err(|error| StoreError::io(&path, "allocating", &error))?;
    }
    Ok(file)
}

async fn scan(
    options: &LogOptions,
    from: LogPosition,
    files: &BTreeMap<LogPosition, Option<Rc<File>>>,
    replay: &mut dyn FnMut(Replayed<'_>),
) -> Result<(Resume, LogPosition, Recovery), StoreError> {
    let mut recovery = Recovery::default();
    let mut scan = Scan::new(options, from);
    let end = files.keys().next_back().map_or(from, |last| LogPosition(last.0 + options.segment_bytes));
    let mut window: Vec<u8> = Vec::new();
    let mut window_at = from;
    let mut wanted = READ_BYTES;
    while scan.position() < end {
        let position = scan.position();
        // The scan may have jumped to the next segment.
        if position < window_at || position.0 >= window_at.0 + window.len() as u64 {
            window.clear();
            window_at = position;
            if scan.good_has_ended() {
                let first = options.segment_of(position);
                let next = next_written(options, files, position)?;
                if next > position {
                    scan.skip_unwritten(next.min(LogPosition(first.0 + options.segment_bytes)));
                    continue;
                }
            }
        }
        let have = window.len() - position.since(window_at) as usize;
        let segment_left = (options.segment_of(position).0 + options.segment_bytes - position.0) as usize;
        if have < wanted.min(segment_left)
            && have < segment_left
            && (have < options.block_unit as usize || wanted > READ_BYTES || have == 0)
        {
            window.drain(..position.since(window_at) as usize);
            window_at = position;
            let read_at = position.advance(window.len() as u64);
            let first = options.segment_of(position);
            let step = READ_BYTES.max(wanted - window.len().min(wanted)).min(segment_left - window.len());
            let step = step.next_multiple_of(options.block_unit as usize);
            let path = options.dir.join(segment::name(first));
            let file = files.get(&first).and_then(|file| file.as_ref()).expect("segments from the start on are open");
            let part = file.read_at(read_at.since(first), step).await;
            let part = part.map_err(|error| StoreError::io(&path, "reading", &error).at(read_at))?;
            if part.is_empty() {
                return Err(StoreError::new(&path, "the file ends early", "restore it from a backup").at(read_at));
            }
            window.extend_from_slice(part.as_slice());
            recovery.bytes_read += part.len() as u64;
            continue;
        }
        match scan.look(&window[position.since(window_at) as usize..]) {
            Found::Block { header, .. } => {
                let at = position.since(window_at) as usize + HEADER_BYTES;
                replay(Replayed { header, payload: &window[at..at + header.payload_bytes as usize] });
                wanted = READ_BYTES;
            }
            Found::Need { bytes } => wanted = (bytes as usize).max(READ_BYTES + 1),
            Found::Beyond => wanted = READ_BYTES,
        }
    }
    match scan.finish() {
        Verdict::Good { resume, torn, mark } => {
            recovery.torn = torn;
            recovery.end = resume.position;
            Ok((resume, mark, recovery))
        }
        Verdict::Corrupt { position, bad, mark, mark_at } => {
            let path = options.dir.join(segment::name(options.segment_of(position)));
            let found = format!(
                "{bad}, though the block at {mark_at} says that everything before {mark} was durable: acknowledged messages are damaged"
            );
            let advice = "restore the file from a backup, or run `ringmq store check` to see what is readable";
            Err(StoreError::new(&path, found, advice).at(position))
        }
    }
}

/// The first unit from `position` on, in its segment or at its end, that was ever written as far as the file system knows.
fn next_written(
    options: &LogOptions,
    files: &BTreeMap<LogPosition, Option<Rc<File>>>,
    position: LogPosition,
) -> Result<LogPosition, StoreError> {
    let first = options.segment_of(position);
    let file = files.get(&first).and_then(|file| file.as_ref()).expect("segments from the start on are open");
    let path = options.dir.join(segment::name(first));
    let data = file.next_data(position.since(first)).map_err(|error| StoreError::io(&path, "seeking", &error).at(position))?;
    let unit = u64::from(options.block_unit);
    Ok(LogPosition(first.0 + data.unwrap_or(options.segment_bytes) / unit * unit))
}

/// Writes what no mark says to be durable again, with the same bytes, so that the sync of `settle` vouches for it.
///
/// Crash scenario: a sync fails, the log is poisoned, the process is restarted. The blocks can be read, but whatever
/// cache they come from may have given up on them: a later sync succeeds without them (fsync reports an error once). A power
/// cut then would take blocks that have been served since. The bytes are the same, so a torn write does no harm.
async fn write_again(
    options: &LogOptions,
    files: &BTreeMap<LogPosition, Option<Rc<File>>>,
    mut from: LogPosition,
    to: LogPosition,
) -> Result<(), StoreError> {
    while from < to {
        let first = options.segment_of(from);
        let end = to.min(LogPosition(first.0 + options.segment_bytes));
        let step = (ZERO_BYTES as u64).min(end.since(from)) as usize;
        let file = files.get(&first).and_then(|file| file.as_ref()).expect("segments from the start on are open");
        let again = async {
            let bytes = file.read_at(from.since(first), step).await?;
            if bytes.len() < step {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            file.write_at(&Rc::new(bytes), from.since(first)).await
        };
        let path = options.dir.join(segment::name(first));
        again.await.map_err(|error| StoreError::io(&path, "writing the unmarked end again", &error).at(from))?;
        from = from.advance(step as u64);
    }
    Ok(())
}

/// Makes the end of the log fit to be written: syncs what was read, removes what lies behind the cut.
async fn settle(
    options: &LogOptions,
    files: &mut BTreeMap<LogPosition, Option<Rc<File>>>,
    resume: Resume,
) -> Result<GroupCommit, StoreError> {
    let current = options.segment_of(resume.position);
    // Segments behind the cut hold nothing, or writes that nobody was told about.
    let behind: Vec<LogPosition> = files.keys().copied().filter(|first| *first > current).collect();
    for first in behind {
        let path = options.dir.join(segment::name(first));
        files.remove(&first);
        fs::remove(&path).map_err(|error| StoreError::io(&path, "removing the segment behind the cut", &error))?;
    }
    fs::sync_dir(&options.dir).await.map_err(|error| StoreError::io(&options.dir, "syncing the folder", &error))?;
    let mut commits = GroupCommit::new(options.clone(), resume);
    let next = LogPosition(current.0 + options.segment_bytes);
    if !files.contains_key(&current) || commits.starts_in_next_segment() {
        let missing = if files.contains_key(&current) { next } else { current };
        create_segment(options, missing).await?;
        files.insert(missing, Some(Rc::new(open_locked(options, missing).await?)));
        commits.segments_ready(LogPosition(missing.0 + options.segment_bytes));
    }
    let path = options.dir.join(segment::name(current));
    let file = files.get(&current).and_then(|file| file.clone()).expect("the current segment is open");
    let end = next.0.min(resume.position.0 + options.window_bytes()).next_multiple_of(u64::from(options.block_unit)).min(next.0);
    zero(&file, resume.position.since(current), end - current.0)
        .await
        .map_err(|error| StoreError::io(&path, "zeroing the cut", &error))?;
    for (first, file) in files.iter() {
        if let Some(file) = file {
            let path = options.dir.join(segment::name(*first));
            file.sync().await.map_err(|error| StoreError::io(&path, "syncing", &error))?;
        }
    }
    Ok(commits)
}

async fn zero(file: &File, mut from: u64, to: u64) -> std::io::Result<()> {
    while from < to {
        let step = ZERO_BYTES.min((to - from) as usize);
        file.write_at(&Rc::new(Buffer::new(step)), from).await?;
        from += step as u64;
    }
    Ok(())
}

async fn write_start(log: &CommitLog, commits: &mut GroupCommit) -> Result<(), StoreError> {
    commits.start();
    while let Some(write) = commits.next_write() {
        let result = log.write_now(&write).await;
        let path: &Path = &log.path(log.options.segment_of(write.position));
        result.map_err(|error| StoreError::io(path, "writing the start block", &error).at(write.position))?;
        commits.synced(write.id);
    }
    Ok(())
}
