//! An expression as a tree, and how it is written in what clients are told.
//!
//! Properties are numbers: places in the list of names, so that one pass over a message finds them all.

use std::fmt::{self, Write};

use memchr::memmem::Finder;

/// Lives as long as its subscription, on one core.
#[derive(Debug)]
pub(super) enum Expr {
    Null,
    Bool(bool),
    Text(Box<str>),
    Int(i32),
    Long(i64),
    Double(f64),
    Property(usize),
    /// Unary minus. Of what is no number it is null, so it hides from the checks what stands behind it.
    Negate(Box<Expr>),
    Not(Box<Expr>),
    /// A name where TRUE or FALSE is wanted.
    Cast(usize),
    /// AND: never empty.
    All(Vec<Expr>),
    /// OR: never empty.
    Any(Vec<Expr>),
    Equal(Box<Expr>, Box<Expr>),
    Order(Order, Box<Expr>, Box<Expr>),
    /// Value, low, high. One node, not two comparisons: the value is held once.
    Between {
        not: bool,
        parts: Box<[Expr; 3]>,
    },
    /// `values` are sorted when there are many.
    In {
        not: bool,
        property: usize,
        values: Vec<Box<str>>,
    },
    Search {
        not: bool,
        place: Place,
        value: Box<Expr>,
        wanted: Box<Finder<'static>>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

/// Where a text must occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Anywhere,
    Start,
    End,
}

impl Expr {
    /// Whether it is TRUE, FALSE or null by its kind, as the original's classes have it.
    pub fn is_boolean(&self) -> bool {
        match self {
            Expr::Null | Expr::Bool(_) | Expr::Not(_) | Expr::Cast(_) | Expr::All(_) | Expr::Any(_) => true,
            Expr::Equal(..) | Expr::Order(..) | Expr::Between { .. } | Expr::In { .. } | Expr::Search { .. } => true,
            Expr::Text(_) | Expr::Int(_) | Expr::Long(_) | Expr::Double(_) | Expr::Property(_) | Expr::Negate(_) => false,
        }
    }

    pub fn is_constant(&self) -> bool {
        matches!(self, Expr::Null | Expr::Bool(_) | Expr::Text(_)) || self.is_number()
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Expr::Int(_) | Expr::Long(_) | Expr::Double(_))
    }

    pub fn shown<'a>(&'a self, names: &'a [Box<[u8]>]) -> Shown<'a> {
        Shown { expr: self, names }
    }
}

impl Order {
    fn symbol(self) -> &'static str {
        match self {
            Order::Greater => ">",
            Order::GreaterEqual => ">=",
            Order::Less => "<",
            Order::LessEqual => "<=",
        }
    }
}

/// An expression as the original writes it: `((a == 'x') && (NOT b))`.
pub(super) struct Shown<'a> {
    expr: &'a Expr,
    names: &'a [Box<[u8]>],
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |expr| Shown { expr, names: self.names };
        let name = |property: &usize| String::from_utf8_lossy(&self.names[*property]);
        let not = |not: &bool| if *not { "NOT " } else { "" };
        match self.expr {
            Expr::Null => f.write_str("NULL"),
            Expr::Bool(true) => f.write_str("TRUE"),
            Expr::Bool(false) => f.write_str("FALSE"),
            Expr::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Expr::Int(number) => write!(f, "{number}"),
            Expr::Long(number) => write!(f, "{number}"),
            Expr::Double(number) => f.write_str(&java_double(*number)),
            Expr::Property(property) | Expr::Cast(property) => f.write_str(&name(property)),
            Expr::Negate(of) => write!(f, "(- {})", show(of)),
            Expr::Not(of) => write!(f, "(NOT {})", show(of)),
            Expr::All(parts) => chain(f, parts, "&&", show),
            Expr::Any(parts) => chain(f, parts, "||", show),
            Expr::Equal(left, right) => write!(f, "({} == {})", show(left), show(right)),
            Expr::Order(order, left, right) => write!(f, "({} {} {})", show(left), order.symbol(), show(right)),
            Expr::Between { not, parts } => {
                let [value, low, high] = parts.each_ref().map(show);
                match not {
                    false => write!(f, "(({value} >= {low}) && ({value} <= {high}))"),
                    true => write!(f, "(({value} < {low}) || ({value} > {high}))"),
                }
            }
            Expr::In { not: is_not, property, values } => {
                write!(f, "{} {}IN ( {} )", name(property), not(is_not), values.join(", "))
            }
            Expr::Search { not: is_not, place, value, .. } => {
                let how = match place {
                    Place::Anywhere => "CONTAINS",
                    Place::Start => "STARTSWITH",
                    Place::End => "ENDSWITH",
                };
                write!(f, "({}{how} {})", not(is_not), show(value))
            }
        }
    }
}

/// `((a && b) && c)`
fn chain<'a>(f: &mut fmt::Formatter<'_>, parts: &'a [Expr], symbol: &str, show: impl Fn(&'a Expr) -> Shown<'a>) -> fmt::Result {
    for _ in 1..parts.len() {
        f.write_char('(')?;
    }
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            write!(f, " {symbol} {})", show(part))?;
        } else {
            write!(f, "{}", show(part))?;
        }
    }
    Ok(())
}

/// `Double.toString` of a finite number: plain between a thousandth and ten million, `1.0E10` elsewhere.
pub(super) fn java_double(number: f64) -> String {
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return format!("{number:?}");
    }
    let shortest = format!("{number:E}");
    match shortest.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => shortest,
    }
}
