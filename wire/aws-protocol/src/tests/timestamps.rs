//! Instants in the three formats.

use crate::{Timestamp, TimestampFormat, format_timestamp, parse_timestamp};

#[test]
fn instants_are_written() {
    let table = [
        (1_700_000_000_000, "2023-11-14T22:13:20Z", "Tue, 14 Nov 2023 22:13:20 GMT", "1700000000"),
        (1_700_000_000_120, "2023-11-14T22:13:20.120Z", "Tue, 14 Nov 2023 22:13:20 GMT", "1700000000.12"),
        (0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT", "0"),
        (-1, "1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 GMT", "-0.001"),
    ];
    for (milliseconds, date_time, http_date, epoch) in table {
        let instant = Timestamp::from_millisecond(milliseconds).expect("in range");
        assert_eq!(format_timestamp(instant, TimestampFormat::DateTime), date_time);
        assert_eq!(format_timestamp(instant, TimestampFormat::HttpDate), http_date);
        assert_eq!(format_timestamp(instant, TimestampFormat::EpochSeconds), epoch);
    }
}

#[test]
fn instants_are_read() {
    let table = [
        ("2023-11-14T22:13:20Z", TimestampFormat::DateTime, Some(1_700_000_000_000)),
        ("2023-11-14T22:13:20.12Z", TimestampFormat::DateTime, Some(1_700_000_000_120)),
        ("2023-11-14T23:13:20+01:00", TimestampFormat::DateTime, Some(1_700_000_000_000)),
        ("1700000000", TimestampFormat::DateTime, Some(1_700_000_000_000)),
        ("1.7E9", TimestampFormat::EpochSeconds, Some(1_700_000_000_000)),
        ("Tue, 14 Nov 2023 22:13:20 GMT", TimestampFormat::HttpDate, Some(1_700_000_000_000)),
        ("Mon, 14 Nov 2023 22:13:20 GMT", TimestampFormat::HttpDate, Some(1_700_000_000_000)),
        ("2023-11-14", TimestampFormat::DateTime, None),
        ("1e30", TimestampFormat::EpochSeconds, None),
        ("NaN", TimestampFormat::EpochSeconds, None),
        ("inf", TimestampFormat::EpochSeconds, None),
        ("", TimestampFormat::DateTime, None),
    ];
    for (text, format, expected) in table {
        let read = parse_timestamp(text, format).ok().map(Timestamp::as_millisecond);
        assert_eq!(read, expected, "{text}");
    }
}
