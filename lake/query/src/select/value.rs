//! The values of a selection, and what operators do with them. Knows no record.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value as Json;

use super::expression::{Operator, Type};
use tarn_objects::select::{SelectError, SelectErrorName};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// There is no such field.
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Timestamp(Timestamp),
    /// A list or a structure.
    Json(Json),
}

/// A moment, and the time zone it was told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp {
    pub ms: i64,
    pub offset_minutes: i32,
}

impl Timestamp {
    /// The wall clock of its time zone, as milliseconds since 1970.
    pub fn local_ms(self) -> i64 {
        self.ms.saturating_add(i64::from(self.offset_minutes) * 60_000)
    }

    /// `Z` or `+01:30`
    pub fn offset(self, colon: &str) -> String {
        if self.offset_minutes == 0 {
            return "Z".to_owned();
        }
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.abs();
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    }

    /// `2007-02-23T12:14:33.079Z`, as far as it is there: `2007T`, `2007-02T`, `2007-02-23T`; also without its dashes and colons.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once(['T', 't', ' ']) {
            Some((date, time)) => (date, time),
            None => (text, ""),
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse::<i64>().ok() } else { None }
        };
        let mut dated: Vec<&str> = date.split('-').collect();
        if let [whole] = dated.as_slice()
            && whole.len() == 8
            && whole.is_ascii()
        {
            dated = vec![whole.get(..4)?, whole.get(4..6)?, whole.get(6..)?];
        }
        let mut dated = dated.into_iter();
        let year = number(dated.next()?)?;
        let month = dated.next().map_or(Some(1), number)?;
        let day = dated.next().map_or(Some(1), number)?;
        let zone_at = time.find(['Z', 'z', '+', '-']);
        let (clock, zone) = time.split_at(zone_at.unwrap_or(time.len()));
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let clock = clock.replace(':', "");
        let two = |at: usize| if clock.len() > at { clock.get(at..at + 2).and_then(number) } else { Some(0) };
        let (hour, minute, second) = (two(0)?, two(2)?, two(4)?);
        let offset_minutes = match zone {
            "" | "Z" | "z" => 0,
            zone => {
                let digits = zone.get(1..)?.replace(':', "");
                let minutes = number(digits.get(..2)?)? * 60
                    + digits.get(2..).filter(|m| !m.is_empty()).map_or(Some(0), number)?;
                i32::try_from(if zone.starts_with('-') { -minutes } else { minutes }).ok()?
            }
        };
        let milliseconds = if fraction.is_empty() { 0 } else { number(format!("{fraction:0<3}").get(..3)?)? };
        let date =
            jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?)
                .ok()?;
        if clock.len() > 6 || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
        let ms =
            midnight + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds - i64::from(offset_minutes) * 60_000;
        Some(Self { ms, offset_minutes })
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pattern = if self.ms.rem_euclid(1000) == 0 { "yyyy-MM-dd'T'HH:mm:ss" } else { "yyyy-MM-dd'T'HH:mm:ss.SSS" };
        let clock = crate::functions::joda_format(self.local_ms(), pattern).map_err(|_| std::fmt::Error)?;
        write!(f, "{clock}{}", self.offset(":"))
    }
}

fn out_of_range() -> SelectError {
    SelectError::new(SelectErrorName::IntegerOverflow, "A whole number leaves the range of 64 bits")
}

