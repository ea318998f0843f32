//! The two resource limits that matter: open files, and memory that may be locked for registered buffers.
//!
//! A start raises the soft limits to the hard ones by itself, so the hard ones are what is judged.

use super::{Check, sys};

/// glommio refuses to make an executor below it.
const MEMLOCK_MIN: u64 = 512 << 10;
/// Enough for the registered buffers of a few cores; less works, through unregistered ones.
const MEMLOCK_GOOD: u64 = 8 << 20;
const NOFILE_MIN: u64 = 256;
const NOFILE_GOOD: u64 = 65_536;

/// Raises both soft limits as far as this user may.
pub fn raise() {
    sys::raise_to_hard(libc::RLIMIT_NOFILE);
    sys::raise_to_hard(libc::RLIMIT_MEMLOCK);
}

pub(super) fn checks() -> [Check; 2] {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    [memlock(hard(&text, "Max locked memory")), nofile(hard(&text, "Max open files"))]
}

fn memlock(hard: Option<u64>) -> Check {
    let name = "memlock";
    let fix = "ulimit -l unlimited   # for good: 'LimitMEMLOCK=infinity' in the unit, '--ulimit memlock=-1' in docker";
    match hard {
        None => Check::ok(name, "unlimited"),
        Some(limit) if limit < MEMLOCK_MIN => Check::fail(name, format!("{} KiB, at least 512 are needed", limit >> 10), fix),
        Some(limit) if limit < MEMLOCK_GOOD => {
            Check::warn(name, format!("{} KiB is too little for registered buffers", limit >> 10), fix)
        }
        Some(limit) => Check::ok(name, format!("{} KiB", limit >> 10)),
    }
}

fn nofile(hard: Option<u64>) -> Check {
    let name = "open files";
    let fix = "ulimit -n 1000000   # for good: 'LimitNOFILE=1000000' in the unit, '--ulimit nofile=1000000' in docker";
    match hard {
        None => Check::ok(name, "unlimited"),
        Some(limit) if limit < NOFILE_MIN => Check::fail(name, format!("{limit}, at least {NOFILE_MIN} are needed"), fix),
        Some(limit) if limit < NOFILE_GOOD => {
            Check::warn(name, format!("{limit}: that many connections and segments at most"), fix)
        }
        Some(limit) => Check::ok(name, limit.to_string()),
    }
}

/// The hard limit of a line of /proc/self/limits; none when it is unlimited or not there.
fn hard(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                          Max open files            1024                 20000                files     \n\
                          Max locked memory         8388608              unlimited            bytes     \n";

    #[test]
    fn the_hard_limit_is_read() {
        assert_eq!(hard(LIMITS, "Max open files"), Some(20_000));
        assert_eq!(hard(LIMITS, "Max locked memory"), None);
    }

    #[test]
    fn small_limits_are_said() {
        assert_eq!(memlock(Some(64 << 10)).outcome, Outcome::Fail);
        assert_eq!(memlock(Some(1 << 20)).outcome, Outcome::Warn);
        assert_eq!(memlock(Some(8 << 20)).outcome, Outcome::Ok);
        assert_eq!(nofile(Some(1024)).outcome, Outcome::Warn);
        assert_eq!(nofile(Some(10)).outcome, Outcome::Fail);
        assert_eq!(nofile(None).outcome, Outcome::Ok);
    }
}
