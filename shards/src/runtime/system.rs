//! The few system calls that neither the standard library nor glommio offers. The one room of `shards` with `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::net::Shutdown;
use std::os::fd::RawFd;
use std::path::Path;

/// Ends a socket's directions, so that whoever waits on it wakes. An error means it has ended already.
pub fn shutdown(socket: RawFd, how: Shutdown) {
    let how = match how {
        Shutdown::Read => libc::SHUT_RD,
        Shutdown::Write => libc::SHUT_WR,
        Shutdown::Both => libc::SHUT_RDWR,
    };
    // SAFETY: takes two integers; a wrong descriptor is answered with EBADF.
    unsafe { libc::shutdown(socket, how) };
}

/// `flock(LOCK_EX | LOCK_NB)`: false when another open file holds it. Ends with the last descriptor of this open file.
pub fn try_lock(file: RawFd) -> io::Result<bool> {
    // SAFETY: takes two integers.
    if unsafe { libc::flock(file, libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EWOULDBLOCK) { Ok(false) } else { Err(error) }
}

/// Bytes of the file system that holds `path`: in all, and what we may still use.
pub fn disk_usage(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: all zeroes is a valid statvfs.
    let mut usage: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends in a zero byte and `usage` is ours to write.
    if unsafe { libc::statvfs(path.as_ptr(), &mut usage) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((usage.f_blocks * usage.f_frsize, usage.f_bavail * usage.f_frsize))
}

/// SIGTERM and SIGINT are taken by `wait_for_stop` alone. Call before any thread starts, so that all inherit it.
pub fn block_stop_signals() {
    let set = stop_signals();
    // SAFETY: `set` is a valid signal set; the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
}

/// Sleeps until the process is told to stop, and says by which signal.
pub fn wait_for_stop() -> i32 {
    let set = stop_signals();
    let mut signal = 0;
    // SAFETY: `set` is a valid signal set and `signal` is ours to write.
    while unsafe { libc::sigwait(&set, &mut signal) } != 0 {}
    signal
}

fn stop_signals() -> libc::sigset_t {
    // SAFETY: all zeroes is a valid signal set, and the calls below take only our own set.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::sigaddset(&mut set, libc::SIGINT);
        set
    }
}

/// Whether reads and writes of this open file pass the page cache by. tmpfs takes O_DIRECT and forgets it.
pub fn is_direct(file: RawFd) -> io::Result<bool> {
    // SAFETY: takes two integers.
    let flags = unsafe { libc::fcntl(file, libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags & libc::O_DIRECT != 0)
}

/// A panic anywhere stops the process: an executor that ended alone would leave the others serving half a broker.
pub fn abort_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        std::process::abort();
    }));
}
