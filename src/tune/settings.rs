//! The rows of `kernel-tuning/settings.toml`, which is part of the program.

use serde::Deserialize;

const TEXT: &str = include_str!("../../kernel-tuning/settings.toml");

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub setting: Vec<Setting>,
    #[cfg_attr(not(test), expect(dead_code, reason = "documentation beside the rows, which tests hold to them"))]
    pub os_sh: Vec<OsSh>,
}

/// One row; the head of the file explains each field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    pub id: String,
    pub path: String,
    #[serde(default)]
    pub want: Want,
    pub rule: Rule,
    pub profile: Profile,
    pub kernel: Option<String>,
    pub only_if: Option<OnlyIf>,
    #[serde(default)]
    pub zero_is_unset: bool,
    #[serde(default)]
    pub touches: Vec<String>,
    #[serde(default)]
    pub benchmark: bool,
    pub why: String,
    pub risk: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Want {
    One(String),
    Fields(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rule {
    AtLeast,
    AtMost,
    Exact,
    Choice,
    Widen,
    Include,
    Show,
}

/// Ordered: each profile holds those before it, and `ReportOnly` is never applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    Safe,
    Dedicated,
    Latency,
    ReportOnly,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlyIf {
    pub path: String,
    pub is: Option<String>,
}

/// What became of a line of RocketMQ's os.sh.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(test), expect(dead_code, reason = "documentation beside the rows, which tests hold to them"))]
pub(super) struct OsSh {
    pub line: String,
    pub verdict: Verdict,
    pub setting: Option<String>,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Kept,
    Changed,
    Refused,
}

/// The file is ours and a test reads it, so that it cannot be wrong at run time.
pub(super) fn settings() -> Settings {
    toml::from_str(TEXT).expect("kernel-tuning/settings.toml is understood")
}

impl Default for Want {
    fn default() -> Want {
        Want::Fields(Vec::new())
    }
}

impl Want {
    pub(super) fn fields(&self) -> &[String] {
        match self {
            Want::One(field) => std::slice::from_ref(field),
            Want::Fields(fields) => fields,
        }
    }
}

impl Profile {
    pub(super) fn name(self) -> &'static str {
        match self {
            Profile::Safe => "safe",
            Profile::Dedicated => "dedicated",
            Profile::Latency => "latency",
            Profile::ReportOnly => "report-only",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::{form, machine::Machine};
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_whole() {
        let machine = Machine { kernel: "6.8".to_string(), cores: 2, memory_bytes: 4 << 30, shards: 2 };
        let rows = settings().setting;
        assert!(rows.len() >= 40, "{} rows", rows.len());
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids.len(), rows.len(), "an id is there twice");
        for row in &rows {
            assert!(["proc/", "sys/", "limits/"].iter().any(|start| row.path.starts_with(start)), "{}: {}", row.id, row.path);
            assert!(!row.why.is_empty() && !row.risk.is_empty(), "{} has no reason or no risk", row.id);
            assert_eq!(row.rule == Rule::Show, row.want.fields().is_empty(), "{}: want and rule", row.id);
            let is_number = matches!(row.rule, Rule::AtLeast | Rule::AtMost | Rule::Widen);
            for field in row.want.fields() {
                let understood = field == "unlimited" || form::value(field, &machine).is_ok();
                assert!(!is_number || understood, "{}: {field}", row.id);
            }
        }
    }

    #[test]
    fn what_must_never_be_written_has_no_row() {
        for row in settings().setting.iter().filter(|row| row.profile != Profile::ReportOnly) {
            for forbidden in ["drop_caches", "write_cache", "cmdline", "grub", "fua"] {
                assert!(!row.path.contains(forbidden), "{} writes {}", row.id, row.path);
            }
        }
    }

    #[test]
    fn the_benchmarks_four_settings_are_there() {
        let rows = settings().setting;
        let four: Vec<(&str, &str)> =
            rows.iter().filter(|row| row.benchmark).map(|row| (row.path.as_str(), row.want.fields()[0].as_str())).collect();
        let expected = [
            ("limits/nofile", "1000000"),
            ("proc/sys/vm/overcommit_memory", "1"),
            ("proc/sys/vm/max_map_count", "655360"),
            ("proc/sys/vm/swappiness", "10"),
        ];
        assert_eq!(four, expected);
    }

    #[test]
    fn every_line_of_os_sh_has_its_answer() {
        let settings = settings();
        for what in [
            "vm.extra_free_kbytes=2000000",
            "vm.min_free_kbytes=1000000",
            "vm.overcommit_memory=1",
            "vm.drop_caches=1",
            "vm.zone_reclaim_mode=0",
            "vm.max_map_count=655360",
            "vm.dirty_background_ratio=50",
            "vm.dirty_ratio=50",
            "vm.dirty_writeback_centisecs=360000",
            "vm.page-cluster=3",
            "vm.swappiness=1",
            "ulimit -n 655350",
            "* hard nofile 655350",
            "* hard memlock",
            "* soft memlock",
            "queue/scheduler",
            "su - admin",
            "ln -s /dev/shm tmpfs",
        ] {
            let answers: Vec<&OsSh> = settings.os_sh.iter().filter(|answer| answer.line.contains(what)).collect();
            assert_eq!(answers.len(), 1, "{what}");
            let answer = answers[0];
            assert!(!answer.why.is_empty(), "{what}: no reason");
            if answer.verdict != Verdict::Refused {
                let id = answer.setting.as_deref().unwrap_or_default();
                assert!(settings.setting.iter().any(|row| row.id == id), "{what}: no row '{id}'");
            }
        }
    }
}
