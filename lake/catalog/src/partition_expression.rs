//! The predicate of GetPartitions: `year = '2013' AND (month IN (1, 2) OR NOT day BETWEEN 3 AND 5)`. Parsed against the table's
//! keys, so that values compare by their type. Knows values as text; knows no partition record.
//! <https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html>

use std::cmp::Ordering;

use jiff::civil::{Date, DateTime};

use crate::{Column, HIVE_DEFAULT_PARTITION, HiveType};

/// The longest predicate, characters.
const EXPRESSION_CHARACTERS_MAX: usize = 2048;
/// The most parentheses and NOTs within each other.
const NESTING_DEPTH_MAX: usize = 100;

/// Why a text is no predicate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Something else has to stand there.
    #[error("Unsupported expression '{text}': expected {expected} at character {at}.")]
    Expected {
        /// What.
        expected: &'static str,
        /// Where, from 1.
        at: usize,
        /// The whole.
        text: String,
    },
    /// Not a partition key.
    #[error("Unsupported expression '{text}': {name} is not a partition key.")]
    NotAKey {
        /// What was named.
        name: String,
        /// The whole.
        text: String,
    },
    /// A key of a type that does not compare.
    #[error("Unsupported expression '{text}': partition key {name} has type {data_type}, which has no order here.")]
    KeyType {
        /// The key.
        name: String,
        /// Its type.
        data_type: String,
        /// The whole.
        text: String,
    },
    /// A value that is not of the key's type.
    #[error("Unsupported expression '{text}': '{value}' is not a {data_type}, the type of partition key {name}.")]
    Literal {
        /// The value.
        value: String,
        /// The key.
        name: String,
        /// Its type.
        data_type: String,
        /// The whole.
        text: String,
    },
    /// LIKE on what is no text.
    #[error("Unsupported expression '{text}': LIKE needs a key of type string, and {name} is not.")]
    LikeType {
        /// The key.
        name: String,
        /// The whole.
        text: String,
    },
    /// Too long or too deep.
    #[error("The expression is longer than {characters_max} characters or nests deeper than {depth_max} levels.")]
    TooLarge {
        /// The limit.
        characters_max: usize,
        /// The limit.
        depth_max: usize,
    },
}

/// A parsed predicate.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionExpression {
    node: Node,
    kinds: Vec<Kind>,
}

/// How the values of a key compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Date,
    Timestamp,
    Boolean,
    Opaque,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(Number),
    Date(Date),
    Timestamp(DateTime),
    Boolean(bool),
}

