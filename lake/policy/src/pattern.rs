//! Texts of policies with wildcards and variables, compiled once. Knows nothing of what they are compared with.

use std::fmt;

use crate::facts::Facts;

/// Whether `*` and `?` stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wildcards {
    Match,
    Literal,
}

/// Whether `${key}` stands for itself, as in policies of version 2008-10-17.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variables {
    Resolve,
    Literal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    Star,
    Question,
    Variable { key: Box<str>, default: Option<Box<str>> },
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Literal(&'a str),
    Star,
    Question,
}

/// A compiled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// `*`.
    Any,
    /// No wildcards, no variables.
    Exact(Box<str>),
    /// A wildcard at the end only: the common case of resources and actions.
    Prefix(Box<str>),
    /// Everything else.
    Pieces(Box<[Pieces]>),
}

/// One of `Pattern`'s pieces; opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pieces(Piece);

/// `${` without `}`, or with nothing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadVariable;

impl Pattern {
    pub(crate) fn compile(text: &str, wildcards: Wildcards, variables: Variables) -> Result<Self, BadVariable> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut literal = String::new();
        fn flush(literal: &mut String, pieces: &mut Vec<Piece>) {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(literal).into()));
            }
        }
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if variables == Variables::Resolve
                && let Some(body) = rest.strip_prefix("${")
            {
                let (inside, after) = body.split_once('}').ok_or(BadVariable)?;
                match inside {
                    "*" | "?" | "$" => literal.push_str(inside),
                    _ => {
                        flush(&mut literal, &mut pieces);
                        pieces.push(variable(inside)?);
                    }
                }
                rest = after;
                continue;
            }
            match (next, wildcards) {
                ('*', Wildcards::Match) => {
                    flush(&mut literal, &mut pieces);
                    // Two stars in a row match what one does.
                    if pieces.last() != Some(&Piece::Star) {
                        pieces.push(Piece::Star);
                    }
                }
                ('?', Wildcards::Match) => {
                    flush(&mut literal, &mut pieces);
                    pieces.push(Piece::Question);
                }
                _ => literal.push(next),
            }
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
        flush(&mut literal, &mut pieces);
        Ok(match pieces.as_slice() {
            [] => Self::Exact("".into()),
            [Piece::Star] => Self::Any,
            [Piece::Literal(text)] => Self::Exact(text.clone()),
            [Piece::Literal(text), Piece::Star] => Self::Prefix(text.clone()),
            _ => Self::Pieces(pieces.into_iter().map(Pieces).collect()),
        })
    }

    /// Whether it matches one text only: no wildcard, no variable.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self, Self::Exact(_))
    }

    /// Whether it matches `subject`, or would with some values of its variables.
    pub(crate) fn can_be(&self, subject: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => **text == *subject,
            Self::Prefix(text) => subject.starts_with(&**text),
            Self::Pieces(pieces) => {
                let steps = pieces.iter().map(|Pieces(piece)| match piece {
                    Piece::Literal(text) => Step::Literal(text),
                    Piece::Star | Piece::Variable { .. } => Step::Star,
                    Piece::Question => Step::Question,
                });
                glob(&steps.collect::<Vec<_>>(), subject)
            }
        }
    }

    /// Whether it matches a text that begins with `start`, which has no wildcards.
    pub(crate) fn can_begin(&self, start: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => text.starts_with(start),
            Self::Prefix(text) => text.starts_with(start) || start.starts_with(&**text),
            Self::Pieces(pieces) => {
                // What stands before the first star decides; behind one everything can begin.
                let mut rest = start;
                for Pieces(piece) in pieces {
                    rest = match piece {
                        Piece::Star | Piece::Variable { .. } => return true,
                        Piece::Question => match rest.chars().next() {
                            Some(next) => rest.get(next.len_utf8()..).unwrap_or_default(),
                            None => return true,
                        },
                        Piece::Literal(text) => match rest.strip_prefix(&**text) {
                            Some(rest) => rest,
                            None => return text.starts_with(rest),
                        },
                    };
                }
                rest.is_empty()
            }
        }
    }

    /// Whether it matches every action of a service.
    pub(crate) fn is_all_of(&self, service: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Prefix(text) => format!("{service}:").starts_with(&**text),
            Self::Exact(_) => false,
            // Only wildcards match names that no action has, and only a star names of any length.
            Self::Pieces(pieces) => {
                let steps = pieces.iter().map(|Pieces(piece)| match piece {
                    Piece::Literal(text) => Some(Step::Literal(text)),
                    Piece::Star => Some(Step::Star),
                    Piece::Question => Some(Step::Question),
                    Piece::Variable { .. } => None,
                });
                let steps: Option<Vec<Step<'_>>> = steps.collect();
                let matches = |name| steps.as_ref().is_some_and(|steps| glob(steps, &format!("{service}:{name}")));
                matches("\0") && matches("\0\0")
            }
        }
    }

    /// Whether `subject` matches; a variable without a value matches nothing.
    pub(crate) fn matches(&self, subject: &str, facts: &Facts<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => **text == *subject,
            Self::Prefix(text) => subject.starts_with(&**text),
            Self::Pieces(pieces) => steps(pieces, facts).is_some_and(|steps| glob(&steps, subject)),
        }
    }

    /// As `matches`, in lower case on both sides. Only for patterns without wildcards.
    pub(crate) fn equals_ignoring_case(&self, subject: &str, facts: &Facts<'_>) -> bool {
        let text = match self {
            Self::Any => return subject == "*",
            Self::Exact(text) | Self::Prefix(text) => text.to_lowercase(),
            Self::Pieces(pieces) => match steps(pieces, facts) {
                None => return false,
                Some(steps) => steps
                    .iter()
                    .map(|step| match step {
                        Step::Literal(text) => text.to_lowercase(),
                        Step::Star => "*".to_owned(),
                        Step::Question => "?".to_owned(),
                    })
                    .collect(),
            },
        };
        text == subject.to_lowercase()
    }
}

