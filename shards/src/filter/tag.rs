//! Tag expressions: `*`, or `a || b`, compared by Java's `String.hashCode`.
//!
//! Must agree with FilterAPI of the Java client to the last corner: what it parses decides which messages a consumer
//! gets. Its corners, tried against 5.3.3: null, empty and `*` are everything, but ` ` and ` * ` are not (no tag at all,
//! and the tag `*`); `||` alone is an error, `|| ` is not; empty parts are dropped.
//!
//! Before: `broker::pull` (the request's expression) or `filter::subscription`; after: `queue`, entry by entry.

use std::fmt;

/// So many codes fit without an allocation, as nearly every subscription does.
const CODES_INLINE: usize = 8;

/// Which entries of a consume queue may interest a consumer, by their tag code.
#[derive(Clone, Debug)]
pub struct TagFilter(Codes);

#[derive(Clone, Debug)]
enum Codes {
    All,
    Few {
        len: u8,
        codes: [i32; CODES_INLINE],
    },
    /// Sorted, without repetitions.
    Many(Vec<i32>),
}

impl TagFilter {
    /// Every message, with tags or without.
    pub const ALL: TagFilter = TagFilter(Codes::All);

    /// The filter of an expression.
    pub fn parse(expression: &str) -> Result<TagFilter, BadTagExpression> {
        if is_all(expression) {
            return Ok(TagFilter::ALL);
        }
        let mut filter = TagFilter(Codes::Few { len: 0, codes: [0; CODES_INLINE] });
        for tag in tags(expression)? {
            filter.insert(java_hash(tag));
        }
        Ok(filter)
    }

    /// The filter of a set of codes, as a heartbeat brings them.
    pub fn of_codes(codes: impl IntoIterator<Item = i32>) -> TagFilter {
        let mut filter = TagFilter(Codes::Few { len: 0, codes: [0; CODES_INLINE] });
        for code in codes {
            filter.insert(code);
        }
        filter
    }

    /// Whether a message with this tag code (as stored in the consume queue) may interest the consumer.
    pub fn matches(&self, tags_code: i64) -> bool {
        // Java compares the low 32 bits: `tagsCode.intValue()`.
        let code = tags_code as i32;
        match &self.0 {
            Codes::All => true,
            Codes::Few { len, codes } => codes[..usize::from(*len)].contains(&code),
            Codes::Many(codes) => codes.binary_search(&code).is_ok(),
        }
    }

    pub fn is_all(&self) -> bool {
        matches!(self.0, Codes::All)
    }

    fn insert(&mut self, code: i32) {
        match &mut self.0 {
            Codes::All => {}
            Codes::Few { len, codes } => {
                let used = usize::from(*len);
                if codes[..used].contains(&code) {
                    return;
                }
                if used < CODES_INLINE {
                    codes[used] = code;
                    *len += 1;
                    return;
                }
                let mut many = codes.to_vec();
                many.push(code);
                many.sort_unstable();
                self.0 = Codes::Many(many);
            }
            Codes::Many(codes) => {
                if let Err(place) = codes.binary_search(&code) {
                    codes.insert(place, code);
                }
            }
        }
    }
}

/// An expression that names no tag although it has separators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTagExpression;

impl fmt::Display for BadTagExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("subString split error")
    }
}

impl std::error::Error for BadTagExpression {}

/// What a stored message's tags become in the consume queue; 0 without tags.
pub fn tags_code(tags: &str) -> i64 {
    i64::from(java_hash(tags))
}

/// `String.hashCode`: over UTF-16 units, wrapping.
pub fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

pub(super) fn is_all(expression: &str) -> bool {
    expression.is_empty() || expression == "*"
}

/// The parts of an expression that is not "everything", trimmed as Java trims, without empty ones.
pub(super) fn tags(expression: &str) -> Result<impl Iterator<Item = &str>, BadTagExpression> {
    // Java's `split` drops empty strings at the end; when nothing remains there was no tag to be had.
    if expression.split("||").all(str::is_empty) {
        return Err(BadTagExpression);
    }
    // Java's `trim` takes every character up to the space, not only white space.
    let parts = expression.split("||").map(|part| part.trim_matches(|c: char| c <= ' '));
    Ok(parts.filter(|part| !part.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line as FilterAPI of the Java client 5.3.3 answers it.
    #[test]
    fn expressions_are_read_as_java_reads_them() {
        let table: &[(&str, &[&str])] = &[
            (" ", &[]),
            ("|", &["|"]),
            ("a||b", &["a", "b"]),
            ("a || b ||", &["a", "b"]),
            ("|| ", &[]),
            ("a|||b", &["a", "|b"]),
            (" * ", &["*"]),
            ("||a", &["a"]),
            ("\u{1}a\t||\u{a0}b", &["a", "\u{a0}b"]),
        ];
        for (expression, expected) in table {
            let found: Vec<&str> = tags(expression).unwrap().collect();
            assert_eq!(found, *expected, "{expression:?}");
        }
        assert_eq!(TagFilter::parse("||").unwrap_err().to_string(), "subString split error");
        assert!(TagFilter::parse("||||").is_err());
        assert!(TagFilter::parse("").unwrap().is_all());
        assert!(TagFilter::parse("*").unwrap().is_all());
        assert!(!TagFilter::parse(" * ").unwrap().is_all());
    }

    #[test]
    fn hashes_are_javas() {
        for (text, hash) in
            [("", 0), ("TagA", 2598919), ("标签", 857175), ("🙂", 1772965), ("a", 97), ("polygenelubricants", i32::MIN)]
        {
            assert_eq!(java_hash(text), hash, "{text}");
        }
    }

    #[test]
    fn a_filter_compares_the_low_bits_of_the_code() {
        let filter = TagFilter::parse("TagA || TagB").unwrap();
        assert!(filter.matches(tags_code("TagA")));
        assert!(filter.matches(0x7fff_ffff_0000_0000 | 2598919));
        assert!(!filter.matches(tags_code("TagC")));
        assert!(!filter.matches(0), "a message without tags is not wanted");
        assert!(TagFilter::ALL.matches(0));
        assert!(!TagFilter::parse(" ").unwrap().matches(0), "no tag at all matches nothing");
    }

    #[test]
    fn many_tags_spill_into_a_sorted_set() {
        let names: Vec<String> = (0..100).map(|n| format!("tag{}", n % 50)).collect();
        let filter = TagFilter::parse(&names.join("||")).unwrap();
        for name in &names {
            assert!(filter.matches(tags_code(name)), "{name}");
        }
        assert!(!filter.matches(tags_code("tag50")));
        let Codes::Many(codes) = &filter.0 else { panic!("50 codes fit nowhere else") };
        assert_eq!(codes.len(), 50);
    }
}
