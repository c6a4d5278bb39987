//! The Condition element: operators, quantifiers and the rules of missing keys, compiled once.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;
use jiff::Timestamp;

use crate::errors::PolicyProblem;
use crate::facts::Facts;
use crate::pattern::{ArnPattern, Pattern, Variables, Wildcards};
use crate::public::is_narrow;

/// How several values of a key are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    /// No set operator.
    Plain,
    ForAllValues,
    ForAnyValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is compared, without negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Text,
    TextIgnoringCase,
    TextLike,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
    Arn,
    Null,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(Pattern),
    TextIgnoringCase(Pattern),
    Number(Order, Decimal),
    Date(Order, Timestamp),
    Bool(bool),
    Binary(Vec<u8>),
    Address(IpNet),
    Arn(ArnPattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Operator {
    quantifier: Quantifier,
    compare: Compare,
    negated: bool,
    if_exists: bool,
}

/// One key of one operator, with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    operator: Operator,
    /// The operator and the key as they are written.
    written: Box<str>,
    key: Box<str>,
    values: Vec<Value>,
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        let (quantifier, name) = match text.split_once(':') {
            None => (Quantifier::Plain, text),
            Some(("ForAllValues", name)) => (Quantifier::ForAllValues, name),
            Some(("ForAnyValue", name)) => (Quantifier::ForAnyValue, name),
            Some(_) => return None,
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let (compare, negated) = match name {
            "StringEquals" => (Compare::Text, false),
            "StringNotEquals" => (Compare::Text, true),
            "StringEqualsIgnoreCase" => (Compare::TextIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Compare::TextIgnoringCase, true),
            "StringLike" => (Compare::TextLike, false),
            "StringNotLike" => (Compare::TextLike, true),
            "NumericEquals" => (Compare::Number(Order::Equal), false),
            "NumericNotEquals" => (Compare::Number(Order::Equal), true),
            "NumericLessThan" => (Compare::Number(Order::Less), false),
            "NumericLessThanEquals" => (Compare::Number(Order::LessOrEqual), false),
            "NumericGreaterThan" => (Compare::Number(Order::Greater), false),
            "NumericGreaterThanEquals" => (Compare::Number(Order::GreaterOrEqual), false),
            "DateEquals" => (Compare::Date(Order::Equal), false),
            "DateNotEquals" => (Compare::Date(Order::Equal), true),
            "DateLessThan" => (Compare::Date(Order::Less), false),
            "DateLessThanEquals" => (Compare::Date(Order::LessOrEqual), false),
            "DateGreaterThan" => (Compare::Date(Order::Greater), false),
            "DateGreaterThanEquals" => (Compare::Date(Order::GreaterOrEqual), false),
            "Bool" => (Compare::Bool, false),
            "BinaryEquals" => (Compare::Binary, false),
            "IpAddress" => (Compare::Address, false),
            "NotIpAddress" => (Compare::Address, true),
            "ArnEquals" | "ArnLike" => (Compare::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Compare::Arn, true),
            // Null asks whether the key is there: neither suffix nor quantifier can mean anything.
            "Null" if !if_exists && quantifier == Quantifier::Plain => (Compare::Null, false),
            _ => return None,
        };
        Some(Self { quantifier, compare, negated, if_exists })
    }

    fn value(self, text: &str, variables: Variables) -> Option<Value> {
        Some(match self.compare {
            Compare::Text => Value::Text(Pattern::compile(text, Wildcards::Literal, variables).ok()?),
            Compare::TextIgnoringCase => {
                Value::TextIgnoringCase(Pattern::compile(text, Wildcards::Literal, variables).ok()?)
            }
            Compare::TextLike => Value::Text(Pattern::compile(text, Wildcards::Match, variables).ok()?),
            Compare::Number(order) => Value::Number(order, Decimal::parse(text)?),
            Compare::Date(order) => Value::Date(order, date(text)?),
            Compare::Bool | Compare::Null => Value::Bool(boolean(text)?),
            Compare::Binary => Value::Binary(BASE64_STANDARD.decode(text).ok()?),
            Compare::Address => Value::Address(network(text)?),
            Compare::Arn => Value::Arn(ArnPattern::compile(text, variables).ok()?),
        })
    }
}

impl Value {
    /// A value of the request that cannot be read as what it is compared with equals nothing.
    fn matches(&self, asked: &str, facts: &Facts<'_>) -> bool {
        match self {
            Self::Text(pattern) => pattern.matches(asked, facts),
            Self::TextIgnoringCase(pattern) => pattern.equals_ignoring_case(asked, facts),
            Self::Number(order, number) => Decimal::parse(asked).is_some_and(|asked| order.holds(&asked, number)),
            Self::Date(order, instant) => date(asked).is_some_and(|asked| order.holds(&asked, instant)),
            Self::Bool(value) => boolean(asked) == Some(*value),
            Self::Binary(bytes) => BASE64_STANDARD.decode(asked).is_ok_and(|asked| asked == *bytes),
            Self::Address(network) => address(asked).is_some_and(|asked| network.contains(&asked)),
            Self::Arn(pattern) => pattern.matches(asked, facts),
        }
    }
}

