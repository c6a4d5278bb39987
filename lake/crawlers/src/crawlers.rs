//! Definitions of crawlers and their state. Knows no crawl but the last.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use globset::{Glob, GlobBuilder};
use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_catalog::{EntityName, S3Location};
use tarn_metadata::{Key, Read, Record, Tx};
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Arn, Scope};

use crate::worker::Queued;
use crate::{
    CRAWLERS, CRAWLERS_MAX, CRAWLS, Configuration, Crawl, CrawlState, CrawlSummary, CrawlerId, Crawlers, CrawlersError,
    EXCLUSIONS_MAX, SAMPLE_FILES_MAX, Schedule, TARGETS_MAX,
};

/// The longest name, characters.
const NAME_CHARACTERS_MAX: usize = 255;
/// The longest prefix of table names, characters.
const TABLE_PREFIX_CHARACTERS_MAX: usize = 128;
/// The most tags.
const TAGS_MAX: usize = 50;

/// A place to crawl.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct S3Target {
    /// `s3://bucket/prefix`
    pub path: String,
    /// Globs below the path that are left out.
    pub exclusions: Vec<String>,
    /// How many files of each folder are looked at; all (up to a limit) without it.
    pub sample_size: Option<u32>,
}

/// What a crawler does with a table whose schema has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum UpdateBehavior {
    /// Says so.
    Log,
    /// Changes the table.
    #[default]
    UpdateInDatabase,
}

/// What a crawler does with a table whose data is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeleteBehavior {
    /// Says so.
    Log,
    /// Deletes the table.
    DeleteFromDatabase,
    /// Marks the table.
    #[default]
    DeprecateInDatabase,
}

/// What a caller says of a crawler.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CrawlerInput {
    /// As given: names of crawlers keep their case.
    pub name: String,
    /// An ARN or the name of a role. Recorded: whoever names it needs iam:PassRole.
    pub role: String,
    /// Where the tables go; made if it is not there.
    pub database_name: String,
    /// For people.
    pub description: Option<String>,
    /// At least one.
    pub s3_targets: Vec<S3Target>,
    /// `cron(...)`
    pub schedule: Option<String>,
    /// Put before the names of tables.
    pub table_prefix: Option<String>,
    /// For changed tables.
    pub update_behavior: UpdateBehavior,
    /// For tables whose data is gone.
    pub delete_behavior: DeleteBehavior,
    /// JSON.
    pub configuration: Option<String>,
}

/// Changes of a crawler; `None` leaves a thing as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CrawlerUpdate {
    /// New role.
    pub role: Option<String>,
    /// New database.
    pub database_name: Option<String>,
    /// New description; empty removes it.
    pub description: Option<String>,
    /// New targets.
    pub s3_targets: Option<Vec<S3Target>>,
    /// New schedule; empty removes it.
    pub schedule: Option<String>,
    /// New prefix.
    pub table_prefix: Option<String>,
    /// New behaviours.
    pub behaviors: Option<(UpdateBehavior, DeleteBehavior)>,
    /// New configuration.
    pub configuration: Option<String>,
}

/// What a crawler does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrawlerState {
    /// Nothing.
    Ready,
    /// It crawls, or is about to.
    Running,
    /// It was told to stop.
    Stopping,
}

/// A crawler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawler {
    pub(crate) id: CrawlerId,
    /// Whose and where.
    pub scope: Scope,
    /// What was said of it.
    pub definition: CrawlerInput,
    /// What it does.
    pub state: CrawlerState,
    /// Milliseconds since 1970.
    pub creation_time_ms: i64,
    /// Milliseconds since 1970.
    pub last_updated_ms: i64,
    /// Counts updates, from 1.
    pub version: u64,
    /// The crawl that ended last.
    pub last_crawl: Option<Crawl>,
    /// The crawl that runs.
    pub(crate) current_crawl: Option<(i64, CrawlerId)>,
    /// When it is to run by itself, milliseconds since 1970.
    pub(crate) next_run_ms: Option<i64>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Record for Crawler {
    const VERSION: u16 = 1;
}

impl Crawler {
    /// When the crawl began that runs, milliseconds since 1970.
    pub fn running_since_ms(&self) -> Option<i64> {
        self.current_crawl.map(|(start_time_ms, _)| start_time_ms)
    }
}

/// Crawlers in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrawlerPage {
    /// What was found.
    pub crawlers: Vec<Crawler>,
    /// Pass it as `after`, if there are more.
    pub next: Option<String>,
}

