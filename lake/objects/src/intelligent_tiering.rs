//! INTELLIGENT_TIERING: objects move by when they were last read. Here are a bucket's archive configurations, what is kept of each object
//! that is watched, and the tiers as a function of both. Knows no bytes; `worker.rs` moves them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intelligent-tiering-overview.html>
//!
//! An object of 128 KiB or more is watched from when it comes into the class. After 30 days without a read it lies as STANDARD_IA does,
//! after 90 as GLACIER_IR; a read brings it back. Where a configuration says so it goes on into the archive tiers, from which only a
//! restore brings it back. Days end at midnight, as those of lifecycle rules do.

pub(crate) mod worker;

use std::collections::HashMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Key, Read, Record, Tx};
use tarn_policy::Authorized;

use crate::classes::{AccessTier, StorageClass};
use crate::configurations::ConfigurationPage;
use crate::errors::{ConfigurationKind, ObjectsError};
use crate::keyspaces::{TIERING, TIERING_DUE, TIERING_SCANS, WATCHED};
use crate::lifecycle::plan::Days;
use crate::metrics::{ConfigurationFilter, check_id};
use crate::names::BucketName;
use crate::objects::Objects;
use crate::records::{VersionRecord, VersionUuid, bucket_key};

pub use worker::{TieringRound, TieringWorker};

/// Smaller objects are not watched and stay where they are read most cheaply, as on AWS.
pub const WATCHED_SIZE_BYTES_MIN: u64 = 128 << 10;
const INFREQUENT_DAYS: u32 = 30;
const ARCHIVE_INSTANT_DAYS: u32 = 90;
const ARCHIVE_DAYS_MIN: u32 = 90;
const DEEP_ARCHIVE_DAYS_MIN: u32 = 180;
const ARCHIVE_DAYS_MAX: u32 = 730;
/// Reads that are remembered until the worker writes them down. One that finds no room is forgotten: the object moves a little early.
const READS_COUNT_MAX: usize = 1 << 16;

/// When objects go into one of the archive tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiering {
    /// Which.
    pub tier: AccessTier,
    /// After so many days without a read.
    pub days: u32,
}

/// Which of a bucket's objects go into archive tiers, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TieringConfiguration {
    /// Names it.
    pub id: String,
    /// Which objects; all, if none.
    pub filter: Option<ConfigurationFilter>,
    /// Whether it is followed.
    pub is_enabled: bool,
    /// One or two.
    pub tierings: Vec<Tiering>,
}

impl Record for TieringConfiguration {
    const VERSION: u16 = 1;
}

/// What is kept of an object that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// When it was last read, or came into the class: milliseconds since 1970.
    pub accessed_ms: i64,
    /// When it is looked at next: its row in the queue.
    pub due_ms: Option<i64>,
}

impl Record for Watched {
    const VERSION: u16 = 1;
}

/// An object to be looked at. All is said by the row's key: when, bucket, version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TieringDue {}

impl Record for TieringDue {
    const VERSION: u16 = 1;
}

/// How far a bucket has been looked through since its configurations changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TieringScan {
    /// The transaction that changed them.
    pub sequence: u64,
    /// The last version looked at.
    pub after: Option<VersionUuid>,
}

impl Record for TieringScan {
    const VERSION: u16 = 1;
}

impl TieringConfiguration {
    fn check(&self) -> Result<(), ObjectsError> {
        check_id(&self.id)?;
        let wrong = |days: u32, reason| ObjectsError::InvalidArgument { name: "Days", value: days.to_string(), reason };
        let mut seen = Vec::new();
        for Tiering { tier, days } in &self.tierings {
            if seen.contains(tier) {
                let reason = "a configuration names each access tier once".to_owned();
                return Err(ObjectsError::InvalidRequest { reason });
            }
            seen.push(*tier);
            match tier {
                AccessTier::Archive if !(ARCHIVE_DAYS_MIN..=ARCHIVE_DAYS_MAX).contains(days) => {
                    return Err(wrong(*days, "objects go to ARCHIVE_ACCESS after 90 to 730 days"));
                }
                AccessTier::DeepArchive if !(DEEP_ARCHIVE_DAYS_MIN..=ARCHIVE_DAYS_MAX).contains(days) => {
                    return Err(wrong(*days, "objects go to DEEP_ARCHIVE_ACCESS after 180 to 730 days"));
                }
                AccessTier::Archive | AccessTier::DeepArchive => {}
                AccessTier::Frequent | AccessTier::Infrequent | AccessTier::ArchiveInstant => {
                    let reason = "a configuration names archive tiers only".to_owned();
                    return Err(ObjectsError::InvalidRequest { reason });
                }
            }
        }
        if seen.is_empty() {
            let reason = "a configuration names at least one access tier".to_owned();
            return Err(ObjectsError::InvalidRequest { reason });
        }
        Ok(())
    }

