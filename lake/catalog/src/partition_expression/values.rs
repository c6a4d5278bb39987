//! Values of partition keys, compared by the type of their key. Knows no predicate.

use std::cmp::Ordering;

use jiff::civil::{Date, DateTime};

use crate::{Column, HiveType};

/// How the values of a key compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Date,
    Timestamp,
    Boolean,
    Opaque,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(Number),
    Date(Date),
    Timestamp(DateTime),
    Boolean(bool),
}

impl Literal {
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
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
pub(super) struct Number {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Number {
    pub(super) fn parse(text: &str) -> Option<Self> {
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

    pub(super) fn compare(&self, other: &Self) -> Ordering {
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

pub(super) fn kind_of(key: &Column) -> Kind {
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

pub(super) fn literal(kind: Kind, text: &str) -> Option<Literal> {
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
