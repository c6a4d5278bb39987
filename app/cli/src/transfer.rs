//! Moves bytes: files up, objects down, objects between buckets. In parts of bounded size, some at a time, each checked by its
//! CRC-64/NVME. Knows no command line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use tarn_runtime::{EntropyExt, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::CliError;
use crate::client::Client;
use crate::client::s3::{Part, checksum, checksum_of_both};
use crate::location::S3Location;

/// The usual part.
pub(crate) const PART_SIZE_BYTES: u64 = 8 * 1024 * 1024;
/// Above this, an object goes in parts.
const WHOLE_SIZE_BYTES_MAX: u64 = 2 * PART_SIZE_BYTES;
/// Most parts of an upload.
const PARTS_COUNT_MAX: u64 = 10_000;
/// Largest copy in one call, and a part of larger ones.
const COPY_SIZE_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
const COPY_PART_SIZE_BYTES: u64 = 1024 * 1024 * 1024;
/// A stream's parts grow here, as nobody knows how long it is.
const STREAM_SMALL_PARTS_COUNT: u32 = 1_000;
const STREAM_LARGE_PART_SIZE_BYTES: u64 = 8 * PART_SIZE_BYTES;

/// The size of the parts of an upload of `size` bytes.
pub(crate) fn part_size(size: u64) -> u64 {
    PART_SIZE_BYTES.max(size.div_ceil(PARTS_COUNT_MAX).next_multiple_of(1024 * 1024))
}

/// First byte and size of each part.
fn ranges(size: u64, part_size: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..size.div_ceil(part_size)).map(move |at| (at * part_size, part_size.min(size - at * part_size)))
}

/// Moves bytes with bounded memory: all parts in flight share one budget.
#[derive(Clone)]
pub(crate) struct Mover {
    /// The server.
    pub(crate) client: Client,
    /// Where progress shows.
    pub(crate) bar: ProgressBar,
    /// Stands for `PART_SIZE_BYTES` each.
    slots: Arc<Semaphore>,
    parallel: usize,
    uploads: Arc<Mutex<BTreeMap<String, S3Location>>>,
}

/// A media type for what a name ends with; as data lakes' files are called.
pub(crate) fn content_type_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "txt" | "log" | "sql" => "text/plain",
        "json" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "parquet" => "application/vnd.apache.parquet",
        "xml" => "application/xml",
        "html" => "text/html",
        "md" => "text/markdown",
        "gz" => "application/gzip",
        "zst" => "application/zstd",
        "zip" => "application/zip",
        "tar" => "application/x-tar",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        _ => "application/octet-stream",
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| CliError::failed("the program failed; report this as a defect"))?
}

fn read_range(file: &File, path: &Path, first: u64, size: u64) -> Result<Bytes, CliError> {
    let mut bytes = BytesMut::zeroed(usize::try_from(size).unwrap_or(usize::MAX));
    file.read_exact_at(&mut bytes, first).map_err(|source| match source.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            CliError::failed(format!("{} became shorter while it was read", path.display()))
        }
        _ => CliError::local("reading", path)(source),
    })?;
    Ok(bytes.freeze())
}

impl Mover {
    /// With at most `parallel` parts in flight.
    pub(crate) fn new(client: Client, parallel: usize, bar: ProgressBar) -> Self {
        let slots = Arc::new(Semaphore::new(parallel));
        Self { client, bar, slots, parallel, uploads: Arc::default() }
    }

    /// How many things are done at one time.
    pub(crate) fn parallel(&self) -> usize {
        self.parallel
    }

    /// Room for `size` bytes; what is larger than all the room gets all of it.
    async fn room(&self, size: u64) -> Result<OwnedSemaphorePermit, CliError> {
        let units = size.div_ceil(PART_SIZE_BYTES).clamp(1, self.parallel as u64);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.slots.clone().acquire_many_owned(units).await.map_err(|_| CliError::Interrupted)
    }

