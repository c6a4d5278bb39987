//! A whole lake out of its parts: opens a data directory, wires every crate to the others, and closes it again.
//! To add a part: a field, its line in `Lake::open`, its service in `services`, its workers in `start_workers`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tarn_audit::{AuditError, AuditLog, AuditWriter, Caller, EventDraft, Retention};
use tarn_blobs::{BlobError, BlobStore, LocalBlobs, LocalOptions, Volumes};
use tarn_catalog::Catalog;
use tarn_crawlers::Crawlers;
use tarn_disk::{Disk, DiskLock, LocalDisk};
use tarn_formation::{Formation, FormationAuthorizer};
use tarn_gateway::{Gate, GateParts, Gateway, GatewayParts, Limits, Metrics, RefusalSummaries, TrustedProxies};
use tarn_identity::{AccountConfig, CredentialsConfig, Identity, IdentityError, Secret, UserConfig};
use tarn_inventory::{InventoryOptions, InventoryWorker};
use tarn_jobs::{Jobs, JobsOptions};
use tarn_keys::kms::Kms;
use tarn_keys::{Custody, Keys, KeysError};
use tarn_metadata::{EmbeddedOptions, EmbeddedStore, Store, StoreError};
use tarn_objects::{EventSink, Objects, ObjectsOptions, RemoteBuckets};
use tarn_operation::Service;
use tarn_policy::{
    Authorized, Authorizer, BoundAuthorizer, Context, LakeAuthorizer, Principal, ResourcePolicies, ServiceRoles,
};
use tarn_query::queries::{Queries, WorkGroupTags};
use tarn_query::{ObjectSelector, QueryError};
use tarn_runtime::{EntropyExt, Runtime, Shutdown, Workers};
use tarn_service_s3::{S3Api, S3Options};
use tarn_streams::{DeliveryWorker, StreamTags, Streams, StreamsError, StreamsOptions};
use tarn_trails::{Trails, TrailsOptions, TrailsParts};
use tarn_types::{AccountId, Region, Scope};

use crate::config::{AccountSetting, Tables};
use crate::doorkeeper::{IdentityCredentials, RecordedCalls, SealedDenials};
use crate::events::{EventTargets, Webhooks};
use crate::issuers::OidcIssuers;
use crate::orphans::OrphanSweep;
use crate::remote_buckets::ReplicationTargets;
use crate::root_credentials::{RootCredentials, RootCredentialsError};
use crate::s3::{Doorkeeper, S3Door};
use crate::storage::StoredObjects;
use crate::volumes::{OpenVolumes, VolumeError};
use crate::{duty_roles, metrics, organization, sql, volumes, zones};

/// Every archive container is read through this often, so that rot is found while parity still repairs it.
const SCRUB_EVERY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How fast: a drive stays free for requests.
const SCRUB_BYTES_PER_SECOND_MAX: u64 = 32 << 20;

/// What a lake is opened with.
pub struct LakeOptions {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Who keeps the root key.
    pub custody: Custody,
    /// The first account.
    pub account_id: AccountId,
    /// The region served.
    pub region: Region,
    /// More accounts, volumes, and what buckets are connected to.
    pub tables: Tables,
    /// The first account's root key, if somebody chose it.
    pub root: Option<RootCredentials>,
    /// Whether a new lake gets its zones.
    pub zones: bool,
    /// How often access logs of buckets are delivered.
    pub access_log_interval: Duration,
    /// Whether lines of access logs end with the source region.
    pub access_log_source_region: bool,
    /// What of trails may be set differently.
    pub trails: TrailsOptions,
    /// How long a day of lifecycle rules, restored copies and keys lasts, where it is not a day.
    pub day: Option<Duration>,
    /// What of buckets and objects may be set differently.
    pub objects: ObjectsOptions,
    /// The gateway's limits.
    pub limits: Limits,
    /// Time and randomness.
    pub runtime: Runtime,
}

