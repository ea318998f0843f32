//! Samples recorded from `scripts/verdict-cases`, one run per case without its io_uring workers, and the line each must give.

use super::*;
use crate::host::command::Kept;

#[track_caller]
fn check(recorded: &str, bottleneck: Bottleneck, line: &str) {
    let kept: Kept = serde_json::from_str(recorded).expect("the fixture is what --json keeps");
    let verdict = verdict(&kept.samples, &kept.facts);
    assert_eq!(verdict.bottleneck, bottleneck, "{verdict}");
    assert_eq!(verdict.to_string(), line);
}

#[test]
fn a_shaped_line() {
    let line = "bottleneck: NIC rx: vrdct0 receives 38.4 of 40 Mbit/s, 96 %";
    check(include_str!("recorded/line.json"), Bottleneck::NicReceived, line);
}

#[test]
fn a_disk_that_may_write_sixty_times_a_second() {
    let line = "bottleneck: disk sync: its cgroup's wiops of device 7:0 is 60/s, 60/s used, 101 %";
    check(include_str!("recorded/disk.json"), Bottleneck::DiskSync, line);
}

#[test]
fn a_server_with_a_tenth_of_a_core() {
    let line =
        "bottleneck: CPU of server: quota of its cgroup 10 % of one core, 9 % used, throttled in 100 % of periods, 368 ms/s";
    check(include_str!("recorded/quota.json"), Bottleneck::ServerCpu, line);
}

#[test]
fn a_client_of_one_slow_thread() {
    let line = "bottleneck: CPU of client: thread none-amd64-linu of the load wants 100 % of a core: runs 94 %, waits 5 % for one (pid 13551)";
    check(include_str!("recorded/client.json"), Bottleneck::ClientCpu, line);
}

#[test]
fn a_server_that_reads_its_own_code_again_and_again() {
    let line = "bottleneck: memory: the server's cgroup has 10 of 10 MiB, hits its limit 75258 times/s, 417 major faults/s, \
                tasks stalled 32 % of the time";
    check(include_str!("recorded/memory.json"), Bottleneck::Memory, line);
}

/// The shaped line's samples, with one thing changed.
fn changed(change: impl Fn(&mut Sample)) -> Verdict {
    let mut kept: Kept = serde_json::from_str(include_str!("recorded/line.json")).expect("the fixture is what --json keeps");
    for sample in &mut kept.samples {
        sample.nics.clear();
        sample.threads.retain(|thread| thread.name == "shard-0-2");
        sample.threads.truncate(1);
        sample.threads[0].waits_percent = Some(0.0);
        change(sample);
    }
    verdict(&kept.samples, &Facts::default())
}

#[test]
fn nothing_is_saturated_without_the_line() {
    let verdict = changed(|sample| {
        (sample.threads[0].user_percent, sample.threads[0].system_percent) = (10.0, 20.0);
        sample.disk.as_mut().expect("recorded with --dir").busy_percent = 7.0;
    });
    let line = "bottleneck: nothing is saturated: the load is the limit (latency × in flight): \
                most used: thread shard-0-2 30 % of its core (pid";
    assert!(verdict.to_string().starts_with(line), "{verdict}");
}

#[test]
fn a_full_thread_stands_before_a_disk_that_is_always_busy() {
    let busy = |sample: &mut Sample| sample.disk.as_mut().expect("recorded with --dir").busy_percent = 99.0;
    assert_eq!(changed(busy).bottleneck, Bottleneck::DiskSync);
    let full = changed(|sample| {
        busy(sample);
        sample.threads[0].system_percent = 95.0;
    });
    assert_eq!(full.bottleneck, Bottleneck::ServerCpu);
    assert!(full.because.contains("thread shard-0-2"), "{full}");
}

#[test]
fn a_group_that_stands_still_for_memory() {
    let kept: Kept = serde_json::from_str(include_str!("recorded/memory.json")).expect("the fixture is what --json keeps");
    let mut samples = kept.samples;
    for sample in &mut samples {
        sample.processes.clear();
        sample.machine.pressure = None;
        let memory = sample.cgroup.memory.as_mut().expect("recorded in a group");
        (memory.limit_hits_per_s, memory.out_of_memory) = (0.0, true);
    }
    assert_eq!(verdict(&samples, &kept.facts).bottleneck, Bottleneck::Memory);
}

#[test]
fn others_have_the_cores() {
    let verdict = changed(|sample| {
        (sample.threads[0].user_percent, sample.threads[0].system_percent) = (10.0, 4.0);
        sample.threads[0].waits_percent = Some(50.0);
        sample.machine.cpu_percent = 100.0;
        sample.disk = None;
    });
    let line = "bottleneck: CPU of the machine: all cores 100 % busy, the processes watched have 7 % of them, \
                thread shard-0-2 waits 50 % of the time for one";
    assert_eq!(verdict.to_string(), line);
}

#[test]
fn no_samples_no_bottleneck() {
    assert_eq!(verdict(&[], &Facts::default()).bottleneck, Bottleneck::Load);
}
