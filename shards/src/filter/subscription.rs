//! What a consumer says about one topic, in a heartbeat or with a pull.
//!
//! A heartbeat brings the fields ready-made and they are taken as they are, even where they contradict each other, as
//! RocketMQ does; a pull that carries its own expression is built here.
//!
//! Before: `broker::heartbeat`, `broker::pull`; after: `group::members`, `queue`.

use std::collections::BTreeSet;

use super::tag::{self, BadTagExpression, TagFilter};

/// How an expression is meant to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExpressionType {
    #[default]
    Tag,
    Sql92,
    /// A type we do not know is kept, so that whoever asks for the group's subscriptions sees what was sent.
    Other(String),
}

impl ExpressionType {
    /// Null and blank mean tags, as ever.
    pub fn from_name(name: &str) -> ExpressionType {
        match name.trim() {
            "" | "TAG" => ExpressionType::Tag,
            "SQL92" => ExpressionType::Sql92,
            _ => ExpressionType::Other(name.to_owned()),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            ExpressionType::Tag => "TAG",
            ExpressionType::Sql92 => "SQL92",
            ExpressionType::Other(name) => name,
        }
    }
}

/// RocketMQ's `SubscriptionData`. Plain data: it travels between cores in a group's view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionData {
    pub topic: String,
    /// The expression's text; `*` is everything.
    pub sub_string: String,
    pub tags_set: BTreeSet<String>,
    pub code_set: BTreeSet<i32>,
    /// Milliseconds when the consumer subscribed: the newer one of a topic wins.
    pub sub_version: i64,
    pub expression_type: ExpressionType,
    pub class_filter_mode: bool,
}

impl SubscriptionData {
    /// As FilterAPI builds it from a pull's fields. Expressions of other types are only carried, never read here.
    pub fn build(topic: &str, expression: &str, expression_type: ExpressionType) -> Result<SubscriptionData, BadTagExpression> {
        let mut subscription = SubscriptionData {
            topic: topic.to_owned(),
            sub_string: expression.to_owned(),
            expression_type,
            ..SubscriptionData::default()
        };
        match subscription.expression_type {
            ExpressionType::Sql92 | ExpressionType::Other(_) => {}
            ExpressionType::Tag if tag::is_all(expression) => subscription.sub_string = "*".to_owned(),
            ExpressionType::Tag => {
                for tag in tag::tags(expression)? {
                    subscription.tags_set.insert(tag.to_owned());
                    subscription.code_set.insert(tag::java_hash(tag));
                }
            }
        }
        Ok(subscription)
    }

    /// The filter by tag code. Class filters and other expression types pass every code: they look elsewhere.
    pub fn tag_filter(&self) -> TagFilter {
        match self.expression_type {
            ExpressionType::Sql92 | ExpressionType::Other(_) => TagFilter::ALL,
            ExpressionType::Tag if self.class_filter_mode => TagFilter::ALL,
            ExpressionType::Tag if tag::is_all(&self.sub_string) => TagFilter::ALL,
            ExpressionType::Tag => TagFilter::of_codes(self.code_set.iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulls_expression_becomes_a_subscription() {
        let built = SubscriptionData::build("orders", "TagA || b", ExpressionType::Tag).unwrap();
        assert_eq!(built.sub_string, "TagA || b");
        assert_eq!(Vec::from_iter(&built.tags_set), ["TagA", "b"]);
        assert_eq!(Vec::from_iter(built.code_set), [98, 2598919]);
        let all = SubscriptionData::build("orders", "", ExpressionType::Tag).unwrap();
        assert_eq!((all.sub_string.as_str(), all.tags_set.len()), ("*", 0));
        assert!(all.tag_filter().is_all());
        assert!(SubscriptionData::build("orders", "||", ExpressionType::Tag).is_err());
    }

    #[test]
    fn types_are_named_as_on_the_wire() {
        for (name, expected) in [("", "TAG"), ("TAG", "TAG"), ("SQL92", "SQL92"), ("XPATH", "XPATH")] {
            assert_eq!(ExpressionType::from_name(name).name(), expected);
        }
        let sql = SubscriptionData::build("orders", "a > 5", ExpressionType::Sql92).unwrap();
        assert!(sql.tag_filter().is_all(), "the tag code says nothing about properties");
    }

    /// A heartbeat's code set is believed, even beside a text that says otherwise.
    #[test]
    fn the_code_set_decides() {
        let odd = SubscriptionData { sub_string: "a".into(), code_set: [7].into(), ..SubscriptionData::default() };
        assert!(odd.tag_filter().matches(7));
        assert!(!odd.tag_filter().matches(97));
    }
}
