//! From text to a tree, by recursive descent: OR over AND over equality over comparison over sign over operand.
//!
//! What the original's parser does is kept where one might not expect it: it stops where an expression may end and never
//! looks at the rest, so `a = 1 b = 2` is `a = 1`; NOT binds tighter than `=`. Checks are made as nodes are built, in
//! the original's order, since the first one to fail is what the client is told.
//!
//! Before: `lexer`; after: `evaluate`.

use std::cmp::Ordering;

use memchr::memmem::Finder;

use super::evaluate::SORTED_FROM;
use super::lexer::{self, Kind, Token};
use super::tree::{Expr, Order, Place, java_double};
use super::value::{Value, compare};
use super::{BadExpression, DEPTH_MAX, Expression, IN_MAX, NAMES_MAX, TEXT_BYTES_MAX};

/// What an operand may begin with.
const OPERAND: [Kind; 11] = [
    Kind::Not,
    Kind::True,
    Kind::False,
    Kind::Null,
    Kind::Decimal,
    Kind::Float,
    Kind::Text,
    Kind::Name,
    Kind::Open,
    Kind::Minus,
    Kind::Plus,
];
/// What may follow an operand in parentheses.
const INSIDE: [Kind; 16] = [
    Kind::Not,
    Kind::And,
    Kind::Or,
    Kind::Between,
    Kind::In,
    Kind::Is,
    Kind::Contains,
    Kind::StartsWith,
    Kind::EndsWith,
    Kind::Equal,
    Kind::NotEqual,
    Kind::Greater,
    Kind::GreaterEqual,
    Kind::Less,
    Kind::LessEqual,
    Kind::Close,
];
/// What the original says it wanted when NOT follows an operand and nothing fitting follows NOT.
const COMPARISON: [Kind; 9] = [
    Kind::Between,
    Kind::In,
    Kind::Contains,
    Kind::StartsWith,
    Kind::EndsWith,
    Kind::Greater,
    Kind::GreaterEqual,
    Kind::Less,
    Kind::LessEqual,
];

pub(super) fn parse(text: &str) -> Result<Expression, BadExpression> {
    if text.len() > TEXT_BYTES_MAX {
        let words = format_args!("an expression of {} bytes; make it no longer than {TEXT_BYTES_MAX}", text.len());
        return Err(BadExpression::bound(words));
    }
    let mut parser = Parser { text, at: 0, next: None, names: Vec::new(), recursion: 0 };
    let part = parser.or()?;
    let root = parser.boolean(part)?;
    Ok(Expression { names: parser.names, root: root.expr })
}

/// A tree and its depth.
struct Part {
    expr: Expr,
    depth: usize,
}

