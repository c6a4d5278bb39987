//! Which keys are to be looked at, and when: one row for each key and day on which a rule may want something there. Rows are written by
//! following the store's log, for keys that change, and by a scan of a bucket whose rules change. Knows rules only by what they answer.
//!
//! **Invariant:** whatever a rule will want of a key at a time, the queue has a row of that key for that time or an earlier one, or the
//! log after the follower's mark has a change of that key, or the bucket's scan has not come to it yet. A row too many does no harm.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_metadata::{Change, Key, Keyspace, Read, Record, Sequence, Snapshot, StoreError, StoreExt, Tx};

use crate::errors::ObjectsError;
use crate::keyspaces::{
    CURRENT, HISTORY, LIFECYCLE_DUE, LIFECYCLE_FOLLOWED, LIFECYCLE_SCANS, LIFECYCLES, UPLOADS, VERSIONS,
};
use crate::lifecycle::plan::{Days, Kept, ObjectState, Plan, UploadState, VersionState, Which, plan};
use crate::lifecycle::rules::LifecycleConfiguration;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::records::{CurrentVersion, VersionEntry, bucket_key, current_key, version_key};
use crate::tagging::Tags;

/// How many transactions of the log are looked at in one round.
const TRANSACTIONS_COUNT_MAX: usize = 1000;
/// How many transactions without news go by before the follower's mark is written again.
const UNMARKED_COUNT_MAX: u64 = 10_000;
/// How many keys of a bucket are looked at in one round of its scan.
const SCANNED_COUNT_MAX: usize = 500;
/// How many rows of one key are passed over before the next key is sought.
const PASSED_COUNT_MAX: usize = 512;
/// How many of the newest noncurrent versions of a key that changed are looked at beside those that changed: rules keep at most 100.
const NEWEST_COUNT: usize = 101;

/// A key to be looked at. All is said by the row's own key: when (milliseconds since 1970), bucket, key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleDue {}

impl Record for LifecycleDue {
    const VERSION: u16 = 1;
}

/// What a scan walks over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScanPhase {
    /// Keys whose latest version is an object.
    Current,
    /// Keys with versions that are not the latest, and delete markers.
    History,
    /// Keys with uploads under way.
    Uploads,
}

/// How far the scan of a bucket whose rules changed has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleScan {
    /// The transaction that changed the rules.
    pub sequence: u64,
    /// What it walks over.
    pub phase: ScanPhase,
    /// The last key looked at.
    pub after: Option<String>,
}

impl Record for LifecycleScan {
    const VERSION: u16 = 1;
}

/// Up to where changes of the log have led to rows. There while any bucket has rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleFollowed {
    /// The last transaction.
    pub sequence: u64,
}

impl Record for LifecycleFollowed {
    const VERSION: u16 = 1;
}

pub(crate) fn due_key(due_ms: i64, bucket: &BucketName, key: &ObjectKey) -> Key {
    Key::new().u64(u64::try_from(due_ms).unwrap_or(0)).text(bucket.as_str()).text(key.as_str())
}

fn mark_key() -> Key {
    Key::new()
}

/// A bucket's rules changed: its scan begins again, and the log is followed from here if it was not.
pub(crate) fn begin_scan(tx: &mut Tx<'_>, bucket: &BucketName) -> Result<(), ObjectsError> {
    let sequence = tx.sequence().0;
    let scan = LifecycleScan { sequence, phase: ScanPhase::Current, after: None };
    tx.put(LIFECYCLE_SCANS, &bucket_key(bucket), &scan)?;
    if !tx.contains(LIFECYCLE_FOLLOWED, &mark_key())? {
        tx.put(LIFECYCLE_FOLLOWED, &mark_key(), &LifecycleFollowed { sequence })?;
    }
    Ok(())
}

/// A bucket has no rules any more. Its rows find that out when they are due.
pub(crate) fn end_scan(tx: &mut Tx<'_>, bucket: &BucketName) -> Result<(), ObjectsError> {
    Ok(tx.delete(LIFECYCLE_SCANS, &bucket_key(bucket))?)
}

/// A bucket with rules, as far as they are asked.
pub(crate) struct Ruled {
    pub(crate) name: BucketName,
    pub(crate) configuration: LifecycleConfiguration,
    is_locked: bool,
    asks_for_tags: bool,
    keeps_newer: bool,
}

