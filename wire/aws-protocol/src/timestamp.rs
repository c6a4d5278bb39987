//! Instants in the three formats of the wire. Knows no protocol.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

use crate::error::DecodeError;
use crate::number::double_text;
use crate::schema::TimestampFormat;

/// Writes an instant. Fractions are cut to milliseconds, as AWS does.
pub fn format_timestamp(timestamp: Timestamp, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::DateTime => {
            let utc = timestamp.to_zoned(TimeZone::UTC);
            if timestamp.subsec_millisecond() == 0 {
                utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
            } else {
                utc.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
            }
        }
        TimestampFormat::HttpDate => {
            timestamp.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        }
        TimestampFormat::EpochSeconds => double_text(epoch_seconds(timestamp)),
    }
}

/// Reads an instant; text that is a number is taken as seconds since 1970 in every format, as AWS's parsers do.
pub fn parse_timestamp(text: &str, format: TimestampFormat) -> Result<Timestamp, DecodeError> {
    let text = text.trim();
    let refuse = || DecodeError::mistyped(format!("\"{}\" is not a timestamp", shortened(text)));
    if let Ok(seconds) = text.parse::<f64>()
        && !text.contains(|character: char| character.is_ascii_alphabetic() && !matches!(character, 'e' | 'E'))
    {
        return timestamp_from_seconds(seconds).ok_or_else(refuse);
    }
    match format {
        TimestampFormat::HttpDate => rfc2822::DateTimeParser::new()
            .relaxed_weekday(true)
            .parse_timestamp(text)
            .or_else(|_| text.parse())
            .map_err(|_| refuse()),
        TimestampFormat::DateTime | TimestampFormat::EpochSeconds => text.parse().map_err(|_| refuse()),
    }
}

/// Seconds since 1970 with milliseconds as fraction.
pub(crate) fn epoch_seconds(timestamp: Timestamp) -> f64 {
    // Milliseconds of all of jiff's years are exact in a double.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let milliseconds = timestamp.as_millisecond() as f64;
    milliseconds / 1000.0
}

/// The instant `seconds` after 1970, to the microsecond; `None` outside the years that can be represented.
pub(crate) fn timestamp_from_seconds(seconds: f64) -> Option<Timestamp> {
    if !seconds.is_finite() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and is then out of range")]
    let microseconds = (seconds * 1_000_000.0).round() as i64;
    Timestamp::from_microsecond(microseconds).ok()
}

/// At most the first 64 characters, for messages.
pub(crate) fn shortened(text: &str) -> String {
    let mut result: String = text.chars().take(64).collect();
    if result.len() < text.len() {
        result.push('…');
    }
    result
}
