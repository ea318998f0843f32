//! What people and programs read: tables and JSON.

use serde_json::{Value, json};

use super::Answer;
use super::deed::{Done, What, line};
use super::rule;
use super::settings::Profile;
use super::survey::{Finding, Outcome, Survey};
use super::tree::Tree;

pub(super) fn done(done: &Done, as_json: bool) -> Answer {
    let as_wanted = !done.deeds.iter().any(|deed| matches!(deed.what, What::Left | What::NotWritten));
    let changed = done.deeds.iter().filter(|deed| deed.what == What::Changed).count();
    let text = if as_json {
        pretty(&json!({ "verb": done.verb, "changed": changed, "as_wanted": as_wanted, "deeds": done.deeds }))
    } else {
        let rows = done.deeds.iter().map(|deed| {
            let label = match deed.what {
                What::Changed => "changed",
                What::File => "file",
                What::Holds => "holds",
                What::Unsupported => "unsupported",
                What::Left => "left",
                What::NotWritten => "NOT WRITTEN",
            };
            [label.to_string(), deed.id.clone(), short(&deed.path), deed.detail.clone()]
        });
        let summary = match done.verb {
            "apply" if changed == 0 => "Nothing changed.".to_string(),
            "apply" => format!("{changed} changed; 'ringmq tune undo' takes it back."),
            "undo" if done.deeds.is_empty() => "Nothing was applied.".to_string(),
            "undo" => format!("{changed} put back."),
            _ if done.deeds.is_empty() => "Nothing is applied.".to_string(),
            _ => format!("{} applied.", done.deeds.iter().filter(|deed| deed.what == What::Holds).count()),
        };
        format!("{}{summary}\n", table(rows))
    };
    Answer { text, as_wanted }
}

pub(super) fn check(survey: &Survey, as_json: bool) -> Answer {
    let counts = Counts::of(survey);
    let text = if as_json {
        json_of(survey, &|_| None)
    } else {
        let mut rows: Vec<Row> = Vec::new();
        for finding in &survey.findings {
            let (label, detail) = match &finding.outcome {
                Outcome::AsWanted => ("ok", current(finding)),
                Outcome::Differs(value) => ("DIFFERS", format!("{}, wanted {value}", current(finding))),
                Outcome::Unsupported(reason) => ("unsupported", reason.clone()),
                Outcome::Shown if finding.wanted.is_empty() => ("shown", current(finding)),
                Outcome::Shown => ("shown", format!("{} (good: {})", current(finding), finding.wanted)),
            };
            let alike = |row: &&mut Row| row.label == label && row.id == finding.setting.id && row.detail == detail;
            match rows.iter_mut().find(alike) {
                Some(row) => row.paths += 1,
                None => rows.push(Row { label, id: &finding.setting.id, path: &finding.path, paths: 1, detail }),
            }
        }
        let next = if counts.differ > 0 { "; 'ringmq tune plan' says why, 'sudo ringmq tune apply' sets them" } else { "" };
        format!("{}{}\n{counts}{next}\n", table(rows.into_iter().map(Row::columns)), head(survey))
    };
    Answer { text, as_wanted: counts.differ == 0 }
}

pub(super) fn plan(survey: &Survey, tree: &Tree, as_json: bool) -> Answer {
    let counts = Counts::of(survey);
    let obstacle = |finding: &Finding| {
        let is_key = matches!(finding.outcome, Outcome::Differs(_)) && !finding.path.starts_with("limits/");
        if is_key { tree.obstacle(&finding.path) } else { None }
    };
    if as_json {
        return Answer { text: json_of(survey, &obstacle), as_wanted: counts.differ == 0 };
    }
    let mut text = String::new();
    for finding in &survey.findings {
        let setting = &finding.setting;
        match &finding.outcome {
            Outcome::Differs(value) => {
                text += &format!("{} ({}): {} -> {value}\n", setting.id, short(&finding.path), current(finding));
                text += &format!("    why:  {}\n    risk: {}\n", setting.why, setting.risk);
                if let Some(reason) = obstacle(finding) {
                    text += &format!("    not from here: {reason}\n");
                }
            }
            Outcome::Unsupported(reason) => {
                text += &format!("{} ({}): unsupported: {reason}\n", setting.id, short(&finding.path))
            }
            Outcome::AsWanted | Outcome::Shown => {}
        }
    }
    Answer { text: format!("{text}{}\n{counts}\n", head(survey)), as_wanted: counts.differ == 0 }
}

