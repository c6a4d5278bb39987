//! Object lock: what keeps a version from being removed, how a bucket locks what is put into it, and the rules by which either may
//! change. Knows no permissions: whether a caller may bypass is told to it. Without a clear yes it refuses.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::Tx;
use tarn_policy::Authorized;

use crate::errors::ObjectsError;
use crate::events::announce_lock;
use crate::get::ObjectVersion;
use crate::keyspaces::BUCKETS;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::records::{Versioning, bucket_key};
use crate::versions::{VersionId, put_version, version_in};

/// The longest default retention, years.
pub const RETENTION_YEARS_MAX: u32 = 100;
/// The longest default retention, days.
pub const RETENTION_DAYS_MAX: u32 = 36_500;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How firmly a retention holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetentionMode {
    /// Until it ends, or until somebody who may bypasses it.
    Governance,
    /// Until it ends; nobody can shorten it.
    Compliance,
}

impl RetentionMode {
    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// From S3's spelling, which has only capitals.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "GOVERNANCE" => Some(Self::Governance),
            "COMPLIANCE" => Some(Self::Compliance),
            _ => None,
        }
    }
}

/// A version stays until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How firmly.
    pub mode: RetentionMode,
    /// Until when, milliseconds since 1970.
    pub until_ms: i64,
}

/// The lock of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionLock {
    /// Until when it stays.
    pub retention: Option<Retention>,
    /// Whether it stays until it is released; nothing if nobody ever said.
    pub legal_hold: Option<bool>,
}

/// For how long a bucket locks what is put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetentionPeriod {
    /// Days.
    Days(u32),
    /// Years.
    Years(u32),
}

/// What a bucket locks new versions with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRetention {
    /// How firmly.
    pub mode: RetentionMode,
    /// For how long.
    pub period: RetentionPeriod,
}

/// A bucket whose versions can be locked. Once it is one, it stays one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketLock {
    /// How versions are locked whose writer says nothing.
    pub default_retention: Option<DefaultRetention>,
}

/// What keeps a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockReason {
    /// A legal hold.
    LegalHold,
    /// A retention that somebody who may can bypass.
    Governance,
    /// A retention that nobody can bypass.
    Compliance,
}

impl LockReason {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::LegalHold => "a legal hold: release it first",
            Self::Governance => "a GOVERNANCE retention: wait for its end, or bypass it if you may",
            Self::Compliance => "a COMPLIANCE retention: wait for its end",
        }
    }
}

/// Whether a caller asked to pass over GOVERNANCE retentions, and may. `COMPLIANCE` and legal holds know no bypass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bypass {
    /// No.
    #[default]
    No,
    /// Yes: the caller was found to be allowed.
    Governance,
}

impl Retention {
    pub(crate) fn is_over(&self, now_ms: i64) -> bool {
        self.until_ms <= now_ms
    }
}

impl VersionLock {
    /// Whether it locks nothing and never did.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses the removal of a version that is kept.
    pub(crate) fn check_removal(&self, bypass: Bypass, now_ms: i64) -> Result<(), ObjectsError> {
        let reason = match (self.legal_hold, &self.retention) {
            (Some(true), _) => LockReason::LegalHold,
            (_, Some(retention)) if retention.is_over(now_ms) => return Ok(()),
            (_, Some(Retention { mode: RetentionMode::Compliance, .. })) => LockReason::Compliance,
            (_, Some(Retention { mode: RetentionMode::Governance, .. })) => match bypass {
                Bypass::Governance => return Ok(()),
                Bypass::No => LockReason::Governance,
            },
            (_, None) => return Ok(()),
        };
        Err(ObjectsError::Locked { reason })
    }

    /// Refuses a change of the retention that would let the version go earlier, or more easily, than it may.
    pub(crate) fn check_change(&self, new: Option<Retention>, bypass: Bypass, now_ms: i64) -> Result<(), ObjectsError> {
        let Some(old) = self.retention.filter(|old| !old.is_over(now_ms)) else { return Ok(()) };
        let extends = new.is_some_and(|new| new.mode == old.mode && new.until_ms >= old.until_ms);
        match (old.mode, bypass) {
            _ if extends => Ok(()),
            (RetentionMode::Governance, Bypass::Governance) => Ok(()),
            (RetentionMode::Governance, Bypass::No) => Err(ObjectsError::Locked { reason: LockReason::Governance }),
            (RetentionMode::Compliance, _) => Err(ObjectsError::Locked { reason: LockReason::Compliance }),
        }
    }
}

