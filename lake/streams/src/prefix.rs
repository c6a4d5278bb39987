//! Prefix expressions of object keys: `!{timestamp:...}`, `!{firehose:...}`. Pure; knows neither streams nor objects.
//! <https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html>

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The longest prefix, characters, as AWS has it.
pub const PREFIX_CHARS_MAX: usize = 1024;

/// Why a prefix is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Longer than `PREFIX_CHARS_MAX`.
    #[error("a prefix has at most {chars_max} characters")]
    TooLong {
        /// The limit.
        chars_max: usize,
    },
    /// `!{` without `}`.
    #[error("the expression that begins at character {at} has no closing brace")]
    Unclosed {
        /// Where it begins.
        at: usize,
    },
    /// Not one of the known expressions.
    #[error("`!{{{expression}}}` is not an expression of this prefix; use timestamp:PATTERN, firehose:random-string{}", if *.error_prefix { " or firehose:error-output-type" } else { "" })]
    Unknown {
        /// Between the braces.
        expression: String,
        /// Whether the prefix is one for errors.
        error_prefix: bool,
    },
    /// A letter that the pattern may not have.
    #[error(
        "`{letter}` in the timestamp pattern `{pattern}` is not supported: use y M d H m s S D E a h and quoted text"
    )]
    Pattern {
        /// The letter.
        letter: char,
        /// The pattern.
        pattern: String,
    },
    /// An error prefix with expressions must tell the kinds of errors apart.
    #[error("an error prefix with expressions needs !{{firehose:error-output-type}}")]
    ErrorTypeMissing,
    /// Not a time zone.
    #[error("`{name}` is not a time zone of the IANA database")]
    TimeZone {
        /// What was given.
        name: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Timestamp(Vec<Field>),
    RandomString,
    ErrorOutputType,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Text(String),
    Letter(char, usize),
}

/// A checked prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    parts: Vec<Part>,
}

/// Which of the two prefixes of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixKind {
    /// For what is delivered.
    Data,
    /// For what could not be.
    Error,
}

impl Prefix {
    /// Checks `text`. A data prefix without a timestamp expression gets `yyyy/MM/dd/HH/` behind it, as does an error prefix
    /// without any expression (after its error type).
    pub fn parse(text: &str, kind: PrefixKind) -> Result<Self, PrefixError> {
        if text.chars().count() > PREFIX_CHARS_MAX {
            return Err(PrefixError::TooLong { chars_max: PREFIX_CHARS_MAX });
        }
        let mut parts = Vec::new();
        let mut rest = text;
        let mut has_timestamp = false;
        let mut has_error_type = false;
        let mut has_expression = false;
        while let Some(start) = rest.find("!{") {
            let (before, expression) = rest.split_at(start);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some(end) = expression.find('}') else {
                return Err(PrefixError::Unclosed { at: text.len() - expression.len() });
            };
            let inner = expression.get(2..end).unwrap_or_default();
            has_expression = true;
            parts.push(match inner.split_once(':') {
                Some(("timestamp", pattern)) => {
                    has_timestamp = true;
                    Part::Timestamp(fields(pattern)?)
                }
                Some(("firehose", "random-string")) => Part::RandomString,
                Some(("firehose", "error-output-type")) if kind == PrefixKind::Error => {
                    has_error_type = true;
                    Part::ErrorOutputType
                }
                _ => {
                    let error_prefix = kind == PrefixKind::Error;
                    return Err(PrefixError::Unknown { expression: inner.to_owned(), error_prefix });
                }
            });
            rest = expression.get(end + 1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if kind == PrefixKind::Error && has_expression && !has_error_type {
            return Err(PrefixError::ErrorTypeMissing);
        }
        if kind == PrefixKind::Error && !has_expression {
            parts.push(Part::ErrorOutputType);
            parts.push(Part::Text("/".to_owned()));
        }
        if !(has_timestamp || kind == PrefixKind::Data && has_expression) {
            parts.push(Part::Timestamp(fields("yyyy/MM/dd/HH/")?));
        }
        Ok(Self { parts })
    }

    /// The prefix at `at` in `zone`. `random` gives the random string; `error_output_type` names the kind of error.
    pub fn expand(&self, at: Timestamp, zone: &TimeZone, random: &str, error_output_type: &str) -> String {
        let at = at.to_zoned(zone.clone());
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Timestamp(fields) => write_fields(&mut out, fields, &at),
                Part::RandomString => out.push_str(random),
                Part::ErrorOutputType => out.push_str(error_output_type),
            }
        }
        out
    }
}

/// A zone by its IANA name; empty is UTC.
pub fn time_zone(name: &str) -> Result<TimeZone, PrefixError> {
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| PrefixError::TimeZone { name: name.to_owned() })
}

