//! `tarn cp`: files up, objects down, objects between buckets.

use std::path::Path;

use clap::Args;
use futures::stream;

use super::work::{self, Filter, Work, WorkFlags, base_name, interruptible, perform_all};
use crate::client::Client;
use crate::location::{Location, path_within};
use crate::output::Out;
use crate::transfer::content_type_of;
use crate::walk::{LocalWalk, S3Walk, Walk};
use crate::{CliError, Connection, Variables};

/// Arguments of `tarn cp`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to copy, then where to: paths, s3://bucket/key, or -.
    #[arg(value_name = "PATH", required = true, num_args = 2..)]
    places: Vec<Location>,
    /// All that is below a folder.
    #[arg(long, short)]
    recursive: bool,
    /// The media type of what is uploaded; told by the name otherwise.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    #[command(flatten)]
    flags: WorkFlags,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(mut arguments: Arguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    let Some(to) = arguments.places.pop() else { return Err(CliError::usage("say where to copy to")) };
    let filter = Filter::new(&arguments.flags.include, &arguments.flags.exclude)?;
    let is_one = arguments.places.len() == 1;
    if let ([from], true) = (arguments.places.as_slice(), is_one)
        && (*from == Location::Standard || to == Location::Standard)
    {
        return stream_one(client, from, &to, &arguments, out).await;
    }
    if !is_one && !is_folder(&to) && !arguments.recursive {
        return Err(CliError::usage(format!(
            "{to} is no folder; several things are copied into one: end it with a slash"
        )));
    }
    let mover = work::mover(client.clone(), &arguments.flags);
    let content_type = arguments.content_type.as_deref();
    for from in &arguments.places {
        if arguments.recursive {
            let plan = Plan { walk: walk(&client, from)?, from: from.clone(), to: to.clone(), filter: filter.clone() };
            let works =
                stream::try_unfold(plan, |mut plan| async move { Ok(plan.next().await?.map(|work| (work, plan))) });
            perform_all(&mover, works, &arguments.flags, content_type, out).await?;
        } else {
            let work = one(&client, from, &to).await;
            perform_all(&mover, stream::iter([work]), &arguments.flags, content_type, out).await?;
        }
    }
    Ok(())
}

/// What is below `from`. A folder that is not there is an error, not an empty one.
pub(crate) fn walk(client: &Client, from: &Location) -> Result<Walk, CliError> {
    match from {
        Location::Standard => Err(CliError::usage("- is no folder")),
        Location::Local(path) => LocalWalk::new(path).map(Walk::Local),
        Location::S3(place) => Ok(Walk::S3(S3Walk::new(client.clone(), place.as_folder()))),
    }
}

/// The place called `relative` below `folder`.
pub(crate) fn below(folder: &Location, relative: &str) -> Result<Location, String> {
    match folder {
        Location::Standard => Err("- is no folder".to_owned()),
        Location::Local(path) => path_within(path, relative).map(Location::Local),
        Location::S3(place) => {
            let place = place.as_folder();
            Ok(Location::S3(place.at(format!("{}{relative}", place.key))))
        }
    }
}

/// The place called `relative` below `folder`, where it has been found: any key is one.
pub(crate) fn found_below(folder: &Location, relative: &str) -> Location {
    match folder {
        Location::Local(path) => Location::Local(path.join(relative)),
        Location::S3(place) => {
            let place = place.as_folder();
            Location::S3(place.at(format!("{}{relative}", place.key)))
        }
        Location::Standard => Location::Standard,
    }
}

fn is_folder(place: &Location) -> bool {
    match place {
        Location::Standard => false,
        Location::Local(path) => path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/"),
        Location::S3(place) => place.key.is_empty() || place.key.ends_with('/'),
    }
}

struct Plan {
    walk: Walk,
    from: Location,
    to: Location,
    filter: Filter,
}

impl Plan {
    async fn next(&mut self) -> Result<Option<Work>, CliError> {
        loop {
            let Some(entry) = self.walk.next().await? else { return Ok(None) };
            if !self.filter.takes(&entry.relative) {
                continue;
            }
            return Ok(Some(match below(&self.to, &entry.relative) {
                Ok(to) => Work::Transfer {
                    from: found_below(&self.from, &entry.relative),
                    to,
                    size: entry.size,
                    etag: entry.etag,
                },
                Err(reason) => Work::Impossible { reason },
            }));
        }
    }
}

/// One file or object, to a name or into a folder.
async fn one(client: &Client, from: &Location, to: &Location) -> Result<Work, CliError> {
    let (size, etag) = match from {
        Location::Standard => return Err(CliError::usage("- can only be the one source or the destination")),
        Location::Local(path) => {
            let found = std::fs::metadata(path).map_err(CliError::local("looking at", path))?;
            if found.is_dir() {
                return Err(CliError::usage(format!("{from} is a folder; add --recursive to copy what is in it")));
            }
            if matches!(to, Location::Local(_)) {
                return Err(CliError::usage("both are on this machine; one must be s3://bucket/key"));
            }
            (found.len(), None)
        }
        Location::S3(place) => {
            if place.key.is_empty() || place.key.ends_with('/') {
                return Err(CliError::usage(format!("{from} is a folder; add --recursive to copy what is in it")));
            }
            let (object, _) = client.head(place).await?;
            (object.size, Some(object.etag))
        }
    };
    let to = if is_folder(to) {
        let name = base_name(from).ok_or_else(|| CliError::usage(format!("{from} has no name to keep")))?;
        below(to, &name).map_err(CliError::failed)?
    } else {
        to.clone()
    };
    Ok(Work::Transfer { from: from.clone(), to, size, etag })
}

async fn stream_one(
    client: Client,
    from: &Location,
    to: &Location,
    arguments: &Arguments,
    out: &mut Out,
) -> Result<(), CliError> {
    match (from, to) {
        (Location::S3(from), Location::Standard) => interruptible(super::cat::write(&client, from, out)).await,
        (Location::Standard, Location::S3(to)) if !to.key.is_empty() && !to.key.ends_with('/') => {
            let mover = work::mover(client, &arguments.flags);
            let kind = arguments.content_type.as_deref().unwrap_or_else(|| content_type_of(&to.key));
            let ended = interruptible(mover.upload_stream(Box::new(std::io::stdin()), to, kind)).await;
            if ended.is_err() {
                mover.abort().await;
            }
            mover.bar.finish_and_clear();
            ended.map(drop)
        }
        (Location::Standard, Location::S3(to)) => {
            Err(CliError::usage(format!("{to} is a folder; standard input has no name to keep: name the object")))
        }
        (Location::Standard, _) | (_, Location::Standard) => {
            Err(CliError::usage("with -, the other must be s3://bucket/key"))
        }
        (_, Location::Local(path)) => one(&client, from, &Location::Local(Path::new(path).to_owned())).await.map(drop),
        (_, Location::S3(_)) => Err(CliError::usage("one of the two must be -")),
    }
}
