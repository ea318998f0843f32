//! SQL92 expressions over a message's properties, as RocketMQ reads them: `a > 5 AND b IN ('x', 'y')`.
//!
//! - `lexer`, `parser`: the text becomes a `tree::Expr`, checked as it is built;
//! - `evaluate`: the tree against the stored properties of one message, in three-valued logic;
//! - `value`: what can be compared with what, and how;
//! - `words`: what a client is told of an expression that cannot be, in the original's words.
//!
//! The corners were tried against RocketMQ 5.3.3 (`tests/oracle.txt`). Always true: neither a text nor a message makes
//! this panic, allocate without bound or recurse deeper than `DEPTH_MAX`; evaluating allocates nothing.
//!
//! Before: `filter::properties`; after: `record::properties`.

mod evaluate;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod tree;
mod value;
mod words;

use tree::Expr;
pub use words::BadExpression;

/// Longer texts are refused; they are kept once for each subscription and once for each core.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// How deep a tree may be: parsing, evaluating and dropping it recurse.
pub const DEPTH_MAX: usize = 64;
/// Different properties that one expression may name.
pub const NAMES_MAX: usize = 128;
/// Values that one IN may list.
pub const IN_MAX: usize = 4096;

/// A compiled expression. Plain data, used on the core that compiled it.
#[derive(Debug)]
pub struct Expression {
    names: Vec<Box<[u8]>>,
    root: Expr,
}

impl Expression {
    pub fn compile(text: &str) -> Result<Expression, BadExpression> {
        parser::parse(text)
    }

    /// Whether a message with these properties, as they are stored, is wanted: only TRUE wants it. What cannot be
    /// evaluated, such as a text where a number is needed, wants nothing, whatever the rest of the expression says.
    pub fn matches(&self, properties: &[u8]) -> bool {
        self.evaluate(properties) == Outcome::True
    }

    fn evaluate(&self, properties: &[u8]) -> Outcome {
        evaluate::evaluate(&self.root, &self.names, properties)
    }
}

/// What became of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    True,
    False,
    /// Neither: something that is needed is missing.
    Null,
    /// Values that cannot be compared, where the original throws.
    Fault,
}