pub(crate) fn key(account: &AccountId, name: &str) -> Key {
    Key::new().text(account.as_str()).text(name)
}

/// A glob as Glue reads it: `*` stays within a folder, `**` does not.
/// <https://docs.aws.amazon.com/glue/latest/dg/define-crawler-choose-data-sources.html#crawler-data-stores-exclude>
pub(crate) fn exclusion(pattern: &str) -> Result<Glob, CrawlersError> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| CrawlersError::invalid(format!("The exclusion {pattern:?} is not a glob: {}", error.kind())))
}

fn check(input: &CrawlerInput) -> Result<Option<Schedule>, CrawlersError> {
    let invalid = |reason: String| CrawlersError::invalid(reason);
    let characters = input.name.chars().count();
    if characters == 0 || characters > NAME_CHARACTERS_MAX || input.name.chars().any(char::is_control) {
        return Err(invalid(format!(
            "A crawler's name has 1 to {NAME_CHARACTERS_MAX} characters, none of them a control character."
        )));
    }
    let role_name = input.role.rsplit('/').next().unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let is_arn = input.role.starts_with("arn:");
    let arn_fits = Arn::parse(&input.role).is_ok_and(|arn| arn.service == "iam" && arn.resource.starts_with("role/"));
    if role_name.is_empty() || !role_name.chars().all(legal) || (is_arn && !arn_fits) {
        return Err(invalid(format!("Role {:?} is neither the name nor the ARN of an IAM role.", input.role)));
    }
    if input.database_name.is_empty() {
        return Err(CrawlersError::invalid("A crawler needs a DatabaseName to put its tables into."));
    }
    EntityName::database(&input.database_name).map_err(|source| CrawlersError::Catalog { source })?;
    if input.table_prefix.as_deref().unwrap_or_default().chars().count() > TABLE_PREFIX_CHARACTERS_MAX {
        return Err(invalid(format!("TablePrefix has at most {TABLE_PREFIX_CHARACTERS_MAX} characters.")));
    }
    if input.s3_targets.is_empty() || input.s3_targets.len() > TARGETS_MAX {
        return Err(invalid(format!("A crawler has 1 to {TARGETS_MAX} S3 targets.")));
    }
    for target in &input.s3_targets {
        S3Location::parse(&target.path)
            .map_err(|error| invalid(format!("The path of a target is not usable: {error}.")))?;
        if target.exclusions.len() > EXCLUSIONS_MAX {
            return Err(CrawlersError::Limit { what: "Exclusions of a target", limit: EXCLUSIONS_MAX as u64 });
        }
        target.exclusions.iter().try_for_each(|pattern| exclusion(pattern).map(drop))?;
        if target.sample_size.is_some_and(|size| size == 0 || size > SAMPLE_FILES_MAX) {
            return Err(invalid(format!("SampleSize is 1 to {SAMPLE_FILES_MAX} files.")));
        }
    }
    Configuration::parse(input.configuration.as_deref())?;
    input.schedule.as_deref().map(Schedule::parse).transpose()
}

fn next_run(schedule: Option<&Schedule>, now_ms: i64) -> Option<i64> {
    let now = jiff::Timestamp::from_millisecond(now_ms).ok()?;
    schedule?.next(now).map(jiff::Timestamp::as_millisecond)
}

pub(crate) fn require(read: &impl Read, account: &AccountId, name: &str) -> Result<Crawler, CrawlersError> {
    read.get(CRAWLERS, &key(account, name))?.ok_or_else(|| CrawlersError::NotFound { name: name.to_owned() })
}

pub(crate) fn put(tx: &mut Tx<'_>, crawler: &Crawler) -> Result<(), CrawlersError> {
    Ok(tx.put(CRAWLERS, &key(&crawler.scope.account, &crawler.definition.name), crawler)?)
}