/// Why a lake does not open or close.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The directory cannot be used.
    #[error("the data directory {path} cannot be used: {source}")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The records cannot be read.
    #[error("the lake's records: {source}")]
    Store {
        /// Why.
        source: StoreError,
    },
    /// The bytes cannot be read.
    #[error("the lake's bytes: {source}")]
    Blobs {
        /// Why.
        source: BlobError,
    },
    /// A volume that storage classes are mapped to.
    #[error(transparent)]
    Volumes(#[from] VolumeError),
    /// What an earlier run took for delivery cannot be read.
    #[error("the lake's delivery streams: {source}")]
    Streams {
        /// Why.
        source: StreamsError,
    },
    /// The lake's key is not there.
    #[error("the lake's keys: {source}")]
    Keys {
        /// Why.
        source: KeysError,
    },
    /// The accounts cannot be made as configured.
    #[error("the lake's accounts: {source}")]
    Identity {
        /// Why.
        source: IdentityError,
    },
    /// The audit's settings cannot be read, or its last events not written.
    #[error("the lake's audit: {source}")]
    Audit {
        /// Why.
        source: AuditError,
    },
    /// The SQL engine cannot be made.
    #[error("the lake's queries: {source}")]
    Queries {
        /// Why.
        source: QueryError,
    },
    /// Root has no access key.
    #[error("root's access key: {source}")]
    Root {
        /// Why.
        source: RootCredentialsError,
    },
    /// An account is configured in half.
    #[error("the account {account}: {reason}")]
    Account {
        /// Which.
        account: String,
        /// What is missing.
        reason: String,
    },
    /// A policy of the organisation cannot be used.
    #[error("the organization's policies: {reason}")]
    Organization {
        /// Which, and why.
        reason: String,
    },
    /// A zone could not be made.
    #[error("the zone {name} cannot be made: {reason}")]
    Zone {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// A role of a duty could not be made.
    #[error("the role {name} cannot be made: {source}")]
    Role {
        /// Which.
        name: &'static str,
        /// Why.
        source: IdentityError,
    },
    /// Other servers cannot be called.
    #[error("the client for other servers: {reason}")]
    Client {
        /// Why.
        reason: String,
    },
    /// A thread ended in a defect.
    #[error("{doing} ended in a defect; see the log")]
    Defect {
        /// What it did.
        doing: &'static str,
    },
}

/// What a start found and made.
#[derive(Debug, Clone)]
pub struct FirstStart {
    /// Root's access key.
    pub root: RootCredentials,
}

/// An open lake.
pub struct Lake {
    /// Time and randomness.
    pub runtime: Runtime,
    /// Records.
    pub store: Arc<EmbeddedStore>,
    /// Bytes.
    pub blobs: LocalBlobs,
    /// Accounts, users and their keys.
    pub identity: Arc<Identity>,
    /// Refusals and reads; read all events with `tarn_audit::search`.
    pub audit: Arc<AuditLog>,
    /// Trails.
    pub trails: Trails,
    /// Buckets and objects.
    pub objects: Objects,
    /// Databases and tables.
    pub catalog: Catalog,
    /// What reads S3 and writes tables.
    pub crawlers: Crawlers,
    /// Delivery streams.
    pub streams: Arc<Streams>,
    /// Batch Operations.
    pub jobs: Jobs,
    /// Executions, workgroups and saved statements.
    pub queries: Queries,
    /// Decides.
    pub authorizer: Arc<dyn Authorizer>,
    /// The way in.
    pub gateway: Gateway,
    /// Set if this was the lake's first start.
    pub first_start: Option<FirstStart>,
    workers: Workers,
    shutdown: Shutdown,
    is_ready: Arc<AtomicBool>,
    _lock: DiskLock,
}

/// The lake acting for its first account at the start: the only caller that no policy is asked about.
pub(crate) struct Steward {
    pub(crate) scope: Scope,
    authorizer: Arc<dyn Authorizer>,
    runtime: Runtime,
}

impl Steward {
    /// A caller for one change.
    pub(crate) fn caller(&self, event_source: &'static str, event_name: &str) -> Caller {
        let account = &self.scope.account;
        let principal = Principal::service(account.clone(), "tarn");
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: event_source.to_owned(),
            event_name: event_name.to_owned(),
            read_only: false,
            management: true,
            scope: self.scope.clone(),
            principal: principal.clone(),
            source_ip: "tarn".to_owned(),
            user_agent: "tarn".to_owned(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        let bound = BoundAuthorizer::new(self.authorizer.clone(), principal, Context::new());
        Caller::new(Authorized::internal("tarn", account.clone()), bound, draft)
    }
}

/// Opens what blocks on the disk without blocking the runtime.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    open: impl FnOnce() -> Result<T, LakeError> + Send + 'static,
) -> Result<T, LakeError> {
    tokio::task::spawn_blocking(open).await.map_err(|_| LakeError::Defect { doing })?
}

async fn open_blobs(disk: Arc<dyn Disk>, runtime: &Runtime) -> Result<LocalBlobs, LakeError> {
    let runtime = runtime.clone();
    let open =
        move || LocalBlobs::open(disk, LocalOptions::default(), runtime).map_err(|source| LakeError::Blobs { source });
    blocking("opening the bytes", open).await
}

impl Lake {
    /// Opens the lake in `options.data_dir`, or makes it.
    pub async fn open(options: LakeOptions) -> Result<Self, LakeError> {
        let LakeOptions {
            data_dir,
            custody,
            account_id,
            region,
            tables,
            root,
            zones,
            access_log_interval,
            access_log_source_region,
            trails,
            day,
            objects,
            limits,
            runtime,
        } = options;
        let Tables {
            accounts,
            volumes,
            storage_classes,
            queues,
            event_rules,
            replication_targets,
            // The listener's.
            tls: _,
            // It says who `custody` is.
            root_key: _,
            domains,
            trusted_proxies,
            identity,
            organization,
        } = tables;

        let organization = organization::read(&organization, &accounts, &account_id)
            .map_err(|reason| LakeError::Organization { reason })?
            .map(Arc::new);

        // The directory, for this process alone.
        let path = data_dir.display().to_string();
        let unusable = |source| LakeError::Directory { path: path.clone(), source };
        let lock = LocalDisk::new(&data_dir).and_then(|disk| disk.lock()).map_err(unusable)?;
        let folder = |name: &str| -> Result<Arc<dyn Disk>, LakeError> {
            Ok(Arc::new(LocalDisk::new(data_dir.join(name)).map_err(unusable)?))
        };

        // Records, bytes, keys.
        let (disk, opening) = (folder("metadata")?, runtime.clone());
        let store = blocking("opening the records", move || {
            EmbeddedStore::open(disk, EmbeddedOptions::default(), &opening)
                .map_err(|source| LakeError::Store { source })
        })
        .await?;
        let store = Arc::new(store);
        let records: Arc<dyn Store> = store.clone();
        let blobs = open_blobs(folder("blobs")?, &runtime).await?;
        let keys = Keys::open_or_create_by(&custody, &data_dir.join("keys"), &*records, &runtime)
            .await
            .map_err(|source| LakeError::Keys { source })?;
        let keys = Arc::new(keys);

        // What is done and refused is on record.
        let scope = Scope { account: account_id.clone(), region: region.clone() };
        let audit =
            AuditLog::open(records.clone(), runtime.clone(), scope).map_err(|source| LakeError::Audit { source })?;
        let audit = Arc::new(audit);

        // The domain.
        let issuers = Arc::new(OidcIssuers::new(identity.oidc_issuers_allowed));
        let identity = Identity::new(records.clone(), Keys::clone(&keys), runtime.clone()).with_issuers(issuers);
        let identity = Arc::new(identity);
        let volumes = volumes::open(&volumes, &*records, &runtime).await?;
        let mut objects_options = objects;
        objects_options.class_volumes = volumes.classes(&storage_classes)?;
        objects_options.organization = organization.clone();
        objects_options.entity_ids = Some(identity.clone());
        let OpenVolumes { engines, local: local_volumes, .. } = volumes;
        let bytes: Arc<dyn BlobStore> = match engines.is_empty() {
            true => Arc::new(blobs.clone()),
            false => Arc::new(Volumes::new(Arc::new(blobs.clone()), engines)),
        };
        if let Some(day) = day {
            objects_options.day_ms = i64::try_from(day.as_millis()).unwrap_or(objects_options.day_ms);
        }
        let objects = Objects::new(records.clone(), bytes.clone(), keys.clone(), runtime.clone(), objects_options);
        let catalog = Catalog::new(records.clone(), runtime.clone());
        let formation =
            Formation::new(records.clone(), catalog.clone(), runtime.clone(), Arc::new(tarn_query::check_row_filter));
        catalog.guard_with(Arc::new(formation.clone()));
        let crawlers = Crawlers::new(records.clone(), catalog.clone(), objects.clone(), runtime.clone());
        let resource_policies: Vec<Arc<dyn ResourcePolicies>> = vec![
            Arc::new(objects.clone()),
            Arc::new(objects.kms().clone()),
            identity.clone(),
            Arc::new(crawlers.clone()),
            Arc::new(WorkGroupTags(records.clone())),
            Arc::new(StreamTags(records.clone())),
        ];
        let policies = LakeAuthorizer::new(identity.clone(), resource_policies);
        let policies = Arc::new(match organization {
            Some(organization) => policies.with_organization(organization),
            None => policies,
        });
        let authorizer: Arc<dyn Authorizer> = Arc::new(FormationAuthorizer::new(policies.clone(), formation.clone()));
        let roles = ServiceRoles::new(tarn_formation::SERVICE, authorizer.clone(), identity.clone());
        let (folder_of_spills, records_of_queries) = (data_dir.clone(), records.clone());
        let (read, described, granted, events, opening) =
            (objects.clone(), catalog.clone(), formation.clone(), audit.clone(), runtime.clone());
        let queries = blocking("opening the queries", move || {
            sql::open(&folder_of_spills, records_of_queries, read, described, granted, events, roles, opening)
                .map_err(|source| LakeError::Queries { source })
        })
        .await?;
        // Records on their way have bytes of their own, so that the sweeps of both stay simple.
        let streams = Streams::open(
            records.clone(),
            Arc::new(open_blobs(folder("streams")?, &runtime).await?),
            keys.clone(),
            Arc::new(objects.clone()),
            Arc::new(catalog.clone()),
            authorizer.clone(),
            runtime.clone(),
            StreamsOptions::default(),
        );
        let streams = Arc::new(streams.await.map_err(|source| LakeError::Streams { source })?);

        let jobs = Jobs::new(
            records.clone(),
            objects.clone(),
            identity.clone(),
            authorizer.clone(),
            runtime.clone(),
            JobsOptions::default(),
        );

        // Accounts. They are made last, so that a first start that was cut short is a first start again.
        let is_first_start = identity.accounts().map_err(|source| LakeError::Identity { source })?.is_empty();
        if is_first_start && zones {
            let scope = Scope { account: account_id.clone(), region: region.clone() };
            let steward = Steward { scope, authorizer: authorizer.clone(), runtime: runtime.clone() };
            zones::make(&objects, &catalog, &steward).await?;
            duty_roles::make(&identity, &steward).await?;
        }
        let root = match root {
            Some(root) => Some(root),
            None if is_first_start => {
                Some(RootCredentials::make(&data_dir, &*runtime.entropy).map_err(|source| LakeError::Root { source })?)
            }
            None => None,
        };
        let configs = account_configs(&account_id, accounts, root.as_ref())?;
        identity.bootstrap(&region, configs).await.map_err(|source| LakeError::Identity { source })?;
        let first_start = root.filter(|_| is_first_start).map(|root| FirstStart { root });

        let trails = Trails::new(TrailsParts {
            store: records.clone(),
            audit: audit.clone(),
            keys,
            objects: objects.clone(),
            authorizer: authorizer.clone(),
            runtime: runtime.clone(),
            region: region.clone(),
            options: trails,
        });

        let log_region = region.clone();
        let remote_buckets = ReplicationTargets::new(replication_targets, runtime.clone());
        let remote_buckets: Arc<dyn RemoteBuckets> =
            Arc::new(remote_buckets.map_err(|reason| LakeError::Client { reason })?);
        let events: Arc<dyn EventSink> = Arc::new(EventTargets {
            streams: streams.clone(),
            identity: identity.clone(),
            authorizer: authorizer.clone(),
            runtime: runtime.clone(),
            region: region.clone(),
            queues,
            rules: event_rules,
            webhooks: Webhooks::default(),
        });

        // The way in.
        let gate = Arc::new(Gate::new(GateParts {
            credentials: Arc::new(IdentityCredentials(identity.clone())),
            authorizer: authorizer.clone(),
            audit: Arc::new(RecordedCalls(audit.clone())),
            runtime: runtime.clone(),
            region,
            signature_failures_count_max: limits.signature_failures_count_max,
            refusal_records_count_max: limits.refusal_records_count_max,
            messages: Arc::new(SealedDenials { identity: identity.clone(), policies }),
        }));
        let doorkeeper = Doorkeeper { gate: gate.clone(), identity: identity.clone() };
        let selector = ObjectSelector::new(objects.clone(), runtime.clone());
        let s3_options = S3Options {
            region: gate.region().clone(),
            selector: Some(Arc::new(selector)),
            events: Some(events.clone()),
            remote_buckets: Some(remote_buckets.clone()),
            domains,
            access_log_source_region,
            ..S3Options::default()
        };
        let s3 = S3Door(Arc::new(S3Api::new(objects.clone(), Arc::new(doorkeeper), s3_options)));
        let is_ready = Arc::new(AtomicBool::new(true));
        let ready = is_ready.clone();
        let metrics = Metrics::default();
        metrics::register(&metrics, store.clone(), blobs.clone());
        let gateway = Gateway::new(GatewayParts {
            gate,
            services: services(
                &identity,
                objects.kms(),
                &audit,
                &trails,
                &objects,
                &jobs,
                &catalog,
                &formation,
                &crawlers,
                &streams,
                &queries,
            ),
            s3: Some(Arc::new(s3)),
            storage: Arc::new(StoredObjects(objects.clone())),
            metrics,
            limits,
            trusted_proxies: TrustedProxies(trusted_proxies),
            is_ready: Arc::new(move || ready.load(Ordering::Acquire)),
        });

        let shutdown = Shutdown::new();
        let workers = Workers::new(shutdown.clone());
        let lake = Self {
            runtime,
            store,
            blobs,
            identity,
            audit,
            trails,
            objects,
            catalog,
            crawlers,
            streams,
            jobs,
            queries,
            authorizer,
            gateway,
            first_start,
            workers,
            shutdown,
            is_ready,
            _lock: lock,
        };
        lake.start_workers();
        for blobs in &local_volumes {
            lake.workers.spawn(Arc::new(blobs.archive_scrubber(SCRUB_EVERY, SCRUB_BYTES_PER_SECOND_MAX)));
        }
        let logs = lake.objects.log_delivery(lake.authorizer.clone(), log_region, access_log_interval);
        lake.workers.spawn(Arc::new(logs));
        let (objects, identity) = (lake.objects.clone(), lake.identity.clone());
        let (authorizer, runtime) = (lake.authorizer.clone(), lake.runtime.clone());
        let inventories = InventoryWorker::new(objects, identity, authorizer, runtime, InventoryOptions::default());
        lake.workers.spawn(Arc::new(inventories));
        for lane in lake.objects.event_delivery(events) {
            lake.workers.spawn(Arc::new(lane));
        }
        for lane in lake.objects.replicators(lake.authorizer.clone(), lake.identity.clone(), remote_buckets) {
            lake.workers.spawn(Arc::new(lane));
        }
        Ok(lake)
    }

    /// What goes on in the background for as long as the lake is open.
    fn start_workers(&self) {
        self.workers.spawn(Arc::new(self.objects.collector()));
        self.workers.spawn(Arc::new(self.objects.compactor()));
        self.workers.spawn(Arc::new(self.objects.kms().upkeep()));
        self.workers.spawn(Arc::new(self.objects.lifecycle_worker()));
        self.workers.spawn(Arc::new(self.objects.tiering_worker()));
        for worker in self.objects.restore_workers() {
            self.workers.spawn(worker);
        }
        self.workers.spawn(Arc::new(self.blobs.archive_scrubber(SCRUB_EVERY, SCRUB_BYTES_PER_SECOND_MAX)));
        self.workers.spawn(Arc::new(OrphanSweep::new(self.objects.clone())));
        self.workers.spawn(self.catalog.purge_worker());
        self.workers.spawn(self.queries.keeper());
        self.workers.spawn(Arc::new(DeliveryWorker::new(self.streams.clone())));
        for worker in self.jobs.workers() {
            self.workers.spawn(worker);
        }
        for worker in self.crawlers.workers(&self.shutdown) {
            self.workers.spawn(worker);
        }
        self.workers.spawn(self.identity.last_use_writer());
        self.workers.spawn(Arc::new(RefusalSummaries(self.gateway.gate().clone())));
        self.workers.spawn(Arc::new(AuditWriter::new(self.audit.clone())));
        self.workers.spawn(Arc::new(self.trails.worker()));
        self.workers.spawn(Arc::new(Retention::new(self.audit.clone(), self.runtime.clone())));
    }

    /// Ends the background work and brings the disk up to date. Call when no request comes any more.
    pub async fn close(self) -> Result<(), LakeError> {
        self.is_ready.store(false, Ordering::Release);
        self.shutdown.begin();
        self.workers.ended().await;
        if let Err(error) = self.objects.flush_access_lines().await {
            tracing::error!(%error, "the last lines of access logs were not written");
        }
        self.gateway.gate().summarize_refusals();
        let flushed = self.audit.flush().await.map_err(|source| LakeError::Audit { source });
        let noted = self.identity.write_last_uses().await.map_err(|source| LakeError::Identity { source });
        let store = self.store.clone();
        blocking("closing the records", move || store.close().map_err(|source| LakeError::Store { source })).await?;
        flushed.and(noted)
    }
}

/// The services of the table kind.
fn services(
    identity: &Arc<Identity>,
    kms: &Kms,
    audit: &Arc<AuditLog>,
    trails: &Trails,
    objects: &Objects,
    jobs: &Jobs,
    catalog: &Catalog,
    formation: &Formation,
    crawlers: &Crawlers,
    streams: &Arc<Streams>,
    queries: &Queries,
) -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(tarn_service_iam::service(identity.clone())),
        Arc::new(tarn_service_sts::service(identity.clone())),
        Arc::new(tarn_service_kms::service(kms.clone())),
        Arc::new(tarn_service_cloudtrail::service(audit.clone(), trails.clone())),
        Arc::new(tarn_service_s3control::service(objects.clone(), jobs.clone(), identity.clone())),
        Arc::new(tarn_service_glue::service(catalog.clone(), crawlers.clone())),
        Arc::new(tarn_service_lakeformation::service(formation.clone(), identity.clone())),
        Arc::new(tarn_service_firehose::service(streams.clone())),
        Arc::new(tarn_service_athena::service(queries.clone(), Arc::new(catalog.clone()))),
    ]
}

