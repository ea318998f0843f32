//! Trees that look like hosts of several distributions, made anew for each test, and the program run on them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Host {
    pub root: PathBuf,
}

/// What all have, as kernels print it.
const COMMON: &[(&str, &str)] = &[
    ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1000000 kB\n"),
    ("proc/cpuinfo", "processor\t: 0\nmodel name\t: x\n\nprocessor\t: 1\n\nprocessor\t: 2\n\nprocessor\t: 3\n"),
    ("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro\n"),
    (
        "proc/self/limits",
        "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \nMax locked memory         8388608              8388608              bytes     \n",
    ),
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/sys/fs/file-max", "9223372036854775807\n"),
    ("proc/sys/vm/overcommit_memory", "0\n"),
    ("proc/sys/vm/max_map_count", "65530\n"),
    ("proc/sys/vm/swappiness", "60\n"),
    ("proc/sys/vm/zone_reclaim_mode", "0\n"),
    ("proc/sys/vm/min_free_kbytes", "67584\n"),
    ("proc/sys/vm/dirty_background_bytes", "0\n"),
    ("proc/sys/vm/dirty_background_ratio", "10\n"),
    ("proc/sys/vm/dirty_bytes", "0\n"),
    ("proc/sys/vm/dirty_ratio", "20\n"),
    ("proc/sys/vm/dirty_writeback_centisecs", "500\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/core/rmem_max", "212992\n"),
    ("proc/sys/net/core/wmem_max", "212992\n"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
    ("proc/sys/net/ipv4/tcp_slow_start_after_idle", "1\n"),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
    ("sys/kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise [madvise] never\n"),
    ("sys/block/vda/queue/rotational", "0\n"),
    ("sys/block/vda/queue/scheduler", "none [mq-deadline] kyber bfq\n"),
    ("sys/block/vda/queue/nr_requests", "256\n"),
    ("sys/block/vda/queue/nomerges", "0\n"),
    ("sys/block/vda/queue/write_cache", "write back\n"),
    ("sys/class/net/eth0/mtu", "1500\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "0\n"),
    ("sys/class/net/eth0/queues/rx-1/rps_flow_cnt", "0\n"),
    ("etc/sysctl.d/README.sysctl", "for the administrator\n"),
    ("etc/security/limits.conf", "# limits\n"),
    ("etc/default/grub", "GRUB_CMDLINE_LINUX=\"quiet\"\n"),
];

type Named = (&'static str, fn() -> Host);

pub const DISTRIBUTIONS: [Named; 3] = [("Debian 12", debian), ("Ubuntu 24.04", ubuntu), ("RHEL 9", rhel)];

pub fn debian() -> Host {
    Host::new(&[("proc/sys/kernel/osrelease", "6.1.0-26-amd64\n"), ("etc/sysctl.conf", "#net.ipv4.ip_forward=1\n")])
}

/// Newer kernel, a larger max_map_count of its own, two nodes.
pub fn ubuntu() -> Host {
    Host::new(&[
        ("proc/sys/kernel/osrelease", "6.8.0-45-generic\n"),
        ("proc/sys/kernel/io_uring_disabled", "0\n"),
        ("proc/sys/vm/max_map_count", "1048576\n"),
        ("proc/sys/kernel/numa_balancing", "1\n"),
        ("sys/devices/system/node/node1/cpulist", "2-3\n"),
    ])
}

/// An older kernel with io_uring brought back to it and switched off, frequency scaling, a tuned swappiness.
pub fn rhel() -> Host {
    Host::new(&[
        ("proc/sys/kernel/osrelease", "5.14.0-427.13.1.el9_4.x86_64\n"),
        ("proc/sys/kernel/io_uring_disabled", "2\n"),
        ("proc/sys/vm/swappiness", "1\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
        ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n"),
    ])
}

/// No key may be written, and /etc has little.
pub fn container() -> Host {
    let host = Host::new(&[("proc/sys/kernel/osrelease", "6.1.0-26-amd64\n")]);
    let is_key = |path: &String| (path.starts_with("proc/sys") || path.starts_with("sys/")) && !path.ends_with('/');
    host.snapshot().into_keys().filter(is_key).for_each(|path| host.deny(&path));
    host
}

impl Host {
    fn new(more: &[(&str, &str)]) -> Host {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("tune-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let host = Host { root: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name) };
        COMMON.iter().chain(more).for_each(|(path, text)| host.put(path, text));
        host
    }

    pub fn put(&self, path: &str, text: &str) {
        let file = self.root.join(path);
        fs::create_dir_all(file.parent().expect("it is in a folder")).expect("our own folder");
        fs::write(file, text).expect("our own file");
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// As where a container's key is read-only.
    pub fn deny(&self, path: &str) {
        fs::set_permissions(self.root.join(path), fs::Permissions::from_mode(0o444)).expect("our own file");
    }

    pub fn allow(&self, path: &str) {
        fs::set_permissions(self.root.join(path), fs::Permissions::from_mode(0o644)).expect("our own file");
    }

    pub fn link(&self, path: &str, target: &str) {
        let link = self.root.join(path);
        fs::create_dir_all(link.parent().expect("it is in a folder")).expect("our own folder");
        std::os::unix::fs::symlink(target, link).expect("our own link");
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.root.join(path)).expect("our own file");
    }

    /// Every file with its bytes, every link with its target, every folder.
    pub fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("our own folder") {
                let path = entry.expect("our own folder").path();
                let name = path.strip_prefix(&self.root).expect("found below it").display().to_string();
                if path.is_symlink() {
                    all.insert(name, path.read_link().expect("a link").display().to_string().into_bytes());
                } else if path.is_dir() {
                    all.insert(name + "/", Vec::new());
                    folders.push(path);
                } else {
                    all.insert(name, fs::read(path).expect("our own file"));
                }
            }
        }
        all
    }

    pub fn tune(&self, line: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        Ran::of(command.arg("tune").args(line.split_whitespace()).arg("--root").arg(&self.root))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.root);
    }
}

pub struct Ran {
    pub code: Option<i32>,
    pub text: String,
    pub errors: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Ran {
        let Output { status, stdout, stderr } = command.output().expect("it starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ran { code: status.code(), text: text(stdout), errors: text(stderr) }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{}{}", self.text, self.errors);
        self
    }

    #[track_caller]
    pub fn says(self, what: &str) -> Ran {
        assert!(self.text.contains(what) || self.errors.contains(what), "no '{what}' in:\n{}{}", self.text, self.errors);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}
