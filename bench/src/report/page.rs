//! The HTML around the charts: what was measured first, then how, then on what.

use std::fmt::Write;

use super::charts::charts;
use super::plot::{COLOURS, Chart, svg};
use super::{Report, Table};
use crate::host::Fact;

const STYLE: &str = include_str!("style.css");

pub fn html(report: &Report) -> Result<String, String> {
    let title = escape(&report.title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p>{}</p>\n</header>\n",
        escape(&report.began)
    );
    if let Some(verdict) = &report.verdict {
        page += &format!("<p class=\"verdict\">{}</p>\n", escape(&verdict.to_string()));
    }
    page += &table(&report.summary);
    let mut figures = String::new();
    for chart in charts(report) {
        if let Some(svg) = svg(&chart)? {
            figures += &figure(&chart, &svg);
        }
    }
    if !figures.is_empty() {
        page += &format!("<section class=\"charts\">\n{figures}</section>\n");
    }
    page += &format!("<h2>Command</h2>\n<pre>{}</pre>\n<section class=\"facts\">\n", escape(&report.command));
    page += &facts("Versions", &report.versions);
    page += &facts("Host", &report.host);
    page += &facts("Kernel settings", &report.settings);
    page += "</section>\n</body>\n</html>\n";
    Ok(page)
}

/// The legend stands outside the plot, where no line runs through it.
fn figure(chart: &Chart, svg: &str) -> String {
    let mut legend = String::new();
    for (line, colour) in chart.lines.iter().zip(COLOURS.iter().cycle()).filter(|(line, _)| !line.points.is_empty()) {
        let (red, green, blue) = (colour.0, colour.1, colour.2);
        let name = escape(&line.name);
        write!(legend, "<span><i style=\"background:#{red:02x}{green:02x}{blue:02x}\"></i>{name}</span>")
            .expect("a string takes all");
    }
    format!("<figure>\n<figcaption>{}</figcaption>\n<p class=\"legend\">{legend}</p>\n{svg}</figure>\n", escape(&chart.title))
}

fn table(table: &Table) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let cells =
        |kind: &str, cells: &[String]| cells.iter().map(|cell| format!("<{kind}>{}</{kind}>", escape(cell))).collect::<String>();
    let rows: String = table.rows.iter().map(|row| format!("<tr>{}</tr>\n", cells("td", row))).collect();
    format!("<div class=\"wide\"><table class=\"summary\">\n<tr>{}</tr>\n{rows}</table></div>\n", cells("th", &table.columns))
}

fn facts(heading: &str, facts: &[Fact]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let row = |fact: &Fact| format!("<tr><th>{}</th><td>{}</td></tr>\n", escape(&fact.name), escape(&fact.value));
    format!("<div><h2>{heading}</h2>\n<table>\n{}</table></div>\n", facts.iter().map(row).collect::<String>())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