impl Value {
    /// Of a value of JSON.
    pub fn of(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(text.clone()),
            other => Self::Json(other.clone()),
        }
    }

    /// As JSON; `None` if it is missing.
    pub fn json(&self) -> Option<Json> {
        Some(match self {
            Self::Missing => return None,
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Float(value) => Json::from(*value),
            Self::Text(text) => Json::from(text.as_str()),
            Self::Timestamp(value) => Json::from(value.to_string()),
            Self::Json(json) => json.clone(),
        })
    }

    /// As a text; nothing of what is NULL or missing.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Missing | Self::Null => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Float(value) => Cow::Owned(value.to_string()),
            Self::Timestamp(value) => Cow::Owned(value.to_string()),
            Self::Json(json) => Cow::Owned(json.to_string()),
        }
    }

    /// Whether it is NULL or missing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    /// A number as it is, or of a text that is one: all fields of CSV are texts.
    pub fn number(&self) -> Option<Self> {
        match self {
            Self::Int(_) | Self::Float(_) => Some(self.clone()),
            Self::Text(text) => {
                let text = text.trim();
                text.parse().map(Self::Int).ok().or_else(|| text.parse().map(Self::Float).ok())
            }
            _ => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// How two values compare; `None` if they do not.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Timestamp(left), Self::Timestamp(right)) => Some(left.ms.cmp(&right.ms)),
            (Self::Json(left), Self::Json(right)) => (left == right).then_some(Ordering::Equal),
            (Self::Int(_) | Self::Float(_), _) | (_, Self::Int(_) | Self::Float(_)) => {
                match (self.number()?, other.number()?) {
                    (Self::Int(left), Self::Int(right)) => Some(left.cmp(&right)),
                    (left, right) => left.float()?.partial_cmp(&right.float()?),
                }
            }
            _ => None,
        }
    }

    /// `left operator right`, of arithmetic and `||`.
    pub fn arithmetic(operator: Operator, left: &Self, right: &Self) -> Result<Self, SelectError> {
        if left.is_null() || right.is_null() {
            return Ok(Self::Null);
        }
        if operator == Operator::Concat {
            return Ok(Self::Text(format!("{}{}", left.text(), right.text())));
        }
        let (Some(left_number), Some(right_number)) = (left.number(), right.number()) else {
            let wrong = if left.number().is_none() { left } else { right };
            return Err(SelectError::new(
                SelectErrorName::InvalidDataType,
                format!("`{}` is no number", wrong.text().chars().take(100).collect::<String>()),
            ));
        };
        if let (Self::Int(left), Self::Int(right)) = (&left_number, &right_number) {
            let by_zero = || SelectError::new(SelectErrorName::EvaluatorDivisionByZero, "Division by zero");
            let result = match operator {
                Operator::Add => left.checked_add(*right),
                Operator::Subtract => left.checked_sub(*right),
                Operator::Multiply => left.checked_mul(*right),
                Operator::Divide | Operator::Modulo if *right == 0 => return Err(by_zero()),
                Operator::Divide => left.checked_div(*right),
                Operator::Modulo => left.checked_rem(*right),
                _ => None,
            };
            return result.map(Self::Int).ok_or_else(out_of_range);
        }
        let (left, right) = (left_number.float().unwrap_or(f64::NAN), right_number.float().unwrap_or(f64::NAN));
        Ok(Self::Float(match operator {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Divide => left / right,
            Operator::Modulo => left % right,
            _ => f64::NAN,
        }))
    }

    /// `-self`
    pub fn negate(&self) -> Result<Self, SelectError> {
        Self::arithmetic(Operator::Subtract, &Self::Int(0), self)
    }

    /// `CAST(self AS to)`
    pub fn cast(self, to: Type) -> Result<Self, SelectError> {
        if self.is_null() {
            return Ok(self);
        }
        let failed = |value: &Self| {
            let shown: String = value.text().chars().take(100).collect();
            SelectError::new(SelectErrorName::CastFailed, format!("`{shown}` cannot be cast to {to:?}"))
        };
        let cast = match (to, &self) {
            (Type::Text, value) => Some(Self::Text(value.text().into_owned())),
            (Type::Bool, Self::Bool(value)) => Some(Self::Bool(*value)),
            (Type::Bool, Self::Int(value)) => Some(Self::Bool(*value != 0)),
            (Type::Bool, Self::Text(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Some(Self::Bool(true)),
                "false" => Some(Self::Bool(false)),
                _ => None,
            },
            (Type::Int, Self::Bool(value)) => Some(Self::Int(i64::from(*value))),
            (Type::Timestamp, Self::Timestamp(value)) => Some(Self::Timestamp(*value)),
            (Type::Timestamp, Self::Text(text)) => Timestamp::parse(text.trim()).map(Self::Timestamp),
            (Type::Int | Type::Float | Type::Decimal(_), value) => match (to, value.number()) {
                (Type::Int, Some(Self::Float(number))) => {
                    let whole = number.trunc();
                    // the floats next to the ends of the range
                    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole);
                    fits.then_some(Self::Int(whole as i64))
                }
                (Type::Int, number) => number,
                (Type::Decimal(scale), Some(number)) => number.float().map(|number| {
                    let shift = 10_f64.powi(i32::try_from(scale).unwrap_or(0));
                    Self::Float((number * shift).round() / shift)
                }),
                (_, Some(number)) => number.float().map(Self::Float),
                (_, None) => None,
            },
            _ => None,
        };
        cast.ok_or_else(|| failed(&self))
    }
}
