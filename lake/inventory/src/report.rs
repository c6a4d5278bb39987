//! Where the files of a list go, and what its manifests say. Knows no rows.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>

use tarn_objects::{InventoryFormat, InventoryRun};
use tarn_runtime::Timestamp;

use crate::columns::{Column, schema};

/// The version of what manifests say.
const MANIFEST_VERSION: &str = "2016-11-30";

fn at(run: &InventoryRun, form: &str) -> String {
    Timestamp::from_millisecond(run.started_ms).map(|time| time.strftime(form).to_string()).unwrap_or_default()
}

/// Before all keys of an inventory's lists.
fn folder(run: &InventoryRun) -> String {
    let of = format!("{}/{}", run.bucket, run.configuration.id);
    match run.configuration.destination.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => format!("{}/{of}", prefix.trim_end_matches('/')),
        None => of,
    }
}

/// The key of the list's next file: the same whenever it is asked for, so that a file which was put and not noted is put again.
pub(crate) fn data_key(run: &InventoryRun) -> String {
    let number = u32::try_from(run.files.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = run.id;
    bytes.iter_mut().rev().zip(number.iter().rev()).for_each(|(byte, other)| *byte ^= other);
    let name = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let extension = match run.configuration.destination.format {
        InventoryFormat::Csv => "csv.gz",
        InventoryFormat::Orc => "orc",
        InventoryFormat::Parquet => "parquet",
    };
    format!("{}/data/{name}.{extension}", folder(run))
}

/// The key of a manifest, by its name.
pub(crate) fn manifest_key(run: &InventoryRun, name: &str) -> String {
    format!("{}/{}/{name}", folder(run), at(run, "%Y-%m-%dT%H-%MZ"))
}

/// The key of what Hive reads.
pub(crate) fn symlink_key(run: &InventoryRun) -> String {
    format!("{}/hive/dt={}/symlink.txt", folder(run), at(run, "%Y-%m-%d-%H-%M"))
}

/// What Hive reads: a file a line.
pub(crate) fn symlink(run: &InventoryRun) -> String {
    let lines = run.files.iter().map(|file| format!("s3://{}/{}\n", run.configuration.destination.bucket, file.key));
    lines.collect()
}

/// What `manifest.json` says.
pub(crate) fn manifest(run: &InventoryRun) -> String {
    let destination = &run.configuration.destination;
    let files = run.files.iter().map(
        |file| serde_json::json!({ "key": file.key, "size": file.size_bytes, "MD5checksum": hex::encode(file.md5) }),
    );
    let manifest = serde_json::json!({
        "sourceBucket": run.bucket.as_str(),
        "destinationBucket": destination.bucket.arn().to_string(),
        "version": MANIFEST_VERSION,
        "creationTimestamp": run.started_ms.to_string(),
        "fileFormat": destination.format.name(),
        "fileSchema": schema(destination.format, &Column::of(&run.configuration)),
        "files": files.collect::<Vec<_>>(),
    });
    format!("{manifest:#}")
}
