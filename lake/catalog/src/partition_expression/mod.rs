//! The predicate of GetPartitions: `year = '2013' AND (month IN (1, 2) OR NOT day BETWEEN 3 AND 5)`. Owns what it means for the values
//! of a partition; `grammar` reads it, `values` compares. Knows values as text; knows no partition record.
//! <https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html>

mod grammar;
mod values;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use crate::{Column, HIVE_DEFAULT_PARTITION};

pub use grammar::ExpressionError;

use values::{Kind, Literal};

/// A parsed predicate.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionExpression {
    node: Node,
    kinds: Vec<Kind>,
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
        let kinds: Vec<Kind> = keys.iter().map(values::kind_of).collect();
        let node = grammar::parse(text, keys, &kinds)?;
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
            self.kinds.get(key).and_then(|kind| values::literal(*kind, text))
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
