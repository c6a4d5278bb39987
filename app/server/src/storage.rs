//! The storage report as the gateway asks for it. Knows neither who may nor how it is counted.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use tarn_audit::Caller;
use tarn_gateway::{StorageReportRequest, StorageReports};
use tarn_objects::{BucketName, Objects, StorageClass, StoragePlace, StorageUsage};

/// Counts what `Objects` keep.
pub(crate) struct StoredObjects(pub(crate) Objects);

fn line(place: &StoragePlace, usage: &StorageUsage) -> String {
    let StoragePlace { bucket, prefix, class, tier } = place;
    let StorageUsage { objects, bytes, noncurrent_versions, noncurrent_bytes, upload_bytes, stored_bytes } = usage;
    json!({
        "bucket": bucket.as_str(),
        "prefix": prefix,
        "storageClass": class.name(),
        "accessTier": (*class == StorageClass::IntelligentTiering).then(|| tier.name()),
        "objects": objects,
        "bytes": bytes,
        "noncurrentVersions": noncurrent_versions,
        "noncurrentBytes": noncurrent_bytes,
        "uploadBytes": upload_bytes,
        "storedBytes": stored_bytes,
    })
    .to_string()
}

impl StorageReports for StoredObjects {
    fn storage_report(
        &self,
        caller: Caller,
        request: StorageReportRequest,
    ) -> BoxFuture<'_, Result<Vec<String>, String>> {
        async move {
            let objects = self.0.clone();
            let counting = tokio::task::spawn_blocking(move || {
                let bucket = request.bucket.map(BucketName::new).transpose().map_err(|error| error.to_string())?;
                let report = objects.storage_report(&caller, bucket.as_ref(), request.depth);
                let report = report.map_err(|error| error.to_string())?;
                Ok(report.iter().map(|(place, usage)| line(place, usage)).collect())
            });
            counting.await.map_err(|_| "the server is stopping".to_owned())?
        }
        .boxed()
    }
}