    fn uploads(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, S3Location>> {
        self.uploads.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives up all uploads that were begun and not completed.
    pub(crate) async fn abort(&self) {
        let open = std::mem::take(&mut *self.uploads());
        for (upload, place) in open {
            if let Err(error) = self.client.abort_upload(&place, &upload).await {
                eprintln!("tarn: {error}; its parts stay until a lifecycle rule removes them");
            }
        }
    }

    async fn finish_upload(
        &self,
        place: &S3Location,
        upload: &str,
        parts: Result<Vec<Part>, CliError>,
    ) -> Result<(), CliError> {
        let ended = match parts {
            Ok(mut parts) => {
                parts.sort_unstable_by_key(|part| part.number);
                self.client.complete_upload(place, upload, &parts).await
            }
            Err(error) => Err(error),
        };
        self.uploads().remove(upload);
        if ended.is_err() {
            // The first error is the one to tell.
            let _ = self.client.abort_upload(place, upload).await;
        }
        ended
    }

    async fn begin(&self, place: &S3Location, content_type: &str, checksummed: bool) -> Result<String, CliError> {
        let upload = self.client.begin_upload(place, content_type, checksummed).await?;
        self.uploads().insert(upload.clone(), place.clone());
        Ok(upload)
    }

    /// Uploads a file.
    pub(crate) async fn upload(&self, path: &Path, place: &S3Location, content_type: &str) -> Result<u64, CliError> {
        let file = File::open(path).map_err(CliError::local("opening", path))?;
        let size = file.metadata().map_err(CliError::local("looking at", path))?.len();
        let (file, path) = (Arc::new(file), path.to_owned());
        if size <= WHOLE_SIZE_BYTES_MAX {
            let _room = self.room(size).await?;
            let body = blocking(move || read_range(&file, &path, 0, size)).await?;
            self.client.put(place, content_type, body).await?;
            self.bar.inc(size);
            return Ok(size);
        }
        let upload = self.begin(place, content_type, true).await?;
        let parts = stream::iter(ranges(size, part_size(size)).zip(1..))
            .map(|((first, part_size), number)| {
                let (file, path, upload) = (file.clone(), path.clone(), upload.clone());
                async move {
                    let _room = self.room(part_size).await?;
                    let body = blocking(move || read_range(&file, &path, first, part_size)).await?;
                    let part = self.client.put_part(place, &upload, number, body).await?;
                    self.bar.inc(part_size);
                    Ok(part)
                }
            })
            .buffer_unordered(self.parallel)
            .try_collect()
            .await;
        self.finish_upload(place, &upload, parts).await?;
        Ok(size)
    }

    /// Uploads all that `source` gives.
    pub(crate) async fn upload_stream(
        &self,
        source: Source,
        place: &S3Location,
        content_type: &str,
    ) -> Result<u64, CliError> {
        let (source, first) = read_part(source, PART_SIZE_BYTES).await?;
        let mut size = first.len() as u64;
        if size < PART_SIZE_BYTES {
            self.client.put(place, content_type, first).await?;
            self.bar.inc(size);
            return Ok(size);
        }
        let upload = self.begin(place, content_type, true).await?;
        let parts = stream::try_unfold((source, Some(first), 1_u32), |(source, ready, number)| async move {
            let part_size =
                if number <= STREAM_SMALL_PARTS_COUNT { PART_SIZE_BYTES } else { STREAM_LARGE_PART_SIZE_BYTES };
            let room = self.room(part_size).await?;
            let (source, body) = match ready {
                Some(body) => (source, body),
                None => read_part(source, part_size).await?,
            };
            let step = ((number, body, room), (source, None, number + 1));
            Ok::<_, CliError>(Some(step).filter(|((_, body, _), _)| !body.is_empty()))
        })
        .map_ok(|(number, body, room)| {
            let (upload, part_size) = (&upload, body.len() as u64);
            size = if number == 1 { part_size } else { size + part_size };
            async move {
                let part = self.client.put_part(place, upload, number, body).await?;
                drop(room);
                self.bar.inc(part_size);
                Ok(part)
            }
        })
        .try_buffer_unordered(self.parallel)
        .try_collect()
        .await;
        self.finish_upload(place, &upload, parts).await?;
        Ok(size)
    }

    /// Copies within the store.
    pub(crate) async fn copy(&self, from: &S3Location, etag: &str, size: u64, to: &S3Location) -> Result<(), CliError> {
        if size <= COPY_SIZE_BYTES_MAX {
            self.client.copy(from, etag, to).await?;
            self.bar.inc(size);
            return Ok(());
        }
        let upload = self.begin(to, content_type_of(&to.key), false).await?;
        let parts = stream::iter(ranges(size, COPY_PART_SIZE_BYTES).zip(1..))
            .map(|(range, number)| {
                let upload = &upload;
                async move {
                    let part = self.client.copy_part(from, etag, range, to, upload, number).await?;
                    self.bar.inc(range.1);
                    Ok(part)
                }
            })
            .buffer_unordered(self.parallel)
            .try_collect()
            .await;
        self.finish_upload(to, &upload, parts).await
    }

    /// Downloads an object to `path`. The file appears whole, under its name, or not at all.
    pub(crate) async fn download(&self, place: &S3Location, size: u64, path: &Path) -> Result<u64, CliError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(CliError::local("making the folder", folder))?;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mark = hex::encode(self.client.runtime().entropy.bytes::<4>());
        // A name of the longest kind has no room for more.
        let kept: String = name.chars().take(40).collect();
        let partial = Partial(path.with_file_name(format!(".{kept}.{mark}.part")));
        let file = File::create_new(&partial.0).map_err(CliError::local("making", &partial.0))?;
        let file = Arc::new(file);
        let (size, modified) = if size <= WHOLE_SIZE_BYTES_MAX {
            self.download_whole(place, file.clone(), path).await?
        } else {
            self.download_parts(place, file.clone(), path).await?
        };
        let (from, to) = (partial.0.clone(), path.to_owned());
        blocking(move || {
            // A later sync compares times.
            file.set_modified(modified.into()).map_err(CliError::local("setting the time of", &from))?;
            fs::rename(&from, &to).map_err(CliError::local("naming", &to))
        })
        .await?;
        Ok(size)
    }

    async fn download_whole(
        &self,
        place: &S3Location,
        file: Arc<File>,
        path: &Path,
    ) -> Result<(u64, Timestamp), CliError> {
        let _room = self.room(WHOLE_SIZE_BYTES_MAX).await?;
        let mut download = self.client.get(place, None, None).await?;
        let mut position = 0;
        let mut sum = checksum(b"");
        while let Some(chunk) = download.chunk().await? {
            sum = checksum_of_both(sum, checksum(&chunk), chunk.len() as u64);
            file.write_all_at(&chunk, position).map_err(CliError::local("writing", path))?;
            position += chunk.len() as u64;
            self.bar.inc(chunk.len() as u64);
        }
        same_sum(place, download.checksum(), sum)?;
        Ok((position, download.object().map(|object| object.modified).unwrap_or_default()))
    }

    async fn download_parts(
        &self,
        place: &S3Location,
        file: Arc<File>,
        path: &Path,
    ) -> Result<(u64, Timestamp), CliError> {
        let (object, stated) = self.client.head(place).await?;
        let etag = object.etag.as_str();
        let sum = stream::iter(ranges(object.size, PART_SIZE_BYTES))
            .map(|(first, size)| {
                let file = file.clone();
                async move {
                    let _room = self.room(size).await?;
                    let mut download = self.client.get(place, Some(etag), Some((first, size))).await?;
                    let mut bytes = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
                    while let Some(chunk) = download.chunk().await? {
                        bytes.extend_from_slice(&chunk);
                        self.bar.inc(chunk.len() as u64);
                    }
                    let path = path.to_owned();
                    blocking(move || {
                        file.write_all_at(&bytes, first).map_err(CliError::local("writing", &path))?;
                        Ok((checksum(&bytes), bytes.len() as u64))
                    })
                    .await
                }
            })
            .buffered(self.parallel)
            .try_fold(checksum(b""), |whole, (sum, size)| async move { Ok(checksum_of_both(whole, sum, size)) })
            .await?;
        same_sum(place, stated, sum)?;
        Ok((object.size, object.modified))
    }
}

fn same_sum(place: &S3Location, stated: Option<u64>, found: u64) -> Result<(), CliError> {
    match stated {
        Some(stated) if stated != found => {
            Err(CliError::failed(format!("{place}: the bytes that came do not have the object's checksum; try again")))
        }
        Some(_) | None => Ok(()),
    }
}

/// A stream of unknown length. Read on threads of their own, as standard input may stand still.
pub(crate) type Source = Box<dyn Read + Send>;

/// Reads up to `size` bytes; fewer only at the end.
async fn read_part(mut source: Source, size: u64) -> Result<(Source, Bytes), CliError> {
    blocking(move || {
        let mut bytes = Vec::new();
        source
            .by_ref()
            .take(size)
            .read_to_end(&mut bytes)
            .map_err(|error| CliError::failed(format!("standard input: {error}")))?;
        Ok((source, bytes.into()))
    })
    .await
}

/// A file that is removed again unless it got its name.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // It is gone if it was renamed.
        let _ = fs::remove_file(&self.0);
    }
}

