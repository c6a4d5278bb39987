//! Texts as values of a type: numbers, dates, times; and the builders that collect them into columns. Knows no file.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int8Builder, Int16Builder, Int32Builder, Int64Builder, ListArray, MapArray, NullBufferBuilder, StringBuilder,
    StringViewBuilder, StructArray, TimestampMillisecondBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields, TimeUnit};
use serde_json::Value;

/// Days since 1970-01-01 of a civil date (proleptic Gregorian).
pub(crate) fn days_of(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let month = i64::from(month);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some(era * 146_097 + doe - 719_468)
}

/// `2020-01-31`, `2020-1-31`
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let text = text.trim();
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut parts = rest.splitn(3, '-');
    let mut part = |digits_max: usize| {
        let part = parts.next()?;
        (!part.is_empty() && part.len() <= digits_max && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<i64>().ok())
            .flatten()
    };
    let (year, month, day) = (part(6)?, part(2)?, part(2)?);
    let days = days_of(if negative { -year } else { year }, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    i32::try_from(days).ok()
}

/// `2020-01-31 12:34:56.789`, with `T` for the blank, without seconds, without a time; up to nine digits behind the point.
/// A zone (`Z`, `+01:00`) is subtracted.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    let cut = text.get(1..)?.find([' ', 'T']).map(|at| at + 1);
    let Some(cut) = cut else { return parse_date(text).map(|days| i64::from(days) * 86_400_000) };
    let date = i64::from(parse_date(text.get(..cut)?)?);
    let time = text.get(cut + 1..)?.trim();
    let (time, offset_minutes) = split_zone(time)?;
    Some(date * 86_400_000 + parse_time(time)? - offset_minutes * 60_000)
}

