//! Trails themselves: made, changed, deleted, read.

use std::collections::BTreeMap;

use tarn_audit::{Caller, Follower, set_followers};
use tarn_metadata::{Read, Tx};
use tarn_objects::BucketName;
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Scope};

use crate::names::{check_name, check_prefix, name_in};
use crate::records::{CHAINS, Chain, LEAVING, TRAILS, Trail, of_account, of_trail, trail_key};
use crate::selectors::EventSelectors;
use crate::tags::check_tags;
use crate::{Trails, TrailsError};

/// Trails of an account.
const TRAILS_COUNT_MAX: usize = 5;

/// A trail to be made.
#[derive(Debug, Clone)]
pub struct CreateTrail {
    /// Its name.
    pub name: String,
    /// Where its files are to go.
    pub bucket: String,
    /// Before every key.
    pub key_prefix: Option<String>,
    /// Whether for all regions.
    pub is_multi_region: bool,
    /// Whether with IAM and STS.
    pub includes_global_services: bool,
    /// Whether with digests.
    pub validates: bool,
    /// Whether with the puts by which it is delivered.
    pub is_recursive: bool,
    /// The key that log files are to be encrypted by: id, ARN or alias.
    pub kms_key: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// What is to be another about a trail; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateTrail {
    /// Where its files are to go.
    pub bucket: Option<String>,
    /// Before every key; empty: nothing.
    pub key_prefix: Option<String>,
    /// Whether for all regions.
    pub is_multi_region: Option<bool>,
    /// Whether with IAM and STS.
    pub includes_global_services: Option<bool>,
    /// Whether with digests.
    pub validates: Option<bool>,
    /// Whether with the puts by which it is delivered.
    pub is_recursive: Option<bool>,
    /// The key that log files are to be encrypted by; empty: none.
    pub kms_key: Option<String>,
}

fn bucket_name(text: &str) -> Result<BucketName, TrailsError> {
    BucketName::new(text).map_err(|_| TrailsError::InvalidBucketName { bucket: text.to_owned() })
}

fn prefix(text: Option<String>) -> Result<Option<String>, TrailsError> {
    let prefix = text.filter(|text| !text.is_empty());
    prefix.as_deref().map_or(Ok(()), check_prefix)?;
    Ok(prefix)
}

fn check_regions(trail: &Trail) -> Result<(), TrailsError> {
    if trail.is_multi_region && !trail.includes_global_services {
        return Err(TrailsError::Combination { reason: "Multi-Region trail must include global service events." });
    }
    Ok(())
}

fn no_such(account: &AccountId, scope: &Scope, name: &str) -> TrailsError {
    let arn = tarn_types::Arn::regional("cloudtrail", &scope.region, account, format!("trail/{name}"));
    TrailsError::NoSuchTrail { arn: arn.to_string() }
}

fn all(read: &impl Read, account: &AccountId) -> Result<Vec<Trail>, TrailsError> {
    let trails = read.prefix(TRAILS, &of_account(account));
    trails.map(|item| item.map(|(_, trail)| trail).map_err(TrailsError::from)).collect()
}

/// Brings the audit's followers of an account in line with its trails.
fn follow(tx: &mut Tx<'_>, account: &AccountId) -> Result<(), TrailsError> {
    let trails = all(tx, account)?.into_iter().filter(|trail| trail.is_logging);
    let followers = trails
        .map(|trail| Follower {
            id: trail.id,
            wishes: trail.selectors.wishes(trail.includes_global_services),
            skips_deliveries: !trail.is_recursive,
        })
        .collect();
    Ok(set_followers(tx, account, followers)?)
}

/// Begins or ends the trail's chain of digests, as it now logs and validates or does not.
fn chain(tx: &mut Tx<'_>, trail: &Trail, now_ms: i64) -> Result<(), TrailsError> {
    let at = of_trail(&trail.id);
    let (wanted, start_ms) = (trail.is_logging && trail.validates, now_ms.div_euclid(1_000) * 1_000);
    let next = match (tx.get(CHAINS, &at)?, wanted) {
        (None, true) => Chain { start_ms, previous: None, is_ending: false, restart_ms: None },
        (Some(chain), true) if chain.is_ending => Chain { restart_ms: Some(start_ms), ..chain },
        (Some(chain), false) => Chain { is_ending: true, restart_ms: None, ..chain },
        (None, false) | (Some(_), true) => return Ok(()),
    };
    Ok(tx.put(CHAINS, &at, &next)?)
}

impl Trails {
    /// Makes a trail. It does not log yet.
    pub async fn create_trail(&self, caller: &Caller, request: CreateTrail) -> Result<Trail, TrailsError> {
        let CreateTrail {
            name,
            bucket,
            key_prefix,
            is_multi_region,
            includes_global_services,
            validates,
            is_recursive,
            kms_key,
            tags,
        } = request;
        check_name(&name)?;
        check_tags(&tags)?;
        let Scope { account, region } = caller.scope().clone();
        let mut trail = Trail {
            id: self.parts().runtime.entropy.bytes(),
            account,
            region,
            name,
            bucket: bucket_name(&bucket)?,
            key_prefix: prefix(key_prefix)?,
            is_multi_region,
            includes_global_services,
            validates,
            is_recursive,
            kms_key: None,
            selectors: EventSelectors::default(),
            tags,
            is_logging: false,
            started_ms: None,
            stopped_ms: None,
        };
        check_regions(&trail)?;
        self.check_bucket(caller, &trail)?;
        if let Some(key) = kms_key.filter(|key| !key.is_empty()) {
            trail.kms_key = Some(self.check_key(caller, &trail, &key)?);
        }
        let made = caller.commit(&*self.parts().store, move |tx| {
            if tx.contains(TRAILS, &trail.key())? {
                return Err(TrailsError::TrailExists { name: trail.name });
            }
            if all(tx, &trail.account)?.len() >= TRAILS_COUNT_MAX {
                let (account, count_max) = (trail.account.to_string(), TRAILS_COUNT_MAX);
                return Err(TrailsError::TooManyTrails { account, count_max });
            }
            tx.put(TRAILS, &trail.key(), &trail)?;
            Ok(trail)
        });
        Ok(made.await?)
    }