impl Ruled {
    /// Nothing where the bucket has no rules.
    pub(crate) fn of(read: &impl Read, name: &BucketName) -> Result<Option<Self>, ObjectsError> {
        let Some(configuration) = read.get(LIFECYCLES, &bucket_key(name))? else { return Ok(None) };
        let rules = &configuration.rules;
        Ok(Some(Self {
            name: name.clone(),
            is_locked: bucket_in(read, name)?.lock.is_some(),
            asks_for_tags: rules.iter().any(|rule| !rule.filter.tags.is_empty()),
            keeps_newer: rules.iter().any(|rule| {
                rule.noncurrent_expiration.is_some_and(|expiration| expiration.newer_versions.is_some())
                    || rule.noncurrent_transitions.iter().any(|transition| transition.newer_versions.is_some())
            }),
            configuration,
        }))
    }

    fn state_of(
        &self,
        read: &impl Read,
        version: &CurrentVersion,
        noncurrent_since_ms: Option<i64>,
    ) -> Result<VersionState, ObjectsError> {
        let needs_record = self.is_locked || (self.asks_for_tags && version.tag_count > 0);
        let record = match needs_record {
            true => read.get(VERSIONS, &version_key(&version.id))?,
            false => None,
        };
        let kept = match record.as_ref().map(|record| record.lock) {
            None => Kept::No,
            Some(lock) if lock.legal_hold == Some(true) => Kept::Held,
            Some(lock) => lock.retention.map_or(Kept::No, |retention| Kept::UntilMs(retention.until_ms)),
        };
        let object = ObjectState {
            size_bytes: version.size_bytes,
            tags: record.map_or_else(Tags::default, |record| record.tags),
            class: version.class,
        };
        Ok(VersionState {
            version: Which { name: version.version_id(), uuid: version.id },
            object: Some(object),
            modified_ms: version.modified_ms,
            noncurrent_since_ms,
            kept,
        })
    }

    /// What the rules want of `key` now; of its versions only the `newest` are looked at.
    pub(crate) fn plan(
        &self,
        read: &impl Read,
        key: &ObjectKey,
        newest: usize,
        days: Days,
        now_ms: i64,
    ) -> Result<Plan, ObjectsError> {
        let at = current_key(&self.name, key);
        let current = read.get(CURRENT, &at)?;
        let current = current.iter().map(|version| self.state_of(read, version, None));
        let history = read.prefix(HISTORY, &at).map(|row| {
            let (_, row) = row?;
            match &row.entry {
                VersionEntry::Object(version) => self.state_of(read, version, row.noncurrent_since_ms),
                VersionEntry::DeleteMarker(marker) => Ok(VersionState {
                    version: Which { name: marker.version_id(), uuid: marker.id },
                    object: None,
                    modified_ms: marker.modified_ms,
                    noncurrent_since_ms: row.noncurrent_since_ms,
                    kept: Kept::No,
                }),
            }
        });
        let uploads = read.prefix(UPLOADS, &at).map(|upload| {
            let (_, upload) = upload?;
            Ok(UploadState { id: upload.id, initiated_ms: upload.initiated_ms })
        });
        plan(&self.configuration, key.as_str(), current.chain(history).take(newest), uploads, days, now_ms)
    }

    /// When `key` is to be looked at: the row that is missing for it, if one is.
    fn missing_row(
        &self,
        read: &impl Read,
        key: &ObjectKey,
        newest: usize,
        days: Days,
        now_ms: i64,
    ) -> Result<Option<Key>, ObjectsError> {
        let plan = self.plan(read, key, newest, days, now_ms)?;
        // What is due already is put where the day began, so that it is done at once and stands there once.
        let due_ms = match plan.actions.is_empty() {
            false => Some(days.start_of(now_ms)),
            true => plan.next_ms,
        };
        let Some(row) = due_ms.map(|due_ms| due_key(due_ms, &self.name, key)) else { return Ok(None) };
        Ok((!read.contains(LIFECYCLE_DUE, &row)?).then_some(row))
    }
}

fn put_rows(tx: &mut Tx<'_>, rows: &[Key]) -> Result<(), ObjectsError> {
    rows.iter().try_for_each(|row| Ok(tx.put(LIFECYCLE_DUE, row, &LifecycleDue {})?))
}

