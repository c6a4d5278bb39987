//! The lake as one query's caller may see it: every table, object and prefix is asked for before it is touched. Knows no SQL.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use tarn_audit::Caller;
use tarn_catalog::{Catalog, S3Location};
use tarn_metadata::Key;
use tarn_objects::{
    Body, BucketName, DeleteObject, ListObjects, ListedObject, LoggedBucket, ObjectKey, ObjectMetadata, ObjectVersion,
    Objects, ObjectsError, PutObject, WaitingLines,
};
use tarn_policy::{Authorized, BoundAuthorizer, Context, Denied, Principal, Requirement, ServiceRoles};
use tarn_runtime::{EntropyExt, Runtime};
use tarn_types::Arn;

use crate::errors::{ErrorName, QueryError};

/// The most files one scan reads.
pub(crate) const FILES_PER_SCAN_MAX: usize = 1_000_000;
/// Stands for what of an access log is not delivered yet, among what is.
const UNDELIVERED: &str = "undelivered";
/// What sessions of registered locations' roles are called.
const SESSION_NAME: &str = "lakeformation";
/// Objects are deleted in batches of this.
const DELETE_BATCH: usize = 1000;

/// A file of a table: what a listing told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LakeFile {
    pub bucket: String,
    pub key: String,
    pub size_bytes: u64,
    pub modified_ms: i64,
}

impl LakeFile {
    /// `s3://bucket/key`
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// A file held open: its bytes stay the same.
#[derive(Clone)]
pub(crate) struct OpenFile {
    proof: Authorized,
    version: ObjectVersion,
    access: Arc<Access>,
}

impl OpenFile {
    pub fn size_bytes(&self) -> u64 {
        self.version.size_bytes()
    }

    /// Names these bytes for ever: what caches are keyed by.
    pub fn id(&self) -> tarn_objects::VersionUuid {
        self.version.id()
    }

    /// The bytes of `range`, counted as scanned.
    pub fn stream(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, ObjectsError>> {
        let access = self.access.clone();
        self.access
            .objects
            .read(&self.proof, &self.version, range)
            .inspect_ok(move |bytes| access.count_scanned(bytes.len()))
            .boxed()
    }

    /// The bytes of `range` at once.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, ObjectsError> {
        let mut stream = self.stream(range.clone());
        let Some(first) = stream.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = stream.next().await.transpose()? else { return Ok(first) };
        let mut whole = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(bytes) = stream.try_next().await? {
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.into())
    }
}

/// What one query may do. Decisions are kept for as long as the query runs.
pub(crate) struct Access {
    pub caller: Caller,
    pub objects: Arc<Objects>,
    pub catalog: Arc<Catalog>,
    pub runtime: Runtime,
    scanned_bytes: Arc<AtomicU64>,
    listable: Mutex<HashMap<(String, String), Authorized>>,
    steward: Option<Steward>,
}

/// Who reads one table for those that were granted it.
struct Steward {
    authorizer: BoundAuthorizer,
    data: Option<GrantedData>,
}

/// The objects of a table at a registered location: others are read as the caller.
pub(crate) struct GrantedData {
    /// A folder.
    pub folder: S3Location,
    /// A session of the location's role; the lake itself if it has none.
    pub role: Option<BoundAuthorizer>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access({:?})", self.caller.principal().arn())
    }
}

pub(crate) fn denied(denied: &Denied) -> QueryError {
    QueryError::new(ErrorName::PermissionDenied, format!("Access denied. {denied}"))
}

pub(crate) fn store_error(place: &str, error: &ObjectsError) -> QueryError {
    QueryError::new(ErrorName::HiveFilesystemError, format!("{place}: {error}"))
}

impl Access {
    pub fn new(
        caller: Caller,
        objects: Arc<Objects>,
        catalog: Arc<Catalog>,
        runtime: Runtime,
        scanned_bytes: Arc<AtomicU64>,
    ) -> Self {
        Self { caller, objects, catalog, runtime, scanned_bytes, listable: Mutex::default(), steward: None }
    }

    /// For one table that the caller was granted: its partitions are read as the lake and, if its data is at a registered location, its
    /// objects there as the location's role or as the lake too.
    pub fn for_granted(&self, data: Option<GrantedData>) -> Arc<Self> {
        let lake = Principal::service(self.caller.scope().account.clone(), tarn_formation::SERVICE);
        let authorizer = self.caller.authorizer().of_service(lake, Context::new());
        Arc::new(Self {
            caller: self.caller.clone(),
            objects: self.objects.clone(),
            catalog: self.catalog.clone(),
            runtime: self.runtime.clone(),
            scanned_bytes: self.scanned_bytes.clone(),
            listable: Mutex::default(),
            steward: Some(Steward { authorizer, data }),
        })
    }

