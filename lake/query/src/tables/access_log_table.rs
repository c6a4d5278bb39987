//! `system.access_log`: the access logs of the account's buckets as a table. Reads what was delivered, as the caller and file by file, and
//! what waits to be. A condition on `time` leaves out files that cannot hold rows of it, one on `bucket` the logs of others. Knows no form
//! of a line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use tarn_objects::{BucketName, LogPlace, LoggedBucket, is_log_object};
use tarn_policy::Authorized;
use tokio::sync::mpsc::Sender;

use super::access::{Access, LakeFile};
use super::access_log_line::{BUCKET, Line, Rows, TIME, schema};
use super::time_range::TimeRange;
use crate::errors::QueryError;

/// The table of the lake's own that this is.
pub(crate) const TABLE: &str = "access_log";
/// Rows that are handed on together.
const BATCH_ROWS: usize = 1024;
/// Batches that wait for who reads them.
const BATCHES_WAITING: usize = 2;
/// Lines that wait for delivery, read together.
const WAITING_PAGE: usize = 1000;
/// Lines that waited and are known again when they were delivered meanwhile; of more, some could be told twice.
const KNOWN_LINES_MAX: usize = 1_000_000;
/// The longest line that is read.
const LINE_SIZE_BYTES_MAX: usize = 64 << 10;

/// The access logs as a table, for one caller.
pub(crate) struct AccessLogTable {
    access: Arc<Access>,
    buckets: Vec<LoggedBucket>,
    schema: SchemaRef,
}

impl fmt::Debug for AccessLogTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessLogTable")
    }
}

impl AccessLogTable {
    /// For the caller of `access`, who must be allowed to know the account's buckets, and to read the logs themselves.
    pub fn open(access: &Arc<Access>) -> Result<Self, QueryError> {
        Ok(Self { access: access.clone(), buckets: access.logged_buckets()?, schema: schema() })
    }
}

/// The buckets that conditions leave, if they say so for certain.
fn wanted(conditions: &[Expr]) -> Option<HashSet<String>> {
    let text = |expr: &Expr| match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            _,
        ) => Some(text.clone()),
        _ => None,
    };
    let is_bucket = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == BUCKET);
    let said = |condition: &Expr| match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (column, value) | (value, column) if is_bucket(column) => Some(HashSet::from([text(value)?])),
            _ => None,
        },
        Expr::InList(list) if !list.negated && is_bucket(&list.expr) => list.list.iter().map(text).collect(),
        _ => None,
    };
    let mut found: Option<HashSet<String>> = None;
    for names in conditions.iter().filter_map(said) {
        found = Some(match found {
            Some(already) => already.intersection(&names).cloned().collect(),
            None => names,
        });
    }
    found
}

/// Logs that lie together.
struct Logs {
    target: String,
    place: LogPlace,
    /// Whose they are, and since when each is there.
    sources: HashMap<BucketName, i64>,
    /// To read there what is not delivered yet.
    proof: Authorized,
}

/// One scan.
struct Scan {
    access: Arc<Access>,
    logs: Arc<Vec<Logs>>,
    range: TimeRange,
    schema: SchemaRef,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessLogs({} places, {:?})", self.logs.len(), self.range)
    }
}

