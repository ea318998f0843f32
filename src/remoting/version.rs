//! Version numbers of headers: ordinals of the Java enum `MQVersion`, which has a snapshot before each release.
//!
//! From 4.0.0 on a rule gives them (remoting-protocol.md §3.4); before, and above 5.9.9, some matter by themselves.

use std::fmt;

/// Client calls 220 and 221 need this.
pub const V3_0_7_SNAPSHOT: i32 = 28;
/// A broker below it registers without a body.
pub const V3_0_11: i32 = 37;
/// Client calls 307 and 309 need this.
pub const V3_1_8_SNAPSHOT: i32 = 62;
/// From here on a client's own `maxReconsumeTimes` counts.
pub const V3_4_9: i32 = 121;
pub const V4_0_0: i32 = of(4, 0, 0);
/// Up to here a signature covers another set of fields.
pub const V4_9_3: i32 = of(4, 9, 3);
/// From here on routes are read as standard JSON.
pub const V4_9_4: i32 = of(4, 9, 4);
/// From here on a compressed registration carries the mappings of static topics.
pub const V5_0_0: i32 = of(5, 0, 0);
/// Above it a client understands GO_AWAY.
pub const V5_3_1: i32 = of(5, 3, 1);
pub const V5_3_3: i32 = of(5, 3, 3);
/// All that Java knows is below; anything above is this to it.
pub const HIGHER_VERSION: i32 = 612;

/// What our frames say: the release that this node answers like. Clients keep it for each broker and ask newer things
/// only of newer ones.
pub const OURS: i32 = V5_3_3;

/// The ordinal of a release, 4.0.0 and later.
pub const fn of(major: i32, minor: i32, patch: i32) -> i32 {
    assert!(major >= 4);
    assert!(minor < 10);
    assert!(patch < 10);
    213 + 2 * (100 * (major - 4) + 10 * minor + patch)
}

const _: () = assert!(V4_9_4 == 401);
const _: () = assert!(V5_3_3 == 479);
const _: () = assert!(of(5, 9, 9) == HIGHER_VERSION - 1);

/// As Java prints it in listings of connections: `V5_3_3`, `V4_9_7_SNAPSHOT`, `HIGHER_VERSION`.
pub struct Name(pub i32);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ordinal = self.0;
        if ordinal >= HIGHER_VERSION {
            return f.write_str("HIGHER_VERSION");
        }
        if ordinal < V4_0_0 - 1 {
            // Releases from before 2017: their names follow no rule, and nobody has them.
            return write!(f, "V3({ordinal})");
        }
        let steps = ordinal + 1 - V4_0_0;
        let (release, is_release) = (steps / 2, steps % 2 == 1);
        write!(f, "V{}_{}_{}", 4 + release / 100, release / 10 % 10, release % 10)?;
        if is_release { Ok(()) } else { f.write_str("_SNAPSHOT") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_those_of_the_reference() {
        for (ordinal, name) in [
            (213, "V4_0_0"),
            (212, "V4_0_0_SNAPSHOT"),
            (317, "V4_5_2"),
            (333, "V4_6_0"),
            (401, "V4_9_4"),
            (407, "V4_9_7"),
            (413, "V5_0_0"),
            (478, "V5_3_3_SNAPSHOT"),
            (479, "V5_3_3"),
            (611, "V5_9_9"),
            (612, "HIGHER_VERSION"),
            (i32::MAX, "HIGHER_VERSION"),
            (121, "V3(121)"),
            (i32::MIN, "V3(-2147483648)"),
        ] {
            assert_eq!(Name(ordinal).to_string(), name);
        }
    }
}
