//! Properties in their sent and stored form, `name 0x01 value 0x02 ...`, read and extended without building a map.

/// Ends a name.
pub const NAME_END: u8 = 1;
/// Ends a value, and with it an entry.
pub const END: u8 = 2;

/// The entries that count: with a name and a value (Java drops the others).
pub fn iter(properties: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    properties.split(|byte| *byte == END).filter_map(|entry| {
        let end = entry.iter().position(|byte| *byte == NAME_END)?;
        let (name, value) = (&entry[..end], &entry[end + 1..]);
        let whole = !name.is_empty() && !value.is_empty();
        let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
        whole.then_some((name, value))
    })
}

/// The value of a property; of two entries with one name the last one wins, as in Java's map.
pub fn get<'a>(properties: &'a [u8], name: &str) -> Option<&'a str> {
    iter(properties).filter(|(found, _)| *found == name).last().map(|(_, value)| value)
}

/// Appends an entry. The last entry must have its end.
pub fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(NAME_END);
    out.extend_from_slice(value.as_bytes());
    out.push(END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_java_does() {
        let properties = b"TAGS\x01a\x02KEYS\x01k1 k2\x02EMPTY\x01\x02\x01v\x02none\x02TAGS\x01b";
        assert_eq!(iter(properties).collect::<Vec<_>>(), [("TAGS", "a"), ("KEYS", "k1 k2"), ("TAGS", "b")]);
        assert_eq!(get(properties, "TAGS"), Some("b"));
        assert_eq!(get(properties, "EMPTY"), None);
    }

    #[test]
    fn what_is_put_is_got() {
        let mut properties = Vec::new();
        put(&mut properties, "A", "1");
        put(&mut properties, "B", "2");
        assert_eq!(properties, b"A\x011\x02B\x012\x02");
        assert_eq!(get(&properties, "B"), Some("2"));
    }
}
