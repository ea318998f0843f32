//! Names of segment files: the position of the first byte in 20 digits, as RocketMQ names its commit log files.

use crate::types::LogPosition;

const DIGITS: usize = 20;

pub fn name(first: LogPosition) -> String {
    format!("{:020}", first.0)
}

/// The first position of the segment with this name; `None` for any other file.
pub fn first(name: &str) -> Option<LogPosition> {
    let digits = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok().map(LogPosition)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_no_segments() {
        assert_eq!(name(LogPosition(1 << 30)), "00000000001073741824");
        assert_eq!(first("00000000001073741824"), Some(LogPosition(1 << 30)));
        assert_eq!(first("0000000000107374182x"), None);
        assert_eq!(first("00000000001073741824.index"), None);
        assert_eq!(first("99999999999999999999"), None, "larger than a position");
    }
}
