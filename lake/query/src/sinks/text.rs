//! Values as Athena writes them in results. Knows no file.

use std::fmt::Write;

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMillisecondArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalDayTimeArray, IntervalMonthDayNanoArray,
    IntervalYearMonthArray, ListArray, MapArray, StringArray, StringViewArray, StructArray, Time32MillisecondArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

/// One column of a batch, ready to be written value by value. Types are those of `types::storable`.
pub(crate) enum TextColumn<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Text(&'a StringArray),
    TextView(&'a StringViewArray),
    Binary(&'a BinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time32MillisecondArray),
    Timestamp(&'a TimestampMillisecondArray, bool),
    YearMonth(&'a IntervalYearMonthArray),
    DayTime(&'a IntervalDayTimeArray),
    MonthDayNano(&'a IntervalMonthDayNanoArray),
    Duration(&'a DurationMillisecondArray),
    List(&'a ListArray, Box<TextColumn<'a>>),
    Map(&'a MapArray, Box<TextColumn<'a>>, Box<TextColumn<'a>>),
    Row(&'a StructArray, Vec<(&'a str, TextColumn<'a>)>),
    /// No value of such a type reaches a result.
    Unknown(&'a dyn Array),
}

impl<'a> TextColumn<'a> {
    pub fn new(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int8 => Self::Int8(array.as_primitive()),
            DataType::Int16 => Self::Int16(array.as_primitive()),
            DataType::Int32 => Self::Int32(array.as_primitive()),
            DataType::Int64 => Self::Int64(array.as_primitive()),
            DataType::Float32 => Self::Float32(array.as_primitive()),
            DataType::Float64 => Self::Float64(array.as_primitive()),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive(), *scale),
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Utf8View => Self::TextView(array.as_string_view()),
            DataType::Binary => Self::Binary(array.as_binary()),
            DataType::Date32 => Self::Date(array.as_primitive()),
            DataType::Time32(TimeUnit::Millisecond) => Self::Time(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Millisecond, zone) => Self::Timestamp(array.as_primitive(), zone.is_some()),
            DataType::Interval(IntervalUnit::YearMonth) => Self::YearMonth(array.as_primitive()),
            DataType::Interval(IntervalUnit::DayTime) => Self::DayTime(array.as_primitive()),
            DataType::Interval(IntervalUnit::MonthDayNano) => Self::MonthDayNano(array.as_primitive()),
            DataType::Duration(TimeUnit::Millisecond) => Self::Duration(array.as_primitive()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::List(list, Box::new(Self::new(list.values())))
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Self::Map(map, Box::new(Self::new(map.keys())), Box::new(Self::new(map.values())))
            }
            DataType::Struct(fields) => {
                let row = array.as_struct();
                let columns = fields
                    .iter()
                    .zip(row.columns())
                    .map(|(field, column)| (field.name().as_str(), Self::new(column)))
                    .collect();
                Self::Row(row, columns)
            }
            _ => Self::Unknown(array),
        }
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Boolean(array) => array.is_null(row),
            Self::Int8(array) => array.is_null(row),
            Self::Int16(array) => array.is_null(row),
            Self::Int32(array) => array.is_null(row),
            Self::Int64(array) => array.is_null(row),
            Self::Float32(array) => array.is_null(row),
            Self::Float64(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::TextView(array) => array.is_null(row),
            Self::Binary(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Timestamp(array, _) => array.is_null(row),
            Self::YearMonth(array) => array.is_null(row),
            Self::DayTime(array) => array.is_null(row),
            Self::MonthDayNano(array) => array.is_null(row),
            Self::Duration(array) => array.is_null(row),
            Self::List(array, _) => array.is_null(row),
            Self::Map(array, ..) => array.is_null(row),
            Self::Row(array, _) => array.is_null(row),
            Self::Unknown(_) => true,
        }
    }

    /// Writes the value; the row is not null.
    pub fn write(&self, row: usize, out: &mut String) {
        // writing to a string cannot fail
        let _ = match self {
            Self::Boolean(array) => out.write_str(if array.value(row) { "true" } else { "false" }),
            Self::Int8(array) => write!(out, "{}", array.value(row)),
            Self::Int16(array) => write!(out, "{}", array.value(row)),
            Self::Int32(array) => write!(out, "{}", array.value(row)),
            Self::Int64(array) => write!(out, "{}", array.value(row)),
            Self::Float32(array) => {
                real(array.value(row), out);
                Ok(())
            }
            Self::Float64(array) => {
                double(array.value(row), out);
                Ok(())
            }
            Self::Decimal(array, scale) => {
                decimal(array.value(row), *scale, out);
                Ok(())
            }
            Self::Text(array) => out.write_str(array.value(row)),
            Self::TextView(array) => out.write_str(array.value(row)),
            Self::Binary(array) => {
                for (position, byte) in array.value(row).iter().enumerate() {
                    if position > 0 {
                        out.push(' ');
                    }
                    let _ = write!(out, "{byte:02x}");
                }
                Ok(())
            }
            Self::Date(array) => {
                date(i64::from(array.value(row)), out);
                Ok(())
            }
            Self::Time(array) => {
                time_of_day(i64::from(array.value(row)), out);
                Ok(())
            }
            Self::Timestamp(array, zoned) => {
                timestamp(array.value(row), out);
                out.write_str(if *zoned { " UTC" } else { "" })
            }
            Self::YearMonth(array) => {
                months(i64::from(array.value(row)), out);
                Ok(())
            }
            Self::DayTime(array) => {
                let value = array.value(row);
                days_time(i64::from(value.days) * MILLISECONDS_PER_DAY + i64::from(value.milliseconds), out);
                Ok(())
            }
            Self::MonthDayNano(array) => {
                let value = array.value(row);
                if value.months != 0 {
                    months(i64::from(value.months), out);
                } else {
                    days_time(i64::from(value.days) * MILLISECONDS_PER_DAY + value.nanoseconds / 1_000_000, out);
                }
                Ok(())
            }
            Self::Duration(array) => {
                days_time(array.value(row), out);
                Ok(())
            }
            Self::List(array, values) => {
                let offsets = array.value_offsets();
                out.push('[');
                for item in offset(offsets, row)..offset(offsets, row + 1) {
                    if item > offset(offsets, row) {
                        out.push_str(", ");
                    }
                    values.write_or_null(item, out);
                }
                out.write_char(']')
            }
            Self::Map(array, keys, values) => {
                let offsets = array.value_offsets();
                let mut entries: Vec<(String, usize)> = (offset(offsets, row)..offset(offsets, row + 1))
                    .map(|item| {
                        let mut key = String::new();
                        keys.write_or_null(item, &mut key);
                        (key, item)
                    })
                    .collect();
                entries.sort();
                out.push('{');
                for (position, (key, item)) in entries.iter().enumerate() {
                    if position > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(key);
                    out.push('=');
                    values.write_or_null(*item, out);
                }
                out.write_char('}')
            }
            Self::Row(_, columns) => {
                out.push('{');
                for (position, (name, column)) in columns.iter().enumerate() {
                    if position > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(name);
                    out.push('=');
                    column.write_or_null(row, out);
                }
                out.write_char('}')
            }
            Self::Unknown(array) => {
                let text = arrow::util::display::array_value_to_string(*array, row).unwrap_or_default();
                out.write_str(&text)
            }
        };
    }

    pub fn write_or_null(&self, row: usize, out: &mut String) {
        if self.is_null(row) { out.push_str("null") } else { self.write(row, out) }
    }
}

fn offset(offsets: &[i32], at: usize) -> usize {
    offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0)
}

const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// Year, month, day of a day counted from 1970-01-01 (proleptic Gregorian).
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// `2020-01-31`
pub(crate) fn date(days: i64, out: &mut String) {
    let (year, month, day) = civil(days);
    let _ = if year < 0 {
        write!(out, "-{:04}-{month:02}-{day:02}", -year)
    } else {
        write!(out, "{year:04}-{month:02}-{day:02}")
    };
}

/// `12:34:56.789`
pub(crate) fn time_of_day(milliseconds: i64, out: &mut String) {
    let (seconds, fraction) = (milliseconds / 1000, milliseconds % 1000);
    let _ = write!(out, "{:02}:{:02}:{:02}.{fraction:03}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

/// `2020-01-31 12:34:56.789`
pub(crate) fn timestamp(milliseconds: i64, out: &mut String) {
    date(milliseconds.div_euclid(MILLISECONDS_PER_DAY), out);
    out.push(' ');
    time_of_day(milliseconds.rem_euclid(MILLISECONDS_PER_DAY), out);
}

/// `1 02:03:04.005`
fn days_time(milliseconds: i64, out: &mut String) {
    if milliseconds < 0 {
        out.push('-');
    }
    let milliseconds = milliseconds.abs();
    let _ = write!(out, "{} ", milliseconds / MILLISECONDS_PER_DAY);
    time_of_day(milliseconds % MILLISECONDS_PER_DAY, out);
}

/// `1-6`
fn months(months: i64, out: &mut String) {
    let sign = if months < 0 { "-" } else { "" };
    let _ = write!(out, "{sign}{}-{}", months.abs() / 12, months.abs() % 12);
}

/// As Java's `Double.toString`: <https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Double.html#toString(double)>
pub(crate) fn double(value: f64, out: &mut String) {
    floating(value, &format!("{value:e}"), out);
}

fn real(value: f32, out: &mut String) {
    floating(f64::from(value), &format!("{value:e}"), out);
}

fn floating(value: f64, scientific: &str, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 || (-3..7).contains(&exponent) {
        let mut plain = if mantissa.starts_with('-') { "-".to_owned() } else { String::new() };
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        if exponent < 0 {
            plain.push_str("0.");
            plain.extend(std::iter::repeat_n('0', usize::try_from(-exponent - 1).unwrap_or(0)));
            plain.push_str(&digits);
        } else {
            let whole = usize::try_from(exponent).unwrap_or(0) + 1;
            let padded = format!("{digits:0<whole$}");
            let (before, after) = padded.split_at(whole.min(padded.len()));
            plain.push_str(before);
            plain.push('.');
            plain.push_str(if after.is_empty() { "0" } else { after });
        }
        return out.push_str(&plain);
    }
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    let _ = write!(out, "E{exponent}");
}

/// `-0.50`
pub(crate) fn decimal(value: i128, scale: i8, out: &mut String) {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = value.unsigned_abs().to_string();
    if value < 0 {
        out.push('-');
    }
    if scale == 0 {
        return out.push_str(&digits);
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let _ = write!(out, "{whole}.{fraction}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut String), expected: &str) {
        let mut out = String::new();
        write(&mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn numbers_are_javas() {
        for (value, expected) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.5, "1.5"),
            (100.0, "100.0"),
            (1e20, "1.0E20"),
            (1.234e-5, "1.234E-5"),
            (0.001, "0.001"),
            (0.0123, "0.0123"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-123_456.789, "-123456.789"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            check(|out| double(value, out), expected);
        }
        check(|out| real(0.1, out), "0.1");
        check(|out| decimal(-50, 2, out), "-0.50");
        check(|out| decimal(12_345, 2, out), "123.45");
        check(|out| decimal(7, 0, out), "7");
    }

    #[test]
    fn times_are_athenas() {
        check(|out| timestamp(1_577_882_096_789, out), "2020-01-01 12:34:56.789");
        check(|out| timestamp(-1, out), "1969-12-31 23:59:59.999");
        check(|out| date(-719_162, out), "0001-01-01");
        check(|out| days_time(86_400_000, out), "1 00:00:00.000");
        check(|out| months(12, out), "1-0");
    }
}