    /// Changes a trail by `with`, which is given the time, and all that follows from it.
    pub(crate) async fn change<F>(&self, caller: &Caller, name: &str, with: F) -> Result<Trail, TrailsError>
    where
        F: FnOnce(&mut Trail, i64) -> Result<(), TrailsError> + Send + 'static,
    {
        let scope = caller.scope().clone();
        let (name, now_ms) = (name_in(&scope, name)?, self.now_ms());
        let account = scope.account.clone();
        // The trail gets the record of what it is told, that it shall stop above all.
        let changed = caller.commit_after_record(&*self.parts().store, move |tx| {
            let at = trail_key(&scope.account, &name);
            let mut trail = tx.get(TRAILS, &at)?.ok_or_else(|| no_such(&scope.account, &scope, &name))?;
            with(&mut trail, now_ms)?;
            tx.put(TRAILS, &at, &trail)?;
            chain(tx, &trail, now_ms)?;
            follow(tx, &scope.account)?;
            Ok::<_, TrailsError>(trail)
        });
        let trail = changed.await?;
        self.parts().audit.followers_changed(&account)?;
        Ok(trail)
    }

    /// Changes what is said of a trail.
    pub async fn update_trail(&self, caller: &Caller, name: &str, update: UpdateTrail) -> Result<Trail, TrailsError> {
        let UpdateTrail {
            bucket,
            key_prefix,
            is_multi_region,
            includes_global_services,
            validates,
            is_recursive,
            kms_key,
        } = update;
        let bucket = bucket.as_deref().map(bucket_name).transpose()?;
        let key_prefix = key_prefix.map(|text| prefix(Some(text))).transpose()?;
        let apply = move |trail: &mut Trail| {
            let Trail { bucket: of_trail, key_prefix: before_keys, .. } = trail;
            *of_trail = bucket.unwrap_or_else(|| of_trail.clone());
            *before_keys = key_prefix.unwrap_or_else(|| before_keys.take());
            trail.is_multi_region = is_multi_region.unwrap_or(trail.is_multi_region);
            trail.includes_global_services = includes_global_services.unwrap_or(trail.includes_global_services);
            trail.validates = validates.unwrap_or(trail.validates);
            trail.is_recursive = is_recursive.unwrap_or(trail.is_recursive);
            check_regions(trail)
        };
        // Bucket and key are asked as the trail will be; the change itself is made on what is there by then.
        let mut asked = self.trail(caller.authorized(), caller.scope(), name)?;
        apply.clone()(&mut asked)?;
        self.check_bucket(caller, &asked)?;
        let kms_key = match kms_key {
            None => None,
            Some(key) if key.is_empty() => Some(None),
            Some(key) => Some(Some(self.check_key(caller, &asked, &key)?)),
        };
        self.change(caller, name, move |trail, _| {
            apply(trail)?;
            trail.kms_key = kms_key.unwrap_or_else(|| trail.kms_key.take());
            Ok(())
        })
        .await
    }

    /// Deletes a trail. What it asked for until now is still delivered, if its bucket takes it.
    pub async fn delete_trail(&self, caller: &Caller, name: &str) -> Result<(), TrailsError> {
        let scope = caller.scope().clone();
        let (name, now_ms) = (name_in(&scope, name)?, self.now_ms());
        let account = scope.account.clone();
        let gone = caller.commit_after_record(&*self.parts().store, move |tx| {
            let at = trail_key(&scope.account, &name);
            let mut trail = tx.get(TRAILS, &at)?.ok_or_else(|| no_such(&scope.account, &scope, &name))?;
            trail.is_logging = false;
            tx.delete(TRAILS, &at)?;
            tx.put(LEAVING, &of_trail(&trail.id), &trail)?;
            chain(tx, &trail, now_ms)?;
            follow(tx, &scope.account)
        });
        gone.await?;
        Ok(self.parts().audit.followers_changed(&account)?)
    }

    /// The trail that `name`, a name or an ARN, is of.
    pub fn trail(&self, _proof: &Authorized, scope: &Scope, name: &str) -> Result<Trail, TrailsError> {
        let name = name_in(scope, name)?;
        let found = self.snapshot()?.get(TRAILS, &trail_key(&scope.account, &name))?;
        found.ok_or_else(|| no_such(&scope.account, scope, &name))
    }

    /// All trails of the account, by name.
    pub fn trails(&self, _proof: &Authorized, scope: &Scope) -> Result<Vec<Trail>, TrailsError> {
        all(&self.snapshot()?, &scope.account)
    }
}
