//! One waiting message in 16 bytes. Its second is known from the bucket that it lies in.
//!
//! From the highest bit down, so that comparing two numbers compares their times, then their positions:
//!
//! | bits | what |
//! |---|---|
//! | 10 | milliseconds within the second |
//! | 56 | position in the log; physical offsets end at 55 bits |
//! | 24 | bytes of the record; 0: it is gone |
//! | 16 | lane, see `lanes` |
//! | 22 | hash of real topic and unique key |

use crate::types::{LogPosition, Millis};

/// What the 24 bits hold; the largest record has 4 MiB and 64 KiB.
pub const RECORD_BYTES_MAX: usize = (1 << SIZE_BITS) - 1;

pub const KEY_BITS: u32 = 22;
const LANE_BITS: u32 = u16::BITS;
const SIZE_BITS: u32 = 24;
const POSITION_BITS: u32 = 56;
const LANE_AT: u32 = KEY_BITS;
const SIZE_AT: u32 = LANE_AT + LANE_BITS;
const POSITION_AT: u32 = SIZE_AT + SIZE_BITS;
const MILLIS_AT: u32 = POSITION_AT + POSITION_BITS;
const _: () = assert!(MILLIS_AT + 10 == u128::BITS);

pub const SECOND: i64 = 1_000;

/// A message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    pub position: LogPosition,
    pub size: u32,
    pub deliver_at: Millis,
    pub lane: u16,
    /// Of 22 bits.
    pub key: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packed(u128);

impl Packed {
    pub fn of(pending: &Pending) -> Packed {
        assert!(pending.position.0 >> POSITION_BITS == 0, "physical offsets would not hold this position either");
        assert!(pending.size > 0, "a record has bytes");
        assert!(pending.size as usize <= RECORD_BYTES_MAX, "entries are bounded far below");
        assert!(pending.key >> KEY_BITS == 0);
        Packed(
            Packed::place(pending.deliver_at, pending.position).0
                | u128::from(pending.size) << SIZE_AT
                | u128::from(pending.lane) << LANE_AT
                | u128::from(pending.key),
        )
    }

    /// Not greater than what waits until then at that position, and greater than all before it.
    pub fn place(deliver_at: Millis, position: LogPosition) -> Packed {
        let millis = deliver_at.0.rem_euclid(SECOND) as u128;
        Packed(millis << MILLIS_AT | u128::from(position.0) << POSITION_AT)
    }

    pub fn from_bits(bits: u128) -> Option<Packed> {
        let packed = Packed(bits);
        let lies = bits >> MILLIS_AT >= SECOND as u128 || packed.is_gone();
        (!lies).then_some(packed)
    }

    pub fn bits(self) -> u128 {
        self.0
    }

    pub fn pending(self, second: i64) -> Pending {
        Pending {
            position: self.position(),
            size: self.size(),
            deliver_at: self.deliver_at(second),
            lane: self.lane(),
            key: self.key(),
        }
    }

    pub fn deliver_at(self, second: i64) -> Millis {
        Millis(second.saturating_mul(SECOND).saturating_add((self.0 >> MILLIS_AT) as i64))
    }

    pub fn position(self) -> LogPosition {
        LogPosition((self.0 >> POSITION_AT) as u64 & ((1 << POSITION_BITS) - 1))
    }

    pub fn is_at(self, deliver_at: Millis, position: LogPosition) -> bool {
        self.0 >> POSITION_AT == Packed::place(deliver_at, position).0 >> POSITION_AT
    }

    pub fn size(self) -> u32 {
        (self.0 >> SIZE_AT) as u32 & ((1 << SIZE_BITS) - 1)
    }

    pub fn lane(self) -> u16 {
        (self.0 >> LANE_AT) as u16
    }

    pub fn key(self) -> u32 {
        self.0 as u32 & ((1 << KEY_BITS) - 1)
    }

    /// Its place stays, so that the order of a bucket does.
    pub fn gone(self) -> Packed {
        Packed(self.0 & !(((1 << SIZE_BITS) - 1) << SIZE_AT))
    }

    pub fn is_gone(self) -> bool {
        self.size() == 0
    }
}

/// The second in which it is due.
pub(super) fn second_of(deliver_at: Millis) -> i64 {
    deliver_at.0.div_euclid(SECOND)
}
