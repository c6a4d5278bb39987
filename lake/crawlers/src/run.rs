//! One crawl from beginning to end: list, look at samples, group, write. Knows its crawler and the flag to stop.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use globset::{GlobSet, GlobSetBuilder};
use tarn_audit::{Caller, EventDraft};
use tarn_catalog::S3Location;
use tarn_objects::{BucketName, ListObjects, ObjectKey, ObjectVersion, ObjectsError};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::{EntropyExt, Shutdown};

use crate::apply::FoundTable;
use crate::crawlers::exclusion;
use crate::folders::{Folder, Group};
use crate::formats::{self, FileSchema, FormatError};
use crate::{
    CRAWL_FILES_MAX, CRAWL_FOLDERS_MAX, Configuration, CrawlState, CrawlSummary, Crawler, Crawlers, CrawlersError,
    FILES_AT_A_TIME, FOLDER_FILES_MAX, MESSAGES_MAX, RECORD_SIZE_BYTES_MAX, S3Target, SAMPLE_SIZE_BYTES_MAX, tables,
};

/// The service that a crawler acts as.
pub(crate) const SERVICE: &str = "glue.amazonaws.com";
/// The longest message that is kept, characters.
const MESSAGE_CHARACTERS_MAX: usize = 1_000;

/// A crawl as it runs.
pub(crate) struct Running<'a> {
    pub(crate) crawlers: &'a Crawlers,
    pub(crate) crawler: &'a Crawler,
    pub(crate) configuration: Configuration,
    pub(crate) proof: Authorized,
    pub(crate) summary: CrawlSummary,
    stop: Arc<AtomicBool>,
    shutdown: &'a Shutdown,
    messages: Vec<String>,
    messages_left_out: u64,
    /// Places that could not be read: what lies there is not gone.
    failures: Vec<String>,
}

/// What a crawl came to.
pub(crate) struct Ended {
    pub(crate) state: CrawlState,
    pub(crate) messages: Vec<String>,
    pub(crate) summary: CrawlSummary,
}

/// Gives the crawler's own authority for what it does in its own account.
struct OwnAuthority;

impl Authorizer for OwnAuthority {
    fn authorize(&self, principal: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        Ok(Authorized::internal(SERVICE, principal.account.clone()))
    }
}

/// The caller of a crawler's own changes, with an audit record of its own.
pub(crate) fn caller(crawlers: &Crawlers, crawler: &Crawler, event_name: &str) -> Caller {
    let authorized = Authorized::internal(SERVICE, crawler.scope.account.clone());
    let principal = authorized.principal().clone();
    let event = EventDraft {
        id: crawlers.runtime.entropy.bytes(),
        request_id: crawlers.runtime.entropy.uuid().to_string(),
        time_ms: crawlers.now_ms(),
        event_source: SERVICE.to_owned(),
        event_name: event_name.to_owned(),
        read_only: false,
        management: true,
        scope: crawler.scope.clone(),
        principal: principal.clone(),
        source_ip: SERVICE.to_owned(),
        user_agent: SERVICE.to_owned(),
        request_parameters:
            serde_json::json!({ "crawlerName": crawler.definition.name, "role": crawler.definition.role }).to_string(),
        resources: Vec::new(),
    };
    Caller::new(authorized, BoundAuthorizer::new(Arc::new(OwnAuthority), principal, Context::new()), event)
}

/// The files of one folder that are looked at, and how many more there are.
#[derive(Default)]
struct FolderFiles {
    /// Key and size.
    files: Vec<(String, u64)>,
    more_objects: u64,
    more_size_bytes: u64,
}

/// All of a target: files by the folders they lie in.
struct Listed {
    bucket: BucketName,
    /// The target's folder, with a slash at the end unless it is empty.
    root: String,
    folders: BTreeMap<Vec<String>, FolderFiles>,
}

