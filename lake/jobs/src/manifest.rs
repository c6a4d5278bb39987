//! Manifests: lists of objects that users put, as CSV or as inventories. Read as a stream, on a thread of its own; knows no store.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-create-job.html#specify-batchjob-manifest>

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
pub(crate) use tarn_inventory::encoded_key as encoded;
use tarn_objects::InventoryFormat;
use tarn_types::Arn;
use tokio::sync::mpsc;

use crate::job::{JobFailure, ManifestField};
use crate::keyspaces::Task;

/// The longest line, bytes: a key has 1,024, and percent-encoded thrice that.
const LINE_SIZE_BYTES_MAX: usize = 64 << 10;
/// What is read of a file at a time, bytes.
const BUFFER_SIZE_BYTES: usize = 64 << 10;
/// Tasks handed on together.
const BATCH_TASKS_MAX: usize = 512;
/// The most columns of an inventory.
const COLUMNS_COUNT_MAX: usize = 64;

/// Which column holds what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    bucket: usize,
    key: usize,
    version: Option<usize>,
    /// How many there are at least.
    count: usize,
}

fn unreadable(reason: impl std::fmt::Display) -> JobFailure {
    JobFailure::new("ManifestInvalid", reason)
}

impl Columns {
    pub(crate) fn of_fields(fields: &[ManifestField]) -> Result<Self, JobFailure> {
        let at = |field| fields.iter().position(|other| *other == field);
        match (at(ManifestField::Bucket), at(ManifestField::Key)) {
            (Some(bucket), Some(key)) => {
                Ok(Self { bucket, key, version: at(ManifestField::VersionId), count: fields.len() })
            }
            _ => Err(unreadable("the manifest has no Bucket or no Key")),
        }
    }

    /// Of an inventory's `fileSchema`: names with commas between.
    fn of_schema(schema: &str) -> Result<Self, JobFailure> {
        let names: Vec<&str> = schema.split(',').map(str::trim).take(COLUMNS_COUNT_MAX).collect();
        let fields: Vec<ManifestField> = names
            .iter()
            .map(|name| match *name {
                "Bucket" => ManifestField::Bucket,
                "Key" => ManifestField::Key,
                "VersionId" => ManifestField::VersionId,
                _ => ManifestField::Ignore,
            })
            .collect();
        Self::of_fields(&fields)
    }
}

/// What an inventory's `manifest.json` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InventoryManifest {
    destination_bucket: String,
    file_format: String,
    file_schema: String,
    files: Vec<InventoryFileEntry>,
}

#[derive(Debug, Deserialize)]
struct InventoryFileEntry {
    key: String,
    #[serde(rename = "MD5checksum")]
    md5: Option<String>,
}

/// A file of an inventory's lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InventoryFile {
    pub(crate) key: String,
    /// Hexadecimal.
    pub(crate) md5: Option<String>,
}

/// What an inventory's files are, and how the keys in them are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InventoryForm {
    /// Lines.
    Csv(Columns),
    /// Columns with names.
    Named { format: NamedFormat, has_versions: bool },
}

/// A form whose columns have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedFormat {
    Orc,
    Parquet,
}

/// An inventory: where its lists are, and what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inventory {
    pub(crate) bucket: String,
    pub(crate) form: InventoryForm,
    pub(crate) files: Vec<InventoryFile>,
}

impl Inventory {
    /// Reads `manifest.json`.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, JobFailure> {
        let manifest: InventoryManifest = serde_json::from_slice(json)
            .map_err(|error| unreadable(format!("the manifest is not an inventory's manifest.json: {error}")))?;
        let named = |format| {
            let schema = manifest.file_schema.as_str();
            let has = |name: &str| {
                schema.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == name)
            };
            match has("bucket") && has("key") {
                true => Ok(InventoryForm::Named { format, has_versions: has("version_id") }),
                false => Err(unreadable("the inventory has no bucket or no key")),
            }
        };
        let form = match InventoryFormat::parse(&manifest.file_format) {
            Some(InventoryFormat::Csv) => InventoryForm::Csv(Columns::of_schema(&manifest.file_schema)?),
            Some(InventoryFormat::Orc) => named(NamedFormat::Orc)?,
            Some(InventoryFormat::Parquet) => named(NamedFormat::Parquet)?,
            None => {
                let format = &manifest.file_format;
                return Err(unreadable(format!("the inventory is in {format}, and not in CSV, ORC or Parquet")));
            }
        };
        // Old inventories have the bare name.
        let bucket = match Arn::parse(&manifest.destination_bucket) {
            Ok(arn) => arn.resource,
            Err(_) => manifest.destination_bucket,
        };
        let files = manifest.files.into_iter().map(|file| InventoryFile { key: file.key, md5: file.md5 }).collect();
        Ok(Self { bucket, form, files })
    }
}

