//! Is io_uring there, and if not, who took it away: the kernel's age, a sysctl, or a container's seccomp filter.

use std::io;

use super::{Check, sys};

/// glommio needs the operations of 5.8.
const KERNEL_MIN: (u32, u32) = (5, 8);

pub(super) fn version(release: &str) -> Check {
    let name = "kernel";
    match parse(release) {
        Some(version) if version < KERNEL_MIN => {
            let fix = "sudo apt-get install linux-image-generic   # or any kernel of 5.8 or newer, then reboot";
            Check::fail(name, format!("Linux {release} is older than 5.8"), fix)
        }
        Some(_) => Check::ok(name, format!("Linux {release}")),
        None => Check::warn(name, format!("release '{release}' is not understood"), "uname -r"),
    }
}

pub(super) fn io_uring() -> Check {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    judge(sys::try_io_uring(), read("/proc/sys/kernel/io_uring_disabled").trim(), &read("/proc/self/status"))
}

/// `disabled` is the sysctl's text, empty where the kernel does not have it; `status` is /proc/self/status.
fn judge(tried: io::Result<()>, disabled: &str, status: &str) -> Check {
    let name = "io_uring";
    let Err(error) = tried else { return Check::ok(name, "works") };
    let filtered = status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]));
    let unfilter = "docker run --security-opt seccomp=unconfined ...   # or a profile that allows io_uring_setup, io_uring_enter, io_uring_register";
    match error.raw_os_error() {
        Some(libc::EPERM) if matches!(disabled, "1" | "2") => Check::fail(
            name,
            format!("disabled by kernel.io_uring_disabled={disabled}"),
            "sudo sysctl -w kernel.io_uring_disabled=0",
        ),
        Some(libc::EPERM | libc::ENOSYS | libc::EACCES) if filtered => {
            Check::fail(name, format!("blocked by this container's seccomp filter ({error})"), unfilter)
        }
        Some(libc::ENOSYS) => {
            let fix = "sudo apt-get install linux-image-generic   # a kernel built with CONFIG_IO_URING";
            Check::fail(name, "this kernel has none", fix)
        }
        Some(libc::ENOMEM) => Check::fail(name, "memlock is too small for a ring", "ulimit -l unlimited"),
        Some(libc::EMFILE) => Check::fail(name, "no file descriptor is left", "ulimit -n 1000000"),
        _ => Check::fail(name, format!("refused: {error}"), "dmesg | tail   # a security module may say why"),
    }
}

fn parse(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    #[test]
    fn versions() {
        assert_eq!(version("6.18.44-fc").outcome, Outcome::Ok);
        assert_eq!(version("5.10.0-8-amd64").outcome, Outcome::Ok);
        assert_eq!(version("5.4.0").outcome, Outcome::Fail);
        assert_eq!(version("4.19").outcome, Outcome::Fail);
        assert_eq!(version("").outcome, Outcome::Warn);
    }

    #[track_caller]
    fn check(errno: i32, disabled: &str, status: &str, found: &str, fix: &str) {
        let check = judge(Err(io::Error::from_raw_os_error(errno)), disabled, status);
        assert_eq!(check.outcome, Outcome::Fail);
        assert!(check.found.contains(found), "{check:?}");
        assert!(check.fix.as_deref().unwrap().contains(fix), "{check:?}");
    }

    #[test]
    fn each_cause_has_its_own_fix() {
        check(libc::EPERM, "2", "Seccomp:\t0", "io_uring_disabled=2", "sysctl -w kernel.io_uring_disabled=0");
        check(libc::EPERM, "0", "Name:\tringmq\nSeccomp:\t2\n", "seccomp", "seccomp=unconfined");
        check(libc::ENOSYS, "", "Seccomp:\t2", "seccomp", "seccomp=unconfined");
        check(libc::ENOSYS, "", "Seccomp:\t0", "this kernel has none", "CONFIG_IO_URING");
        check(libc::ENOMEM, "0", "", "memlock", "ulimit -l unlimited");
        assert_eq!(judge(Ok(()), "0", "").outcome, Outcome::Ok);
    }
}