impl Crawlers {
    async fn commit<T: Send + 'static>(
        &self,
        caller: &Caller,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, CrawlersError> + Send + 'static,
    ) -> Result<T, CrawlersError> {
        caller.commit(&*self.store, change).await.map_err(CrawlersError::of_write)
    }

    /// Makes a crawler.
    pub async fn create_crawler(
        &self,
        caller: &Caller,
        input: CrawlerInput,
        tags: BTreeMap<String, String>,
    ) -> Result<(), CrawlersError> {
        let schedule = check(&input)?;
        if tags.len() > TAGS_MAX {
            return Err(CrawlersError::Limit { what: "Tags of a crawler", limit: TAGS_MAX as u64 });
        }
        let now_ms = self.now_ms();
        let crawler = Crawler {
            id: self.runtime.entropy.bytes(),
            scope: caller.scope().clone(),
            definition: input,
            state: CrawlerState::Ready,
            creation_time_ms: now_ms,
            last_updated_ms: now_ms,
            version: 1,
            last_crawl: None,
            current_crawl: None,
            next_run_ms: next_run(schedule.as_ref(), now_ms),
            tags,
        };
        self.commit(caller, move |tx| {
            let account = &crawler.scope.account;
            if tx.contains(CRAWLERS, &key(account, &crawler.definition.name))? {
                return Err(CrawlersError::Exists { name: crawler.definition.name.clone() });
            }
            if tx.prefix(CRAWLERS, &Key::new().text(account.as_str())).take(CRAWLERS_MAX).count() == CRAWLERS_MAX {
                return Err(CrawlersError::Limit { what: "Crawlers of an account", limit: CRAWLERS_MAX as u64 });
            }
            put(tx, &crawler)
        })
        .await?;
        self.shared.scheduled.notify_one();
        Ok(())
    }

    /// Changes a crawler that does not run.
    pub async fn update_crawler(
        &self,
        caller: &Caller,
        name: &str,
        update: CrawlerUpdate,
    ) -> Result<(), CrawlersError> {
        let (name, account, now_ms) = (name.to_owned(), caller.scope().account.clone(), self.now_ms());
        self.commit(caller, move |tx| {
            let mut crawler = require(tx, &account, &name)?;
            if crawler.state != CrawlerState::Ready {
                return Err(CrawlersError::Running { name });
            }
            let CrawlerUpdate {
                role,
                database_name,
                description,
                s3_targets,
                schedule,
                table_prefix,
                behaviors,
                configuration,
            } = update;
            let definition = &mut crawler.definition;
            definition.role = role.unwrap_or_else(|| definition.role.clone());
            definition.database_name = database_name.unwrap_or_else(|| definition.database_name.clone());
            definition.s3_targets = s3_targets.unwrap_or_else(|| definition.s3_targets.clone());
            let replaced =
                |new: Option<String>, old: &Option<String>| new.or_else(|| old.clone()).filter(|text| !text.is_empty());
            definition.description = replaced(description, &definition.description);
            definition.schedule = replaced(schedule, &definition.schedule);
            definition.table_prefix = replaced(table_prefix, &definition.table_prefix);
            definition.configuration = replaced(configuration, &definition.configuration);
            if let Some((update, delete)) = behaviors {
                definition.update_behavior = update;
                definition.delete_behavior = delete;
            }
            let schedule = check(definition)?;
            crawler.next_run_ms = next_run(schedule.as_ref(), now_ms);
            crawler.last_updated_ms = now_ms;
            crawler.version += 1;
            put(tx, &crawler)
        })
        .await?;
        self.shared.scheduled.notify_one();
        Ok(())
    }

    /// Adds tags to a crawler, and removes others.
    pub async fn tag_crawler(
        &self,
        caller: &Caller,
        name: &str,
        add: BTreeMap<String, String>,
        remove: Vec<String>,
    ) -> Result<(), CrawlersError> {
        let (name, account) = (name.to_owned(), caller.scope().account.clone());
        self.commit(caller, move |tx| {
            let mut crawler = require(tx, &account, &name)?;
            crawler.tags.extend(add);
            crawler.tags.retain(|key, _| !remove.contains(key));
            if crawler.tags.len() > TAGS_MAX {
                return Err(CrawlersError::Limit { what: "Tags of a crawler", limit: TAGS_MAX as u64 });
            }
            put(tx, &crawler)
        })
        .await
    }

    /// Deletes a crawler that does not run, with its history. Its tables stay.
    pub async fn delete_crawler(&self, caller: &Caller, name: &str) -> Result<(), CrawlersError> {
        let (name, account) = (name.to_owned(), caller.scope().account.clone());
        self.commit(caller, move |tx| {
            let crawler = require(tx, &account, &name)?;
            if crawler.state != CrawlerState::Ready {
                return Err(CrawlersError::Running { name });
            }
            let crawls = tx.prefix(CRAWLS, &Key::new().raw(&crawler.id)).collect::<Result<Vec<_>, _>>()?;
            for (crawl, _) in crawls {
                tx.delete(CRAWLS, &crawl)?;
            }
            Ok(tx.delete(CRAWLERS, &key(&account, &name))?)
        })
        .await
    }

    /// Starts a crawl; it runs in the background.
    pub async fn start_crawler(&self, caller: &Caller, name: &str) -> Result<(), CrawlersError> {
        let crawler = require(&self.snapshot()?, &caller.scope().account, name)?;
        self.start(caller, crawler).await
    }

    /// The flag is there before the row: whoever looks for crawls without a process must not find this one.
    pub(crate) async fn start(&self, caller: &Caller, found: Crawler) -> Result<(), CrawlersError> {
        let name = found.definition.name.clone();
        let stop = Arc::new(AtomicBool::new(false));
        match self.shared.live.lock().entry(found.id) {
            std::collections::hash_map::Entry::Occupied(_) => return Err(CrawlersError::Running { name }),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(stop.clone());
            }
        }
        let (id, account, now_ms) = (found.id, found.scope.account, self.now_ms());
        let crawl_id: CrawlerId = self.runtime.entropy.uuid().into_bytes();
        let started = self
            .commit(caller, move |tx| {
                let mut crawler = require(tx, &account, &name)?;
                match crawler.state {
                    CrawlerState::Ready if crawler.id == id => {}
                    CrawlerState::Ready | CrawlerState::Running => return Err(CrawlersError::Running { name }),
                    CrawlerState::Stopping => return Err(CrawlersError::Stopping { name }),
                }
                let schedule = crawler.definition.schedule.as_deref().map(Schedule::parse).transpose()?;
                crawler.state = CrawlerState::Running;
                crawler.current_crawl = Some((now_ms, crawl_id));
                crawler.next_run_ms = next_run(schedule.as_ref(), now_ms);
                put(tx, &crawler)?;
                let crawl = Crawl {
                    id: crawl_id,
                    state: CrawlState::Running,
                    start_time_ms: now_ms,
                    end_time_ms: None,
                    messages: Vec::new(),
                    summary: CrawlSummary::default(),
                };
                tx.put(CRAWLS, &Crawl::key(&crawler.id, now_ms, &crawl_id), &crawl)?;
                Ok(crawler)
            })
            .await;
        match started {
            Ok(crawler) => {
                self.shared.queue.lock().push_back(Queued { crawler, stop });
                self.shared.queued.notify_one();
                Ok(())
            }
            Err(error) => {
                self.shared.live.lock().remove(&id);
                Err(error)
            }
        }
    }

    /// Tells a crawl to stop; it does so between two files.
    pub async fn stop_crawler(&self, caller: &Caller, name: &str) -> Result<(), CrawlersError> {
        let (name, account) = (name.to_owned(), caller.scope().account.clone());
        let id = self
            .commit(caller, move |tx| {
                let mut crawler = require(tx, &account, &name)?;
                match crawler.state {
                    CrawlerState::Running => {}
                    CrawlerState::Ready => return Err(CrawlersError::NotRunning { name }),
                    CrawlerState::Stopping => return Err(CrawlersError::Stopping { name }),
                }
                crawler.state = CrawlerState::Stopping;
                put(tx, &crawler)?;
                Ok(crawler.id)
            })
            .await?;
        if let Some(stop) = self.shared.live.lock().get(&id) {
            stop.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// A crawler.
    pub fn crawler(&self, proof: &Authorized, name: &str) -> Result<Crawler, CrawlersError> {
        require(&self.snapshot()?, &proof.principal().account, name)
    }

    /// Up to `limit` crawlers in the order of their names, those behind `after`, with all of `tags`.
    pub fn crawlers(
        &self,
        proof: &Authorized,
        tags: &BTreeMap<String, String>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<CrawlerPage, CrawlersError> {
        let snapshot = self.snapshot()?;
        let account = &proof.principal().account;
        let prefix = Key::new().text(account.as_str());
        let end = prefix.after_prefix();
        let start = after.map(|after| key(account, after));
        let from = start.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let mut crawlers: Vec<Crawler> = Vec::new();
        for pair in snapshot.range(CRAWLERS, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded)) {
            let crawler = pair?.1;
            if tags.iter().any(|(key, value)| crawler.tags.get(key) != Some(value)) {
                continue;
            }
            if crawlers.len() == limit {
                let next = crawlers.last().map(|crawler| crawler.definition.name.clone());
                return Ok(CrawlerPage { crawlers, next });
            }
            crawlers.push(crawler);
        }
        Ok(CrawlerPage { crawlers, next: None })
    }
}
