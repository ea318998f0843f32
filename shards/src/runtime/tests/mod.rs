//! The same test bodies on both backends.
