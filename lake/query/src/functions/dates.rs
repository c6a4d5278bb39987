//! Dates and times: <https://trino.io/docs/current/functions/datetime.html>. Zones other than UTC are shown as UTC.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, StringBuilder, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Date32Type, TimeUnit};
use datafusion::error::Result;

use super::scalar::{Arguments, Kind, Scalar, to_date, to_double, to_int, to_text, to_timestamp, to_zoned};
use super::{invalid, invalid_cast};
use crate::sinks::text::{TextColumn, civil, date as date_text, timestamp as timestamp_text};
use crate::tables::values::{days_of, parse_date, parse_timestamp};

const DAY_MS: i64 = 86_400_000;

pub(super) fn all() -> Vec<Scalar> {
    use Kind::{Any, Double, Int, Temporal, Text, Timestamp};
    vec![
        Scalar::new(
            "date_add",
            &[Text, Int, Temporal],
            |types| Ok(types.get(2).cloned().unwrap_or(DataType::Date32)),
            date_add,
        ),
        Scalar::new("date_diff", &[Text, Temporal, Temporal], to_int, date_diff),
        Scalar::new(
            "date_trunc",
            &[Text, Temporal],
            |types| Ok(types.get(1).cloned().unwrap_or(DataType::Date32)),
            date_trunc,
        ),
        Scalar::new("date_format", &[Timestamp, Text], to_text, |args| format_all(args, mysql_format)),
        Scalar::new("date_parse", &[Text, Text], to_timestamp, |args| parse_all(args, false, mysql_parse)),
        Scalar::new("try_date_parse", &[Text, Text], to_timestamp, |args| parse_all(args, true, mysql_parse)),
        Scalar::new("format_datetime", &[Timestamp, Text], to_text, |args| format_all(args, joda_format)),
        Scalar::new("parse_datetime", &[Text, Text], to_zoned, |args| parse_all(args, false, joda_parse)),
        Scalar::new("try_parse_datetime", &[Text, Text], to_zoned, |args| parse_all(args, true, joda_parse)),
        Scalar::new("from_iso8601_timestamp", &[Text], to_zoned, |args| iso_timestamps(args, false)),
        Scalar::new("try_from_iso8601_timestamp", &[Text], to_zoned, |args| iso_timestamps(args, true)),
        Scalar::new("from_iso8601_date", &[Text], to_date, |args| iso_dates(args, false)),
        Scalar::new("try_from_iso8601_date", &[Text], to_date, |args| iso_dates(args, true)),
        Scalar::new("to_iso8601", &[Temporal], to_text, to_iso8601),
        Scalar::new("year", &[Temporal], to_int, |args| part(args, |days, _| civil(days).0)),
        Scalar::new("month", &[Temporal], to_int, |args| part(args, |days, _| i64::from(civil(days).1))),
        Scalar::new("day", &[Temporal], to_int, |args| part(args, |days, _| i64::from(civil(days).2)))
            .also(&["day_of_month"]),
        Scalar::new("hour", &[Temporal], to_int, |args| part(args, |_, ms| ms / 3_600_000)),
        Scalar::new("minute", &[Temporal], to_int, |args| part(args, |_, ms| ms / 60_000 % 60)),
        Scalar::new("second", &[Temporal], to_int, |args| part(args, |_, ms| ms / 1000 % 60)),
        Scalar::new("millisecond", &[Temporal], to_int, |args| part(args, |_, ms| ms % 1000)),
        Scalar::new("quarter", &[Temporal], to_int, |args| {
            part(args, |days, _| i64::from((civil(days).1 - 1) / 3 + 1))
        }),
        Scalar::new("week", &[Temporal], to_int, |args| part(args, |days, _| iso_week(days).1)).also(&["week_of_year"]),
        Scalar::new("year_of_week", &[Temporal], to_int, |args| part(args, |days, _| iso_week(days).0)).also(&["yow"]),
        Scalar::new("day_of_week", &[Temporal], to_int, |args| part(args, |days, _| weekday(days))).also(&["dow"]),
        Scalar::new("day_of_year", &[Temporal], to_int, |args| part(args, |days, _| day_of_year(days))).also(&["doy"]),
        Scalar::new("last_day_of_month", &[Temporal], to_date, last_day_of_month),
        Scalar::new("from_unixtime", &[Double], to_zoned, from_unixtime),
        Scalar::new("to_unixtime", &[Timestamp], to_double, to_unixtime),
        Scalar::new("date", &[Any], to_date, to_dates),
        Scalar::new("at_timezone", &[Timestamp, Text], to_zoned, |args| {
            Ok(Arc::new(args.milliseconds(0)?.with_timezone("UTC")))
        })
        .also(&["with_timezone"]),
        Scalar::new("text_to_time", &[Text], to_timestamp, |args| text_to_time(args, false)),
        Scalar::new("try_text_to_time", &[Text], to_timestamp, |args| text_to_time(args, true)),
        Scalar::new("to_varchar", &[Any], to_text, to_varchar),
        Scalar::new("to_milliseconds", &[Any], to_int, |args| {
            Ok(arrow::compute::cast(args.any(0)?, &DataType::Duration(TimeUnit::Millisecond))
                .and_then(|spans| arrow::compute::cast(&spans, &DataType::Int64))?)
        }),
    ]
}

