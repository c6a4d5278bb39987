//! Many transfers at one time: each told of when it ends, the rest going on when one fails, all given up at Ctrl-C.

use std::pin::pin;

use clap::Args;
use futures::stream::{Stream, StreamExt};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::CliError;
use crate::client::Client;
use crate::location::{Location, S3Location};
use crate::output::{Out, Telling, is_watched, shown};
use crate::transfer::{Mover, content_type_of};

/// Flags of all commands that move things.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkFlags {
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say nothing of what goes well.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Parts in flight at one time, of 8 MiB each.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(crate) transfers: u16,
    /// Only names below the source that match this, such as '*.csv' or 'year=2013/**'; may be given more than once.
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// No names that match this, whatever --include says; may be given more than once.
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// How to say what was done.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Telling,
}

/// Which names are meant.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

fn globs(patterns: &[String]) -> Result<GlobSet, CliError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern)
            .build()
            .map_err(|error| CliError::usage(format!("{pattern:?} is not a pattern: {error}")))?;
        set.add(glob);
    }
    set.build().map_err(|error| CliError::usage(error.to_string()))
}

impl Filter {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, CliError> {
        let include = if include.is_empty() { None } else { Some(globs(include)?) };
        Ok(Self { include, exclude: globs(exclude)? })
    }

    pub(crate) fn takes(&self, relative: &str) -> bool {
        self.include.as_ref().is_none_or(|include| include.is_match(relative)) && !self.exclude.is_match(relative)
    }
}

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Bring `from` to `to`.
    Transfer {
        /// From where.
        from: Location,
        /// To where.
        to: Location,
        /// As a listing told.
        size: u64,
        /// Of an object.
        etag: Option<String>,
    },
    /// Remove what is there.
    Remove {
        /// What.
        place: Location,
    },
    /// It cannot be done; said in its turn.
    Impossible {
        /// Why.
        reason: String,
    },
}

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Self::Transfer { from: Location::S3(_), to: Location::S3(_), .. } => "copy",
            Self::Transfer { from: Location::S3(_), .. } => "download",
            Self::Transfer { .. } => "upload",
            Self::Remove { .. } => "remove",
            Self::Impossible { .. } => "pass over",
        }
    }

    fn told(&self, format: Telling, dry_run: bool) -> String {
        let name = self.name();
        let (from, to, size) = match self {
            Self::Transfer { from, to, size, .. } => (from.to_string(), Some(to.to_string()), Some(*size)),
            Self::Remove { place } => (place.to_string(), None, None),
            Self::Impossible { reason } => (reason.clone(), None, None),
        };
        match format {
            Telling::Json => {
                json!({ "action": name, "source": from, "destination": to, "size": size, "dryRun": dry_run })
                    .to_string()
            }
            Telling::Text => {
                let to = to.map_or_else(String::new, |to| format!(" to {}", shown(&to)));
                format!("{}{name}: {}{to}", if dry_run { "(dry run) " } else { "" }, shown(&from))
            }
        }
    }
}

async fn perform(mover: &Mover, work: &Work, content_type: Option<&str>) -> Result<(), CliError> {
    match work {
        Work::Transfer { from, to, size, etag } => match (from, to) {
            (Location::Local(from), Location::S3(to)) => {
                let kind = content_type.unwrap_or_else(|| content_type_of(&to.key));
                mover.upload(from, to, kind).await.map(drop)
            }
            (Location::S3(from), Location::Local(to)) => mover.download(from, *size, to).await.map(drop),
            (Location::S3(from), Location::S3(to)) => {
                mover.copy(from, etag.as_deref().unwrap_or_default(), *size, to).await
            }
            (Location::Local(_), Location::Local(_)) | (Location::Standard, _) | (_, Location::Standard) => {
                Err(CliError::usage("one of the two must be s3://bucket/key"))
            }
        },
        Work::Remove { place: Location::S3(place) } => mover.client.delete(place).await,
        Work::Remove { place: Location::Local(path) } => {
            tokio::fs::remove_file(path).await.map_err(CliError::local("removing", path))
        }
        Work::Remove { place: Location::Standard } => Err(CliError::usage("- cannot be removed")),
        Work::Impossible { reason } => Err(CliError::failed(reason.clone())),
    }
}

/// A bar on a terminal, nothing elsewhere.
pub(crate) fn progress(quiet: bool) -> ProgressBar {
    if quiet || !is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// A mover as the flags say.
pub(crate) fn mover(client: Client, flags: &WorkFlags) -> Mover {
    Mover::new(client, usize::from(flags.transfers), progress(flags.quiet))
}

/// Does all `works`. An error of the stream itself ends it; that of a work is told, and the others go on.
pub(crate) async fn perform_all(
    mover: &Mover,
    works: impl Stream<Item = Result<Work, CliError>>,
    flags: &WorkFlags,
    content_type: Option<&str>,
    out: &mut Out,
) -> Result<(), CliError> {
    let done = works
        .map(|work| async move {
            let work = work?;
            let ended = if flags.dry_run && !matches!(work, Work::Impossible { .. }) {
                Ok(())
            } else {
                perform(mover, &work, content_type).await
            };
            Ok((work, ended))
        })
        .buffer_unordered(mover.parallel());
    let all = async {
        let mut done = pin!(done);
        let (mut all, mut failed) = (0, 0);
        while let Some(ended) = done.next().await {
            let (work, ended): (Work, Result<(), CliError>) = ended?;
            all += 1;
            match ended {
                Ok(()) if flags.quiet && !flags.dry_run => {}
                Ok(()) => {
                    let line = work.told(flags.output, flags.dry_run);
                    mover.bar.suspend(|| out.line(&line))?;
                }
                Err(error) => {
                    failed += 1;
                    mover.bar.suspend(|| eprintln!("tarn: {}", shown(&error.to_string())));
                }
            }
        }
        if failed > 0 { Err(CliError::Partly { failed, all }) } else { Ok(()) }
    };
    let ended = interruptible(all).await;
    if ended.is_err() {
        mover.abort().await;
    }
    mover.bar.finish_and_clear();
    ended
}

/// `work`, unless Ctrl-C comes first.
pub(crate) async fn interruptible<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => Err(CliError::Interrupted),
    }
}

/// The name that a source keeps in a folder.
pub(crate) fn base_name(place: &Location) -> Option<String> {
    match place {
        Location::Standard => None,
        Location::Local(path) => path.file_name().and_then(|name| name.to_str()).map(str::to_owned),
        Location::S3(S3Location { key, .. }) => {
            key.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filtered() {
        let check = |include: &[&str], exclude: &[&str], name: &str, expected: bool| {
            let own = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
            let filter = Filter::new(&own(include), &own(exclude)).expect("patterns");
            assert_eq!(filter.takes(name), expected, "{include:?} {exclude:?} {name}");
        };
        check(&[], &[], "a/b.csv", true);
        check(&["*.csv"], &[], "a/b.csv", true);
        check(&["*.csv"], &[], "a/b.txt", false);
        check(&["*.csv", "*.txt"], &["tmp/**"], "a/b.txt", true);
        check(&["*.csv"], &["tmp/**"], "tmp/b.csv", false);
        assert!(Filter::new(&["[".to_owned()], &[]).is_err());
    }
}
