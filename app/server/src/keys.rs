//! `tarn keys`: the root key of a data directory that no server uses: another in its place, and whether what is stored opens by it.

use std::sync::Arc;

use serde_json::json;
use tarn_blobs::{BlobStore, Volumes};
use tarn_keys::Keys;
use tarn_metadata::Store;
use tarn_objects::{Objects, ObjectsOptions, OpenedSample};
use tarn_runtime::Runtime;

use crate::at_rest::{AtRest, threads};
use crate::command::Ended;
use crate::config::{Config, Environment};
use crate::volumes;

/// How many objects are opened unless asked otherwise.
pub(crate) const OBJECTS_COUNT: u64 = 1_000;

fn block_on<T>(work: impl Future<Output = Result<T, String>>, told: impl FnOnce(T) -> Ended) -> Ended {
    match threads() {
        Ok(threads) => threads.block_on(work).map_or_else(Ended::Failed, told),
        Err(error) => Ended::Failed(error),
    }
}

/// Puts a fresh root key, kept as `config` says, in the place of the one that is kept as `previous` says.
pub(crate) fn rotate_root(previous: &Config, config: &Config, environment: &Environment) -> Ended {
    let work = async {
        let runtime = Runtime::system();
        let data_dir = &config.data_dir.value;
        let from = previous.tables.root_key.custody(environment, &runtime)?;
        let to = config.tables.root_key.custody(environment, &runtime)?;
        let lake = AtRest::lock(data_dir)?;
        let store = lake.store(&runtime)?;
        let rotated = Keys::rotate_root(&from, &to, &data_dir.join("keys"), &store, &runtime).await;
        let rotated = rotated.map_err(|error| error.to_string())?;
        store.close().map_err(|error| error.to_string())?;
        Ok((rotated, to.name()))
    };
    block_on(work, |(rotated, custody)| {
        let hex = |id: [u8; 8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        println!("root key {} is in the place of {}, custody {custody}", hex(rotated.after), hex(rotated.before));
        Ended::Done
    })
}

/// Opens a sample of what is stored by the root key that `config` says how to get.
pub(crate) fn verify_restore(config: &Config, environment: &Environment, objects: u64, as_json: bool) -> Ended {
    let work = async {
        let runtime = Runtime::system();
        let data_dir = &config.data_dir.value;
        let custody = config.tables.root_key.custody(environment, &runtime)?;
        let lake = AtRest::lock(data_dir)?;
        let store = Arc::new(lake.store(&runtime)?);
        let keys = Keys::open(&custody, &data_dir.join("keys"), &*store, &runtime).await;
        let keys = keys.map_err(|error| error.to_string())?;
        let blobs = lake.blobs("blobs", &runtime)?;
        let volumes = volumes::open(&config.tables.volumes, &*store, &runtime).await;
        let volumes = volumes.map_err(|error| error.to_string())?;
        let blobs: Arc<dyn BlobStore> = Arc::new(Volumes::new(Arc::new(blobs), volumes.engines));
        let records: Arc<dyn Store> = store.clone();
        let objects_of = Objects::new(records, blobs, Arc::new(keys), runtime, ObjectsOptions::default());
        let sample = objects_of.open_sample(objects).await.map_err(|error| error.to_string())?;
        drop(objects_of);
        store.close().map_err(|error| error.to_string())?;
        Ok(sample)
    };
    block_on(work, |sample| tell(&sample, as_json))
}

fn tell(sample: &OpenedSample, as_json: bool) -> Ended {
    let OpenedSample { versions_total, opened, bytes, of_customers, under_unusable_keys, failed, failures } = sample;
    if as_json {
        let failures = failures.iter().map(|(place, reason)| json!({ "object": place, "reason": reason }));
        let told = json!({
            "versions": versions_total,
            "opened": opened,
            "bytes": bytes,
            "underCustomersKeys": of_customers,
            "underUnusableKeys": under_unusable_keys,
            "failed": failed,
            "failures": failures.collect::<Vec<_>>(),
        });
        println!("{told}");
    } else {
        println!("{opened} of {versions_total} versions opened, {bytes} bytes read");
        if *of_customers > 0 {
            println!("{of_customers} are under keys that customers keep, and were not tried");
        }
        if *under_unusable_keys > 0 {
            println!("{under_unusable_keys} are under KMS keys that are disabled or deleted, and open to nobody");
        }
        for (place, reason) in failures {
            println!("{place}: {reason}");
        }
    }
    match failed {
        0 => Ended::Done,
        failed => Ended::Failed(format!("{failed} objects do not open")),
    }
}
