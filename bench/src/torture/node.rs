//! The process under torture: started, waited for, killed. Dropped, it is killed too.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::setup;

const READY_LIMIT: Duration = Duration::from_secs(30);
/// The end of the node's output that an error repeats.
const SAID_BYTES: usize = 4000;

pub struct Node {
    program: PathBuf,
    data: PathBuf,
    output: PathBuf,
    shards: u16,
    clean_forcibly: u8,
    namesrv_port: u16,
    broker_port: u16,
    address: String,
    child: Option<Child>,
}

impl Node {
    pub fn new(program: &Path, data: &Path, shards: u16, clean_forcibly: u8) -> Result<Node, String> {
        std::fs::create_dir_all(data).map_err(|error| format!("{}: {error}", data.display()))?;
        let (namesrv_port, broker_port) = free_ports()?;
        Ok(Node {
            program: program.to_path_buf(),
            data: data.to_path_buf(),
            output: data.with_extension("out"),
            shards,
            clean_forcibly,
            namesrv_port,
            broker_port,
            address: format!("127.0.0.1:{broker_port}"),
            child: None,
        })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn start(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "one node at a time");
        let failed = |error| format!("{}: {error}", self.program.display());
        let output = File::create(&self.output).map_err(failed)?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data").arg(&self.data);
        command.args(["--namesrv-port", &self.namesrv_port.to_string(), "--broker-port", &self.broker_port.to_string()]);
        command.args(["--shards", &self.shards.to_string(), "--set", "bindAddress=127.0.0.1"]);
        // Small segments, so that kills fall on their ends too.
        command.args(["--set", "mappedFileSizeCommitLog=67108864"]);
        let ratio = |name, percent| format!("{name}={percent}");
        // The lower one must not be above it.
        command.args(["--set", &ratio("diskSpaceCleanForciblyRatio", self.clean_forcibly)]);
        command.args(["--set", &ratio("diskMaxUsedSpaceRatio", self.clean_forcibly.min(75))]);
        command.stdin(Stdio::null()).stderr(output.try_clone().map_err(failed)?).stdout(output);
        self.child = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// How long it took from the start of the process until it answered a request; `meanwhile` is called all the time.
    pub fn start_and_wait(&mut self, meanwhile: &mut dyn FnMut() -> Result<(), String>) -> Result<Duration, String> {
        let begun = Instant::now();
        self.start()?;
        loop {
            meanwhile()?;
            if self.has_ended() {
                return Err(format!("the node ended before it was ready\n{}", self.said()));
            }
            if let Ok(mut connection) = Connection::open(&self.address)
                && setup::max_offset(&mut connection, "TBW102", 0).is_ok()
            {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > READY_LIMIT {
                return Err(format!("the node was not ready after {READY_LIMIT:?}\n{}", self.said()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            _ = child.kill();
            _ = child.wait();
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    pub fn said(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(SAID_BYTES)..]).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// For the name server, and for the broker with its VIP port two below. The kernel gives clients theirs from 32768 on, which would
/// be free now and taken at the next start.
fn free_ports() -> Result<(u16, u16), String> {
    let mut candidate = 20_002 + (std::process::id() % 12_000) as u16;
    for _ in 0..1000 {
        candidate = if candidate > 32_000 { 20_002 } else { candidate + 7 };
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(candidate) && free(candidate - 1) && free(candidate - 2) {
            return Ok((candidate - 1, candidate));
        }
    }
    Err("no three free ports between 20000 and 32000".to_string())
}