/// The ETag that the store gives a file uploaded by `Mover::upload`, if its content is encrypted in the default way: the MD5 of its
/// bytes, or of its parts' MD5s.
pub(crate) fn etag_of_file(path: &Path) -> Result<String, CliError> {
    use md5::{Digest, Md5};
    let mut file = File::open(path).map_err(CliError::local("opening", path))?;
    let size = file.metadata().map_err(CliError::local("looking at", path))?.len();
    let part = if size <= WHOLE_SIZE_BYTES_MAX { size.max(1) } else { part_size(size) };
    let mut buffer = vec![0; 256 * 1024];
    let mut sums: Vec<u8> = Vec::new();
    let mut parts = 0_u64;
    loop {
        let mut left = part;
        let mut md5 = Md5::new();
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = file.read(&mut buffer[..room]).map_err(CliError::local("reading", path))?;
            if read == 0 {
                break;
            }
            md5.update(&buffer[..read]);
            left -= read as u64;
        }
        if left == part && parts > 0 {
            break;
        }
        sums.extend_from_slice(&md5.finalize());
        parts += 1;
        if left > 0 {
            break;
        }
    }
    if size <= WHOLE_SIZE_BYTES_MAX {
        return Ok(hex::encode(&sums[..16]));
    }
    Ok(format!("{}-{parts}", hex::encode(Md5::digest(&sums))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_an_object_and_are_not_too_many() {
        for size in [1, PART_SIZE_BYTES, PART_SIZE_BYTES + 1, 5 * 1024_u64.pow(4), 100 * PART_SIZE_BYTES - 1] {
            let part = part_size(size);
            let (mut end, mut count) = (0, 0);
            for (first, size) in ranges(size, part) {
                assert_eq!(first, end);
                assert!(size > 0 && size <= part);
                (end, count) = (first + size, count + 1);
            }
            assert_eq!(end, size);
            assert!(count <= PARTS_COUNT_MAX, "{size}: {count}");
        }
    }

    #[test]
    fn a_files_etag_is_the_stores() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |size: usize, expected: &str| {
            let path = folder.path().join("f");
            fs::write(&path, vec![b'a'; size]).expect("written");
            assert_eq!(etag_of_file(&path).expect("read"), expected, "{size}");
        };
        check(0, "d41d8cd98f00b204e9800998ecf8427e");
        check(1, "0cc175b9c0f1b6a831c399e269772661");
        let large = WHOLE_SIZE_BYTES_MAX as usize + 1;
        use md5::{Digest, Md5};
        let part = Md5::digest(vec![b'a'; PART_SIZE_BYTES as usize]);
        let mut sums = part.to_vec();
        sums.extend_from_slice(&part);
        sums.extend_from_slice(&Md5::digest(b"a"));
        check(large, &format!("{}-3", hex::encode(Md5::digest(&sums))));
    }

    #[test]
    fn checksums_of_parts_make_that_of_the_whole() {
        let (a, b) = (b"some bytes".as_slice(), b"and more".as_slice());
        let whole = checksum(&[a, b].concat());
        assert_eq!(checksum_of_both(checksum(a), checksum(b), b.len() as u64), whole);
        assert_eq!(checksum_of_both(checksum(b""), whole, 18), whole);
    }
}
