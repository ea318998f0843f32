//! A second evaluator, written from the behaviour reference (§7) alone: it builds no tree but evaluates while it reads, over
//! a map of Java-like values. Slow and plain; it shares nothing with what it checks.
//!
//! It knows expressions that compile: of others it may say anything.

use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Java {
    Null,
    Boolean(bool),
    String(String),
    Integer(i32),
    Long(i64),
    Double(f64),
}

/// An exception, which ends the evaluation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thrown;

type Result<T = Java> = std::result::Result<T, Thrown>;

/// Words and signs of the expression, in their order.
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut words) = (0, Vec::new());
    while at < chars.len() {
        let begin = at;
        let c = chars[at];
        at += 1;
        if c == ' ' {
            continue;
        } else if c == '\'' {
            loop {
                if chars[at] == '\'' && chars.get(at + 1) == Some(&'\'') {
                    at += 2;
                } else if chars[at] == '\'' {
                    break;
                } else {
                    at += 1;
                }
            }
            at += 1;
        } else if c.is_alphanumeric() || c == '_' || c == '$' {
            // Good enough for numbers and names that generators write.
            while at < chars.len() && (chars[at].is_alphanumeric() || "_$.".contains(chars[at])) {
                at += 1;
            }
        } else if "<>".contains(c) && chars.get(at).is_some_and(|next| *next == '=' || (c == '<' && *next == '>')) {
            at += 1;
        }
        words.push(chars[begin..at].iter().collect());
    }
    words
}

struct Reader<'a> {
    words: Vec<String>,
    at: usize,
    properties: &'a HashMap<String, String>,
    /// What is read now is not evaluated: an OR or AND before it is decided.
    skipping: usize,
}

pub(super) fn evaluate(text: &str, properties: &HashMap<String, String>) -> &'static str {
    let mut reader = Reader { words: words(text), at: 0, properties, skipping: 0 };
    match reader.or().map(as_boolean) {
        Ok(Java::Boolean(true)) => "true",
        Ok(Java::Boolean(false)) => "false",
        Ok(_) => "null",
        Err(Thrown) => "fault",
    }
}

/// A name as a condition: a text is not TRUE.
fn as_boolean(value: Java) -> Java {
    if let Java::String(_) = value { Java::Boolean(false) } else { value }
}