    /// A session of a registered location's role, which must trust Lake Formation, as whom data there is read.
    pub fn session_of(&self, roles: Option<&ServiceRoles>, role_arn: &str) -> Result<BoundAuthorizer, QueryError> {
        let refused = |why: String| {
            let message = format!("Data is read as {role_arn}, the role of its registered location. {why}");
            QueryError::new(ErrorName::PermissionDenied, message)
        };
        let (Some(roles), Ok(role)) = (roles, Arn::parse(role_arn)) else {
            return Err(refused("There is no such role.".to_owned()));
        };
        let scope = self.caller.scope();
        // The one form that AWS sends: https://docs.aws.amazon.com/lake-formation/latest/dg/cross-service-confused-deputy-prevention.html
        let source = Arn::regional("lakeformation", &scope.region, &scope.account, "*").to_string();
        let session = roles
            .assume(&role, &scope.account, &source, SESSION_NAME)
            .map_err(|denied| refused(format!("It cannot be taken: {denied}")))?;
        let context = ServiceRoles::context(self.runtime.now(), &scope.region);
        Ok(BoundAuthorizer::new(roles.authorizer().clone(), session, context))
    }

    /// Who reads that object, or those that begin so.
    fn reader(&self, bucket: &str, key: &str) -> &BoundAuthorizer {
        match &self.steward {
            Some(Steward { authorizer, data: Some(GrantedData { folder, role }) })
                if folder.bucket == bucket && key.starts_with(&folder.prefix) =>
            {
                role.as_ref().unwrap_or(authorizer)
            }
            Some(_) | None => self.caller.authorizer(),
        }
    }

    fn count_scanned(&self, size_bytes: usize) {
        self.scanned_bytes.fetch_add(u64::try_from(size_bytes).unwrap_or(0), Ordering::Relaxed);
    }

    /// The proof that the caller may, or the reason why not.
    pub fn authorize(&self, requirements: Vec<Requirement>) -> Result<Authorized, QueryError> {
        self.caller.authorizer().authorize(requirements).map_err(|no| denied(&no))
    }

    fn glue_requirements(&self, action: &'static str, database: Option<&str>, table: Option<&str>) -> Vec<Requirement> {
        let scope = self.caller.scope();
        let arn = |resource: String| Arn::regional("glue", &scope.region, &scope.account, resource);
        let mut requirements = vec![Requirement::new(action, arn("catalog".to_owned()))];
        if let Some(database) = database {
            requirements.push(Requirement::new(action, arn(format!("database/{database}"))));
            if let Some(table) = table {
                requirements.push(Requirement::new(action, arn(format!("table/{database}/{table}"))));
            }
        }
        requirements
    }

    /// Whether the caller may have data read for it that it was granted: AWS's own condition besides the grant.
    pub fn may_have_data_read(&self) -> bool {
        self.authorize(vec![Requirement::any("lakeformation:GetDataAccess")]).is_ok()
    }

    /// The proof to read of the catalog: `glue:GetTable` on catalog, database and table.
    pub fn may_read_catalog(
        &self,
        action: &'static str,
        database: Option<&str>,
        table: Option<&str>,
    ) -> Result<Authorized, QueryError> {
        let authorizer = self.steward.as_ref().map_or(self.caller.authorizer(), |steward| &steward.authorizer);
        authorizer.authorize(self.glue_requirements(action, database, table)).map_err(|no| denied(&no))
    }

    /// A caller who may change the catalog so, with an audit record of its own.
    pub fn may_change_catalog(
        &self,
        action: &'static str,
        event_name: &str,
        database: &str,
        table: Option<&str>,
    ) -> Result<Caller, QueryError> {
        let requirements = self.glue_requirements(action, Some(database), table);
        self.caller_for("glue.amazonaws.com", event_name, true, requirements)
    }

    fn caller_for(
        &self,
        source: &str,
        name: &str,
        management: bool,
        requirements: Vec<Requirement>,
    ) -> Result<Caller, QueryError> {
        let resources = requirements
            .iter()
            .filter_map(|requirement| requirement.resource.as_ref().map(ToString::to_string))
            .collect();
        let proof = self.authorize(requirements)?;
        let mut event = self.caller.event().clone();
        event.id = self.runtime.entropy.bytes();
        source.clone_into(&mut event.event_source);
        name.clone_into(&mut event.event_name);
        event.management = management;
        event.read_only = false;
        event.resources = resources;
        event.request_parameters = "null".to_owned();
        Ok(Caller::new(proof, self.caller.authorizer().clone(), event))
    }

