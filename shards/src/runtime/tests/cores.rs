//! What only real executors do: start, fail to start, stop the process.

use crate::runtime::{CoreSpec, File, Lane, Listener, Open, Stream, abort_on_panic, glommio::probe, launch, spawn, uptime};
use std::{
    io::ErrorKind,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

const CHILD: &str = "RINGMQ_TEST_CHILD";

fn spec(name: &str) -> CoreSpec {
    CoreSpec { name: name.into(), cpu: None, io_memory: 1 << 20, spin: Duration::ZERO }
}

/// Runs one test of this file in a process of its own.
fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("tests know where they are"));
    command.args(["--exact", &format!("runtime::tests::cores::{test}"), "--nocapture", "--test-threads=1"]);
    command.env(CHILD, "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn a_panic_in_any_task_stops_the_process() {
    if let Err(why) = probe() {
        eprintln!("skipped: {why}");
        return;
    }
    if is_child() {
        abort_on_panic();
        let core = launch(spec("faulty"), || async {
            spawn(Lane::Background, async { panic!("an invariant is broken") }).join().await;
            std::future::pending::<()>().await;
        });
        core.expect("probe has said yes").join().ok();
        unreachable!("the process outlives its panic");
    }
    use std::os::unix::process::ExitStatusExt;
    let output = child("a_panic_in_any_task_stops_the_process").output().expect("the child runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{told}");
    assert!(told.contains("an invariant is broken"), "{told}");
    assert!(told.contains("ringmq: stopping"), "{told}");
}

/// Runs this in an urgent lane: the root task is in none.
async fn spawn_and_join(f: impl Future<Output = ()> + 'static) {
    spawn(Lane::Network, f).join().await;
}

/// With glommio-ng 0.12.0 as it was released about every third run of this falls silent: both executors sleep, one
/// with a task that is ready.
#[test]
fn two_cores_on_one_busy_cpu_never_fall_silent() {
    if let Err(why) = probe() {
        eprintln!("skipped: {why}");
        return;
    }
    let on_one_cpu = |name| CoreSpec { cpu: Some(0), ..spec(name) };
    let (tell_address, address) = mpsc::channel();
    let echo = move || async move {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), false).expect("a port is free");
        tell_address.send(listener.local_addr().expect("it is bound")).expect("the test waits");
        let stream = listener.accept().await.expect("the other core connects");
        let mut buffer = [0; 64];
        while stream.read(&mut buffer).await.is_ok_and(|len| len > 0) {
            stream.write_all(&buffer).await.expect("the other core reads");
        }
    };
    let Ok(echo) = launch(on_one_cpu("echo"), move || spawn_and_join(echo())) else {
        eprintln!("skipped: CPU 0 is not ours");
        return;
    };
    let address = address.recv().expect("the echo listens");
    let (beat, beats) = mpsc::channel();
    let ask = move || async move {
        let stream = Stream::connect(address, Duration::from_secs(5)).await.expect("the echo listens");
        let begin = uptime();
        while uptime() - begin < Duration::from_secs(2) {
            stream.write_all(&[1; 64]).await.expect("the echo reads");
            assert_eq!(stream.read(&mut [0; 64]).await.expect("the echo answers"), 64);
            beat.send(()).expect("the test waits");
        }
    };
    let ask = launch(on_one_cpu("ask"), move || spawn_and_join(ask())).expect("the echo could be launched there");
    loop {
        match beats.recv_timeout(Duration::from_secs(1)) {
            Ok(()) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no round trip within a second"),
        }
    }
    ask.join().expect("it ends in good order");
    echo.join().expect("it ends in good order");
}

#[test]
fn a_core_that_cannot_start_says_why() {
    if let Err(why) = probe() {
        eprintln!("skipped: {why}");
        return;
    }
    let nowhere = CoreSpec { cpu: Some(9999), ..spec("nowhere") };
    let error = launch(nowhere, || async {}).map(drop).expect_err("there is no such CPU");
    assert!(error.to_string().contains("CPU 9999"), "{error}");
}

#[test]
fn memory_that_is_not_a_disk_is_refused() {
    if !Path::new("/dev/shm").is_dir() {
        eprintln!("skipped: no /dev/shm");
        return;
    }
    super::real("tmpfs", |_| async {
        let path = format!("/dev/shm/ringmq-test-{}", std::process::id());
        let error = File::open(Path::new(&path), Open::CreateNew).await.map(drop).expect_err("tmpfs has no direct I/O");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("tmpfs"), "{error}");
        assert!(!Path::new(&path).exists());
    });
}
