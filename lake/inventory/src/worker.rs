//! Makes the lists that are due, one after the other: files first, manifests last. Knows no file format.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use md5::{Digest as _, Md5};
use parking_lot::Mutex;
use tarn_audit::Caller;
use tarn_identity::Identity;
use tarn_metadata::StoreError;
use tarn_objects::{
    AclRequest, Body, BodyError, BodyErrorKind, CannedAcl, DeliveringService, Delivery, EncryptionRequest,
    INVENTORY_SERVICE, InventoryEncryption, InventoryFile, InventoryFormat, InventoryPlace, InventoryRun, ObjectKey,
    ObjectMetadata, Objects, ObjectsError, PutObject, body_of,
};
use tarn_policy::{Authorized, Authorizer};
use tarn_runtime::{Runtime, Worker, WorkerOutcome};
use tarn_types::AccountId;
use tokio::time::Instant;

use crate::columns::Column;
use crate::encode::Encoder;
use crate::report;
use crate::rows::Source;

/// How long nothing is looked at while nothing is due: a clock may be set.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// What the time doubles up to for which a list is set aside.
const ASIDE_MAX: Duration = Duration::from_secs(10 * 60);

/// What may be set differently.
#[derive(Debug, Clone)]
pub struct InventoryOptions {
    /// The most rows of one file.
    pub file_rows_max: usize,
    /// Rows that are looked up together.
    pub page_rows: usize,
    /// How long a list is set aside that the lake could not go on with, the first time.
    pub aside: Duration,
}

impl Default for InventoryOptions {
    fn default() -> Self {
        Self { file_rows_max: 1_000_000, page_rows: 500, aside: Duration::from_secs(1) }
    }
}

/// Makes lists.
pub struct InventoryWorker {
    source: Source,
    authorizer: Arc<dyn Authorizer>,
    runtime: Runtime,
    options: InventoryOptions,
    /// Lists that the lake could not go on with: not before then, and the pause to double. Others are made meanwhile.
    aside: Mutex<HashMap<[u8; 16], (Instant, Duration)>>,
}

impl std::fmt::Debug for InventoryWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InventoryWorker({:?})", self.options)
    }
}

/// What became of a file.
#[derive(Debug, Clone, Default)]
struct Told {
    size_bytes: u64,
    md5: [u8; 16],
    after: Option<InventoryPlace>,
    is_last: bool,
}

/// A file on its way from the bucket's rows to bytes.
struct Filling {
    source: Source,
    run: Arc<InventoryRun>,
    columns: Vec<Column>,
    /// `None`: the file has ended.
    encoder: Option<Encoder>,
    options: InventoryOptions,
    rows: usize,
    after: Option<InventoryPlace>,
    is_last: bool,
    size_bytes: u64,
    digest: Md5,
    told: Arc<Mutex<Option<Told>>>,
}

impl Filling {
    /// The next piece; nothing at the end. Blocks.
    fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let internal =
            |error: &dyn std::fmt::Display| BodyError { kind: BodyErrorKind::Internal, reason: error.to_string() };
        while let Some(mut encoder) = self.encoder.take() {
            let count_max = self.options.page_rows.min(self.options.file_rows_max.saturating_sub(self.rows));
            let page = self.source.page(&self.run, &self.columns, self.after.as_ref(), count_max);
            let page = page.map_err(|error| internal(&error))?;
            self.rows += page.rows.len();
            (self.after, self.is_last) = (page.after, page.is_last);
            encoder.push(&page.rows).map_err(|error| internal(&error))?;
            let ends = self.is_last || self.rows >= self.options.file_rows_max;
            let piece = match ends {
                true => encoder.finish().map_err(|error| internal(&error))?,
                false => {
                    let piece = encoder.take();
                    self.encoder = Some(encoder);
                    piece
                }
            };
            self.size_bytes += piece.len() as u64;
            self.digest.update(&piece);
            if ends {
                *self.told.lock() = Some(Told {
                    size_bytes: self.size_bytes,
                    md5: std::mem::take(&mut self.digest).finalize().into(),
                    after: self.after.clone(),
                    is_last: self.is_last,
                });
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    fn body(self) -> Body<'static> {
        futures::stream::unfold(Some(self), |filling| async {
            let mut filling = filling?;
            let step = tokio::task::spawn_blocking(move || {
                let piece = filling.next();
                (filling, piece)
            });
            match step.await {
                Ok((filling, Ok(Some(piece)))) => Some((Ok(piece), Some(filling))),
                Ok((_, Ok(None))) => None,
                Ok((_, Err(error))) => Some((Err(error), None)),
                Err(_) => {
                    let reason = "the server is stopping".to_owned();
                    Some((Err(BodyError { kind: BodyErrorKind::Internal, reason }), None))
                }
            }
        })
        .boxed()
    }
}

/// Whether it is the lake's own trouble, which passes, and not the destination's, which is its owner's to end.
fn passes(error: &ObjectsError) -> bool {
    match error {
        ObjectsError::Store(StoreError::Overtaken { .. }) => false,
        ObjectsError::Store(_)
        | ObjectsError::Blob(_)
        | ObjectsError::Stopping
        | ObjectsError::Body(BodyError { kind: BodyErrorKind::Internal, .. }) => true,
        _ => false,
    }
}

impl InventoryWorker {
    /// Lists what is in `objects`; `authorizer` says which buckets let lists in.
    pub fn new(
        objects: Objects,
        identity: Arc<Identity>,
        authorizer: Arc<dyn Authorizer>,
        runtime: Runtime,
        options: InventoryOptions,
    ) -> Self {
        let proof = Authorized::internal(INVENTORY_SERVICE, AccountId::first());
        Self { source: Source { objects, identity, proof }, authorizer, runtime, options, aside: Mutex::default() }
    }

