//! What a property's value may look like, and its parsed form.
//!
//! Stricter than the Java broker on purpose: there `autoCreateTopicEnable=flase` is quietly false and a bad number is a
//! stack trace; here both name what is allowed.

use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A cluster's, broker's or topic's name: it travels in `key=value` texts and in topic names.
    Name,
    Path,
    Boolean,
    Integer {
        unit: &'static str,
        min: i64,
        max: i64,
    },
    /// A number of bytes, or one with KiB, MiB or GiB behind it.
    Bytes {
        min: i64,
        max: i64,
    },
    /// Whole per cent.
    Percent {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
    /// One IP address or host name.
    Host,
    /// An IP address to listen on.
    Ip,
    /// `host:port;host:port`.
    HostPorts,
    /// `0,2,4-7`.
    Cores,
    /// Hours of the day, `04` or `04;16`.
    Hours,
    /// `1s 5s 10m 1h 1d`.
    Delays,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Flag(bool),
    Number(i64),
    List(Vec<String>),
    Numbers(Vec<i64>),
}

impl Kind {
    /// The parsed value, or what is allowed instead, as a phrase behind "allowed: ".
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        self.parse_or_none(text).ok_or_else(|| self.allowed())
    }

    pub fn allowed(&self) -> String {
        match self {
            Kind::Text => "any text".to_string(),
            Kind::Name => "letters, digits, '_', '-', '.', '%' and '|', at most 127".to_string(),
            Kind::Path => "a path".to_string(),
            Kind::Boolean => "true or false".to_string(),
            Kind::Integer { unit: "", min, max } => format!("a whole number, {}", range(*min, *max)),
            Kind::Integer { unit, min, max } => format!("a whole number of {unit}, {}", range(*min, *max)),
            Kind::Bytes { min, max } => format!("bytes such as 1048576 or 1MiB, {}", range_of_bytes(*min, *max)),
            Kind::Percent { min, max } => format!("whole per cent such as 75, {min} to {max}"),
            Kind::Choice(choices) => choices.join(" or "),
            Kind::Host => "an IP address or host name, without a port".to_string(),
            Kind::Ip => "an IP address, 0.0.0.0 for all interfaces".to_string(),
            Kind::HostPorts => "host:port, several with ';' between them".to_string(),
            Kind::Cores => "core numbers such as 0,1 or 2-5".to_string(),
            Kind::Hours => "hours 00 to 23, several with ';' between them".to_string(),
            Kind::Delays => "delays such as '1s 5s 10m 2h', rising, with s, m, h or d".to_string(),
        }
    }

    /// Behind a number in a printed table.
    pub fn unit(&self) -> &'static str {
        match self {
            Kind::Integer { unit, .. } => unit,
            Kind::Bytes { .. } => "bytes",
            Kind::Percent { .. } => "%",
            _ => "",
        }
    }

    fn parse_or_none(&self, text: &str) -> Option<Value> {
        match *self {
            Kind::Text | Kind::Path => Some(Value::Text(text.to_string())),
            Kind::Name => {
                let legal = |c: char| c.is_ascii_alphanumeric() || "_-.%|".contains(c);
                (!text.is_empty() && text.len() <= 127 && text.chars().all(legal)).then(|| Value::Text(text.to_string()))
            }
            Kind::Boolean => match () {
                _ if text.eq_ignore_ascii_case("true") => Some(Value::Flag(true)),
                _ if text.eq_ignore_ascii_case("false") => Some(Value::Flag(false)),
                _ => None,
            },
            Kind::Integer { min, max, .. } => within(text.parse().ok()?, min, max),
            Kind::Bytes { min, max } => within(bytes(text)?, min, max),
            Kind::Percent { min, max } => within(text.strip_suffix('%').unwrap_or(text).trim().parse().ok()?, min, max),
            Kind::Choice(choices) => {
                choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)).map(|choice| Value::Text(choice.to_string()))
            }
            Kind::Host => is_host(text).then(|| Value::Text(text.to_string())),
            Kind::Ip => text.parse::<IpAddr>().ok().map(|_| Value::Text(text.to_string())),
            Kind::HostPorts => {
                let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
                let list = parts.map(|part| is_host_port(part).then(|| part.to_string())).collect::<Option<Vec<_>>>()?;
                Some(Value::List(list))
            }
            Kind::Cores => cores(text).map(Value::Numbers),
            Kind::Hours => {
                let hour = |part: &str| part.trim().parse::<i64>().ok().filter(|hour| (0..24).contains(hour));
                text.split(';').map(hour).collect::<Option<Vec<_>>>().map(Value::Numbers)
            }
            Kind::Delays => delays(text).map(Value::Numbers),
        }
    }
}

fn within(number: i64, min: i64, max: i64) -> Option<Value> {
    (min <= number && number <= max).then_some(Value::Number(number))
}

fn range(min: i64, max: i64) -> String {
    match max {
        i64::MAX => format!("at least {min}"),
        max => format!("{min} to {max}"),
    }
}

fn range_of_bytes(min: i64, max: i64) -> String {
    match max {
        i64::MAX => format!("at least {}", show_bytes(min)),
        max => format!("{} to {}", show_bytes(min), show_bytes(max)),
    }
}

