//! The two ids of a message.
//!
//! The **offset message id** says where it lies: the broker's address and the physical offset. Clients take it apart, to
//! view a message by it and to end transactions, so its address must be one that they reach.
//!
//! | bytes, then as upper-case hexadecimal | of an offset message id |
//! |---|---|
//! | 4 or 16 | the broker's IP address |
//! | 4 | its port |
//! | 8 | physical offset |
//!
//! The **unique key** is made by the producer before it sends (or by the broker, for producers that do not).
//!
//! | bytes, then as upper-case hexadecimal | of a unique key |
//! |---|---|
//! | 4 or 16 | the maker's IP address |
//! | 2 | process id |
//! | 4 | what tells makers of one process apart |
//! | 4 | milliseconds since the month began |
//! | 2 | counter |

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ringmq_shards::types::Millis;

/// Displayed as 32 or, with IPv6, 56 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetMessageId {
    pub broker: SocketAddr,
    pub physical_offset: i64,
}

impl Display for OffsetMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Digits::default();
        digits.push_address(self.broker.ip());
        digits.push(&u32::from(self.broker.port()).to_be_bytes());
        digits.push(&self.physical_offset.to_be_bytes());
        f.write_str(digits.as_str())
    }
}

/// No offset message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMessageId;

impl Display for BadMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message id has 32 or 56 hexadecimal digits")
    }
}

impl std::error::Error for BadMessageId {}

/// Digits in either case.
impl FromStr for OffsetMessageId {
    type Err = BadMessageId;

    fn from_str(text: &str) -> Result<OffsetMessageId, BadMessageId> {
        let mut bytes = [0; BYTES_MAX];
        let len = text.len() / 2;
        if !text.len().is_multiple_of(2) || len > BYTES_MAX {
            return Err(BadMessageId);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |char: u8| char::from(char).to_digit(16).ok_or(BadMessageId);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        let ip = match len {
            16 => IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>().expect("28 bytes"))),
            28 => IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>().expect("28 bytes"))),
            _ => return Err(BadMessageId),
        };
        let (head, offset) = bytes[..len].split_last_chunk::<8>().expect("16 bytes or 28");
        let port = u32::from_be_bytes(*head.last_chunk::<4>().expect("8 bytes or 20"));
        let port = u16::try_from(port).map_err(|_| BadMessageId)?;
        Ok(OffsetMessageId { broker: SocketAddr::new(ip, port), physical_offset: i64::from_be_bytes(*offset) })
    }
}

/// Makes unique keys, as Java's `MessageClientIDSetter` does. One for each core: they share nothing but the address.
#[derive(Clone, Debug)]
pub struct UniqueKeys {
    address: IpAddr,
    process: u16,
    /// Different for any two makers with one address and process id, also for a process and its predecessor.
    maker: u32,
    month: Month,
    counter: u16,
}

impl UniqueKeys {
    pub fn new(address: IpAddr, process_id: u32, maker: u32) -> UniqueKeys {
        // Java too takes the low half.
        UniqueKeys { address, process: process_id as u16, maker, month: Month::of(Millis(0)), counter: 0 }
    }

    pub fn next(&mut self, now: Millis) -> UniqueKey {
        if !self.month.contains(now) {
            self.month = Month::of(now);
        }
        let mut digits = Digits::default();
        digits.push_address(self.address);
        digits.push(&self.process.to_be_bytes());
        digits.push(&self.maker.to_be_bytes());
        // A month has up to 2.7 thousand million; readers take the word as it wraps.
        digits.push(&((now.0 - self.month.begin) as u32).to_be_bytes());
        digits.push(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        UniqueKey(digits)
    }
}

/// Plain text, without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UniqueKey(Digits);

impl UniqueKey {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Display for UniqueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const BYTES_MAX: usize = 16 + 12;

/// Up to 28 bytes in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Digits {
    digits: [u8; 2 * BYTES_MAX],
    len: usize,
}

impl Default for Digits {
    fn default() -> Digits {
        Digits { digits: [0; 2 * BYTES_MAX], len: 0 }
    }
}

impl Digits {
    fn push(&mut self, bytes: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        for byte in bytes {
            self.digits[self.len] = HEX[usize::from(byte >> 4)];
            self.digits[self.len + 1] = HEX[usize::from(byte & 15)];
            self.len += 2;
        }
    }