    fn is_for(&self, record: &VersionRecord) -> bool {
        let matches = |filter: &ConfigurationFilter| {
            let has = |tag: (&str, &str)| record.tags.iter().any(|found| found == tag);
            filter.prefix.as_deref().is_none_or(|prefix| record.key.as_str().starts_with(prefix))
                && filter.tags.iter().all(has)
        };
        self.is_enabled && self.filter.as_ref().is_none_or(matches)
    }
}

/// After how many days without a read `record` goes where: the coldest comes last.
fn steps(configurations: &[TieringConfiguration], record: &VersionRecord) -> Vec<Tiering> {
    let earliest = |asked: AccessTier| {
        let tierings = configurations.iter().filter(|one| one.is_for(record)).flat_map(|one| &one.tierings);
        tierings.filter(|tiering| tiering.tier == asked).map(|tiering| tiering.days).min()
    };
    let archives = [AccessTier::Archive, AccessTier::DeepArchive];
    let archives: Vec<_> =
        archives.into_iter().filter_map(|tier| earliest(tier).map(|days| Tiering { tier, days })).collect();
    let mut steps = vec![
        Tiering { tier: AccessTier::Infrequent, days: INFREQUENT_DAYS },
        Tiering { tier: AccessTier::ArchiveInstant, days: ARCHIVE_INSTANT_DAYS },
    ];
    steps.extend(archives);
    steps
}

/// In which tier it belongs at `now_ms`, and when that changes if it is not read.
fn tier_at(steps: &[Tiering], accessed_ms: i64, days: Days, now_ms: i64) -> (AccessTier, Option<i64>) {
    let mut tier = AccessTier::Frequent;
    let mut next_ms: Option<i64> = None;
    for step in steps {
        let due_ms = days.after(accessed_ms, step.days);
        if due_ms <= now_ms {
            tier = tier.max(step.tier);
        }
    }
    for step in steps.iter().filter(|step| step.tier > tier) {
        let due_ms = days.after(accessed_ms, step.days);
        next_ms = Some(next_ms.map_or(due_ms, |next_ms| next_ms.min(due_ms)));
    }
    (tier, next_ms)
}

fn watched_key(bucket: &BucketName, id: &VersionUuid) -> Key {
    bucket_key(bucket).raw(id)
}

fn due_key(due_ms: i64, bucket: &BucketName, id: &VersionUuid) -> Key {
    Key::new().u64(u64::try_from(due_ms).unwrap_or(0)).text(bucket.as_str()).raw(id)
}

fn is_watched(record: &VersionRecord) -> bool {
    record.class == StorageClass::IntelligentTiering && record.size_bytes >= WATCHED_SIZE_BYTES_MIN
}

/// A new version is at its key: it is watched from now on, if its class has it so.
pub(crate) fn installed(tx: &mut Tx<'_>, record: &VersionRecord, now_ms: i64) -> Result<(), ObjectsError> {
    match is_watched(record) {
        // The worker finds out when it is due really.
        true => watch(tx, &record.bucket, &record.id, Watched { accessed_ms: now_ms, due_ms: Some(now_ms) }),
        false => Ok(()),
    }
}

/// A version that was `seen` so has been moved to a class or a tier. Coming into the class and a restore count as reads; what a read has
/// brought back was read when it was read, which may be a while before the worker came to it.
pub(crate) fn placed(
    tx: &mut Tx<'_>,
    seen: &VersionRecord,
    record: &VersionRecord,
    now_ms: i64,
) -> Result<(), ObjectsError> {
    match is_watched(record) {
        true if !is_watched(seen) || seen.needs_restore() => installed(tx, record, now_ms),
        true => Ok(()),
        false => forget(tx, &record.bucket, &record.id),
    }
}

fn watch(tx: &mut Tx<'_>, bucket: &BucketName, id: &VersionUuid, watched: Watched) -> Result<(), ObjectsError> {
    forget(tx, bucket, id)?;
    if let Some(due_ms) = watched.due_ms {
        tx.put(TIERING_DUE, &due_key(due_ms, bucket, id), &TieringDue {})?;
    }
    Ok(tx.put(WATCHED, &watched_key(bucket, id), &watched)?)
}

fn forget(tx: &mut Tx<'_>, bucket: &BucketName, id: &VersionUuid) -> Result<(), ObjectsError> {
    let Some(old) = tx.get(WATCHED, &watched_key(bucket, id))? else { return Ok(()) };
    if let Some(due_ms) = old.due_ms {
        tx.delete(TIERING_DUE, &due_key(due_ms, bucket, id))?;
    }
    Ok(tx.delete(WATCHED, &watched_key(bucket, id))?)
}