struct Parser<'a> {
    text: &'a str,
    /// Behind the last token that was taken.
    at: usize,
    /// The token after it, once somebody has asked.
    next: Option<Token<'a>>,
    names: Vec<Box<[u8]>>,
    recursion: usize,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Result<Token<'a>, BadExpression> {
        match self.next {
            Some(token) => Ok(token),
            None => {
                let token = lexer::token(self.text, self.at)?;
                self.next = Some(token);
                Ok(token)
            }
        }
    }

    fn take(&mut self) -> Result<Token<'a>, BadExpression> {
        let token = self.peek()?;
        self.at = token.at + token.text.len();
        self.next = None;
        Ok(token)
    }

    fn take_if(&mut self, kind: Kind) -> Result<bool, BadExpression> {
        let fits = self.peek()?.kind == kind;
        if fits {
            self.take()?;
        }
        Ok(fits)
    }

    /// Takes this token, which must come, and says that one of `wanted` must if it does not.
    fn expect(&mut self, kind: Kind, wanted: &[Kind]) -> Result<Token<'a>, BadExpression> {
        let token = self.peek()?;
        if token.kind != kind {
            return Err(BadExpression::syntax(self.text, &token, wanted));
        }
        self.take()
    }

    fn or(&mut self) -> Result<Part, BadExpression> {
        self.chain(Kind::Or, Self::and, Expr::Any)
    }

    fn and(&mut self) -> Result<Part, BadExpression> {
        self.chain(Kind::And, Self::equality, Expr::All)
    }

    /// However long it is, it is one node: `a OR b OR ...` with a thousand parts is not deep.
    fn chain(
        &mut self,
        operator: Kind,
        part: fn(&mut Self) -> Result<Part, BadExpression>,
        node: fn(Vec<Expr>) -> Expr,
    ) -> Result<Part, BadExpression> {
        let first = part(self)?;
        if self.peek()?.kind != operator {
            return Ok(first);
        }
        let mut parts: Vec<Expr> = Vec::new();
        let mut depth = 0;
        let mut waiting = Some(first);
        while self.take_if(operator)? {
            let next = part(self)?;
            for part in waiting.take().into_iter().chain([next]) {
                let part = self.boolean(part)?;
                depth = depth.max(part.depth);
                parts.push(part.expr);
            }
        }
        self.node(node(parts), depth)
    }

    fn equality(&mut self) -> Result<Part, BadExpression> {
        let mut left = self.comparison()?;
        loop {
            left = match self.peek()?.kind {
                Kind::Equal => {
                    self.take()?;
                    let right = self.comparison()?;
                    self.equal(left, right)?
                }
                Kind::NotEqual => {
                    self.take()?;
                    let right = self.comparison()?;
                    let equal = self.equal(left, right)?;
                    self.not(equal)?
                }
                Kind::Is => {
                    self.take()?;
                    let is_not = self.take_if(Kind::Not)?;
                    let wanted: &[Kind] = if is_not { &[Kind::Null] } else { &[Kind::Not, Kind::Null] };
                    self.expect(Kind::Null, wanted)?;
                    let depth = left.depth;
                    let is_null = self.node(Expr::Equal(Box::new(left.expr), Box::new(Expr::Null)), depth)?;
                    if is_not { self.not(is_null)? } else { is_null }
                }
                _ => return Ok(left),
            };
        }
    }

    fn comparison(&mut self) -> Result<Part, BadExpression> {
        let mut left = self.sign()?;
        loop {
            let token = self.peek()?;
            let not = token.kind == Kind::Not;
            let operator = if not { lexer::token(self.text, token.at + token.text.len())? } else { token };
            left = match operator.kind {
                Kind::Greater if !not => self.order(Order::Greater, left)?,
                Kind::GreaterEqual if !not => self.order(Order::GreaterEqual, left)?,
                Kind::Less if !not => self.order(Order::Less, left)?,
                Kind::LessEqual if !not => self.order(Order::LessEqual, left)?,
                Kind::Contains => self.search(not, Place::Anywhere, left)?,
                Kind::StartsWith => self.search(not, Place::Start, left)?,
                Kind::EndsWith => self.search(not, Place::End, left)?,
                Kind::Between => self.between(not, left)?,
                Kind::In => self.listed(not, left)?,
                _ if not => return Err(BadExpression::syntax(self.text, &token, &COMPARISON)),
                _ => return Ok(left),
            };
        }
    }

    fn sign(&mut self) -> Result<Part, BadExpression> {
        self.recursion += 1;
        if self.recursion > DEPTH_MAX {
            return Err(too_deep());
        }
        let token = self.peek()?;
        let part = match token.kind {
            Kind::Plus => {
                self.take()?;
                // The original looks ahead before it takes a plus; so what is wrong behind it is wrong with it.
                self.sign().map_err(|bad| match bad.is_syntax {
                    true => BadExpression::syntax(self.text, &token, &OPERAND[..OPERAND.len() - 1]),
                    false => bad,
                })?
            }
            Kind::Minus => {
                self.take()?;
                let of = self.sign()?;
                self.node(Expr::Negate(Box::new(of.expr)), of.depth)?
            }
            Kind::Not => {
                self.take()?;
                let of = self.sign()?;
                let of = self.boolean(of)?;
                self.not(of)?
            }
            _ => self.operand()?,
        };
        self.recursion -= 1;
        Ok(part)
    }

    fn operand(&mut self) -> Result<Part, BadExpression> {
        let token = self.peek()?;
        if !OPERAND.contains(&token.kind) {
            return Err(BadExpression::syntax(self.text, &token, &OPERAND));
        }
        self.take()?;
        let expr = match token.kind {
            Kind::Open => {
                let inside = self.or()?;
                self.expect(Kind::Close, &INSIDE)?;
                return Ok(inside);
            }
            Kind::True => Expr::Bool(true),
            Kind::False => Expr::Bool(false),
            Kind::Null => Expr::Null,
            Kind::Text => Expr::Text(lexer::unquoted(token.text).into()),
            Kind::Decimal => decimal(token.text)?,
            Kind::Float => float(token.text)?,
            _ => Expr::Property(self.name(token.text)?),
        };
        Ok(Part { expr, depth: 1 })
    }

    fn name(&mut self, name: &str) -> Result<usize, BadExpression> {
        if let Some(known) = self.names.iter().position(|known| **known == *name.as_bytes()) {
            return Ok(known);
        }
        if self.names.len() == NAMES_MAX {
            let words = format_args!("an expression over more than {NAMES_MAX} properties; name fewer");
            return Err(BadExpression::bound(words));
        }
        self.names.push(name.as_bytes().into());
        Ok(self.names.len() - 1)
    }

    fn equal(&self, left: Part, right: Part) -> Result<Part, BadExpression> {
        for side in [&left.expr, &right.expr] {
            if let Expr::Null = side {
                return Err(BadExpression::sense(format_args!("'NULL' cannot be compared.")));
            }
        }
        if let (Expr::Bool(_), right) = (&left.expr, &right.expr)
            && right.is_constant()
            && !right.is_boolean()
        {
            let (left, right) = (left.expr.shown(&self.names), right.shown(&self.names));
            return Err(BadExpression::sense(format_args!("'{left}' cannot be compared with '{right}'")));
        }
        let depth = left.depth.max(right.depth);
        self.node(Expr::Equal(Box::new(left.expr), Box::new(right.expr)), depth)
    }

    fn order(&mut self, order: Order, left: Part) -> Result<Part, BadExpression> {
        self.take()?;
        let right = self.sign()?;
        self.ordered(&left.expr)?;
        self.ordered(&right.expr)?;
        let depth = left.depth.max(right.depth);
        self.node(Expr::Order(order, Box::new(left.expr), Box::new(right.expr)), depth)
    }

    /// Only numbers, and what may turn out to be one, are more or less than others.
    fn ordered(&self, expr: &Expr) -> Result<(), BadExpression> {
        if (expr.is_constant() && !expr.is_number()) || expr.is_boolean() {
            let shown = expr.shown(&self.names);
            return Err(BadExpression::sense(format_args!("Value '{shown}' cannot be compared.")));
        }
        Ok(())
    }

    fn between(&mut self, not: bool, value: Part) -> Result<Part, BadExpression> {
        self.take_operator(not)?;
        let low = self.sign()?;
        self.expect(Kind::And, &[Kind::And])?;
        let high = self.sign()?;
        if !not {
            bounds(&low.expr, &high.expr)?;
        }
        for part in [&value, &low, &value, &high] {
            self.ordered(&part.expr)?;
        }
        let depth = value.depth.max(low.depth).max(high.depth);
        self.node(Expr::Between { not, parts: Box::new([value.expr, low.expr, high.expr]) }, depth)
    }

    fn listed(&mut self, not: bool, left: Part) -> Result<Part, BadExpression> {
        self.take_operator(not)?;
        self.expect(Kind::Open, &[Kind::Open])?;
        let mut values: Vec<Box<str>> = Vec::new();
        loop {
            if values.len() == IN_MAX {
                let words = format_args!("an IN of more than {IN_MAX} values; split it with OR");
                return Err(BadExpression::bound(words));
            }
            values.push(lexer::unquoted(self.expect(Kind::Text, &[Kind::Text])?.text).into());
            if !self.take_if(Kind::Comma)? {
                break;
            }
        }
        self.expect(Kind::Close, &[Kind::Comma, Kind::Close])?;
        let Expr::Property(property) = left.expr else {
            let shown = left.expr.shown(&self.names);
            return Err(BadExpression::sense(format_args!("Expected a property for In expression, got: {shown}")));
        };
        if values.len() >= SORTED_FROM {
            values.sort_unstable();
        }
        self.node(Expr::In { not, property, values }, left.depth)
    }

    fn search(&mut self, not: bool, place: Place, value: Part) -> Result<Part, BadExpression> {
        self.take_operator(not)?;
        let text = lexer::unquoted(self.expect(Kind::Text, &[Kind::Text])?.text);
        let wanted = Box::new(Finder::new(text.as_bytes()).into_owned());
        self.node(Expr::Search { not, place, value: Box::new(value.expr), wanted }, value.depth)
    }

    fn take_operator(&mut self, not: bool) -> Result<(), BadExpression> {
        if not {
            self.take()?;
        }
        self.take().map(|_| ())
    }

    fn not(&self, of: Part) -> Result<Part, BadExpression> {
        self.node(Expr::Not(Box::new(of.expr)), of.depth)
    }

    /// An operand of AND, OR or NOT, or the whole.
    fn boolean(&self, part: Part) -> Result<Part, BadExpression> {
        match part.expr {
            Expr::Property(property) => Ok(Part { expr: Expr::Cast(property), ..part }),
            expr if expr.is_boolean() => Ok(Part { expr, ..part }),
            expr => Err(BadExpression::no_boolean(expr.shown(&self.names))),
        }
    }

    /// A node over parts of that depth.
    fn node(&self, expr: Expr, depth: usize) -> Result<Part, BadExpression> {
        if depth >= DEPTH_MAX { Err(too_deep()) } else { Ok(Part { expr, depth: depth + 1 }) }
    }
}

