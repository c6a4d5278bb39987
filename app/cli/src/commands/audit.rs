//! `tarn audit search`: what was done and what was refused, newest first; `tarn audit tail`: the same as it happens, oldest first.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;
use tarn_runtime::Timestamp;

use super::work::interruptible;
use crate::client::Client;
use crate::output::{Column, Format, Kind, Out, Rows, shown};
use crate::{CliError, Connection, Variables};

const PAGE_EVENTS_MAX: usize = 1_000;
/// How often `tail` asks.
const TAIL_INTERVAL: Duration = Duration::from_secs(1);
/// How far back `tail` asks again: a call is on record by the time it came in, and it is there when it has ended.
const TAIL_WINDOW: Duration = Duration::from_secs(30);
/// What a table shows of an event.
const SHOWN: [&str; 7] = ["eventTime", "eventSource", "eventName", "user", "errorCode", "sourceIPAddress", "requestID"];
/// How wide these are where a table cannot wait for its end.
const WIDTHS: [usize; 7] = [20, 22, 28, 20, 22, 15, 36];

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Outcome {
    /// It was done.
    Success,
    /// It was refused or failed.
    Failure,
}

/// Which events.
#[derive(Debug, Clone, Args)]
struct Wanted {
    /// Of this user, session, ARN or access key id.
    #[arg(long)]
    user: Option<String>,
    /// What came of it.
    #[arg(long, value_enum)]
    outcome: Option<Outcome>,
    /// Of this operation, such as PutObject.
    #[arg(long)]
    name: Option<String>,
    /// On this service, such as s3.amazonaws.com.
    #[arg(long)]
    source: Option<String>,
    /// On the resource with this ARN, or with this name at its end.
    #[arg(long, value_name = "ARN")]
    resource: Option<String>,
}

