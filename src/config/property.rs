//! One row of a property table, and finding rows by name, also by a name that is nearly right.

use std::fmt;

use super::kind::Kind;

/// Everything that is known about one key of a file.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    pub name: &'static str,
    pub kind: Kind,
    /// As a user would write it. Empty: none, or worked out at start as `effect` says.
    pub default: &'static str,
    pub applies: Applies,
    /// One sentence.
    pub effect: &'static str,
    pub standing: Standing,
    /// Printed by `-m`.
    pub important: bool,
    /// The one value that can be served, and why another one stops the start instead of being ignored.
    pub must: Option<(&'static str, &'static str)>,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// At once, by mqadmin updateBrokerConfig.
    Live,
    Restart,
    /// Never: fixed when the store is created.
    Created,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Does what `effect` says.
    Used,
    /// Checked and kept, but the part of RocketMQ that it belongs to is not served yet.
    Later(&'static str),
    /// Accepted so that an existing file starts; there is nothing here that it could change, for this reason.
    Nothing(&'static str),
}

impl fmt::Display for Applies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Applies::Live => "live",
            Applies::Restart => "restart",
            Applies::Created => "new store",
        })
    }
}

impl Property {
    pub(super) const fn used(name: &'static str, kind: Kind, default: &'static str, effect: &'static str) -> Property {
        Property {
            name,
            kind,
            default,
            applies: Applies::Restart,
            effect,
            standing: Standing::Used,
            important: false,
            must: None,
        }
    }

    pub(super) const fn later(name: &'static str, kind: Kind, default: &'static str, part: &'static str) -> Property {
        Property { standing: Standing::Later(part), ..Property::used(name, kind, default, "") }
    }

    pub(super) const fn nothing(name: &'static str, reason: &'static str) -> Property {
        Property { standing: Standing::Nothing(reason), ..Property::used(name, Kind::Text, "", "") }
    }

    pub(super) const fn live(self) -> Property {
        Property { applies: Applies::Live, ..self }
    }

    pub(super) const fn created(self) -> Property {
        Property { applies: Applies::Created, ..self }
    }

    pub(super) const fn important(self) -> Property {
        Property { important: true, ..self }
    }

    pub(super) const fn must(self, value: &'static str, why: &'static str) -> Property {
        Property { must: Some((value, why)), ..self }
    }

    /// When a change by a request does; of what does nothing here, at once.
    pub fn takes_effect(&self) -> Applies {
        if self.standing == Standing::Used { self.applies } else { Applies::Live }
    }

    /// What a reader of the table is told it does.
    pub fn description(&self) -> String {
        let text = match self.standing {
            Standing::Used => self.effect.to_string(),
            Standing::Later(part) => format!("Accepted, nothing yet: belongs to {part}."),
            Standing::Nothing(reason) => format!("Accepted, means nothing here: {reason}."),
        };
        match self.must {
            None => text,
            Some((value, why)) => format!("{text} Must be {value}: {why}."),
        }
    }
}

/// The properties of one kind of file.
pub struct Table {
    /// Used and later ones, in the order in which they are printed.
    pub rows: &'static [Property],
    /// Accepted without effect: (reason, names).
    pub ignored: &'static [(&'static str, &'static [&'static str])],
}

impl Table {
    pub fn find(&self, name: &str) -> Option<Property> {
        let row = self.rows.iter().find(|property| property.name == name).copied();
        row.or_else(|| self.ignored().find(|property| property.name == name))
    }

    pub fn ignored(&self) -> impl Iterator<Item = Property> + use<> {
        let groups = self.ignored;
        groups.iter().flat_map(|(reason, names)| names.iter().map(|name| Property::nothing(name, reason)))
    }

    /// What the writer of an unknown key most likely meant.
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        let wanted = name.to_ascii_lowercase();
        let names = self.rows.iter().map(|property| property.name).chain(self.ignored().map(|property| property.name));
        names
            .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_ascii_lowercase()), candidate))
            .filter(|(likeness, _)| *likeness > 0.85)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, candidate)| candidate)
    }
}
