//! The agent's side: one run at a time, its lines sent on as they come. Before: `request`, which says what may run.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::request;

#[derive(clap::Args)]
pub struct Agent {
    /// Where to wait, host:port; whoever reaches it may start load, so choose an address of a trusted network
    #[arg(long)]
    listen: String,
}

const REQUEST_LIMIT: Duration = Duration::from_secs(5);
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How often a silent run's asker is looked after.
const LOOK: Duration = Duration::from_millis(200);
/// Lines that wait to be sent; a run that writes more waits.
const LINES_MAX: usize = 256;

/// Until the process is killed.
pub fn run(args: &Agent) -> Result<(), String> {
    let listener = TcpListener::bind(&args.listen).map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("agent on {address}: runs load for whoever asks");
    let busy = AtomicBool::new(false);
    thread::scope(|scope| {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            if busy.swap(true, Ordering::AcqRel) {
                let _ = stream.write_all(b"err agent: a run is under way: wait for its end\nexit 2 0 0\n");
                continue;
            }
            scope.spawn(|| {
                let asker = stream.peer_addr().map_or("an asker that left".to_string(), |address| address.to_string());
                match answer(stream) {
                    Ok(what) => println!("{asker}: {what}"),
                    Err(error) => println!("{asker}: {error}"),
                }
                busy.store(false, Ordering::Release);
            });
        }
    });
    Ok(())
}

/// What was done for this asker, in a line.
fn answer(mut stream: TcpStream) -> Result<String, String> {
    let lost = |error: std::io::Error| format!("the asker is gone: {error}");
    stream.set_read_timeout(Some(REQUEST_LIMIT)).map_err(lost)?;
    stream.set_write_timeout(Some(WRITE_LIMIT)).map_err(lost)?;
    let arguments =
        match request::read(BufReader::new(&stream)).and_then(|arguments| request::check(&arguments).map(|()| arguments)) {
            Ok(arguments) => arguments,
            Err(why) => {
                writeln!(stream, "err agent: {why}\nexit 2 0 0").map_err(lost)?;
                return Err(format!("refused: {why}"));
            }
        };
    let folder = std::env::temp_dir().join(format!("ringmq-agent-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let begun = (Instant::now(), children_cpu());
    let ended = start(&arguments, &folder).and_then(|mut child| {
        let sent = forward(&mut child, &mut stream);
        if sent.is_err() {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        sent.map(|()| status.code().unwrap_or(1))
    });
    let _ = fs::remove_dir_all(&folder);
    let code = ended?;
    let (wall, cpu) = (begun.0.elapsed().as_millis(), children_cpu().saturating_sub(begun.1).as_millis());
    writeln!(stream, "exit {code} {wall} {cpu}").map_err(lost)?;
    Ok(format!("{}: exit {code}", arguments.join(" ")))
}

fn start(arguments: &[String], folder: &Path) -> Result<Child, String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    Command::new(&this)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", this.display()))
}

/// Sends the run's lines until it closes both of its outputs; fails when the asker has gone.
fn forward(child: &mut Child, stream: &mut TcpStream) -> Result<(), String> {
    let lost = |error: std::io::Error| format!("the asker is gone: {error}");
    let (lines, arrived) = sync_channel(LINES_MAX);
    let (out, err) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
    pass(out, "out", lines.clone());
    pass(err, "err", lines);
    // From here on reading only tells whether the asker is there.
    stream.set_read_timeout(Some(Duration::from_millis(1))).map_err(lost)?;
    loop {
        match next(&arrived) {
            Ok(line) => writeln!(stream, "{line}").map_err(lost)?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => match stream.read(&mut [0]) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Ok(0) => return Err("the asker is gone: it closed the connection".to_string()),
                Ok(_) => return Err("the asker sent more than a request".to_string()),
                Err(error) => return Err(lost(error)),
            },
        }
    }
}

fn next(arrived: &Receiver<String>) -> Result<String, RecvTimeoutError> {
    arrived.recv_timeout(LOOK)
}

/// A thread that ends with the output it reads, or when nobody takes its lines.
fn pass(from: impl Read + Send + 'static, kind: &'static str, lines: SyncSender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if lines.send(format!("{kind} {line}")).is_err() {
                return;
            }
        }
    });
}

/// CPU time of the children that have ended: fields 16 and 17 of `/proc/self/stat`, in hundredths of a second.
fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split(' ').skip(13).take(2).filter_map(|text| text.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(10 * ticks)
}
