//! The variables of one side: `$name` in a value, filled in when a step is taken.
//!
//! `$run` is a text that no other run has, for names; `$now` is the clock. `$name+5` adds where the value is a number;
//! `${x*300}` is `x` three hundred times; `$$` is a dollar.

use std::collections::HashMap;

use crate::setup::millis;

pub struct Variables(HashMap<String, String>);

impl Variables {
    pub fn new(run: &str) -> Variables {
        Variables(HashMap::from([("run".to_string(), run.to_string())]))
    }

    pub fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_string(), value);
    }

    pub fn fill(&self, text: &str) -> Result<String, String> {
        let Some(first) = text.find('$') else { return Ok(text.to_string()) };
        let mut out = text[..first].to_string();
        let mut left = &text[first + 1..];
        loop {
            let (value, rest) = match left.chars().next() {
                Some('$') => ("$".to_string(), &left[1..]),
                Some('{') => {
                    let (inner, rest) = left[1..].split_once('}').ok_or_else(|| format!("no }} behind ${left}"))?;
                    (self.braced(inner)?, rest)
                }
                _ => {
                    let end = left.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(left.len());
                    sum(self.value(&left[..end])?, &left[end..])
                }
            };
            out.push_str(&value);
            match rest.split_once('$') {
                None => {
                    out.push_str(rest);
                    return Ok(out);
                }
                Some((between, rest)) => {
                    out.push_str(between);
                    left = rest;
                }
            }
        }
    }

    fn braced(&self, inner: &str) -> Result<String, String> {
        if let Some((text, times)) = inner.split_once('*') {
            return times.parse().map(|times| text.repeat(times)).map_err(|_| format!("{times} is not how many times"));
        }
        let end = inner.find(['+', '-']).unwrap_or(inner.len());
        Ok(sum(self.value(&inner[..end])?, &inner[end..]).0)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        match (name, self.0.get(name)) {
            ("now", _) => Ok(millis().to_string()),
            (_, Some(value)) => Ok(value.clone()),
            (_, None) => Err(format!("no step has set ${name}")),
        }
    }
}

/// The value plus the number that stands behind it, if both are numbers, and what stands behind that.
fn sum(value: String, rest: &str) -> (String, &str) {
    let Some(sign @ ('+' | '-')) = rest.chars().next() else { return (value, rest) };
    let end = 1 + rest[1..].find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len() - 1);
    match (value.parse::<i64>(), rest[1..end].parse::<i64>()) {
        (Ok(value), Ok(add)) => {
            ((if sign == '+' { value.wrapping_add(add) } else { value.wrapping_sub(add) }).to_string(), &rest[end..])
        }
        _ => (value, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in() {
        let mut variables = Variables::new("r1");
        variables.set("off", "7".into());
        let fill = |text: &str| variables.fill(text).unwrap();
        assert_eq!(fill("T-$run-x"), "T-r1-x");
        assert_eq!(fill("$off+3 $off-8 ${off+1}0"), "10 -1 80");
        assert_eq!(fill("${ab*3}$$"), "ababab$");
        assert!(variables.fill("$none").is_err());
        assert!(fill("$now").parse::<i64>().unwrap() > 1_600_000_000_000);
    }
}
