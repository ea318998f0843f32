//! Which language a client or broker says it is written in (remoting-protocol.md §3.3).
//!
//! JSON headers carry the name, binary headers the number. Both may be anything: a peer that says something unknown is
//! `Other`, as is one that says OTHER.

macro_rules! languages {
    ($($number:literal $variant:ident $name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Language {
            $($variant = $number,)*
        }

        impl Language {
            pub fn from_number(number: i64) -> Language {
                match number {
                    $($number => Language::$variant,)*
                    _ => Language::Other,
                }
            }

            pub fn from_name(name: &str) -> Language {
                match name {
                    $($name => Language::$variant,)*
                    _ => Language::Other,
                }
            }

            pub fn name(self) -> &'static str {
                match self {
                    $(Language::$variant => $name,)*
                }
            }

            pub fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

languages! {
    0 Java "JAVA",
    1 Cpp "CPP",
    2 Dotnet "DOTNET",
    3 Python "PYTHON",
    4 Delphi "DELPHI",
    5 Erlang "ERLANG",
    6 Ruby "RUBY",
    7 Other "OTHER",
    8 Http "HTTP",
    9 Go "GO",
    10 Php "PHP",
    11 Oms "OMS",
    12 Rust "RUST",
    13 NodeJs "NODE_JS",
}

/// What our frames say. The reader is the reason that it is not RUST: 4.9 knows no such language and would hold a null
/// where it expects none, and Go and C++ clients read the field too.
pub const OURS: Language = Language::Java;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for number in 0..14 {
            let language = Language::from_number(number);
            assert_eq!(i64::from(language.number()), number);
            assert_eq!(Language::from_name(language.name()), language);
        }
        assert_eq!(Language::from_number(14), Language::Other);
        assert_eq!(Language::from_number(-1), Language::Other);
        assert_eq!(Language::from_name("COBOL"), Language::Other);
    }
}
