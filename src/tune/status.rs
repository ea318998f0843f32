//! What is applied, and whether it still holds.

use super::deed::{Deed, Done};
use super::own_files;
use super::rule;
use super::state::State;
use super::tree::Tree;
use super::undo::is_ours;

pub(super) fn status(tree: &Tree) -> Result<Done, String> {
    let mut done = Done::new("status");
    let Some(state) = State::load(tree)? else {
        return Ok(done);
    };
    for key in &state.keys {
        let now = tree.read(&key.path).unwrap_or_default();
        let (before, now_shown) = (rule::chosen(&key.before), rule::chosen(&now));
        done.add(if is_ours(key, &now) {
            Deed::holds(&key.id, &key.path, before, now_shown)
        } else {
            Deed::left(&key.id, &key.path, &format!("was {before}, set to {}, since changed to {now_shown}", key.value))
        });
    }
    for limit in &state.limits {
        done.add(Deed::holds(&limit.name, &format!("limits/{}", limit.name), "", &limit.value));
    }
    for file in &state.files {
        let holds = own_files::is_as(tree, file);
        done.add(if holds {
            Deed::file(&tree.shown(&file.path), "there")
        } else {
            Deed::left("file", &file.path, "edited or removed since")
        });
    }
    Ok(done)
}
