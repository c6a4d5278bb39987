//! A lake in memory with one bucket, and a caller who may do what a closure allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_audit::{Caller, EventDraft};
use tarn_blobs::MemoryBlobs;
use tarn_catalog::{Catalog, DatabaseInput, S3Location};
use tarn_formation::Formation;
use tarn_keys::Keys;
use tarn_metadata::{MemoryStore, Store};
use tarn_objects::{BucketName, CreateBucket, ListObjects, ObjectKey, Objects, ObjectsOptions, PutObject, body_of};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_query::{
    Engine, EngineOptions, Outcome, Progress, QueryError, ResultFile, ResultKind, ResultReader, SessionContext,
    Statement,
};
use tarn_runtime::{EntropyExt, Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};
use tokio_util::sync::CancellationToken;

type Refuses = Arc<dyn Fn(&Requirement) -> bool + Send + Sync>;

struct Rules(Refuses);

impl Authorizer for Rules {
    fn authorize(
        &self,
        principal: &Principal,
        requirements: Vec<Requirement>,
        _: &Context,
    ) -> Result<Authorized, Denied> {
        match requirements.into_iter().find(|requirement| (self.0)(requirement)) {
            Some(Requirement { action, resource, .. }) => {
                Err(Denied { principal: principal.clone(), action, resource, because: DeniedBecause::NothingAllows })
            }
            None => Ok(proof()),
        }
    }
}

pub fn proof() -> Authorized {
    Authorized::internal("test.amazonaws.com", AccountId::first())
}

pub struct Lake {
    pub objects: Arc<Objects>,
    pub catalog: Arc<Catalog>,
    pub engine: Engine,
    pub runtime: Runtime,
    next: std::sync::atomic::AtomicU32,
    pub spill: tempfile::TempDir,
}

pub type Rows = Vec<Vec<Option<String>>>;

impl Lake {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With an engine whose options `change` has changed.
    pub async fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        let (runtime, _) = Runtime::fixed(Timestamp::from_millisecond(1_700_000_000_000).unwrap(), 7);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let objects = Arc::new(Objects::new(
            store.clone(),
            Arc::new(MemoryBlobs::new()),
            keys,
            runtime.clone(),
            ObjectsOptions::default(),
        ));
        let catalog = Catalog::new(store.clone(), runtime.clone());
        let check = Arc::new(tarn_query::check_row_filter);
        let formation = Formation::new(store, catalog.clone(), runtime.clone(), check);
        let catalog = Arc::new(catalog);
        let spill = tempfile::tempdir().unwrap();
        let mut options = EngineOptions { partitions: 2, ..EngineOptions::new(spill.path().to_owned(), 2, 256 << 20) };
        change(&mut options);
        let engine = Engine::new(objects.clone(), catalog.clone(), formation, runtime.clone(), &options).unwrap();
        let lake = Self { objects, catalog, engine, runtime, next: 1.into(), spill };
        let request = CreateBucket::new(BucketName::new("lake").unwrap(), Region::us_east_1());
        lake.objects.create_bucket(&lake.caller(), request).await.unwrap();
        let database = DatabaseInput { name: "db".into(), ..DatabaseInput::default() };
        lake.catalog.create_database(&lake.caller(), database, BTreeMap::new()).await.unwrap();
        lake
    }

    pub fn caller(&self) -> Caller {
        self.caller_refused(|_| false)
    }

    pub fn caller_refused(&self, refuses: impl Fn(&Requirement) -> bool + Send + Sync + 'static) -> Caller {
        let principal = Principal::root(AccountId::first());
        let event = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "request".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "athena.amazonaws.com".to_owned(),
            event_name: "StartQueryExecution".to_owned(),
            read_only: false,
            management: true,
            scope: Scope { account: AccountId::first(), region: Region::us_east_1() },
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        Caller::new(proof(), BoundAuthorizer::new(Arc::new(Rules(Arc::new(refuses))), principal, Context::new()), event)
    }

    pub async fn put(&self, key: &str, bytes: impl Into<bytes::Bytes>) {
        let request = PutObject::new(BucketName::new("lake").unwrap(), ObjectKey::new(key).unwrap());
        self.objects.put_object(&self.caller(), request, body_of(bytes)).await.unwrap();
    }

    pub async fn get(&self, key: &str) -> bytes::Bytes {
        let (bucket, key) = (BucketName::new("lake").unwrap(), ObjectKey::new(key).unwrap());
        let version = self.objects.head_object(&proof(), &bucket, &key).unwrap();
        self.objects.read_whole(&proof(), &version, 1 << 30).await.unwrap()
    }

    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let listing =
            self.objects.list_objects(&proof(), &ListObjects::new(BucketName::new("lake").unwrap(), prefix)).unwrap();
        listing.objects.into_iter().map(|object| object.key).collect()
    }

    pub async fn run_as(&self, caller: &Caller, text: &str) -> Result<Outcome, QueryError> {
        let statement = match Statement::parse(text, &[]) {
            Ok(statement) => statement,
            Err(error) => panic!("{text}: {error}"),
        };
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let session = SessionContext {
            query_id: format!("q{number}"),
            catalog: None,
            database: "db".into(),
            output_location: S3Location::parse("s3://lake/results/").unwrap(),
        };
        self.engine.run(caller, &statement, session, CancellationToken::new(), &Progress::default()).await
    }

    pub async fn run(&self, text: &str) -> Result<Outcome, QueryError> {
        self.run_as(&self.caller(), text).await
    }

    /// All rows of a statement's result, the header of a CSV first.
    pub async fn rows(&self, text: &str) -> Result<Rows, QueryError> {
        let outcome = self.run(text).await?;
        let kind = match Statement::parse(text, &[]).unwrap().result_file() {
            ResultFile::Csv => ResultKind::Csv,
            ResultFile::Txt => ResultKind::Txt,
            ResultFile::Bare | ResultFile::Tables => return Ok(Vec::new()),
        };
        let reader = ResultReader::new(self.objects.clone());
        let (mut start, mut rows) = (0, Vec::new());
        loop {
            let page = reader
                .page(
                    &proof(),
                    self.caller().authorizer(),
                    &outcome.output.bucket,
                    &outcome.output.prefix,
                    kind,
                    start,
                    2,
                )
                .await
                .unwrap();
            rows.extend(page.rows);
            match page.next {
                Some(next) => start = next,
                None => return Ok(rows),
            }
        }
    }

    /// As lines of `a|b`, NULL as `NULL`, without the header of a CSV; or the failure.
    pub async fn answer(&self, text: &str) -> Vec<String> {
        let skip =
            usize::from(Statement::parse(text, &[]).is_ok_and(|statement| statement.result_file() == ResultFile::Csv));
        match self.rows(text).await {
            Ok(rows) => rows
                .into_iter()
                .skip(skip)
                .map(|row| {
                    row.into_iter().map(|value| value.unwrap_or_else(|| "NULL".into())).collect::<Vec<_>>().join("|")
                })
                .collect(),
            Err(error) => vec![error.to_string()],
        }
    }
}
