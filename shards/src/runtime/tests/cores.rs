//! What only real executors do: start, fail to start, stop the process.

use crate::runtime::{CoreSpec, File, Lane, Open, abort_on_panic, glommio::probe, launch, spawn};
use std::{
    io::ErrorKind,
    path::Path,
    process::{Command, Stdio},
};

const CHILD: &str = "RINGMQ_TEST_CHILD";

fn spec(name: &str) -> CoreSpec {
    CoreSpec { name: name.into(), cpu: None, io_memory: 1 << 20 }
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

#[test]
fn a_core_that_cannot_start_says_why() {
    if let Err(why) = probe() {
        eprintln!("skipped: {why}");
        return;
    }
    let nowhere = CoreSpec { cpu: Some(9999), ..spec("nowhere") };
    let error = launch(nowhere, || async {}).map(drop).expect_err("there is no such CPU");
    println!("{error}");
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
