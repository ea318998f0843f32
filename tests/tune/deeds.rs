//! apply, undo, status: twice is once, back is back, and what is better stays.

use crate::host::{self, DISTRIBUTIONS};

const ALL: &str = "--profile latency --disk vda --nic eth0";

#[test]
fn a_second_apply_changes_nothing_and_undo_brings_every_byte_back() {
    for (name, host) in DISTRIBUTIONS {
        for options in ["", "--profile dedicated", ALL, "--only nofile", "--only scheduler --disk vda"] {
            let host = host();
            let before = host.snapshot();
            host.tune(&format!("apply {options}")).ends(0);
            let applied = host.snapshot();
            assert_ne!(before, applied, "{name} {options}: it did something");
            host.tune(&format!("apply {options}")).ends(0).says("Nothing changed.");
            assert_eq!(applied, host.snapshot(), "{name} {options}: the second apply");
            host.tune(&format!("check {options}")).ends(0);
            host.tune("status").ends(0);
            host.tune("undo").ends(0);
            assert_eq!(before, host.snapshot(), "{name} {options}: undo");
            host.tune("undo").ends(0).says("Nothing was applied.");
        }
    }
}

#[test]
fn profiles_one_after_the_other_are_taken_back_together() {
    let host = host::debian();
    let before = host.snapshot();
    host.tune("apply").ends(0);
    host.tune(&format!("apply {ALL}")).ends(0);
    host.tune("undo").ends(0);
    assert_eq!(before, host.snapshot());
}

#[test]
fn what_an_administrator_raised_stays() {
    let host = host::debian();
    host.put("proc/sys/net/core/somaxconn", "65535\n");
    host.put("proc/sys/net/ipv4/tcp_rmem", "8192\t131072\t33554432\n");
    host.put("proc/sys/vm/swappiness", "1\n");
    host.put("proc/sys/net/ipv4/ip_local_reserved_ports", "8080,9000-9100\n");
    host.put("etc/security/limits.conf", "* hard nofile 2000000\n");
    // Not yet set, but promised for the next boot: ours comes later there and must not be smaller.
    host.put("etc/sysctl.d/50-admin.conf", "net.core.rmem_max = 67108864\n");
    host.tune(&format!("apply {ALL}")).ends(0);
    assert_eq!(host.read("proc/sys/net/core/somaxconn"), "65535\n");
    assert_eq!(host.read("proc/sys/net/ipv4/tcp_rmem"), "8192\t131072\t33554432\n");
    assert_eq!(host.read("proc/sys/vm/swappiness"), "1\n");
    assert_eq!(host.read("proc/sys/net/ipv4/ip_local_reserved_ports"), "8080,9000-9100,9876,10909-11036\n");
    assert_eq!(host.read("proc/sys/net/core/rmem_max"), "67108864\n");
    let limits = host.read("etc/security/limits.d/90-ringmq-tune.conf");
    assert!(!limits.contains("nofile"), "{limits}");
    let kept = host.read("etc/sysctl.d/90-ringmq-tune.conf");
    assert!(!kept.contains("somaxconn"), "{kept}");
    assert!(kept.contains("net.core.rmem_max = 67108864"), "{kept}");
}

#[test]
fn what_was_changed_after_us_is_left_and_named() {
    let host = host::debian();
    host.tune("apply --profile dedicated").ends(0);
    host.put("proc/sys/vm/overcommit_memory", "2\n");
    host.tune("status").ends(1).says("since changed to 2");
    host.tune("undo").ends(1).says("changed since to 2: left");
    assert_eq!(host.read("proc/sys/vm/overcommit_memory"), "2\n");
    assert_eq!(host.read("proc/sys/vm/swappiness"), "60\n");
    host.tune("undo").ends(0).says("Nothing was applied.");
}