fn part(args: &Arguments, of: fn(i64, i64) -> i64) -> Result<ArrayRef> {
    let values = args.milliseconds(0)?;
    Ok(Arc::new(
        values.iter().map(|ms| ms.map(|ms| of(ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS)))).collect::<Int64Array>(),
    ))
}

/// 1 is Monday.
fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

fn day_of_year(days: i64) -> i64 {
    days - days_of(civil(days).0, 1, 1).unwrap_or(days) + 1
}

/// Year and number of the ISO week.
fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - weekday(days) + 4;
    let year = civil(thursday).0;
    let first = days_of(year, 1, 1).unwrap_or(thursday);
    (year, (thursday - first) / 7 + 1)
}

fn month_length(year: i64, month: u32) -> u32 {
    (28..=31).rev().find(|day| days_of(year, month, *day).is_some()).unwrap_or(28)
}

/// Milliseconds of one of the units that always last the same.
fn fixed_unit(unit: &str) -> Option<i64> {
    Some(match unit {
        "millisecond" => 1,
        "second" => 1000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => DAY_MS,
        "week" => 7 * DAY_MS,
        _ => return None,
    })
}

fn months_in(unit: &str) -> Option<i64> {
    Some(match unit {
        "month" => 1,
        "quarter" => 3,
        "year" => 12,
        _ => return None,
    })
}

fn bad_unit(unit: &str) -> datafusion::error::DataFusionError {
    invalid(format!("'{unit}' is not a valid TIMESTAMP field"))
}

/// `months` later, the same day or the month's last.
pub(crate) fn add_months(ms: i64, months: i64) -> Option<i64> {
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let total = year.checked_mul(12)?.checked_add(i64::from(month) - 1)?.checked_add(months)?;
    let (year, month) = (total.div_euclid(12), u32::try_from(total.rem_euclid(12)).ok()? + 1);
    let days = days_of(year, month, day.min(month_length(year, month)))?;
    days.checked_mul(DAY_MS)?.checked_add(ms.rem_euclid(DAY_MS))
}

fn add(unit: &str, count: i64, ms: i64) -> Result<i64> {
    let unit = unit.to_lowercase();
    let moved = match (fixed_unit(&unit), months_in(&unit)) {
        (Some(length), _) => count.checked_mul(length).and_then(|by| ms.checked_add(by)),
        (None, Some(months)) => count.checked_mul(months).and_then(|by| add_months(ms, by)),
        (None, None) => return Err(bad_unit(&unit)),
    };
    moved.ok_or_else(|| invalid(format!("date_add('{unit}', {count}, ...) leaves the range of timestamps")))
}

