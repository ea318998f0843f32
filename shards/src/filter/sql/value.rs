//! Values while an expression is evaluated, and how two of them compare: Java's rules, as the original's `__compare` has them.
//!
//! A text meets a number as a number of the other side's type: `5` wants an int of 32 bits, `3000000000` one of 64,
//! `5.0` a double. What does not parse is a fault.

use std::cmp::Ordering;

/// Borrowed from the message or from the expression.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Text(&'a [u8]),
    Int(i32),
    Long(i64),
    Double(f64),
}

/// Values that cannot be compared: the original throws, and the message is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault;

/// Neither is null. Types that have nothing in common compare as less, as ever.
pub(super) fn compare(left: Value<'_>, right: Value<'_>) -> Result<Ordering, Fault> {
    use Value::{Bool, Double, Int, Long, Null, Text};
    Ok(match (left, right) {
        (Null, _) | (_, Null) => Ordering::Less,
        (Bool(left), Bool(right)) => left.cmp(&right),
        (Text(left), Text(right)) => left.cmp(right),
        (Int(left), Int(right)) => left.cmp(&right),
        (Long(left), Long(right)) => left.cmp(&right),
        (Int(left), Long(right)) => i64::from(left).cmp(&right),
        (Long(left), Int(right)) => left.cmp(&i64::from(right)),
        (Double(left), Double(right)) => compare_doubles(left, right),
        (Double(left), Int(right)) => compare_doubles(left, f64::from(right)),
        (Int(left), Double(right)) => compare_doubles(f64::from(left), right),
        (Double(left), Long(right)) => compare_doubles(left, right as f64),
        (Long(left), Double(right)) => compare_doubles(left as f64, right),
        (Text(left), Bool(right)) => left.eq_ignore_ascii_case(b"true").cmp(&right),
        // The original casts the wrong side.
        (Bool(_), Text(_)) => return Err(Fault),
        (Bool(_), Int(_) | Long(_) | Double(_)) | (Int(_) | Long(_) | Double(_), Bool(_)) => Ordering::Less,
        (Text(left), Int(right)) => int(left)?.cmp(&right),
        (Text(left), Long(right)) => long(left)?.cmp(&right),
        (Text(left), Double(right)) => compare_doubles(double(left)?, right),
        (Int(left), Text(right)) => left.cmp(&int(right)?),
        (Long(left), Text(right)) => left.cmp(&long(right)?),
        (Double(left), Text(right)) => compare_doubles(left, double(right)?),
    })
}

/// `Double.compare`: -0 is less than 0; NaN, of which there is only the positive one here, is more than everything.
pub(super) fn compare_doubles(left: f64, right: f64) -> Ordering {
    left.total_cmp(&right)
}

/// `Integer.valueOf`, of digits that are ASCII.
fn int(text: &[u8]) -> Result<i32, Fault> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Fault)
}

fn long(text: &[u8]) -> Result<i64, Fault> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Fault)
}

/// `Double.valueOf`, without its hexadecimal numbers: blanks around it, `NaN`, `Infinity`, a type's letter behind it.
pub(super) fn double(text: &[u8]) -> Result<f64, Fault> {
    let is_blank = |byte: &u8| *byte <= b' ';
    let start = text.iter().position(|byte| !is_blank(byte)).ok_or(Fault)?;
    let end = text.iter().rposition(|byte| !is_blank(byte)).ok_or(Fault)?;
    let text = &text[start..=end];
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    match unsigned {
        b"NaN" => return Ok(f64::NAN),
        b"Infinity" if text[0] == b'-' => return Ok(f64::NEG_INFINITY),
        b"Infinity" => return Ok(f64::INFINITY),
        _ => {}
    }
    let text = match text {
        [number @ .., b'f' | b'F' | b'd' | b'D'] => number,
        _ => text,
    };
    // Rust has names for numbers that Java does not have.
    if !text.iter().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte)) {
        return Err(Fault);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Fault)
}
