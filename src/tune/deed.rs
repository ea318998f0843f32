//! What apply, undo and status did or found, key by key, in words; `report` makes tables and JSON of it.

use serde::Serialize;

/// What was done to one key or file, or found of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Deed {
    pub id: String,
    pub path: String,
    pub what: What,
    /// From, to, or why not.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    Changed,
    File,
    /// Applied, and still so.
    Holds,
    /// Not for this machine: nothing to do about it.
    Unsupported,
    /// Somebody changed it after us.
    Left,
    /// It should be written and could not be.
    NotWritten,
}

pub(super) struct Done {
    pub verb: &'static str,
    pub deeds: Vec<Deed>,
}

impl Done {
    pub(super) fn new(verb: &'static str) -> Done {
        Done { verb, deeds: Vec::new() }
    }

    pub(super) fn add(&mut self, deed: Deed) {
        self.deeds.push(deed);
    }
}

impl Deed {
    fn new(id: &str, path: &str, what: What, detail: &str) -> Deed {
        Deed { id: id.to_string(), path: path.to_string(), what, detail: detail.to_string() }
    }

    /// `asked`: what was to be written, if there is such a thing; kernels clamp and round.
    pub(super) fn changed(id: &str, path: &str, from: &str, to: &str, asked: &str) -> Deed {
        let is_as_asked = asked.is_empty() || line(asked) == line(to);
        let note = if is_as_asked { String::new() } else { format!(" (asked for {})", line(asked)) };
        Deed::new(id, path, What::Changed, &format!("{} -> {}{note}", line(from), line(to)))
    }

    pub(super) fn holds(id: &str, path: &str, from: &str, to: &str) -> Deed {
        let detail = if from.is_empty() { line(to) } else { format!("{}, was {}", line(to), line(from)) };
        Deed::new(id, path, What::Holds, &detail)
    }

    pub(super) fn file(path: &str, detail: &str) -> Deed {
        Deed::new("file", path, What::File, detail)
    }

    pub(super) fn unsupported(id: &str, path: &str, reason: &str) -> Deed {
        Deed::new(id, path, What::Unsupported, reason)
    }

    pub(super) fn left(id: &str, path: &str, reason: &str) -> Deed {
        Deed::new(id, path, What::Left, reason)
    }

    pub(super) fn failed(id: &str, path: &str, reason: &str) -> Deed {
        Deed::new(id, path, What::NotWritten, reason)
    }
}

/// On one line, and an empty list by name.
pub(super) fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() { "(empty)".to_string() } else { words.join(" ") }
}
