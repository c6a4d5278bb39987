//! `tarn ls`: buckets, or objects folded at slashes.

use clap::Args;
use serde_json::json;
use tarn_runtime::Timestamp;

use super::work::interruptible;
use crate::client::Client;
use crate::location::S3Location;
use crate::output::{Format, Out, shown};
use crate::{CliError, Connection, Variables};

/// Arguments of `tarn ls`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// s3://bucket/prefix; without it, the buckets.
    #[arg(value_name = "S3URI")]
    place: Option<S3Location>,
    /// All objects below, not only those up to the next slash.
    #[arg(long, short)]
    recursive: bool,
    /// Sizes as 1.2 MiB.
    #[arg(long, short = 'H')]
    human_readable: bool,
    /// How to write it.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

fn human(size: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = size as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{size} B") } else { format!("{value:.1} {unit}") }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn csv(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

pub(crate) async fn run(arguments: Arguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    interruptible(async {
        match &arguments.place {
            None => buckets(&client, arguments.output, out).await,
            Some(place) => objects(&client, place, &arguments, out).await,
        }
    })
    .await
}

async fn buckets(client: &Client, format: Format, out: &mut Out) -> Result<(), CliError> {
    if format == Format::Csv {
        out.line("created,bucket")?;
    }
    for (name, created) in client.buckets().await? {
        match format {
            Format::Table => out.line(&format!("{created} {name}"))?,
            Format::Csv => out.line(&format!("{created},{name}"))?,
            Format::Json => out.line(&json!({ "bucket": name, "created": created }).to_string())?,
        }
    }
    Ok(())
}

async fn objects(client: &Client, place: &S3Location, arguments: &Arguments, out: &mut Out) -> Result<(), CliError> {
    let mut token: Option<String> = None;
    let mut count = 0_u64;
    if arguments.output == Format::Csv {
        out.line("modified,size,key")?;
    }
    loop {
        let page = client.list(place, !arguments.recursive, token.as_deref()).await?;
        count += (page.objects.len() + page.prefixes.len()) as u64;
        for prefix in &page.prefixes {
            match arguments.output {
                Format::Table => out.line(&format!("{:>20} {:>12} {}", "", "PRE", shown(prefix)))?,
                Format::Csv => out.line(&format!(",,{}", csv(prefix)))?,
                Format::Json => out.line(&json!({ "prefix": prefix }).to_string())?,
            }
        }
        for object in &page.objects {
            let modified = time(object.modified);
            match arguments.output {
                Format::Table => {
                    let size = if arguments.human_readable { human(object.size) } else { object.size.to_string() };
                    out.line(&format!("{modified} {size:>12} {}", shown(&object.key)))?;
                }
                Format::Csv => out.line(&format!("{modified},{},{}", object.size, csv(&object.key)))?,
                Format::Json => out.line(
                    &json!({
                        "key": object.key,
                        "size": object.size,
                        "modified": modified,
                        "etag": object.etag,
                        "storageClass": object.storage_class,
                    })
                    .to_string(),
                )?,
            }
        }
        token = page.token;
        if token.is_none() {
            break;
        }
    }
    if count == 0 && !place.key.is_empty() {
        return Err(CliError::failed(format!("nothing begins with {place}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let check = |size: u64, expected: &str| assert_eq!(human(size), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1536, "1.5 KiB");
        check(5 * 1024 * 1024, "5.0 MiB");
        check(u64::MAX, "16384.0 PiB");
    }
}
