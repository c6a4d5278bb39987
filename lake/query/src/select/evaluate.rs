//! Expressions over records. Knows no format.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::expression::{Aggregate, Expr, Function, Operator, Part, Selection, Step, Trim};
use super::value::{Timestamp, Value};
use crate::functions::{add_months, joda_format};
use tarn_objects::select::{SelectError, SelectErrorName};

const DAY_MS: i64 = 86_400_000;

/// One record.
#[derive(Debug)]
pub(super) enum Record<'a> {
    Fields(&'a [String]),
    Json(&'a Json),
}

/// What an expression is evaluated with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub record: Option<&'a Record<'a>>,
    /// The values of the selection's aggregates.
    pub aggregates: &'a [Value],
    /// `UTCNOW()`
    pub now_ms: i64,
}

/// Turns the paths of a selection into columns of CSV; `header` has the names.
pub(super) fn bind(selection: &mut Selection, header: Option<&[String]>) -> Result<(), SelectError> {
    if !selection.from.iter().all(|step| *step == Step::All) {
        return Err(SelectError::new(SelectErrorName::InvalidTableAlias, "A path behind S3Object is for JSON only"));
    }
    let items = selection.items.iter_mut().flatten().map(|item| &mut item.expr);
    let aggregates = selection.aggregates.iter_mut().filter_map(|(_, expr)| expr.as_mut());
    for expr in items.chain(selection.condition.as_mut()).chain(aggregates) {
        bind_expr(expr, header)?;
    }
    Ok(())
}

fn column(steps: &[Step], header: Option<&[String]>) -> Result<usize, SelectError> {
    let [Step::Name { name, exact }] = steps else {
        return Err(SelectError::new(SelectErrorName::InvalidColumnIndex, "A column of CSV is named by one name"));
    };
    let by_name = header.and_then(|header| {
        header.iter().position(|column| if *exact { column == name } else { column.eq_ignore_ascii_case(name) })
    });
    if let Some(at) = by_name {
        return Ok(at);
    }
    let by_number = name.strip_prefix('_').and_then(|digits| digits.parse::<usize>().ok());
    match (by_number.and_then(|number| number.checked_sub(1)), header) {
        (Some(at), _) => Ok(at),
        (None, Some(_)) => Err(SelectError::new(
            SelectErrorName::MissingHeaders,
            format!("Some headers in the query are missing from the file: {name}"),
        )),
        (None, None) => Err(SelectError::new(
            SelectErrorName::InvalidColumnIndex,
            format!("The column {name} is not there: without a header columns are named _1, _2, ..."),
        )),
    }
}

fn bind_expr(expr: &mut Expr, header: Option<&[String]>) -> Result<(), SelectError> {
    match expr {
        Expr::Path(steps) => *expr = Expr::Column(column(steps, header)?),
        Expr::Literal(_) | Expr::Column(_) | Expr::Aggregate(_) => {}
        Expr::Not(inner) | Expr::Negate(inner) | Expr::Cast(inner, _) | Expr::IsNull { expr: inner, .. } => {
            bind_expr(inner, header)?;
        }
        Expr::Binary(left, _, right) => {
            bind_expr(left, header)?;
            bind_expr(right, header)?;
        }
        Expr::In { expr, list, .. } => {
            bind_expr(expr, header)?;
            list.iter_mut().try_for_each(|expr| bind_expr(expr, header))?;
        }
        Expr::Between { expr, low, high, .. } => {
            [expr, low, high].into_iter().try_for_each(|expr| bind_expr(expr, header))?;
        }
        Expr::Like { expr, pattern, escape, .. } => {
            [expr, pattern].into_iter().chain(escape).try_for_each(|expr| bind_expr(expr, header))?;
        }
        Expr::Case { operand, whens, otherwise } => {
            operand.iter_mut().chain(otherwise).try_for_each(|expr| bind_expr(expr, header))?;
            for (when, then) in whens {
                bind_expr(when, header)?;
                bind_expr(then, header)?;
            }
        }
        Expr::Call(_, arguments) => arguments.iter_mut().try_for_each(|expr| bind_expr(expr, header))?,
    }
    Ok(())
}

