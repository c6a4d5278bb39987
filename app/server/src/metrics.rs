//! Gauges of the store and the blobs, read when somebody asks for them.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use tarn_blobs::BlobStore;
use tarn_gateway::Metrics;
use tarn_metadata::Store;

struct LakeGauges {
    store: Arc<dyn Store>,
    blobs: Arc<dyn BlobStore>,
}

impl fmt::Debug for LakeGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeGauges")
    }
}

impl Collector for LakeGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let usage = self.blobs.usage();
        let sequence = self.store.snapshot().map_or(0, |snapshot| snapshot.sequence().0);
        let gauges = [
            ("store_sequence", "The last transaction", sequence),
            ("blob_stored_bytes", "Bytes of all files of blobs", usage.stored_bytes),
            ("blob_live_bytes", "Bytes of blobs that are not deleted", usage.live_bytes),
            ("blob_files", "Blobs in files of their own", usage.files),
            ("blob_packs", "Packs of small blobs", usage.packs),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// Adds the gauges of `store` and `blobs`.
pub(crate) fn register(metrics: &Metrics, store: Arc<dyn Store>, blobs: Arc<dyn BlobStore>) {
    metrics.register(|registry| registry.register_collector(Box::new(LakeGauges { store, blobs })));
}