#[test]
fn only_files_of_our_own_are_made() {
    let host = host::rhel();
    let before = host.snapshot();
    host.tune(&format!("apply {ALL}")).ends(0);
    let new: Vec<String> =
        host.snapshot().into_keys().filter(|path| !path.ends_with('/') && !before.contains_key(path)).collect();
    let ours = [
        "etc/security/limits.d/90-ringmq-tune.conf",
        "etc/sysctl.d/90-ringmq-tune.conf",
        "etc/systemd/system/multi-user.target.wants/ringmq-tune.service",
        "etc/systemd/system/ringmq-tune.service",
        "etc/udev/rules.d/90-ringmq-tune.rules",
        "var/lib/ringmq/tuning/state.json",
    ];
    assert_eq!(new, ours);
    for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with("etc/") || path.ends_with("write_cache")) {
        assert_eq!(host.snapshot().get(path), Some(bytes), "{path}");
    }
    let unit = host.read("etc/systemd/system/ringmq-tune.service");
    assert!(unit.contains("echo performance > /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor"), "{unit}");
    let rules = host.read("etc/udev/rules.d/90-ringmq-tune.rules");
    assert!(rules.contains("KERNEL==\"vda\", ATTR{queue/scheduler}=\"none\""), "{rules}");
}

#[test]
fn a_disk_that_is_not_named_is_not_touched() {
    let host = host::debian();
    host.tune("apply --profile latency").ends(0).says("name it: --disk vda");
    assert_eq!(host.read("sys/block/vda/queue/scheduler"), "none [mq-deadline] kyber bfq\n");
}

#[test]
fn a_hard_disk_keeps_its_scheduler() {
    let host = host::debian();
    host.put("sys/block/vda/queue/rotational", "1\n");
    host.tune(&format!("apply {ALL}")).ends(0).says("only where sys/block/vda/queue/rotational is 0; it is 1");
    assert_eq!(host.read("sys/block/vda/queue/scheduler"), "none [mq-deadline] kyber bfq\n");
}

#[test]
fn a_file_of_our_name_that_is_not_ours_stops_everything() {
    let host = host::debian();
    host.put("etc/sysctl.d/90-ringmq-tune.conf", "vm.swappiness = 3\n");
    let before = host.snapshot();
    host.tune("apply --profile dedicated").ends(2).says("move it away");
    assert_eq!(before, host.snapshot());
}

#[test]
fn a_login_limit_above_the_kernels_is_not_written() {
    let host = host::debian();
    host.put("proc/sys/fs/nr_open", "65536\n");
    host.tune("apply --only nofile").ends(1).says("fs.nr_open is 65536: apply nr-open first");
    host.tune("apply --only nofile,nr-open").ends(0);
}

#[test]
fn the_four_of_the_benchmark_in_one_command() {
    let host = host::debian();
    let before = host.snapshot();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/kernel-tuning/os.sh");
    let mut command = std::process::Command::new(script);
    command.env("RINGMQ_BIN", env!("CARGO_BIN_EXE_ringmq")).arg("--root").arg(&host.root);
    host::Ran::of(&mut command).ends(0).says("4 changed");
    assert_eq!(host.read("proc/sys/vm/overcommit_memory"), "1\n");
    assert_eq!(host.read("proc/sys/vm/max_map_count"), "655360\n");
    assert_eq!(host.read("proc/sys/vm/swappiness"), "10\n");
    assert!(host.read("etc/security/limits.d/90-ringmq-tune.conf").contains("*    hard nofile 1000000\n"));
    host.tune("undo").ends(0);
    assert_eq!(before, host.snapshot());
}

#[test]
fn a_virtual_disk_that_calls_itself_rotational_has_a_row_of_its_own() {
    let host = host::debian();
    host.put("sys/block/vda/queue/rotational", "1\n");
    host.put("sys/block/vda/device/features", "0010\n");
    let before = host.snapshot();
    host.tune(&format!("apply {ALL}")).ends(0).says("scheduler-virtio");
    assert_eq!(host.read("sys/block/vda/queue/scheduler"), "[none] mq-deadline kyber bfq\n");
    host.tune("undo").ends(0);
    assert_eq!(before, host.snapshot());
}

#[test]
fn a_disk_with_two_rows_for_its_scheduler_is_written_once() {
    let host = host::debian();
    host.put("sys/block/vda/device/features", "0010\n");
    host.tune("apply --only scheduler,scheduler-virtio --disk vda --disk vda").ends(0).says("1 changed");
}
