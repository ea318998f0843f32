//! What a device can do, without RingMQ: the denominator of every figure about durable messages.
//!
//! - `shape`: what is asked of the device at once
//! - `device`: the file, and how a slice of time is spent on it
//!
//! The shapes take turns in short slices, so that a disturbance of a second or two falls on all of them and not on one.

mod device;
mod shape;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use device::{Device, FILE_BYTES, Measured};
use shape::{Mode, Shape};

/// How often each shape has its turn.
const ROUNDS: u32 = 4;

#[derive(clap::Args)]
pub struct Disk {
    /// A folder on the disk to be measured; a file of 256 MiB is made there and removed
    folder: PathBuf,
    /// For everything, making the file included
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Writes the figures there as well, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only this one, as MODE:KIB:DEPTH (fdatasync, dsync or read), for example dsync:16:4; may be repeated
    #[arg(long)]
    shape: Vec<Shape>,
}

#[derive(Serialize)]
struct Report {
    host: String,
    kernel: String,
    unix_seconds: u64,
    command: String,
    file_bytes: u64,
    rounds: u32,
    seconds: f64,
    shapes: Vec<Figures>,
}

#[derive(Serialize)]
struct Figures {
    mode: Mode,
    block_kib: usize,
    depth: usize,
    operations: u64,
    iops: f64,
    mib_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
}

pub fn run(args: &Disk) -> Result<(), String> {
    let begun = Instant::now();
    let shapes = if args.shape.is_empty() { shape::all() } else { args.shape.clone() };
    let device = Device::create(&args.folder)?;
    let measured = measure(&device, &shapes, begun + Duration::from_secs_f64(args.seconds))
        .map_err(|error| format!("{}: {error}; look at the kernel's log for the device", args.folder.display()))?;
    let figures: Vec<Figures> = shapes.iter().zip(&measured).map(|(shape, measured)| figures(shape, measured)).collect();
    print(&figures);
    let kernel = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default().trim().to_string();
    let report = Report {
        host: kernel("hostname"),
        kernel: kernel("osrelease"),
        unix_seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        command: command(),
        file_bytes: FILE_BYTES,
        rounds: ROUNDS,
        seconds: begun.elapsed().as_secs_f64(),
        shapes: figures,
    };
    println!("{} shapes in {ROUNDS} rounds, {:.1} s", report.shapes.len(), report.seconds);
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report).expect("numbers and text");
        fs::write(path, json + "\n").map_err(|error| format!("{}: {error}; choose another --json", path.display()))?;
    }
    Ok(())
}

fn measure(device: &Device, shapes: &[Shape], end: Instant) -> std::io::Result<Vec<Measured>> {
    let mut measured: Vec<Measured> = shapes.iter().map(|_| Measured::default()).collect();
    let mut left = shapes.len() as u32 * ROUNDS;
    for round in 0..ROUNDS {
        for (shape, measured) in shapes.iter().zip(&mut measured) {
            // Of what is left, because a slice lasts until its last operation has ended. Each does one at least.
            let slice = end.saturating_duration_since(Instant::now()) / left;
            device.run(shape, slice.max(Duration::from_nanos(1)), round, measured)?;
            left -= 1;
        }
    }
    Ok(measured)
}

fn figures(shape: &Shape, measured: &Measured) -> Figures {
    // Per thread, and then for all: at the end of a slice threads stop one after the other.
    let iops = measured.operations as f64 / measured.busy.as_secs_f64() * shape.depth as f64;
    let micros = |quantile| measured.latencies.value_at_quantile(quantile) as f64 / 1e3;
    Figures {
        mode: shape.mode,
        block_kib: shape.block_bytes >> 10,
        depth: shape.depth,
        operations: measured.operations,
        iops,
        mib_per_s: iops * shape.block_bytes as f64 / f64::from(1 << 20),
        p50_us: micros(0.5),
        p99_us: micros(0.99),
        p999_us: micros(0.999),
        max_us: measured.latencies.max() as f64 / 1e3,
    }
}

fn print(figures: &[Figures]) {
    println!("mode        KiB  depth      IOPS     MiB/s    p50 µs    p99 µs  p99.9 µs    max µs");
    for f in figures {
        println!(
            "{:<9} {:>5} {:>6} {:>9.0} {:>9.1} {:>9.0} {:>9.0} {:>9.0} {:>9.0}",
            f.mode, f.block_kib, f.depth, f.iops, f.mib_per_s, f.p50_us, f.p99_us, f.p999_us, f.max_us
        );
    }
}

/// As it was typed, but for the program's folder.
fn command() -> String {
    let mut words = vec!["ringmq-bench".to_string()];
    words.extend(std::env::args().skip(1));
    words.join(" ")
}