impl DefaultRetention {
    fn check(&self) -> Result<(), ObjectsError> {
        let good = match self.period {
            RetentionPeriod::Days(days) => (1..=RETENTION_DAYS_MAX).contains(&days),
            RetentionPeriod::Years(years) => (1..=RETENTION_YEARS_MAX).contains(&years),
        };
        if good { Ok(()) } else { Err(ObjectsError::InvalidRetentionPeriod { years_max: RETENTION_YEARS_MAX }) }
    }

    fn from(&self, now_ms: i64) -> Retention {
        let days = match self.period {
            RetentionPeriod::Days(days) => i64::from(days),
            RetentionPeriod::Years(years) => i64::from(years) * 365,
        };
        Retention { mode: self.mode, until_ms: now_ms.saturating_add(days * DAY_MS) }
    }
}

fn check_future(retention: Option<Retention>, now_ms: i64) -> Result<(), ObjectsError> {
    match retention {
        Some(retention) if retention.is_over(now_ms) => Err(ObjectsError::InvalidArgument {
            name: "RetainUntilDate",
            value: retention.until_ms.to_string(),
            reason: "The retain until date must be in the future!",
        }),
        _ => Ok(()),
    }
}

fn require_lock(lock: Option<BucketLock>) -> Result<BucketLock, ObjectsError> {
    // The sentence is AWS's.
    lock.ok_or_else(|| ObjectsError::InvalidRequest {
        reason: "Bucket is missing Object Lock Configuration".to_owned(),
    })
}

/// Checks the lock that a new version is asked to have, before its bytes are read.
pub(crate) fn check_asked(bucket: Option<BucketLock>, asked: &VersionLock, now_ms: i64) -> Result<(), ObjectsError> {
    if asked.is_none() {
        return Ok(());
    }
    require_lock(bucket)?;
    check_future(asked.retention, now_ms)
}

/// The lock of a version that is put now: what was asked for, else what the bucket says.
pub(crate) fn lock_of_new(bucket: Option<BucketLock>, asked: VersionLock, now_ms: i64) -> VersionLock {
    let default = bucket.and_then(|lock| lock.default_retention).map(|default| default.from(now_ms));
    VersionLock { retention: asked.retention.or(default), ..asked }
}

impl Objects {
    /// How the bucket locks its versions.
    pub fn object_lock_configuration(&self, proof: &Authorized, name: &BucketName) -> Result<BucketLock, ObjectsError> {
        self.bucket(proof, name)?
            .lock
            .ok_or_else(|| ObjectsError::NoObjectLockConfiguration { bucket: name.to_string() })
    }