/// A bucket's configurations changed: its objects are looked at again.
fn begin_scan(tx: &mut Tx<'_>, bucket: &BucketName) -> Result<(), ObjectsError> {
    let scan = TieringScan { sequence: tx.sequence().0, after: None };
    Ok(tx.put(TIERING_SCANS, &bucket_key(bucket), &scan)?)
}

/// Reads since the worker last wrote them down.
#[derive(Debug, Default)]
pub(crate) struct RecentReads(Mutex<HashMap<VersionUuid, (BucketName, i64)>>);

impl RecentReads {
    /// The bytes of `record` are being read.
    pub(crate) fn saw(&self, record: &VersionRecord, now_ms: i64) {
        if !is_watched(record) {
            return;
        }
        let mut reads = self.0.lock();
        if let Some((_, at_ms)) = reads.get_mut(&record.id) {
            *at_ms = now_ms;
        } else if reads.len() < READS_COUNT_MAX {
            reads.insert(record.id, (record.bucket.clone(), now_ms));
        }
    }

    fn take(&self) -> Vec<(VersionUuid, BucketName, i64)> {
        let reads = std::mem::take(&mut *self.0.lock());
        reads.into_iter().map(|(id, (bucket, at_ms))| (id, bucket, at_ms)).collect()
    }
}

impl Objects {
    /// One of the bucket's archive configurations.
    pub fn bucket_tiering(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        id: &str,
    ) -> Result<TieringConfiguration, ObjectsError> {
        let missing = || ConfigurationKind::IntelligentTiering.missing(bucket);
        self.configuration_by_id(TIERING, bucket, id)?.ok_or_else(missing)
    }

    /// The bucket's archive configurations, by id.
    pub fn list_bucket_tiering(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        after: Option<&str>,
    ) -> Result<ConfigurationPage<TieringConfiguration>, ObjectsError> {
        self.list_configurations(TIERING, bucket, after)
    }

    /// Adds or replaces an archive configuration. It holds for what lies in the bucket already, too.
    pub async fn put_bucket_tiering(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        configuration: TieringConfiguration,
    ) -> Result<(), ObjectsError> {
        configuration.check()?;
        let id = configuration.id.clone();
        self.put_configuration_by_id(caller, TIERING, bucket, &id, configuration, begin_scan).await
    }

    /// Removes an archive configuration. What lies in an archive tier stays there.
    pub async fn delete_bucket_tiering(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        id: &str,
    ) -> Result<(), ObjectsError> {
        self.delete_configuration_by_id(caller, TIERING, bucket, id, ConfigurationKind::IntelligentTiering).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn objects_that_are_not_read_go_where_it_is_colder() {
        let basic = [
            Tiering { tier: AccessTier::Infrequent, days: 30 },
            Tiering { tier: AccessTier::ArchiveInstant, days: 90 },
        ];
        let archive = |days| Tiering { tier: AccessTier::Archive, days };
        let deep = |days| Tiering { tier: AccessTier::DeepArchive, days };
        let check = |more: &[Tiering], idle_days: i64, tier: AccessTier, next_days: Option<i64>| {
            let steps = [&basic[..], more].concat();
            let (found, next_ms) = tier_at(&steps, DAY, Days { day_ms: DAY }, DAY + idle_days * DAY);
            assert_eq!((found, next_ms), (tier, next_days.map(|days| DAY + days * DAY)), "{more:?}, {idle_days} days");
        };
        check(&[], 0, AccessTier::Frequent, Some(30));
        check(&[], 29, AccessTier::Frequent, Some(30));
        check(&[], 30, AccessTier::Infrequent, Some(90));
        check(&[], 90, AccessTier::ArchiveInstant, None);
        check(&[], 900, AccessTier::ArchiveInstant, None);
        check(&[archive(90)], 89, AccessTier::Infrequent, Some(90));
        check(&[archive(90)], 90, AccessTier::Archive, None);
        check(&[archive(100), deep(200)], 95, AccessTier::ArchiveInstant, Some(100));
        check(&[archive(100), deep(200)], 100, AccessTier::Archive, Some(200));
        check(&[archive(100), deep(200)], 200, AccessTier::DeepArchive, None);
        // The deep tier alone, and one that comes before the other.
        check(&[deep(180)], 179, AccessTier::ArchiveInstant, Some(180));
        check(&[archive(700), deep(180)], 180, AccessTier::DeepArchive, None);
    }
}
