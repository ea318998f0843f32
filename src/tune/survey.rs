//! Every row held against the machine: what is, what is wanted, what would be written. Changes nothing.

use std::collections::BTreeSet;

use super::machine::{self, Machine};
use super::settings::{self, Profile, Rule, Setting};
use super::tree::{Tree, explain};
use super::{Request, Verb, configured, form, limits, rule};

pub(super) struct Survey {
    pub machine: Machine,
    pub profile: Profile,
    pub findings: Vec<Finding>,
}

/// One row at one path.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub setting: Setting,
    pub path: String,
    /// As it is read; what a choice holds is `rule::chosen` of it.
    pub current: Option<String>,
    pub wanted: String,
    pub outcome: Outcome,
    /// The paths that the kernel changes along with this one.
    pub touches: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    AsWanted,
    /// This should be written.
    Differs(String),
    /// The row is not for this machine, and why.
    Unsupported(String),
    /// Only shown, whatever it is.
    Shown,
}

pub(super) fn take(tree: &Tree, request: &Request) -> Result<Survey, String> {
    let machine = machine::look(tree, request.shards)?;
    let rows = settings::settings().setting;
    for id in &request.only {
        match rows.iter().find(|row| row.id == *id) {
            None => {
                return Err(format!("--only {id}: there is no such setting; 'ringmq tune check --profile latency' lists them"));
            }
            Some(row) if row.profile == Profile::ReportOnly && matches!(request.verb, Verb::Apply | Verb::Script) => {
                return Err(format!("--only {id}: this one is only shown, never written"));
            }
            Some(_) => {}
        }
    }
    for (option, folder, names) in [("--disk", "sys/block", &request.disks), ("--nic", "sys/class/net", &request.nics)] {
        if let Some(name) = names.iter().find(|name| name.contains('/') || !tree.names(folder).contains(*name)) {
            return Err(format!("{option} {name}: not in {}; there are: {}", tree.shown(folder), tree.names(folder).join(" ")));
        }
    }
    let is_meant = |row: &Setting| {
        let in_profile = row.profile <= request.profile || row.profile == Profile::ReportOnly;
        if request.only.is_empty() { in_profile } else { request.only.contains(&row.id) }
    };
    let mut findings: Vec<Finding> = Vec::new();
    for row in rows.into_iter().filter(is_meant) {
        for named in rows_named(row, request) {
            for found in look(tree, &machine, named)? {
                // Two rows for one key, each for another kind of machine: the first that fits is the answer.
                let is_answered = |other: &Finding| other.path == found.path && other.current.is_some();
                if !findings.iter().any(is_answered) {
                    findings.push(found);
                }
            }
        }
    }
    Ok(Survey { machine, profile: request.profile, findings })
}

/// The row for each named disk or card; as it is if it asks for none, or if none is named.
fn rows_named(row: Setting, request: &Request) -> Vec<Setting> {
    for (place, names) in [("{disk}", &request.disks), ("{nic}", &request.nics)] {
        if row.path.contains(place) && !names.is_empty() {
            let named = |name: &String| {
                let mut named = row.clone();
                named.path = row.path.replace(place, name);
                named.touches.iter_mut().for_each(|path| *path = path.replace(place, name));
                if let Some(only_if) = &mut named.only_if {
                    only_if.path = only_if.path.replace(place, name);
                }
                named
            };
            let names: BTreeSet<&String> = names.iter().collect();
            return names.into_iter().map(named).collect();
        }
    }
    vec![row]
}