impl Wanted {
    fn filter(&self) -> Vec<(&'static str, String)> {
        let outcome = self.outcome.map(|outcome| match outcome {
            Outcome::Success => "success".to_owned(),
            Outcome::Failure => "failure".to_owned(),
        });
        let given = [
            ("user", self.user.clone()),
            ("name", self.name.clone()),
            ("source", self.source.clone()),
            ("resource", self.resource.clone()),
            ("outcome", outcome),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Arguments of `tarn audit search`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// Not before: 2026-01-31T12:00:00Z, or a time ago such as 2h or 30m.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// How to write it; json writes whole CloudTrail records. If not given: a table for a terminal, json for a pipe.
    #[arg(long, value_enum)]
    output: Option<Format>,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `tarn audit tail`.
#[derive(Debug, Clone, Args)]
pub struct TailArguments {
    #[command(flatten)]
    wanted: Wanted,
    /// Begin with the last so many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    lines: u16,
    /// How to write it; json writes whole CloudTrail records. If not given: a table for a terminal, json for a pipe.
    #[arg(long, value_enum)]
    output: Option<Format>,
    #[command(flatten)]
    connection: Connection,
}

fn format(asked: Option<Format>) -> Format {
    asked.unwrap_or(if std::io::stdout().is_terminal() { Format::Table } else { Format::Json })
}

/// A time as given: a moment, or how long ago it was.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    let ago = || now.checked_sub(text.parse::<jiff::SignedDuration>().ok()?).ok();
    text.parse().ok().or_else(ago).ok_or_else(|| {
        CliError::usage(format!("{text:?} is not a time; it is like 2026-01-31T12:00:00Z, or 2h for two hours ago"))
    })
}

pub(crate) async fn run(arguments: Arguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    let now = client.runtime().now();
    let mut filter = arguments.wanted.filter();
    for (name, text) in [("since", &arguments.since), ("until", &arguments.until)] {
        if let Some(text) = text {
            filter.push((name, moment(text, now)?.to_string()));
        }
    }
    interruptible(search(&client, &filter, &arguments, out)).await
}

async fn search(
    client: &Client,
    filter: &[(&'static str, String)],
    arguments: &Arguments,
    out: &mut Out,
) -> Result<(), CliError> {
    let column = |name: &&str| Column { name: (*name).to_owned(), kind: Kind::Text };
    let format = format(arguments.output);
    let as_json = format == Format::Json;
    let mut rows = Rows::new(out, format, SHOWN.iter().map(column).collect())?;
    let mut left = arguments.limit;
    let mut after: Option<String> = None;
    while left > 0 {
        let page = client.audit_events(filter, after.as_deref(), left.min(PAGE_EVENTS_MAX)).await?;
        left = left.saturating_sub(page.events.len());
        for event in page.events {
            if as_json {
                rows.whole(&event)?;
                continue;
            }
            rows.push(cells(&event).into_iter().map(Some).collect())?;
        }
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    rows.finish().map(drop)
}

/// What is shown of an event, in the order of `SHOWN`.
fn cells(event: &Value) -> [String; 7] {
    let of = |object: Option<&Value>, name: &str| object?.get(name)?.as_str().map(str::to_owned);
    let identity = event.get("userIdentity");
    SHOWN.map(|name| {
        let found = match name {
            "user" => of(identity, "userName").or_else(|| of(identity, "arn")).or_else(|| of(identity, "type")),
            name => of(Some(event), name),
        };
        found.unwrap_or_else(|| "-".to_owned())
    })
}

pub(crate) async fn tail(arguments: TailArguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    interruptible(follow(&client, &arguments, out)).await
}

async fn follow(client: &Client, arguments: &TailArguments, out: &mut Out) -> Result<(), CliError> {
    let (format, filter) = (format(arguments.output), arguments.wanted.filter());
    if format != Format::Json {
        tell(out, format, SHOWN.map(str::to_owned))?;
    }
    let lines = usize::from(arguments.lines);
    let mut begin = client.runtime().now();
    let mut events = match lines {
        0 => Vec::new(),
        lines => client.audit_events(&filter, None, lines).await?.events,
    };
    // The ids of what was told, with the time when it was.
    let mut told: HashMap<String, Timestamp> = HashMap::new();
    loop {
        let now = client.runtime().now();
        for event in events.iter().rev() {
            let id = event.get("eventID").and_then(Value::as_str).unwrap_or_default().to_owned();
            if told.insert(id, now).is_some() {
                continue;
            }
            match format {
                Format::Json => out.line(&event.to_string())?,
                Format::Table | Format::Csv => tell(out, format, cells(event))?,
            }
        }
        out.flush()?;
        tokio::time::sleep(TAIL_INTERVAL).await;
        // What was told so long ago is not asked for again.
        told.retain(|_, at| now.duration_since(*at).unsigned_abs() < TAIL_WINDOW * 2);
        let now = client.runtime().now();
        begin = begin.max(now.checked_sub(TAIL_WINDOW).unwrap_or(now));
        events = window(client, &filter, begin).await?;
    }
}

/// All events since `begin`, newest first.
async fn window(client: &Client, filter: &[(&'static str, String)], begin: Timestamp) -> Result<Vec<Value>, CliError> {
    let mut filter = filter.to_vec();
    filter.push(("since", begin.to_string()));
    let (mut events, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = client.audit_events(&filter, after.as_deref(), PAGE_EVENTS_MAX).await?;
        events.extend(page.events);
        after = page.after;
        if after.is_none() {
            return Ok(events);
        }
    }
}

/// One line of a table that has no end.
fn tell(out: &mut Out, format: Format, cells: [String; 7]) -> Result<(), CliError> {
    if format == Format::Csv {
        return out.line(&cells.map(|cell| crate::output::csv_cell(Some(&cell))).join(","));
    }
    let padded = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{:<width$}", shown(cell)));
    out.line(padded.collect::<Vec<_>>().join(" ").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_or_ago() {
        let now: Timestamp = "2026-02-01T12:00:00Z".parse().expect("a time");
        let check = |text: &str, expected: Option<&str>| {
            let found = moment(text, now).ok().map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("2026-01-31T12:00:00Z", Some("2026-01-31T12:00:00Z"));
        check("2h", Some("2026-02-01T10:00:00Z"));
        check("90m", Some("2026-02-01T10:30:00Z"));
        check("yesterday", None);
    }
}
