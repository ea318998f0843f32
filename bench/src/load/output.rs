//! Where a run is shown: lines and tables on standard output, unless the JSON goes there; a live line on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::clock::{SECOND, Span};
use super::interval::Row;

pub struct Output {
    lines: bool,
    tables: bool,
    /// Standard output is for the JSON alone.
    to_stderr: bool,
    bar: Option<ProgressBar>,
}

impl Output {
    /// `quiet`: no line for each second.
    pub fn new(quiet: bool, json: Option<&str>) -> Output {
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}").expect("the template is right");
        let bar = if bar.is_hidden() { None } else { Some(bar.with_style(style)) };
        Output { lines: !quiet, tables: true, to_stderr: json == Some("-"), bar }
    }

    #[cfg(test)]
    pub fn silent() -> Output {
        Output { lines: false, tables: false, to_stderr: false, bar: None }
    }

    pub fn line(&self, line: &str) {
        if self.lines {
            self.print(line);
        }
    }

    pub fn table(&self, text: &str) {
        if self.tables {
            self.print(text.trim_end());
        }
    }

    pub fn progress(&self, now: u64, span: Span, last: Option<&Row>) {
        let Some(bar) = &self.bar else { return };
        let rate = last.map_or(String::new(), |row| format!(", {:.0} messages/s", row.messages_per_second()));
        let phase = match now {
            now if now < span.warmup => format!("warm-up, {} s left", (span.warmup - now) / SECOND),
            now if now >= span.end => "waiting for the last answers".to_string(),
            _ if span.end > u64::MAX / 4 => "running".to_string(),
            now => format!("{} s left", (span.end - now) / SECOND),
        };
        bar.set_message(format!("{phase}{rate}"));
        bar.tick();
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn print(&self, text: &str) {
        let show = || if self.to_stderr { eprintln!("{text}") } else { println!("{text}") };
        match &self.bar {
            Some(bar) => bar.suspend(show),
            None => show(),
        }
    }
}
