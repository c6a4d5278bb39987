//! Jobs over a store, blobs and objects in memory, with a clock that stands still until moved.
#![allow(clippy::unwrap_used)]

mod crashes;
mod lives;
mod sources;
mod working;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tarn_audit::{Caller, EVENTS, EventDraft};
use tarn_blobs::MemoryBlobs;
use tarn_identity::{Identity, NewRole};
use tarn_keys::Keys;
use tarn_metadata::{Key, MemoryStore, Read as _, Store, StoreExt};
use tarn_objects::{
    BucketName, CreateBucket, ListObjects, ObjectKey, ObjectVersion, Objects, ObjectsError, ObjectsOptions, PutObject,
    Tags, body_of,
};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_runtime::{EntropyExt, FixedClock, Runtime, Timestamp};
use tarn_types::{AccountId, Arn, Region, Scope};

use crate::*;

/// Lets everybody do everything but what is named.
#[derive(Default)]
pub(crate) struct Door(Mutex<Vec<(&'static str, String)>>);

impl Authorizer for Door {
    fn authorize(&self, who: &Principal, needs: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        let closed = self.0.lock();
        for Requirement { action, resource, .. } in needs {
            let text = resource.as_ref().map(Arn::to_string).unwrap_or_default();
            if closed.iter().any(|(denied, end)| *denied == action && text.ends_with(end.as_str())) {
                let because = DeniedBecause::NothingAllows;
                return Err(Denied { principal: who.clone(), action, resource, because });
            }
        }
        Ok(proof())
    }
}

pub(crate) fn proof() -> Authorized {
    Authorized::internal("test.amazonaws.com", AccountId::first())
}

pub(crate) struct Lake {
    pub jobs: Jobs,
    pub objects: Objects,
    pub identity: Arc<Identity>,
    pub store: Arc<MemoryStore>,
    pub door: Arc<Door>,
    pub runtime: Runtime,
    pub clock: Arc<FixedClock>,
    pub bucket: BucketName,
}

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).unwrap()
}

pub(crate) fn scope() -> Scope {
    Scope { account: AccountId::first(), region: Region::us_east_1() }
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    Tags::of_object(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).unwrap()
}

impl Lake {
    pub async fn new() -> Self {
        let (runtime, clock) = Runtime::fixed(Timestamp::from_millisecond(1_700_000_000_000).unwrap(), 5);
        let store = Arc::new(MemoryStore::new());
        let shared: Arc<dyn Store> = store.clone();
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let blobs = Arc::new(MemoryBlobs::new());
        let identity = Arc::new(Identity::new(shared.clone(), Keys::clone(&keys), runtime.clone()));
        let objects = Objects::new(shared.clone(), blobs, keys, runtime.clone(), ObjectsOptions::default());
        let door = Arc::new(Door::default());
        let options = JobsOptions::default();
        let jobs = Jobs::new(shared, objects.clone(), identity.clone(), door.clone(), runtime.clone(), options);
        let bucket = BucketName::new("lake-raw").unwrap();
        let lake = Self { jobs, objects, identity, store, door, runtime, clock, bucket };
        let request = CreateBucket::new(lake.bucket.clone(), Region::us_east_1());
        lake.objects.create_bucket(&lake.caller(), request).await.unwrap();
        let trust_policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":
            "batchoperations.s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let role = NewRole { name: "batch".to_owned(), trust_policy: trust_policy.to_owned(), ..NewRole::default() };
        lake.identity.create_role(&lake.caller(), role).await.unwrap();
        lake
    }

    /// As after a crash: only what is in the store and the blobs is known.
    pub fn restart(&mut self) {
        let shared: Arc<dyn Store> = self.store.clone();
        let options = JobsOptions::default();
        let (objects, identity) = (self.objects.clone(), self.identity.clone());
        self.jobs = Jobs::new(shared, objects, identity, self.door.clone(), self.runtime.clone(), options);
    }

    pub fn close(&self, action: &'static str, end: &str) {
        self.door.0.lock().push((action, end.to_owned()));
    }