/// What a path leads to.
pub(super) fn follow<'a>(mut json: &'a Json, steps: &[Step]) -> Option<&'a Json> {
    for step in steps {
        json = match (step, json) {
            (Step::Name { name, exact }, Json::Object(fields)) => match fields.get(name) {
                Some(found) => found,
                None if !exact => {
                    fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, found)| found)?
                }
                None => return None,
            },
            (Step::Index(at), Json::Array(items)) => items.get(*at)?,
            _ => return None,
        };
    }
    Some(json)
}

impl Record<'_> {
    fn path(&self, steps: &[Step]) -> Value {
        match self {
            Self::Json(json) => follow(json, steps).map_or(Value::Missing, Value::of),
            Self::Fields(_) => Value::Missing,
        }
    }

    fn column(&self, at: usize) -> Value {
        match self {
            Self::Fields(fields) => fields.get(at).map_or(Value::Missing, |field| Value::Text(field.clone())),
            Self::Json(_) => Value::Missing,
        }
    }
}

/// True, false, or neither.
pub(super) fn truth(value: &Value) -> Result<Option<bool>, SelectError> {
    match value {
        Value::Bool(value) => Ok(Some(*value)),
        Value::Null | Value::Missing => Ok(None),
        other => {
            let message = format!("`{}` is neither true nor false", other.text().chars().take(100).collect::<String>());
            Err(SelectError::new(SelectErrorName::InvalidDataType, message))
        }
    }
}

fn of_truth(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Bool)
}

fn negated_if(truth: Option<bool>, negated: bool) -> Value {
    of_truth(truth.map(|truth| truth != negated))
}

fn compared(operator: Operator, left: &Value, right: &Value) -> Option<bool> {
    if left.is_null() || right.is_null() {
        return None;
    }
    let order = left.compare(right);
    Some(match operator {
        Operator::Equal => order == Some(Ordering::Equal),
        Operator::NotEqual => order != Some(Ordering::Equal),
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        _ => false,
    })
}

/// The value of `expr`.
pub(super) fn evaluate(expr: &Expr, scope: Scope) -> Result<Value, SelectError> {
    let value = |expr: &Expr| evaluate(expr, scope);
    Ok(match expr {
        Expr::Literal(literal) => literal.clone(),
        Expr::Path(steps) => scope.record.map_or(Value::Missing, |record| record.path(steps)),
        Expr::Column(at) => scope.record.map_or(Value::Missing, |record| record.column(*at)),
        Expr::Aggregate(at) => scope.aggregates.get(*at).cloned().unwrap_or(Value::Null),
        Expr::Not(inner) => of_truth(truth(&value(inner)?)?.map(|truth| !truth)),
        Expr::Negate(inner) => value(inner)?.negate()?,
        Expr::Binary(left, operator @ (Operator::And | Operator::Or), right) => {
            // what decides alone
            let decides = *operator == Operator::Or;
            let left = truth(&value(left)?)?;
            if left == Some(decides) {
                return Ok(Value::Bool(decides));
            }
            let right = truth(&value(right)?)?;
            if right == Some(decides) {
                return Ok(Value::Bool(decides));
            }
            of_truth(left.and(right).map(|_| !decides))
        }
        Expr::Binary(left, operator, right) => {
            let (left, right) = (value(left)?, value(right)?);
            match operator {
                Operator::Concat
                | Operator::Add
                | Operator::Subtract
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo => Value::arithmetic(*operator, &left, &right)?,
                _ => of_truth(compared(*operator, &left, &right)),
            }
        }
        Expr::IsNull { expr, missing, negated } => {
            let value = value(expr)?;
            let holds = if *missing { value == Value::Missing } else { value.is_null() };
            Value::Bool(holds != *negated)
        }
        Expr::In { expr, list, negated } => {
            let wanted = value(expr)?;
            let mut found = Some(false);
            for item in list {
                match compared(Operator::Equal, &wanted, &value(item)?) {
                    Some(true) => return Ok(Value::Bool(!negated)),
                    Some(false) => {}
                    None => found = None,
                }
            }
            negated_if(found, *negated)
        }
        Expr::Between { expr, low, high, negated } => {
            let wanted = value(expr)?;
            let above = compared(Operator::GreaterOrEqual, &wanted, &value(low)?);
            let below = compared(Operator::LessOrEqual, &wanted, &value(high)?);
            let within = match (above, below) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            negated_if(within, *negated)
        }
        Expr::Like { expr, pattern, escape, negated } => {
            let (text, pattern) = (value(expr)?, value(pattern)?);
            if text.is_null() || pattern.is_null() {
                return Ok(Value::Null);
            }
            let escape = escape.as_ref().map(|escape| value(escape)).transpose()?;
            let pattern = like_pattern(&pattern.text(), escape.as_ref())?;
            Value::Bool(like(&text.text().chars().collect::<Vec<_>>(), &pattern) != *negated)
        }
        Expr::Case { operand, whens, otherwise } => {
            let operand = operand.as_ref().map(|operand| value(operand)).transpose()?;
            for (when, then) in whens {
                let when = value(when)?;
                let holds = match &operand {
                    Some(operand) => compared(Operator::Equal, operand, &when),
                    None => truth(&when)?,
                };
                if holds == Some(true) {
                    return value(then);
                }
            }
            otherwise.as_ref().map_or(Ok(Value::Null), |otherwise| value(otherwise))?
        }
        Expr::Cast(inner, to) => value(inner)?.cast(*to)?,
        Expr::Call(function, arguments) => {
            let arguments = arguments.iter().map(value).collect::<Result<Vec<_>, _>>()?;
            call(*function, arguments, scope.now_ms)?
        }
    })
}

