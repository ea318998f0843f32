//! Writes what a survey found to differ, and remembers what was there.
//!
//! Order: the old values into the state file, then the keys, then our own files. Each step is written down before it is
//! done, so that undo brings all back from wherever a run was cut off. A failed key is named and left out of the files,
//! so that no boot tries again what the machine refuses.

use super::deed::{Deed, Done};
use super::limits;
use super::own_files;
use super::rule;
use super::state::{Key, Limit, OwnFile, STATE, State, Touched};
use super::survey::{Finding, Outcome, Survey};
use super::tree::{Tree, explain};

pub(super) fn apply(tree: &Tree, survey: &Survey) -> Result<Done, String> {
    let mut state = State::load_or_clear(tree)?.unwrap_or_default();
    if let Some(path) = own_files::foreign(tree, &state) {
        return Err(format!(
            "{}: ours by name, but no remembered run wrote it; if a script did, run 'sh SCRIPT undo', else move it away",
            tree.shown(path)
        ));
    }
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
        let reason = format!("{} ({})", explain(&error), tree.shown(STATE));
        writes.iter().for_each(|(finding, _)| done.add(Deed::failed(&finding.setting.id, &finding.path, &reason)));
        return Ok(done);
    }
    for (finding, value) in writes {
        done.add(perform(tree, &mut state, finding, value, known.contains(&finding.path)));
    }
    keep(tree, &mut state, &mut done).map_err(|error| format!("{}: {}", tree.shown(STATE), explain(&error)))?;
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
        return promise(tree, state, finding, name, value);
    }
    match write_and_read(tree, path, before, value) {
        Ok(now) => {
            let key = state.keys.iter_mut().find(|key| key.path == *path).expect("remembered before it is written");
            (key.value, key.ours) = (value.to_string(), now.clone());
            Deed::changed(id, path, rule::chosen(before), rule::chosen(&now), value)
        }
        Err(reason) => {
            let is_back = tree.read(path).is_ok_and(|now| now == before);
            if is_back && !was_known {
                state.keys.retain(|key| key.path != *path);
            }
            Deed::failed(id, path, &reason)
        }
    }
}

/// What the kernel made of the value. After an error the old one is there again: a refused write can leave half a list
/// of numbers behind.
fn write_and_read(tree: &Tree, path: &str, before: &str, value: &str) -> Result<String, String> {
    let written = tree.write_key(path, value);
    let now = tree.read(path).map_err(|error| format!("cannot be read back: {}", explain(&error)));
    if now.as_deref() == Ok(before) {
        return Err(written.err().unwrap_or_else(|| format!("the kernel stays at {}", rule::chosen(before))));
    }
    let reason = match (written, now) {
        (Ok(()), Ok(now)) => return Ok(now),
        (Err(reason), _) | (Ok(()), Err(reason)) => reason,
    };
    match tree.restore_key(path, before) {
        Ok(()) => Err(reason),
        Err(error) => Err(format!("{reason}; and what was there cannot be put back: {error}")),
    }
}

fn promise(tree: &Tree, state: &mut State, finding: &Finding, name: &str, value: &str) -> Deed {
    let (id, path) = (&finding.setting.id, &finding.path);
    let roof = tree.read("proc/sys/fs/nr_open").ok();
    if let Err(reason) = limits::below_roof(name, value, roof.as_deref()) {
        return Deed::failed(id, path, &reason);
    }
    state.limits.retain(|limit| limit.name != name);
    state.limits.push(Limit { name: name.to_string(), value: value.to_string() });
    let before = finding.current.as_deref().unwrap_or_default();
    Deed::changed(id, path, before, &format!("{value} from the next login on"), "")
}

/// Our own files as the state wants them, and the state as it is now. A file that was edited since stays as it is: the
/// edit is an administrator's.
fn keep(tree: &Tree, state: &mut State, done: &mut Done) -> std::io::Result<()> {
    let mut missing = Vec::new();
    for file in own_files::wanted(&state.keys, &state.limits) {
        let is_known = state.files.iter().any(|known| known.path == file.path && own_files::is_as(tree, known));
        if own_files::is_as(tree, &file) {
            continue;
        }
        if tree.exists(&file.path) && !is_known {
            done.add(Deed::left("file", &file.path, "edited since: left"));
            continue;
        }
        missing.push(file);
    }
    for file in &missing {
        state.will_make(tree, &file.path);
        state.files.push(file.clone());
    }
    if !state.is_empty() {
        state.save(tree)?;
    }
    for file in &missing {
        done.add(match put(tree, file) {
            Ok(()) => Deed::file(&tree.shown(&file.path), "written"),
            Err(error) => Deed::failed("file", &file.path, &explain(&error)),
        });
    }
    let was_tried = |file: &OwnFile| missing.iter().any(|tried| tried.path == file.path);
    state.files.retain(|file| !was_tried(file) || own_files::is_as(tree, file));
    if !state.is_empty() {
        return state.save(tree);
    }
    if tree.exists(STATE) { state.forget(tree) } else { Ok(()) }
}

fn put(tree: &Tree, file: &OwnFile) -> std::io::Result<()> {
    if file.is_link { tree.write_link(&file.path, &file.text) } else { tree.write_file(&file.path, &file.text) }
}
