//! `tarn doctor`: reads all of a data directory that no server uses, records and bytes, and says what it finds. Mends nothing but the index and, by their parity,
//! archive containers.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tarn_blobs::{ScrubReport, Volumes};
use tarn_metadata::{EmbeddedOptions, EmbeddedStore, Snapshot, StoreExt};
use tarn_objects::{Damage, Verified, verify_blobs};
use tarn_runtime::Runtime;
use tarn_streams::{DamagedChunk, verify_chunks};
use tokio::time::Instant;

use crate::at_rest::{AtRest, threads};
use crate::command::Ended;
use crate::config::Config;
use crate::volumes;

/// How fast bytes are read unless asked otherwise: leaves a disk to others.
pub(crate) const PACE_MIB_PER_SECOND: u64 = 512;
/// From one line of progress to the next.
const PROGRESS_PERIOD: Duration = Duration::from_millis(200);
/// Damage that is told on a terminal.
const DAMAGED_SHOWN_MAX: usize = 100;

/// What is asked of the doctor.
pub(crate) struct Ask {
    /// Make the index anew first.
    pub(crate) rebuild_index: bool,
    /// Leave the bytes unread.
    pub(crate) quick: bool,
    /// Read no faster.
    pub(crate) pace_mib_per_second: u64,
    /// Answer in JSON.
    pub(crate) json: bool,
}

/// Checks the records and the bytes that they name; with `rebuild_index`, makes the index anew first.
pub(crate) fn run(config: &Config, ask: &Ask) -> Ended {
    match threads().and_then(|threads| threads.block_on(check(config, ask))) {
        Ok(()) => Ended::Done,
        Err(message) => Ended::Failed(message),
    }
}

async fn check(config: &Config, ask: &Ask) -> Result<(), String> {
    let lake = AtRest::lock(&config.data_dir.value)?;
    let runtime = Runtime::system();
    let rebuilt = match ask.rebuild_index {
        true => {
            let rebuilt = EmbeddedStore::rebuild_index(&*lake.folder("metadata")?, &EmbeddedOptions::default());
            Some(rebuilt.map_err(|error| error.to_string())?.0)
        }
        false => None,
    };
    let store = lake.store(&runtime)?;
    let found = store.inspect().map_err(|error| error.to_string())?;
    let log = store.verify().map_err(|error| error.to_string())?;
    let keyspaces = found.keyspaces.iter();
    let mut told = json!({
        "store": found.store_id,
        "indexRebuiltTo": rebuilt,
        "lastTransaction": found.last_sequence.0,
        "checkpoint": found.checkpoint.0,
        "log": { "segments": found.segments.len(), "transactions": log },
        "keyspaces": keyspaces
            .map(|(name, held)| (format!("{name:?}"), json!({ "records": held.records, "bytes": held.size_bytes })))
            .collect::<serde_json::Map<String, Value>>(),
        "objects": null,
        "archive": null,
        "streams": null,
    });
    if !ask.json {
        if let Some(last) = rebuilt {
            println!("the index is made anew, up to transaction {last}");
        }
        println!("store {}", found.store_id);
        println!("last transaction {}, in the index up to {}", found.last_sequence.0, found.checkpoint.0);
        println!("log: {} segments, {log} transactions, all readable", found.segments.len());
        for (keyspace, held) in &found.keyspaces {
            println!("keyspace {keyspace:?}: {} records, {} bytes", held.records, held.size_bytes);
        }
    }
    let mut damaged = 0;
    if !ask.quick {
        let volumes =
            volumes::open(&config.tables.volumes, &store, &runtime).await.map_err(|error| error.to_string())?;
        let blobs = lake.blobs("blobs", &runtime)?;
        let snapshot = store.read().map_err(|error| error.to_string())?;
        let mut progress = Progress::new(!ask.json && std::io::stderr().is_terminal());
        let pace = ask.pace_mib_per_second.saturating_mul(1 << 20);
        let mut scrubbed = blobs.scrub(Some(pace)).await.map_err(|error| error.to_string())?;
        for volume in &volumes.local {
            scrubbed += volume.scrub(Some(pace)).await.map_err(|error| error.to_string())?;
        }
        let blobs = Volumes::new(Arc::new(blobs), volumes.engines);
        let verified = verify_blobs(&snapshot, &blobs, pace, |verified| progress.show(verified)).await;
        progress.end();
        let verified = verified.map_err(|error| error.to_string())?;
        let waiting = records_on_their_way(&lake, &snapshot, &runtime).await?;
        damaged = verified.damaged + scrubbed.unreadable + waiting.1.len() as u64;
        let ScrubReport { containers, read_bytes, repaired_blocks, lost, unreadable } = scrubbed;
        match ask.json {
            true => {
                told["objects"] = as_json(&verified);
                told["streams"] = chunks_as_json(&waiting);
                told["archive"] = json!({
                    "containers": containers,
                    "bytes": read_bytes,
                    "repairedBlocks": repaired_blocks,
                    "lost": lost,
                    "unreadable": unreadable,
                });
            }
            false => {
                println!(
                    "archive: {containers} containers, {read_bytes} bytes, {repaired_blocks} damaged blocks repaired"
                );
                say(&verified);
                say_chunks(&waiting);
            }
        }
    }
    if ask.json {
        println!("{told}");
    }
    store.close().map_err(|error| error.to_string())?;
    match damaged {
        0 => Ok(()),
        _ => Err(format!("{damaged} blobs are damaged: restore what they hold from a copy, or delete it")),
    }
}