/// Splits a pattern of Java's DateTimeFormatter into letters and text.
fn fields(pattern: &str) -> Result<Vec<Field>, PrefixError> {
    let mut fields: Vec<Field> = Vec::new();
    let mut letters = pattern.chars().peekable();
    let text = |fields: &mut Vec<Field>, letter: char| match fields.last_mut() {
        Some(Field::Text(text)) => text.push(letter),
        _ => fields.push(Field::Text(letter.to_string())),
    };
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                // Two quotes are one; otherwise all up to the next quote is text.
                if letters.peek() == Some(&'\'') {
                    letters.next();
                    text(&mut fields, '\'');
                    continue;
                }
                for quoted in letters.by_ref() {
                    if quoted == '\'' {
                        break;
                    }
                    text(&mut fields, quoted);
                }
            }
            'y' | 'u' | 'M' | 'd' | 'H' | 'm' | 's' | 'S' | 'D' | 'E' | 'a' | 'h' => match fields.last_mut() {
                Some(Field::Letter(last, count)) if *last == letter => *count += 1,
                _ => fields.push(Field::Letter(letter, 1)),
            },
            letter if letter.is_ascii_alphabetic() || "{}#[]".contains(letter) => {
                return Err(PrefixError::Pattern { letter, pattern: pattern.to_owned() });
            }
            letter => text(&mut fields, letter),
        }
    }
    Ok(fields)
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
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn write_fields(out: &mut String, fields: &[Field], at: &Zoned) {
    for field in fields {
        let (letter, count) = match field {
            Field::Text(text) => {
                out.push_str(text);
                continue;
            }
            Field::Letter(letter, count) => (*letter, *count),
        };
        let number: i64 = match letter {
            'y' | 'u' if count == 2 => i64::from(at.year()).rem_euclid(100),
            'y' | 'u' => i64::from(at.year()),
            'M' if count >= 3 => {
                let name = MONTHS.get(usize::from(at.month().unsigned_abs()).wrapping_sub(1)).copied().unwrap_or("");
                out.push_str(if count == 3 { name.get(..3).unwrap_or(name) } else { name });
                continue;
            }
            'M' => i64::from(at.month()),
            'd' => i64::from(at.day()),
            'D' => i64::from(at.day_of_year()),
            'H' => i64::from(at.hour()),
            'h' => i64::from((at.hour() + 11) % 12 + 1),
            'm' => i64::from(at.minute()),
            's' => i64::from(at.second()),
            'S' => {
                let nanoseconds = format!("{:09}", at.subsec_nanosecond());
                out.push_str(nanoseconds.get(..count.min(9)).unwrap_or(&nanoseconds));
                continue;
            }
            'E' => {
                let day = usize::from(at.weekday().to_monday_zero_offset().unsigned_abs());
                let name = DAYS.get(day).copied().unwrap_or("");
                out.push_str(if count <= 3 { name.get(..3).unwrap_or(name) } else { name });
                continue;
            }
            _ => {
                out.push_str(if at.hour() < 12 { "AM" } else { "PM" });
                continue;
            }
        };
        // A String takes whatever is written to it.
        let _ = write!(out, "{number:0count$}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(prefix: &str, kind: PrefixKind, zone: &str, expected: &str) {
        let at: Timestamp = "2013-01-02T03:04:05.678Z".parse().unwrap();
        let zone = time_zone(zone).unwrap();
        let expanded = Prefix::parse(prefix, kind).map(|prefix| prefix.expand(at, &zone, "Rand0m", "some-failed"));
        assert_eq!(expanded.unwrap_or_else(|error| format!("error: {error}")), expected, "{prefix}");
    }

    #[test]
    fn prefixes_expand_as_documented() {
        use PrefixKind::{Data, Error};
        check("", Data, "", "2013/01/02/03/");
        check("logs", Data, "", "logs2013/01/02/03/");
        check("raw/", Data, "America/New_York", "raw/2013/01/01/22/");
        check("w/year=!{timestamp:yyyy}/m=!{timestamp:MM}/", Data, "", "w/year=2013/m=01/");
        check("!{timestamp:'year='yyyy'/it''s'}", Data, "", "year=2013/its");
        check(
            "!{timestamp:yy-M-d H:m:s.SSS D DDD EEE EEEE MMM MMMM a hh}",
            Data,
            "",
            "13-1-2 3:4:5.678 2 002 Wed Wednesday Jan January AM 03",
        );
        check("!{firehose:random-string}/x", Data, "", "Rand0m/x");
        check("err/!{firehose:error-output-type}/!{timestamp:yyyy}/", Error, "", "err/some-failed/2013/");
        check("err/", Error, "", "err/some-failed/2013/01/02/03/");
        check(
            "err/!{timestamp:yyyy}/",
            Error,
            "",
            "error: an error prefix with expressions needs !{firehose:error-output-type}",
        );
        check(
            "!{firehose:error-output-type}",
            Data,
            "",
            "error: `!{firehose:error-output-type}` is not an expression of this prefix; use timestamp:PATTERN, firehose:random-string",
        );
        check(
            "!{partitionKeyFromQuery:k}",
            Data,
            "",
            "error: `!{partitionKeyFromQuery:k}` is not an expression of this prefix; use timestamp:PATTERN, firehose:random-string",
        );
        check("a!{timestamp:yyyy", Data, "", "error: the expression that begins at character 1 has no closing brace");
        check(
            "!{timestamp:YYYY}",
            Data,
            "",
            "error: `Y` in the timestamp pattern `YYYY` is not supported: use y M d H m s S D E a h and quoted text",
        );
        assert!(Prefix::parse(&"x".repeat(PREFIX_CHARS_MAX + 1), Data).is_err());
        assert!(time_zone("Mars/Olympus").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_prefix_panics(text in "\\PC*", seconds in -10_000_000_000i64..10_000_000_000) {
            let at = Timestamp::from_second(seconds).unwrap();
            for kind in [PrefixKind::Data, PrefixKind::Error] {
                if let Ok(prefix) = Prefix::parse(&text, kind) {
                    prefix.expand(at, &TimeZone::UTC, "r", "e");
                }
            }
        }
    }
}
