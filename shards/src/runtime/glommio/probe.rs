//! Whether this machine lets us use io_uring, and if not, why and what to do.

use super::super::sys;
use std::{fs, io};

/// Glommio refuses to start an executor below this.
const MEMLOCK_MIN: u64 = 512 << 10;

/// Ok when executors can start. Otherwise the cause in one sentence, with what fixes it.
pub fn probe() -> Result<(), String> {
    sys::try_io_uring().map_err(|error| explain(&error, disabled_level()))?;
    match sys::memlock_limit() {
        Ok(limit) if limit < MEMLOCK_MIN => Err(format!(
            "the limit on locked memory is {} KiB and executors need {} KiB: run `ulimit -l 8192` first, or set \
             LimitMEMLOCK=8M in the systemd unit",
            limit >> 10,
            MEMLOCK_MIN >> 10
        )),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the limit on locked memory cannot be read: {error}")),
    }
}

/// `kernel.io_uring_disabled`: 0 allowed, 1 for privileged processes only, 2 nobody. Absent before Linux 6.6.
fn disabled_level() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

fn explain(error: &io::Error, disabled: Option<u8>) -> String {
    match (error.raw_os_error(), disabled) {
        (Some(libc::ENOSYS), _) => {
            "this kernel has no io_uring (or a seccomp filter hides it): Linux 5.8 or newer is needed, and in a container \
             a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register"
                .into()
        }
        (Some(libc::EPERM | libc::EACCES), Some(level @ 1..)) => format!(
            "io_uring is switched off by the setting kernel.io_uring_disabled={level}: run `sysctl -w kernel.io_uring_disabled=0`"
        ),
        (Some(libc::EPERM | libc::EACCES), _) => {
            "io_uring is blocked by a seccomp filter: run the container with `--security-opt seccomp=unconfined` or a \
             profile that allows io_uring_setup, io_uring_enter and io_uring_register"
                .into()
        }
        (Some(libc::ENOMEM), _) => {
            "io_uring cannot lock the memory of its rings: run `ulimit -l 8192` first, or set LimitMEMLOCK=8M in the systemd unit"
                .into()
        }
        _ => format!("io_uring cannot be used: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_named_with_its_cure() {
        let told = |code, disabled| explain(&io::Error::from_raw_os_error(code), disabled);
        assert!(told(libc::EPERM, Some(2)).contains("sysctl -w kernel.io_uring_disabled=0"));
        assert!(told(libc::EPERM, Some(0)).contains("seccomp"));
        assert!(told(libc::EPERM, None).contains("seccomp"));
        assert!(told(libc::ENOSYS, None).contains("kernel has no io_uring"));
        assert!(told(libc::ENOMEM, Some(0)).contains("ulimit -l"));
        assert!(told(libc::EMFILE, Some(0)).contains("Too many open files"));
    }
}
