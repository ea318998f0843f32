//! The real kernel of the machine that runs the tests. Looking is always done; apply and undo only as root and only if
//! RINGMQ_TUNE_THIS_MACHINE is set, as they change settings of the whole host for a few seconds:
//!
//! `sudo RINGMQ_TUNE_THIS_MACHINE=1 RINGMQ_TUNE_NAMES='--disk vda --nic eth0' cargo test --test tune this_machine -- --nocapture`
//!
//! Without RINGMQ_TUNE_NAMES no disk and no card is touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::Ran;

const OPT_IN: &str = "RINGMQ_TUNE_THIS_MACHINE";
/// What the tool may write below, besides keys.
const FOLDERS: [&str; 5] =
    ["/etc/sysctl.d", "/etc/security", "/etc/udev/rules.d", "/etc/systemd/system", "/var/lib/ringmq/tuning"];
const FILES: [&str; 2] = ["/etc/sysctl.conf", "/etc/default/grub"];

fn tune(line: &str) -> Ran {
    Ran::of(Command::new(env!("CARGO_BIN_EXE_ringmq")).arg("tune").args(line.split_whitespace()))
}

/// Read-only, whoever runs it.
#[test]
fn it_can_be_looked_at() {
    for verb in ["check", "plan"] {
        let ran = tune(&format!("{verb} --json --profile latency"));
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.errors);
        assert!(ran.json()["settings"].as_array().expect("rows").len() >= 40);
    }
}

#[test]
fn each_profile_is_applied_twice_and_taken_back() {
    if std::env::var_os(OPT_IN).is_none() {
        return eprintln!("skipped: {OPT_IN} is not set, so that this machine is only looked at");
    }
    if fs::read_to_string("/proc/self/status").is_ok_and(|text| !text.contains("\nUid:\t0\t0\t")) {
        return eprintln!("skipped: only root can change settings");
    }
    if !tune("status").text.starts_with("Nothing is applied") {
        return eprintln!("skipped: settings are applied already; 'ringmq tune undo' takes them back");
    }
    let names = std::env::var("RINGMQ_TUNE_NAMES").unwrap_or_default();
    for profile in ["safe", "dedicated", "latency"] {
        let options = format!("--profile {profile} {names}");
        let before = snapshot();
        let _back = Back;
        let applied = tune(&format!("apply {options}"));
        for line in applied.text.lines().filter(|line| line.starts_with("unsupported") || line.starts_with("NOT WRITTEN")) {
            eprintln!("{profile}, skipped: {line}");
        }
        assert!(matches!(applied.code, Some(0 | 1)), "{}", applied.errors);
        let changed = snapshot();
        assert_ne!(before, changed, "{profile} did something");
        assert_eq!(tune(&format!("apply --json {options}")).json()["changed"], 0, "{profile}: the second apply");
        assert_eq!(changed, snapshot(), "{profile}: the second apply");
        tune("status").ends(0);
        tune("undo").ends(0);
        let after = snapshot();
        for (path, text) in &before {
            assert_eq!(after.get(path), Some(text), "{profile}: {} after undo", path.display());
        }
        assert_eq!(before, after, "{profile}: undo");
        let differ = before.iter().filter(|(path, text)| changed.get(*path) != Some(text)).count();
        eprintln!("{profile}: {differ} of {} keys and files changed, all are back", before.len());
    }
}

/// However the test ends.
struct Back;

impl Drop for Back {
    fn drop(&mut self) {
        tune("undo");
    }
}

/// Every key that a row names or touches and every file where ours are put, byte for byte.
fn snapshot() -> BTreeMap<PathBuf, Vec<u8>> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/kernel-tuning/settings.toml")).expect("it is there");
    let settings: toml::Table = text.parse().expect("TOML");
    let mut patterns = Vec::new();
    for row in settings["setting"].as_array().expect("rows") {
        patterns.push(row["path"].as_str().expect("text"));
        patterns.extend(row.get("touches").and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str));
    }
    let mut found = BTreeMap::new();
    for pattern in patterns.into_iter().filter(|pattern| !pattern.starts_with("limits/")) {
        // Every disk and every card, named or not.
        let steps = pattern.replace("{disk}", "*").replace("{nic}", "*");
        keys(Path::new("/"), &steps, &mut found);
    }
    FILES.iter().for_each(|file| drop(fs::read(file).map(|text| found.insert(file.into(), text))));
    FOLDERS.iter().for_each(|folder| files(Path::new(folder), &mut found));
    found
}

fn keys(folder: &Path, steps: &str, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let (step, rest) = steps.split_once('/').unwrap_or((steps, ""));
    let names = match step.split_once('*') {
        None => vec![step.to_string()],
        Some((head, tail)) => {
            let names = fs::read_dir(folder).into_iter().flatten().flatten();
            let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names.filter(|name| name.starts_with(head) && name.ends_with(tail)).collect()
        }
    };
    for path in names.iter().map(|name| folder.join(name)) {
        if !rest.is_empty() {
            keys(&path, rest, found);
        } else if let Ok(text) = fs::read(&path) {
            found.insert(path, text);
        }
    }
}

fn files(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    found.insert(folder.to_path_buf(), Vec::new());
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_symlink() {
            found.insert(path.clone(), path.read_link().expect("a link").into_os_string().into_encoded_bytes());
        } else if path.is_dir() {
            files(&path, found);
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
}
