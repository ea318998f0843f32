//! What was wrong with what a user wrote, where, and what is allowed instead.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from. Later variants override earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Default,
    /// An environment variable.
    Environment(&'static str),
    File {
        path: PathBuf,
        line: usize,
    },
    /// `--set name=value`.
    Set,
    /// A flag of its own, such as `--data`.
    Flag(&'static str),
    /// mqadmin's updateBrokerConfig, while running.
    Update,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::File { path, line: 0 } => write!(f, "{}", path.display()),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Set => f.write_str("--set"),
            Origin::Flag(name) => f.write_str(name),
            Origin::Update => f.write_str("update"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub origin: Origin,
    /// Empty when the text did not even have a key.
    pub key: String,
    pub what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { origin, key, what } = self;
        match key.is_empty() {
            true => write!(f, "{origin}: {what}"),
            false => write!(f, "{origin}: {key}: {what}"),
        }
    }
}

/// All that was wrong, so that a file is corrected once and not line by line. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