/// Milliseconds back as dates or timestamps, as `returns` says.
fn as_temporal(values: Vec<Option<i64>>, returns: &DataType) -> Result<ArrayRef> {
    Ok(match returns {
        DataType::Date32 => Arc::new(
            values
                .into_iter()
                .map(|ms| ms.and_then(|ms| i32::try_from(ms.div_euclid(DAY_MS)).ok()))
                .collect::<Date32Array>(),
        ),
        other => Arc::new(TimestampMillisecondArray::from(values).with_data_type(other.clone())),
    })
}

fn date_add(args: &Arguments) -> Result<ArrayRef> {
    let (units, counts, values) = (args.text(0)?, args.int(1)?, args.milliseconds(2)?);
    let is_date = args.returns == DataType::Date32;
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if units.is_null(row) || counts.is_null(row) || values.is_null(row) {
            out.push(None);
            continue;
        }
        let unit = units.value(row);
        if is_date && matches!(unit.to_lowercase().as_str(), "millisecond" | "second" | "minute" | "hour") {
            return Err(invalid(format!("'{unit}' is not a valid DATE field")));
        }
        out.push(Some(add(unit, counts.value(row), values.value(row))?));
    }
    as_temporal(out, &args.returns)
}

fn whole_months(from: i64, to: i64) -> i64 {
    if to < from {
        return -whole_months(to, from);
    }
    let ((y1, m1, _), (y2, m2, _)) = (civil(from.div_euclid(DAY_MS)), civil(to.div_euclid(DAY_MS)));
    let months = (y2 - y1) * 12 + i64::from(m2) - i64::from(m1);
    if add_months(from, months).is_some_and(|reached| reached > to) { months - 1 } else { months }
}

fn date_diff(args: &Arguments) -> Result<ArrayRef> {
    let (units, from, to) = (args.text(0)?, args.milliseconds(1)?, args.milliseconds(2)?);
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if units.is_null(row) || from.is_null(row) || to.is_null(row) {
            out.push(None);
            continue;
        }
        let unit = units.value(row).to_lowercase();
        let (from, to) = (from.value(row), to.value(row));
        out.push(Some(match (fixed_unit(&unit), months_in(&unit)) {
            (Some(length), _) => (to - from) / length,
            (None, Some(months)) => whole_months(from, to) / months,
            (None, None) => return Err(bad_unit(&unit)),
        }));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

fn date_trunc(args: &Arguments) -> Result<ArrayRef> {
    let (units, values) = (args.text(0)?, args.milliseconds(1)?);
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if units.is_null(row) || values.is_null(row) {
            out.push(None);
            continue;
        }
        let (unit, ms) = (units.value(row).to_lowercase(), values.value(row));
        let days = ms.div_euclid(DAY_MS);
        let (year, month, _) = civil(days);
        let start = |year, month| days_of(year, month, 1).unwrap_or(days) * DAY_MS;
        out.push(Some(match unit.as_str() {
            "week" => (days - weekday(days) + 1) * DAY_MS,
            "month" => start(year, month),
            "quarter" => start(year, (month - 1) / 3 * 3 + 1),
            "year" => start(year, 1),
            other => match fixed_unit(other) {
                Some(length) => ms.div_euclid(length) * length,
                None => return Err(bad_unit(other)),
            },
        }));
    }
    as_temporal(out, &args.returns)
}

fn last_day_of_month(args: &Arguments) -> Result<ArrayRef> {
    let values = args.milliseconds(0)?;
    let out = values
        .iter()
        .map(|ms| {
            ms.and_then(|ms| {
                let (year, month, _) = civil(ms.div_euclid(DAY_MS));
                days_of(year, month, month_length(year, month)).map(|days| days * DAY_MS)
            })
        })
        .collect();
    as_temporal(out, &DataType::Date32)
}

fn from_unixtime(args: &Arguments) -> Result<ArrayRef> {
    let out = args.double(0)?.iter().map(|seconds| seconds.map(|seconds| (seconds * 1000.0).round() as i64)).collect();
    as_temporal(out, &args.returns)
}