/// Bytes that come through a channel, read as a file is. What is read since the last line ended is bounded, so that a file without line
/// ends does not fill the memory.
struct Incoming {
    pieces: mpsc::Receiver<Result<Bytes, JobFailure>>,
    piece: Bytes,
    /// Why the source ended early: an `io::Error` cannot carry it.
    failure: Arc<parking_lot::Mutex<Option<JobFailure>>>,
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(failure)) => {
                    *self.failure.lock() = Some(failure);
                    return Err(std::io::Error::other("the manifest could not be read to its end"));
                }
            }
        }
        let size_bytes = self.piece.len().min(into.len());
        self.piece.copy_to_slice(into.get_mut(..size_bytes).unwrap_or_default());
        Ok(size_bytes)
    }
}

/// Ends when more is read than one line may have.
struct Bounded<R> {
    inner: R,
    left_bytes: Arc<AtomicUsize>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let left_bytes = self.left_bytes.load(Ordering::Relaxed);
        if left_bytes == 0 {
            return Err(std::io::Error::other(format!("a line has more than {LINE_SIZE_BYTES_MAX} bytes")));
        }
        let read_bytes = self.inner.read(into)?;
        self.left_bytes.store(left_bytes.saturating_sub(read_bytes), Ordering::Relaxed);
        Ok(read_bytes)
    }
}

/// Reads lines from `pieces` to their end and hands tasks on. Blocks: for a thread of its own. Ends early if nobody takes them any more.
pub(crate) fn read_lines(
    pieces: mpsc::Receiver<Result<Bytes, JobFailure>>,
    is_gzip: bool,
    columns: &Columns,
    tasks: &mpsc::Sender<Vec<Task>>,
) -> Result<(), JobFailure> {
    let failure = Arc::new(parking_lot::Mutex::new(None));
    let incoming = Incoming { pieces, piece: Bytes::new(), failure: failure.clone() };
    let plain: Box<dyn Read> = if is_gzip { Box::new(MultiGzDecoder::new(incoming)) } else { Box::new(incoming) };
    // A buffer may hold the ends of many lines, of which the last is long.
    let allowance_bytes = LINE_SIZE_BYTES_MAX + BUFFER_SIZE_BYTES;
    let left_bytes = Arc::new(AtomicUsize::new(allowance_bytes));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER_SIZE_BYTES)
        .from_reader(Bounded { inner: plain, left_bytes: left_bytes.clone() });
    let mut line = csv::ByteRecord::new();
    let mut batch = Vec::with_capacity(BATCH_TASKS_MAX);
    let mut number = 0_u64;
    loop {
        number += 1;
        left_bytes.store(allowance_bytes, Ordering::Relaxed);
        match reader.read_byte_record(&mut line) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let of_source = failure.lock().take();
                return Err(of_source.unwrap_or_else(|| unreadable(format!("line {number} of the manifest: {error}"))));
            }
        }
        batch.push(task_of(&line, columns).map_err(|why| unreadable(format!("line {number} of the manifest {why}")))?);
        if batch.len() == BATCH_TASKS_MAX && tasks.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    // Whoever does not take the last does not want them.
    let _ = tasks.blocking_send(batch);
    Ok(())
}

fn task_of(line: &csv::ByteRecord, columns: &Columns) -> Result<Task, String> {
    if line.len() < columns.count {
        return Err(format!("has {} fields and should have {}", line.len(), columns.count));
    }
    let text = |at: usize| std::str::from_utf8(line.get(at).unwrap_or_default()).map_err(|_| "is not UTF-8".to_owned());
    let task = Task {
        bucket: text(columns.bucket)?.trim().to_owned(),
        key: decoded(text(columns.key)?).ok_or("has a key that is not UTF-8 once it is decoded")?,
        version: columns.version.map(text).transpose()?.map(|version| version.trim().to_owned()),
    };
    if task.bucket.is_empty() || task.key.is_empty() {
        return Err("names no bucket or no key".to_owned());
    }
    Ok(task)
}