/// How many chunks of records wait as bytes of their own, and which of them are damaged.
async fn records_on_their_way(
    lake: &AtRest<'_>,
    snapshot: &Snapshot,
    runtime: &Runtime,
) -> Result<(u64, Vec<DamagedChunk>), String> {
    let blobs = lake.blobs("streams", runtime)?;
    verify_chunks(snapshot, &blobs).await.map_err(|error| error.to_string())
}

fn chunks_as_json((count, damaged): &(u64, Vec<DamagedChunk>)) -> Value {
    let of = |chunk: &DamagedChunk| {
        let DamagedChunk { stream, sequence, records, reason } = chunk;
        json!({ "stream": stream, "sequence": sequence, "records": records, "reason": reason })
    };
    json!({ "chunks": count, "damaged": damaged.len(), "damages": damaged.iter().map(of).collect::<Vec<Value>>() })
}

fn say_chunks((count, damaged): &(u64, Vec<DamagedChunk>)) {
    println!("delivery streams: {count} chunks of records read, {} damaged", damaged.len());
    for DamagedChunk { stream, sequence, records, reason } in damaged.iter().take(DAMAGED_SHOWN_MAX) {
        println!("damaged: stream {stream:?}, {records} records of transaction {sequence}: {reason}");
    }
}

fn as_json(verified: &Verified) -> Value {
    let of = |damage: &Damage| {
        json!({
            "bucket": damage.bucket.as_str(),
            "key": damage.key.as_str(),
            "version": damage.version,
            "upload": damage.is_upload,
            "part": damage.part,
            "reason": damage.reason,
        })
    };
    let damages: Vec<Value> = verified.damages.iter().map(of).collect();
    json!({ "blobs": verified.blobs, "bytes": verified.bytes, "damaged": verified.damaged, "damages": damages })
}

fn say(verified: &Verified) {
    println!("objects: {} blobs, {} bytes read, {} damaged", verified.blobs, verified.bytes, verified.damaged);
    for damage in verified.damages.iter().take(DAMAGED_SHOWN_MAX) {
        let Damage { bucket, key, version, is_upload, part, reason } = damage;
        let which = if *is_upload { "upload" } else { "version" };
        // A key may hold what a terminal would obey.
        println!("damaged: bucket {bucket}, key {:?}, {which} {version}, part {part}: {reason}", key.as_str());
    }
    if verified.damages.len() > DAMAGED_SHOWN_MAX {
        println!("and {} more; --json tells them", verified.damages.len() - DAMAGED_SHOWN_MAX);
    }
}

/// One line on a terminal that is written over.
struct Progress {
    is_watched: bool,
    shown: Option<Instant>,
}

impl Progress {
    fn new(is_watched: bool) -> Self {
        Self { is_watched, shown: None }
    }

    fn show(&mut self, verified: &Verified) {
        let now = Instant::now();
        if !self.is_watched || self.shown.is_some_and(|shown| now - shown < PROGRESS_PERIOD) {
            return;
        }
        self.shown = Some(now);
        let Verified { blobs, blobs_total, bytes, bytes_total, damaged, .. } = verified;
        let percent = bytes.saturating_mul(100).checked_div(*bytes_total).unwrap_or(100);
        let mut terminal = std::io::stderr();
        // What cannot be shown is shown at the end.
        let _ = write!(
            terminal,
            "\r{percent:3} %  {blobs} of {blobs_total} blobs, {} of {} MiB, {damaged} damaged \x1b[K",
            bytes >> 20,
            bytes_total >> 20
        );
        let _ = terminal.flush();
    }

    fn end(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
