//! How many rows a running query works on at a time: fewer than usual where the rows of its tables are large, so that what a batch takes
//! is bounded. Knows no file.
//!
//! Shared by a query's scans, which tell how large their rows are while the query is planned, and by who runs the plan then.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What the texts of a batch should take, where it is cut by them, bytes: as much as one of Parquet.
pub(crate) const BATCH_SIZE_BYTES: u64 = tarn_parquet::BATCH_SIZE_BYTES_MAX;

/// Rows at a time.
#[derive(Debug)]
pub(crate) struct BatchRows(AtomicUsize);

impl BatchRows {
    pub fn new(rows: usize) -> Self {
        Self(AtomicUsize::new(rows.max(1)))
    }

    /// A table is read whose rows want no more.
    pub fn at_most(&self, rows: usize) {
        self.0.fetch_min(rows.max(1), Ordering::Relaxed);
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
