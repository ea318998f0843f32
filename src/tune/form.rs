//! The small forms of a wanted number: `clamp(128 * shards, 256, 1023)`. Not a language: no names of one's own.
//!
//! Whole numbers; the result saturates, and a division by zero is an error of the row.

use super::machine::Machine;

/// The number that a form stands for on this machine.
pub(super) fn value(form: &str, machine: &Machine) -> Result<u64, String> {
    let mut reader = Reader { rest: form.trim(), machine };
    let value = reader.sum().map_err(|reason| format!("'{form}': {reason}"))?;
    if !reader.rest.is_empty() {
        return Err(format!("'{form}': '{}' is not understood", reader.rest));
    }
    Ok(value)
}

struct Reader<'a> {
    rest: &'a str,
    machine: &'a Machine,
}

impl<'a> Reader<'a> {
    fn sum(&mut self) -> Result<u64, String> {
        let mut value = self.product()?;
        loop {
            if self.eat('+') {
                value = value.saturating_add(self.product()?);
            } else if self.eat('-') {
                value = value.saturating_sub(self.product()?);
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<u64, String> {
        let mut value = self.factor()?;
        loop {
            if self.eat('*') {
                value = value.saturating_mul(self.factor()?);
            } else if self.eat('/') {
                value = value.checked_div(self.factor()?).ok_or("division by zero")?;
            } else {
                return Ok(value);
            }
        }
    }

    fn factor(&mut self) -> Result<u64, String> {
        let digits = self.take(|letter| letter.is_ascii_digit());
        if !digits.is_empty() {
            let number: u64 = digits.parse().map_err(|_| format!("{digits} is too large"))?;
            // 16MiB, without a sign between.
            let unit = if self.rest.starts_with(char::is_alphabetic) { self.factor()? } else { 1 };
            return Ok(number.saturating_mul(unit));
        }
        let word = self.take(|letter| letter.is_ascii_alphabetic());
        let arguments = if ["min", "max", "clamp"].contains(&word) { self.arguments()? } else { Vec::new() };
        match (word, arguments.as_slice()) {
            ("cores", _) => Ok(self.machine.cores),
            ("memory", _) => Ok(self.machine.memory_bytes),
            ("shards", _) => Ok(self.machine.shards),
            ("KiB", _) => Ok(1 << 10),
            ("MiB", _) => Ok(1 << 20),
            ("GiB", _) => Ok(1 << 30),
            ("min", [a, b]) => Ok(*a.min(b)),
            ("max", [a, b]) => Ok(*a.max(b)),
            ("clamp", [value, low, high]) if low <= high => Ok(*value.clamp(low, high)),
            _ => Err(format!("'{word}{}' is not understood", self.rest)),
        }
    }

    fn arguments(&mut self) -> Result<Vec<u64>, String> {
        let mut arguments = Vec::new();
        if !self.eat('(') {
            return Err("a '(' is missing".to_string());
        }
        loop {
            arguments.push(self.sum()?);
            if self.eat(')') {
                return Ok(arguments);
            }
            if !self.eat(',') {
                return Err("a ')' is missing".to_string());
            }
        }
    }

    fn eat(&mut self, sign: char) -> bool {
        let after = self.rest.trim_start().strip_prefix(sign);
        self.rest = after.map_or(self.rest, str::trim_start);
        after.is_some()
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|letter| !belongs(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = if taken.is_empty() { rest } else { rest.trim_end() };
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(form: &str) -> Result<u64, String> {
        value(form, &Machine { kernel: "6.1.0".to_string(), cores: 8, memory_bytes: 16 << 30, shards: 6 })
    }

    #[test]
    fn forms_are_numbers_of_the_machine() {
        for (form, number) in [
            ("4096", 4096),
            ("16MiB", 16 << 20),
            ("128 * shards", 768),
            ("max(262144, 65536 * shards)", 393_216),
            ("clamp(memory / KiB / 100, 65536, 524288)", 167_772),
            ("max(2048, 32768 / cores)", 4096),
            ("2 + 3*4 - 1", 13),
            ("min(1GiB, memory)", 1 << 30),
        ] {
            assert_eq!(of(form), Ok(number), "{form}");
        }
    }

    #[test]
    fn what_is_no_form_is_named() {
        for form in ["", "many", "1 +", "max(1", "max(1, 2, 3)", "4 / 0", "clamp(1, 9, 2)", "12 34", "shards()"] {
            assert!(of(form).is_err(), "{form}: {:?}", of(form));
        }
    }
}
