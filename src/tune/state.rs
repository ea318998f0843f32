//! What was there before us: written before the first key or file is, removed when all is back.
//!
//! A crash between the state file and a key leaves `before` for a key that still has that value: undo finds nothing to do.

use std::io;

use serde::{Deserialize, Serialize};

use super::tree::Tree;

pub(super) const STATE: &str = "var/lib/ringmq/tuning/state.json";
/// Innermost first.
const OWN_FOLDERS: [&str; 2] = ["var/lib/ringmq/tuning", "var/lib/ringmq"];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// In the order in which they were written.
    pub keys: Vec<Key>,
    pub limits: Vec<Limit>,
    /// Written down before they are on disk. A path is there twice while its file is being replaced.
    pub files: Vec<OwnFile>,
    /// Folders that we made, each after those it is in.
    pub folders: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub id: String,
    pub path: String,
    /// Byte for byte. Invariant: never overwritten by a second apply.
    pub before: String,
    /// What we wrote.
    pub value: String,
    /// What the kernel made of it.
    pub ours: String,
    pub touched: Vec<Touched>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Touched {
    pub path: String,
    pub before: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limit {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnFile {
    pub path: String,
    /// The file's text, or where the link leads.
    pub text: String,
    pub is_link: bool,
}

impl State {
    pub(super) fn load(tree: &Tree) -> Result<Option<State>, String> {
        let path = tree.shown(STATE);
        match tree.read(STATE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{path}: {error}; run it with sudo")),
            Ok(text) => {
                let state = serde_json::from_str(&text);
                state.map(Some).map_err(|error| {
                    format!("{path}: {error}; it holds the old values, so repair it or write them back by hand and remove it")
                })
            }
        }
    }

    /// As `load`, for those who change things. Without a state, what a run left that was killed before its first state
    /// was whole goes too: no key was written by then.
    pub(super) fn load_or_clear(tree: &Tree) -> Result<Option<State>, String> {
        let state = State::load(tree)?;
        if state.is_none() && tree.exists(OWN_FOLDERS[0]) {
            // An ordinary user cannot, and has nothing to clear up.
            _ = tree.remove(STATE);
            OWN_FOLDERS.iter().for_each(|folder| tree.remove_folder(folder));
        }
        Ok(state)
    }

    /// Nothing is written if it says the same already.
    pub(super) fn save(&mut self, tree: &Tree) -> io::Result<()> {
        if tree.read(STATE).is_ok_and(|text| text == self.text()) {
            return Ok(());
        }
        // The folders that the state file itself needs belong into it.
        self.will_make(tree, STATE);
        tree.write_file(STATE, &self.text())
    }

    /// Writes down the folders that are going to be made for this file.
    pub(super) fn will_make(&mut self, tree: &Tree, file: &str) {
        let missing = tree.missing_folders(file).into_iter();
        let new: Vec<String> = missing.filter(|folder| !self.folders.contains(folder)).collect();
        self.folders.extend(new);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.limits.is_empty() && self.files.is_empty()
    }

    /// The state file goes, and the folders that we made, as far as they are empty.
    pub(super) fn forget(&self, tree: &Tree) -> io::Result<()> {
        tree.remove(STATE)?;
        self.folders.iter().rev().for_each(|folder| tree.remove_folder(folder));
        Ok(())
    }

    fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and lists are JSON") + "\n"
    }
}
