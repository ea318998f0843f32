//! The readers against trees written down from machines of both kinds: with control groups of version 1 and of version 2.

use super::cgroup;
use super::groups::Groups;
use super::process::{self, Role};
use super::root::Root;
use super::{disk, machine, nic};

/// A folder of these files, that goes when the test does.
struct Tree(std::path::PathBuf);

impl Tree {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("ringmq-tree-{name}-{}", std::process::id()));
        let tree = Self(folder);
        files.iter().for_each(|(path, text)| tree.write(path, text));
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder in the temporary one");
        std::fs::write(path, text).expect("a file in the temporary folder");
    }

    fn root(&self) -> Root {
        Root::new(&self.0)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn threads_run_and_wait() {
    let stat = |user, system| format!("7 (shard) 0) R 1 7 7 0 -1 4194304 50 0 3 0 {user} {system} 0 0 20 0 2 0 100 4096 50");
    let tree = Tree::new(
        "threads",
        &[
            ("proc/7/stat", &stat(10, 0)),
            ("proc/7/status", "Name:\tshard\nVmRSS:\t   2048 kB\n"),
            ("proc/7/task/7/stat", &stat(10, 0)),
            ("proc/7/task/7/schedstat", "100 500000000 9"),
        ],
    );
    let before = process::read(&tree.root(), Role::Server, 7).expect("it runs");
    tree.write("proc/7/task/7/stat", &stat(40, 20));
    tree.write("proc/7/task/7/schedstat", "100 900000000 9");
    let after = process::read(&tree.root(), Role::Server, 7).expect("it runs");
    let threads = process::threads(&before, &after, 1.0);
    assert_eq!(threads[0].name, "shard) 0");
    assert_eq!((threads[0].user_percent, threads[0].system_percent), (30.0, 20.0));
    assert_eq!(threads[0].waits_percent, Some(40.0));
    assert_eq!(threads[0].wants_percent(), 90.0);
    assert_eq!(process::process(&before, &after, 1.0).resident_bytes, 2 << 20);
}

#[test]
fn flushes_and_time_of_a_disk() {
    let tree = Tree::new("disk", &[("proc/diskstats", " 254 0 vda 10 0 80 5 100 0 800 50 0 100 55 0 0 0 0 20 10\n")]);
    let before = disk::read(&tree.root(), "254:0").expect("it is listed");
    tree.write("proc/diskstats", " 254 0 vda 10 0 80 5 300 0 2400 150 0 600 155 0 0 0 0 220 110\n");
    let after = disk::read(&tree.root(), "254:0").expect("it is listed");
    let disk = disk::disk(&before, &after, 1.0).expect("all fields are there");
    assert_eq!((disk.writes_per_s, disk.write_ms, disk.written_bytes_per_s), (200.0, 0.5, 1600.0 * 512.0));
    assert_eq!((disk.flushes_per_s, disk.flush_ms, disk.busy_percent), (Some(200.0), Some(0.5), 50.0));
}

#[test]
fn bytes_of_the_servers_own_namespace() {
    let dev = |received, sent| format!("Inter-|\n face |\n  eth0: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n");
    let tree = Tree::new("nic", &[("proc/7/net/dev", &dev(0, 0)), ("sys/class/net/eth0/speed", "1000\n")]);
    let before = nic::read(&tree.root(), Some(7));
    tree.write("proc/7/net/dev", &dev(1000, 3000));
    let nics = nic::nics(&before, &nic::read(&tree.root(), Some(7)), 2.0);
    assert_eq!((nics[0].received_bytes_per_s, nics[0].sent_bytes_per_s, nics[0].speed_mbit), (500.0, 1500.0, Some(1000.0)));
}

#[test]
fn the_machine_without_pressure() {
    let tree = Tree::new(
        "machine",
        &[("proc/stat", "cpu  10 0 0 90 0 0 0 0 0 0\ncpu0 10 0 0 90 0 0 0 0 0 0\n"), ("proc/meminfo", "MemAvailable:  4 kB\n")],
    );
    let before = machine::read(&tree.root()).expect("both files are there");
    tree.write("proc/stat", "cpu  60 0 0 115 0 0 0 25 0 0\ncpu0 60 0 0 115 0 0 0 25 0 0\n");
    let machine = machine::machine(&before, &machine::read(&tree.root()).expect("both files are there"), 1.0);
    assert_eq!((machine.cores, machine.cpu_percent, machine.steal_percent, machine.pressure), (1, 50.0, 25.0, None));
}

#[test]
fn version_2_takes_the_nearest_limit() {
    let group = "sys/fs/cgroup/store";
    let file = |name: &str| format!("{group}/{name}");
    let tree = Tree::new(
        "two",
        &[
            ("proc/7/cgroup", "0::/store/node\n"),
            ("proc/self/mountinfo", "31 23 0:27 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"),
            (&format!("{group}/node/cpu.max"), "max 100000\n"),
            (&file("cpu.max"), "50000 100000\n"),
            (&file("cpu.stat"), "usage_usec 5\nnr_periods 10\nnr_throttled 1\nthrottled_usec 1000\n"),
            (&file("memory.max"), "max\n"),
            (&file("memory.high"), "4096\n"),
            (&file("memory.current"), "4000\n"),
            (&file("memory.events"), "low 0\nhigh 5\nmax 0\noom 0\n"),
            (&file("memory.pressure"), "some avg10=0.00 total=0\nfull avg10=0.00 total=0\n"),
            (&file("io.max"), "7:0 rbps=max wbps=max riops=max wiops=60\n"),
            (&file("io.stat"), "7:0 rbytes=0 wbytes=0 rios=0 wios=100 dbytes=0 dios=0\n"),
        ],
    );
    let groups = Groups::of(&tree.root(), 7);
    let before = cgroup::read(&tree.root(), &groups);
    tree.write(&file("cpu.stat"), "usage_usec 5\nnr_periods 20\nnr_throttled 9\nthrottled_usec 501000\n");
    tree.write(&file("memory.events"), "low 0\nhigh 25\nmax 0\noom 0\n");
    tree.write(&file("memory.pressure"), "some avg10=0.00 total=300000\nfull avg10=0.00 total=100000\n");
    tree.write(&file("io.stat"), "7:0 rbytes=0 wbytes=0 rios=0 wios=160 dbytes=0 dios=0\n");
    let cgroup = cgroup::cgroup(&before, &cgroup::read(&tree.root(), &groups), 1.0);
    let cpu = cgroup.cpu.expect("a quota above the process's own group");
    assert_eq!((cpu.quota_percent, cpu.throttled_periods_percent, cpu.throttled_ms_per_s), (50.0, 80.0, 500.0));
    let memory = cgroup.memory.expect("high is a limit too");
    assert_eq!(
        (memory.limit_bytes, memory.limit_hits_per_s, memory.stall.map(|stall| stall.some_percent)),
        (4096, 20.0, Some(30.0))
    );
    let [io] = &cgroup.io[..] else { panic!("one limit: {:?}", cgroup.io) };
    assert_eq!((io.kind.as_str(), io.per_s, io.limit_per_s), ("wiops", 60.0, 60.0));
}

#[test]
fn version_1_has_a_tree_for_each_controller() {
    let tree = Tree::new(
        "one",
        &[
            ("proc/7/cgroup", "7:blkio:/store\n4:memory:/\n1:cpu,cpuacct:/store\n0::/\n"),
            (
                "proc/self/mountinfo",
                "30 23 0:26 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n31 23 0:27 / /cg/blkio rw - cgroup cgroup rw,blkio\n\
                 32 23 0:28 / /cg/memory rw - cgroup cgroup rw,memory\n",
            ),
            ("cg/cpu/store/cpu.cfs_quota_us", "-1\n"),
            ("cg/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("cg/blkio/store/blkio.throttle.write_iops_device", "7:0 60\n"),
            ("cg/blkio/store/blkio.throttle.io_serviced", "7:0 Read 5\n7:0 Write 9\nTotal 14\n"),
        ],
    );
    let groups = Groups::of(&tree.root(), 7);
    let before = cgroup::read(&tree.root(), &groups);
    tree.write("cg/blkio/store/blkio.throttle.io_serviced", "7:0 Read 5\n7:0 Write 69\nTotal 74\n");
    let cgroup = cgroup::cgroup(&before, &cgroup::read(&tree.root(), &groups), 1.0);
    assert_eq!((cgroup.cpu, cgroup.memory), (None, None));
    assert_eq!((cgroup.io[0].device.as_str(), cgroup.io[0].per_s), ("7:0", 60.0));
}