fn to_unixtime(args: &Arguments) -> Result<ArrayRef> {
    Ok(Arc::new(
        args.milliseconds(0)?.iter().map(|ms| ms.map(|ms| ms as f64 / 1000.0)).collect::<arrow::array::Float64Array>(),
    ))
}

fn to_dates(args: &Arguments) -> Result<ArrayRef> {
    match args.any(0)?.data_type() {
        DataType::Utf8 => iso_dates(args, false),
        _ => as_temporal(args.milliseconds(0)?.iter().collect(), &DataType::Date32),
    }
}

fn read(
    args: &Arguments,
    trying: bool,
    read: impl Fn(&str) -> Option<i64>,
    fail: impl Fn(&str) -> datafusion::error::DataFusionError,
) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(args.rows);
    for text in args.text(0)?.iter() {
        out.push(match text {
            None => None,
            Some(text) => match read(text) {
                Some(ms) => Some(ms),
                None if trying => None,
                None => return Err(fail(text)),
            },
        });
    }
    as_temporal(out, &args.returns)
}

fn text_to_time(args: &Arguments, trying: bool) -> Result<ArrayRef> {
    read(args, trying, parse_timestamp, |text| invalid_cast(format!("Value cannot be cast to timestamp: {text}")))
}

fn iso_timestamps(args: &Arguments, trying: bool) -> Result<ArrayRef> {
    read(args, trying, parse_timestamp, |text| invalid(format!("Invalid format: \"{text}\"")))
}

fn iso_dates(args: &Arguments, trying: bool) -> Result<ArrayRef> {
    let read_date =
        |text: &str| parse_date(text).map(|days| i64::from(days) * DAY_MS).or_else(|| parse_timestamp(text));
    read(args, trying, read_date, |text| invalid_cast(format!("Value cannot be cast to date: {text}")))
}

fn to_iso8601(args: &Arguments) -> Result<ArrayRef> {
    let column = args.any(0)?;
    let (is_date, zoned) = match column.data_type() {
        DataType::Date32 => (true, false),
        DataType::Timestamp(_, zone) => (false, zone.is_some()),
        _ => (false, false),
    };
    let mut out = StringBuilder::new();
    for ms in args.milliseconds(0)?.iter() {
        out.append_option(ms.map(|ms| {
            let mut text = String::new();
            if is_date {
                date_text(ms.div_euclid(DAY_MS), &mut text);
            } else {
                timestamp_text(ms, &mut text);
                text = text.replacen(' ', "T", 1);
                if zoned {
                    text.push('Z');
                }
            }
            text
        }));
    }
    Ok(Arc::new(out.finish()))
}

fn to_varchar(args: &Arguments) -> Result<ArrayRef> {
    let column = args.any(0)?;
    let storable = crate::types::storable(column.data_type());
    let column =
        if storable == *column.data_type() { column.clone() } else { arrow::compute::cast(column, &storable)? };
    if let Some(dates) = column.as_primitive_opt::<Date32Type>() {
        let mut out = StringBuilder::new();
        for days in dates.iter() {
            out.append_option(days.map(|days| {
                let mut text = String::new();
                date_text(i64::from(days), &mut text);
                text
            }));
        }
        return Ok(Arc::new(out.finish()));
    }
    let column = TextColumn::new(&column);
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for row in 0..args.rows {
        if column.is_null(row) {
            out.append_null();
        } else {
            text.clear();
            column.write(row, &mut text);
            out.append_value(&text);
        }
    }
    Ok(Arc::new(out.finish()))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn month_name(month: u32) -> &'static str {
    usize::try_from(month).ok().and_then(|month| MONTHS.get(month.wrapping_sub(1))).copied().unwrap_or("")
}

fn weekday_name(days: i64) -> &'static str {
    usize::try_from(weekday(days) - 1).ok().and_then(|day| WEEKDAYS.get(day)).copied().unwrap_or("")
}

