//! How a struct becomes extended fields and back: one table per request, `fields!`.
//!
//! ```ignore
//! fields! {
//!     /// 14 QUERY_CONSUMER_OFFSET
//!     pub struct QueryConsumerOffset<'a> {
//!         topic: &'a str = required "topic",
//!         set_zero_if_not_found: bool = default(true) "setZeroIfNotFound",
//!         broker: Option<&'a str> = optional "bname" | "n",
//!     }
//! }
//! ```
//!
//! `decode` goes through the header's fields once, whatever their order. A number that is none is an error in a required
//! field; elsewhere it is as good as missing, as it is for Java. Behind `|` stand other names that are read too.

use std::fmt::Display;

use super::BadRequest;
use crate::remoting::writer::{RequestWriter, ResponseWriter};

macro_rules! fields {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$life:lifetime>)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty = $rule:ident $(($default:expr))? $key:literal $(| $alias:literal)*,
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// The fields as they are written.
            pub const FIELDS: &'static [&'static str] = &[$($key,)*];

            pub fn decode(
                header: &$($life)? $crate::remoting::Header<'_>,
            ) -> Result<Self, $crate::remoting::request::BadRequest> {
                $(let mut $field = None;)*
                for (name, value) in header.fields() {
                    match name {
                        $($key $(| $alias)* => $field = Some(value),)*
                        _ => {}
                    }
                }
                Ok($name { $($field: fields!(@read $rule $(($default))? $field $key),)* })
            }

            pub fn encode<W: $crate::remoting::request::FieldWriter>(&self, writer: W) -> W {
                $(let writer = $crate::remoting::request::fields::Field::write(&self.$field, $key, writer);)*
                writer
            }
        }
    };
    (@read required $field:ident $key:literal) => {
        $crate::remoting::request::fields::required($field, $key)?
    };
    (@read optional $field:ident $key:literal) => {
        $crate::remoting::request::fields::optional($field)
    };
    (@read default($default:expr) $field:ident $key:literal) => {
        $crate::remoting::request::fields::optional($field).unwrap_or($default)
    };
}

/// What a field's text becomes.
pub(super) trait FieldValue<'a>: Sized {
    const EXPECTED: &'static str;

    fn read(text: &'a str) -> Option<Self>;
}

impl<'a> FieldValue<'a> for &'a str {
    const EXPECTED: &'static str = "a text";

    fn read(text: &'a str) -> Option<&'a str> {
        Some(text)
    }
}

impl FieldValue<'_> for i32 {
    const EXPECTED: &'static str = "a 32-bit number";

    fn read(text: &str) -> Option<i32> {
        text.parse().ok()
    }
}

impl FieldValue<'_> for i64 {
    const EXPECTED: &'static str = "a 64-bit number";

    fn read(text: &str) -> Option<i64> {
        text.parse().ok()
    }
}

/// Anything but "true" is false, as for Java.
impl FieldValue<'_> for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(text: &str) -> Option<bool> {
        Some(text.eq_ignore_ascii_case("true"))
    }
}

pub(super) fn required<'a, T: FieldValue<'a>>(text: Option<&'a str>, field: &'static str) -> Result<T, BadRequest> {
    let text = text.ok_or(BadRequest::Missing { field })?;
    T::read(text).ok_or_else(|| BadRequest::value(field, text, T::EXPECTED))
}

pub(super) fn optional<'a, T: FieldValue<'a>>(text: Option<&'a str>) -> Option<T> {
    text.and_then(T::read)
}

/// Where fields are written to.
pub trait FieldWriter: Sized {
    fn put(self, name: &str, value: impl Display) -> Self;
}

impl FieldWriter for RequestWriter<'_> {
    fn put(self, name: &str, value: impl Display) -> Self {
        self.field(name, value)
    }
}

impl FieldWriter for ResponseWriter<'_> {
    fn put(self, name: &str, value: impl Display) -> Self {
        self.field(name, value)
    }
}

/// A field's value as it is written; an absent one is not.
pub(super) trait Field {
    fn write<W: FieldWriter>(&self, name: &str, writer: W) -> W;
}

macro_rules! written_as_text {
    ($($type:ty),*) => {
        $(impl Field for $type {
            fn write<W: FieldWriter>(&self, name: &str, writer: W) -> W {
                writer.put(name, self)
            }
        })*
    };
}

written_as_text!(&str, i32, i64, bool);

impl<T: Field> Field for Option<T> {
    fn write<W: FieldWriter>(&self, name: &str, writer: W) -> W {
        match self {
            Some(value) => value.write(name, writer),
            None => writer,
        }
    }
}
