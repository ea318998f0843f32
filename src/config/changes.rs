//! What requests have changed in the configuration (mqadmin updateBrokerConfig), kept for the next start.
//!
//! A file of its own in the store, because it must be read before any log is (ports, cores and memory are properties too), and
//! because a user's broker.conf is the user's: it may be under version control, read-only, or shared by several brokers, and
//! RocketMQ, which writes all its properties into it, loses its comments. Beside each change stands what the configuration said
//! then. It counts as long as that is still so: who edits broker.conf or passes another --set later has the last word.
//!
//! | line | |
//! |---|---|
//! | `name=value` | the change; an empty value is the default |
//! | `over.name=value` | what it changed; without the line nothing had been said |
//!
//! Before: `java_properties`; after: `layers::Values::with_changes`.

use std::collections::BTreeMap;
use std::path::Path;

use super::java_properties;

/// In the store's folder; of brokers that are one shard each, in the shard's.
pub const CHANGES_FILE: &str = "changed.properties";

const OVER: &str = "over.";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(pub BTreeMap<String, Change>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub text: String,
    /// What the configuration said without it.
    pub over: Option<String>,
}

impl Changes {
    /// Those of a folder; none when there is no file. An error says what to do.
    pub fn read(folder: &Path) -> Result<Changes, String> {
        let path = folder.join(CHANGES_FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Changes::of_file(&path, &bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Changes::default()),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        }
    }

    /// From the file's bytes. An error says what to do.
    pub fn of_file(path: &Path, bytes: &[u8]) -> Result<Changes, String> {
        let changes = Changes::decode(&java_properties::decode(bytes));
        changes.map_err(|bad| format!("{}: {bad}; correct the line, or remove the file to start without", path.display()))
    }

    fn decode(text: &str) -> Result<Changes, java_properties::BadLine> {
        let entries = java_properties::parse(text)?;
        let over = |name: &str| {
            let line = entries.iter().find(|entry| entry.key.strip_prefix(OVER) == Some(name));
            line.map(|entry| entry.value.clone())
        };
        let changes = entries.iter().filter(|entry| !entry.key.starts_with(OVER));
        Ok(Changes(
            changes.map(|entry| (entry.key.clone(), Change { text: entry.value.clone(), over: over(&entry.key) })).collect(),
        ))
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = String::from(
            "# Written by the broker: what updateBrokerConfig has changed, and what the configuration said before.\n\
             # A change counts as long as the configuration still says that.\n",
        );
        for (name, Change { text, over }) in &self.0 {
            out.push_str(&format!("{name}={}\n", escaped(text)));
            if let Some(over) = over {
                out.push_str(&format!("{OVER}{name}={}\n", escaped(over)));
            }
        }
        out.into_bytes()
    }
}

/// Names need no escapes: they are those of the table.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t").replace('\u{c}', "\\f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let change = |text: &str, over: Option<&str>| Change { text: text.into(), over: over.map(str::to_owned) };
        let changes = Changes(BTreeMap::from([
            ("brokerPermission".to_owned(), change("4", None)),
            ("fileReservedTime".to_owned(), change("", Some("48"))),
            ("storePathRootDir".to_owned(), change("C:\\a b\tc", Some("/d"))),
        ]));
        let text = String::from_utf8(changes.encode()).unwrap();
        assert!(text.contains("\nfileReservedTime=\nover.fileReservedTime=48\n"), "{text}");
        assert_eq!(Changes::decode(&text), Ok(changes));
        assert_eq!(Changes::decode("a=\\u1").unwrap_err().line, 1);
        assert_eq!(Changes::read(Path::new("/no/such/folder")), Ok(Changes::default()));
    }
}
