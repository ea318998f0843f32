//! When a value is as wanted, and what to write where it is not. Pure: text in, text out.
//!
//! Invariant: what `better` returns is itself as wanted, and keeps every part of the current value that is better.

use super::settings::Rule;

/// `None`: as wanted. `Some`: what to write. An error says why the value cannot be judged.
pub(super) fn better(rule: Rule, current: &str, want: &[String], zero_is_unset: bool) -> Result<Option<String>, String> {
    match rule {
        Rule::Show => Ok(None),
        Rule::Exact => Ok((words(current) != words(&want.join(" "))).then(|| want.join(" "))),
        Rule::Choice => choice(current, &want[0]),
        Rule::Include => include(current, &want.join(",")),
        Rule::AtLeast => fields(current, want, |_, now, wanted| now.max(wanted)),
        Rule::AtMost if zero_is_unset => fields(current, want, |_, now, wanted| if now == 0 { wanted } else { now.min(wanted) }),
        Rule::AtMost => fields(current, want, |_, now, wanted| now.min(wanted)),
        Rule::Widen => fields(current, want, |field, now, wanted| if field == 0 { now.min(wanted) } else { now.max(wanted) }),
    }
}

/// The one that holds of `none [mq-deadline]`; other text is its own answer.
pub(super) fn chosen(text: &str) -> &str {
    let bracketed = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    bracketed.unwrap_or_else(|| text.trim())
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn choice(current: &str, want: &str) -> Result<Option<String>, String> {
    let offered: Vec<&str> = current.split_whitespace().map(|word| word.trim_matches(['[', ']'])).collect();
    if !offered.contains(&want) {
        return Err(format!("the kernel offers {}", offered.join(" ")));
    }
    Ok((chosen(current) != want).then(|| want.to_string()))
}

fn fields(current: &str, want: &[String], best: impl Fn(usize, u64, u64) -> u64) -> Result<Option<String>, String> {
    let now: Vec<u64> = words(current).into_iter().map(number).collect::<Result<_, _>>()?;
    let wanted: Vec<u64> = want.iter().map(|field| number(field)).collect::<Result<_, _>>()?;
    if now.len() != wanted.len() {
        return Err(format!("{} fields instead of {}", now.len(), wanted.len()));
    }
    let best: Vec<u64> = now.iter().zip(&wanted).enumerate().map(|(field, (now, wanted))| best(field, *now, *wanted)).collect();
    let text: Vec<String> = best.iter().map(|number| shown(*number)).collect();
    Ok((best != now).then(|| text.join(" ")))
}

fn number(text: &str) -> Result<u64, String> {
    // -1 is how the kernel writes "no bound" in some places, and limits.conf everywhere.
    if ["unlimited", "infinity", "-1"].contains(&text) {
        return Ok(u64::MAX);
    }
    text.parse().map_err(|_| format!("'{text}' is not a number"))
}

fn shown(number: u64) -> String {
    if number == u64::MAX { "unlimited".to_string() } else { number.to_string() }
}

fn include(current: &str, want: &str) -> Result<Option<String>, String> {
    let now = ports(current)?;
    let both = ports(&format!("{current},{want}"))?;
    let range = |(low, high): &(u16, u16)| if low == high { low.to_string() } else { format!("{low}-{high}") };
    Ok((now != both).then(|| both.iter().map(range).collect::<Vec<_>>().join(",")))
}

/// In order, and none next to another.
fn ports(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let mut ranges = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let port = |text: &str| text.parse::<u16>().map_err(|_| format!("'{part}' is no port"));
        ranges.push((port(low)?, port(high)?));
    }
    ranges.sort_unstable();
    let mut joined: Vec<(u16, u16)> = Vec::new();
    for (low, high) in ranges {
        match joined.last_mut() {
            Some(last) if u32::from(low) <= u32::from(last.1) + 1 => last.1 = last.1.max(high),
            _ => joined.push((low, high)),
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: Rule, current: &str, want: &[&str], expected: Option<&str>) {
        let want: Vec<String> = want.iter().map(|field| field.to_string()).collect();
        let write = better(rule, current, &want, false).expect("it can be judged");
        assert_eq!(write.as_deref(), expected);
        if let Some(written) = write {
            let written = if rule == Rule::Choice {
                current.replace(['[', ']'], "").replace(&written, &format!("[{written}]"))
            } else {
                written
            };
            assert_eq!(better(rule, &written, &want, false), Ok(None), "what is written is as wanted");
        }
    }

    #[test]
    fn what_is_better_stays() {
        check(Rule::AtLeast, "128\n", &["4096"], Some("4096"));
        check(Rule::AtLeast, "8192\n", &["4096"], None);
        check(Rule::AtLeast, "4096\t131072\t6291456\n", &["4096", "65536", "16777216"], Some("4096 131072 16777216"));
        check(Rule::AtLeast, "unlimited", &["1000000"], None);
        check(Rule::AtMost, "60\n", &["10"], Some("10"));
        check(Rule::AtMost, "1\n", &["10"], None);
        check(Rule::Widen, "32768\t60999\n", &["10240", "65535"], Some("10240 65535"));
        check(Rule::Widen, "1024\t60999\n", &["10240", "65535"], Some("1024 65535"));
    }

    #[test]
    fn exact_and_choice() {
        check(Rule::Exact, "0\n", &["1"], Some("1"));
        check(Rule::Exact, "1\n", &["1"], None);
        check(Rule::Choice, "none [mq-deadline] kyber\n", &["none"], Some("none"));
        check(Rule::Choice, "[none] mq-deadline\n", &["none"], None);
        assert!(better(Rule::Choice, "[noop] deadline\n", &["none".to_string()], false).is_err());
    }

    #[test]
    fn ports_are_joined() {
        check(Rule::Include, "\n", &["9876,10909-10911"], Some("9876,10909-10911"));
        check(Rule::Include, "8080,10912\n", &["9876,10909-10911"], Some("8080,9876,10909-10912"));
        check(Rule::Include, "9000-11000\n", &["9876,10909-10911"], None);
    }

    #[test]
    fn a_zero_that_means_unset_is_not_a_small_bound() {
        assert_eq!(better(Rule::AtMost, "0\n", &["500".to_string()], true), Ok(Some("500".to_string())));
        assert_eq!(better(Rule::AtMost, "0\n", &["500".to_string()], false), Ok(None));
    }
}
