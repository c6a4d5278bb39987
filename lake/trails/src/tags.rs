//! Tags of trails.

use std::collections::BTreeMap;

use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::Authorized;
use tarn_types::{AccountId, Arn, Scope};

use crate::records::{TRAILS, trail_key};
use crate::{Trails, TrailsError};

/// Tags of a trail.
const TAGS_COUNT_MAX: usize = 50;

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), TrailsError> {
    if tags.len() > TAGS_COUNT_MAX {
        return Err(TrailsError::TooManyTags { count_max: TAGS_COUNT_MAX });
    }
    if tags.keys().any(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(TrailsError::InvalidTag { reason: "Tag keys must not begin with aws:, which is reserved." });
    }
    Ok(())
}

impl Trails {
    /// Sets tags of a trail; others stay.
    pub async fn add_tags(
        &self,
        caller: &Caller,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), TrailsError> {
        check_tags(&tags)?;
        let change = self.change(caller, name, move |trail, _| {
            trail.tags.extend(tags);
            check_tags(&trail.tags)
        });
        change.await.map(drop)
    }

    /// Removes tags of a trail: those with these keys, and with this value where one is given.
    pub async fn remove_tags(
        &self,
        caller: &Caller,
        name: &str,
        tags: Vec<(String, Option<String>)>,
    ) -> Result<(), TrailsError> {
        let change = self.change(caller, name, move |trail, _| {
            let is_named = |key: &String, value: &String| {
                tags.iter().any(|(named, of)| named == key && of.as_ref().is_none_or(|of| of == value))
            };
            trail.tags.retain(|key, value| !is_named(key, value));
            Ok(())
        });
        change.await.map(drop)
    }

    /// The tags that policies see of the trail `arn`; none where there is no such trail. Not for answers to callers.
    pub fn condition_tags(&self, arn: &Arn) -> Result<BTreeMap<String, String>, TrailsError> {
        let name = arn.resource.strip_prefix("trail/").unwrap_or_default();
        let Ok(account) = AccountId::new(arn.account.clone()) else { return Ok(BTreeMap::new()) };
        let found = self.snapshot()?.get(TRAILS, &trail_key(&account, name))?;
        Ok(found.map(|trail| trail.tags).unwrap_or_default())
    }

    /// The tags of a trail.
    pub fn tags(&self, proof: &Authorized, scope: &Scope, name: &str) -> Result<BTreeMap<String, String>, TrailsError> {
        Ok(self.trail(proof, scope, name)?.tags)
    }
}
