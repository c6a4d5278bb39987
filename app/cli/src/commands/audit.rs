//! `tarn audit search`: what was done and what was refused, newest first.

use clap::{Args, ValueEnum};
use serde_json::Value;
use tarn_runtime::Timestamp;

use super::work::interruptible;
use crate::client::Client;
use crate::output::{Column, Format, Kind, Out, Rows};
use crate::{CliError, Connection, Variables};

const PAGE_EVENTS_MAX: usize = 1_000;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Outcome {
    /// It was done.
    Success,
    /// It was refused or failed.
    Failure,
}

/// Arguments of `tarn audit search`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
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
    /// On the resource with this ARN.
    #[arg(long, value_name = "ARN")]
    resource: Option<String>,
    /// Not before: 2026-01-31T12:00:00Z, or a time ago such as 2h or 30m.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// How to write it; json writes whole CloudTrail records.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
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
    let mut filter = Vec::new();
    let mut add = |name, value: Option<String>| filter.extend(value.map(|value| (name, value)));
    add("user", arguments.user.clone());
    add("name", arguments.name.clone());
    add("source", arguments.source.clone());
    add("resource", arguments.resource.clone());
    let outcome = arguments.outcome.map(|outcome| match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
    });
    add("outcome", outcome.map(str::to_owned));
    for (name, text) in [("since", &arguments.since), ("until", &arguments.until)] {
        if let Some(text) = text {
            add(name, Some(moment(text, now)?.to_string()));
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
    const SHOWN: [&str; 7] =
        ["eventTime", "eventSource", "eventName", "user", "errorCode", "sourceIPAddress", "requestID"];
    let column = |name: &&str| Column { name: (*name).to_owned(), kind: Kind::Text };
    let as_json = arguments.output == Format::Json;
    let mut rows = Rows::new(out, arguments.output, SHOWN.iter().map(column).collect())?;
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
            let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
            let of_identity = |name: &str| {
                event.get("userIdentity").and_then(|it| it.get(name)).and_then(Value::as_str).map(str::to_owned)
            };
            let user = of_identity("userName").or_else(|| of_identity("arn")).or_else(|| of_identity("type"));
            let cells = SHOWN.iter().map(|name| if *name == "user" { user.clone() } else { text(name) });
            rows.push(cells.map(|cell| Some(cell.unwrap_or_else(|| "-".to_owned()))).collect())?;
        }
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    rows.finish().map(drop)
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
