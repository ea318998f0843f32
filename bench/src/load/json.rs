//! `--json`: one object with everything that a report needs, and names that stay.

use std::fs;
use std::io::Write;

use chrono::{SecondsFormat, TimeZone, Utc};
use serde::Serialize;
use serde_json::Value;

use super::clock;
use super::results::Results;
use crate::host::{Sample, Verdict, Watched};

/// Counts up when a name changes or goes; new names do not count.
const FORMAT: u32 = 1;

#[derive(Serialize)]
pub struct Report<'a> {
    pub format: u32,
    pub tool: &'static str,
    pub version: &'static str,
    pub command: &'static str,
    pub command_line: Vec<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub ended_at: String,
    pub config: Value,
    pub results: &'a [Results],
    /// What only this command finds out; null for most.
    pub findings: Value,
    /// The machine, once a second; empty where nothing was watched.
    pub samples: &'a [Sample],
    pub verdict: Option<&'a Verdict>,
}

impl<'a> Report<'a> {
    pub fn new(command: &'static str, started_at: i64, config: Value, results: &'a [Results], findings: Value) -> Report<'a> {
        Report {
            format: FORMAT,
            tool: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            command,
            command_line: std::env::args().collect(),
            started_at: rfc3339(started_at),
            ended_at: rfc3339(clock::wall_millis()),
            config,
            results,
            findings,
            samples: &[],
            verdict: None,
        }
    }

    pub fn watched(self, watched: &'a Watched) -> Self {
        Report { samples: &watched.samples, verdict: Some(&watched.verdict), ..self }
    }

    /// To a file, or for `-` to standard output.
    pub fn write(&self, to: &str) -> Result<(), String> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| format!("the results as JSON: {error}"))?;
        text.push('\n');
        match to {
            "-" => std::io::stdout().write_all(text.as_bytes()),
            file => fs::write(file, text),
        }
        .map_err(|error| format!("--json {to}: {error}; name a file that can be written, or - for standard output"))
    }
}

pub fn rfc3339(millis: i64) -> String {
    Utc.timestamp_millis_opt(millis).single().map_or_else(String::new, |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
