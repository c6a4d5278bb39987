//! `tarn sync`: makes a destination hold what a source holds. Both sides are walked in the order of their names and merged, so
//! that neither is held in memory.

use clap::Args;
use futures::stream;

use super::cp::{below, found_below, walk};
use super::work::{self, Filter, Work, WorkFlags, perform_all};
use crate::client::Client;
use crate::location::Location;
use crate::output::Out;
use crate::transfer::etag_of_file;
use crate::walk::{Entry, Walk};
use crate::{CliError, Connection, Variables};

/// Arguments of `tarn sync`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The folder, here or as s3://bucket/prefix, that is as it should be.
    from: Location,
    /// The folder that is to become so.
    to: Location,
    /// Remove what the source does not have.
    #[arg(long)]
    delete: bool,
    /// Compare sizes only, not times.
    #[arg(long)]
    size_only: bool,
    #[command(flatten)]
    flags: WorkFlags,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    let Arguments { from, to, delete, size_only, flags, .. } = arguments;
    if !matches!((&from, &to), (Location::S3(_), _) | (_, Location::S3(_))) {
        return Err(CliError::usage("one of the two must be s3://bucket/prefix"));
    }
    let filter = Filter::new(&flags.include, &flags.exclude)?;
    let merge = Merge {
        source: walk(&client, &from)?,
        there: destination(&client, &to)?,
        next_source: None,
        next_there: None,
        is_begun: false,
        from,
        to,
        filter,
        delete,
        size_only,
    };
    let mover = work::mover(client, &flags);
    let works = stream::try_unfold(merge, |mut merge| async move { Ok(merge.next().await?.map(|work| (work, merge))) });
    perform_all(&mover, works, &flags, None, out).await
}

fn destination(client: &Client, to: &Location) -> Result<Walk, CliError> {
    match to {
        Location::Local(path) if !path.exists() => Ok(Walk::Nothing),
        _ => walk(client, to),
    }
}

struct Merge {
    source: Walk,
    there: Walk,
    next_source: Option<Entry>,
    next_there: Option<Entry>,
    is_begun: bool,
    from: Location,
    to: Location,
    filter: Filter,
    delete: bool,
    size_only: bool,
}

impl Merge {
    async fn step_source(&mut self) -> Result<Option<Entry>, CliError> {
        let mut next = self.source.next().await?;
        while next.as_ref().is_some_and(|entry| !self.filter.takes(&entry.relative)) {
            next = self.source.next().await?;
        }
        Ok(std::mem::replace(&mut self.next_source, next))
    }

    async fn step_there(&mut self) -> Result<Option<Entry>, CliError> {
        let mut next = self.there.next().await?;
        while next.as_ref().is_some_and(|entry| !self.filter.takes(&entry.relative)) {
            next = self.there.next().await?;
        }
        Ok(std::mem::replace(&mut self.next_there, next))
    }

    async fn next(&mut self) -> Result<Option<Work>, CliError> {
        if !self.is_begun {
            self.is_begun = true;
            self.step_source().await?;
            self.step_there().await?;
        }
        loop {
            let order = match (&self.next_source, &self.next_there) {
                (None, None) => return Ok(None),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(source), Some(there)) => source.relative.as_bytes().cmp(there.relative.as_bytes()),
            };
            let work = match order {
                std::cmp::Ordering::Less => self.step_source().await?.map(|entry| self.transfer(entry)),
                std::cmp::Ordering::Greater => {
                    let extra = self.step_there().await?.filter(|_| self.delete);
                    extra.map(|entry| Work::Remove { place: found_below(&self.to, &entry.relative) })
                }
                std::cmp::Ordering::Equal => match (self.step_source().await?, self.step_there().await?) {
                    (Some(source), Some(there)) if self.differs(&source, &there).await? => Some(self.transfer(source)),
                    _ => None,
                },
            };
            if work.is_some() {
                return Ok(work);
            }
        }
    }

    fn transfer(&self, entry: Entry) -> Work {
        match below(&self.to, &entry.relative) {
            Ok(to) => Work::Transfer {
                from: found_below(&self.from, &entry.relative),
                to,
                size: entry.size,
                etag: entry.etag,
            },
            Err(reason) => Work::Impossible { reason },
        }
    }

    /// Whether the destination is not as the source. Another size tells; so does a source that is newer, unless its content is
    /// known to be the same.
    async fn differs(&self, source: &Entry, there: &Entry) -> Result<bool, CliError> {
        if source.size != there.size {
            return Ok(true);
        }
        // The store keeps whole seconds in its answers' heads: a download has the time of those.
        if self.size_only || source.modified.as_second() <= there.modified.as_second() {
            return Ok(false);
        }
        match (&self.from, &source.etag, &there.etag) {
            (_, Some(source), Some(there)) => Ok(source != there),
            (Location::Local(folder), None, Some(etag)) => {
                let path = folder.join(&source.relative);
                let found = tokio::task::spawn_blocking(move || etag_of_file(&path))
                    .await
                    .map_err(|_| CliError::failed("the program failed; report this as a defect"))??;
                Ok(found != *etag)
            }
            _ => Ok(true),
        }
    }
}