    fn may_list(&self, bucket: &str, prefix: &str) -> Result<Authorized, QueryError> {
        let place = (bucket.to_owned(), prefix.to_owned());
        if let Some(proof) = self.listable.lock().get(&place) {
            return Ok(proof.clone());
        }
        let need = Requirement::new("s3:ListBucket", Arn::s3_bucket(bucket)).with("s3:prefix", prefix);
        let proof = self.reader(bucket, prefix).authorize(vec![need]).map_err(|no| denied(&no))?;
        self.listable.lock().insert(place, proof.clone());
        Ok(proof)
    }

    fn bucket(name: &str) -> Result<BucketName, QueryError> {
        BucketName::new(name).map_err(|error| QueryError::new(ErrorName::InvalidTableProperty, error.to_string()))
    }

    fn key(key: &str) -> Result<ObjectKey, QueryError> {
        ObjectKey::new(key).map_err(|error| QueryError::new(ErrorName::InvalidTableProperty, error.to_string()))
    }

    /// All files under `location`, whatever their depth; hidden ones (a part that begins with `_` or `.`) and empty ones are left out.
    pub fn list(&self, location: &S3Location) -> Result<Vec<LakeFile>, QueryError> {
        let folder = location.folder();
        let mut files = self.list_all(&folder)?;
        files.retain(|file| {
            let below = file.key.get(folder.prefix.len()..).unwrap_or_default();
            file.size_bytes > 0 && !below.ends_with('/') && !below.split('/').any(|part| part.starts_with(['_', '.']))
        });
        // A location may name one object: Athena refuses it, and it costs nothing to read it.
        if files.is_empty() && !location.prefix.is_empty() && !location.prefix.ends_with('/') {
            files = self.list_all(location)?;
            files.retain(|file| file.key == location.prefix && file.size_bytes > 0);
        }
        Ok(files)
    }

    /// All objects whose keys begin so.
    pub fn list_all(&self, location: &S3Location) -> Result<Vec<LakeFile>, QueryError> {
        let proof = self.may_list(&location.bucket, &location.prefix)?;
        let mut request = ListObjects::new(Self::bucket(&location.bucket)?, location.prefix.clone());
        let mut files = Vec::new();
        loop {
            let page = self
                .objects
                .list_objects(&proof, &request)
                .map_err(|error| store_error(&location.to_string(), &error))?;
            files.extend(page.objects.into_iter().map(|object| LakeFile {
                bucket: location.bucket.clone(),
                size_bytes: object.version.size_bytes,
                modified_ms: object.version.modified_ms,
                key: object.key,
            }));
            if files.len() > FILES_PER_SCAN_MAX {
                let message = format!(
                    "{location} holds more than {FILES_PER_SCAN_MAX} files: join small files, or read fewer partitions"
                );
                return Err(QueryError::new(ErrorName::ExhaustedResources, message));
            }
            match page.next {
                Some(next) => request.start_after = Some(next),
                None => return Ok(files),
            }
        }
    }

    /// Whether anything lies under `location`.
    pub fn is_empty(&self, location: &S3Location) -> Result<bool, QueryError> {
        let folder = location.folder();
        let proof = self.may_list(&folder.bucket, &folder.prefix)?;
        let mut request = ListObjects::new(Self::bucket(&folder.bucket)?, folder.prefix.clone());
        request.max_keys = 2;
        let page =
            self.objects.list_objects(&proof, &request).map_err(|error| store_error(&location.to_string(), &error))?;
        // the folder's own marker object does not count
        Ok(page.objects.iter().all(|object| object.key == folder.prefix))
    }

    /// Opens a file: asks for `s3:GetObject` on it.
    pub fn open(self: &Arc<Self>, bucket: &str, key: &str) -> Result<OpenFile, QueryError> {
        self.open_if_there(bucket, key)?.ok_or_else(|| {
            let message = format!("Error opening s3://{bucket}/{key}: The specified key does not exist.");
            QueryError::new(ErrorName::HiveCannotOpenSplit, message)
        })
    }

