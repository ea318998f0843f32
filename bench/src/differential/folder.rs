//! The folder of step files and what stands beside them.

use std::fs;
use std::path::{Path, PathBuf};

use super::differences::Listed;
use super::language::{COMMON, Script, Templates};

const DIFFERENCES: &str = "differences.txt";
const PENDING: &str = "pending.txt";
const RECORDED: &str = "recorded";
const ENDING: &str = "steps";

pub struct Folder {
    path: PathBuf,
    pub templates: Templates,
    pub listed: Listed,
    /// File and what it waits for.
    pub pending: Vec<(String, String)>,
}

impl Folder {
    pub fn open(path: &Path) -> Result<Folder, String> {
        let templates = Templates::parse(&text(&path.join(COMMON))?)?;
        let listed = Listed::parse(&text(&path.join(DIFFERENCES))?)?;
        let pending = text(&path.join(PENDING))?;
        let lines = pending.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let pending: Result<_, String> = lines
            .map(|line| {
                let (file, what) =
                    line.split_once(" | ").ok_or_else(|| format!("{PENDING}: a line is `file | what it waits for`: {line}"))?;
                Ok((file.trim().to_string(), what.trim().to_string()))
            })
            .collect();
        Ok(Folder { path: path.to_path_buf(), templates, listed, pending: pending? })
    }

    /// All step files, by name.
    pub fn names(&self) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(&self.path).map_err(|error| format!("{}: {error}", self.path.display()))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut names: Vec<String> = paths
            .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()))
            .collect();
        names.sort();
        Ok(names)
    }

    pub fn script(&self, name: &str) -> Result<Script, String> {
        Script::parse(name, &text(&self.path.join(format!("{name}.{ENDING}")))?, &self.templates)
    }

    pub fn recording(&self, name: &str) -> PathBuf {
        self.path.join(RECORDED).join(format!("{name}.answers"))
    }

    pub fn is_pending(&self, name: &str) -> bool {
        self.pending.iter().any(|(file, _)| file == name)
    }
}

pub fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
