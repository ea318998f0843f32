//! Puts back what was there before us, where it is still ours, and removes our files.
//!
//! First all is decided, then all is written: putting one key back may change another (a scheduler its queue's length).
//! What could not be put back stays in the state, for the next undo.

use std::collections::{BTreeMap, BTreeSet};

use super::deed::{Deed, Done};
use super::own_files;
use super::rule;
use super::state::{Key, STATE, State};
use super::tree::{Tree, explain};

pub(super) fn undo(tree: &Tree) -> Result<Done, String> {
    let mut done = Done::new("undo");
    let Some(mut state) = State::load_or_clear(tree)? else {
        return Ok(done);
    };
    let mut ours: Vec<&Key> = Vec::new();
    for key in &state.keys {
        match tree.read(&key.path) {
            Err(error) => done.add(Deed::left(&key.id, &key.path, &explain(&error))),
            Ok(now) if now == key.before => {}
            Ok(now) if is_ours(key, &now) => ours.push(key),
            Ok(now) => {
                let reason = format!("changed since to {}: left", rule::chosen(&now));
                done.add(Deed::left(&key.id, &key.path, &reason));
            }
        }
    }
    let stuck = restore(tree, &ours, &mut done);
    state.keys.retain(|key| stuck.contains(&key.path));
    remove_files(tree, &mut state, &mut done);
    let saved = if state.is_empty() { state.forget(tree) } else { state.save(tree) };
    if let Err(error) = saved {
        // The state then says more than is to be done, which the next undo sees.
        done.add(Deed::failed("state", STATE, &explain(&error)));
    }
    Ok(done)
}

pub(super) fn is_ours(key: &Key, now: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    // After a crash between key and state only the value that was to be written is known.
    now == key.ours || words(rule::chosen(now)) == words(&key.value)
}

/// The paths that could not be put back.
///
/// In rounds, as keys depend on each other: vm.dirty_bytes takes no 0 but becomes 0 when vm.dirty_ratio is written, and a
/// scheduler sets its queue's length anew. Two rounds put every row back that there is; a third shows that they did.
fn restore(tree: &Tree, ours: &[&Key], done: &mut Done) -> Vec<String> {
    let is_back = |path: &str, before: &str| tree.read(path).is_ok_and(|now| now == before);
    let found: Vec<String> = ours.iter().map(|key| tree.read(&key.path).unwrap_or_default()).collect();
    let is_key = |path: &str| ours.iter().any(|key| key.path == path);
    // A key's own old value is older than the one it had when another key touched it.
    let touched: Vec<(&str, &str)> = ours
        .iter()
        .flat_map(|key| &key.touched)
        .map(|touched| (touched.path.as_str(), touched.before.as_str()))
        .filter(|(path, _)| !is_key(path))
        .collect();
    let keys: Vec<(&str, &str)> = ours.iter().map(|key| (key.path.as_str(), key.before.as_str())).collect();
    let mut reasons: BTreeMap<&str, String> = BTreeMap::new();
    for _ in 0..3 {
        for &(path, before) in keys.iter().chain(&touched).filter(|(path, before)| !is_back(path, before)) {
            if let Err(reason) = tree.restore_key(path, before) {
                reasons.insert(path, reason);
            }
        }
    }
    let reason = |path: &str| {
        let reads = || format!("it reads {} after all", rule::chosen(&tree.read(path).unwrap_or_default()));
        reasons.get(path).cloned().unwrap_or_else(reads)
    };
    for (path, _) in touched.iter().filter(|(path, before)| !is_back(path, before)) {
        done.add(Deed::failed("touched", path, &reason(path)));
    }
    let mut stuck = Vec::new();
    for (key, found) in ours.iter().zip(&found) {
        if is_back(&key.path, &key.before) {
            done.add(Deed::changed(&key.id, &key.path, rule::chosen(found), rule::chosen(&key.before), ""));
        } else {
            done.add(Deed::failed(&key.id, &key.path, &reason(&key.path)));
            stuck.push(key.path.clone());
        }
    }
    stuck
}

/// Those that could not be removed stay in the state, and with them the limits that they promise.
fn remove_files(tree: &Tree, state: &mut State, done: &mut Done) {
    let paths: BTreeSet<String> = state.files.iter().map(|file| file.path.clone()).collect();
    for path in paths {
        let is_ours = state.files.iter().any(|file| file.path == path && own_files::is_as(tree, file));
        if tree.exists(&path) && !is_ours {
            done.add(Deed::left("file", &path, "edited since: left"));
        } else {
            let was_there = tree.exists(&path);
            match tree.remove(&path) {
                Ok(()) if was_there => done.add(Deed::file(&tree.shown(&path), "removed")),
                Ok(()) => {}
                Err(error) => done.add(Deed::failed("file", &path, &explain(&error))),
            }
        }
    }
    state.files.retain(|file| own_files::is_as(tree, file));
    if !state.files.iter().any(|file| file.path == own_files::LIMITS) {
        state.limits.clear();
    }
}
