//! Values from all sources laid over each other: defaults < environment < file < `--set` < flags.
//!
//! The environment stands below the file because it does so in RocketMQ: `NAMESRV_ADDR` is the default of `namesrvAddr`.
//! All mistakes are collected and reported together; a `Values` that exists is free of them.
//!
//! Before: `java_properties`, `cli`; after: `settings`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::changes::{Change, Changes};
use super::error::{ConfigError, ConfigErrors, Origin};
use super::java_properties;
use super::kind::Value;
use super::property::{Applies, Property, Standing, Table};

/// What has been given so far. Call its methods in rising order of precedence.
pub struct Layers {
    table: &'static Table,
    given: BTreeMap<&'static str, Given>,
    notes: Vec<String>,
    errors: Vec<ConfigError>,
}

#[derive(Clone, Debug)]
struct Given {
    text: String,
    value: Value,
    origin: Origin,
}

/// Checked values of one table: every name of the table has one, or none on purpose.
#[derive(Clone, Debug)]
pub struct Values {
    table: &'static Table,
    given: BTreeMap<&'static str, Given>,
    /// What requests have changed. Of properties that need a restart the change is only here until then.
    changes: Changes,
    /// What a person should be told at start: duplicates, keys without effect.
    pub notes: Vec<String>,
    /// Which rows somebody asked for; a test holds it against the table.
    read: RefCell<BTreeSet<&'static str>>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Table")
    }
}

impl Layers {
    pub fn new(table: &'static Table) -> Layers {
        Layers { table, given: BTreeMap::new(), notes: Vec::new(), errors: Vec::new() }
    }

    /// An environment variable; absent and empty ones give nothing.
    pub fn environment(&mut self, name: &'static str, variable: &'static str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.give(Origin::Environment(variable), name, &value);
        }
    }

    pub fn file(&mut self, path: &Path) {
        match std::fs::read(path) {
            Ok(bytes) => self.text(path, &java_properties::decode(&bytes)),
            Err(error) => {
                let origin = Origin::File { path: path.to_path_buf(), line: 0 };
                self.errors.push(ConfigError { origin, key: String::new(), what: format!("cannot be read: {error}") });
            }
        }
    }

    /// A file's text; `path` is for messages.
    pub fn text(&mut self, path: &Path, text: &str) {
        let at = |line| Origin::File { path: path.to_path_buf(), line };
        let entries = match java_properties::parse(text) {
            Ok(entries) => entries,
            Err(bad) => return self.errors.push(ConfigError { origin: at(bad.line), key: String::new(), what: bad.what }),
        };
        let mut first_lines: BTreeMap<String, usize> = BTreeMap::new();
        for entry in entries {
            if let Some(first) = first_lines.insert(entry.key.clone(), entry.line) {
                self.notes.push(format!("{}: {} is also in line {first}; the last one counts", at(entry.line), entry.key));
            }
            self.give(at(entry.line), &entry.key, &entry.value);
        }
    }

    /// One `--set name=value`.
    pub fn set(&mut self, assignment: &str) {
        match assignment.split_once('=') {
            Some((name, value)) => self.give(Origin::Set, name.trim(), value.trim()),
            None => {
                let what = format!("'{assignment}' is not name=value");
                self.errors.push(ConfigError { origin: Origin::Set, key: String::new(), what });
            }
        }
    }

    /// A property that has a flag of its own.
    pub fn flag<T: ToString>(&mut self, name: &'static str, flag: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.give(Origin::Flag(flag), name, &value.to_string());
        }
    }

    pub fn finish(mut self) -> Result<Values, ConfigErrors> {
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        self.notes.extend(notes_on_ignored(self.table, &self.given));
        let (table, given, notes) = (self.table, self.given, self.notes);
        Ok(Values { table, given, changes: Changes::default(), notes, read: RefCell::default() })
    }

    fn give(&mut self, origin: Origin, name: &str, text: &str) {
        match check(self.table, &origin, name, text) {
            // An empty value takes a property back to its default, as `namesrvAddr=` in many a copied file means.
            Ok((property, None)) => _ = self.given.remove(property.name),
            Ok((property, Some(value))) => {
                _ = self.given.insert(property.name, Given { text: text.to_string(), value, origin });
            }
            Err(error) => self.errors.push(error),
        }
    }
}

