//! Gauges of the store and the blobs, read when somebody asks for them.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use tarn_blobs::{BlobStore, LocalBlobs};
use tarn_gateway::Metrics;
use tarn_metadata::Store;

struct LakeGauges {
    store: Arc<dyn Store>,
    blobs: LocalBlobs,
}

impl fmt::Debug for LakeGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeGauges")
    }
}

impl Collector for LakeGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let usage = self.blobs.usage();
        let archives = self.blobs.archive_counts();
        let sequence = self.store.snapshot().map_or(0, |snapshot| snapshot.sequence().0);
        let gauges = [
            ("store_sequence", "The last transaction", sequence),
            ("blob_stored_bytes", "Bytes of all files of blobs", usage.stored_bytes),
            ("blob_live_bytes", "Bytes of blobs that are not deleted", usage.live_bytes),
            ("blob_files", "Blobs in files of their own", usage.files),
            ("blob_packs", "Packs of small blobs", usage.packs),
            ("blob_archives", "Archive containers", usage.archives),
            ("archive_scrubbed_bytes", "Bytes of archive containers that scrubs have read", archives.scrubbed_bytes),
            ("archive_repaired_blocks", "Damaged blocks of archive containers written anew", archives.repaired_blocks),
            (
                "archive_lost_groups",
                "Groups of blocks found with more damage than parity repairs",
                archives.lost_groups,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// Adds the gauges of `store` and `blobs`.
pub(crate) fn register(metrics: &Metrics, store: Arc<dyn Store>, blobs: LocalBlobs) {
    metrics.register(|registry| registry.register_collector(Box::new(LakeGauges { store, blobs })));
}
