//! Puts back what was there before us, where it is still ours, and removes our files.
//!
//! First all is decided, then all is written: putting one key back may change another (a scheduler its queue's length).

use super::own_files;
use super::report::{Deed, Done};
use super::rule;
use super::state::{Key, State};
use super::tree::{Tree, explain};

pub(super) fn undo(tree: &Tree) -> Result<Done, String> {
    let mut done = Done::new("undo");
    let Some(mut state) = State::load(tree)? else {
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
    let kept = restore(tree, &ours, &mut done);
    for file in &state.files {
        if !tree.exists(&file.path) {
            continue;
        }
        if !own_files::is_as(tree, file) {
            done.add(Deed::left("file", &file.path, "edited since: left"));
            continue;
        }
        match tree.remove(&file.path) {
            Ok(()) => done.add(Deed::file(&tree.shown(&file.path), "removed")),
            Err(error) => done.add(Deed::failed("file", &file.path, &explain(&error))),
        }
    }
    let failed_files = state.files.iter().any(|file| own_files::is_as(tree, file));
    if kept.is_empty() && !failed_files {
        state.forget(tree).map_err(|error| format!("{}: {error}", tree.shown(super::state::STATE)))?;
    } else {
        // What could not be put back is still known to the next undo.
        state.keys.retain(|key| kept.contains(&key.path));
        _ = state.save(tree);
    }
    Ok(done)
}

pub(super) fn is_ours(key: &Key, now: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    // After a crash between key and state only the value that was to be written is known.
    now == key.ours || words(rule::chosen(now)) == words(&key.value)
}

/// The paths that could not be put back.
fn restore(tree: &Tree, ours: &[&Key], done: &mut Done) -> Vec<String> {
    let is_back = |path: &str, before: &str| tree.read(path).is_ok_and(|now| now == before);
    let before: Vec<String> = ours.iter().map(|key| tree.read(&key.path).unwrap_or_default()).collect();
    for key in ours {
        // An error here may heal with what follows: vm.dirty_bytes takes no 0, but becomes 0 when dirty_ratio is written.
        _ = tree.restore_key(&key.path, &key.before);
    }
    for touched in ours.iter().flat_map(|key| &key.touched).filter(|touched| !is_back(&touched.path, &touched.before)) {
        if let Err(reason) = tree.restore_key(&touched.path, &touched.before) {
            done.add(Deed::failed("touched", &touched.path, &reason));
        }
    }
    let mut kept = Vec::new();
    for (key, was) in ours.iter().zip(before) {
        let again = if is_back(&key.path, &key.before) { Ok(()) } else { tree.restore_key(&key.path, &key.before) };
        match again {
            Ok(()) => done.add(Deed::changed(&key.id, &key.path, rule::chosen(&was), rule::chosen(&key.before))),
            Err(reason) => {
                kept.push(key.path.clone());
                done.add(Deed::failed(&key.id, &key.path, &reason));
            }
        }
    }
    kept
}