/// The first account and the configured ones, as identity makes them.
fn account_configs(
    first: &AccountId,
    settings: Vec<AccountSetting>,
    root: Option<&RootCredentials>,
) -> Result<Vec<AccountConfig>, LakeError> {
    let mut configs = vec![AccountConfig {
        id: first.clone(),
        name: "lake".to_owned(),
        email: "root@localhost".to_owned(),
        canonical_user_id: None,
        root: root.map(|root| root.credentials.clone()),
        users: Vec::new(),
    }];
    for setting in settings {
        let AccountSetting {
            id,
            name,
            email,
            canonical_user_id,
            root_access_key_id,
            root_secret_access_key,
            users,
            // The policies' own.
            organization: _,
        } = setting;
        let refused = |reason: &str| LakeError::Account { account: id.to_string(), reason: reason.to_owned() };
        let root = match (root_access_key_id, root_secret_access_key) {
            (Some(id), Some(secret)) => {
                Some(CredentialsConfig { access_key_id: id, secret_access_key: Secret::new(secret) })
            }
            (None, None) => None,
            (Some(_), None) => return Err(refused("root_secret_access_key is missing")),
            (None, Some(_)) => return Err(refused("root_access_key_id is missing")),
        };
        let users = users
            .into_iter()
            .map(|user| UserConfig {
                name: user.name,
                credentials: CredentialsConfig {
                    access_key_id: user.access_key_id,
                    secret_access_key: Secret::new(user.secret_access_key),
                },
            })
            .collect();
        let config = AccountConfig {
            name: name.unwrap_or_else(|| format!("account {id}")),
            email: email.unwrap_or_else(|| format!("{id}@localhost")),
            id: id.clone(),
            canonical_user_id,
            root,
            users,
        };
        match configs.iter_mut().find(|other| other.id == id) {
            // The first account may be described in the file too; root's key of the environment wins.
            Some(first_config) if id == *first => {
                let root = first_config.root.take().or(config.root.clone());
                *first_config = AccountConfig { root, ..config };
            }
            Some(_) => return Err(refused("it stands in [[accounts]] twice")),
            None => configs.push(config),
        }
    }
    Ok(configs)
}
