//! One message against an expression: a single pass over its properties finds what the expression names, then the tree
//! is walked, left to right, no further than the answer needs.
//!
//! Cost sketch: finding the names is nearly all of it, some 10 ns for each property that the message has.

use std::cmp::Ordering;

use memchr::memchr_iter;

use super::tree::{Expr, Order, Place};
use super::value::{Fault, Value, compare, compare_doubles, double};
use super::{NAMES_MAX, Outcome};
use crate::record::{NAME_END, VALUE_END};

/// So many names cost no more than their own place on the stack.
const NAMES_FEW: usize = 8;

pub(super) fn evaluate(root: &Expr, names: &[Box<[u8]>], properties: &[u8]) -> Outcome {
    let mut few = [None; NAMES_FEW];
    let mut many;
    let found = if names.len() <= NAMES_FEW {
        &mut few[..names.len()]
    } else {
        many = [None; NAMES_MAX];
        &mut many[..names.len()]
    };
    if !names.is_empty() {
        find(names, properties, found);
    }
    match (Message { found }).value(root) {
        Ok(Value::Bool(true)) => Outcome::True,
        Ok(Value::Bool(false)) => Outcome::False,
        Ok(_) => Outcome::Null,
        Err(Fault) => Outcome::Fault,
    }
}

/// As `record::entries` reads them, but only the ends of entries are searched for: whether one begins with a name that is
/// wanted shows without knowing where its own ends. Of two properties with one name the last counts.
fn find<'m>(names: &[Box<[u8]>], properties: &'m [u8], found: &mut [Option<&'m [u8]>]) {
    let mut start = 0;
    for end in memchr_iter(VALUE_END, properties).chain([properties.len()]) {
        let entry = &properties[start..end];
        start = (end + 1).min(properties.len());
        for (name, found) in names.iter().zip(&mut *found) {
            // A name without a value does not count.
            if entry.len() > name.len() + 1 && entry[name.len()] == NAME_END && entry[..name.len()] == **name {
                *found = Some(&entry[name.len() + 1..]);
                break;
            }
        }
    }
}

/// One message: the values of the properties that the expression names.
struct Message<'m> {
    found: &'m [Option<&'m [u8]>],
}

impl<'m> Message<'m> {
    fn value(&self, expr: &'m Expr) -> Result<Value<'m>, Fault> {
        Ok(match expr {
            Expr::Null => Value::Null,
            Expr::Bool(value) => Value::Bool(*value),
            Expr::Text(text) => Value::Text(text.as_bytes()),
            Expr::Int(number) => Value::Int(*number),
            Expr::Long(number) => Value::Long(*number),
            Expr::Double(number) => Value::Double(*number),
            Expr::Property(property) => self.found[*property].map_or(Value::Null, Value::Text),
            Expr::Negate(of) => match self.value(of)? {
                Value::Int(number) => Value::Int(number.wrapping_neg()),
                Value::Long(number) => Value::Long(number.wrapping_neg()),
                Value::Double(number) => Value::Double(-number),
                Value::Null | Value::Bool(_) | Value::Text(_) => Value::Null,
            },
            Expr::Not(_)
            | Expr::Cast(_)
            | Expr::All(_)
            | Expr::Any(_)
            | Expr::Equal(..)
            | Expr::Order(..)
            | Expr::Between { .. }
            | Expr::In { .. }
            | Expr::Search { .. } => self.truth(expr)?.map_or(Value::Null, Value::Bool),
        })
    }

    /// Of what is TRUE, FALSE or, as `None`, null.
    fn truth(&self, expr: &'m Expr) -> Result<Option<bool>, Fault> {
        Ok(match expr {
            Expr::Not(of) => self.truth(of)?.map(|of| !of),
            // A property is never a boolean, so it is not TRUE.
            Expr::Cast(property) => self.found[*property].map(|_| false),
            Expr::All(parts) => self.chain(parts, false)?,
            Expr::Any(parts) => self.chain(parts, true)?,
            Expr::Equal(left, right) => equal(self.value(left)?, self.value(right)?)?,
            Expr::Order(order, left, right) => self.order(*order, self.value(left)?, right)?,
            Expr::Between { not, parts } => {
                let [value, low, high] = &**parts;
                let value = self.value(value)?;
                let (with_low, with_high) = match not {
                    false => (Order::GreaterEqual, Order::LessEqual),
                    true => (Order::Less, Order::Greater),
                };
                let decided = Some(*not);
                let first = self.order(with_low, value, low)?;
                if first == decided {
                    return Ok(decided);
                }
                let second = self.order(with_high, value, high)?;
                if second == decided { decided } else { first.and(second) }
            }
            Expr::In { not, property, values } => self.found[*property].map(|value| is_listed(values, value) != *not),
            Expr::Search { not, place, value, wanted } => match self.value(value)? {
                // Without a text to look in, or for, both CONTAINS and NOT CONTAINS are FALSE.
                Value::Text(text) if !wanted.needle().is_empty() => Some(
                    match place {
                        Place::Anywhere => wanted.find(text).is_some(),
                        Place::Start => text.starts_with(wanted.needle()),
                        Place::End => text.ends_with(wanted.needle()),
                    } != *not,
                ),
                _ => Some(false),
            },
            Expr::Bool(value) => Some(*value),
            Expr::Null => None,
            Expr::Text(_) | Expr::Int(_) | Expr::Long(_) | Expr::Double(_) | Expr::Property(_) | Expr::Negate(_) => {
                unreachable!("the parser lets only booleans be operands of AND, OR and NOT")
            }
        })
    }

    /// AND, which a FALSE decides, or OR, which a TRUE does.
    fn chain(&self, parts: &'m [Expr], decides: bool) -> Result<Option<bool>, Fault> {
        let mut result = Some(!decides);
        for part in parts {
            match self.truth(part)? {
                Some(value) if value == decides => return Ok(Some(decides)),
                Some(_) => {}
                None => result = None,
            }
        }
        Ok(result)
    }

    /// Null on the left is enough: the right side is not looked at then, and so cannot be a fault.
    fn order(&self, order: Order, left: Value<'m>, right: &'m Expr) -> Result<Option<bool>, Fault> {
        if let Value::Null = left {
            return Ok(None);
        }
        let ordering = match (left, self.value(right)?) {
            (_, Value::Null) => return Ok(None),
            (Value::Text(left), Value::Text(right)) => compare_doubles(double(left)?, double(right)?),
            (left, right) => compare(left, right)?,
        };
        Ok(Some(match order {
            Order::Greater => ordering == Ordering::Greater,
            Order::GreaterEqual => ordering != Ordering::Less,
            Order::Less => ordering == Ordering::Less,
            Order::LessEqual => ordering != Ordering::Greater,
        }))
    }
}

/// Two nulls are equal, which is how IS NULL works; a null on the right alone is not equal, one on the left is null.
fn equal(left: Value<'_>, right: Value<'_>) -> Result<Option<bool>, Fault> {
    Ok(match (left, right) {
        (Value::Null, Value::Null) => Some(true),
        (Value::Null, _) => None,
        (_, Value::Null) => Some(false),
        (left, right) => Some(compare(left, right)? == Ordering::Equal),
    })
}

/// Values from which on an IN is sorted by the parser.
pub(super) const SORTED_FROM: usize = 8;

fn is_listed(values: &[Box<str>], value: &[u8]) -> bool {
    if values.len() < SORTED_FROM {
        return values.iter().any(|listed| listed.as_bytes() == value);
    }
    values.binary_search_by(|listed| listed.as_bytes().cmp(value)).is_ok()
}