impl Reader<'_> {
    fn word(&self) -> String {
        self.words.get(self.at).map_or(String::new(), |word| word.to_uppercase())
    }

    fn next_is(&mut self, word: &str) -> bool {
        let is = self.word() == word;
        self.at += usize::from(is);
        is
    }

    fn or(&mut self) -> Result {
        let first = self.and()?;
        self.joined("OR", true, first, Self::and)
    }

    fn and(&mut self) -> Result {
        let first = self.equality()?;
        self.joined("AND", false, first, Self::equality)
    }

    /// Two by two, from the left, as binary operators are.
    fn joined(&mut self, word: &str, decisive: bool, first: Java, next: fn(&mut Self) -> Result) -> Result {
        let mut left = first;
        while self.next_is(word) {
            left = as_boolean(left);
            let decided = left == Java::Boolean(decisive);
            self.skipping += usize::from(decided);
            let right = next(self).map(as_boolean);
            self.skipping -= usize::from(decided);
            if decided {
                continue;
            }
            let right = right?;
            left = if right == Java::Boolean(decisive) {
                right
            } else if left == Java::Null || right == Java::Null {
                Java::Null
            } else {
                Java::Boolean(!decisive)
            };
        }
        Ok(left)
    }

    fn equality(&mut self) -> Result {
        let mut left = self.comparison()?;
        loop {
            if self.next_is("=") {
                let right = self.comparison()?;
                left = self.equals(left, right)?;
            } else if self.next_is("<>") {
                let right = self.comparison()?;
                left = not(self.equals(left, right)?);
            } else if self.next_is("IS") {
                let is_not = self.next_is("NOT");
                assert!(self.next_is("NULL"));
                left = Java::Boolean((left == Java::Null) != is_not);
            } else {
                return Ok(left);
            }
        }
    }

    fn equals(&self, left: Java, right: Java) -> Result {
        if self.skipping > 0 {
            return Ok(Java::Null);
        }
        match (&left, &right) {
            (Java::Null, Java::Null) => Ok(Java::Boolean(true)),
            (Java::Null, _) => Ok(Java::Null),
            (_, Java::Null) => Ok(Java::Boolean(false)),
            (Java::String(left), Java::String(right)) => Ok(Java::Boolean(left == right)),
            _ => compare(&left, &right).map(|ordering| Java::Boolean(ordering == 0)),
        }
    }

    fn comparison(&mut self) -> Result {
        let mut left = self.unary()?;
        loop {
            let word = self.word();
            if [">", ">=", "<", "<="].contains(&word.as_str()) {
                self.at += 1;
                let right = self.unary();
                left = if left == Java::Null { Java::Null } else { self.ranged(&left, &word, &right?)? };
                continue;
            }
            let is_not = word == "NOT";
            self.at += usize::from(is_not);
            if self.next_is("BETWEEN") {
                let low = self.unary();
                assert!(self.next_is("AND"));
                let high = self.unary();
                if left == Java::Null {
                    continue;
                }
                let (low_sign, high_sign) = if is_not { ("<", ">") } else { (">=", "<=") };
                let first = self.ranged(&left, low_sign, &low?)?;
                if first == Java::Boolean(is_not) {
                    left = first;
                    continue;
                }
                let second = self.ranged(&left, high_sign, &high?)?;
                left = match (&first, &second) {
                    (_, Java::Boolean(decisive)) if *decisive == is_not => second,
                    (Java::Null, _) | (_, Java::Null) => Java::Null,
                    _ => Java::Boolean(!is_not),
                };
            } else if self.next_is("IN") {
                assert!(self.next_is("("));
                let mut listed = Vec::new();
                while !self.next_is(")") {
                    listed.push(self.text());
                    self.next_is(",");
                }
                left = match &left {
                    Java::String(value) => Java::Boolean(listed.contains(value) != is_not),
                    _ => Java::Null,
                };
            } else if ["CONTAINS", "STARTSWITH", "ENDSWITH"].contains(&self.word().as_str()) {
                let how = self.word();
                self.at += 1;
                let wanted = self.text();
                left = Java::Boolean(match &left {
                    Java::String(_) if wanted.is_empty() => false,
                    Java::String(value) => {
                        let found = match how.as_str() {
                            "CONTAINS" => value.contains(&wanted),
                            "STARTSWITH" => value.starts_with(&wanted),
                            _ => value.ends_with(&wanted),
                        };
                        found != is_not
                    }
                    _ => false,
                });
            } else {
                return Ok(left);
            }
        }
    }

    fn ranged(&self, left: &Java, sign: &str, right: &Java) -> Result {
        if self.skipping > 0 || *left == Java::Null || *right == Java::Null {
            return Ok(Java::Null);
        }
        let ordering = match (left, right) {
            (Java::String(left), Java::String(right)) => sign_of(to_double(left)?, to_double(right)?),
            _ => compare(left, right)?,
        };
        Ok(Java::Boolean(match sign {
            ">" => ordering > 0,
            ">=" => ordering >= 0,
            "<" => ordering < 0,
            _ => ordering <= 0,
        }))
    }

    fn unary(&mut self) -> Result {
        if self.next_is("+") {
            return self.unary();
        }
        if self.next_is("-") {
            return Ok(match self.unary()? {
                Java::Integer(number) => Java::Integer(number.wrapping_neg()),
                Java::Long(number) => Java::Long(number.wrapping_neg()),
                Java::Double(number) => Java::Double(-number),
                _ => Java::Null,
            });
        }
        if self.next_is("NOT") {
            return self.unary().map(as_boolean).map(not);
        }
        if self.next_is("(") {
            let inside = self.or();
            assert!(self.next_is(")") || inside.is_err());
            return inside;
        }
        let raw = self.words[self.at].clone();
        if raw.starts_with('\'') {
            return Ok(Java::String(self.text()));
        }
        self.at += 1;
        Ok(match raw.to_uppercase().as_str() {
            "TRUE" => Java::Boolean(true),
            "FALSE" => Java::Boolean(false),
            "NULL" => Java::Null,
            number if number.as_bytes()[0].is_ascii_digit() => literal(number),
            _ => self.properties.get(&raw).map_or(Java::Null, |value| Java::String(value.clone())),
        })
    }

    fn text(&mut self) -> String {
        let word = &self.words[self.at];
        self.at += 1;
        word[1..word.len() - 1].replace("''", "'")
    }
}

