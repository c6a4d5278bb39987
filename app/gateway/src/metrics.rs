//! What the server counts, in Prometheus' text form. Others add their own through `register`.

use std::sync::Arc;

use parking_lot::RwLock;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Names an answered request. Only names of operations that exist get in, so that callers cannot make up series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Labels {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("service", self.service), ("operation", self.operation)].as_slice().encode(encoder)?;
        [("status", self.status.to_string())].as_slice().encode(encoder)
    }
}

/// The server's counters.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    requests: Family<Labels, Counter>,
    seconds: Family<Vec<(&'static str, &'static str)>, Histogram, fn() -> Histogram>,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) panics: Counter,
}

fn latency_histogram() -> Histogram {
    // 0.25 ms to 65 s.
    Histogram::new(exponential_buckets(0.000_25, 4.0, 10))
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Arc::new(RwLock::new(Registry::with_prefix("tarn"))),
            requests: Family::default(),
            seconds: Family::new_with_constructor(latency_histogram),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            panics: Counter::default(),
        };
        metrics.register(|registry| {
            registry.register("requests", "Answered requests", metrics.requests.clone());
            registry.register("request_seconds", "Time from head to answer", metrics.seconds.clone());
            registry.register("requests_in_flight", "Requests being answered", metrics.in_flight.clone());
            registry.register("connections", "Open connections", metrics.connections.clone());
            registry.register("request_body_bytes", "Bytes of bodies taken", metrics.bytes_in.clone());
            registry.register("response_body_bytes", "Bytes of bodies sent", metrics.bytes_out.clone());
            registry.register("handler_panics", "Handlers that ended in a defect", metrics.panics.clone());
        });
        metrics
    }
}

impl Metrics {
    /// Adds metrics of another part of the server.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.write());
    }

    pub(crate) fn answered(&self, labels: &Labels, seconds: f64) {
        self.requests.get_or_create(labels).inc();
        self.seconds.get_or_create(&vec![("service", labels.service)]).observe(seconds);
    }

    /// All of them as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail; a collector that does leaves its part out.
        let _ = encode(&mut text, &self.registry.read());
        text
    }
}