impl<'a> Running<'a> {
    pub(crate) fn new(
        crawlers: &'a Crawlers,
        crawler: &'a Crawler,
        stop: Arc<AtomicBool>,
        shutdown: &'a Shutdown,
    ) -> Result<Self, CrawlersError> {
        Ok(Self {
            crawlers,
            crawler,
            configuration: Configuration::parse(crawler.definition.configuration.as_deref())?,
            proof: Authorized::internal(SERVICE, crawler.scope.account.clone()),
            summary: CrawlSummary::default(),
            stop,
            shutdown,
            messages: Vec::new(),
            messages_left_out: 0,
            failures: Vec::new(),
        })
    }

    pub(crate) fn database(&self) -> &'a str {
        &self.crawler.definition.database_name
    }

    pub(crate) fn caller(&self, event_name: &str) -> Caller {
        caller(self.crawlers, self.crawler, event_name)
    }

    pub(crate) fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Acquire) || self.shutdown.has_begun()
    }

    pub(crate) fn message(&mut self, text: String) {
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(text.chars().take(MESSAGE_CHARACTERS_MAX).collect());
        } else {
            self.messages_left_out += 1;
        }
    }

    /// Whether something below `location` could not be read.
    pub(crate) fn covers_failure(&self, location: &str) -> bool {
        let below = format!("{}/", location.trim_end_matches('/'));
        self.failures.iter().any(|place| place == location || place.starts_with(&below))
    }

    pub(crate) fn is_below_targets(&self, location: &str) -> bool {
        self.crawler.definition.s3_targets.iter().any(|target| {
            let path = target.path.trim_end_matches('/');
            location.trim_end_matches('/') == path || location.starts_with(&format!("{path}/"))
        })
    }

    /// Runs the crawl to its end, whatever that is.
    pub(crate) async fn run(mut self) -> Ended {
        let outcome = self.crawl().await;
        let state = match outcome {
            Err(error) => {
                self.messages.insert(0, error.to_string());
                CrawlState::Failed
            }
            Ok(()) if self.stop.load(Ordering::Acquire) => CrawlState::Stopped,
            Ok(()) if self.shutdown.has_begun() => {
                self.messages.insert(0, "The server was stopped during the crawl; start the crawler again.".to_owned());
                CrawlState::Failed
            }
            Ok(()) => CrawlState::Completed,
        };
        if self.messages_left_out > 0 {
            self.messages.push(format!("{} more messages were left out", self.messages_left_out));
        }
        Ended { state, messages: self.messages, summary: self.summary }
    }

    async fn crawl(&mut self) -> Result<(), CrawlersError> {
        let mut found = Vec::new();
        for target in &self.crawler.definition.s3_targets {
            let listed = self.list(target).await?;
            let folder = self.look_at(&listed).await?;
            if self.must_stop() {
                return Ok(());
            }
            let level = 1 + listed.root.split('/').filter(|segment| !segment.is_empty()).count();
            let groups = folder.tables(self.configuration.combine_compatible, self.configuration.table_level, level);
            found.extend(groups.into_iter().map(|group| self.found_table(&listed, group)));
        }
        if let Some(tables_max) = self.configuration.tables_max.filter(|tables_max| found.len() > *tables_max) {
            return Err(CrawlersError::invalid(format!(
                "The number of tables found, {}, is above the TableThreshold of {tables_max}; nothing was changed.",
                found.len()
            )));
        }
        self.apply(found).await
    }

    fn found_table(&self, listed: &Listed, group: Group) -> FoundTable {
        let mut location = format!("s3://{}/{}", listed.bucket.as_str(), listed.root);
        for folder in &group.path {
            location.push_str(folder);
            location.push('/');
        }
        let root = listed.root.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty());
        let folder = group.path.last().map(String::as_str).or(root).unwrap_or(listed.bucket.as_str());
        let place = group.file.as_deref().unwrap_or(folder);
        let name = tables::table_name(self.crawler.definition.table_prefix.as_deref().unwrap_or_default(), place);
        location.push_str(group.file.as_deref().unwrap_or_default());
        FoundTable { group, name, location }
    }

    async fn list(&mut self, target: &S3Target) -> Result<Listed, CrawlersError> {
        let location = S3Location::parse(&target.path).map_err(|error| CrawlersError::invalid(error.to_string()))?;
        let objects_error = |source: ObjectsError| CrawlersError::Objects { place: target.path.clone(), source };
        let bucket = BucketName::new(location.bucket.clone()).map_err(objects_error)?;
        // Another account's bucket would need that account's permission, which a crawler has no way to show.
        let owner = self.crawlers.objects.bucket_owner(&bucket).map_err(objects_error)?;
        if owner.as_ref() != Some(&self.crawler.scope.account) {
            return Err(CrawlersError::invalid(format!(
                "{}: the bucket does not exist, or is not of the crawler's account.",
                target.path
            )));
        }
        let excluded = exclusions(target)?;
        let files_max = target.sample_size.map_or(FOLDER_FILES_MAX, |size| size as usize);
        let mut files_count = 0;
        let mut take = |listed: &mut Listed, summary: &mut CrawlSummary, key: &str, size_bytes: u64| {
            let relative = key.strip_prefix(&listed.root).unwrap_or(key);
            let mut path: Vec<String> = relative.split('/').map(str::to_owned).collect();
            let name = path.pop().unwrap_or_default();
            // As for Hive: what begins with a dot or an underscore is not data. Folders of partitions may.
            let hidden = |name: &String| name.starts_with('.') || (name.starts_with('_') && !name.contains('='));
            if size_bytes == 0 || hidden(&name) || path.iter().any(hidden) || excluded.is_match(relative) {
                return;
            }
            summary.objects += 1;
            summary.size_bytes += size_bytes;
            let files = listed.folders.entry(path).or_default();
            if files.files.len() < files_max && files_count < CRAWL_FILES_MAX {
                files.files.push((key.to_owned(), size_bytes));
                files_count += 1;
            } else {
                files.more_objects += 1;
                files.more_size_bytes += size_bytes;
            }
        };
        // A path without a slash at its end may be a file.
        if let Ok(key) = ObjectKey::new(location.prefix.clone())
            && !location.prefix.ends_with('/')
            && let Ok(version) = self.crawlers.objects.head_object(&self.proof, &bucket, &key)
        {
            let root = location.prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            let mut listed = Listed { bucket, root, folders: BTreeMap::new() };
            take(&mut listed, &mut self.summary, key.as_str(), version.size_bytes());
            return Ok(listed);
        }
        let root = location.folder().prefix;
        let mut request = ListObjects::new(bucket.clone(), root.clone());
        let mut listed = Listed { bucket, root, folders: BTreeMap::new() };
        loop {
            let page = self.crawlers.objects.list_objects(&self.proof, &request).map_err(objects_error)?;
            for object in page.objects {
                take(&mut listed, &mut self.summary, &object.key, object.version.size_bytes);
            }
            if listed.folders.len() > CRAWL_FOLDERS_MAX {
                return Err(CrawlersError::Limit { what: "Folders of one crawl", limit: CRAWL_FOLDERS_MAX as u64 });
            }
            match page.next {
                Some(next) if !self.must_stop() => request.start_after = Some(next),
                Some(_) | None => return Ok(listed),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn look_at(&mut self, listed: &Listed) -> Result<Folder, CrawlersError> {
        let mut root = Folder::default();
        for (path, folder_files) in &listed.folders {
            let crawlers = self.crawlers;
            let (proof, bucket) = (&self.proof, &listed.bucket);
            let mut looked_at = futures::stream::iter(folder_files.files.clone())
                .map(|(key, size_bytes)| async move {
                    let schema = sample(crawlers, proof, bucket, &key).await;
                    (key, size_bytes, schema)
                })
                .buffered(FILES_AT_A_TIME);
            let mut found = Vec::new();
            let mut messages = Vec::new();
            while let Some((key, size_bytes, schema)) = looked_at.next().await {
                let place = format!("s3://{}/{key}", listed.bucket.as_str());
                match schema {
                    Ok(None) => {}
                    Ok(Some(schema)) => {
                        messages.extend(schema.warning.as_ref().map(|warning| (format!("{place}: {warning}"), None)));
                        let name = key.rsplit('/').next().unwrap_or(&key).to_owned();
                        found.push((name, schema, size_bytes));
                    }
                    Err(SampleError::Format(error)) => messages.push((format!("{place}: {error}"), Some(place))),
                    Err(SampleError::Objects(source)) => return Err(CrawlersError::Objects { place, source }),
                }
                if self.must_stop() {
                    break;
                }
            }
            drop(looked_at);
            for (text, failed) in messages {
                self.message(text);
                self.failures.extend(failed);
            }
            if self.must_stop() {
                return Ok(root);
            }
            if found.is_empty() {
                continue;
            }
            let folder = root.at(path);
            for (name, schema, size_bytes) in found {
                folder.add(name, &schema, size_bytes);
            }
            folder.count(folder_files.more_objects, folder_files.more_size_bytes);
        }
        Ok(root)
    }
}

fn exclusions(target: &S3Target) -> Result<GlobSet, CrawlersError> {
    let mut set = GlobSetBuilder::new();
    for pattern in &target.exclusions {
        set.add(exclusion(pattern)?);
    }
    set.build().map_err(|error| {
        CrawlersError::invalid(format!("The exclusions of {} do not work together: {error}", target.path))
    })
}

enum SampleError {
    Format(FormatError),
    Objects(ObjectsError),
}

/// What a file is; `None` if it was deleted since it was listed.
async fn sample(
    crawlers: &Crawlers,
    proof: &Authorized,
    bucket: &BucketName,
    key: &str,
) -> Result<Option<FileSchema>, SampleError> {
    let key = ObjectKey::new(key).map_err(SampleError::Objects)?;
    let version = match crawlers.objects.head_object(proof, bucket, &key) {
        Ok(version) => version,
        Err(ObjectsError::NoSuchKey { .. }) => return Ok(None),
        Err(error) => return Err(SampleError::Objects(error)),
    };
    let size_bytes = version.size_bytes();
    let mut sample_size_bytes = SAMPLE_SIZE_BYTES_MAX;
    loop {
        let first = read(crawlers, proof, &version, 0..size_bytes.min(sample_size_bytes as u64)).await?;
        let complete = first.len() as u64 == size_bytes;
        if formats::is_parquet(&first) {
            let tail_start = size_bytes.saturating_sub(tarn_parquet::TAIL_SIZE_BYTES);
            let tail = read(crawlers, proof, &version, tail_start..size_bytes).await?;
            let length = formats::parquet::metadata_size_bytes(&tail, size_bytes).map_err(SampleError::Format)?;
            let metadata = read(crawlers, proof, &version, tail_start.saturating_sub(length)..tail_start).await?;
            let schema = off_the_loop(move || formats::parquet::classify(&metadata, size_bytes)).await;
            return schema.map(Some).map_err(SampleError::Format);
        }
        let schema = off_the_loop(move || formats::classify(&first, complete, sample_size_bytes)).await;
        match schema {
            Err(FormatError::RecordTooLong { .. }) if sample_size_bytes < RECORD_SIZE_BYTES_MAX && !complete => {
                sample_size_bytes = RECORD_SIZE_BYTES_MAX;
            }
            schema => return schema.map(Some).map_err(SampleError::Format),
        }
    }
}

async fn read(
    crawlers: &Crawlers,
    proof: &Authorized,
    version: &ObjectVersion,
    range: Range<u64>,
) -> Result<Bytes, SampleError> {
    let mut bytes = BytesMut::new();
    let mut stream = crawlers.objects.read(proof, version, range);
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(SampleError::Objects)?);
    }
    Ok(bytes.freeze())
}

/// Decoding is work for a thread that may block.
async fn off_the_loop(
    work: impl FnOnce() -> Result<FileSchema, FormatError> + Send + 'static,
) -> Result<FileSchema, FormatError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(FormatError::Parquet { reason: format!("reading it failed: {error}") }))
}
