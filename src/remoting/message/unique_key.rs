//! The unique key that a client gives each message; the broker makes one for a message that comes without.

use ringmq_shards::types::Millis;

/// 32 letters of capital hex, in the form of Java's ids: who (10 bytes), when (4), a count (2).
pub fn create(now: Millis, random: u64) -> [u8; 32] {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random.to_be_bytes());
    bytes[8..].copy_from_slice(&now.0.to_be_bytes());
    // Two messages of one millisecond differ by what was random.
    let mut text = [0; 32];
    for (letters, byte) in text.chunks_exact_mut(2).zip(bytes) {
        letters[0] = HEX[usize::from(byte >> 4)];
        letters[1] = HEX[usize::from(byte & 15)];
    }
    text
}