fn too_deep() -> BadExpression {
    BadExpression::bound(format_args!("an expression nested more than {DEPTH_MAX} deep; make it flatter"))
}

fn decimal(text: &str) -> Result<Expr, BadExpression> {
    let digits = text.trim_end_matches(['l', 'L']);
    let number: i64 = digits.parse().map_err(|_| BadExpression::number(digits))?;
    Ok(i32::try_from(number).map_or(Expr::Long(number), Expr::Int))
}

/// Java's double must hold it; that it must not be 0 is the original's slip, and kept.
fn float(text: &str) -> Result<Expr, BadExpression> {
    let number: f64 = text.parse().map_err(|_| BadExpression::number(text))?;
    if number > f64::MAX {
        return Err(BadExpression::sense(format_args!("{text} is greater than 1.7976931348623157E308")));
    }
    if number <= 0.0 {
        return Err(BadExpression::sense(format_args!("{text} is less than 4.9E-324")));
    }
    Ok(Expr::Double(number))
}

/// Two constants as bounds must be in order.
fn bounds(low: &Expr, high: &Expr) -> Result<(), BadExpression> {
    if !low.is_constant() || !high.is_constant() {
        return Ok(());
    }
    if let (Expr::Null, _) | (_, Expr::Null) = (low, high) {
        return Err(BadExpression::sense(format_args!("Illegal values of between, values can not be null!")));
    }
    match compare(constant(high), constant(low)) {
        Ok(Ordering::Less) => {
            let (low, high) = (bare(low), bare(high));
            Err(BadExpression::sense(format_args!(
                "Illegal values of between, left value({low}) must less than or equal to right value({high})"
            )))
        }
        Ok(_) => Ok(()),
        Err(_) => {
            let text = if let Expr::Text(_) = low { bare(low) } else { bare(high) };
            let words = format_args!("java.lang.NumberFormatException: For input string: \"{text}\"");
            Err(BadExpression::sense(words))
        }
    }
}

fn constant(expr: &Expr) -> Value<'_> {
    match expr {
        Expr::Bool(value) => Value::Bool(*value),
        Expr::Text(text) => Value::Text(text.as_bytes()),
        Expr::Int(number) => Value::Int(*number),
        Expr::Long(number) => Value::Long(*number),
        Expr::Double(number) => Value::Double(*number),
        _ => Value::Null,
    }
}

/// A constant as Java prints its value.
fn bare(expr: &Expr) -> String {
    match expr {
        Expr::Bool(value) => value.to_string(),
        Expr::Text(text) => text.to_string(),
        Expr::Int(number) => number.to_string(),
        Expr::Long(number) => number.to_string(),
        Expr::Double(number) => java_double(*number),
        _ => "null".to_owned(),
    }
}
