//! `tarn rm`: one object, or all below a prefix.

use clap::Args;
use serde_json::json;

use super::work::{Filter, interruptible};
use crate::client::Client;
use crate::client::s3::DELETE_KEYS_COUNT_MAX;
use crate::location::S3Location;
use crate::output::{Out, Telling, shown};
use crate::{CliError, Connection, Variables};

/// Arguments of `tarn rm`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// s3://bucket/key
    #[arg(value_name = "S3URI", required = true)]
    places: Vec<S3Location>,
    /// All objects whose keys begin so.
    #[arg(long, short)]
    recursive: bool,
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Say nothing of what goes well.
    #[arg(long, short)]
    quiet: bool,
    /// Only keys that match this; may be given more than once.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// No keys that match this, whatever --include says; may be given more than once.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// How to say what was done.
    #[arg(long, value_enum, default_value_t)]
    output: Telling,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    let filter = Filter::new(&arguments.include, &arguments.exclude)?;
    for place in &arguments.places {
        if arguments.recursive {
            interruptible(many(&client, place, &filter, &arguments, out)).await?;
        } else if place.key.is_empty() {
            return Err(CliError::usage(format!("{place} is a bucket; add --recursive to remove all objects in it")));
        } else {
            if !arguments.dry_run {
                interruptible(client.delete(place)).await?;
            }
            tell(place, &arguments, out)?;
        }
    }
    Ok(())
}

fn tell(place: &S3Location, arguments: &Arguments, out: &mut Out) -> Result<(), CliError> {
    let dry_run = arguments.dry_run;
    match arguments.output {
        _ if arguments.quiet && !dry_run => Ok(()),
        Telling::Json => {
            let line = json!({ "action": "remove", "source": place.to_string(), "dryRun": dry_run });
            out.line(&line.to_string())
        }
        Telling::Text => {
            out.line(&format!("{}remove: {}", if dry_run { "(dry run) " } else { "" }, shown(&place.to_string())))
        }
    }
}

/// Page by page: each is removed, then the next is listed from where it ended.
async fn many(
    client: &Client,
    place: &S3Location,
    filter: &Filter,
    arguments: &Arguments,
    out: &mut Out,
) -> Result<(), CliError> {
    let mut token: Option<String> = None;
    let (mut all, mut failed) = (0_u64, 0_u64);
    loop {
        let page = client.list(place, false, token.as_deref()).await?;
        let keys: Vec<String> =
            page.objects.into_iter().map(|object| object.key).filter(|key| filter.takes(key)).collect();
        for keys in keys.chunks(DELETE_KEYS_COUNT_MAX) {
            let refused = if arguments.dry_run { Vec::new() } else { client.delete_many(place, keys).await? };
            all += keys.len() as u64;
            failed += refused.len() as u64;
            for (key, reason) in &refused {
                eprintln!("tarn: removing {}: {}", shown(&place.at(key).to_string()), shown(reason));
            }
            for key in keys.iter().filter(|key| !refused.iter().any(|(refused, _)| refused == *key)) {
                tell(&place.at(key), arguments, out)?;
            }
        }
        token = page.token;
        if token.is_none() {
            break;
        }
    }
    if failed > 0 { Err(CliError::Partly { failed, all }) } else { Ok(()) }
}