fn format_all(args: &Arguments, format: fn(i64, &str) -> Result<String>) -> Result<ArrayRef> {
    let (values, formats) = (args.milliseconds(0)?, args.text(1)?);
    let mut out = StringBuilder::new();
    for row in 0..args.rows {
        if values.is_null(row) || formats.is_null(row) {
            out.append_null();
        } else {
            out.append_value(format(values.value(row), formats.value(row))?);
        }
    }
    Ok(Arc::new(out.finish()))
}

fn parse_all(args: &Arguments, trying: bool, parse: fn(&str, &str) -> Option<i64>) -> Result<ArrayRef> {
    let (texts, formats) = (args.text(0)?, args.text(1)?);
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if texts.is_null(row) || formats.is_null(row) {
            out.push(None);
            continue;
        }
        let (text, format) = (texts.value(row), formats.value(row));
        out.push(match parse(text, format) {
            Some(ms) => Some(ms),
            None if trying => None,
            None => return Err(invalid(format!("Invalid format: \"{text}\" is malformed (the format is '{format}')"))),
        });
    }
    as_temporal(out, &args.returns)
}

/// MySQL's letters: <https://trino.io/docs/current/functions/datetime.html#mysql-date-functions>
fn mysql_format(ms: i64, format: &str) -> Result<String> {
    let (days, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let half = if hour % 12 == 0 { 12 } else { hour % 12 };
    let meridiem = if hour < 12 { "AM" } else { "PM" };
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let Some(letter) = letters.next() else { break };
        out.push_str(&match letter {
            'Y' => format!("{year:04}"),
            'y' => format!("{:02}", year.rem_euclid(100)),
            'm' => format!("{month:02}"),
            'c' => month.to_string(),
            'M' => month_name(month).to_owned(),
            'b' => month_name(month).chars().take(3).collect(),
            'd' => format!("{day:02}"),
            'e' => day.to_string(),
            'H' => format!("{hour:02}"),
            'k' => hour.to_string(),
            'h' | 'I' => format!("{half:02}"),
            'l' => half.to_string(),
            'i' => format!("{minute:02}"),
            's' | 'S' => format!("{second:02}"),
            'f' => format!("{:03}000", of_day % 1000),
            'p' => meridiem.to_owned(),
            'r' => format!("{half:02}:{minute:02}:{second:02} {meridiem}"),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            'j' => format!("{:03}", day_of_year(days)),
            'W' => weekday_name(days).to_owned(),
            'a' => weekday_name(days).chars().take(3).collect(),
            'v' => format!("{:02}", iso_week(days).1),
            'x' => iso_week(days).0.to_string(),
            '%' => "%".to_owned(),
            'D' | 'U' | 'u' | 'V' | 'w' | 'X' => {
                return Err(invalid(format!("%{letter} not supported in date format string")));
            }
            other => other.to_string(),
        });
    }
    Ok(out)
}

/// What has been read of a date and time.
struct Parsed {
    year: i64,
    month: u32,
    day: u32,
    hour: i64,
    minute: i64,
    second: i64,
    milliseconds: i64,
    offset_minutes: i64,
    half: Option<bool>,
    day_of_year: Option<i64>,
}

impl Parsed {
    fn new() -> Self {
        Self {
            year: 1970,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            milliseconds: 0,
            offset_minutes: 0,
            half: None,
            day_of_year: None,
        }
    }

    fn milliseconds(&self) -> Option<i64> {
        let hour = match self.half {
            None => self.hour,
            Some(afternoon) if (1..=12).contains(&self.hour) => self.hour % 12 + if afternoon { 12 } else { 0 },
            Some(_) => return None,
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let days = match self.day_of_year {
            Some(day) => days_of(self.year, 1, 1)? + day - 1,
            None => days_of(self.year, self.month, self.day)?,
        };
        let of_day = ((hour * 60 + self.minute) * 60 + self.second) * 1000 + self.milliseconds;
        Some(days * DAY_MS + of_day - self.offset_minutes * 60_000)
    }
}

fn take_digits<'a>(text: &mut &'a str, most: usize) -> Option<&'a str> {
    let end = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = (text.get(..end)?, text.get(end..)?);
    if digits.is_empty() {
        return None;
    }
    *text = rest;
    Some(digits)
}

