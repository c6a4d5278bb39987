//! `tarn doctor`: reads all of a data directory that no server uses, and says what it finds.

use std::sync::Arc;

use tarn_disk::LocalDisk;
use tarn_metadata::{EmbeddedOptions, EmbeddedStore};
use tarn_runtime::Runtime;

use crate::command::Ended;
use crate::config::Config;

/// Checks the records; with `rebuild_index`, makes their index anew first.
pub(crate) fn run(config: &Config, rebuild_index: bool) -> Ended {
    match check(config, rebuild_index) {
        Ok(()) => Ended::Done,
        Err(message) => Ended::Failed(message),
    }
}

fn check(config: &Config, rebuild_index: bool) -> Result<(), String> {
    let data_dir = &config.data_dir.value;
    let unusable = |error: std::io::Error| format!("the data directory {} cannot be used: {error}", data_dir.display());
    if !data_dir.join("metadata").is_dir() {
        return Err(format!("there is no lake in {}", data_dir.display()));
    }
    let _lock = LocalDisk::new(data_dir).and_then(|disk| disk.lock()).map_err(unusable)?;
    let disk = Arc::new(LocalDisk::new(data_dir.join("metadata")).map_err(unusable)?);
    let options = EmbeddedOptions::default();
    if rebuild_index {
        let last = EmbeddedStore::rebuild_index(&*disk, &options).map_err(|error| error.to_string())?;
        println!("the index is made anew, up to transaction {}", last.0);
    }
    let store = EmbeddedStore::open(disk, options, &Runtime::system()).map_err(|error| error.to_string())?;
    let found = store.inspect().map_err(|error| error.to_string())?;
    let log = store.verify().map_err(|error| error.to_string())?;
    println!("store {}", found.store_id);
    println!("last transaction {}, in the index up to {}", found.last_sequence.0, found.checkpoint.0);
    println!("log: {} segments, {log} transactions, all readable", found.segments.len());
    for (keyspace, held) in &found.keyspaces {
        println!("keyspace {keyspace:?}: {} records, {} bytes", held.records, held.size_bytes);
    }
    store.close().map_err(|error| error.to_string())
}