/// As it was written, but for what a wildcard's own variables stand for.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(text) => f.write_str(text),
            Self::Prefix(text) => write!(f, "{text}*"),
            Self::Pieces(pieces) => pieces.iter().try_for_each(|Pieces(piece)| match piece {
                Piece::Literal(text) => f.write_str(text),
                Piece::Star => f.write_str("*"),
                Piece::Question => f.write_str("?"),
                Piece::Variable { key, .. } => write!(f, "${{{key}}}"),
            }),
        }
    }
}

fn variable(inside: &str) -> Result<Piece, BadVariable> {
    let (key, default) = match inside.split_once(',') {
        None => (inside, None),
        Some((key, default)) => {
            let default = default.trim();
            let bare = default.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            (key, Some(bare.ok_or(BadVariable)?))
        }
    };
    let key = key.trim();
    if key.is_empty() {
        return Err(BadVariable);
    }
    Ok(Piece::Variable { key: key.to_ascii_lowercase().into(), default: default.map(Into::into) })
}

/// The pieces with variables replaced by their values, which are never read as wildcards.
fn steps<'a>(pieces: &'a [Pieces], facts: &'a Facts<'_>) -> Option<Vec<Step<'a>>> {
    pieces
        .iter()
        .map(|Pieces(piece)| match piece {
            Piece::Literal(text) => Some(Step::Literal(text)),
            Piece::Star => Some(Step::Star),
            Piece::Question => Some(Step::Question),
            Piece::Variable { key, default } => match facts.get(key) {
                Some([value]) => Some(Step::Literal(value)),
                // A key of several values cannot be a variable.
                Some([_, _, ..]) => None,
                Some([]) | None => default.as_deref().map(Step::Literal),
            },
        })
        .collect()
}

/// Matches with one point to return to: only the last star ever needs another try.
fn glob(steps: &[Step<'_>], subject: &str) -> bool {
    let (mut at, mut rest) = (0, subject);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let advanced = match steps.get(at) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Step::Star) => {
                if at + 1 == steps.len() {
                    return true;
                }
                retry = Some((at + 1, rest));
                Some(rest)
            }
            Some(Step::Question) => {
                let mut chars = rest.chars();
                chars.next().map(|_| chars.as_str())
            }
            Some(Step::Literal(text)) => rest.strip_prefix(*text),
        };
        match (advanced, retry) {
            (Some(after), _) => {
                at += 1;
                rest = after;
            }
            (None, None) => return false,
            (None, Some((star, from))) => {
                let mut chars = from.chars();
                if chars.next().is_none() {
                    return false;
                }
                retry = Some((star, chars.as_str()));
                at = star;
                rest = chars.as_str();
            }
        }
    }
}

/// An ARN of a condition: six parts, each matched on its own, so that a wildcard does not reach over a colon.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN>
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    /// Six parts.
    Parts(Box<[Pattern; 6]>),
    /// `*`, or a variable that holds a whole ARN.
    Whole(Pattern),
}

impl ArnPattern {
    pub(crate) fn compile(text: &str, variables: Variables) -> Result<Self, BadVariable> {
        let mut parts: Vec<&str> = Vec::new();
        let (mut start, mut inside) = (0, false);
        for (at, c) in text.char_indices() {
            match c {
                '$' if variables == Variables::Resolve
                    && text.get(at + 1..).is_some_and(|rest| rest.starts_with('{')) =>
                {
                    inside = true
                }
                '}' => inside = false,
                ':' if !inside && parts.len() < 5 => {
                    parts.push(text.get(start..at).unwrap_or_default());
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(text.get(start..).unwrap_or_default());
        let compiled = parts
            .into_iter()
            .map(|part| Pattern::compile(part, Wildcards::Match, variables))
            .collect::<Result<Vec<_>, _>>()?;
        match <[Pattern; 6]>::try_from(compiled) {
            Ok(parts) => Ok(Self::Parts(Box::new(parts))),
            Err(_) => Pattern::compile(text, Wildcards::Match, variables).map(Self::Whole),
        }
    }

    /// Whether it matches one ARN only.
    pub(crate) fn is_fixed(&self) -> bool {
        match self {
            Self::Whole(pattern) => pattern.is_fixed(),
            Self::Parts(patterns) => patterns.iter().all(Pattern::is_fixed),
        }
    }

    /// Whether it matches ARNs of one account only.
    pub(crate) fn has_fixed_account(&self) -> bool {
        match self {
            Self::Whole(pattern) => pattern.is_fixed(),
            Self::Parts(patterns) => patterns.get(4).is_some_and(Pattern::is_fixed),
        }
    }

    pub(crate) fn matches(&self, subject: &str, facts: &Facts<'_>) -> bool {
        match self {
            Self::Whole(pattern) => pattern.matches(subject, facts),
            Self::Parts(patterns) => {
                let mut parts = subject.splitn(6, ':');
                patterns.iter().all(|pattern| parts.next().is_some_and(|part| pattern.matches(part, facts)))
            }
        }
    }
}
