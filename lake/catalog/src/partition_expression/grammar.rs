//! The grammar of predicates: text to tokens to nodes, against the keys of a table. Knows nothing of what holds.

use super::values::{Kind, Literal, literal};
use super::{Comparison, Node};
use crate::Column;

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

/// Reads `text` for a table with these partition keys, whose values compare as `kinds` say.
pub(super) fn parse(text: &str, keys: &[Column], kinds: &[Kind]) -> Result<Node, ExpressionError> {
    if text.chars().count() > EXPRESSION_CHARACTERS_MAX {
        return Err(too_large());
    }
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, keys, kinds };
    let node = parser.or(0)?;
    if parser.peek().is_some() {
        return Err(parser.expected("AND, OR or the end"));
    }
    Ok(node)
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
