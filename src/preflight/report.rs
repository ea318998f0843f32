//! Checks as a table for people and as JSON for programs.

use super::{Check, Outcome};
use std::fmt::Write;

/// One line per check; the fix on a line of its own, ready to be copied.
pub fn table(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for check in checks {
        _ = writeln!(out, "{}  {:width$}  {}", word(check.outcome), check.name, check.found);
        if let Some(fix) = &check.fix {
            _ = writeln!(out, "      {:width$}  fix: {fix}", "");
        }
    }
    let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    let (warnings, failures) = (count(Outcome::Warn), count(Outcome::Fail));
    let verdict = match (failures, warnings) {
        (0, 0) => "all is well".to_string(),
        (0, warnings) => format!("a node can start; {warnings} warning(s)"),
        (failures, _) => format!("a node cannot start: {failures} failure(s)"),
    };
    _ = writeln!(out, "{verdict}");
    out
}

pub fn json(checks: &[Check]) -> String {
    let rows: Vec<serde_json::Value> = checks
        .iter()
        .map(|check| {
            serde_json::json!({ "name": check.name, "outcome": word(check.outcome).trim(), "found": check.found, "fix": check.fix })
        })
        .collect();
    let ok = failures(checks).is_empty();
    format!("{:#}\n", serde_json::json!({ "ok": ok, "checks": rows }))
}

/// What keeps a node from starting.
pub fn failures(checks: &[Check]) -> Vec<Check> {
    checks.iter().filter(|check| check.outcome == Outcome::Fail).cloned().collect()
}

/// What a start tells: everything that is not well.
pub fn complaints(checks: &[Check]) -> Vec<Check> {
    checks.iter().filter(|check| check.outcome != Outcome::Ok).cloned().collect()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok  ",
        Outcome::Warn => "warn",
        Outcome::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        vec![
            Check::ok("kernel", "Linux 6.18"),
            Check::warn("memlock", "64 KiB", "ulimit -l unlimited"),
            Check::fail("port 10911", "taken", "ss -ltnp"),
        ]
    }

    #[test]
    fn the_table() {
        let expected = [
            "ok    kernel      Linux 6.18",
            "warn  memlock     64 KiB",
            "                  fix: ulimit -l unlimited",
            "FAIL  port 10911  taken",
            "                  fix: ss -ltnp",
            "a node cannot start: 1 failure(s)",
            "",
        ];
        assert_eq!(table(&checks()), expected.join("\n"));
        assert!(table(&checks()[..1]).ends_with("all is well\n"));
    }

    #[test]
    fn the_json() {
        let value: serde_json::Value = serde_json::from_str(&json(&checks())).unwrap();
        assert_eq!(value["ok"], false);
        assert_eq!(value["checks"][2]["outcome"], "FAIL");
        assert_eq!(value["checks"][0]["fix"], serde_json::Value::Null);
    }
}