    /// Turns object lock on, for ever, or changes its default. The bucket must keep versions.
    pub async fn put_object_lock_configuration(
        &self,
        caller: &Caller,
        name: &BucketName,
        lock: BucketLock,
    ) -> Result<(), ObjectsError> {
        if let Some(default) = lock.default_retention {
            default.check()?;
        }
        let name = name.clone();
        caller
            .commit(&*self.store, move |tx| {
                let mut bucket = bucket_in(tx, &name)?;
                if bucket.versioning != Versioning::Enabled {
                    return Err(ObjectsError::InvalidBucketState {
                        reason: "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
                    });
                }
                bucket.lock = Some(lock);
                Ok(tx.put(BUCKETS, &bucket_key(&name), &bucket)?)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// The retention of a version.
    pub fn object_retention(
        &self,
        proof: &Authorized,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Retention, ObjectsError> {
        self.lockable(proof, bucket, key, version)?.lock().retention.ok_or(ObjectsError::NoVersionLock)
    }

    /// Whether a legal hold is on a version.
    pub fn object_legal_hold(
        &self,
        proof: &Authorized,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<bool, ObjectsError> {
        self.lockable(proof, bucket, key, version)?.lock().legal_hold.ok_or(ObjectsError::NoVersionLock)
    }

    fn lockable(
        &self,
        proof: &Authorized,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<ObjectVersion, ObjectsError> {
        require_lock(self.bucket(proof, bucket)?.lock)?;
        self.head_version(proof, bucket, key, version)
    }

    /// Sets or removes the retention of a version; answers which version it was.
    pub async fn put_object_retention(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
        retention: Option<Retention>,
        bypass: Bypass,
    ) -> Result<(), ObjectsError> {
        let now_ms = self.now_ms();
        check_future(retention, now_ms)?;
        self.change_lock(caller, bucket, key, version, move |lock| {
            lock.check_change(retention, bypass, now_ms)?;
            lock.retention = retention;
            Ok(())
        })
        .await
    }

    /// Sets or releases the legal hold of a version.
    pub async fn put_object_legal_hold(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
        on: bool,
    ) -> Result<(), ObjectsError> {
        self.change_lock(caller, bucket, key, version, move |lock| {
            lock.legal_hold = Some(on);
            Ok(())
        })
        .await
    }

    async fn change_lock(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
        change: impl FnOnce(&mut VersionLock) -> Result<(), ObjectsError> + Send + 'static,
    ) -> Result<(), ObjectsError> {
        let (bucket, key, version) = (bucket.clone(), key.clone(), version.copied());
        let by = self.changed_by(caller);
        caller
            .commit(&*self.store, move |tx: &mut Tx<'_>| {
                require_lock(bucket_in(tx, &bucket)?.lock)?;
                let mut record = version_in(tx, &bucket, &key, version.as_ref())?;
                change(&mut record.lock)?;
                put_version(tx, &record)?;
                announce_lock(tx, &record, &by)
            })
            .await
            .map_err(ObjectsError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_000_000;

    fn lock(mode: RetentionMode, until_ms: i64) -> VersionLock {
        VersionLock { retention: Some(Retention { mode, until_ms }), legal_hold: None }
    }

    #[test]
    fn locked_versions_are_not_removed() {
        use RetentionMode::{Compliance, Governance};
        let check = |lock: VersionLock, bypass: Bypass, expected: Option<LockReason>| {
            let found = match lock.check_removal(bypass, NOW_MS) {
                Ok(()) => None,
                Err(ObjectsError::Locked { reason }) => Some(reason),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, expected, "{lock:?} {bypass:?}");
        };
        let held = |lock: VersionLock, on: bool| VersionLock { legal_hold: Some(on), ..lock };
        check(VersionLock::default(), Bypass::No, None);
        check(lock(Governance, NOW_MS + 1), Bypass::No, Some(LockReason::Governance));
        check(lock(Governance, NOW_MS + 1), Bypass::Governance, None);
        check(lock(Governance, NOW_MS), Bypass::No, None);
        check(lock(Compliance, NOW_MS + 1), Bypass::No, Some(LockReason::Compliance));
        check(lock(Compliance, NOW_MS + 1), Bypass::Governance, Some(LockReason::Compliance));
        check(lock(Compliance, NOW_MS), Bypass::No, None);
        check(held(VersionLock::default(), true), Bypass::Governance, Some(LockReason::LegalHold));
        check(held(VersionLock::default(), false), Bypass::No, None);
        check(held(lock(Compliance, NOW_MS), true), Bypass::Governance, Some(LockReason::LegalHold));
        check(held(lock(Governance, NOW_MS + 1), false), Bypass::No, Some(LockReason::Governance));
    }

    #[test]
    fn retentions_are_only_extended() {
        use RetentionMode::{Compliance, Governance};
        let check = |old: VersionLock, new: Option<(RetentionMode, i64)>, bypass: Bypass, good: bool| {
            let new = new.map(|(mode, until_ms)| Retention { mode, until_ms });
            assert_eq!(old.check_change(new, bypass, NOW_MS).is_ok(), good, "{old:?} {new:?} {bypass:?}");
        };
        let (soon, later) = (NOW_MS + 10, NOW_MS + 20);
        check(VersionLock::default(), Some((Compliance, soon)), Bypass::No, true);
        check(VersionLock::default(), None, Bypass::No, true);
        for (mode, bypass, good) in [
            (Governance, Bypass::No, false),
            (Governance, Bypass::Governance, true),
            (Compliance, Bypass::No, false),
            (Compliance, Bypass::Governance, false),
        ] {
            let other = if mode == Governance { Compliance } else { Governance };
            check(lock(mode, soon), Some((mode, later)), bypass, true);
            check(lock(mode, soon), Some((mode, soon)), bypass, true);
            check(lock(mode, later), Some((mode, soon)), bypass, good);
            check(lock(mode, soon), Some((other, later)), bypass, good);
            check(lock(mode, soon), None, bypass, good);
            check(lock(mode, NOW_MS), None, bypass, true);
            check(lock(mode, NOW_MS), Some((other, soon)), bypass, true);
        }
    }

    #[test]
    fn defaults_have_limits() {
        let check = |period: RetentionPeriod, good: bool| {
            let default = DefaultRetention { mode: RetentionMode::Governance, period };
            assert_eq!(default.check().is_ok(), good, "{period:?}");
        };
        check(RetentionPeriod::Days(0), false);
        check(RetentionPeriod::Days(1), true);
        check(RetentionPeriod::Days(36_500), true);
        check(RetentionPeriod::Days(36_501), false);
        check(RetentionPeriod::Years(0), false);
        check(RetentionPeriod::Years(100), true);
        check(RetentionPeriod::Years(101), false);
    }
}
