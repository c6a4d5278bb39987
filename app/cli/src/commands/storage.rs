//! `tarn storage report`: what the buckets hold, by bucket, prefix and storage class, and what it takes up on disk.

use clap::Args;
use serde_json::Value;

use super::work::interruptible;
use crate::client::Client;
use crate::output::{Column, Format, Kind, Out, Rows};
use crate::{CliError, Connection, Variables};

/// Arguments of `tarn storage report`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Of this bucket only.
    bucket: Option<String>,
    /// Tell prefixes of so many slashes apart.
    #[arg(long, value_name = "N", default_value_t = 0)]
    depth: usize,
    /// How to write it; json writes bytes, and all that is counted.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// Bytes for people.
fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

pub(crate) async fn run(arguments: Arguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    let mut asked = vec![("depth", arguments.depth.to_string())];
    asked.extend(arguments.bucket.clone().map(|bucket| ("bucket", bucket)));
    interruptible(report(&client, asked, &arguments, out)).await
}

async fn report(
    client: &Client,
    asked: Vec<(&'static str, String)>,
    arguments: &Arguments,
    out: &mut Out,
) -> Result<(), CliError> {
    const SHOWN: [&str; 8] = ["bucket", "prefix", "class", "objects", "bytes", "noncurrent", "uploads", "stored"];
    let lines = client.storage_report(asked).await?;
    let as_json = arguments.output == Format::Json;
    let for_people = arguments.output == Format::Table;
    let column = |name: &&str| Column { name: (*name).to_owned(), kind: Kind::Text };
    let mut rows = Rows::new(out, arguments.output, SHOWN.iter().map(column).collect())?;
    for line in lines {
        if as_json {
            rows.whole(&line)?;
            continue;
        }
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or(0);
        let bytes = |name: &str| match for_people {
            true => readable(number(name)),
            false => number(name).to_string(),
        };
        let tier = text("accessTier");
        let class = match tier.is_empty() {
            true => text("storageClass"),
            false => format!("{} ({tier})", text("storageClass")),
        };
        let cells = [
            text("bucket"),
            text("prefix"),
            class,
            number("objects").to_string(),
            bytes("bytes"),
            bytes("noncurrentBytes"),
            bytes("uploadBytes"),
            bytes("storedBytes"),
        ];
        rows.push(cells.into_iter().map(Some).collect())?;
    }
    rows.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        let check = |bytes: u64, expected: &str| assert_eq!(readable(bytes), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(1_500_000, "1.4 MiB");
        check(u64::MAX, "16384.0 PiB");
    }
}
