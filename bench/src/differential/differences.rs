//! The differences that are meant: `differences.txt`, a line each of file, step, paths and why ours is right.
//!
//! Must always be true: a step with a difference at a path that no line covers is a new difference, whatever else of the
//! step is covered; and a line that covers nothing any more is reported, so that the list stays true.

use std::sync::atomic::{AtomicBool, Ordering};

use super::compare::Difference;
use super::pattern::fits;

pub struct Listed {
    rows: Vec<Row>,
}

struct Row {
    line: String,
    file: String,
    step: String,
    paths: Vec<String>,
    why: String,
    used: AtomicBool,
}

impl Listed {
    pub fn parse(text: &str) -> Result<Listed, String> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let rows: Result<Vec<Row>, String> = lines.map(|(index, line)| row(line).ok_or_else(|| bad(index + 1, line))).collect();
        Ok(Listed { rows: rows? })
    }

    /// The reasons, when every one of them is listed; nothing otherwise.
    pub fn reasons(&self, file: &str, step: &str, found: &[Difference]) -> Option<Vec<&str>> {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| fits(&row.file, file) && fits(&row.step, step)).collect();
        let mut reasons = Vec::new();
        for difference in found {
            let row = rows.iter().find(|row| row.paths.iter().any(|pattern| fits(pattern, &difference.path)))?;
            row.used.store(true, Ordering::Relaxed);
            reasons.push(row.why.as_str());
        }
        Some(reasons)
    }

    /// Lines for these files that covered nothing.
    pub fn unused(&self, files: &[&str]) -> Vec<&str> {
        let rows = self.rows.iter().filter(|row| !row.used.load(Ordering::Relaxed) && files.contains(&row.file.as_str()));
        rows.map(|row| row.line.as_str()).collect()
    }
}

/// A step may have bars in it, so the columns are counted from both ends.
fn row(line: &str) -> Option<Row> {
    let (file, rest) = line.split_once(" | ")?;
    let (rest, why) = rest.rsplit_once(" | ")?;
    let (step, paths) = rest.rsplit_once(" | ")?;
    let trimmed = |text: &str| text.trim().to_string();
    let paths = paths.split(',').map(trimmed).collect();
    Some(Row {
        line: line.into(),
        file: trimmed(file),
        step: trimmed(step),
        paths,
        why: trimmed(why),
        used: AtomicBool::new(false),
    })
}

fn bad(number: usize, line: &str) -> String {
    format!("differences.txt:{number}: a line is `file | step | paths | why ours is right`, with * for anything: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(paths: &[&str]) -> Vec<Difference> {
        paths.iter().map(|path| Difference { path: path.to_string(), original: None, ours: Some("x".into()) }).collect()
    }

    #[test]
    fn all_paths_of_a_step_must_be_listed() {
        let listed = Listed::parse("# why\nsend | a || b* | code, ext.* | it is right\nsend | never | code | x").unwrap();
        assert_eq!(listed.reasons("send", "a || b c", &differing(&["code", "ext.z"])).unwrap(), ["it is right", "it is right"]);
        assert!(listed.reasons("send", "a || b", &differing(&["code", "remark"])).is_none());
        assert!(listed.reasons("pull", "a || b", &differing(&["code"])).is_none());
        assert_eq!(listed.unused(&["send"]), ["send | never | code | x"]);
        assert!(listed.unused(&["pull"]).is_empty());
    }

    #[test]
    fn a_line_without_a_reason_is_an_error() {
        assert!(Listed::parse("send | step | code").is_err());
    }
}