enum Like {
    Any,
    One,
    Char(char),
}

fn like_pattern(pattern: &str, escape: Option<&Value>) -> Result<Vec<Like>, SelectError> {
    let invalid = |message: &str| SelectError::new(SelectErrorName::LikeInvalidInputs, message);
    let escape = match escape {
        Some(escape) => {
            let text = escape.text();
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(escape), None) => Some(escape),
                _ => return Err(invalid("The ESCAPE of a LIKE is one character")),
            }
        }
        None => None,
    };
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(next) = chars.next() {
        parts.push(if Some(next) == escape {
            Like::Char(chars.next().ok_or_else(|| invalid("The pattern of a LIKE ends in its escape"))?)
        } else {
            match next {
                '%' => Like::Any,
                '_' => Like::One,
                next => Like::Char(next),
            }
        });
    }
    Ok(parts)
}

/// In time of the product of both lengths at most.
fn like(text: &[char], pattern: &[Like]) -> bool {
    let (mut at, mut part) = (0, 0);
    // the last % and the place behind what it took
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(part) {
            Some(Like::Any) => {
                retry = Some((part, at));
                part += 1;
                continue;
            }
            Some(Like::One) => {
                (at, part) = (at + 1, part + 1);
                continue;
            }
            Some(Like::Char(wanted)) if text.get(at) == Some(wanted) => {
                (at, part) = (at + 1, part + 1);
                continue;
            }
            _ => {}
        }
        match &mut retry {
            Some((any, from)) => {
                *from += 1;
                (at, part) = (*from, *any + 1);
            }
            None => return false,
        }
    }
    pattern.iter().skip(part).all(|rest| matches!(rest, Like::Any))
}

fn invalid(message: impl Into<String>) -> SelectError {
    SelectError::new(SelectErrorName::EvaluatorInvalidArguments, message)
}

fn timestamp(value: &Value) -> Result<Timestamp, SelectError> {
    match value {
        Value::Timestamp(timestamp) => Ok(*timestamp),
        other => Err(invalid(format!("`{}` is no timestamp: use TO_TIMESTAMP", other.text()))),
    }
}

fn whole(value: &Value) -> Result<i64, SelectError> {
    match value.number() {
        Some(Value::Int(number)) => Ok(number),
        _ => Err(invalid(format!("`{}` is no whole number", value.text()))),
    }
}

