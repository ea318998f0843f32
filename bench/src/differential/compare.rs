//! Two answers beside each other, path by path.
//!
//! After: `differences`, which knows those that are meant.

use super::answer::Answer;
use super::normal::EXCEPTION;
use super::pattern::fits;

/// One path at which two answers differ; `None`: it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub path: String,
    pub original: Option<String>,
    pub ours: Option<String>,
}

/// `only`: patterns of the paths that count; none for all.
pub fn compare(original: &Answer, ours: &Answer, only: &[String]) -> Vec<Difference> {
    if original.get("remark").is_some_and(|remark| remark == EXCEPTION) {
        if ours.get("code").is_some_and(|code| code != "0") {
            return Vec::new();
        }
        // What else ours says is no difference to an answer that says nothing.
        return ["code"].map(|path| difference(path, original, ours)).to_vec();
    }
    let mut paths: Vec<&String> = original.keys().chain(ours.keys()).collect();
    paths.sort();
    paths.dedup();
    let counts = |path: &str| only.is_empty() || only.iter().any(|pattern| fits(pattern, path));
    paths
        .into_iter()
        .filter(|path| counts(path) && original.get(*path) != ours.get(*path))
        .map(|path| difference(path, original, ours))
        .collect()
}

/// The original has no such request, and ours serves it: of an older release, where there is nothing to compare.
pub fn is_unknown(original: &Answer, ours: &Answer) -> bool {
    is_not_supported(original) && !is_not_supported(ours)
}

/// A recording need not have the remark.
pub fn is_not_supported(answer: &Answer) -> bool {
    let says = |path: &str, pattern: &str| answer.get(path).map(|value| fits(pattern, value));
    says("code", "3") == Some(true) && says("remark", " request type * not supported*") != Some(false)
}

fn difference(path: &str, original: &Answer, ours: &Answer) -> Difference {
    Difference { path: path.into(), original: original.get(path).cloned(), ours: ours.get(path).cloned() }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value: &Option<String>| value.as_ref().map_or("(not there)".to_string(), |value| value.replace('\n', "\\n"));
        write!(f, "      {}\n        original  {}\n        ours      {}", self.path, text(&self.original), text(&self.ours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(entries: &[(&str, &str)]) -> Answer {
        entries.iter().map(|(path, value)| (path.to_string(), value.to_string())).collect()
    }

    fn paths(original: &[(&str, &str)], ours: &[(&str, &str)], only: &[&str]) -> Vec<String> {
        let only: Vec<String> = only.iter().map(|only| only.to_string()).collect();
        compare(&answer(original), &answer(ours), &only).into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn every_path_counts_on_both_sides() {
        assert_eq!(paths(&[("code", "0"), ("ext.a", "1")], &[("code", "0"), ("ext.b", "1")], &[]), ["ext.a", "ext.b"]);
        assert_eq!(paths(&[("code", "0"), ("ext.a", "1")], &[("code", "1"), ("ext.a", "2")], &["code"]), ["code"]);
    }

    #[test]
    fn a_request_that_one_release_does_not_have_is_known_by_its_refusal() {
        let refused = answer(&[("code", "3"), ("remark", " request type 200050 not supported")]);
        assert!(is_unknown(&refused, &answer(&[("code", "0")])));
        assert!(!is_unknown(&refused, &answer(&[("code", "3"), ("remark", " request type 200050 not supported (POP_MESSAGE)")])));
        assert!(!is_unknown(&answer(&[("code", "3"), ("remark", "no")]), &answer(&[("code", "0")])));
    }

    #[test]
    fn any_refusal_is_as_good_as_an_exception() {
        let exception = [("code", "1"), ("remark", EXCEPTION)];
        assert!(paths(&exception, &[("code", "29"), ("remark", "no queueId")], &[]).is_empty());
        assert_eq!(paths(&exception, &[("code", "0")], &[]), ["code"]);
        assert_eq!(paths(&exception, &[("answer", "none")], &[]), ["code"]);
    }
}
