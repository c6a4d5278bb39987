//! Reads a table's partitions in key order and skips what a predicate rules out, without decoding it. Knows keys, and how to ask
//! a predicate about the first values of a partition.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;

use bytes::Bytes;
use tarn_metadata::{Key, RawRange, Read, ReadView, Snapshot, StoreError, decode_record};

use crate::keyspaces::{PARTITIONS, entity_key, partition_key};
use crate::{
    CatalogError, ListPartitions, PARTITION_SCAN_KEYS_MAX, Partition, PartitionExpression, PartitionPage,
    PartitionSegment, Table,
};

/// What the scan does with a key.
enum Step {
    /// Decode it.
    Take,
    /// Go to the next.
    Next,
    /// Go to the first key after all that begin with this one.
    Skip(Key),
}

pub(crate) fn scan(
    snapshot: &Snapshot,
    table: &Table,
    expression: Option<&PartitionExpression>,
    list: &ListPartitions,
) -> Result<PartitionPage, CatalogError> {
    let keys = table.partition_keys().len();
    // Text that must be equal in the first keys narrows the range before anything is read.
    let fixed = expression.map(PartitionExpression::leading_texts).unwrap_or_default();
    let prefix = partition_key(&table.id, &fixed);
    let mut cursor = Cursor::new(snapshot, &prefix, list.after.as_deref().map(|after| partition_key(&table.id, after)));
    let mut partitions = Vec::new();
    let mut looked_at = 0;
    let mut last: Option<Vec<String>> = None;
    while let Some((key, value)) = cursor.next()? {
        let values = values_of(&key, keys)?;
        if partitions.len() >= list.limit || looked_at >= PARTITION_SCAN_KEYS_MAX {
            return Ok(PartitionPage { partitions, next: last });
        }
        looked_at += 1;
        // What the first values have in common with the key before was found possible there.
        let known = last.as_ref().map_or(0, |last| last.iter().zip(&values).take_while(|(a, b)| a == b).count());
        let step = step(table, expression, list.segment, &values, known);
        match step {
            Step::Take => {
                let partition: Partition = decode_record(&value).map_err(|source| CatalogError::Store {
                    source: StoreError::Record { keyspace: PARTITIONS.name, source },
                })?;
                partitions.push(partition);
            }
            Step::Next => {}
            Step::Skip(beginning) => match beginning.after_prefix() {
                Some(next) => cursor.seek(next),
                None => break,
            },
        }
        last = Some(values);
    }
    Ok(PartitionPage { partitions, next: None })
}

fn step(
    table: &Table,
    expression: Option<&PartitionExpression>,
    segment: Option<PartitionSegment>,
    values: &[String],
    known: usize,
) -> Step {
    if let Some(expression) = expression {
        for (level, count) in (known..values.len()).zip(known + 1..) {
            let first = values.get(..count).unwrap_or_default();
            if expression.names_key(level) && !expression.may_hold(first) {
                return if count == values.len() { Step::Next } else { Step::Skip(partition_key(&table.id, first)) };
            }
        }
    }
    match segment {
        Some(segment) if !in_segment(segment, values) => Step::Next,
        Some(_) | None => Step::Take,
    }
}

/// By a hash that does not change while the server runs; a list in segments is not kept beyond that.
fn in_segment(segment: PartitionSegment, values: &[String]) -> bool {
    let mut hasher = DefaultHasher::new();
    values.hash(&mut hasher);
    hasher.finish() % u64::from(segment.total.max(1)) == u64::from(segment.number)
}

fn values_of(key: &[u8], keys: usize) -> Result<Vec<String>, CatalogError> {
    let corrupt = || CatalogError::Store {
        source: StoreError::Corrupt {
            place: PARTITIONS.name.to_owned(),
            reason: "a key does not hold one value for each partition key".to_owned(),
        },
    };
    let mut reader = Key::reader(key.get(entity_key(&Default::default()).as_bytes().len()..).ok_or_else(corrupt)?);
    (0..keys).map(|_| reader.text().ok_or_else(corrupt)).collect()
}

/// How many pairs are read at a time after a jump, which throws the rest away ...
const BATCH_MIN: usize = 32;
/// ... and at most, when there is none for a while.
const BATCH_MAX: usize = 1024;

/// Raw pairs of the partitions' keyspace, read in batches, with jumps ahead.
struct Cursor<'a> {
    view: &'a dyn ReadView,
    range: RawRange,
    batch: VecDeque<(Bytes, Bytes)>,
    batch_size: usize,
    done: bool,
}

fn full(key: &Key) -> Vec<u8> {
    let mut bytes = PARTITIONS.id.to_be_bytes().to_vec();
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

impl<'a> Cursor<'a> {
    /// All keys that begin with `prefix` and come after `after`.
    fn new(snapshot: &'a Snapshot, prefix: &Key, after: Option<Key>) -> Self {
        let from = match after {
            Some(after) if after >= *prefix => Bound::Excluded(full(&after)),
            Some(_) | None => Bound::Included(full(prefix)),
        };
        let to = prefix.after_prefix().map_or(Bound::Unbounded, |end| Bound::Excluded(full(&end)));
        Self { view: snapshot.view(), range: (from, to), batch: VecDeque::new(), batch_size: BATCH_MIN, done: false }
    }

    /// Goes on at `key`, which lies ahead.
    fn seek(&mut self, key: Key) {
        let key = full(&key);
        while self.batch.front().is_some_and(|(found, _)| **found < *key) {
            self.batch.pop_front();
        }
        if self.batch.is_empty() {
            self.range.0 = Bound::Included(key);
            self.batch_size = BATCH_MIN;
        }
    }

    /// The next key without its keyspace, and its record.
    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        if self.batch.is_empty() && !self.done {
            if let (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) = (&self.range.0, &self.range.1)
                && from >= to
            {
                return Ok(None);
            }
            let pairs = self.view.range_raw(&self.range, self.batch_size, false)?;
            self.done = pairs.len() < self.batch_size;
            self.batch_size = (self.batch_size * 2).min(BATCH_MAX);
            if let Some((last, _)) = pairs.last() {
                self.range.0 = Bound::Excluded(last.to_vec());
            }
            self.batch = pairs.into();
        }
        Ok(self.batch.pop_front().map(|(key, value)| (key.slice(key.len().min(2)..), value)))
    }
}
