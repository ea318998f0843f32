//! Messages as clients see them: properties, ids, unique keys.

pub mod id;
pub mod properties;
pub mod unique_key;
