//! What is hostile is refused in words; nothing panics or overflows the stack.

use super::super::{DEPTH_MAX, Expression, IN_MAX, NAMES_MAX, TEXT_BYTES_MAX};
use super::oracle::{outcome, stored};

fn words(expression: &str) -> String {
    Expression::compile(expression).unwrap_err().to_string()
}

/// The whole of `Expression::compile` must do with as little stack as a task may have left.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(1 << 20).spawn(test).unwrap().join().unwrap();
}

#[test]
fn depth_is_bounded_however_it_comes_about() {
    on_a_small_stack(|| {
        let deep = 2000;
        for expression in [
            "(".repeat(deep),
            "NOT ".repeat(deep),
            "-".repeat(deep),
            "+".repeat(deep),
            format!("a = 1{}", " = TRUE".repeat(deep)),
            format!("a{}", " IS NULL".repeat(deep)),
            format!("a{}", " CONTAINS 'x'".repeat(deep)),
            format!("{}a = 1{}", "(".repeat(deep), ")".repeat(deep)),
            format!("{}a{}", "-(-(".repeat(deep), " BETWEEN 1 AND 2))".repeat(deep)),
        ] {
            assert!(words(&expression).contains("nested more than"), "{}", &expression[..20]);
        }
    });
}

#[test]
fn the_deepest_that_is_allowed_evaluates() {
    on_a_small_stack(|| {
        let nested = DEPTH_MAX - 3;
        let expression = format!("{}a = 1{}", "(".repeat(nested), ")".repeat(nested));
        assert_eq!(outcome(&expression, b"a\x011\x02"), "true");
        let chain = format!("a = 1{}", " = TRUE".repeat(nested));
        assert_eq!(outcome(&chain, b"a\x011\x02"), "true");
        let negated = format!("{}5 = a", "-".repeat(nested));
        assert_eq!(outcome(&negated, b"a\x01-5\x02"), "true");
    });
}

#[test]
fn long_chains_are_not_deep() {
    let chain: Vec<String> = (0..3000).map(|number| format!("a = {number}")).collect();
    let expression = chain.join(" OR ");
    assert_eq!(outcome(&expression, b"a\x012999\x02"), "true");
    assert_eq!(outcome(&expression, b"a\x013000\x02"), "false");
}

#[test]
fn other_bounds_are_told() {
    let long = format!("a = '{}'", "x".repeat(TEXT_BYTES_MAX));
    assert!(words(&long).contains("bytes; make it no longer than"));
    let names: Vec<String> = (0..=NAMES_MAX).map(|name| format!("n{name} = 1")).collect();
    assert!(words(&names.join(" AND ")).contains("properties; name fewer"));
    let values = vec!["'x'"; IN_MAX + 1].join(",");
    assert!(words(&format!("a IN ({values})")).contains("split it with OR"));
}

#[test]
fn as_many_names_as_are_allowed_are_found() {
    let names: Vec<String> = (0..NAMES_MAX).map(|name| format!("n{name} = {name}")).collect();
    let values: Vec<(String, String)> = (0..NAMES_MAX).map(|name| (format!("n{name}"), name.to_string())).collect();
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(outcome(&names.join(" AND "), &stored(&values)), "true");
    assert_eq!(outcome(&names.join(" AND "), &stored(&values[1..])), "null");
}

/// What an error shows of an expression can be far longer than the expression: each BETWEEN shows its value twice.
#[test]
fn words_are_no_longer_than_a_remark_may_be() {
    let nested = 40;
    let expression = format!("{}a{} AND 5", "-(-(".repeat(nested), " BETWEEN 1 AND 2))".repeat(nested));
    assert!(words(&expression).len() <= 2048);
    assert!(words(&format!("5 IN ('{}')", "ä".repeat(5000))).len() <= 2048);
    assert!(words(&"ä".repeat(5000)).len() <= 2048);
}

#[test]
fn a_long_list_is_found_in_as_well_as_a_short_one() {
    for count in [1, 2, 7, 8, 9, 100] {
        let values: Vec<String> = (0..count).rev().map(|value| format!("'v{value}'")).collect();
        let (listed, not) = (format!("a IN ({})", values.join(",")), format!("a NOT IN ({})", values.join(",")));
        for value in 0..count {
            let properties = stored(&[("a", &format!("v{value}"))]);
            assert_eq!((outcome(&listed, &properties), outcome(&not, &properties)), ("true", "false"));
        }
        let other = stored(&[("a", "w")]);
        assert_eq!((outcome(&listed, &other), outcome(&not, &other)), ("false", "true"));
    }
}

/// As the original reads stored properties: the last of one name counts, what has no name or no value does not.
#[test]
fn properties_are_read_as_they_are_stored() {
    for (properties, expected) in [
        (&b"a\x015\x02"[..], "true"),
        (b"a\x015", "true"),
        (b"a\x014\x02a\x015\x02", "true"),
        (b"a\x015\x02a\x014\x02", "false"),
        (b"a\x015\x02a\x01\x02", "true"),
        (b"ab\x015\x02", "null"),
        (b"", "null"),
        (b"a\x01\xff\xfe\x02", "fault"),
        (b"\x01\x02\x01\x01\x02\x02a", "null"),
    ] {
        assert_eq!(outcome("a = 5", properties), expected, "{properties:?}");
    }
}