impl Condition {
    pub(crate) fn compile(
        operator: &str,
        key: &str,
        values: &[String],
        variables: Variables,
    ) -> Result<Self, PolicyProblem> {
        let parsed =
            Operator::parse(operator).ok_or_else(|| PolicyProblem::ConditionOperator { found: operator.to_owned() })?;
        if !key.split_once(':').is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty()) {
            return Err(PolicyProblem::ConditionKey { found: key.to_owned() });
        }
        let values = values
            .iter()
            .map(|text| {
                parsed
                    .value(text, variables)
                    .ok_or_else(|| PolicyProblem::ConditionValue { operator: operator.to_owned(), found: text.clone() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            operator: parsed,
            written: format!("{operator} {key}").into(),
            key: key.to_ascii_lowercase().into(),
            values,
        })
    }

    /// The key, in lower case.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The operator and the key as they are written.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// Whether it fails where the key is missing, and otherwise holds for values without wildcard or variable only.
    /// The account of an access point's ARN fixes it; its name may be a wildcard.
    pub(crate) fn holds_only_for_fixed_values(&self) -> bool {
        let Operator { quantifier, compare, negated, if_exists } = self.operator;
        let is_fixed = |value: &Value| match value {
            Value::Text(pattern) | Value::TextIgnoringCase(pattern) => pattern.is_fixed(),
            Value::Arn(pattern) if *self.key == *"s3:dataaccesspointarn" => pattern.has_fixed_account(),
            Value::Arn(pattern) => pattern.is_fixed(),
            Value::Address(network) => is_narrow(network),
            Value::Number(..) | Value::Date(..) | Value::Bool(_) | Value::Binary(_) => false,
        };
        !negated
            && !if_exists
            && quantifier != Quantifier::ForAllValues
            && compare != Compare::Null
            && self.values.iter().all(is_fixed)
    }

    /// Whether it holds.
    ///
    /// A missing key fails a positive operator and satisfies a negated one; `IfExists` and `ForAllValues` are satisfied, `ForAnyValue` is not.
    /// With a quantifier the negation is of each value, inside of it (GHSA-v9cp-qfw9-9pfp is what comes of doing otherwise).
    /// A key without values is a missing one, and for a quantifier so is one whose only value is empty.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> bool {
        let asked = facts.get(&self.key).filter(|asked| !asked.is_empty());
        let Operator { quantifier, compare, negated, if_exists } = self.operator;
        if compare == Compare::Null {
            return self.values.iter().any(|value| *value == Value::Bool(asked.is_none()));
        }
        let is_null = |asked: &&[String]| quantifier != Quantifier::Plain && matches!(asked, [only] if only.is_empty());
        let Some(asked) = asked.filter(|asked| !is_null(asked)) else {
            return match quantifier {
                Quantifier::Plain => if_exists || negated,
                Quantifier::ForAllValues => true,
                Quantifier::ForAnyValue => if_exists,
            };
        };
        let any = |asked: &str| self.values.iter().any(|value| value.matches(asked, facts));
        let satisfies = |asked: &String| any(asked) != negated;
        match quantifier {
            Quantifier::Plain => asked.iter().any(|asked| any(asked)) != negated,
            Quantifier::ForAllValues => asked.iter().all(satisfies),
            Quantifier::ForAnyValue => asked.iter().any(satisfies),
        }
    }
}

impl Order {
    fn holds<T: Ord>(self, asked: &T, value: &T) -> bool {
        match self {
            Self::Equal => asked == value,
            Self::Less => asked < value,
            Self::LessOrEqual => asked <= value,
            Self::Greater => asked > value,
            Self::GreaterOrEqual => asked >= value,
        }
    }
}

/// A decimal number, exactly: integers beyond 2^53 must not become equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Decimal(i128);

impl Decimal {
    const INTEGER_DIGITS_MAX: usize = 24;
    const FRACTION_DIGITS_MAX: usize = 12;

    fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = integer.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !all_digits
            || integer.len() + fraction.len() == 0
            || integer.len() > Self::INTEGER_DIGITS_MAX
            || fraction.len() > Self::FRACTION_DIGITS_MAX
        {
            return None;
        }
        let scaled = format!("{integer}{fraction:0<width$}", width = Self::FRACTION_DIGITS_MAX).parse::<i128>().ok()?;
        Some(Self(if negative { -scaled } else { scaled }))
    }
}

/// ISO 8601 with a time zone, a day, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    // A year and a month, as W3C's profile of ISO 8601 has it; a year alone is seconds.
    let text = match text.as_bytes() {
        [_, _, _, _, b'-', _, _] => &format!("{text}-01"),
        _ => text,
    };
    let day: jiff::civil::Date = text.parse().ok()?;
    // `Date` also reads a date-time without zone, whose time would be dropped.
    if text.len() > "-009999-12-31".len() {
        return None;
    }
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// An IPv4 peer of a dual-stack socket reads as `::ffff:a.b.c.d`; policies mean its IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn network(text: &str) -> Option<IpNet> {
    match text.split_once('/') {
        Some(_) => text.parse().ok(),
        None => address(text).map(IpNet::from),
    }
}
