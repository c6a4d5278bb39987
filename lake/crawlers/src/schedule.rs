//! `cron(15 12 * * ? *)`: when a crawler runs by itself. Knows no clock.
//! <https://docs.aws.amazon.com/glue/latest/dg/monitor-data-warehouse-schedule.html>

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use crate::CrawlersError;

/// The last year that a schedule may name.
const YEAR_MAX: i16 = 2199;
const YEAR_MIN: i16 = 1970;

/// The minutes at which it runs, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    minutes: Vec<bool>,
    hours: Vec<bool>,
    /// `None`: whatever the day of the month.
    days: Option<Vec<bool>>,
    months: Vec<bool>,
    /// From Sunday; `None`: whatever the day of the week.
    weekdays: Option<Vec<bool>>,
    years: Vec<bool>,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Schedule {
    /// Reads `cron(minutes hours day-of-month month day-of-week year)`.
    pub fn parse(text: &str) -> Result<Self, CrawlersError> {
        let refused = |reason: &str| {
            CrawlersError::invalid(format!(
                "The schedule '{text}' cannot be used: {reason}. A schedule reads cron(minutes hours day-of-month month day-of-week year), such as cron(15 12 * * ? *)."
            ))
        };
        let inner = text.trim().strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')'));
        let fields: Vec<&str> = inner.ok_or_else(|| refused("it is not cron(...)"))?.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
            return Err(refused("it does not have six fields"));
        };
        let field = |name: &str, text: &str, low: i16, high: i16, names: &[&str]| {
            field(text, low, high, names).ok_or_else(|| refused(&format!("the field {name} is not understood")))
        };
        if (*days == "?") == (*weekdays == "?") {
            return Err(refused("one of day-of-month and day-of-week must be ?, and the other not"));
        }
        let day = |name: &str, text: &str, low: i16, high: i16, names: &[&str]| {
            if text == "?" { Ok(None) } else { field(name, text, low, high, names).map(Some) }
        };
        let schedule = Self {
            minutes: field("minutes", minutes, 0, 59, &[])?,
            hours: field("hours", hours, 0, 23, &[])?,
            days: day("day-of-month", days, 1, 31, &[])?,
            months: field("month", months, 1, 12, &MONTHS)?,
            weekdays: day("day-of-week", weekdays, 1, 7, &WEEKDAYS)?,
            years: field("year", years, YEAR_MIN, YEAR_MAX, &[])?,
        };
        // Glue runs nothing more often than every five minutes.
        let set: Vec<usize> = schedule.minutes.iter().enumerate().filter(|(_, set)| **set).map(|(at, _)| at).collect();
        let close = set.windows(2).any(|pair| pair.first().zip(pair.last()).is_some_and(|(a, b)| b - a < 5));
        if close {
            return Err(refused("it would run more often than every five minutes"));
        }
        Ok(schedule)
    }

    /// The first time after `after`; `None` if there is none any more.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let zoned = after.to_zoned(TimeZone::UTC);
        let start = zoned.datetime();
        let mut date = start.date();
        let mut from = start.hour() as usize * 60 + start.minute() as usize + 1;
        while date.year() <= YEAR_MAX {
            if !*self.years.get(usize::try_from(date.year() - YEAR_MIN).ok()?)? {
                date = Date::new(date.year().checked_add(1)?, 1, 1).ok()?;
                from = 0;
                continue;
            }
            if self.runs_on(date) {
                for minute in from..24 * 60 {
                    if *self.hours.get(minute / 60)? && *self.minutes.get(minute % 60)? {
                        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
                        let found: DateTime = date.at(hour, minute, 0, 0);
                        return found.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
            from = 0;
        }
        None
    }

    fn runs_on(&self, date: Date) -> bool {
        let at = |set: &[bool], index: i8| {
            usize::try_from(index).ok().and_then(|index| set.get(index)).copied().unwrap_or(false)
        };
        let weekday = date.weekday().to_sunday_zero_offset();
        at(&self.months, date.month() - 1)
            && self.days.as_deref().is_none_or(|days| at(days, date.day() - 1))
            && self.weekdays.as_deref().is_none_or(|weekdays| at(weekdays, weekday))
    }
}

/// Lists of numbers, names, ranges and steps: `1,3-5,*/10`.
fn field(text: &str, low: i16, high: i16, names: &[&str]) -> Option<Vec<bool>> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).and_then(|at| i16::try_from(at).ok());
        named.map(|at| at + low).or_else(|| text.parse::<i16>().ok()).filter(|n| (low..=high).contains(n))
    };
    let mut set = vec![false; usize::try_from(high - low).ok()? + 1];
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<i16>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None if range == "*" => (low, high),
            None if step.is_some() => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        for n in (from..=to).step_by(usize::try_from(step.unwrap_or(1)).ok()?) {
            *set.get_mut(usize::try_from(n - low).ok()?)? = true;
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, after: &str, expected: Option<&str>) {
        let next =
            after.parse().ok().and_then(|after| Schedule::parse(text).ok()?.next(after)).map(|next| next.to_string());
        assert_eq!(next.as_deref(), expected, "{text} after {after}");
    }

    #[test]
    fn schedules_know_their_next_time() {
        check("cron(15 12 * * ? *)", "2026-11-22T12:14:59Z", Some("2026-11-22T12:15:00Z"));
        check("cron(15 12 * * ? *)", "2026-11-22T12:15:00Z", Some("2026-11-23T12:15:00Z"));
        check("cron(0/10 8-9 ? * MON-FRI *)", "2026-11-20T09:50:00Z", Some("2026-11-23T08:00:00Z"));
        check("cron(0 0 31 * ? *)", "2026-11-01T00:00:00Z", Some("2026-12-31T00:00:00Z"));
        check("cron(0 0 29 FEB ? *)", "2026-11-01T00:00:00Z", Some("2028-02-29T00:00:00Z"));
        check("cron(0 0 1 1 ? 2020)", "2026-11-01T00:00:00Z", None);
        for refused in [
            "rate(5 minutes)",
            "cron(* * * * ? *)",
            "cron(0 0 * * * *)",
            "cron(0 0 ? * ? *)",
            "cron(60 0 * * ? *)",
            "cron(0 0 L * ? *)",
            "cron(0 0 * * ?)",
            "cron(0,3 * * * ? *)",
            "",
        ] {
            assert!(Schedule::parse(refused).is_err(), "{refused}");
        }
    }
}
