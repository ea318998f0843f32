//! Sockets that were made elsewhere, handed to glommio. The one room beside `system` with `unsafe`.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use ::glommio::net::TcpListener;

/// A bound, listening, non-blocking socket as glommio's listener.
pub fn listener(socket: OwnedFd) -> TcpListener {
    // SAFETY: the descriptor is an open socket that nobody else owns: `into_raw_fd` has just given it up.
    unsafe { TcpListener::from_raw_fd(socket.into_raw_fd()) }
}
