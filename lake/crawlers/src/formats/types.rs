//! What values were seen in a column, and how two columns become one. Knows Hive's types; knows no file format.

use tarn_catalog::{HiveType, StructField};

/// What is known of a column's values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Inferred {
    /// Nothing but nulls.
    Null,
    /// A type without types within.
    Scalar(HiveType),
    /// A list.
    Array(Box<Inferred>),
    /// Keys and values.
    Map(Box<Inferred>, Box<Inferred>),
    /// Fields by name, in the order they were first seen.
    Struct(Vec<(String, Inferred)>),
}

impl Inferred {
    /// The type that holds the values of both.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Null, other) | (other, Self::Null) => other,
            (Self::Scalar(a), Self::Scalar(b)) => Self::Scalar(merge_scalars(a, b)),
            (Self::Array(a), Self::Array(b)) => Self::Array(Box::new(a.merge(*b))),
            (Self::Map(ka, va), Self::Map(kb, vb)) => Self::Map(Box::new(ka.merge(*kb)), Box::new(va.merge(*vb))),
            (Self::Struct(mut a), Self::Struct(b)) => {
                for (name, inferred) in b {
                    match a.iter_mut().find(|(found, _)| *found == name) {
                        Some((_, found)) => *found = std::mem::replace(found, Self::Null).merge(inferred),
                        None => a.push((name, inferred)),
                    }
                }
                Self::Struct(a)
            }
            // Values of different nature: only their text is left.
            (Self::Scalar(_) | Self::Array(_) | Self::Map(..) | Self::Struct(_), _) => Self::Scalar(HiveType::String),
        }
    }

    /// Whether values of one could be meant as values of the other.
    pub fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => true,
            (Self::Scalar(a), Self::Scalar(b)) => a == b || (rank(a).is_some() && rank(b).is_some()),
            (Self::Array(_), Self::Array(_)) | (Self::Map(..), Self::Map(..)) | (Self::Struct(_), Self::Struct(_)) => {
                true
            }
            (Self::Scalar(_) | Self::Array(_) | Self::Map(..) | Self::Struct(_), _) => false,
        }
    }

    /// The type to write down; a column without a value is a string, as with Glue.
    pub fn hive_type(&self) -> HiveType {
        match self {
            Self::Null => HiveType::String,
            Self::Scalar(data_type) => data_type.clone(),
            Self::Array(item) => HiveType::Array(Box::new(item.hive_type())),
            Self::Map(key, value) => HiveType::Map(Box::new(key.hive_type()), Box::new(value.hive_type())),
            Self::Struct(fields) => HiveType::Struct(
                fields
                    .iter()
                    .map(|(name, inferred)| StructField { name: name.clone(), data_type: inferred.hive_type() })
                    .collect(),
            ),
        }
    }

    /// How many types there are in it.
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Scalar(_) => 1,
            Self::Array(item) => 1 + item.size(),
            Self::Map(key, value) => 1 + key.size() + value.size(),
            Self::Struct(fields) => fields.iter().fold(1, |size, (_, inferred)| size + inferred.size()),
        }
    }
}

/// Numbers in the order in which one holds the other.
fn rank(data_type: &HiveType) -> Option<u8> {
    match data_type {
        HiveType::TinyInt => Some(0),
        HiveType::SmallInt => Some(1),
        HiveType::Int => Some(2),
        HiveType::BigInt => Some(3),
        HiveType::Float => Some(4),
        HiveType::Double => Some(5),
        HiveType::Boolean
        | HiveType::Decimal { .. }
        | HiveType::String
        | HiveType::Varchar { .. }
        | HiveType::Char { .. }
        | HiveType::Binary
        | HiveType::Timestamp
        | HiveType::TimestampWithTimeZone
        | HiveType::Date
        | HiveType::Array(_)
        | HiveType::Map(..)
        | HiveType::Struct(_) => None,
    }
}

fn merge_scalars(a: HiveType, b: HiveType) -> HiveType {
    match (rank(&a), rank(&b)) {
        (Some(x), Some(y)) => {
            let wider = if x >= y { a } else { b };
            // A 32-bit float does not hold a 32-bit integer.
            if wider == HiveType::Float && x.min(y) >= 2 && x != y { HiveType::Double } else { wider }
        }
        _ => match (a, b) {
            (HiveType::Decimal { precision: p, scale: s }, HiveType::Decimal { precision: q, scale: t }) => {
                let scale = s.max(t);
                let whole = (p - s).max(q - t);
                if whole + scale <= 38 {
                    HiveType::Decimal { precision: whole + scale, scale }
                } else {
                    HiveType::String
                }
            }
            (HiveType::Date, HiveType::Timestamp) | (HiveType::Timestamp, HiveType::Date) => HiveType::Timestamp,
            _ => HiveType::String,
        },
    }
}

/// Glue's type of a text in a CSV file: bigint, double, boolean or string; empty is null.
pub(crate) fn of_text(text: &str) -> Inferred {
    let text = text.trim();
    if text.is_empty() {
        return Inferred::Null;
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        // A number beyond 64 bits is an identifier: a double would change it.
        return Inferred::Scalar(if text.parse::<i64>().is_ok() { HiveType::BigInt } else { HiveType::String });
    }
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if numeric && text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Inferred::Scalar(HiveType::Double);
    }
    let boolean = text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
    Inferred::Scalar(if boolean { HiveType::Boolean } else { HiveType::String })
}