/// `12:34:56.789` as milliseconds of the day.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hour: i64 = digits(parts.next()?)?;
    let minute: i64 = digits(parts.next()?)?;
    let (second, milliseconds) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (digits(seconds)?, 0),
            Some((whole, fraction)) => {
                if fraction.len() > 12 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                (digits(whole)?, format!("{fraction:0<3}").get(..3)?.parse().ok()?)
            }
        },
    };
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1000 + milliseconds)
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(rest) = time.strip_suffix(['Z', 'z']) {
        return Some((rest.trim_end(), 0));
    }
    if let Some(rest) = time.strip_suffix("UTC") {
        return Some((rest.trim_end(), 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (before, zone) = time.split_at(at);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone = zone.get(1..)?;
    let (hours, minutes) = match zone.split_once(':') {
        Some((hours, minutes)) => (digits(hours)?, digits(minutes)?),
        None if zone.len() == 4 => (digits(zone.get(..2)?)?, digits(zone.get(2..)?)?),
        None => (digits(zone)?, 0),
    };
    Some((before.trim_end(), sign * (hours * 60 + minutes)))
}

/// `-12.345` at `scale`, rounded half up; `None` if it does not fit `precision`.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let text = text.trim();
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (text, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if (whole.is_empty() && fraction.is_empty())
        || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let all: String = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(i32::from(scale))?;
    let kept: String = match usize::try_from(point) {
        Ok(point) if point <= all.len() => all.get(..point)?.to_owned(),
        Ok(point) if point <= 60 => format!("{all:0<point$}"),
        Ok(_) => return None,
        Err(_) => String::new(),
    };
    let mut value: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let next = usize::try_from(point).ok().and_then(|point| all.as_bytes().get(point).copied());
    if next.is_some_and(|digit| digit >= b'5') {
        value += 1;
    }
    let limit = 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    (value < limit).then_some(if negative { -value } else { value })
}

/// Collects values of one type.
pub(crate) enum ValueBuilder {
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Text(StringBuilder),
    TextView(StringViewBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMillisecondBuilder, DataType),
    List {
        item: FieldRef,
        offsets: Vec<i32>,
        validity: NullBufferBuilder,
        values: Box<ValueBuilder>,
    },
    Map {
        entries: FieldRef,
        offsets: Vec<i32>,
        validity: NullBufferBuilder,
        keys: Box<ValueBuilder>,
        values: Box<ValueBuilder>,
    },
    Struct {
        fields: Fields,
        validity: NullBufferBuilder,
        values: Vec<ValueBuilder>,
        rows: usize,
    },
}

/// How texts become values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextRules {
    /// Hive's own notation.
    Hive,
    /// As OpenCSVSerde: dates are days and timestamps milliseconds since 1970.
    OpenCsv,
}

/// A value that does not read as its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadValue;

fn len(builder_offsets: &[i32]) -> i32 {
    builder_offsets.last().copied().unwrap_or(0)
}

impl ValueBuilder {
    /// `None` for types no text table has.
    pub fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int8 => Self::Int8(Int8Builder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => Self::Decimal(
                Decimal128Builder::new().with_precision_and_scale(*precision, *scale).ok()?,
                *precision,
                *scale,
            ),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Utf8View => Self::TextView(StringViewBuilder::new()),
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Self::Timestamp(TimestampMillisecondBuilder::new().with_data_type(data_type.clone()), data_type.clone())
            }
            DataType::List(item) => Self::List {
                item: item.clone(),
                offsets: vec![0],
                validity: NullBufferBuilder::new(0),
                values: Box::new(Self::new(item.data_type())?),
            },
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else { return None };
                Self::Map {
                    entries: entries.clone(),
                    offsets: vec![0],
                    validity: NullBufferBuilder::new(0),
                    keys: Box::new(Self::new(fields.first()?.data_type())?),
                    values: Box::new(Self::new(fields.get(1)?.data_type())?),
                }
            }
            DataType::Struct(fields) => Self::Struct {
                fields: fields.clone(),
                validity: NullBufferBuilder::new(0),
                values: fields.iter().map(|field| Self::new(field.data_type())).collect::<Option<_>>()?,
                rows: 0,
            },
            _ => return None,
        })
    }

    pub fn append_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Int8(builder) => builder.append_null(),
            Self::Int16(builder) => builder.append_null(),
            Self::Int32(builder) => builder.append_null(),
            Self::Int64(builder) => builder.append_null(),
            Self::Float32(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::TextView(builder) => builder.append_null(),
            Self::Binary(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder, _) => builder.append_null(),
            Self::List { offsets, validity, .. } | Self::Map { offsets, validity, .. } => {
                offsets.push(len(offsets));
                validity.append_null();
            }
            Self::Struct { validity, values, rows, .. } => {
                values.iter_mut().for_each(Self::append_null);
                validity.append_null();
                *rows += 1;
            }
        }
    }

    /// Appends what `text` reads as. On `Err` nothing was appended. `delimiters`: of items, of keys, then of each deeper level.
    pub fn append_text(
        &mut self,
        text: &str,
        rules: TextRules,
        null: &str,
        delimiters: &[char],
    ) -> Result<(), BadValue> {
        fn number<T: std::str::FromStr>(text: &str) -> Result<T, BadValue> {
            text.trim().parse().map_err(|_| BadValue)
        }
        match self {
            Self::Boolean(builder) => builder.append_value(match text.trim() {
                text if text.eq_ignore_ascii_case("true") => true,
                text if text.eq_ignore_ascii_case("false") => false,
                _ => return Err(BadValue),
            }),
            Self::Int8(builder) => builder.append_value(number(text)?),
            Self::Int16(builder) => builder.append_value(number(text)?),
            Self::Int32(builder) => builder.append_value(number(text)?),
            Self::Int64(builder) => builder.append_value(number(text)?),
            Self::Float32(builder) => builder.append_value(number(text)?),
            Self::Float64(builder) => builder.append_value(number(text)?),
            Self::Decimal(builder, precision, scale) => {
                builder.append_value(parse_decimal(text, *precision, *scale).ok_or(BadValue)?)
            }
            Self::Text(builder) => builder.append_value(text),
            Self::TextView(builder) => builder.append_value(text),
            Self::Binary(builder) => {
                use base64::Engine;
                match base64::engine::general_purpose::STANDARD.decode(text.trim()) {
                    Ok(bytes) => builder.append_value(bytes),
                    Err(_) => builder.append_value(text.as_bytes()),
                }
            }
            Self::Date(builder) => {
                let days = if rules == TextRules::OpenCsv { text.trim().parse().ok() } else { None };
                builder.append_value(days.or_else(|| parse_date(text)).ok_or(BadValue)?);
            }
            Self::Timestamp(builder, _) => {
                let milliseconds = if rules == TextRules::OpenCsv { text.trim().parse().ok() } else { None };
                builder.append_value(milliseconds.or_else(|| parse_timestamp(text)).ok_or(BadValue)?);
            }
            Self::List { offsets, validity, values, .. } => {
                let (delimiter, deeper) = delimiters.split_first().ok_or(BadValue)?;
                let mut count = len(offsets);
                if !text.is_empty() {
                    for item in text.split(*delimiter) {
                        values.append_or_null(item, rules, null, deeper);
                        count = count.checked_add(1).ok_or(BadValue)?;
                    }
                }
                offsets.push(count);
                validity.append_non_null();
            }
            Self::Map { offsets, validity, keys, values, .. } => {
                let (item_delimiter, deeper) = delimiters.split_first().ok_or(BadValue)?;
                let (key_delimiter, deeper) = deeper.split_first().ok_or(BadValue)?;
                let mut count = len(offsets);
                if !text.is_empty() {
                    for entry in text.split(*item_delimiter) {
                        let (key, value) = entry.split_once(*key_delimiter).unwrap_or((entry, null));
                        if keys.append_text(key, rules, null, deeper).is_ok() {
                            values.append_or_null(value, rules, null, deeper);
                            count = count.checked_add(1).ok_or(BadValue)?;
                        }
                    }
                }
                offsets.push(count);
                validity.append_non_null();
            }
            Self::Struct { validity, values, rows, .. } => {
                let (delimiter, deeper) = delimiters.split_first().ok_or(BadValue)?;
                let mut parts = text.split(*delimiter);
                for value in values.iter_mut() {
                    match parts.next() {
                        Some(part) => value.append_or_null(part, rules, null, deeper),
                        None => value.append_null(),
                    }
                }
                validity.append_non_null();
                *rows += 1;
            }
        }
        Ok(())
    }

    /// As `append_text`, and NULL for the NULL text and for what does not read.
    pub fn append_or_null(&mut self, text: &str, rules: TextRules, null: &str, delimiters: &[char]) {
        if text == null || self.append_text(text, rules, null, delimiters).is_err() {
            self.append_null();
        }
    }

    /// Appends a JSON value. On `Err` nothing was appended.
    pub fn append_json(&mut self, value: &Value) -> Result<(), BadValue> {
        if value.is_null() {
            self.append_null();
            return Ok(());
        }
        match (&mut *self, value) {
            (Self::Text(builder), value) => builder.append_value(json_text(value).as_ref()),
            (Self::TextView(builder), value) => builder.append_value(json_text(value).as_ref()),
            (Self::Boolean(builder), Value::Bool(value)) => builder.append_value(*value),
            (Self::Int64(builder), Value::Number(number)) if number.is_i64() => {
                builder.append_value(number.as_i64().ok_or(BadValue)?)
            }
            (Self::Float64(builder), Value::Number(number)) => builder.append_value(number.as_f64().ok_or(BadValue)?),
            (Self::Float32(builder), Value::Number(number)) => {
                builder.append_value(number.as_f64().ok_or(BadValue)? as f32)
            }
            (Self::Timestamp(builder, _), Value::Number(number)) => {
                builder.append_value(number.as_i64().ok_or(BadValue)?)
            }
            (Self::List { offsets, validity, values, .. }, Value::Array(items)) => {
                let mut count = len(offsets);
                for item in items {
                    if values.append_json(item).is_err() {
                        values.append_null();
                    }
                    count = count.checked_add(1).ok_or(BadValue)?;
                }
                offsets.push(count);
                validity.append_non_null();
            }
            (Self::Map { offsets, validity, keys, values, .. }, Value::Object(object)) => {
                let mut count = len(offsets);
                for (key, value) in object {
                    if keys.append_text(key, TextRules::Hive, "", &[]).is_ok() {
                        if values.append_json(value).is_err() {
                            values.append_null();
                        }
                        count = count.checked_add(1).ok_or(BadValue)?;
                    }
                }
                offsets.push(count);
                validity.append_non_null();
            }
            (Self::Struct { fields, validity, values, rows }, Value::Object(object)) => {
                for (field, builder) in fields.iter().zip(values.iter_mut()) {
                    let found = object.get(field.name()).or_else(|| {
                        object.iter().find(|(key, _)| key.to_lowercase() == *field.name()).map(|(_, value)| value)
                    });
                    if builder.append_json(found.unwrap_or(&Value::Null)).is_err() {
                        builder.append_null();
                    }
                }
                validity.append_non_null();
                *rows += 1;
            }
            (Self::List { .. } | Self::Map { .. } | Self::Struct { .. }, _) => return Err(BadValue),
            (builder, Value::Number(number)) => {
                let text = number.to_string();
                // 1.0 in an integer's place is that integer
                let whole = text.strip_suffix(".0").unwrap_or(&text);
                return builder.append_text(whole, TextRules::Hive, "", &[]);
            }
            (builder, Value::String(text)) => return builder.append_text(text, TextRules::Hive, "", &[]),
            _ => return Err(BadValue),
        }
        Ok(())
    }

    /// The column; the builder starts anew.
    pub fn finish(&mut self) -> Option<ArrayRef> {
        Some(match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int8(builder) => Arc::new(builder.finish()),
            Self::Int16(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float32(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::TextView(builder) => Arc::new(builder.finish()),
            Self::Binary(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder, data_type) => {
                let array = builder.finish();
                *builder = TimestampMillisecondBuilder::new().with_data_type(data_type.clone());
                Arc::new(array)
            }
            Self::List { item, offsets, validity, values } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, vec![0])));
                Arc::new(ListArray::try_new(item.clone(), offsets, values.finish()?, validity.finish()).ok()?)
            }
            Self::Map { entries, offsets, validity, keys, values } => {
                let DataType::Struct(fields) = entries.data_type() else { return None };
                let pairs = StructArray::try_new(fields.clone(), vec![keys.finish()?, values.finish()?], None).ok()?;
                let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, vec![0])));
                Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, validity.finish(), false).ok()?)
            }
            Self::Struct { fields, validity, values, rows } => {
                let nulls = validity.finish();
                let columns = values.iter_mut().map(Self::finish).collect::<Option<Vec<_>>>()?;
                let length = std::mem::take(rows);
                Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, length).ok()?)
            }
        })
    }
}

fn json_text(value: &Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_read() {
        assert_eq!(parse_date("2020-01-01"), Some(18_262));
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(parse_date("2020-02-30"), None);
        assert_eq!(parse_date("NA"), None);
        assert_eq!(parse_timestamp("2020-01-01 12:34:56.789"), Some(1_577_882_096_789));
        assert_eq!(parse_timestamp("2020-01-01T12:34:56Z"), Some(1_577_882_096_000));
        assert_eq!(parse_timestamp("2020-01-01T13:34:56+01:00"), Some(1_577_882_096_000));
        assert_eq!(parse_timestamp("2020-01-01"), Some(1_577_836_800_000));
        assert_eq!(parse_timestamp("x"), None);
        assert_eq!(parse_timestamp(""), None);
    }

    #[test]
    fn decimals_read() {
        assert_eq!(parse_decimal("1.235", 10, 2), Some(124));
        assert_eq!(parse_decimal("-0.5", 10, 2), Some(-50));
        assert_eq!(parse_decimal("1e2", 10, 2), Some(10_000));
        assert_eq!(parse_decimal("12345", 4, 0), None);
        assert_eq!(parse_decimal("", 4, 0), None);
        assert_eq!(parse_decimal(".", 4, 0), None);
    }
}