fn call(function: Function, arguments: Vec<Value>, now_ms: i64) -> Result<Value, SelectError> {
    match function {
        Function::Coalesce => {
            return Ok(arguments.into_iter().find(|argument| !argument.is_null()).unwrap_or(Value::Null));
        }
        Function::NullIf => {
            let mut arguments = arguments.into_iter();
            let (first, second) = (arguments.next().unwrap_or(Value::Null), arguments.next().unwrap_or(Value::Null));
            let equal = compared(Operator::Equal, &first, &second) == Some(true);
            return Ok(if equal { Value::Null } else { first });
        }
        Function::UtcNow => return Ok(Value::Timestamp(Timestamp { ms: now_ms, offset_minutes: 0 })),
        _ => {}
    }
    if arguments.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    let argument = |at: usize| arguments.get(at).ok_or_else(|| invalid("An argument is missing"));
    let text = |at: usize| argument(at).map(Value::text);
    Ok(match function {
        Function::CharLength => Value::Int(i64::try_from(text(0)?.chars().count()).unwrap_or(i64::MAX)),
        Function::Lower => Value::Text(text(0)?.to_lowercase()),
        Function::Upper => Value::Text(text(0)?.to_uppercase()),
        Function::Substring => {
            let start = whole(argument(1)?)?;
            let end = match arguments.get(2) {
                Some(length) => {
                    let length = whole(length)?;
                    if length < 0 {
                        return Err(invalid("The length of a SUBSTRING is negative"));
                    }
                    start.saturating_add(length)
                }
                None => i64::MAX,
            };
            let within = (1_i64..).zip(text(0)?.chars().collect::<Vec<_>>());
            Value::Text(within.filter(|(at, _)| (start..end).contains(at)).map(|(_, char)| char).collect())
        }
        Function::Trim(side) => {
            let (text, chars) = match arguments.get(1) {
                Some(_) => (text(1)?, text(0)?.chars().collect()),
                None => (text(0)?, vec![' ']),
            };
            let is_cut = |char: char| chars.contains(&char);
            Value::Text(match side {
                Trim::Both => text.trim_matches(is_cut).to_owned(),
                Trim::Leading => text.trim_start_matches(is_cut).to_owned(),
                Trim::Trailing => text.trim_end_matches(is_cut).to_owned(),
            })
        }
        Function::ToTimestamp => match argument(0)? {
            Value::Timestamp(timestamp) => Value::Timestamp(*timestamp),
            other => Value::Timestamp(Timestamp::parse(other.text().trim()).ok_or_else(|| {
                SelectError::new(SelectErrorName::CastFailed, format!("`{}` is no timestamp", other.text()))
            })?),
        },
        Function::ToString => Value::Text(formatted(timestamp(argument(0)?)?, &text(1)?)?),
        Function::DateAdd(part) => {
            let (count, from) = (whole(argument(0)?)?, timestamp(argument(1)?)?);
            Value::Timestamp(added(part, count, from)?)
        }
        Function::DateDiff(part) => Value::Int(difference(part, timestamp(argument(0)?)?, timestamp(argument(1)?)?)?),
        Function::Extract(part) => Value::Int(extracted(part, timestamp(argument(0)?)?)?),
        Function::Coalesce | Function::NullIf | Function::UtcNow => Value::Null,
    })
}

/// Milliseconds of the parts that always last the same.
fn length_ms(part: Part) -> Option<i64> {
    match part {
        Part::Day => Some(DAY_MS),
        Part::Hour => Some(3_600_000),
        Part::Minute => Some(60_000),
        Part::Second => Some(1000),
        Part::Year | Part::Month | Part::TimezoneHour | Part::TimezoneMinute => None,
    }
}

fn months(part: Part) -> Option<i64> {
    match part {
        Part::Year => Some(12),
        Part::Month => Some(1),
        _ => None,
    }
}

fn added(part: Part, count: i64, from: Timestamp) -> Result<Timestamp, SelectError> {
    let ms = match (length_ms(part), months(part)) {
        (Some(length), _) => count.checked_mul(length).and_then(|by| from.ms.checked_add(by)),
        (None, Some(months)) => count
            .checked_mul(months)
            .and_then(|by| add_months(from.local_ms(), by))
            .and_then(|local| local.checked_sub(from.local_ms() - from.ms)),
        (None, None) => return Err(invalid("DATE_ADD adds years, months, days, hours, minutes or seconds")),
    };
    let ms = ms.ok_or_else(|| invalid("DATE_ADD leaves the range of timestamps"))?;
    Ok(Timestamp { ms, offset_minutes: from.offset_minutes })
}

