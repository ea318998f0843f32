//! The differences that are meant: a line each of file, step, paths and why ours is right. `differences.txt` has those of
//! the release that ours answers like; a release of its own list has both.
//!
//! Must always be true: a step with a difference at a path that no line covers is a new difference, whatever else of the
//! step is covered; and a line that covers nothing any more is reported, so that the list stays true. Against another
//! release that is said of its own list only: what the two releases have in common differs there as well.

use std::sync::atomic::{AtomicBool, Ordering};

use super::compare::Difference;
use super::pattern::fits;

pub struct Listed {
    /// What these files are called, in the order in which they were read.
    sources: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    /// By its place in `sources`.
    source: usize,
    line: String,
    file: String,
    step: String,
    paths: Vec<Path>,
    why: String,
    used: AtomicBool,
}

/// A pattern, and for `+` and `-` before it: the path is with ours alone, or with the original alone.
struct Path {
    pattern: String,
    side: Option<char>,
}

impl Listed {
    pub fn parse(source: &str, text: &str) -> Result<Listed, String> {
        let mut listed = Listed { sources: Vec::new(), rows: Vec::new() };
        listed.add(source, text)?;
        Ok(listed)
    }

    /// Another file's lines after those that are there.
    pub fn add(&mut self, source: &str, text: &str) -> Result<(), String> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        for (index, line) in lines {
            self.rows.push(row(line, self.sources.len()).ok_or_else(|| bad(source, index + 1, line))?);
        }
        self.sources.push(source.into());
        Ok(())
    }

    /// The reasons, when every one of them is listed; those that are not otherwise.
    pub fn reasons<'l, 'd>(
        &'l self,
        file: &str,
        step: &str,
        found: &'d [Difference],
    ) -> Result<Vec<&'l str>, Vec<&'d Difference>> {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| fits(&row.file, file) && fits(&row.step, step)).collect();
        let (mut reasons, mut new) = (Vec::new(), Vec::new());
        for difference in found {
            match rows.iter().find(|row| row.paths.iter().any(|path| path.covers(difference))) {
                Some(row) => {
                    row.used.store(true, Ordering::Relaxed);
                    reasons.push(row.why.as_str());
                }
                None => new.push(difference),
            }
        }
        if new.is_empty() { Ok(reasons) } else { Err(new) }
    }

    /// Another release's list has `*` for this step: the two do not do the same at all.
    pub fn is_not_asked(&self, file: &str, step: &str) -> bool {
        let rows = self.rows.iter().filter(|row| row.source > 0 && row.file == file && fits(&row.step, step));
        rows.flat_map(|row| &row.paths).any(|path| path.pattern == "*" && path.side.is_none())
    }

    /// Lines of the file read last that covered nothing in these step files, after what it is called; with `all` of them
    /// compared, also the lines that stand for several.
    pub fn unused(&self, files: &[&str], all: bool) -> Vec<(&str, &str)> {
        let Some(last) = self.sources.len().checked_sub(1) else { return Vec::new() };
        let about = |row: &Row| files.contains(&row.file.as_str()) || all && files.iter().any(|file| fits(&row.file, file));
        let rows = self.rows.iter().filter(|row| row.source == last && about(row) && !row.used.load(Ordering::Relaxed));
        rows.map(|row| (self.sources[last].as_str(), row.line.as_str())).collect()
    }
}

impl Path {
    fn parse(text: &str) -> Path {
        let side = text.chars().next().filter(|first| matches!(first, '+' | '-'));
        Path { pattern: text.trim_start_matches(['+', '-']).into(), side }
    }

    fn covers(&self, difference: &Difference) -> bool {
        let there = match self.side {
            Some('+') => difference.original.is_none(),
            Some(_) => difference.ours.is_none(),
            None => true,
        };
        there && fits(&self.pattern, &difference.path)
    }
}

/// A step may have bars in it, so the columns are counted from both ends.
fn row(line: &str, source: usize) -> Option<Row> {
    let (file, rest) = line.split_once(" | ")?;
    let (rest, why) = rest.rsplit_once(" | ")?;
    let (step, paths) = rest.rsplit_once(" | ")?;
    let trimmed = |text: &str| text.trim().to_string();
    let paths = paths.split(',').map(|path| Path::parse(path.trim())).collect();
    Some(Row {
        source,
        line: line.into(),
        file: trimmed(file),
        step: trimmed(step),
        paths,
        why: trimmed(why),
        used: AtomicBool::new(false),
    })
}

fn bad(source: &str, number: usize, line: &str) -> String {
    format!("{source}:{number}: a line is `file | step | paths | why ours is right`, with * for anything: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(paths: &[&str]) -> Vec<Difference> {
        paths.iter().map(|path| Difference { path: path.to_string(), original: None, ours: Some("x".into()) }).collect()
    }

    #[test]
    fn all_paths_of_a_step_must_be_listed() {
        let listed = Listed::parse("x", "# why\nsend | a || b* | code, ext.* | it is right\nsend | never | code | x").unwrap();
        assert_eq!(listed.reasons("send", "a || b c", &differing(&["code", "ext.z"])).unwrap(), ["it is right", "it is right"]);
        assert_eq!(listed.reasons("send", "a || b", &differing(&["code", "remark"])).unwrap_err()[0].path, "remark");
        assert!(listed.reasons("pull", "a || b", &differing(&["code"])).is_err());
        assert_eq!(listed.unused(&["send"], true), [("x", "send | never | code | x")]);
        assert!(listed.unused(&["pull"], true).is_empty());
    }

    #[test]
    fn a_sign_says_who_has_the_path() {
        let listed = Listed::parse("x", "* | * | +ext.new | ours says more\n* | * | -ext.old | ours says less").unwrap();
        assert!(listed.reasons("send", "a", &differing(&["ext.new"])).is_ok());
        assert!(listed.reasons("send", "a", &differing(&["ext.old"])).is_err());
        let gone = [Difference { path: "ext.old".into(), original: Some("x".into()), ours: None }];
        assert!(listed.reasons("send", "a", &gone).is_ok());
    }

    #[test]
    fn of_two_lists_only_the_last_is_looked_through_for_lines_without_use() {
        let mut listed = Listed::parse("x", "send | a | code | both releases").unwrap();
        listed.add("y", "send | b | code | that one\n* | c | code | everywhere").unwrap();
        assert!(listed.reasons("send", "a", &differing(&["code"])).is_ok());
        assert_eq!(listed.unused(&["send"], false), [("y", "send | b | code | that one")]);
        assert_eq!(listed.unused(&["send"], true).len(), 2);
        listed.add("z", "random | send *f=1* | * | they do not do the same").unwrap();
        assert!(listed.is_not_asked("random", "send e=0 f=1") && !listed.is_not_asked("random", "send f=2"));
    }

    #[test]
    fn a_line_without_a_reason_is_an_error() {
        assert!(Listed::parse("x", "send | step | code").is_err_and(|error| error.starts_with("x:1: ")));
    }
}