fn outside(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Rows on their way to who reads them.
struct Out {
    rows: Rows,
    schema: SchemaRef,
    to: Sender<DataFusionResult<RecordBatch>>,
    /// Nobody reads them any more.
    closed: bool,
}

impl Out {
    async fn push(&mut self, line: &Line<'_>) -> DataFusionResult<()> {
        self.rows.push(line);
        if self.rows.count >= BATCH_ROWS { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> DataFusionResult<()> {
        if self.rows.count > 0 {
            let batch = self.rows.take(self.schema.clone())?;
            self.closed |= self.to.send(Ok(batch)).await.is_err();
        }
        Ok(())
    }
}

/// Lines that were told when they waited.
struct Known {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Scan {
    /// What a second of the time range may hold: lines tell seconds.
    fn seconds(&self) -> (Option<i64>, Option<i64>) {
        let TimeRange { from_ms, to_ms } = self.range;
        (from_ms.map(|ms| ms.div_euclid(1000) * 1000), to_ms.map(|ms| ms.saturating_add(999).div_euclid(1000) * 1000))
    }

    async fn tell(&self, out: &mut Out) -> DataFusionResult<()> {
        let mut known = Known { hashes: HashSet::new(), hasher: RandomState::new() };
        // First what waits: what is delivered meanwhile is found among what was delivered, and known again.
        self.access.flush_access_lines().await.map_err(outside)?;
        for logs in self.logs.iter() {
            for source in &logs.sources {
                self.tell_waiting(&logs.proof, source, &mut known, out).await?;
            }
        }
        for logs in self.logs.iter() {
            let mut after = logs.place.after.clone();
            loop {
                let (files, next) = self.access.list_page(&logs.target, &logs.place.prefix, after).map_err(outside)?;
                for file in &files {
                    if out.closed || logs.place.before.as_ref().is_some_and(|before| file.key >= *before) {
                        break;
                    }
                    if is_log_object(&file.key) {
                        self.tell_delivered(logs, file, &known, out).await?;
                    }
                }
                let is_over = logs.place.before.as_ref().zip(next.as_ref()).is_some_and(|(end, at)| at >= end);
                match next {
                    Some(next) if !is_over && !out.closed => after = Some(next),
                    Some(_) | None => break,
                }
            }
        }
        out.flush().await
    }

    async fn tell_waiting(
        &self,
        proof: &Authorized,
        (source, created_ms): (&BucketName, &i64),
        known: &mut Known,
        out: &mut Out,
    ) -> DataFusionResult<()> {
        let mut after = None;
        let (from_ms, to_ms) = self.seconds();
        let range_ms = (from_ms.max(Some(*created_ms)), to_ms);
        loop {
            let page = self.access.waiting_lines(proof, source, range_ms, after.as_ref(), WAITING_PAGE);
            let page = page.map_err(outside)?;
            for text in page.lines.iter().map(|line| line.text.as_str()) {
                if known.hashes.len() < KNOWN_LINES_MAX {
                    known.hashes.insert(known.hasher.hash_one(text));
                }
                if let Some(line) = Line::parse(text) {
                    out.push(&line).await?;
                }
            }
            match page.next {
                Some(next) if !out.closed => after = Some(next),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// The lines of one object. They are in the order of their requests.
    async fn tell_delivered(&self, logs: &Logs, file: &LakeFile, known: &Known, out: &mut Out) -> DataFusionResult<()> {
        // It may be gone since it was listed.
        let Some(open) = self.access.open_if_there(&file.bucket, &file.key).map_err(outside)? else { return Ok(()) };
        let (from_ms, to_ms) = self.seconds();
        let mut bytes = open.stream(0..open.size_bytes());
        let mut rest: Vec<u8> = Vec::new();
        let mut is_end = false;
        while !is_end && !out.closed {
            match bytes.try_next().await.map_err(outside)? {
                Some(more) => rest.extend_from_slice(&more),
                None => {
                    is_end = true;
                    rest.push(b'\n');
                }
            }
            let mut done = 0;
            while let Some(length) = rest.get(done..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
                let text = rest.get(done..done + length).and_then(|text| std::str::from_utf8(text).ok());
                done += length + 1;
                let Some(text) = text else { continue };
                let Some(line) = Line::parse(text) else { continue };
                if to_ms.is_some_and(|to_ms| line.time_ms >= to_ms) {
                    return Ok(());
                }
                let is_early = from_ms.is_some_and(|from_ms| line.time_ms < from_ms);
                let is_of_others = !logs.sources.keys().any(|source| source.as_str() == line.bucket());
                let is_known = !known.hashes.is_empty() && known.hashes.contains(&known.hasher.hash_one(text));
                if !is_early && !is_of_others && !is_known {
                    out.push(&line).await?;
                }
            }
            rest.drain(..done);
            if rest.len() > LINE_SIZE_BYTES_MAX {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let Self { access, logs, range, schema } = self;
        let scan = Self { access: access.clone(), logs: logs.clone(), range: *range, schema: schema.clone() };
        let mut stream = RecordBatchReceiverStream::builder(schema.clone(), BATCHES_WAITING);
        let mut out = Out { rows: Rows::new(), schema: schema.clone(), to: stream.tx(), closed: false };
        stream.spawn(async move { scan.tell(&mut out).await });
        stream.build()
    }
}

#[async_trait]
impl TableProvider for AccessLogTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let (range, wanted) = (TimeRange::of(TIME, filters), wanted(filters));
        let mut together: BTreeMap<(String, String), Logs> = BTreeMap::new();
        for source in &self.buckets {
            if wanted.as_ref().is_some_and(|wanted| !wanted.contains(source.bucket.as_str())) {
                continue;
            }
            let place = source.place(range.from_ms, range.to_ms);
            let target = source.logging.target_bucket.to_string();
            let logs = match together.entry((target.clone(), place.prefix.clone())) {
                std::collections::btree_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => {
                    let proof = self.access.may_read_logs(&target, &place.prefix).map_err(outside)?;
                    free.insert(Logs { target, place, sources: HashMap::new(), proof })
                }
            };
            logs.sources.insert(source.bucket.clone(), source.created_ms);
        }
        let logs = Arc::new(together.into_values().collect());
        let scan = Scan { access: self.access.clone(), logs, range, schema: self.schema.clone() };
        StreamingTable::try_new(self.schema.clone(), vec![Arc::new(scan)])?.scan(state, projection, &[], limit).await
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn conditions_on_buckets_leave_out_the_logs_of_others() {
        let check = |conditions: &[Expr], expected: Option<&[&str]>| {
            let found = wanted(conditions).map(|found| {
                let mut names: Vec<String> = found.into_iter().collect();
                names.sort();
                names
            });
            let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            assert_eq!(found, expected, "{conditions:?}");
        };
        check(&[], None);
        check(&[col(BUCKET).eq(lit("a"))], Some(&["a"]));
        check(&[lit("a").eq(col(BUCKET))], Some(&["a"]));
        check(&[col(BUCKET).in_list(vec![lit("a"), lit("b")], false)], Some(&["a", "b"]));
        check(&[col(BUCKET).in_list(vec![lit("a"), lit("b")], true)], None);
        check(&[col(BUCKET).in_list(vec![lit("a"), lit("b")], false), col(BUCKET).eq(lit("b"))], Some(&["b"]));
        check(&[col(BUCKET).eq(lit("a")).or(col("key").eq(lit("b")))], None);
        check(&[col(BUCKET).eq(col("key"))], None);
        check(&[col(BUCKET).not_eq(lit("a"))], None);
    }
}