/// A line of check's table: all files of a setting that read alike, as hosts have many cores and queues.
struct Row<'a> {
    label: &'static str,
    id: &'a str,
    /// The first of them.
    path: &'a str,
    paths: usize,
    detail: String,
}

impl Row<'_> {
    fn columns(self) -> [String; 4] {
        let more = if self.paths > 1 { format!(" and {} more", self.paths - 1) } else { String::new() };
        [self.label.to_string(), self.id.to_string(), short(self.path) + &more, self.detail]
    }
}

struct Counts {
    as_wanted: usize,
    differ: usize,
    unsupported: usize,
    shown: usize,
}

impl Counts {
    fn of(survey: &Survey) -> Counts {
        let mut counts = Counts { as_wanted: 0, differ: 0, unsupported: 0, shown: 0 };
        for finding in &survey.findings {
            match finding.outcome {
                Outcome::AsWanted => counts.as_wanted += 1,
                Outcome::Differs(_) => counts.differ += 1,
                Outcome::Unsupported(_) => counts.unsupported += 1,
                Outcome::Shown => counts.shown += 1,
            }
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { as_wanted, differ, unsupported, shown } = self;
        write!(out, "{as_wanted} as wanted, {differ} differ, {unsupported} unsupported here, {shown} only shown")
    }
}

fn json_of(survey: &Survey, obstacle: &dyn Fn(&Finding) -> Option<String>) -> String {
    let row = |finding: &Finding| -> Value {
        let (outcome, write, reason) = match &finding.outcome {
            Outcome::AsWanted => ("as-wanted", None, None),
            Outcome::Differs(value) => ("differs", Some(value), None),
            Outcome::Unsupported(reason) => ("unsupported", None, Some(reason.clone())),
            Outcome::Shown => ("shown", None, None),
        };
        let setting = &finding.setting;
        json!({
            "id": setting.id, "path": finding.path, "profile": setting.profile.name(), "outcome": outcome,
            "current": finding.current.as_ref().map(|_| current(finding)), "wanted": finding.wanted, "write": write,
            "reason": reason.or_else(|| obstacle(finding)), "why": setting.why, "risk": setting.risk,
            "benchmark": setting.benchmark,
        })
    };
    let Counts { as_wanted, differ, unsupported, shown } = Counts::of(survey);
    let machine = &survey.machine;
    pretty(&json!({
        "as_wanted": differ == 0,
        "profile": survey.profile.name(),
        "machine": {
            "kernel": machine.kernel, "cores": machine.cores, "memory_bytes": machine.memory_bytes, "shards": machine.shards,
        },
        "counts": { "as_wanted": as_wanted, "differ": differ, "unsupported": unsupported, "shown": shown },
        "settings": survey.findings.iter().map(row).collect::<Vec<_>>(),
    }))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("texts and numbers are JSON") + "\n"
}

fn head(survey: &Survey) -> String {
    let machine = &survey.machine;
    let (cores, shards, mib) = (machine.cores, machine.shards, machine.memory_bytes >> 20);
    let profile = if survey.profile == Profile::ReportOnly { "all" } else { survey.profile.name() };
    format!("Profile {profile}, kernel {}, {cores} core(s), {mib} MiB, {shards} shard(s):", machine.kernel)
}

fn current(finding: &Finding) -> String {
    line(rule::chosen(finding.current.as_deref().unwrap_or_default()))
}

/// A sysctl by the name that people know it by.
fn short(path: &str) -> String {
    path.strip_prefix("proc/sys/").map_or_else(|| path.to_string(), |name| name.replace('/', "."))
}

/// Columns as wide as their widest entry; the last one as it is.
fn table(rows: impl Iterator<Item = [String; 4]>) -> String {
    let rows: Vec<[String; 4]> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let show = |[label, id, path, detail]: &[String; 4]| {
        let [first, second, third] = widths;
        format!("{label:first$}  {id:second$}  {path:third$}  {detail}\n")
    };
    rows.iter().map(show).collect()
}