fn difference(part: Part, from: Timestamp, to: Timestamp) -> Result<i64, SelectError> {
    if let Some(length) = length_ms(part) {
        return Ok(to.ms.saturating_sub(from.ms) / length);
    }
    let Some(months) = months(part) else {
        return Err(invalid("DATE_DIFF counts years, months, days, hours, minutes or seconds"));
    };
    let count = |at: Timestamp| -> Result<i64, SelectError> {
        Ok(extracted(Part::Year, at)? * 12 + extracted(Part::Month, at)?)
    };
    let mut whole = count(to)? - count(from)?;
    // a month that is not full does not count
    let reached = add_months(from.local_ms(), whole).unwrap_or(from.local_ms());
    if whole > 0 && reached > to.local_ms() {
        whole -= 1;
    } else if whole < 0 && reached < to.local_ms() {
        whole += 1;
    }
    Ok(whole / months)
}

fn extracted(part: Part, from: Timestamp) -> Result<i64, SelectError> {
    let pattern = match part {
        Part::Year => "y",
        Part::Month => "M",
        Part::Day => "d",
        Part::Hour => "H",
        Part::Minute => "m",
        Part::Second => "s",
        Part::TimezoneHour => return Ok(i64::from(from.offset_minutes / 60)),
        Part::TimezoneMinute => return Ok(i64::from(from.offset_minutes % 60)),
    };
    formatted(from, pattern)?.parse().map_err(|_| invalid("A part of a timestamp is no number"))
}

/// In a pattern of `TO_STRING`: `y`, `M`, `d`, `a`, `h`, `H`, `m`, `s`, `S`, and `X` and `x` for the time zone.
fn formatted(timestamp: Timestamp, pattern: &str) -> Result<String, SelectError> {
    let mut zoned = String::new();
    let (mut quoted, mut chars) = (false, pattern.chars().peekable());
    while let Some(next) = chars.next() {
        quoted ^= next == '\'';
        if quoted || !matches!(next, 'X' | 'x') {
            zoned.push(next);
            continue;
        }
        let mut count = 1;
        while chars.next_if_eq(&next).is_some() {
            count += 1;
        }
        let mut offset = timestamp.offset(if matches!(count, 3 | 5) { ":" } else { "" });
        if offset == "Z" && next == 'x' {
            offset = if matches!(count, 3 | 5) { "+00:00" } else { "+0000" }.to_owned();
        }
        if count == 1 && offset.len() > 3 {
            offset.truncate(3);
        }
        zoned.push_str(&format!("'{offset}'"));
    }
    joda_format(timestamp.local_ms(), &zoned)
        .map_err(|error| SelectError::new(SelectErrorName::EvaluatorInvalidTimestampFormatPattern, error.to_string()))
}

/// An aggregate while records come.
#[derive(Debug)]
pub(super) struct Aggregating {
    kind: Aggregate,
    count: i64,
    value: Value,
}

impl Aggregating {
    pub fn new(kind: Aggregate) -> Self {
        Self { kind, count: 0, value: Value::Null }
    }

    /// Takes the value of another record; `COUNT(*)` takes none.
    pub fn add(&mut self, value: Option<Value>) -> Result<(), SelectError> {
        let Some(value) = value else {
            self.count += 1;
            return Ok(());
        };
        if value.is_null() {
            return Ok(());
        }
        self.count += 1;
        match self.kind {
            Aggregate::Count => {}
            Aggregate::Sum | Aggregate::Avg => {
                let before = if self.count == 1 { Value::Int(0) } else { self.value.clone() };
                self.value = Value::arithmetic(Operator::Add, &before, &value)?;
            }
            Aggregate::Min | Aggregate::Max => {
                let value = if matches!(self.value, Value::Int(_) | Value::Float(_)) {
                    value.number().ok_or_else(|| invalid(format!("`{}` is no number", value.text())))?
                } else {
                    value
                };
                let better = if self.kind == Aggregate::Min { Ordering::Less } else { Ordering::Greater };
                if self.value.is_null() || value.compare(&self.value) == Some(better) {
                    self.value = value;
                }
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Value, SelectError> {
        match self.kind {
            Aggregate::Count => Ok(Value::Int(self.count)),
            Aggregate::Avg if self.count > 0 => {
                let sum = self.value.cast(super::expression::Type::Float)?;
                Value::arithmetic(Operator::Divide, &sum, &Value::Int(self.count))
            }
            Aggregate::Avg | Aggregate::Sum | Aggregate::Min | Aggregate::Max => Ok(self.value),
        }
    }
}
