//! How many rows a running query works on at a time: fewer than usual where the rows of its tables are large, so that what a batch takes
//! is bounded. Knows no file.
//!
//! Shared by a query's scans, which tell how large their rows are while the query is planned, and by who runs the plan then.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What the columns of a table that are read should take in a batch at most, bytes. Rows of up to 1 KiB are not affected.
pub(crate) const BATCH_SIZE_BYTES: u64 = 16 << 20;

/// Rows at a time.
#[derive(Debug)]
pub(crate) struct BatchRows(AtomicUsize);

impl BatchRows {
    pub fn new(rows: usize) -> Self {
        Self(AtomicUsize::new(rows.max(1)))
    }

    /// Rows of so many bytes are read.
    pub fn saw_rows_of(&self, size_bytes: u64) {
        let rows = BATCH_SIZE_BYTES.checked_div(size_bytes).and_then(|rows| usize::try_from(rows).ok());
        if let Some(rows) = rows {
            self.0.fetch_min(rows.max(1), Ordering::Relaxed);
        }
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rows_are_read_a_few_at_a_time() {
        let check = |sizes: &[u64], expected: usize| {
            let rows = BatchRows::new(16_384);
            sizes.iter().for_each(|size_bytes| rows.saw_rows_of(*size_bytes));
            assert_eq!(rows.get(), expected, "{sizes:?}");
        };
        check(&[], 16_384);
        check(&[0, 1, 1000, 1024], 16_384);
        check(&[2048, 100], 8192);
        check(&[1 << 20, 2048], 16);
        check(&[u64::MAX], 1);
    }
}
