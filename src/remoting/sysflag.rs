//! The small bit sets that travel in headers and records (remoting-protocol.md §3.5, storage-formats.md §1.4).

/// The sys flag of a message: in a send header and in the stored record.
pub mod message {
    pub const COMPRESSED: i32 = 0x1;
    pub const MULTI_TAGS: i32 = 0x2;
    /// Two bits, one of the four below.
    pub const TRANSACTION: i32 = 0xC;
    pub const TRANSACTION_NONE: i32 = 0x0;
    pub const TRANSACTION_PREPARED: i32 = 0x4;
    pub const TRANSACTION_COMMIT: i32 = 0x8;
    pub const TRANSACTION_ROLLBACK: i32 = 0xC;
    /// The two address bits are the broker's to set, from real sockets.
    pub const BORN_HOST_V6: i32 = 0x10;
    pub const STORE_HOST_V6: i32 = 0x20;
    /// The consumer splits the body: it is a whole batch.
    pub const NEED_UNWRAP: i32 = 0x40;
    pub const INNER_BATCH: i32 = 0x80;
    /// Three bits, how the body is compressed; 0 is zlib from before there was a choice.
    pub const COMPRESSION: i32 = 0x700;
    pub const COMPRESSION_LZ4: i32 = 0x100;
    pub const COMPRESSION_ZSTD: i32 = 0x200;
    pub const COMPRESSION_ZLIB: i32 = 0x300;
}

/// The sys flag of a pull.
pub mod pull {
    /// The request's `commitOffset` counts.
    pub const COMMIT_OFFSET: i32 = 0x1;
    /// Nothing to read: hold the request until there is.
    pub const SUSPEND: i32 = 0x2;
    /// The request's `subscription` counts.
    pub const SUBSCRIPTION: i32 = 0x4;
    pub const CLASS_FILTER: i32 = 0x8;
    pub const LITE_PULL: i32 = 0x10;
}

/// The sys flag of a topic or group.
pub mod topic {
    pub const UNIT: i32 = 0x1;
    pub const UNIT_SUB: i32 = 0x2;
}
