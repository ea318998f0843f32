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
    /// Of the original, when it is not the one that ours answers like.
    pub release: Option<String>,
    pub templates: Templates,
    pub listed: Listed,
    /// File and what it waits for.
    pub pending: Vec<(String, String)>,
}

impl Folder {
    pub fn open(path: &Path, release: Option<&str>) -> Result<Folder, String> {
        let templates = Templates::parse(&text(&path.join(COMMON))?)?;
        let mut listed = Listed::parse(DIFFERENCES, &text(&path.join(DIFFERENCES))?)?;
        if let Some(release) = release {
            let name = format!("differences-{release}.txt");
            // Of a release that nobody has sorted there is no list yet.
            let lines = if path.join(&name).exists() { text(&path.join(&name))? } else { String::new() };
            listed.add(&name, &lines)?;
        }
        let pending = text(&path.join(PENDING))?;
        let lines = pending.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let pending: Result<_, String> = lines
            .map(|line| {
                let (file, what) =
                    line.split_once(" | ").ok_or_else(|| format!("{PENDING}: a line is `file | what it waits for`: {line}"))?;
                Ok((file.trim().to_string(), what.trim().to_string()))
            })
            .collect();
        Ok(Folder { path: path.to_path_buf(), release: release.map(str::to_string), templates, listed, pending: pending? })
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

    /// Of the release that ours answers like.
    pub fn recording(&self, name: &str) -> PathBuf {
        self.path.join(RECORDED).join(format!("{name}.answers"))
    }

    /// Of another release: what it answers otherwise.
    pub fn recording_of(&self, release: &str, name: &str) -> PathBuf {
        self.path.join(RECORDED).join(release).join(format!("{name}.answers"))
    }

    /// The other releases that were recorded.
    pub fn recorded_releases(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join(RECORDED)).into_iter().flatten().filter_map(Result::ok);
        let folders = entries.filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    pub fn is_pending(&self, name: &str) -> bool {
        self.pending.iter().any(|(file, _)| file == name)
    }
}

pub fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
