//! Random expressions and messages: the evaluator and the slow one must agree. Also random bytes: nothing may panic.

use std::collections::HashMap;

use super::super::Expression;
use super::oracle::{outcome, stored};
use super::slow;

/// splitmix64: one seed, one run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "TAGS"];
const VALUES: [&str; 16] =
    ["1", "2", "-2", "+2", "1.0", "2.5", "5000000000", "x", "xy", "it's", "true", "TRUE", "no", " 1", "1e1", "-0"];
const NUMBERS: [&str; 8] = ["0", "1", "2", "1.0", "2.5", "5000000000", "10", "1L"];
const TEXTS: [&str; 8] = ["'x'", "'xy'", "''", "'it''s'", "'1'", "'true'", "'y'", "'2.5'"];

fn operand(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 7 } else { 10 }) {
        0..=3 => random.one(&NAMES).to_owned(),
        4 => random.one(&NUMBERS).to_owned(),
        5 => format!("-{}", random.one(&NUMBERS)),
        6 => random.one(&TEXTS).to_owned(),
        7 => random.one(&["TRUE", "FALSE"]).to_owned(),
        8 => format!("-({})", condition(random, depth - 1)),
        _ => format!("({})", condition(random, depth - 1)),
    }
}

/// Mostly one that compiles.
fn condition(random: &mut Random, depth: usize) -> String {
    let number = |random: &mut Random| {
        let sign = random.one(&["", "", "-", "+"]);
        let value = if random.below(4) == 0 { random.one(&NAMES) } else { random.one(&NUMBERS) };
        format!("{sign}{value}")
    };
    let name = random.one(&NAMES);
    let not = random.one(&["", " NOT"]);
    match random.below(if depth == 0 { 7 } else { 11 }) {
        0 => format!("{} {} {}", operand(random, depth), random.one(&["=", "<>"]), operand(random, depth)),
        1 => format!("{name} {} {}", random.one(&["<", "<=", ">", ">="]), number(random)),
        2 => format!("{} {} {name}", number(random), random.one(&["<", "<=", ">", ">="])),
        3 => format!("{} IS{not} NULL", operand(random, depth)),
        4 => format!("{name}{not} BETWEEN {} AND {}", number(random), number(random)),
        5 => format!("{name}{not} IN ({}, {})", random.one(&TEXTS), random.one(&TEXTS)),
        6 => {
            let how = random.one(&["CONTAINS", "STARTSWITH", "ENDSWITH"]);
            format!("{name}{not} {how} {}", random.one(&TEXTS))
        }
        7 => format!("{} AND {}", condition(random, depth - 1), condition(random, depth - 1)),
        8 => format!("{} OR {}", condition(random, depth - 1), condition(random, depth - 1)),
        9 => format!("NOT ({})", condition(random, depth - 1)),
        _ => random.one(&["a", "b", "TRUE", "FALSE", "NULL"]).to_owned(),
    }
}

#[test]
fn the_slow_evaluator_says_the_same() {
    let mut random = Random(20_240_607);
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for _ in 0..20_000 {
        let depth = random.below(4);
        let expression = condition(&mut random, depth);
        let compiles = Expression::compile(&expression).is_ok();
        *seen.entry(if compiles { "good" } else { "bad" }).or_default() += 1;
        if !compiles {
            continue;
        }
        for _ in 0..5 {
            let mut properties = Vec::new();
            for name in NAMES {
                if random.below(4) > 0 {
                    properties.push((name, random.one(&VALUES)));
                }
            }
            let found = outcome(&expression, &stored(&properties));
            let map = properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(found, slow::evaluate(&expression, &map), "{expression} on {properties:?}");
            *seen.entry(found).or_default() += 1;
        }
    }
    for kind in ["good", "bad", "true", "false", "null", "fault"] {
        assert!(seen.get(kind).copied().unwrap_or(0) > 200, "hardly anything was {kind}: {seen:?}");
    }
}

#[test]
fn no_text_and_no_bytes_make_it_panic() {
    const PIECES: [&str; 24] = [
        "a",
        "(",
        ")",
        "'",
        "''",
        "-",
        "--",
        "\n",
        "/*",
        "*/",
        "5",
        ".",
        "e",
        "NOT",
        " ",
        "IN",
        "BETWEEN",
        "AND",
        "=",
        "<",
        ">",
        "IS",
        "NULL",
        "\u{1F642}",
    ];
    let mut random = Random(7);
    for _ in 0..50_000 {
        let text: String = (0..random.below(12)).map(|_| random.one(&PIECES)).collect();
        let properties: Vec<u8> = (0..random.below(12)).map(|_| b"a\x01\x025.e-\xff"[random.below(8)]).collect();
        match Expression::compile(&text) {
            Ok(expression) => drop(expression.matches(&properties)),
            Err(bad) => assert!(!bad.to_string().is_empty()),
        }
    }
}