    fn set_aside(&self, run: &InventoryRun) {
        let mut aside = self.aside.lock();
        let pause = aside.get(&run.id).map_or(self.options.aside, |(_, pause)| (*pause * 2).min(ASIDE_MAX));
        aside.insert(run.id, (Instant::now() + pause, pause));
    }

    /// The next step of the next list: one file, or the manifests. Tells whether there was any.
    pub async fn step(&self) -> Result<bool, ObjectsError> {
        let Source { objects, proof, .. } = &self.source;
        let now = Instant::now();
        let waiting = |(id, (until, _)): (&[u8; 16], &(Instant, Duration))| (*until > now).then_some(*id);
        let aside = self.aside.lock().iter().filter_map(waiting).collect();
        let Some(run) = objects.next_inventory_run(proof, &aside).await? else {
            // What may be gone on with and was not found is gone.
            self.aside.lock().retain(|_, (until, _)| *until > now);
            return Ok(false);
        };
        let done = match run.is_listed {
            false => self.next_file(run.clone()).await,
            true => self.finish(&run).await,
        };
        match done {
            Ok(()) => {
                self.aside.lock().remove(&run.id);
                Ok(true)
            }
            Err(error) if passes(&error) => {
                self.set_aside(&run);
                Err(error)
            }
            Err(error) => {
                let (bucket, id) = (&run.bucket, &run.configuration.id);
                tracing::info!(%error, %bucket, %id, "an inventory was given up: it is not wanted, or not taken");
                self.aside.lock().remove(&run.id);
                objects.end_inventory_run(proof, run).await?;
                Ok(true)
            }
        }
    }

    async fn next_file(&self, run: InventoryRun) -> Result<(), ObjectsError> {
        let Source { objects, proof, .. } = &self.source;
        let key = report::data_key(&run);
        // Before anything is listed: whoever does not let lists in costs nothing.
        let caller = self.wanted_caller(&run, &key)?;
        let (columns, shared) = (Column::of(&run.configuration), Arc::new(run.clone()));
        let source = self.source.clone();
        let looking = {
            let (source, columns, run) = (source.clone(), columns.clone(), shared.clone());
            tokio::task::spawn_blocking(move || source.page(&run, &columns, run.after.as_ref(), 1))
        };
        let first = looking.await.map_err(|_| ObjectsError::Stopping)?.map_err(|error| internal(&error))?;
        let mut run = run;
        if first.rows.is_empty() && first.is_last {
            run.is_listed = true;
            return objects.keep_inventory_run(proof, run).await.map(|_| ());
        }
        let format = run.configuration.destination.format;
        let told: Arc<Mutex<Option<Told>>> = Arc::default();
        let filling = Filling {
            source,
            encoder: Some(Encoder::new(format, columns.clone()).map_err(|error| internal(&error))?),
            after: run.after.clone(),
            run: shared,
            columns,
            options: self.options.clone(),
            rows: 0,
            is_last: false,
            size_bytes: 0,
            digest: Md5::new(),
            told: told.clone(),
        };
        let content_type = match format {
            InventoryFormat::Csv => "application/gzip",
            InventoryFormat::Orc => "application/vnd.apache.orc",
            InventoryFormat::Parquet => "application/vnd.apache.parquet",
        };
        self.put(&caller, &run, &key, content_type, filling.body()).await?;
        let Told { size_bytes, md5, after, is_last } = told.lock().take().unwrap_or_default();
        run.files.push(InventoryFile { key, size_bytes, md5 });
        (run.after, run.is_listed) = (after, is_last);
        objects.keep_inventory_run(proof, run).await.map(|_| ())
    }