/// The largest unit that divides it: `1GiB`, `4MiB`, `1000`.
pub fn show_bytes(bytes: i64) -> String {
    const UNITS: [(&str, i64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes % unit == 0) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

fn bytes(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(1 << shift)
}

fn is_host(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    text.parse::<IpAddr>().is_ok() || (!text.is_empty() && text.len() <= 253 && text.chars().all(legal))
}

fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    is_host(host) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn cores(text: &str) -> Option<Vec<i64>> {
    let mut cores = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
        if first > last || last >= 4096 {
            return None;
        }
        cores.extend((first..=last).map(i64::from));
    }
    let mut seen = cores.clone();
    seen.sort_unstable();
    seen.dedup();
    (seen.len() == cores.len()).then_some(cores)
}

/// Milliseconds of each level.
fn delays(text: &str) -> Option<Vec<i64>> {
    let level = |part: &str| {
        let (number, unit) = part.split_at_checked(part.len() - 1)?;
        let unit = match unit {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.parse::<i64>().ok().filter(|number| *number > 0)?.checked_mul(unit)
    };
    let levels = text.split_ascii_whitespace().map(level).collect::<Option<Vec<_>>>()?;
    (!levels.is_empty() && levels.is_sorted()).then_some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn good(kind: Kind, text: &str, value: Value) {
        assert_eq!(kind.parse(text), Ok(value));
    }

    #[track_caller]
    fn bad(kind: Kind, texts: &[&str]) {
        for text in texts {
            assert!(kind.parse(text).is_err(), "{text:?} must not be a {kind:?}");
        }
    }

    #[test]
    fn numbers_have_ranges_and_units() {
        let hours = Kind::Integer { unit: "hours", min: 1, max: 100 };
        good(hours, "48", Value::Number(48));
        bad(hours, &["0", "101", "-1", "4.5", "48h", ""]);
        assert_eq!(hours.allowed(), "a whole number of hours, 1 to 100");

        let size = Kind::Bytes { min: 1 << 20, max: i64::MAX };
        good(size, "1073741824", Value::Number(1 << 30));
        good(size, "1GiB", Value::Number(1 << 30));
        good(size, "512 m", Value::Number(512 << 20));
        bad(size, &["1k", "1GB/s", "-5GiB", "9999999999GiB", "GiB"]);
        assert_eq!(size.allowed(), "bytes such as 1048576 or 1MiB, at least 1MiB");

        let ratio = Kind::Percent { min: 10, max: 95 };
        good(ratio, "75", Value::Number(75));
        good(ratio, "75%", Value::Number(75));
        bad(ratio, &["0.75", "9", "100"]);
    }

    #[test]
    fn booleans_are_not_guessed() {
        good(Kind::Boolean, "TRUE", Value::Flag(true));
        good(Kind::Boolean, "false", Value::Flag(false));
        bad(Kind::Boolean, &["flase", "1", "yes", ""]);
    }

    #[test]
    fn choices_ignore_case_and_keep_the_real_spelling() {
        let flush = Kind::Choice(&["SYNC_FLUSH", "ASYNC_FLUSH"]);
        good(flush, "sync_flush", Value::Text("SYNC_FLUSH".to_string()));
        bad(flush, &["SYNC", ""]);
    }

    #[test]
    fn addresses() {
        good(Kind::HostPorts, "10.0.0.1:9876; ns2:9876;", Value::List(vec!["10.0.0.1:9876".into(), "ns2:9876".into()]));
        good(Kind::HostPorts, "[::1]:9876", Value::List(vec!["[::1]:9876".into()]));
        bad(Kind::HostPorts, &["10.0.0.1", "a:0", "a:70000", "a b:1", "a:1,b:1"]);
        good(Kind::Host, "10.0.0.5", Value::Text("10.0.0.5".into()));
        bad(Kind::Host, &["10.0.0.5:10911", "", "a b"]);
        bad(Kind::Ip, &["localhost", ""]);
    }

    #[test]
    fn lists() {
        good(Kind::Cores, "0,2-4", Value::Numbers(vec![0, 2, 3, 4]));
        bad(Kind::Cores, &["", "a", "3-1", "1,1", "0-9999"]);
        good(Kind::Hours, "04;16", Value::Numbers(vec![4, 16]));
        bad(Kind::Hours, &["24", "", "4am"]);
        good(Kind::Delays, "1s 2m 1d", Value::Numbers(vec![1_000, 120_000, 86_400_000]));
        bad(Kind::Delays, &["", "1", "1s 5x", "5s 1s", "s", "é"]);
    }

    #[test]
    fn names_cannot_break_out_of_texts_or_paths() {
        good(Kind::Name, "broker-a", Value::Text("broker-a".into()));
        bad(Kind::Name, &["", "a b", "a=b", "../x", "a/b", "a\nb"]);
    }

    #[test]
    fn bytes_are_shown_in_whole_units() {
        assert_eq!(
            ["1073741824", "4194304", "1536", "1000"].map(|n| show_bytes(n.parse().unwrap())),
            ["1GiB", "4MiB", "1536", "1000"]
        );
    }
}