/// Bucket and key of a change of something that rules look at.
fn changed_key(change: &Change) -> Option<(String, String)> {
    fn within<R: Record>(change: &Change, keyspace: Keyspace<R>) -> Option<&[u8]> {
        change.key.strip_prefix(&keyspace.id.to_be_bytes())
    }
    let key = within(change, CURRENT).or_else(|| within(change, HISTORY)).or_else(|| within(change, UPLOADS))?;
    let mut reader = Key::reader(key);
    Some((reader.text()?, reader.text()?))
}

impl Objects {
    pub(crate) fn days(&self) -> Days {
        Days { day_ms: self.options.day_ms.max(1) }
    }

    /// Reads the log on from `position` (or from the mark, if that is further) and queues the keys that changed. Gives the new position,
    /// or nothing if no bucket has rules.
    pub(crate) async fn follow_lifecycles(&self, position: u64) -> Result<Option<Followed>, ObjectsError> {
        let Some(mark) = self.snapshot()?.get(LIFECYCLE_FOLLOWED, &mark_key())? else { return Ok(None) };
        let from = position.max(mark.sequence);
        let changed = match self.store.changes_since(Sequence(from), TRANSACTIONS_COUNT_MAX).await {
            Ok(changed) => changed,
            // The log was cut before it was read: every key of every bucket with rules is looked at.
            Err(StoreError::Corrupt { place, reason }) => {
                tracing::warn!(place, reason, "lifecycle rules lost the log, and look at all objects of their buckets");
                return self.restart_scans().await.map(Some);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(last) = changed.last().map(|transaction| transaction.sequence.0) else {
            return Ok(Some(Followed { position: from, is_behind: false }));
        };
        let mut keys: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for change in changed.iter().flat_map(|transaction| &transaction.changes) {
            if let Some((bucket, key)) = changed_key(change) {
                *keys.entry(bucket).or_default().entry(key).or_default() += 1;
            }
        }
        // Taken after the changes: it has them.
        let snapshot = self.snapshot()?;
        let mut rows = Vec::new();
        for (bucket, keys) in keys {
            let Ok(bucket) = BucketName::new(bucket) else { continue };
            let Some(ruled) = Ruled::of(&snapshot, &bucket)? else { continue };
            for (key, changes) in keys {
                let Ok(key) = ObjectKey::new(key) else { continue };
                let newest = changes + if ruled.keeps_newer { NEWEST_COUNT } else { 2 };
                rows.extend(ruled.missing_row(&snapshot, &key, newest, self.days(), self.now_ms())?);
            }
        }
        let without_rules = snapshot.prefix(LIFECYCLES, &Key::new()).next().transpose()?.is_none();
        if !rows.is_empty() || without_rules || last - mark.sequence > UNMARKED_COUNT_MAX {
            self.store
                .write(move |tx| {
                    put_rows(tx, &rows)?;
                    // The last bucket with rules may have gone, or one may have come just now.
                    match tx.prefix(LIFECYCLES, &Key::new()).next().transpose()? {
                        Some(_) => tx.put(LIFECYCLE_FOLLOWED, &mark_key(), &LifecycleFollowed { sequence: last })?,
                        None => tx.delete(LIFECYCLE_FOLLOWED, &mark_key())?,
                    }
                    Ok::<_, ObjectsError>(())
                })
                .await?;
        }
        Ok(Some(Followed { position: last, is_behind: changed.len() == TRANSACTIONS_COUNT_MAX }))
    }

    async fn restart_scans(&self) -> Result<Followed, ObjectsError> {
        let position = self
            .store
            .write(|tx| {
                let buckets: Vec<_> =
                    tx.prefix(LIFECYCLES, &Key::new()).map(|row| row.map(|(at, _)| at)).collect::<Result<_, _>>()?;
                let sequence = tx.sequence().0;
                let scan = LifecycleScan { sequence, phase: ScanPhase::Current, after: None };
                for at in buckets {
                    tx.put(LIFECYCLE_SCANS, &at, &scan)?;
                }
                tx.put(LIFECYCLE_FOLLOWED, &mark_key(), &LifecycleFollowed { sequence })?;
                Ok::<_, ObjectsError>(sequence)
            })
            .await?;
        Ok(Followed { position, is_behind: true })
    }

    /// Looks at the next keys of the bucket after `last` (in a circle) whose rules changed. Gives that bucket, or nothing if none has a
    /// scan to do.
    pub(crate) async fn scan_lifecycles(&self, last: Option<&str>) -> Result<Option<String>, ObjectsError> {
        let snapshot = self.snapshot()?;
        let after = last.map(|last| Key::new().text(last));
        let after = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let next = snapshot.range(LIFECYCLE_SCANS, after, Bound::Unbounded).next();
        let Some(next) = next.or_else(|| snapshot.prefix(LIFECYCLE_SCANS, &Key::new()).next()) else {
            return Ok(None);
        };
        let (at, scan) = next?;
        let name = Key::reader(at.as_bytes()).text().unwrap_or_default();
        let bucket = BucketName::new(name.clone())?;
        let (rows, progress) = match Ruled::of(&snapshot, &bucket)? {
            None => (Vec::new(), None),
            Some(ruled) => self.scan_on(&snapshot, &ruled, &scan)?,
        };
        self.store
            .write(move |tx| {
                put_rows(tx, &rows)?;
                // Rules that changed meanwhile have begun a scan of their own.
                if tx.get(LIFECYCLE_SCANS, &at)?.as_ref() == Some(&scan) {
                    match &progress {
                        Some(progress) => tx.put(LIFECYCLE_SCANS, &at, progress)?,
                        None => tx.delete(LIFECYCLE_SCANS, &at)?,
                    }
                }
                Ok::<_, ObjectsError>(())
            })
            .await?;
        Ok(Some(name))
    }

    fn scan_on(
        &self,
        snapshot: &Snapshot,
        ruled: &Ruled,
        scan: &LifecycleScan,
    ) -> Result<(Vec<Key>, Option<LifecycleScan>), ObjectsError> {
        let after = scan.after.as_deref();
        let keys = match scan.phase {
            ScanPhase::Current => keys_of(snapshot, CURRENT, &ruled.name, after)?,
            ScanPhase::History => keys_of(snapshot, HISTORY, &ruled.name, after)?,
            ScanPhase::Uploads => keys_of(snapshot, UPLOADS, &ruled.name, after)?,
        };
        let mut rows = Vec::new();
        for key in &keys {
            let Ok(key) = ObjectKey::new(key.clone()) else { continue };
            // Was looked at with its latest version.
            if scan.phase != ScanPhase::Current && snapshot.contains(CURRENT, &current_key(&ruled.name, &key))? {
                continue;
            }
            rows.extend(ruled.missing_row(snapshot, &key, usize::MAX, self.days(), self.now_ms())?);
        }
        let progress = match (keys.len() < SCANNED_COUNT_MAX, scan.phase) {
            (false, phase) => Some(LifecycleScan { phase, after: keys.last().cloned(), ..*scan }),
            (true, ScanPhase::Current) => Some(LifecycleScan { phase: ScanPhase::History, after: None, ..*scan }),
            (true, ScanPhase::History) => Some(LifecycleScan { phase: ScanPhase::Uploads, after: None, ..*scan }),
            (true, ScanPhase::Uploads) => None,
        };
        Ok((rows, progress))
    }
}

/// The next keys of a bucket that have rows in `keyspace`, whatever many rows each has.
fn keys_of<R: Record>(
    snapshot: &Snapshot,
    keyspace: Keyspace<R>,
    bucket: &BucketName,
    after: Option<&str>,
) -> Result<Vec<String>, ObjectsError> {
    let prefix = bucket_key(bucket);
    let end = prefix.after_prefix();
    let to = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut keys: Vec<String> = Vec::new();
    let mut from = match after {
        Some(after) => bucket_key(bucket).text(after).after_prefix(),
        None => Some(prefix),
    };
    while let Some(start) = from.take() {
        let mut passed = 0;
        for row in snapshot.range(keyspace, Bound::Included(&start), to) {
            let (at, _) = row?;
            let mut reader = Key::reader(at.as_bytes());
            let (Some(_), Some(key)) = (reader.text(), reader.text()) else {
                let reason = "a key is not a bucket and a key".to_owned();
                return Err(StoreError::Corrupt { place: keyspace.name.to_owned(), reason }.into());
            };
            if keys.last() != Some(&key) {
                if keys.len() == SCANNED_COUNT_MAX {
                    break;
                }
                passed = 0;
                keys.push(key);
                continue;
            }
            passed += 1;
            // Over the rest of a key with many versions it is cheaper to leap.
            if passed == PASSED_COUNT_MAX {
                from = bucket_key(bucket).text(&key).after_prefix();
                break;
            }
        }
    }
    Ok(keys)
}

/// How far the follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followed {
    /// The last transaction looked at.
    pub(crate) position: u64,
    /// There are more already.
    pub(crate) is_behind: bool,
}