/// The row and the parsed value; no value when the text is empty or spells an automatic default.
fn check(table: &Table, origin: &Origin, name: &str, text: &str) -> Result<(Property, Option<Value>), ConfigError> {
    let error = |what: String| ConfigError { origin: origin.clone(), key: name.to_string(), what };
    let Some(property) = table.find(name) else {
        let hint = table.nearest(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        return Err(error(format!("unknown property{hint} ('ringmq broker -p' lists all)")));
    };
    if text.is_empty() || (property.default == "auto" && text == "auto") {
        return Ok((property, None));
    }
    let value = property.kind.parse(text).map_err(|allowed| error(format!("'{text}' is not allowed; allowed: {allowed}")))?;
    if let Some((only, why)) = property.must
        && property.kind.parse(only).as_ref() != Ok(&value)
    {
        return Err(error(format!("'{text}' cannot be served: {why}; remove the line or set {name}={only}")));
    }
    Ok((property, Some(value)))
}

fn notes_on_ignored(table: &Table, given: &BTreeMap<&'static str, Given>) -> Vec<String> {
    let mut notes = Vec::new();
    for (reason, names) in table.ignored {
        let set: Vec<&str> = names.iter().copied().filter(|name| given.contains_key(name)).collect();
        if !set.is_empty() {
            notes.push(format!("without effect: {} ({reason})", set.join(", ")));
        }
    }
    let later = table.rows.iter().filter(|row| given.get(row.name).is_some_and(|given| given.text != row.default));
    for row in later {
        if let Standing::Later(part) = row.standing {
            notes.push(format!("without effect yet: {} ({part})", row.name));
        }
    }
    notes
}

impl Values {
    /// Every row with its value as text, in the table's order, then the ignored ones that were given.
    pub fn all(&self) -> Vec<(Property, String, Origin)> {
        let given = |property: Property| match (self.changes.0.get(property.name), self.given.get(property.name)) {
            (Some(Change { text, .. }), _) if !text.is_empty() => (property, text.clone(), Origin::Update),
            (None, Some(given)) => (property, given.text.clone(), given.origin.clone()),
            (_, _) => (property, property.default.to_string(), Origin::Default),
        };
        let ignored = self.table.ignored().filter(|property| self.given.contains_key(property.name));
        self.table.rows.iter().copied().chain(ignored).map(given).collect()
    }

    /// These values with what requests have changed in earlier runs, as far as it still counts; notes say what does not.
    pub fn with_changes(&self, changes: &Changes) -> Values {
        let mut changed = self.clone();
        for (name, change) in &changes.0 {
            let said = self.given.get(name.as_str()).map(|given| &given.text);
            let why = match check(self.table, &Origin::Update, name, &change.text) {
                Err(error) => error.what,
                Ok(_) if said != change.over.as_ref() => {
                    format!("the configuration has been changed since, to {}", said.map_or("the default", String::as_str))
                }
                Ok((property, value)) => {
                    changed.take(property, &change.text, value);
                    _ = changed.changes.0.insert(name.clone(), change.clone());
                    continue;
                }
            };
            let text = &change.text;
            changed.notes.push(format!("{name}={text}, set by updateBrokerConfig, does not count any more: {why}"));
        }
        changed
    }

    /// As they will be after a restart.
    pub(super) fn at_next_start(&self) -> Values {
        let mut values = self.clone();
        for (name, change) in &self.changes.0 {
            if let Ok((property, value)) = check(self.table, &Origin::Update, name, &change.text) {
                values.take(property, &change.text, value);
            }
        }
        values
    }

    /// What is to be kept for the next start.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    fn take(&mut self, property: Property, text: &str, value: Option<Value>) {
        match value {
            None => _ = self.given.remove(property.name),
            Some(value) => {
                _ = self.given.insert(property.name, Given { text: text.to_owned(), value, origin: Origin::Update });
            }
        }
    }

    /// These values with one more layer on top. Only live properties change while running; others are kept for the next
    /// start, if `keeps` says so.
    pub fn update(&self, changes: &[(String, String)], keeps: bool) -> Result<Values, ConfigErrors> {
        let mut updated = self.clone();
        let mut errors = Vec::new();
        for (name, text) in changes {
            let origin = Origin::Update;
            match check(self.table, &origin, name, text) {
                Err(error) => errors.push(error),
                Ok((property, _)) if !keeps && property.takes_effect() == Applies::Restart => {
                    let what = "takes effect only at a restart: change the file".to_owned();
                    errors.push(ConfigError { origin, key: name.clone(), what });
                }
                Ok((property, _)) if property.takes_effect() == Applies::Created => {
                    let what = "takes effect only in a new store".to_owned();
                    errors.push(ConfigError { origin, key: name.clone(), what });
                }
                Ok((property, value)) => {
                    let said = || self.given.get(property.name).map(|given| given.text.clone());
                    let over = self.changes.0.get(property.name).map_or_else(said, |change| change.over.clone());
                    if property.takes_effect() == Applies::Live {
                        updated.take(property, text, value);
                    }
                    let changes = &mut updated.changes.0;
                    if over.as_deref().unwrap_or_default() == text {
                        // As the configuration has it anyway.
                        _ = changes.remove(property.name);
                    } else {
                        _ = changes.insert(property.name.to_owned(), Change { text: text.clone(), over });
                    }
                }
            }
        }
        if errors.is_empty() { Ok(updated) } else { Err(ConfigErrors(errors)) }
    }

    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    pub fn origin(&self, name: &str) -> Origin {
        self.given.get(name).map_or(Origin::Default, |given| given.origin.clone())
    }

    /// The value, or none where the default is empty or automatic.
    fn value(&self, name: &'static str) -> Option<Value> {
        let property = self.table.find(name);
        let property = property.unwrap_or_else(|| panic!("{name} is not in the table"));
        self.read.borrow_mut().insert(property.name);
        match self.given.get(name) {
            Some(given) => Some(given.value.clone()),
            None if property.default.is_empty() || property.default == "auto" => None,
            None => Some(property.kind.parse(property.default).expect("a test checks every default")),
        }
    }

    pub(super) fn number_or_none(&self, name: &'static str) -> Option<i64> {
        self.value(name).map(|value| match value {
            Value::Number(number) => number,
            other => panic!("{name} is not a number but {other:?}"),
        })
    }

    pub(super) fn number<T: TryFrom<i64>>(&self, name: &'static str) -> T {
        let number = self.number_or_none(name).unwrap_or_else(|| panic!("{name} has no default"));
        T::try_from(number).unwrap_or_else(|_| panic!("{name}: its range in the table is wider than its type"))
    }

    pub(super) fn flag(&self, name: &'static str) -> bool {
        match self.value(name) {
            Some(Value::Flag(flag)) => flag,
            other => panic!("{name} is not a boolean but {other:?}"),
        }
    }

    pub(super) fn text_or_none(&self, name: &'static str) -> Option<String> {
        self.value(name).map(|value| match value {
            Value::Text(text) => text,
            other => panic!("{name} is not a text but {other:?}"),
        })
    }

    pub(super) fn text(&self, name: &'static str) -> String {
        self.text_or_none(name).unwrap_or_default()
    }

    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        match self.value(name) {
            None => Vec::new(),
            Some(Value::List(list)) => list,
            Some(other) => panic!("{name} is not a list but {other:?}"),
        }
    }

    pub(super) fn numbers(&self, name: &'static str) -> Option<Vec<i64>> {
        self.value(name).map(|value| match value {
            Value::Numbers(numbers) => numbers,
            other => panic!("{name} is not a list of numbers but {other:?}"),
        })
    }

    /// Used rows that nobody has asked for.
    #[cfg(test)]
    pub(super) fn unread(&self) -> Vec<&'static str> {
        let used = self.table.rows.iter().filter(|row| row.standing == Standing::Used).map(|row| row.name);
        used.filter(|name| !self.read.borrow().contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BROKER;

    fn layers(text: &str) -> Layers {
        let mut layers = Layers::new(&BROKER);
        layers.environment("namesrvAddr", "NAMESRV_ADDR", Some("env:9876".to_string()));
        layers.text(Path::new("broker.conf"), text);
        layers
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        let errors = layers(text).finish().expect_err("must be refused");
        assert_eq!(errors.to_string(), message);
    }

    #[test]
    fn later_layers_win() {
        let mut layers = layers("brokerName=from-file\nlistenPort=1111\nfileReservedTime=48");
        layers.set("listenPort=2222");
        layers.set("brokerName=from-set");
        layers.flag("listenPort", "--broker-port", Some(3333));
        let values = layers.finish().unwrap();
        assert_eq!(values.text("brokerName"), "from-set");
        assert_eq!(values.number::<u16>("listenPort"), 3333);
        assert_eq!(values.origin("listenPort"), Origin::Flag("--broker-port"));
        assert_eq!(values.number::<i64>("fileReservedTime"), 48);
        assert_eq!(values.list("namesrvAddr"), ["env:9876"]);
        assert_eq!(values.text("brokerClusterName"), "DefaultCluster");
    }

    #[test]
    fn the_file_overrides_the_environment_as_in_rocketmq() {
        let values = layers("namesrvAddr=file:9876").finish().unwrap();
        assert_eq!(values.list("namesrvAddr"), ["file:9876"]);
    }

    #[test]
    fn mistakes_name_file_line_key_and_what_is_allowed() {
        refused(
            "\nfileReservedTime=two days",
            "broker.conf:2: fileReservedTime: 'two days' is not allowed; allowed: a whole number of hours, 1 to 876000",
        );
        refused(
            "brokerNmae=a",
            "broker.conf:1: brokerNmae: unknown property; did you mean brokerName? ('ringmq broker -p' lists all)",
        );
        refused("a=\\u1", "broker.conf:1: \\u1 is not a \\uXXXX escape with four hexadecimal digits");
    }

    #[test]
    fn all_mistakes_come_together() {
        let errors = layers("listenPort=no\nflushDiskType=maybe").finish().unwrap_err();
        assert_eq!(errors.0.len(), 2);
    }

    #[test]
    fn what_would_be_dangerous_to_ignore_is_refused() {
        refused(
            "aclEnable=true",
            "broker.conf:1: aclEnable: 'true' cannot be served: access control is not served yet, and a broker that ignored this would be open to everyone; remove the line or set aclEnable=false",
        );
        assert!(layers("brokerRole=SLAVE").finish().is_err());
        assert!(layers("aclEnable=FALSE\nbrokerRole=ASYNC_MASTER").finish().is_ok());
    }

    #[test]
    fn keys_without_effect_and_duplicates_are_said_once() {
        let values =
            layers("brokerName=a\nbrokerName=b\nsendMessageThreadPoolNums=16\npullMessageThreadPoolNums=16\nslaveTimeout=9000")
                .finish()
                .unwrap();
        assert_eq!(values.text("brokerName"), "b");
        assert_eq!(
            values.notes,
            [
                "broker.conf:2: brokerName is also in line 1; the last one counts",
                "without effect: pullMessageThreadPoolNums, sendMessageThreadPoolNums (there are no thread pools: each core runs its own requests to the end)",
                "without effect yet: slaveTimeout (replication)",
            ]
        );
    }

    #[test]
    fn empty_and_auto_mean_the_default() {
        let values = layers("memoryBudget=auto\nbrokerIP1=\nlistenPort=").finish().unwrap();
        assert_eq!(values.number_or_none("memoryBudget"), None);
        assert_eq!(values.text_or_none("brokerIP1"), None);
        assert_eq!(values.number::<u16>("listenPort"), 10911);
    }

    #[test]
    fn only_live_properties_change_while_running() {
        let values = layers("fileReservedTime=48").finish().unwrap();
        let change = |name: &str, value: &str| values.update(&[(name.to_string(), value.to_string())], false);
        assert_eq!(change("fileReservedTime", "24").unwrap().number::<i64>("fileReservedTime"), 24);
        assert_eq!(change("fileReservedTime", "").unwrap().number::<i64>("fileReservedTime"), 72);
        assert_eq!(
            change("listenPort", "1").unwrap_err().to_string(),
            "update: listenPort: '1' is not allowed; allowed: a whole number, 3 to 65534"
        );
        assert_eq!(
            change("listenPort", "10").unwrap_err().to_string(),
            "update: listenPort: takes effect only at a restart: change the file"
        );
        assert!(change("shards", "4").is_err());
        assert!(change("nonsense", "4").is_err());
    }
}
