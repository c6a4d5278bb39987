//! `tarn cat`: objects, one after the other, to standard output.

use clap::Args;

use super::work::interruptible;
use crate::client::Client;
use crate::client::s3::{checksum, checksum_of_both};
use crate::location::S3Location;
use crate::output::Out;
use crate::{CliError, Connection, Variables};

/// Arguments of `tarn cat`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// s3://bucket/key
    #[arg(value_name = "S3URI", required = true)]
    places: Vec<S3Location>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    for place in &arguments.places {
        interruptible(write(&client, place, out)).await?;
    }
    Ok(())
}

/// Writes an object; an object whose bytes do not have its checksum is an error, though they have been written.
pub(crate) async fn write(client: &Client, place: &S3Location, out: &mut Out) -> Result<(), CliError> {
    if place.key.is_empty() {
        return Err(CliError::usage(format!("{place} is a bucket; name an object, as s3://bucket/key")));
    }
    let mut download = client.get(place, None, None).await?;
    let mut sum = checksum(b"");
    while let Some(chunk) = download.chunk().await? {
        sum = checksum_of_both(sum, checksum(&chunk), chunk.len() as u64);
        out.bytes(&chunk)?;
    }
    out.flush()?;
    match download.checksum() {
        Some(stated) if stated != sum => {
            Err(CliError::failed(format!("{place}: the bytes that came do not have the object's checksum")))
        }
        Some(_) | None => Ok(()),
    }
}