fn not(value: Java) -> Java {
    if let Java::Boolean(value) = value { Java::Boolean(!value) } else { Java::Null }
}

fn literal(number: &str) -> Java {
    if number.contains(['.', 'E']) {
        return Java::Double(number.parse().unwrap());
    }
    let long: i64 = number.trim_end_matches('L').parse().unwrap();
    if i64::from(long as i32) == long { Java::Integer(long as i32) } else { Java::Long(long) }
}

fn to_double(text: &str) -> std::result::Result<f64, Thrown> {
    let trimmed = text.trim();
    let known = trimmed.chars().all(|c| "0123456789.eE+-".contains(c));
    if !known { Err(Thrown) } else { trimmed.parse().map_err(|_| Thrown) }
}

fn sign_of(left: f64, right: f64) -> i32 {
    if left < right || (left == right && left.is_sign_negative() && right.is_sign_positive()) {
        -1
    } else if left == right && left.is_sign_negative() == right.is_sign_negative() {
        0
    } else {
        1
    }
}

/// The sign of a comparison. A text becomes what the other side is.
fn compare(left: &Java, right: &Java) -> std::result::Result<i32, Thrown> {
    if let (Java::String(_), Java::Boolean(_) | Java::Integer(_) | Java::Long(_) | Java::Double(_)) = (left, right) {
        return compare(&like(left, right)?, right);
    }
    if let (Java::Integer(_) | Java::Long(_) | Java::Double(_), Java::String(_)) = (left, right) {
        return compare(left, &like(right, left)?);
    }
    Ok(match (left, right) {
        (Java::Boolean(_), Java::String(_)) => return Err(Thrown),
        (Java::Boolean(left), Java::Boolean(right)) => i32::from(*left) - i32::from(*right),
        (Java::Integer(left), Java::Integer(right)) => (left > right) as i32 - (left < right) as i32,
        (Java::Double(_), Java::Integer(_) | Java::Long(_) | Java::Double(_))
        | (Java::Integer(_) | Java::Long(_), Java::Double(_)) => sign_of(wide(left), wide(right)),
        (Java::Integer(_) | Java::Long(_), Java::Integer(_) | Java::Long(_)) => {
            let long = |value: &Java| match value {
                Java::Integer(number) => i64::from(*number),
                Java::Long(number) => *number,
                _ => unreachable!(),
            };
            (long(left) > long(right)) as i32 - (long(left) < long(right)) as i32
        }
        _ => -1,
    })
}

fn wide(value: &Java) -> f64 {
    match value {
        Java::Integer(number) => f64::from(*number),
        Java::Long(number) => *number as f64,
        Java::Double(number) => *number,
        _ => unreachable!(),
    }
}

fn like(value: &Java, other: &Java) -> Result {
    let Java::String(text) = value else { unreachable!() };
    Ok(match other {
        Java::Boolean(_) => Java::Boolean(text.to_lowercase() == "true"),
        Java::Integer(_) => Java::Integer(text.parse().map_err(|_| Thrown)?),
        Java::Long(_) => Java::Long(text.parse().map_err(|_| Thrown)?),
        _ => Java::Double(to_double(text)?),
    })
}
