//! A run on one page: `write(folder, &report)` makes `index.html`, which needs nothing but a browser.
//!
//! - `plot`: one chart as SVG
//! - `charts`: which charts a report has
//! - `page`: the HTML around them
//! - `from_run`: what a load found, as a report
//!
//! Invariant: the page loads nothing and runs nothing, so it can be mailed, kept, and opened in ten years.

mod charts;
pub mod from_run;
mod page;
mod plot;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::{Fact, Sample, Verdict};

/// All that the page shows. What is empty is left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub title: String,
    /// The run began then, as the reader should see it.
    pub began: String,
    /// The exact command line.
    pub command: String,
    /// Of the load tool, the server, and whatever else took part.
    #[serde(default)]
    pub versions: Vec<Fact>,
    #[serde(default)]
    pub host: Vec<Fact>,
    /// Kernel settings as they were in force.
    #[serde(default)]
    pub settings: Vec<Fact>,
    #[serde(default)]
    pub summary: Table,
    /// One for each kind of work that was timed, such as `send` and `end to end`.
    #[serde(default)]
    pub flows: Vec<Flow>,
    #[serde(default)]
    pub samples: Vec<Sample>,
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Table {
    /// With units.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Flow {
    pub name: String,
    pub seconds: Vec<Second>,
    /// Quantile from 0 to below 1, and the latency in milliseconds that this share was at or below.
    pub percentiles: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Second {
    /// The interval's end, since the run began.
    pub at_s: f64,
    pub messages_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

pub fn write(folder: &Path, report: &Report) -> Result<PathBuf, String> {
    let html = page::html(report)?;
    let path = folder.join("index.html");
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    std::fs::write(&path, html).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

#[derive(clap::Args)]
pub struct Args {
    /// The report.json that a run wrote with --report
    #[arg(long)]
    json: PathBuf,
    /// The folder for index.html; made when it is not there
    #[arg(long)]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<(), String> {
    let text = std::fs::read_to_string(&args.json).map_err(|error| format!("{}: {error}", args.json.display()))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|error| format!("{}: {error}: give a report.json that a run wrote with --report", args.json.display()))?;
    println!("{}", write(&args.out, &report)?.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Report {
        serde_json::from_str(include_str!("../../fixtures/report.json")).expect("the fixture is a report")
    }

    #[test]
    fn one_page_that_needs_nothing() {
        let html = page::html(&example()).expect("the example can be drawn");
        assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
        assert!(html.matches("<svg").count() >= 8, "a chart is missing");
        for outside in ["<script", "<link", "src=", "@import", "url("] {
            assert!(!html.contains(outside), "the page has {outside}");
        }
        // The name of the SVG language is the only address, and browsers do not fetch it.
        assert_eq!(html.matches("http").count(), html.matches("http://www.w3.org/2000/svg").count());
        assert!(html.contains("bottleneck: "));
    }

    #[test]
    fn what_is_empty_is_left_out_and_text_is_escaped() {
        let nothing = Report {
            title: "a <b> & c".to_string(),
            flows: Vec::new(),
            samples: Vec::new(),
            verdict: None,
            settings: Vec::new(),
            ..example()
        };
        let html = page::html(&nothing).expect("nothing to draw");
        assert!(!html.contains("<svg"));
        assert!(!html.contains("Kernel settings"));
        assert!(html.contains("a &lt;b&gt; &amp; c"));
    }

    #[test]
    fn one_sample_and_zeros_can_be_drawn() {
        let mut report = example();
        report.samples.truncate(1);
        for flow in &mut report.flows {
            flow.seconds = vec![Second { at_s: 1.0, messages_per_s: 0.0, p50_ms: 0.0, p99_ms: 0.0, max_ms: 0.0 }];
            flow.percentiles = vec![(0.0, 0.0)];
        }
        page::html(&report).expect("zeros have a place on every axis");
    }
}