    pub fn caller(&self) -> Caller {
        let principal = Principal::root(AccountId::first());
        let event = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "test".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: true,
            scope: scope(),
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: "test".to_owned(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        Caller::new(proof(), BoundAuthorizer::new(self.door.clone(), principal, Context::new()), event)
    }

    pub async fn versioned(&self) {
        self.objects.put_bucket_versioning(&self.caller(), &self.bucket, true).await.unwrap();
    }

    pub async fn put(&self, at: &str, bytes: impl Into<Bytes>) -> ObjectVersion {
        let request = PutObject::new(self.bucket.clone(), key(at));
        self.objects.put_object(&self.caller(), request, body_of(bytes)).await.unwrap()
    }

    pub async fn get(&self, at: &str) -> Result<String, ObjectsError> {
        let version = self.objects.head_object(&proof(), &self.bucket, &key(at))?;
        let bytes = self.objects.read_whole(&proof(), &version, 1 << 30).await?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    pub fn head(&self, at: &str) -> ObjectVersion {
        self.objects.head_object(&proof(), &self.bucket, &key(at)).unwrap()
    }

    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let mut request = ListObjects::new(self.bucket.clone(), prefix);
        let mut keys = Vec::new();
        loop {
            let page = self.objects.list_objects(&proof(), &request).unwrap();
            keys.extend(page.objects.into_iter().map(|object| object.key));
            match page.next {
                None => return keys,
                next => request.start_after = next,
            }
        }
    }

    /// A manifest of these lines.
    pub async fn manifest(&self, lines: &str) -> TaskSource {
        let put = self.put("manifest.csv", lines.to_owned()).await;
        TaskSource::Manifest(Manifest {
            format: ManifestFormat::Csv(vec![ManifestField::Bucket, ManifestField::Key]),
            location: ManifestLocation {
                bucket: self.bucket.to_string(),
                key: "manifest.csv".to_owned(),
                version: None,
                etag: put.etag().to_string(),
            },
        })
    }

    /// A manifest of these keys.
    pub async fn keys_manifest(&self, keys: &[&str]) -> TaskSource {
        let lines: String = keys.iter().map(|key| format!("{},{key}\n", self.bucket)).collect();
        self.manifest(&lines).await
    }

    pub fn definition(&self, operation: JobOperation, source: TaskSource) -> JobDefinition {
        JobDefinition {
            description: Some("a test".to_owned()),
            operation,
            source,
            report: Some(JobReport {
                bucket: self.bucket.to_string(),
                expected_owner: None,
                prefix: Some("reports".to_owned()),
                failed_only: false,
            }),
            priority: 10,
            role_arn: Arn::parse("arn:aws:iam::000000000000:role/batch").unwrap(),
            confirmation_required: None,
        }
    }

    pub async fn create(&self, definition: JobDefinition) -> JobId {
        let token = self.runtime.entropy.text(b"0123456789", 20);
        let request = CreateJob { definition, tags: Vec::new(), token };
        self.jobs.create_job(&self.caller(), request).await.unwrap()
    }

    pub fn job(&self, id: &JobId) -> Job {
        self.jobs.job(&proof(), &scope(), id).unwrap()
    }

    /// Steps until there is nothing to do.
    pub async fn work(&self) {
        while self.jobs.step().await.unwrap() {}
    }

    /// Makes a job and works until it has ended.
    pub async fn run(&self, operation: JobOperation, source: TaskSource) -> Job {
        let id = self.create(self.definition(operation, source)).await;
        self.work().await;
        self.job(&id)
    }

    /// What the report of a job says: the manifest, the lines of what succeeded, the lines of what failed.
    pub async fn report(&self, job: &Job) -> (serde_json::Value, String, String) {
        let folder = format!("reports/job-{}", job.id);
        let manifest: serde_json::Value =
            serde_json::from_str(&self.get(&format!("{folder}/manifest.json")).await.unwrap()).unwrap();
        let mut lines = [String::new(), String::new()];
        for file in manifest["Results"].as_array().unwrap() {
            let at = file["Key"].as_str().unwrap();
            assert!(at.starts_with(&format!("{folder}/results/")) && at.ends_with(".csv"), "{at}");
            assert_eq!(file["MD5Checksum"], self.head(at).etag().to_string());
            let place = usize::from(file["TaskExecutionStatus"] == "failed");
            lines[place] = self.get(at).await.unwrap();
        }
        let [succeeded, failed] = lines;
        (manifest, succeeded, failed)
    }

    /// How many events of that name are on record.
    pub fn events(&self, name: &str) -> usize {
        let snapshot = self.store.read().unwrap();
        snapshot.prefix(EVENTS, &Key::new()).filter(|event| event.as_ref().unwrap().1.event_name == name).count()
    }

    /// As whom the events of that name were done.
    pub fn actors(&self, name: &str) -> Vec<String> {
        let snapshot = self.store.read().unwrap();
        let events = snapshot.prefix(EVENTS, &Key::new()).map(|event| event.unwrap().1);
        let named = events.filter(|event| event.event_name == name);
        named.filter_map(|event| event.principal.arn()).map(|arn| arn.to_string()).collect()
    }

    /// How much is kept of jobs besides the jobs themselves.
    pub fn left_over(&self) -> usize {
        let snapshot = self.store.read().unwrap();
        snapshot.prefix(keyspaces::SEGMENTS, &Key::new()).count()
            + snapshot.prefix(keyspaces::DONE, &Key::new()).count()
            + snapshot.prefix(keyspaces::RESULTS, &Key::new()).count()
            + snapshot.prefix(keyspaces::QUEUE, &Key::new()).count()
    }
}

pub(crate) fn copy_to(lake: &Lake, prefix: &str) -> CopyParameters {
    CopyParameters {
        bucket: lake.bucket.clone(),
        prefix: Some(prefix.to_owned()),
        acl: CopyAcl::Default,
        metadata_directive: None,
        metadata: None,
        tags: None,
        redirect: None,
        requester_pays: None,
        class: None,
        modified_since_ms: None,
        unmodified_since_ms: None,
        encryption: None,
        bucket_key: None,
        lock: tarn_objects::VersionLock::default(),
        checksum: None,
    }
}
