//! Is there a store already, is it ours and of the right shape, and does another process have it.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Check;
use crate::config::NodeOptions;
use ringmq_shards::log::meta::{FILE_NAME, FORMAT};
use ringmq_shards::log::{BadMeta, StoreMeta};
use ringmq_shards::placement::Routing;

/// What `store.meta` says, as far as a start must agree with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExistingStore {
    pub format: u32,
    pub shards: u16,
    pub routing: Routing,
}

/// The newest store format that this program reads.
pub const FORMAT_NEWEST: u32 = FORMAT;

const META: &str = FILE_NAME;

pub fn exists(dir: &Path) -> bool {
    dir.join(META).exists()
}

/// None: there is no store yet, or none that can be read here.
///
/// One of a newer format is no error here: `judge` says what to do about it.
pub fn existing(dir: &Path) -> Result<Option<ExistingStore>, String> {
    let path = dir.join(META);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    match StoreMeta::decode(&bytes) {
        Ok(meta) => Ok(Some(ExistingStore { format: FORMAT_NEWEST, shards: meta.shards, routing: meta.routing })),
        Err(BadMeta::NewerFormat(format)) => Ok(Some(ExistingStore { format, shards: 0, routing: Routing::Mesh })),
        Err(bad) => Err(format!("{}: {bad}", path.display())),
    }
}

const LOCK_RETRIES: u32 = 120;
const LOCK_REST: Duration = Duration::from_millis(25);

pub(super) fn checks(options: &NodeOptions) -> Vec<Check> {
    let dir = &options.data_dir;
    let mut checks = Vec::new();
    if is_java_store(dir) {
        let found = format!("{} holds a store of Apache RocketMQ, which RingMQ does not read", dir.display());
        checks.push(Check::fail("store", found, "--data DIR   # a folder of its own"));
        return checks;
    }
    checks.push(match existing(dir) {
        Err(error) => Check::fail("store", error, format!("ringmq store check {}", dir.display())),
        Ok(None) if exists(dir) => Check::ok("store", "there"),
        Ok(None) => Check::ok("store", format!("new, {} shard(s)", options.shards)),
        Ok(Some(existing)) => judge(existing, options.shards_explicit.then_some(options.shards), options.routing),
    });
    if let Some((file, owner)) = locked_for_long(dir) {
        let owner = owner.map_or("another process".to_string(), |pid| format!("process {pid}"));
        let fix = format!("sh scripts/mqshutdown broker   # or: fuser -v {}", file.display());
        checks.push(Check::fail("store lock", format!("{} is held by {owner}", file.display()), fix));
    }
    checks
}

fn judge(existing: ExistingStore, wanted_shards: Option<u16>, routing: Routing) -> Check {
    let name = "store";
    let ExistingStore { format, shards, .. } = existing;
    if format > FORMAT_NEWEST {
        let found = format!("its format {format} is newer than {FORMAT_NEWEST}, the newest this version reads");
        return Check::fail(name, found, "start the newer version of ringmq that made it");
    }
    if wanted_shards.is_some_and(|wanted| wanted != shards) {
        return Check::fail(
            name,
            format!("was made with {shards} shard(s)"),
            format!("--shards {shards}   # or another --data DIR"),
        );
    }
    if existing.routing != routing {
        let was = if existing.routing == Routing::Mesh { "mesh" } else { "direct" };
        return Check::fail(
            name,
            format!("was made with shardRouting={was}"),
            format!("--set shardRouting={was}   # or another --data DIR"),
        );
    }
    Check::ok(name, format!("format {format}, {shards} shard(s)"))
}

/// RocketMQ's folders, and no `store.meta`.
fn is_java_store(dir: &Path) -> bool {
    !exists(dir) && dir.join("commitlog").is_dir() && (dir.join("consumequeue").is_dir() || dir.join("checkpoint").is_file())
}

/// A node that was killed a moment ago still holds its locks while the kernel ends its writes.
fn locked_for_long(dir: &Path) -> Option<(PathBuf, Option<u32>)> {
    for _ in 0..LOCK_RETRIES {
        locked(dir)?;
        std::thread::sleep(LOCK_REST);
    }
    locked(dir)
}

/// The first segment that somebody has locked, with the owner's process id where the kernel tells it.
///
/// Segments are locked themselves, not a lock file: after SIGKILL the kernel may still be completing writes, and only a
/// lock on the written files lasts until that is over. A shared lock is tried, which a running node's exclusive one refuses.
fn locked(dir: &Path) -> Option<(PathBuf, Option<u32>)> {
    let path = segments(dir, 3).into_iter().find(|path| {
        let file = File::open(path);
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    })?;
    let inode = std::fs::metadata(&path).ok()?.ino();
    let owner = lock_owner(&std::fs::read_to_string("/proc/locks").unwrap_or_default(), inode);
    Some((path, owner))
}

/// Files named by a position in 20 digits, up to `depth` folders down.
fn segments(dir: &Path, depth: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match is_folder {
            true if depth > 0 => found.extend(segments(&entry.path(), depth - 1)),
            false if stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit()) => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:131 0 EOF`
fn lock_owner(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields.get(5)?.rsplit(':').next()?.parse() == Ok(inode);
        if ours { fields.get(4)?.parse().ok().filter(|pid| *pid > 0) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    const STORE: ExistingStore = ExistingStore { format: 1, shards: 4, routing: Routing::Mesh };

    #[test]
    fn a_store_keeps_its_shape() {
        assert_eq!(judge(STORE, None, Routing::Mesh).outcome, Outcome::Ok);
        assert_eq!(judge(STORE, Some(4), Routing::Mesh).outcome, Outcome::Ok);
        assert!(judge(STORE, Some(2), Routing::Mesh).fix.unwrap().starts_with("--shards 4"));
        assert!(judge(STORE, None, Routing::Direct).fix.unwrap().starts_with("--set shardRouting=mesh"));
        assert!(judge(ExistingStore { format: 2, ..STORE }, None, Routing::Mesh).found.contains("newer"));
    }

    #[test]
    fn the_owner_of_a_lock() {
        let locks = "1: FLOCK  ADVISORY  WRITE 4711 fe:00:131 0 EOF\n2: POSIX  ADVISORY  READ -1 fe:00:132 0 EOF\n";
        assert_eq!(lock_owner(locks, 131), Some(4711));
        assert_eq!(lock_owner(locks, 132), None);
        assert_eq!(lock_owner(locks, 31), None);
    }

    #[test]
    fn locked_segments_and_java_stores_are_seen() {
        let dir = std::env::temp_dir().join(format!("ringmq-store-test-{}", std::process::id()));
        let log = dir.join("shard-0/log");
        std::fs::create_dir_all(&log).unwrap();
        let segment = log.join("00000000000000000000.log");
        let held = File::create(&segment).unwrap();
        assert_eq!(locked(&dir), None);
        held.try_lock().unwrap();
        assert_eq!(locked(&dir), Some((segment, Some(std::process::id()))));
        drop(held);

        assert!(!is_java_store(&dir));
        std::fs::create_dir_all(dir.join("commitlog")).unwrap();
        std::fs::create_dir_all(dir.join("consumequeue")).unwrap();
        assert!(is_java_store(&dir));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