fn look(tree: &Tree, machine: &Machine, row: Setting) -> Result<Vec<Finding>, String> {
    let want = wanted(&row, machine)?;
    let finding = |path: &str, current: Option<String>, outcome: Outcome| {
        let outcome = if row.profile == Profile::ReportOnly && current.is_some() { Outcome::Shown } else { outcome };
        let (setting, touches) = (row.clone(), row.touches.clone());
        Finding { setting, path: path.to_string(), current, wanted: want.join(" "), outcome, touches }
    };
    let unsupported = |path: &str, reason: String| finding(path, None, Outcome::Unsupported(reason));
    if let Some(reason) = not_for(tree, &row) {
        return Ok(vec![unsupported(&row.path, reason)]);
    }
    let paths = tree.expand(&row.path);
    if paths.is_empty() {
        return Ok(vec![unsupported(&row.path, "no such file".to_string())]);
    }
    let mut findings = Vec::new();
    for path in paths {
        let current = match path.strip_prefix("limits/") {
            Some(name) => limits::hard(tree, name),
            None => tree.read(&path).map_err(|error| missing(&error, &row, machine)),
        };
        findings.push(match current {
            Err(reason) => unsupported(&path, reason),
            Ok(current) => {
                let outcome = judge(tree, &row, &path, &current, &want);
                finding(&path, Some(current), outcome)
            }
        });
    }
    Ok(findings)
}

fn judge(tree: &Tree, row: &Setting, path: &str, current: &str, want: &[String]) -> Outcome {
    let better = |current: &str, want: &[String]| rule::better(row.rule, current, want, row.zero_is_unset);
    let mut want = want.to_vec();
    if !matches!(row.rule, Rule::Exact | Rule::Choice | Rule::Show) {
        // What a file promises for the next boot is taken in: whoever wrote it wants no less.
        for promised in configured::values(tree, path) {
            if let Ok(Some(best)) = better(&promised, &want) {
                want = best.split_whitespace().map(str::to_string).collect();
            } else if let Ok(None) = better(&promised, &want) {
                want = promised.split_whitespace().map(str::to_string).collect();
            }
        }
    }
    match better(current, &want) {
        Ok(None) => Outcome::AsWanted,
        Ok(Some(value)) => Outcome::Differs(value),
        Err(reason) => Outcome::Unsupported(reason),
    }
}

fn wanted(row: &Setting, machine: &Machine) -> Result<Vec<String>, String> {
    let is_number = matches!(row.rule, Rule::AtLeast | Rule::AtMost | Rule::Widen);
    let field = |field: &String| {
        if !is_number || field == "unlimited" {
            return Ok(field.clone());
        }
        form::value(field, machine).map(|number| number.to_string()).map_err(|reason| format!("setting {}: {reason}", row.id))
    };
    row.want.fields().iter().map(field).collect()
}

/// Why the row is not for this machine, as far as the row itself says.
fn not_for(tree: &Tree, row: &Setting) -> Option<String> {
    for (place, option, folder) in [("{disk}", "--disk", "sys/block"), ("{nic}", "--nic", "sys/class/net")] {
        if row.path.contains(place) {
            let virtual_names = ["loop", "ram", "zram", "dm-", "sr", "lo", "fd"];
            let names = tree.names(folder);
            let likely = names.iter().find(|name| !virtual_names.iter().any(|start| name.starts_with(start)));
            return Some(format!("name it: {option} {}", likely.map_or("NAME", String::as_str)));
        }
    }
    let only_if = row.only_if.as_ref()?;
    let found = if only_if.is.is_some() { tree.read(&only_if.path).ok() } else { tree.exists(&only_if.path).then(String::new) };
    match (found, &only_if.is) {
        (None, _) => Some(format!("only with {}", only_if.path)),
        (Some(found), Some(is)) if found.trim() != is => {
            Some(format!("only where {} is {is}; it is {}", only_if.path, found.trim()))
        }
        _ => None,
    }
}

fn missing(error: &std::io::Error, row: &Setting, machine: &Machine) -> String {
    match &row.kernel {
        Some(kernel) if error.kind() == std::io::ErrorKind::NotFound && !machine.has_kernel(kernel) => {
            format!("needs kernel {kernel}, here is {}", machine.kernel)
        }
        _ => explain(error),
    }
}
