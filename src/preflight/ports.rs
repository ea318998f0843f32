//! Is each port free, and if not, who has it.
//!
//! Bound for a moment without SO_REUSEPORT: with it, a second node would quietly share the port with a first one.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::Check;
use crate::config::NodeOptions;

pub(super) fn checks(options: &NodeOptions) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    let mut seen: Vec<u16> = Vec::new();
    for (what, address) in options.listeners() {
        let name = format!("port {}", address.port());
        if seen.contains(&address.port()) {
            let fix = "give --namesrv-port and --broker-port that are apart; a broker also takes its port - 2";
            checks.push(Check::fail(&name, format!("wanted twice, the second time for {what}"), fix));
            continue;
        }
        seen.push(address.port());
        checks.push(probe(&name, &what, address));
    }
    checks
}

/// A node that was killed a moment ago still holds its ports while the kernel ends its writes.
const RETRIES: u32 = 40;
const RETRY_REST: Duration = Duration::from_millis(25);

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let mut bound = TcpListener::bind(address);
    for _ in 0..RETRIES {
        match &bound {
            Err(error) if error.kind() == ErrorKind::AddrInUse => std::thread::sleep(RETRY_REST),
            Ok(_) | Err(_) => break,
        }
        bound = TcpListener::bind(address);
    }
    bound
}

fn probe(name: &str, what: &str, address: SocketAddr) -> Check {
    match bind(address) {
        Ok(_) => Check::ok(name, format!("free for {what}")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let found = format!("taken{}; wanted for {what}", owner(address.port()));
            Check::fail(
                name,
                found,
                format!("ss -ltnp 'sport = :{}'   # end that process, or choose another port", address.port()),
            )
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Check::fail(name, "ports below 1024 are for root", "choose a port of 1024 or more")
        }
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
            Check::fail(name, format!("{} is no address of this machine", address.ip()), "--set bindAddress=0.0.0.0")
        }
        Err(error) => Check::fail(name, format!("cannot listen on {address}: {error}"), "ip address"),
    }
}

/// " by PID (command)" where /proc lets this user see it, else nothing.
fn owner(port: u16) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let tables = [read("/proc/net/tcp"), read("/proc/net/tcp6")];
    let Some(inode) = tables.iter().find_map(|table| listening_inode(table, port)) else { return String::new() };
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())) {
        let files = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        for file in files {
            if std::fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy() == wanted) {
                let command = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return format!(" by process {} ({})", process.file_name().to_string_lossy(), command.trim());
            }
        }
    }
    String::new()
}

/// The inode of the socket that listens on `port`, in a table like /proc/net/tcp.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == LISTEN;
        if ours { fields.get(9)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    #[test]
    fn the_listening_socket_of_a_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:2694 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n\
                     1: 00000000:2694 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n";
        assert_eq!(listening_inode(table, 9876), Some(4711));
        assert_eq!(listening_inode(table, 9877), None);
    }

    #[test]
    fn a_taken_port_names_its_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
        let address = listener.local_addr().unwrap();
        let check = probe("port", "broker", address);
        assert_eq!(check.outcome, Outcome::Fail);
        assert!(check.found.contains(&format!("by process {}", std::process::id())), "{}", check.found);
        drop(listener);
        assert_eq!(probe("port", "broker", address).outcome, Outcome::Ok);
    }

    #[test]
    fn an_address_of_another_machine() {
        assert!(probe("port", "broker", "203.0.113.1:0".parse().unwrap()).found.contains("no address of this machine"));
    }
}
