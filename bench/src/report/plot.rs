//! One chart as SVG text.
//!
//! Logarithmic axes are drawn as linear ones of the logarithm, so that each power of ten has its label and nothing else has.
//! Text and axes take the page's colour (`currentColor`), so that a chart can be read on light and on dark.

use plotters::coord::Shift;
use plotters::prelude::*;

/// Both read well on white and on near-black.
pub const COLOURS: [RGBColor; 8] = [
    RGBColor(0x3b, 0x82, 0xf6),
    RGBColor(0xf5, 0x9e, 0x0b),
    RGBColor(0x10, 0xb9, 0x81),
    RGBColor(0xef, 0x44, 0x44),
    RGBColor(0x8b, 0x5c, 0xf6),
    RGBColor(0x06, 0xb6, 0xd4),
    RGBColor(0xec, 0x48, 0x99),
    RGBColor(0x84, 0xcc, 0x16),
];
const WIDTH: u32 = 640;
const HEIGHT: u32 = 300;
/// What is shown of a logarithmic axis at the least: a microsecond.
const LEAST: f64 = 1e-3;

pub struct Chart {
    pub title: String,
    pub across: Across,
    pub up: Up,
    /// What stands beside the upward axis, with its unit.
    pub label: String,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Across {
    Seconds,
    /// A quantile, drawn at 1 / (1 - q) on a logarithmic axis: each nine is as wide as the one before.
    Quantile,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Up {
    FromZero,
    /// To 100 at least, so that what is far from full looks so.
    Percent,
    Logarithmic,
}

/// `None` when there is nothing to draw.
pub fn svg(chart: &Chart) -> Result<Option<String>, String> {
    let mut chart_lines: Vec<Vec<(f64, f64)>> = Vec::new();
    for line in &chart.lines {
        let place = |&(x, y): &(f64, f64)| (across(chart.across, x), up(chart.up, y));
        chart_lines.push(line.points.iter().map(place).filter(|(x, y)| x.is_finite() && y.is_finite()).collect());
    }
    if chart_lines.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
    draw(&area, chart, &chart_lines).map_err(|error| format!("the chart {:?} cannot be drawn: {error}", chart.title))?;
    drop(area);
    Ok(Some(text.replace("#000000", "currentColor")))
}

fn across(kind: Across, x: f64) -> f64 {
    match kind {
        Across::Seconds => x,
        Across::Quantile => -(1.0 - x).log10(),
    }
}

fn up(kind: Up, y: f64) -> f64 {
    match kind {
        Up::FromZero | Up::Percent => y,
        Up::Logarithmic => y.max(LEAST).log10(),
    }
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    chart: &Chart,
    lines: &[Vec<(f64, f64)>],
) -> Result<(), Box<dyn std::error::Error>> {
    let all = || lines.iter().flatten();
    let most = |value: fn(&(f64, f64)) -> f64| all().map(value).fold(f64::NEG_INFINITY, f64::max);
    let (right, top) = (most(|point| point.0), most(|point| point.1));
    let right = match chart.across {
        Across::Seconds => right.max(1.0),
        Across::Quantile => (right - 1e-6).ceil().max(1.0), // what is a hair above five nines is five nines,
    };
    let (bottom, top) = match chart.up {
        Up::FromZero => (0.0, if top > 0.0 { top * 1.1 } else { 1.0 }),
        Up::Percent => (0.0, (top * 1.05).max(105.0)),
        Up::Logarithmic => {
            let bottom = all().map(|point| point.1).fold(f64::INFINITY, f64::min).floor();
            (bottom, top.ceil().max(bottom + 1.0))
        }
    };
    let mut plot = ChartBuilder::on(area)
        .margin_top(12)
        .margin_right(24)
        .margin_bottom(4)
        .x_label_area_size(46)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..right, bottom..top)?;
    let grid = RGBColor(128, 128, 128).mix(0.28);
    let text = ("sans-serif", 15).into_font().color(&BLACK);
    let labels_up = if chart.up == Up::Logarithmic { (top - bottom) as usize + 1 } else { 6 };
    plot.configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(grid)
        .axis_style(BLACK.mix(0.5))
        .label_style(text.clone())
        .axis_desc_style(text)
        .x_labels(if chart.across == Across::Quantile { right as usize + 1 } else { 9 })
        .y_labels(labels_up)
        .x_desc(match chart.across {
            Across::Seconds => "time since the run began (s)",
            Across::Quantile => "percentile of messages (%)",
        })
        .y_desc(&chart.label)
        .x_label_formatter(&|x| label_across(chart.across, *x))
        .y_label_formatter(&|y| label_up(chart.up, *y))
        .draw()?;
    for (points, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        plot.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        // A line of one point is none.
        if let [point] = points[..] {
            plot.draw_series([Circle::new(point, 3, colour.filled())])?;
        }
    }
    area.present()?;
    Ok(())
}

fn label_across(kind: Across, x: f64) -> String {
    match kind {
        Across::Seconds => number(x),
        Across::Quantile if x.fract().abs() > 1e-6 => String::new(),
        // 0, 90, 99, 99.9, 99.99: as many nines as the place says.
        Across::Quantile => format!("{:.*}", (x as usize).saturating_sub(2), 100.0 - 100.0 * 10f64.powf(-x)),
    }
}

fn label_up(kind: Up, y: f64) -> String {
    match kind {
        Up::FromZero | Up::Percent => number(y),
        Up::Logarithmic if y.fract().abs() > 1e-6 => String::new(),
        Up::Logarithmic => number(10f64.powf(y)),
    }
}

/// Short, without trailing zeros: `0.5`, `12`, `40,000`, `1.2M`.
fn number(value: f64) -> String {
    let (value, suffix) = if value.abs() >= 1e6 { (value / 1e6, "M") } else { (value, "") };
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text.len() {
        // Five digits or six, which no fraction follows at the steps of an axis.
        5 | 6 if !text.contains(['.', '-']) => format!("{},{}{suffix}", &text[..text.len() - 3], &text[text.len() - 3..]),
        _ => format!("{text}{suffix}"),
    }
}
