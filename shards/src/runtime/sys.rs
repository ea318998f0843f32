//! The system calls that neither the standard library nor glommio offers. The only `unsafe` of this package.

use std::{ffi::CString, io, mem::MaybeUninit, os::unix::ffi::OsStrExt, path::Path};

#[cfg(feature = "glommio")]
use std::os::fd::AsRawFd;

/// Takes the exclusive advisory lock of this very open file, without waiting; `false` when another has it.
#[cfg(feature = "glommio")]
pub(super) fn try_flock(file: &impl AsRawFd) -> io::Result<bool> {
    // SAFETY: flock takes a descriptor, which `file` keeps open, and two flags; it touches no memory of ours.
    match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            error => Err(error),
        },
    }
}

/// The first byte from `pos` on that is not in a hole (an unwritten extent counts as one); `None` when there is none.
#[cfg(feature = "glommio")]
pub(super) fn next_data(file: &impl AsRawFd, pos: u64) -> io::Result<Option<u64>> {
    let offset = libc::off_t::try_from(pos).map_err(io::Error::other)?;
    // SAFETY: lseek takes a descriptor, which `file` keeps open, and numbers; all other I/O says its own positions.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset, libc::SEEK_DATA) };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            // A file system that does not know.
            error if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(Some(pos)),
            error => Err(error),
        },
    }
}

/// Bytes of the file system that holds `path`: all, and those a user without privileges can still take.
pub(super) fn disk_space(path: &Path) -> io::Result<(u64, u64)> {
    let path = c_path(path)?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a C string that outlives the call, and `found` has room for what statvfs writes.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statvfs has succeeded and so has filled the structure.
    let found = unsafe { found.assume_init() };
    // Like df and RocketMQ: blocks that are kept for others (root, a quota) are neither used nor free.
    let used = found.f_blocks.saturating_sub(found.f_bfree);
    Ok(((used + found.f_bavail) * found.f_frsize, found.f_bavail * found.f_frsize))
}

/// The file system's magic number (`TMPFS_MAGIC`, ...).
#[cfg(feature = "glommio")]
pub(super) fn file_system_kind(path: &Path) -> io::Result<i64> {
    let path = c_path(path)?;
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `path` is a C string that outlives the call, and `found` has room for what statfs writes.
    if unsafe { libc::statfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statfs has succeeded and so has filled the structure.
    #[allow(clippy::unnecessary_cast, reason = "the type of f_type differs between targets")]
    Ok(unsafe { found.assume_init() }.f_type as i64)
}

/// What direct I/O on this open file needs, as the kernel tells it since 6.1: the larger of the alignments of memory
/// and of position; `None` where the kernel or the file system does not say.
#[cfg(feature = "glommio")]
pub(super) fn direct_io_alignment(file: &impl AsRawFd) -> Option<u32> {
    let mut found = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is empty, so the descriptor is asked, which `file` keeps open; `found` has room for the answer.
    let code =
        unsafe { libc::statx(file.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH, libc::STATX_DIOALIGN, found.as_mut_ptr()) };
    // SAFETY: all bytes are set (zeroed above), and every bit pattern is valid in a structure of integers.
    let found = unsafe { found.assume_init() };
    if code != 0 || found.stx_mask & libc::STATX_DIOALIGN == 0 || found.stx_dio_offset_align == 0 {
        return None;
    }
    Some(found.stx_dio_mem_align.max(found.stx_dio_offset_align))
}

/// Asks for a tiny io_uring and gives it back.
#[cfg(feature = "glommio")]
pub(super) fn try_io_uring() -> io::Result<()> {
    use std::os::fd::{FromRawFd, OwnedFd};
    /// Words in `struct io_uring_params`, which libc does not have.
    const PARAMS_WORDS: usize = 30;
    let mut params = [0u32; PARAMS_WORDS];
    // SAFETY: the kernel reads and writes one `struct io_uring_params` of 120 bytes, which is the size of `params`.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 2, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the call has returned a new descriptor that nobody else owns.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

/// The soft limit on locked memory in bytes (`ulimit -l`).
#[cfg(feature = "glommio")]
pub(super) fn memlock_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

pub(super) fn block_signals(signals: &[libc::c_int]) -> io::Result<()> {
    let set = signal_set(signals);
    // SAFETY: `set` is an initialised set, and no old set is asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

pub(super) fn wait_for_signal(signals: &[libc::c_int]) -> io::Result<libc::c_int> {
    let set = signal_set(signals);
    let mut signal = 0;
    // SAFETY: `set` is an initialised set, and `signal` is a valid place for the answer.
    match unsafe { libc::sigwait(&set, &mut signal) } {
        0 => Ok(signal),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Sends a signal to the calling thread.
#[cfg(test)]
pub(super) fn raise(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: raise takes a number.
    match unsafe { libc::raise(signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn signal_set(signals: &[libc::c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set; sigaddset gets that set and can fail only for an unknown signal.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a path with a zero byte"))
}
