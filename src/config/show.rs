//! Printed forms of the property tables: `-p`, `-m` and the Markdown of `docs/operations.md`.

use super::error::Origin;
use super::kind::show_bytes;
use super::property::{Property, Standing, Table};
use super::{BROKER, Kind, NAMESRV};
use std::fmt::Write;

/// `name = value`, then what it is; for `-p` (all) and `-m` (important ones).
pub fn properties(all: &[(Property, String, Origin)], important_only: bool) -> String {
    let mut out = String::new();
    for (property, value, origin) in all.iter().filter(|(property, ..)| property.important || !important_only) {
        let unit = property.kind.unit();
        let default = if property.default.is_empty() { "none" } else { property.default };
        let from = if *origin == Origin::Default { "default".to_string() } else { format!("{origin}, default {default}") };
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit},") };
        _ = writeln!(out, "{} = {value}", property.name);
        _ = writeln!(out, "    #{unit} {}; {from}. {}", property.applies, property.description());
    }
    out
}

/// Only `name=value` lines, as mqadmin expects them in the body of getBrokerConfig.
pub fn key_values(all: &[(Property, String, Origin)]) -> String {
    all.iter().map(|(property, value, _)| format!("{}={value}\n", property.name)).collect()
}

/// The tables of `docs/operations.md`, between its markers.
pub fn markdown() -> String {
    let mut out = String::new();
    table(&mut out, "Broker properties", &BROKER);
    table(&mut out, "Name server properties", &NAMESRV);
    out
}

fn table(out: &mut String, title: &str, table: &Table) {
    _ = writeln!(out, "### {title}\n\n| Property | Default | Allowed | Change | What it does |\n|---|---|---|---|---|");
    for row in table.rows.iter().filter(|row| row.standing == Standing::Used) {
        let allowed = match row.kind {
            Kind::Bytes { min, max: i64::MAX } => format!("bytes, at least {}", show_bytes(min)),
            Kind::Bytes { min, max } => format!("bytes, {} to {}", show_bytes(min), show_bytes(max)),
            kind => kind.allowed(),
        };
        _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            row.name,
            code(row.default),
            cell(&allowed),
            row.applies,
            cell(&row.description())
        );
    }
    _ = writeln!(
        out,
        "\n### {title}: accepted, nothing yet\n\n| Property | Default | Belongs to | Other values |\n|---|---|---|---|"
    );
    for row in table.rows {
        if let Standing::Later(part) = row.standing {
            let other = row.must.map_or("kept for later".to_string(), |(_, why)| format!("**refused**: {why}"));
            _ = writeln!(out, "| `{}` | {} | {part} | {} |", row.name, code(row.default), cell(&other));
        }
    }
    _ = writeln!(out, "\n### {title}: accepted, no meaning here\n\n| Why | Properties |\n|---|---|");
    for (reason, names) in table.ignored {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        _ = writeln!(out, "| {} | {} |", cell(reason), names.join(" "));
    }
    out.push('\n');
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;
    use std::path::Path;

    fn given(text: &str) -> Vec<(Property, String, Origin)> {
        let mut layers = Layers::new(&BROKER);
        layers.text(Path::new("broker.conf"), text);
        layers.finish().expect("allowed").all()
    }

    #[test]
    fn printed_rows_say_everything() {
        let text = properties(&given("fileReservedTime=48"), false);
        assert!(text.contains(
            "fileReservedTime = 48\n    # hours, live; broker.conf:1, default 72. Segments whose last message is older may be deleted.\n"
        ));
        assert!(text.contains(
            "aclEnable = false\n    # restart; default. Accepted, nothing yet: belongs to access control. Must be false: "
        ));
        assert!(!properties(&given(""), true).contains("shortPollingTimeMills"));
    }

    #[test]
    fn key_values_for_mqadmin() {
        let text = key_values(&given("sendMessageThreadPoolNums=16"));
        assert!(text.starts_with("brokerClusterName=DefaultCluster\n"));
        assert!(text.ends_with("sendMessageThreadPoolNums=16\n"));
    }

    /// The documentation is printed from the tables: `ringmq broker -p --markdown`, between the two markers.
    #[test]
    fn the_documentation_has_every_property() {
        let docs = include_str!("../../docs/operations.md");
        let (_, rest) = docs.split_once("<!-- properties: begin -->\n").expect("begin marker");
        let (printed, _) = rest.split_once("<!-- properties: end -->").expect("end marker");
        assert!(printed.trim() == markdown().trim(), "docs/operations.md is not what `ringmq broker -p --markdown` prints");
    }
}