    fn push_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.push(&address.octets()),
            IpAddr::V6(address) => self.push(&address.octets()),
        }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.len]).expect("digits are ASCII")
    }
}

/// A month of UTC (Java takes the local one), in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Month {
    begin: i64,
    end: i64,
}

impl Month {
    const DAY: i64 = 86_400_000;

    fn of(now: Millis) -> Month {
        // Civil date from a day's number, after Howard Hinnant: years begin in March, so that leap days come last.
        let day = now.0.div_euclid(Month::DAY) + 719_468;
        let day_of_era = day.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let first_of = |month: i64| (153 * month + 2) / 5;
        let day_of_month = day_of_year - first_of(month);
        let days_of_month = match month {
            11 => {
                // February, the last one: up to the next year's first day, which is a March 1st.
                let next = year_of_era + 1;
                let days_of_year = 365 + i64::from(next % 4 == 0 && (next % 100 != 0 || next % 400 == 0));
                days_of_year - first_of(11)
            }
            _ => first_of(month + 1) - first_of(month),
        };
        let begin = (now.0.div_euclid(Month::DAY) - day_of_month) * Month::DAY;
        Month { begin, end: begin + days_of_month * Month::DAY }
    }

    fn contains(&self, now: Millis) -> bool {
        (self.begin..self.end).contains(&now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both as `MessageDecoder.createMessageId` of Java 5.3.3 writes them.
    #[test]
    fn offset_message_ids_are_javas() {
        for (text, broker, physical_offset) in [
            ("7F00000100002A9F000000123456789A", "127.0.0.1:10911", 0x12_3456_789A),
            ("0000000000000000000000000000000100002A9F0000000000000005", "[::1]:10911", 5),
        ] {
            let id = OffsetMessageId { broker: broker.parse().unwrap(), physical_offset };
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.to_lowercase().parse(), Ok(id));
            for cut in 0..text.len() {
                if cut != 32 {
                    assert_eq!(text[..cut].parse::<OffsetMessageId>(), Err(BadMessageId), "cut at {cut}");
                }
            }
        }
        for text in
            ["7F00000100012A9F000000123456789A", "7F00000100002A9F00000012345678 A", "é".repeat(16).as_str(), &"0".repeat(1000)]
        {
            assert_eq!(text.parse::<OffsetMessageId>(), Err(BadMessageId), "{text}");
        }
    }

    #[test]
    fn unique_keys_count_up() {
        let mut keys = UniqueKeys::new("10.1.2.3".parse().unwrap(), 0x1_2345, 0xCAFE_F00D);
        // 2023-11-14 22:13:20 UTC, 1,203,200 s into its month.
        let now = Millis(1_700_000_000_000);
        assert_eq!(keys.next(now).as_str(), "0A0102032345CAFEF00D47B760000000");
        assert_eq!(keys.next(now).to_string(), "0A0102032345CAFEF00D47B760000001");
        keys.counter = u16::MAX;
        assert!(keys.next(now).as_str().ends_with("FFFF"));
        assert!(keys.next(now).as_str().ends_with("0000"));
        let mut keys = UniqueKeys::new("::1".parse().unwrap(), 1, 2);
        assert_eq!(keys.next(Millis(5)).as_str(), "000000000000000000000000000000010001000000020000000500 00".replace(' ', ""));
    }

    #[test]
    fn months_meet_without_gaps() {
        let mut month = Month::of(Millis(0));
        assert_eq!(month, Month { begin: 0, end: 31 * Month::DAY });
        let mut days = Vec::new();
        for _ in 0..(12 * 140) {
            days.push((month.end - month.begin) / Month::DAY);
            assert_eq!(Month::of(Millis(month.end - 1)), month);
            let next = Month::of(Millis(month.end));
            assert_eq!(next.begin, month.end);
            month = next;
        }
        assert_eq!(days[..12], [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]);
        let february = |year: usize| days[(year - 1970) * 12 + 1];
        assert_eq!([1972, 2000, 2024, 2026, 2100].map(february), [29, 29, 29, 28, 28]);
        assert_eq!(Month::of(Millis(-1)).end, 0);
    }
}
