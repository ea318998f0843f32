//! The files that keep settings over a reboot: all of our own names, each made whole from the state.
//!
//! Invariant: a file that the state does not know, or that reads otherwise than it was written, is neither replaced nor
//! removed.

use super::state::{Key, Limit, OwnFile, State};
use super::tree::Tree;

pub(super) const SYSCTL: &str = "etc/sysctl.d/90-ringmq-tune.conf";
pub(super) const LIMITS: &str = "etc/security/limits.d/90-ringmq-tune.conf";
const UDEV: &str = "etc/udev/rules.d/90-ringmq-tune.rules";
const UNIT: &str = "etc/systemd/system/ringmq-tune.service";
const UNIT_LINK: &str = "etc/systemd/system/multi-user.target.wants/ringmq-tune.service";
const ALL: [&str; 5] = [SYSCTL, LIMITS, UDEV, UNIT, UNIT_LINK];

const FIRST_LINE: &str = "# Written by 'ringmq tune apply'; 'ringmq tune undo' removes it.\n";

/// What there should be on disk for these keys and limits.
pub(super) fn wanted(keys: &[Key], limits: &[Limit]) -> Vec<OwnFile> {
    let mut files = Vec::new();
    let mut add = |path: &str, body: String| {
        if !body.is_empty() {
            files.push(OwnFile { path: path.to_string(), text: format!("{FIRST_LINE}{body}"), is_link: false });
        }
    };
    add(SYSCTL, keys.iter().filter_map(sysctl).collect());
    // `*` does not reach root.
    let limit = |limit: &Limit| format!("*    hard {0} {1}\nroot hard {0} {1}\n", limit.name, limit.value);
    add(LIMITS, limits.iter().map(limit).collect());
    add(UDEV, keys.iter().filter_map(udev).collect());
    let commands: String = keys.iter().filter_map(command).collect();
    if !commands.is_empty() {
        add(UNIT, format!("{UNIT_HEAD}{commands}{UNIT_TAIL}"));
        let target = "../ringmq-tune.service".to_string();
        files.push(OwnFile { path: UNIT_LINK.to_string(), text: target, is_link: true });
    }
    files
}

/// A file of our name that no remembered run wrote.
pub(super) fn foreign(tree: &Tree, state: &State) -> Option<&'static str> {
    ALL.into_iter().find(|path| tree.exists(path) && !state.files.iter().any(|file| file.path == *path))
}

pub(super) fn is_as(tree: &Tree, file: &OwnFile) -> bool {
    if file.is_link {
        tree.link(&file.path).as_ref() == Some(&file.text)
    } else {
        tree.read(&file.path).is_ok_and(|text| text == file.text)
    }
}

const UNIT_HEAD: &str = "\
[Unit]
Description=RingMQ's kernel settings that are neither sysctls nor those of a disk
Before=ringmq-broker.service

[Service]
Type=oneshot
RemainAfterExit=yes
";

const UNIT_TAIL: &str = "
[Install]
WantedBy=multi-user.target
";

fn sysctl(key: &Key) -> Option<String> {
    let name = key.path.strip_prefix("proc/sys/")?.replace('/', ".");
    Some(format!("# {}\n{name} = {}\n", key.id, key.value))
}

fn udev(key: &Key) -> Option<String> {
    let (disk, attribute) = key.path.strip_prefix("sys/block/")?.split_once('/')?;
    Some(format!("ACTION==\"add|change\", SUBSYSTEM==\"block\", KERNEL==\"{disk}\", ATTR{{{attribute}}}=\"{}\"\n", key.value))
}

/// `-`: a card or core that is gone must not make the unit fail.
fn command(key: &Key) -> Option<String> {
    let is_other = key.path.starts_with("sys/") && !key.path.starts_with("sys/block/");
    is_other.then(|| format!("ExecStart=-/bin/sh -c 'echo {} > /{}'\n", key.value, key.path))
}