    /// Puts the manifests; with the last one the list is forgotten.
    async fn finish(&self, run: &InventoryRun) -> Result<(), ObjectsError> {
        let manifest = report::manifest(run);
        let checksum = hex::encode(Md5::digest(&manifest));
        for (key, text) in [
            (report::symlink_key(run), report::symlink(run)),
            (report::manifest_key(run, "manifest.checksum"), checksum),
        ] {
            self.put(&self.wanted_caller(run, &key)?, run, &key, "text/plain", body_of(text)).await?;
        }
        let (key, ended) = (report::manifest_key(run, "manifest.json"), run.clone());
        let caller = self.caller(run, &key)?.beside(move |tx| ended.finish(tx));
        self.put(&caller, run, &key, "application/json", body_of(manifest)).await
    }

    /// As `caller`, whose put is refused where the list is not wanted any more by then.
    fn wanted_caller(&self, run: &InventoryRun, key: &str) -> Result<Caller, ObjectsError> {
        let wanted = run.clone();
        Ok(self.caller(run, key)?.beside(move |tx| wanted.require_wanted(tx)))
    }

    /// The service as the destination sees it, if it is let in.
    fn caller(&self, run: &InventoryRun, key: &str) -> Result<Caller, ObjectsError> {
        let destination = &run.configuration.destination;
        let owner = self.source.objects.bucket_owner(&destination.bucket)?;
        let Some(owner) = owner else {
            return Err(ObjectsError::NoSuchBucket { bucket: destination.bucket.to_string() });
        };
        if destination.account.as_ref().is_some_and(|account| *account != owner) {
            return Err(ObjectsError::InvalidRequest {
                reason: format!("the bucket `{}` is not the account's that the inventory names", destination.bucket),
            });
        }
        let by = DeliveringService::of_bucket(INVENTORY_SERVICE, &run.bucket, &run.owner, &run.region);
        let delivery = Delivery { by, target: &destination.bucket, key };
        let mut needs = delivery.requirement().with("s3:x-amz-acl", "bucket-owner-full-control");
        match &destination.encryption {
            None => {}
            Some(InventoryEncryption::Lake) => needs.context.set("s3:x-amz-server-side-encryption", "AES256"),
            Some(InventoryEncryption::Kms { key }) => {
                needs.context.set("s3:x-amz-server-side-encryption", "aws:kms");
                needs.context.set("s3:x-amz-server-side-encryption-aws-kms-key-id", key.as_str());
            }
        }
        self.source.objects.delivery_caller(&self.authorizer, &delivery, needs)
    }

    async fn put(
        &self,
        caller: &Caller,
        run: &InventoryRun,
        key: &str,
        content_type: &str,
        body: Body<'_>,
    ) -> Result<(), ObjectsError> {
        let destination = &run.configuration.destination;
        let encryption = match &destination.encryption {
            None => EncryptionRequest::default(),
            Some(InventoryEncryption::Lake) => EncryptionRequest::Lake,
            Some(InventoryEncryption::Kms { key }) => {
                EncryptionRequest::Kms { key: Some(key.clone()), context: Default::default(), bucket_key: None }
            }
        };
        let request = PutObject {
            metadata: ObjectMetadata::of_type(content_type),
            encryption,
            acl: AclRequest::Canned(CannedAcl::BucketOwnerFullControl),
            ..PutObject::new(destination.bucket.clone(), ObjectKey::new(key)?)
        };
        self.source.objects.put_object(caller, request, body).await.map(|_| ())
    }

    /// How long until a list that was set aside is looked at again.
    fn until_back(&self) -> Duration {
        let first = self.aside.lock().values().map(|(until, _)| *until).min();
        first.map_or(WAIT_MAX, |until| until.saturating_duration_since(Instant::now()).min(WAIT_MAX))
    }

    /// How long until the next list is due.
    fn until_due(&self) -> Duration {
        let Source { objects, proof, .. } = &self.source;
        match objects.next_inventory_ms(proof) {
            Ok(Some(due_ms)) => {
                let ms = due_ms.saturating_sub(self.runtime.now().as_millisecond());
                Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(WAIT_MAX)
            }
            Ok(None) | Err(_) => WAIT_MAX,
        }
    }
}

/// The lake's own trouble, which passes.
fn internal(error: &dyn std::fmt::Display) -> ObjectsError {
    ObjectsError::Body(BodyError { kind: BodyErrorKind::Internal, reason: error.to_string() })
}

impl Worker for InventoryWorker {
    fn name(&self) -> String {
        "inventory".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.step().await {
                Ok(true) => WorkerOutcome::Busy,
                Ok(false) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            tokio::select! {
                () = tokio::time::sleep(self.until_due().min(self.until_back())) => {}
                () = self.source.objects.inventories_changed() => {}
            }
        }
        .boxed()
    }
}