    /// Opens a file that may be gone since it was listed.
    pub fn open_if_there(self: &Arc<Self>, bucket: &str, key: &str) -> Result<Option<OpenFile>, QueryError> {
        let reader = self.reader(bucket, key);
        let (of_bucket, of_key) = (Self::bucket(bucket)?, Self::key(key)?);
        let failed = |error: ObjectsError| {
            QueryError::new(ErrorName::HiveCannotOpenSplit, format!("Error opening s3://{bucket}/{key}: {error}"))
        };
        let need = self.objects.on_existing("s3:GetObject", &of_bucket, &of_key, None).map_err(failed)?;
        let proof = reader.authorize(vec![need]).map_err(|no| denied(&no))?;
        let version = match self.objects.head_object(&proof, &of_bucket, &of_key) {
            Ok(version) => version,
            Err(ObjectsError::NoSuchKey { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let version = self.objects.unlock(reader, &version, None).map_err(failed)?;
        Ok(Some(OpenFile { proof, version, access: self.clone() }))
    }

    /// One page of the objects whose keys begin so, those behind `after`, and where there are more.
    pub fn list_page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<String>,
    ) -> Result<(Vec<LakeFile>, Option<String>), QueryError> {
        let proof = self.may_list(bucket, prefix)?;
        let mut request = ListObjects::new(Self::bucket(bucket)?, prefix.to_owned());
        request.start_after = after;
        let page = self
            .objects
            .list_objects(&proof, &request)
            .map_err(|error| store_error(&format!("s3://{bucket}/{prefix}"), &error))?;
        let file = |object: ListedObject| LakeFile {
            bucket: bucket.to_owned(),
            size_bytes: object.version.size_bytes,
            modified_ms: object.version.modified_ms,
            key: object.key,
        };
        Ok((page.objects.into_iter().map(file).collect(), page.next))
    }

    /// The account's buckets whose requests are written down: asks for `s3:ListAllMyBuckets`.
    pub fn logged_buckets(&self) -> Result<Vec<LoggedBucket>, QueryError> {
        let proof = self.authorize(vec![Requirement::any("s3:ListAllMyBuckets")])?;
        let found = self.objects.logged_buckets(&proof, &self.caller.scope().account);
        found.map_err(|error| store_error("the buckets", &error))
    }

    /// The proof to read the logs in `target` whose keys begin with `listed` that are not there yet, and to list those that are.
    pub fn may_read_logs(&self, target: &str, listed: &str) -> Result<Authorized, QueryError> {
        self.may_list(target, listed)?;
        self.authorize(vec![Requirement::new(
            "s3:GetObject",
            Arn::s3_object(target, &format!("{listed}{UNDELIVERED}")),
        )])
    }

    /// Has lines of access logs that are only in memory be with those that wait.
    pub async fn flush_access_lines(&self) -> Result<(), QueryError> {
        self.objects.flush_access_lines().await.map_err(|error| store_error("the access logs", &error))
    }

    /// Lines of a bucket's access log that wait for delivery.
    pub fn waiting_lines(
        &self,
        proof: &Authorized,
        source: &BucketName,
        range_ms: (Option<i64>, Option<i64>),
        after: Option<&Key>,
        limit: usize,
    ) -> Result<WaitingLines, QueryError> {
        let page = self.objects.waiting_lines(proof, source, range_ms, after, limit);
        let page = page.map_err(|error| store_error(&format!("the access log of {source}"), &error))?;
        self.count_scanned(page.lines.iter().map(|line| line.text.len()).sum());
        Ok(page)
    }

    /// Puts an object: asks for `s3:PutObject` on it. Nothing is there if the body fails.
    pub async fn put(&self, bucket: &str, key: &str, content_type: &str, body: Body<'_>) -> Result<u64, QueryError> {
        let requirement = Requirement::new("s3:PutObject", Arn::s3_object(bucket, key));
        let caller = self.caller_for("s3.amazonaws.com", "PutObject", false, vec![requirement])?;
        let mut request = PutObject::new(Self::bucket(bucket)?, Self::key(key)?);
        request.metadata = ObjectMetadata::of_type(content_type);
        let put = self.objects.put_object(&caller, request, body).await;
        put.map(|version| version.size_bytes()).map_err(|error| store_error(&format!("s3://{bucket}/{key}"), &error))
    }

    /// Deletes objects that this query has written, because it failed. What it may write it may take back.
    pub async fn take_back(&self, written: &[(String, String)]) {
        for batch in written.chunks(DELETE_BATCH) {
            let requirements = batch
                .iter()
                .map(|(bucket, key)| Requirement::new("s3:PutObject", Arn::s3_object(bucket, key)))
                .collect();
            let caller = match self.caller_for("s3.amazonaws.com", "DeleteObjects", false, requirements) {
                Ok(caller) => caller,
                Err(error) => return tracing::warn!(%error, "a failed query's files could not be deleted"),
            };
            let mut by_bucket: HashMap<&str, Vec<DeleteObject>> = HashMap::new();
            for (bucket, key) in batch {
                if let Ok(key) = ObjectKey::new(key.clone()) {
                    by_bucket.entry(bucket).or_default().push(DeleteObject::new(key));
                }
            }
            for (bucket, deletes) in by_bucket {
                let Ok(bucket) = BucketName::new(bucket) else { continue };
                if let Err(error) = self.objects.delete_objects(&caller, &bucket, deletes).await {
                    tracing::warn!(%error, %bucket, "a failed query's files could not be deleted");
                }
            }
        }
    }
}
