//! `ringmq tune script`: plain sh that does the same, and takes it back.

use crate::host::{DISTRIBUTIONS, Host, Ran, debian};
use std::path::PathBuf;
use std::process::Command;

const ALL: &str = "--profile latency --disk vda --nic eth0";

fn sh(script: &PathBuf, verb: &str, host: &Host) -> Ran {
    Ran::of(Command::new("sh").arg(script).arg(verb).arg(&host.root))
}

fn printed(host: &Host) -> PathBuf {
    let path = host.root.with_extension("sh");
    std::fs::write(&path, host.tune(&format!("script {ALL}")).ends(0).text).expect("our own file");
    path
}

#[test]
fn the_script_does_what_apply_does() {
    for (name, host) in DISTRIBUTIONS {
        let (by_script, by_tool) = (host(), host());
        let before = by_script.snapshot();
        let script = printed(&by_script);
        sh(&script, "apply", &by_script).ends(0);
        by_tool.tune(&format!("apply {ALL}")).ends(0);
        let mut expected = by_tool.snapshot();
        expected.retain(|path, _| !path.starts_with("var/"));
        assert_eq!(by_script.snapshot(), expected, "{name}");
        sh(&script, "apply", &by_script).ends(0);
        assert_eq!(by_script.snapshot(), expected, "{name}: twice");
        sh(&script, "undo", &by_script).ends(0);
        assert_eq!(by_script.snapshot(), before, "{name}: undo");
        std::fs::remove_file(script).expect("our own file");
    }
}

#[test]
fn the_script_leaves_what_was_raised_after_it_was_printed() {
    let host = debian();
    let script = printed(&host);
    host.put("proc/sys/net/core/rmem_max", "99999999\n");
    sh(&script, "apply", &host).ends(1).says("net/core/rmem_max: it is '99999999'");
    assert_eq!(host.read("proc/sys/net/core/rmem_max"), "99999999\n");
    std::fs::remove_file(script).expect("our own file");
}

#[test]
fn the_script_promises_no_login_limit_above_the_kernels() {
    let host = debian();
    host.put("proc/sys/fs/nr_open", "65536\n");
    let path = host.root.with_extension("sh");
    std::fs::write(&path, host.tune("script --only nofile").ends(0).text).expect("our own file");
    let before = host.snapshot();
    sh(&path, "apply", &host).ends(1).says("fs.nr_open is 65536: apply nr-open first");
    assert_eq!(before, host.snapshot());
    std::fs::remove_file(path).expect("our own file");
}

#[test]
fn what_a_script_wrote_is_not_taken_for_the_tools() {
    let host = debian();
    let before = host.snapshot();
    let script = printed(&host);
    sh(&script, "apply", &host).ends(0);
    host.tune("apply").ends(2).says("'sh SCRIPT undo'");
    sh(&script, "undo", &host).ends(0);
    assert_eq!(before, host.snapshot());
    std::fs::remove_file(script).expect("our own file");
}
