//! The table at the end of a run.

use comfy_table::{CellAlignment, Table, presets};

use super::latency::Percentiles;
use super::results::Results;

pub fn of(all: &[Results]) -> String {
    let mut out = String::new();
    for results in all {
        out += &counts(results);
        for failure in &results.failures {
            out += &format!("  failed {}: code {}, {}\n", failure.count, failure.code, failure.remark);
        }
    }
    let rows = all.iter().flat_map(|results| {
        results.latencies.iter().filter(|latency| latency.ms.count > 0).map(|latency| {
            let mut row = vec![format!("{}: {}", results.role, latency.name)];
            row.extend(percentiles(&latency.ms));
            row
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        out += &table(&["latency, ms", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"], rows);
    }
    out
}

/// Figures stand right, one under the other.
pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn percentiles(ms: &Percentiles) -> [String; 7] {
    [ms.p50, ms.p90, ms.p99, ms.p99_9, ms.p99_99, ms.max, ms.mean].map(|value| format!("{value:.3}"))
}

fn counts(results: &Results) -> String {
    let mut out = format!(
        "{}: {} messages in {:.2} s, {:.0} messages/s, {:.2} MB/s; {} failed",
        results.role,
        results.messages,
        results.seconds,
        results.messages_per_second,
        results.bytes_per_second / 1e6,
        results.failed
    );
    if results.late + results.unsent > 0 {
        out += &format!(
            "; of {} planned requests {} went late, by {:.3} ms at most, and {} never went",
            results.planned, results.late, results.late_max_ms, results.unsent
        );
    }
    out.push('\n');
    out
}
