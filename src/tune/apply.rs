//! Writes what a survey found to differ, and remembers what was there.
//!
//! Order: the old values into the state file, then the keys, then our own files. A failed key is named and left out of
//! the files, so that no boot tries again what the machine refuses.

use std::io;

use super::own_files;
use super::report::{Deed, Done};
use super::rule;
use super::state::{Key, Limit, OwnFile, State, Touched};
use super::survey::{Finding, Outcome, Survey};
use super::tree::{Tree, explain};

pub(super) fn apply(tree: &Tree, survey: &Survey) -> Result<Done, String> {
    if let Some(path) = own_files::foreign(tree) {
        return Err(format!("{}: it is ours by name, but somebody else wrote it; move it away", tree.shown(path)));
    }
    let mut state = State::load(tree)?.unwrap_or_default();
    let mut done = Done::new("apply");
    let writes: Vec<(&Finding, &str)> = survey.findings.iter().filter_map(write).collect();
    for finding in &survey.findings {
        if let Outcome::Unsupported(reason) = &finding.outcome {
            done.add(Deed::unsupported(&finding.setting.id, &finding.path, reason));
        }
    }
    let known: Vec<String> = state.keys.iter().map(|key| key.path.clone()).collect();
    writes.iter().for_each(|(finding, value)| remember(tree, &mut state, finding, value));
    if !writes.is_empty()
        && let Err(error) = state.save(tree)
    {
        // Without the old values nothing is written.
        let reason = format!("{} ({})", explain(&error), tree.shown(super::state::STATE));
        writes.iter().for_each(|(finding, _)| done.add(Deed::failed(&finding.setting.id, &finding.path, &reason)));
        return Ok(done);
    }
    for (finding, value) in writes {
        done.add(perform(tree, &mut state, finding, value, known.contains(&finding.path)));
    }
    keep(tree, &mut state, &mut done)?;
    if state.is_empty() && tree.exists(super::state::STATE) {
        state.forget(tree).map_err(|error| format!("{}: {error}", tree.shown(super::state::STATE)))?;
    }
    Ok(done)
}

fn write(finding: &Finding) -> Option<(&Finding, &str)> {
    match &finding.outcome {
        Outcome::Differs(value) => Some((finding, value)),
        _ => None,
    }
}

fn remember(tree: &Tree, state: &mut State, finding: &Finding, value: &str) {
    if finding.path.starts_with("limits/") || state.keys.iter().any(|key| key.path == finding.path) {
        return;
    }
    let before = finding.current.clone().unwrap_or_default();
    let touched = |path: &String| tree.read(path).ok().map(|before| Touched { path: path.clone(), before });
    state.keys.push(Key {
        id: finding.setting.id.clone(),
        path: finding.path.clone(),
        ours: before.clone(),
        before,
        value: value.to_string(),
        touched: finding.touches.iter().filter_map(touched).collect(),
    });
}

fn perform(tree: &Tree, state: &mut State, finding: &Finding, value: &str, was_known: bool) -> Deed {
    let (id, path) = (&finding.setting.id, &finding.path);
    let before = finding.current.as_deref().unwrap_or_default();
    if let Some(name) = path.strip_prefix("limits/") {
        if let Err(reason) = below_roof(tree, name, value) {
            return Deed::failed(id, path, &reason);
        }
        state.limits.retain(|limit| limit.name != name);
        state.limits.push(Limit { name: name.to_string(), value: value.to_string() });
        return Deed::changed(id, path, before, &format!("{value} from the next login on"));
    }
    let written = tree.write_key(path, value);
    let now = tree.read(path).unwrap_or_default();
    let key = state.keys.iter_mut().find(|key| key.path == *path).expect("remembered before it is written");
    if let Err(reason) = written {
        if !was_known {
            state.keys.retain(|key| key.path != *path);
        }
        return Deed::failed(id, path, &reason);
    }
    (key.value, key.ours) = (value.to_string(), now.clone());
    if now == before {
        return Deed::failed(id, path, &format!("the kernel stays at {}", rule::chosen(&now)));
    }
    Deed::changed(id, path, rule::chosen(before), rule::chosen(&now))
}

/// A login fails altogether if its limit of files is above the kernel's.
fn below_roof(tree: &Tree, name: &str, value: &str) -> Result<(), String> {
    let roof = tree.read("proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse::<u64>().ok());
    match (name, roof, value.parse::<u64>()) {
        ("nofile", Some(roof), Ok(value)) if value > roof => Err(format!("fs.nr_open is {roof}: apply nr-open first")),
        _ => Ok(()),
    }
}

/// Our own files as the state wants them, and the state as it is now.
fn keep(tree: &Tree, state: &mut State, done: &mut Done) -> Result<(), String> {
    let wanted = own_files::wanted(&state.keys, &state.limits);
    for file in &wanted {
        if own_files::is_as(tree, file) {
            continue;
        }
        match put(tree, file) {
            Ok(made) => {
                state.folders.extend(made);
                done.add(Deed::file(&tree.shown(&file.path), "written"));
            }
            Err(error) => done.add(Deed::failed("file", &file.path, &explain(&error))),
        }
    }
    state.files = wanted.into_iter().filter(|file| own_files::is_as(tree, file)).collect();
    if state.is_empty() {
        return Ok(());
    }
    state.save(tree).map_err(|error| format!("{}: {error}", tree.shown(super::state::STATE)))
}

fn put(tree: &Tree, file: &OwnFile) -> io::Result<Vec<String>> {
    if file.is_link { tree.write_link(&file.path, &file.text) } else { tree.write_file(&file.path, &file.text) }
}
