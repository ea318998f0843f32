//! Stop signals, taken by the main thread while the cores run. Nothing here awaits.

use super::sys;

/// Why the process was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT, a person's Ctrl-C.
    Interrupt,
    /// SIGTERM, a supervisor's or `mqshutdown`'s.
    Terminate,
}

/// Keeps SIGINT and SIGTERM from killing the process, so that `wait` gets them. Threads inherit this: call it in
/// `main` before the first of them starts.
pub fn block() -> std::io::Result<()> {
    sys::block_signals(&[libc::SIGINT, libc::SIGTERM])
}

/// Blocks this thread until one of the signals arrives; `block` must have been called.
pub fn wait() -> std::io::Result<Stop> {
    let signal = sys::wait_for_signal(&[libc::SIGINT, libc::SIGTERM])?;
    Ok(if signal == libc::SIGINT { Stop::Interrupt } else { Stop::Terminate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_waited_for() {
        block().expect("signals can be blocked");
        sys::raise(libc::SIGTERM).expect("signals can be sent");
        assert_eq!(wait().expect("signals can be waited for"), Stop::Terminate);
        sys::raise(libc::SIGINT).expect("signals can be sent");
        assert_eq!(wait().expect("signals can be waited for"), Stop::Interrupt);
    }
}
