//! The offset message id: the broker's address and the record's physical offset, in capital hex.
//! 32 letters with IPv4 (4 + 4 + 8 bytes), 56 with IPv6.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId {
    pub host: SocketAddr,
    pub physical_offset: i64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.ip() {
            IpAddr::V4(address) => write!(f, "{:08X}", address.to_bits())?,
            IpAddr::V6(address) => write!(f, "{:032X}", address.to_bits())?,
        }
        write!(f, "{:08X}{:016X}", self.host.port(), self.physical_offset)
    }
}

impl MessageId {
    pub fn parse(text: &str) -> Option<MessageId> {
        if !text.is_ascii() {
            return None;
        }
        let (address, rest) = match text.len() {
            32 => text.split_at(8),
            56 => text.split_at(32),
            _ => return None,
        };
        let ip = match address.len() {
            8 => IpAddr::V4(Ipv4Addr::from_bits(u32::from_str_radix(address, 16).ok()?)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?)),
        };
        let port = u16::try_from(u32::from_str_radix(&rest[..8], 16).ok()?).ok()?;
        let physical_offset = u64::from_str_radix(&rest[8..], 16).ok()? as i64;
        Some(MessageId { host: SocketAddr::new(ip, port), physical_offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for (host, text) in [
            ("10.0.0.5:10911", "0A00000500002A9F00000000000004D2"),
            ("[::1]:10911", "0000000000000000000000000000000100002A9F00000000000004D2"),
        ] {
            let id = MessageId { host: host.parse().expect("an address"), physical_offset: 1234 };
            assert_eq!(id.to_string(), text);
            assert_eq!(MessageId::parse(text), Some(id));
        }
        assert_eq!(MessageId::parse("0A00000500002A9F00000000000004Dx"), None);
        assert_eq!(MessageId::parse("short"), None);
    }
}
