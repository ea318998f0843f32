//! check and plan: nothing changes, exit codes, JSON, and what a machine lacks is named.

use crate::host::{self, DISTRIBUTIONS};

#[test]
fn looking_changes_nothing() {
    for (_, host) in DISTRIBUTIONS {
        let host = host();
        let before = host.snapshot();
        for verb in ["check", "plan", "script", "status", "check --json", "plan --json"] {
            host.tune(verb);
        }
        host.tune("check --profile latency --disk vda --nic eth0").ends(1).says("DIFFERS");
        assert_eq!(before, host.snapshot());
    }
}

#[test]
fn exit_codes() {
    let host = host::debian();
    host.tune("check --only zone-reclaim").ends(0);
    host.tune("check --only swappiness").ends(1).says("60, wanted 10");
    host.tune("check --only swapiness").ends(2).says("there is no such setting");
    host.tune("apply --only write-cache").ends(2).says("only shown, never written");
    host.tune("check --disk ../vda").ends(2).says("there are: vda");
    host.remove("proc/meminfo");
    host.tune("check").ends(2).says("is --root right?");
}

#[test]
fn json_says_what_the_table_says() {
    let host = host::debian();
    let json = host.tune("check --json --profile dedicated").ends(1).json();
    assert_eq!(json["as_wanted"], false);
    assert_eq!(json["machine"]["cores"], 4);
    let rows = json["settings"].as_array().expect("rows");
    assert!(rows.len() >= 40, "{} rows", rows.len());
    let row = |id: &str| rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no row {id}"));
    assert_eq!(row("swappiness")["outcome"], "differs");
    assert_eq!(row("swappiness")["current"], "60");
    assert_eq!(row("swappiness")["write"], "10");
    assert_eq!(row("zone-reclaim")["outcome"], "as-wanted");
    assert_eq!(row("min-free")["write"], "167772");
    assert_eq!(row("io-uring")["outcome"], "unsupported");
    assert_eq!(row("io-uring")["reason"], "needs kernel 6.6, here is 6.1.0-26-amd64");
    let done = host.tune("apply --json --only swappiness").ends(0).json();
    assert_eq!(done["changed"], 1);
}

#[test]
fn what_distributions_differ_in() {
    host::ubuntu().tune("check --only max-map-count,io-uring").ends(0);
    host::ubuntu().tune("check --only numa-balancing").ends(1);
    host::debian().tune("check --only numa-balancing").ends(0).says("only with sys/devices/system/node/node1");
    host::rhel().tune("check --only io-uring").ends(1).says("2, wanted 0");
    host::rhel().tune("check --only swappiness").ends(0);
    host::debian().tune("check --only governor").ends(0).says("no such file");
}

#[test]
fn in_a_container_nothing_is_written_and_all_is_named() {
    let host = host::container();
    let before = host.snapshot();
    host.tune("check --profile dedicated").ends(1);
    host.tune("plan --only swappiness").ends(1).says("not from here: read-only here: run it on the host");
    host.tune("apply --only swappiness,overcommit,thp-enabled").ends(1).says("NOT WRITTEN").says("read-only here");
    assert_eq!(before, host.snapshot());
}

#[test]
fn a_link_out_of_the_trial_tree_is_not_followed() {
    let host = host::debian();
    host.remove("proc/sys/vm/swappiness");
    std::os::unix::fs::symlink("/proc/sys/vm/swappiness", host.root.join("proc/sys/vm/swappiness")).expect("our own link");
    host.tune("apply --only swappiness").ends(0).says("leads out of the root");
}
