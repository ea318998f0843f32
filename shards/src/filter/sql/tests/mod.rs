//! Expressions against what the original makes of them, against an evaluator of another kind, and against their bounds.

mod bounds;
mod oracle;
mod random;
mod slow;
