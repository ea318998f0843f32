//! Why a store is not served: the file, the position, what was found and the one thing to do.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::types::LogPosition;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    pub path: PathBuf,
    pub position: Option<LogPosition>,
    pub found: String,
    pub advice: &'static str,
}

impl StoreError {
    pub fn new(path: &Path, found: impl Into<String>, advice: &'static str) -> StoreError {
        StoreError { path: path.to_owned(), position: None, found: found.into(), advice }
    }

    pub fn at(mut self, position: LogPosition) -> StoreError {
        self.position = Some(position);
        self
    }

    pub fn io(path: &Path, doing: &str, error: &std::io::Error) -> StoreError {
        StoreError::new(path, format!("{doing} failed: {error}"), "check the disk and the folder's permissions, then start again")
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, " at position {position}")?;
        }
        write!(f, ": {}; {}", self.found, self.advice)
    }
}

impl std::error::Error for StoreError {}