fn take_number(text: &mut &str, most: usize) -> Option<i64> {
    take_digits(text, most)?.parse().ok()
}

fn take_month_name(text: &mut &str) -> Option<u32> {
    for (at, name) in MONTHS.iter().enumerate() {
        for length in [name.len(), 3] {
            if text
                .get(..length)
                .is_some_and(|start| start.eq_ignore_ascii_case(name.get(..length).unwrap_or_default()))
            {
                *text = text.get(length..)?;
                return u32::try_from(at + 1).ok();
            }
        }
    }
    None
}

fn take_weekday_name(text: &mut &str) -> Option<()> {
    for name in WEEKDAYS {
        for length in [name.len(), 3] {
            if text
                .get(..length)
                .is_some_and(|start| start.eq_ignore_ascii_case(name.get(..length).unwrap_or_default()))
            {
                *text = text.get(length..)?;
                return Some(());
            }
        }
    }
    None
}

fn take_meridiem(text: &mut &str) -> Option<bool> {
    let afternoon = match text.get(..2)? {
        half if half.eq_ignore_ascii_case("am") => false,
        half if half.eq_ignore_ascii_case("pm") => true,
        _ => return None,
    };
    *text = text.get(2..)?;
    Some(afternoon)
}

fn take_fraction(text: &mut &str, most: usize) -> Option<i64> {
    let digits = take_digits(text, most)?;
    format!("{digits:0<3}").get(..3)?.parse().ok()
}

fn take_literal(text: &mut &str, literal: char) -> Option<()> {
    *text = text.strip_prefix(literal)?;
    Some(())
}

fn mysql_parse(mut text: &str, format: &str) -> Option<i64> {
    let text = &mut text;
    let mut parsed = Parsed::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            take_literal(text, letter)?;
            continue;
        }
        match letters.next()? {
            'Y' => parsed.year = take_number(text, 4)?,
            'y' => {
                let year = take_number(text, 2)?;
                parsed.year = if year < 70 { 2000 + year } else { 1900 + year };
            }
            'm' | 'c' => parsed.month = u32::try_from(take_number(text, 2)?).ok()?,
            'M' | 'b' => parsed.month = take_month_name(text)?,
            'd' | 'e' => parsed.day = u32::try_from(take_number(text, 2)?).ok()?,
            'H' | 'k' | 'h' | 'I' | 'l' => parsed.hour = take_number(text, 2)?,
            'i' => parsed.minute = take_number(text, 2)?,
            's' | 'S' => parsed.second = take_number(text, 2)?,
            'f' => parsed.milliseconds = take_fraction(text, 9)?,
            'p' => parsed.half = Some(take_meridiem(text)?),
            'T' | 'r' => {
                parsed.hour = take_number(text, 2)?;
                take_literal(text, ':')?;
                parsed.minute = take_number(text, 2)?;
                take_literal(text, ':')?;
                parsed.second = take_number(text, 2)?;
            }
            'j' => parsed.day_of_year = Some(take_number(text, 3)?),
            'W' | 'a' => take_weekday_name(text)?,
            other => take_literal(text, other)?,
        }
    }
    if text.is_empty() { parsed.milliseconds() } else { None }
}

/// Runs of a letter, and texts in quotes, of Joda's patterns.
fn joda_runs(pattern: &str) -> Vec<(char, usize, String)> {
    let mut runs: Vec<(char, usize, String)> = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            let mut text = String::new();
            if chars.peek() == Some(&'\'') {
                chars.next();
                text.push('\'');
            } else {
                for c in chars.by_ref() {
                    if c == '\'' {
                        break;
                    }
                    text.push(c);
                }
            }
            runs.push(('\'', 0, text));
        } else if c.is_ascii_alphabetic() {
            match runs.last_mut() {
                Some((last, count, _)) if *last == c => *count += 1,
                _ => runs.push((c, 1, String::new())),
            }
        } else {
            runs.push(('\'', 0, c.to_string()));
        }
    }
    runs
}

