//! The system calls that the standard library lacks; the only `unsafe` of this package's start.

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Candidate;

/// Asks the kernel for the smallest ring and gives it back: the very thing that a seccomp filter or sysctl would refuse.
pub fn try_io_uring() -> io::Result<()> {
    let mut params = [0u32; 30]; // struct io_uring_params is 120 bytes
    // SAFETY: the kernel writes at most sizeof(struct io_uring_params) bytes to a zeroed buffer of that size.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1u32, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that this function was just given and nobody else knows.
    unsafe { libc::close(fd as libc::c_int) };
    Ok(())
}

/// Sets a resource's soft limit to its hard limit.
pub fn raise_to_hard(resource: libc::__rlimit_resource_t) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a pointer to one initialised struct rlimit that outlives them.
    unsafe {
        if libc::getrlimit(resource, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(resource, &limit);
        }
    }
}

/// Addresses of interfaces that are up, loopback and link-local ones left out.
pub fn interfaces() -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs fills `list` with a chain that stays valid until freeifaddrs. ifa_addr is checked for null, and is
    // read as the socket address type that its family names. ifa_name is a NUL-terminated string by contract.
    unsafe {
        if libc::getifaddrs(&mut list) != 0 {
            return found;
        }
        let mut next = list;
        while let Some(entry) = next.as_ref() {
            next = entry.ifa_next;
            let flags = entry.ifa_flags as libc::c_int;
            let Some(address) = entry.ifa_addr.as_ref() else { continue };
            if flags & libc::IFF_UP == 0 || flags & libc::IFF_LOOPBACK != 0 {
                continue;
            }
            let address = match i32::from(address.sa_family) {
                libc::AF_INET => {
                    let v4 = &*entry.ifa_addr.cast::<libc::sockaddr_in>();
                    IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)))
                }
                libc::AF_INET6 => {
                    let v6 = &*entry.ifa_addr.cast::<libc::sockaddr_in6>();
                    IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr))
                }
                _ => continue,
            };
            let interface = CStr::from_ptr(entry.ifa_name).to_string_lossy().into_owned();
            found.push(Candidate { interface, address });
        }
        libc::freeifaddrs(list);
    }
    found.retain(|candidate| match candidate.address {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_not_loopback() {
        assert!(interfaces().iter().all(|candidate| !candidate.address.is_loopback()));
    }
}