impl Literal {
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => Some(a.compare(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Boolean(a), Self::Boolean(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// A decimal number of any size, exactly: digits before and behind the point, without zeros that mean nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, whole: whole.to_owned(), fraction: fraction.to_owned() })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let size = || {
            let whole = self.whole.len().cmp(&other.whole.len()).then_with(|| self.whole.cmp(&other.whole));
            whole.then_with(|| self.fraction.cmp(&other.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => size(),
            (true, true) => size().reverse(),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// The comparison with its sides exchanged.
    fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

/// `key` is the position among the table's keys.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Compare { key: usize, comparison: Comparison, literal: Literal },
    In { key: usize, literals: Vec<Literal> },
    Like { key: usize, pattern: String },
    IsNull { key: usize },
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
}

/// What a predicate may come to while only the first values of a partition are known: any of these three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcomes {
    truth: bool,
    falsehood: bool,
    null: bool,
}

impl Outcomes {
    const ANY: Self = Self { truth: true, falsehood: true, null: true };
    const NULL: Self = Self { truth: false, falsehood: false, null: true };

    fn of(value: bool) -> Self {
        Self { truth: value, falsehood: !value, null: false }
    }

    fn not(self) -> Self {
        Self { truth: self.falsehood, falsehood: self.truth, null: self.null }
    }

    fn and(self, other: Self) -> Self {
        Self {
            truth: self.truth && other.truth,
            falsehood: self.falsehood || other.falsehood,
            null: (self.null && (other.null || other.truth)) || (self.truth && other.null),
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

impl PartitionExpression {
    /// Reads `text` for a table with these partition keys.
    pub fn parse(text: &str, keys: &[Column]) -> Result<Self, ExpressionError> {
        if text.chars().count() > EXPRESSION_CHARACTERS_MAX {
            return Err(too_large());
        }
        let kinds: Vec<Kind> = keys.iter().map(kind_of).collect();
        let mut parser = Parser { text, tokens: tokens(text)?, at: 0, keys, kinds: &kinds };
        let node = parser.or(0)?;
        if parser.peek().is_some() {
            return Err(parser.expected("AND, OR or the end"));
        }
        Ok(Self { node, kinds })
    }

    /// Whether the predicate can be true for a partition that begins with `values`. With all values known: whether it is.
    pub fn may_hold(&self, values: &[String]) -> bool {
        self.outcomes(&self.node, values).truth
    }

    /// Whether the predicate says anything of the key at `position`.
    pub(crate) fn names_key(&self, position: usize) -> bool {
        names_key(&self.node, position)
    }

    /// Texts that the first keys must be equal to, as far as the predicate's topmost ANDs say so. Only keys of text: a number may
    /// be written in several ways (`1`, `01`).
    pub(crate) fn leading_texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(text) = required_text(&self.node, texts.len()) {
            texts.push(text.to_owned());
        }
        texts
    }

    fn outcomes(&self, node: &Node, values: &[String]) -> Outcomes {
        match node {
            Node::Not(inner) => self.outcomes(inner, values).not(),
            Node::And(a, b) => self.outcomes(a, values).and(self.outcomes(b, values)),
            Node::Or(a, b) => self.outcomes(a, values).or(self.outcomes(b, values)),
            Node::IsNull { key } => match values.get(*key) {
                None => Outcomes { null: false, ..Outcomes::ANY },
                Some(value) => Outcomes::of(value == HIVE_DEFAULT_PARTITION),
            },
            Node::Compare { key, comparison, literal } => {
                self.leaf(*key, values, |value| value.compare(literal).map(|ordering| comparison.holds(ordering)))
            }
            Node::In { key, literals } => self.leaf(*key, values, |value| {
                Some(literals.iter().any(|literal| value.compare(literal) == Some(Ordering::Equal)))
            }),
            Node::Like { key, pattern } => self.leaf(*key, values, |value| match value {
                Literal::Text(text) => Some(is_like(text, pattern)),
                Literal::Number(_) | Literal::Date(_) | Literal::Timestamp(_) | Literal::Boolean(_) => None,
            }),
        }
    }

    /// A value that is null, or not of its key's type, compares to null.
    fn leaf(&self, key: usize, values: &[String], test: impl Fn(&Literal) -> Option<bool>) -> Outcomes {
        let Some(text) = values.get(key) else {
            return Outcomes::ANY;
        };
        let typed = if text == HIVE_DEFAULT_PARTITION {
            None
        } else {
            self.kinds.get(key).and_then(|kind| literal(*kind, text))
        };
        typed.and_then(|value| test(&value)).map_or(Outcomes::NULL, Outcomes::of)
    }
}

fn names_key(node: &Node, position: usize) -> bool {
    match node {
        Node::Compare { key, .. } | Node::In { key, .. } | Node::Like { key, .. } | Node::IsNull { key } => {
            *key == position
        }
        Node::Not(inner) => names_key(inner, position),
        Node::And(a, b) | Node::Or(a, b) => names_key(a, position) || names_key(b, position),
    }
}

fn required_text(node: &Node, wanted: usize) -> Option<&str> {
    match node {
        Node::Compare { key, comparison: Comparison::Equal, literal: Literal::Text(text) } if *key == wanted => {
            Some(text)
        }
        Node::And(a, b) => required_text(a, wanted).or_else(|| required_text(b, wanted)),
        _ => None,
    }
}

fn kind_of(key: &Column) -> Kind {
    match key.hive_type() {
        Ok(HiveType::String | HiveType::Varchar { .. } | HiveType::Char { .. }) => Kind::Text,
        Ok(
            HiveType::TinyInt
            | HiveType::SmallInt
            | HiveType::Int
            | HiveType::BigInt
            | HiveType::Decimal { .. }
            | HiveType::Float
            | HiveType::Double,
        ) => Kind::Number,
        Ok(HiveType::Date) => Kind::Date,
        Ok(HiveType::Timestamp | HiveType::TimestampWithTimeZone) => Kind::Timestamp,
        Ok(HiveType::Boolean) => Kind::Boolean,
        Ok(HiveType::Binary | HiveType::Array(_) | HiveType::Map(..) | HiveType::Struct(_)) | Err(_) => Kind::Opaque,
    }
}

fn literal(kind: Kind, text: &str) -> Option<Literal> {
    match kind {
        Kind::Text => Some(Literal::Text(text.to_owned())),
        Kind::Number => Number::parse(text).map(Literal::Number),
        Kind::Date => {
            let text = text.trim();
            let date = text.parse::<Date>().ok().or_else(|| text.parse::<DateTime>().ok().map(|time| time.date()));
            date.map(Literal::Date)
        }
        Kind::Timestamp => text.trim().trim_end_matches('Z').parse::<DateTime>().ok().map(Literal::Timestamp),
        Kind::Boolean => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(Literal::Boolean(true)),
            "false" => Some(Literal::Boolean(false)),
            _ => None,
        },
        Kind::Opaque => None,
    }
}

/// `%` is any text, `_` one character, and a backslash takes the next as it is.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => LikePart::Any,
            '_' => LikePart::One,
            '\\' => LikePart::Char(chars.next().unwrap_or('\\')),
            c => LikePart::Char(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // The usual walk with one place to fall back to: the last `%`, and how much of the text it has taken.
    let (mut at, mut part, mut fallback) = (0, 0, None);
    while at < text.len() {
        match parts.get(part) {
            Some(LikePart::Any) => {
                part += 1;
                fallback = Some((part, at));
            }
            Some(LikePart::One) => {
                at += 1;
                part += 1;
            }
            Some(LikePart::Char(c)) if text.get(at) == Some(c) => {
                at += 1;
                part += 1;
            }
            Some(LikePart::Char(_)) | None => match fallback {
                Some((after, taken)) => {
                    part = after;
                    at = taken + 1;
                    fallback = Some((after, at));
                }
                None => return false,
            },
        }
    }
    parts.get(part..).unwrap_or_default().iter().all(|part| matches!(part, LikePart::Any))
}

enum LikePart {
    Any,
    One,
    Char(char),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A bare word, in the case it was written in.
    Word(String),
    /// A name in backticks or double quotes.
    Name(String),
    /// Text in single quotes.
    Text(String),
    /// Digits with sign, point.
    Number(String),
    Symbol(&'static str),
}

struct Placed {
    token: Token,
    at: usize,
}

fn too_large() -> ExpressionError {
    ExpressionError::TooLarge { characters_max: EXPRESSION_CHARACTERS_MAX, depth_max: NESTING_DEPTH_MAX }
}

fn tokens(text: &str) -> Result<Vec<Placed>, ExpressionError> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let start = at;
        let failed = |expected| ExpressionError::Expected { expected, at: start + 1, text: text.to_owned() };
        let token = if matches!(c, '\'' | '`' | '"') {
            let mut inner = String::new();
            at += 1;
            loop {
                match (chars.get(at), chars.get(at + 1)) {
                    (Some(found), Some(next)) if *found == c && *next == c => {
                        inner.push(c);
                        at += 2;
                    }
                    (Some(found), _) if *found == c => {
                        at += 1;
                        break;
                    }
                    (Some(found), _) => {
                        inner.push(*found);
                        at += 1;
                    }
                    (None, _) => return Err(failed("a closing quote")),
                }
            }
            if c == '\'' { Token::Text(inner) } else { Token::Name(inner) }
        } else if c.is_alphabetic() || c == '_' {
            while chars.get(at).is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.')) {
                at += 1;
            }
            Token::Word(chars.get(start..at).unwrap_or_default().iter().collect())
        } else if c.is_ascii_digit()
            || (matches!(c, '-' | '+' | '.') && chars.get(at + 1).is_some_and(|c| c.is_ascii_digit() || *c == '.'))
        {
            at += 1;
            while chars.get(at).is_some_and(|c| c.is_ascii_digit() || *c == '.') {
                at += 1;
            }
            Token::Number(chars.get(start..at).unwrap_or_default().iter().collect())
        } else {
            let symbols = ["<>", "!=", "<=", ">=", "==", "=", "<", ">", "(", ")", ","];
            let found =
                symbols.iter().find(|symbol| symbol.chars().enumerate().all(|(i, s)| chars.get(at + i) == Some(&s)));
            let symbol = found.ok_or_else(|| failed("a key, a value or an operator"))?;
            at += symbol.len();
            Token::Symbol(symbol)
        };
        out.push(Placed { token, at: start + 1 });
    }
    Ok(out)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
    keys: &'a [Column],
    kinds: &'a [Kind],
}

/// A key, or a value not yet typed.
enum Operand {
    Key(usize),
    Value(String),
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|placed| &placed.token)
    }

    fn expected(&self, expected: &'static str) -> ExpressionError {
        let at = self.tokens.get(self.at).map_or_else(|| self.text.chars().count() + 1, |placed| placed.at);
        ExpressionError::Expected { expected, at, text: self.text.to_owned() }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        let mut node = self.and(depth)?;
        while self.word("or") {
            node = Node::Or(Box::new(node), Box::new(self.and(depth)?));
        }
        Ok(node)
    }

    fn and(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        let mut node = self.not(depth)?;
        while self.word("and") {
            node = Node::And(Box::new(node), Box::new(self.not(depth)?));
        }
        Ok(node)
    }

    fn not(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        if depth >= NESTING_DEPTH_MAX {
            return Err(too_large());
        }
        if self.word("not") {
            return Ok(Node::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.symbol("(") {
            let node = self.or(depth + 1)?;
            if !self.symbol(")") {
                return Err(self.expected("`)`"));
            }
            return Ok(node);
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Node, ExpressionError> {
        match self.operand()? {
            Operand::Value(value) => {
                let comparison = self.comparison()?;
                match self.operand()? {
                    Operand::Key(key) => {
                        Ok(Node::Compare { key, comparison: comparison.flipped(), literal: self.typed(key, &value)? })
                    }
                    Operand::Value(_) => Err(self.expected("a partition key on one side of the comparison")),
                }
            }
            Operand::Key(key) => {
                if self.word("is") {
                    let negated = self.word("not");
                    if !self.word("null") {
                        return Err(self.expected("NULL"));
                    }
                    return Ok(negate(Node::IsNull { key }, negated));
                }
                let negated = self.word("not");
                if self.word("in") {
                    return Ok(negate(self.list(key)?, negated));
                }
                if self.word("between") {
                    let low = self.value(key)?;
                    if !self.word("and") {
                        return Err(self.expected("AND"));
                    }
                    let high = self.value(key)?;
                    let from = Node::Compare { key, comparison: Comparison::GreaterOrEqual, literal: low };
                    let to = Node::Compare { key, comparison: Comparison::LessOrEqual, literal: high };
                    return Ok(negate(Node::And(Box::new(from), Box::new(to)), negated));
                }
                if self.word("like") {
                    if self.kinds.get(key) != Some(&Kind::Text) {
                        return Err(ExpressionError::LikeType { name: self.key_name(key), text: self.text.to_owned() });
                    }
                    return match self.operand()? {
                        Operand::Value(pattern) => Ok(negate(Node::Like { key, pattern }, negated)),
                        Operand::Key(_) => Err(self.expected("a pattern in single quotes")),
                    };
                }
                if negated {
                    return Err(self.expected("IN, BETWEEN or LIKE"));
                }
                let comparison = self.comparison()?;
                Ok(Node::Compare { key, comparison, literal: self.value(key)? })
            }
        }
    }

    fn list(&mut self, key: usize) -> Result<Node, ExpressionError> {
        if !self.symbol("(") {
            return Err(self.expected("`(`"));
        }
        let mut literals = vec![self.value(key)?];
        while self.symbol(",") {
            literals.push(self.value(key)?);
        }
        if !self.symbol(")") {
            return Err(self.expected("`,` or `)`"));
        }
        Ok(Node::In { key, literals })
    }

    fn comparison(&mut self) -> Result<Comparison, ExpressionError> {
        let comparison = match self.peek() {
            Some(Token::Symbol("=" | "==")) => Comparison::Equal,
            Some(Token::Symbol("<>" | "!=")) => Comparison::NotEqual,
            Some(Token::Symbol("<")) => Comparison::Less,
            Some(Token::Symbol("<=")) => Comparison::LessOrEqual,
            Some(Token::Symbol(">")) => Comparison::Greater,
            Some(Token::Symbol(">=")) => Comparison::GreaterOrEqual,
            _ => return Err(self.expected("a comparison")),
        };
        self.at += 1;
        Ok(comparison)
    }

    fn value(&mut self, key: usize) -> Result<Literal, ExpressionError> {
        match self.operand()? {
            Operand::Value(value) => self.typed(key, &value),
            Operand::Key(_) => {
                self.at = self.at.saturating_sub(1);
                Err(self.expected("a value"))
            }
        }
    }

    fn key_name(&self, key: usize) -> String {
        self.keys.get(key).map(|column| column.name.clone()).unwrap_or_default()
    }

    fn typed(&self, key: usize, value: &str) -> Result<Literal, ExpressionError> {
        let kind = self.kinds.get(key).copied().unwrap_or(Kind::Opaque);
        let data_type = || self.keys.get(key).and_then(|column| column.data_type.clone()).unwrap_or_default();
        if kind == Kind::Opaque {
            return Err(ExpressionError::KeyType {
                name: self.key_name(key),
                data_type: data_type(),
                text: self.text.to_owned(),
            });
        }
        literal(kind, value).ok_or_else(|| ExpressionError::Literal {
            value: value.to_owned(),
            name: self.key_name(key),
            data_type: data_type(),
            text: self.text.to_owned(),
        })
    }

    fn operand(&mut self) -> Result<Operand, ExpressionError> {
        let token = self.peek().cloned().ok_or_else(|| self.expected("a partition key or a value"))?;
        let operand = match token {
            Token::Text(text) | Token::Number(text) => Operand::Value(text),
            Token::Name(name) => Operand::Key(self.key(&name)?),
            Token::Word(word) => {
                // DATE '2013-01-01' and TIMESTAMP '...': the key's own type decides.
                let next = self.tokens.get(self.at + 1).map(|placed| &placed.token);
                let typed = ["date", "timestamp", "decimal"].iter().any(|name| word.eq_ignore_ascii_case(name));
                match (typed, next) {
                    (true, Some(Token::Text(text))) => {
                        let text = text.clone();
                        self.at += 1;
                        Operand::Value(text)
                    }
                    _ if (word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false"))
                        && self.position(&word).is_none() =>
                    {
                        Operand::Value(word)
                    }
                    _ => Operand::Key(self.key(&word)?),
                }
            }
            Token::Symbol(_) => return Err(self.expected("a partition key or a value")),
        };
        self.at += 1;
        Ok(operand)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.name.eq_ignore_ascii_case(name))
    }

    fn key(&self, name: &str) -> Result<usize, ExpressionError> {
        self.position(name)
            .ok_or_else(|| ExpressionError::NotAKey { name: name.to_owned(), text: self.text.to_owned() })
    }
}

fn negate(node: Node, negated: bool) -> Node {
    if negated { Node::Not(Box::new(node)) } else { node }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Vec<Column> {
        vec![
            Column::new("region", "string"),
            Column::new("year", "int"),
            Column::new("amount", "decimal(38,10)"),
            Column::new("day", "date"),
            Column::new("at", "timestamp"),
        ]
    }

    const VALUES: [&str; 5] = ["eu-west", "02013", "-1.50", "2013-01-31", "2013-01-31 10:00:00"];

    fn check(text: &str, expected: Result<bool, &str>) {
        let values: Vec<String> = VALUES.iter().map(|value| (*value).to_owned()).collect();
        let found = PartitionExpression::parse(text, &keys()).map(|parsed| {
            let held = parsed.may_hold(&values);
            if held {
                // What holds for all values must not be ruled out by the first of them.
                assert!((0..values.len()).all(|known| parsed.may_hold(&values[..known])), "{text}");
            }
            held
        });
        let found = found.map_err(|error| error.to_string());
        match expected {
            Ok(expected) => assert_eq!(found, Ok(expected), "{text}"),
            Err(part) => assert!(found.clone().is_err_and(|message| message.contains(part)), "{text}: {found:?}"),
        }
    }

    #[test]
    fn predicates_compare_by_type() {
        check("year = 2013", Ok(true));
        check("year = '2013'", Ok(true));
        check("2013 <= year", Ok(true));
        check("YEAR > 999", Ok(true));
        check("`year` <> 2013", Ok(false));
        check("\"region\" = 'eu-west' and year in (2012, 2013)", Ok(true));
        check("region like 'eu%t' AND region NOT LIKE '_u'", Ok(true));
        check("region like 'eu\\%t'", Ok(false));
        check("amount between -2 and -1.4999", Ok(true));
        check("amount = -1.5", Ok(true));
        check("amount < -1.5", Ok(false));
        check("day = DATE '2013-01-31'", Ok(true));
        check("day > '2013-01-09'", Ok(true));
        check("at >= TIMESTAMP '2013-01-31 10:00:00.0'", Ok(true));
        check("at < '2013-01-31'", Ok(false));
        check("not (year = 2013 or region = 'x')", Ok(false));
        check("year = 2012 or region = 'eu-west' and amount < 0", Ok(true));
        check("region is not null and not day is null", Ok(true));
        check("region = 'it''s'", Ok(false));
        check("month = 1", Err("month is not a partition key"));
        check("year = 'x'", Err("'x' is not a int"));
        check("year like '20%'", Err("LIKE needs a key of type string"));
        check("year =", Err("expected a partition key or a value at character 7"));
        check("year = region", Err("expected a value at character 8"));
        check("year = 2013)", Err("expected AND, OR or the end at character 12"));
        check("region = 'x", Err("expected a closing quote at character 10"));
        check("", Err("expected a partition key or a value at character 1"));
        check(&"(".repeat(500), Err("nests deeper"));
        check(&" ".repeat(3000), Err("longer than 2048"));
    }

    #[test]
    fn null_is_neither_true_nor_false() {
        let values = vec![HIVE_DEFAULT_PARTITION.to_owned()];
        let holds = |text: &str| PartitionExpression::parse(text, &keys()[..1]).map(|parsed| parsed.may_hold(&values));
        assert_eq!(holds("region = 'a'"), Ok(false));
        assert_eq!(holds("not region = 'a'"), Ok(false));
        assert_eq!(holds("region is null"), Ok(true));
        assert_eq!(holds("region is null or region = 'a'"), Ok(true));
    }

    #[test]
    fn leading_texts_are_those_that_must_be_equal() {
        let texts = |text: &str| PartitionExpression::parse(text, &keys()).map(|parsed| parsed.leading_texts());
        assert_eq!(texts("year = 2013 and region = 'eu'"), Ok(vec!["eu".to_owned()]));
        assert_eq!(texts("region = 'eu' or year = 1"), Ok(vec![]));
        assert_eq!(texts("not region = 'eu'"), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|(region |year |= |< |'a' |1 |and |or |not |\\(|\\)|in |between |like |is |null |, ){0,12}") {
            let _ = PartitionExpression::parse(&text, &keys());
        }

        #[test]
        fn numbers_order_as_numbers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000, scale in 0usize..5) {
            let text = |n: i64| {
                let digits = format!("{:0width$}", n.unsigned_abs(), width = scale + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                format!("{}{whole}.{fraction}", if n < 0 { "-" } else { "" })
            };
            let compared = Number::parse(&text(a)).zip(Number::parse(&text(b))).map(|(x, y)| x.compare(&y));
            prop_assert_eq!(compared, Some(a.cmp(&b)));
        }
    }
}
