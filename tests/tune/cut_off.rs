//! Runs that are cut off, that fail half-way and that meet each other: undo brings back every byte that can be.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::host::{self, Host};

const ALL: &str = "--profile latency --disk vda --nic eth0";
const STATE: &str = "var/lib/ringmq/tuning/state.json";

type Snapshot = BTreeMap<String, Vec<u8>>;

/// The state as it is saved before the first key is written.
fn first_state(last: &str) -> String {
    let mut state: Value = serde_json::from_str(last).expect("JSON");
    for key in state["keys"].as_array_mut().expect("keys") {
        key["ours"] = key["before"].clone();
    }
    state["files"] = json!([]);
    state["limits"] = json!([]);
    state["folders"] = json!(["var", "var/lib", "var/lib/ringmq", "var/lib/ringmq/tuning"]);
    state.to_string()
}

fn put(host: &Host, path: &str, from: &Snapshot) {
    if path.ends_with('/') {
        fs::create_dir_all(host.root.join(path)).expect("our own folder");
    } else if path.ends_with("wants/ringmq-tune.service") {
        host.link(path, std::str::from_utf8(&from[path]).expect("text"));
    } else {
        host.put(path, std::str::from_utf8(&from[path]).expect("text"));
    }
}

/// The order of apply: state, keys, state, files. Each cut leaves a tree that undo must clear.
#[test]
fn a_run_that_is_killed_anywhere_is_undone() {
    let done = host::rhel();
    let before = done.snapshot();
    done.tune(&format!("apply {ALL}")).ends(0);
    let after = done.snapshot();
    let last = done.read(STATE);
    let parsed: Value = serde_json::from_str(&last).expect("JSON");
    let texts = |list: &str, field: &str| -> Vec<String> {
        let items = parsed[list].as_array().expect("a list").iter();
        items.map(|item| item[field].as_str().expect("text").to_string()).collect()
    };
    let (keys, files) = (texts("keys", "path"), texts("files", "path"));
    assert!(keys.len() > 20 && files.len() == 5, "{} keys, {} files", keys.len(), files.len());

    for cut in 0..=keys.len() {
        let host = host::rhel();
        host.put(STATE, &first_state(&last));
        keys[..cut].iter().for_each(|path| put(&host, path, &after));
        host.tune("undo").ends(0);
        assert_eq!(before, host.snapshot(), "cut after {cut} keys");
    }
    for cut in 0..=files.len() {
        let host = host::rhel();
        host.put(STATE, &last);
        keys.iter().chain(&files[..cut]).for_each(|path| put(&host, path, &after));
        if let Some(half_written) = files.get(cut).filter(|path| !path.contains("wants")) {
            host.put(&format!("{half_written}.new"), "# Writ");
        }
        host.tune("undo").ends(0);
        assert_eq!(before, host.snapshot(), "cut after {cut} files");
    }
}

#[test]
fn a_run_that_was_killed_before_its_first_state_leaves_nothing() {
    for verb in ["undo", "apply --only swappiness"] {
        let host = host::debian();
        host.put("var/lib/dpkg/status", "");
        let before = host.snapshot();
        host.put(&format!("{STATE}.new"), "{ \"keys\"");
        host.tune(verb).ends(0);
        host.tune("undo").ends(0);
        assert_eq!(before, host.snapshot(), "{verb}");
    }
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let done = host::rhel();
    let before = done.snapshot();
    done.tune(&format!("apply {ALL}")).ends(0);
    let host = host::rhel();
    host.put(STATE, &first_state(&done.read(STATE)));
    put(&host, "proc/sys/vm/overcommit_memory", &done.snapshot());
    host.tune(&format!("apply {ALL}")).ends(0);
    host.tune(&format!("apply {ALL}")).ends(0).says("Nothing changed.");
    host.tune("undo").ends(0);
    assert_eq!(before, host.snapshot());
}

#[test]
fn a_key_that_refuses_is_named_and_the_rest_is_done_and_undone() {
    let host = host::debian();
    host.deny("proc/sys/vm/swappiness");
    let before = host.snapshot();
    host.tune("apply --only swappiness,overcommit").ends(1).says("NOT WRITTEN").says("1 changed");
    let kept = host.read("etc/sysctl.d/90-ringmq-tune.conf");
    assert!(kept.contains("overcommit_memory") && !kept.contains("swappiness"), "{kept}");
    host.tune("undo").ends(0);
    assert_eq!(before, host.snapshot());
}

#[test]
fn a_key_that_cannot_be_put_back_stays_known() {
    let host = host::debian();
    let before = host.snapshot();
    host.tune("apply --only swappiness,overcommit").ends(0);
    host.deny("proc/sys/vm/swappiness");
    host.tune("undo").ends(1).says("NOT WRITTEN").says("1 put back");
    host.tune("status").ends(0).says("vm.swappiness");
    host.allow("proc/sys/vm/swappiness");
    host.tune("undo").ends(0);
    assert_eq!(before, host.snapshot());
}

#[test]
fn an_edited_file_of_ours_is_neither_replaced_nor_removed() {
    let host = host::debian();
    let path = "etc/sysctl.d/90-ringmq-tune.conf";
    host.tune("apply --only swappiness").ends(0);
    let edited = host.read(path).replace("10", "5");
    host.put(path, &edited);
    host.tune("apply --only overcommit").ends(1).says("edited since: left");
    assert_eq!(host.read(path), edited);
    host.tune("undo").ends(1).says("edited since: left");
    assert_eq!(host.read(path), edited);
}

#[test]
fn one_run_at_a_time() {
    let host = host::debian();
    let before = host.snapshot();
    let root = fs::File::open(&host.root).expect("our own folder");
    root.lock().expect("nobody else has it");
    host.tune("apply").ends(2).says("another 'ringmq tune'");
    host.tune("undo").ends(2).says("another 'ringmq tune'");
    host.tune("check").ends(1);
    assert_eq!(before, host.snapshot());
    drop(root);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(matches!(host.tune("apply").code, Some(0 | 2))));
        }
    });
    host.tune("undo").ends(0);
    assert_eq!(before, host.snapshot());
}
