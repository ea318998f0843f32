//! What a consumer wants by its messages' properties: as it crosses cores, and ready to be used on one.
//!
//! A filter is only made of expressions that compile, so whoever gets one need not ask again. Expressions are compiled
//! once for each core that meets them, and kept by their text: a pull looks its own up.
//!
//! Before: `broker::pull` makes a `PropertyFilter`; after: `runtime::reader`, `queue::waiters` ask a `RecordFilter`.

use std::rc::Rc;

use hashbrown::HashMap;

use super::TagFilter;
use super::sql::{BadExpression, Expression};
use crate::record::{Record, property};

/// Where a message in a retry topic comes from.
const RETRY_TOPIC: &str = "RETRY_TOPIC";

/// Texts of compiled expressions that are kept, twice over: in use, and in use a while ago.
const TEXT_BYTES_KEPT: usize = 1 << 20;

/// Plain data that crosses cores with a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyFilter(Wanted<String>);

/// The same on the core of the queue.
#[derive(Clone, Debug)]
pub struct RecordFilter(Wanted<Rc<Expression>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted<E> {
    Matching(E),
    /// filterSupportRetry: of a retry topic, each message by what the group wants of the topic that it comes from. From
    /// other topics everything is wanted.
    Retried(Vec<(String, E)>),
}

impl PropertyFilter {
    pub fn matching(expression: &str, expressions: &mut Expressions) -> Result<PropertyFilter, BadExpression> {
        expressions.get(expression)?;
        Ok(PropertyFilter(Wanted::Matching(expression.to_owned())))
    }

    /// For a retry topic: topics and what the group wants of them. An expression that cannot be wants everything, as with
    /// the original, which has nothing to compare with then.
    pub fn retried<'a>(subscriptions: impl Iterator<Item = (&'a str, &'a str)>, expressions: &mut Expressions) -> PropertyFilter {
        let good = subscriptions.filter(|(_, expression)| expressions.get(expression).is_ok());
        PropertyFilter(Wanted::Retried(good.map(|(topic, expression)| (topic.to_owned(), expression.to_owned())).collect()))
    }

    pub fn compiled(&self, expressions: &mut Expressions) -> RecordFilter {
        let mut compile = |text: &String| expressions.get(text).expect("a filter is made of what compiles");
        RecordFilter(match &self.0 {
            Wanted::Matching(text) => Wanted::Matching(compile(text)),
            Wanted::Retried(topics) => {
                Wanted::Retried(topics.iter().map(|(topic, text)| (topic.clone(), compile(text))).collect())
            }
        })
    }
}

impl RecordFilter {
    /// Whether a message with these properties, as they are stored, is wanted. Allocates nothing.
    pub fn wants(&self, properties: &[u8]) -> bool {
        match &self.0 {
            Wanted::Matching(expression) => expression.matches(properties),
            Wanted::Retried(topics) => {
                let from = property(properties, RETRY_TOPIC);
                let expression = from.and_then(|from| topics.iter().find(|(topic, _)| topic.as_bytes() == from));
                expression.is_none_or(|(_, expression)| expression.matches(properties))
            }
        }
    }

    /// The same of a whole record. Bytes that are none are wanted: whoever takes them finds out what they are.
    pub fn wants_record(&self, bytes: &[u8]) -> bool {
        Record::parse(bytes).map_or(true, |record| self.wants(record.properties()))
    }
}

/// Whether a record is one that a subscription wants: by the hash of its tags, then by its properties. What pulls and POP
/// ask of a record that they have at hand; that clients compare the text of the tags again is theirs to do.
pub fn wants(tags: &TagFilter, properties: Option<&RecordFilter>, record: &Record<'_>) -> bool {
    (tags.is_all() || tags.matches(record.tags_code())) && properties.is_none_or(|filter| filter.wants(record.properties()))
}

/// Compiled expressions of one core, by their text. Bounded: what has not been asked for in a long while is forgotten.
#[derive(Debug, Default)]
pub struct Expressions {
    recent: HashMap<Box<str>, Rc<Expression>>,
    recent_bytes: usize,
    older: HashMap<Box<str>, Rc<Expression>>,
}

impl Expressions {
    pub fn get(&mut self, text: &str) -> Result<Rc<Expression>, BadExpression> {
        if let Some(expression) = self.recent.get(text) {
            return Ok(expression.clone());
        }
        let expression = match self.older.remove(text) {
            Some(expression) => expression,
            None => Rc::new(Expression::compile(text)?),
        };
        if self.recent_bytes + text.len() > TEXT_BYTES_KEPT {
            self.older = std::mem::take(&mut self.recent);
            self.recent_bytes = 0;
        }
        self.recent_bytes += text.len();
        self.recent.insert(text.into(), expression.clone());
        Ok(expression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_made_of_expressions_that_compile() {
        let mut expressions = Expressions::default();
        assert!(PropertyFilter::matching("a >", &mut expressions).is_err());
        let filter = PropertyFilter::matching("a > 5", &mut expressions).unwrap();
        // Another core has compiled nothing yet.
        let filter = filter.compiled(&mut Expressions::default());
        assert!(filter.wants(b"a\x016\x02"));
        assert!(!filter.wants(b"a\x015\x02"));
        assert!(filter.wants_record(b"no record at all"));
    }

    #[test]
    fn retried_messages_are_compared_by_where_they_come_from() {
        let mut expressions = Expressions::default();
        let subscriptions = [("orders", "a > 5"), ("bad", "a >")];
        let filter = PropertyFilter::retried(subscriptions.into_iter(), &mut expressions).compiled(&mut expressions);
        let of = |topic: &str, value: u8| format!("a\u{1}{value}\u{2}RETRY_TOPIC\u{1}{topic}\u{2}").into_bytes();
        assert!(filter.wants(&of("orders", 6)));
        assert!(!filter.wants(&of("orders", 5)));
        assert!(filter.wants(&of("bad", 5)), "nothing to compare with");
        assert!(filter.wants(&of("others", 5)));
        assert!(filter.wants(b"a\x015\x02"));
    }

    #[test]
    fn an_expression_is_compiled_once_and_kept_while_it_is_used() {
        let mut expressions = Expressions::default();
        let first = expressions.get("a > 5").unwrap();
        assert!(Rc::ptr_eq(&first, &expressions.get("a > 5").unwrap()));
        for number in 0..3 * TEXT_BYTES_KEPT / 1000 {
            expressions.get(&format!("a = '{number:0>1000}'")).unwrap();
            if number % 100 == 0 {
                assert!(Rc::ptr_eq(&first, &expressions.get("a > 5").unwrap()), "used all the time");
            }
            assert!(expressions.recent_bytes <= TEXT_BYTES_KEPT);
        }
        assert!(expressions.recent.len() + expressions.older.len() <= 2 * TEXT_BYTES_KEPT / 1000);
    }
}
