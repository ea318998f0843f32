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
        let files = |host: &Host| {
            let mut files = host.snapshot();
            files.retain(|path, _| !path.ends_with('/'));
            files
        };
        let mut before = before;
        before.retain(|path, _| !path.ends_with('/'));
        assert_eq!(files(&by_script), before, "{name}: undo");
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