/// Keys are URL-encoded, as forms are: a plus sign is a space.
fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8], is_gzip: bool, fields: &[ManifestField]) -> Result<Vec<Task>, JobFailure> {
        let (pieces, incoming) = mpsc::channel(text.len() / 7 + 1);
        for piece in text.chunks(7) {
            pieces.try_send(Ok(Bytes::copy_from_slice(piece))).expect("room");
        }
        drop(pieces);
        let (tasks, mut taken) = mpsc::channel(64);
        let columns = Columns::of_fields(fields).expect("columns");
        read_lines(incoming, is_gzip, &columns, &tasks)?;
        drop(tasks);
        let mut all = Vec::new();
        while let Some(batch) = taken.blocking_recv() {
            all.extend(batch);
        }
        Ok(all)
    }

    const PLAIN: [ManifestField; 2] = [ManifestField::Bucket, ManifestField::Key];

    fn check(text: &str, fields: &[ManifestField], expected: &[(&str, &str, Option<&str>)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(bucket, key, version)| Task {
                bucket: (*bucket).to_owned(),
                key: (*key).to_owned(),
                version: version.map(str::to_owned),
            })
            .collect();
        assert_eq!(read(text.as_bytes(), false, fields), Ok(expected), "{text}");
    }

    #[test]
    fn lines_are_read() {
        use ManifestField::{Bucket, Ignore, Key, VersionId};
        check("", &PLAIN, &[]);
        check("lake,a\n", &PLAIN, &[("lake", "a", None)]);
        check("lake,a\r\nlake,b", &PLAIN, &[("lake", "a", None), ("lake", "b", None)]);
        check("\"lake\",\"a,b\"\n", &PLAIN, &[("lake", "a,b", None)]);
        check("lake,a%2Fb%20c+d%2Be\n", &PLAIN, &[("lake", "a/b c d+e", None)]);
        check("lake,gr%C3%B6%C3%9Fe\n", &PLAIN, &[("lake", "größe", None)]);
        check("x,a,lake,v1,y\n", &[Ignore, Key, Bucket, VersionId], &[("lake", "a", Some("v1"))]);
        check(
            "lake,a,\nlake,b,null\n",
            &[Bucket, Key, VersionId],
            &[("lake", "a", Some("")), ("lake", "b", Some("null"))],
        );
        check("lake,a,more\n", &PLAIN, &[("lake", "a", None)]);
    }

    #[test]
    fn what_is_no_line_is_named() {
        let check = |text: &[u8], needle: &str| {
            let failure = read(text, false, &PLAIN).expect_err("a failure");
            assert_eq!(failure.code, "ManifestInvalid");
            assert!(failure.reason.contains(needle), "{}", failure.reason);
        };
        check(b"lake,a\nlake\n", "line 2 of the manifest has 1 fields");
        check(b"lake,\n", "no bucket or no key");
        check(b"lake,%FF\n", "not UTF-8");
        check(b"lake,\xff\n", "not UTF-8");
        check(&b"x".repeat(LINE_SIZE_BYTES_MAX + 2 * BUFFER_SIZE_BYTES), "a line has more than");
    }

    #[test]
    fn compressed_lines_are_read_in_bounds() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"lake,a\nlake,b\n").expect("a write");
        let two = gzip.finish().expect("the end");
        assert_eq!(read(&two, true, &PLAIN).expect("tasks").len(), 2);
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![b'x'; 64 << 20]).expect("a write");
        let failure = read(&bomb.finish().expect("the end"), true, &PLAIN).expect_err("a failure");
        assert!(failure.reason.contains("a line has more than"), "{}", failure.reason);
        let failure = read(&two[..two.len() - 4], true, &PLAIN).expect_err("a failure");
        assert_eq!(failure.code, "ManifestInvalid");
    }

    #[test]
    fn inventories_say_where_their_lines_are() {
        let json = |format: &str, schema: &str| {
            serde_json::json!({
                "sourceBucket": "lake", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
                "creationTimestamp": "1514944800000", "fileFormat": format, "fileSchema": schema,
                "files": [{ "key": "lists/data/1.csv.gz", "size": 10, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc" }],
            })
            .to_string()
        };
        let found = Inventory::parse(json("CSV", "Bucket, Key, VersionId, IsLatest, Size").as_bytes()).expect("one");
        assert_eq!(found.bucket, "lists");
        let columns = Columns { bucket: 0, key: 1, version: Some(2), count: 5 };
        assert_eq!(found.form, InventoryForm::Csv(columns));
        let named = |format: &str, schema: &str| Inventory::parse(json(format, schema).as_bytes()).expect("one").form;
        assert_eq!(
            named("ORC", "struct<bucket:string,key:string,size:bigint>"),
            InventoryForm::Named { format: NamedFormat::Orc, has_versions: false }
        );
        assert_eq!(
            named(
                "Parquet",
                "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);  optional binary version_id (STRING);}"
            ),
            InventoryForm::Named { format: NamedFormat::Parquet, has_versions: true }
        );
        assert_eq!(found.files[0].md5.as_deref(), Some("f11166069f1990abeb9c97ace9cdfabc"));
        for bad in [
            json("ORC", "struct<key:string>"),
            json("Avro", "Bucket, Key"),
            json("CSV", "Bucket, Size"),
            "{}".to_owned(),
            "[".to_owned(),
        ] {
            assert!(Inventory::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn keys_come_back_as_they_were_written(key in "\\PC{1,40}") {
            prop_assert_eq!(decoded(&encoded(&key)), Some(key));
        }
    }
}