/// Joda's letters: <https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html>
pub(crate) fn joda_format(ms: i64, pattern: &str) -> Result<String> {
    let (days, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let mut out = String::new();
    for (letter, count, text) in joda_runs(pattern) {
        let padded = |value: i64| format!("{value:0>count$}");
        out.push_str(&match letter {
            '\'' => text,
            'y' | 'Y' | 'u' if count == 2 => format!("{:02}", year.rem_euclid(100)),
            'y' | 'Y' | 'u' => padded(year),
            'x' => padded(iso_week(days).0),
            'M' if count >= 4 => month_name(month).to_owned(),
            'M' if count == 3 => month_name(month).chars().take(3).collect(),
            'M' => padded(i64::from(month)),
            'd' => padded(i64::from(day)),
            'D' => padded(day_of_year(days)),
            'w' => padded(iso_week(days).1),
            'e' => padded(weekday(days)),
            'E' if count >= 4 => weekday_name(days).to_owned(),
            'E' => weekday_name(days).chars().take(3).collect(),
            'H' => padded(hour),
            'k' => padded(if hour == 0 { 24 } else { hour }),
            'h' => padded(if hour % 12 == 0 { 12 } else { hour % 12 }),
            'K' => padded(hour % 12),
            'm' => padded(minute),
            's' => padded(second),
            'S' => format!("{:0<count$}", format!("{:03}", of_day % 1000)).chars().take(count).collect(),
            'a' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'z' => "UTC".to_owned(),
            'Z' if count == 1 => "+0000".to_owned(),
            'Z' if count == 2 => "+00:00".to_owned(),
            'Z' => "UTC".to_owned(),
            'G' => "AD".to_owned(),
            other => return Err(invalid(format!("Illegal pattern component: {other}"))),
        });
    }
    Ok(out)
}

/// Milliseconds since 1970 of a text in a pattern of Joda's; `None` if it is not in it.
pub(crate) fn joda_parse(mut text: &str, pattern: &str) -> Option<i64> {
    let text = &mut text;
    let mut parsed = Parsed::new();
    for (letter, count, literal) in joda_runs(pattern) {
        match letter {
            '\'' => *text = text.strip_prefix(literal.as_str())?,
            'y' | 'Y' | 'u' if count == 2 => {
                let year = take_number(text, 2)?;
                parsed.year = if year < 70 { 2000 + year } else { 1900 + year };
            }
            'y' | 'Y' | 'u' => parsed.year = take_number(text, count.max(4))?,
            'M' if count >= 3 => parsed.month = take_month_name(text)?,
            'M' => parsed.month = u32::try_from(take_number(text, count.max(2))?).ok()?,
            'd' => parsed.day = u32::try_from(take_number(text, count.max(2))?).ok()?,
            'D' => parsed.day_of_year = Some(take_number(text, 3)?),
            'H' | 'k' | 'h' | 'K' => parsed.hour = take_number(text, count.max(2))?,
            'm' => parsed.minute = take_number(text, count.max(2))?,
            's' => parsed.second = take_number(text, count.max(2))?,
            'S' => parsed.milliseconds = take_fraction(text, count.max(3))?,
            'a' => parsed.half = Some(take_meridiem(text)?),
            'E' => take_weekday_name(text)?,
            'Z' | 'z' => {
                if let Some(rest) = text.strip_prefix(['Z', 'z']) {
                    *text = rest;
                } else if let Some(rest) = text.strip_prefix("UTC") {
                    *text = rest;
                } else {
                    let sign = if text.starts_with('-') { -1 } else { 1 };
                    *text = text.strip_prefix(['+', '-'])?;
                    let hours = take_number(text, 2)?;
                    *text = text.strip_prefix(':').unwrap_or(text);
                    parsed.offset_minutes = sign * (hours * 60 + take_number(text, 2)?);
                }
            }
            _ => return None,
        }
    }
    if text.is_empty() { parsed.milliseconds() } else { None }
}
