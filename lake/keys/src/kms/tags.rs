//! Tags of keys.

use std::collections::BTreeMap;

use tarn_audit::Caller;

use super::{Kms, KmsError};

/// The most tags of a key.
const TAGS_COUNT_MAX: usize = 50;

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), KmsError> {
    let refused = |reason| Err(KmsError::InvalidTag { reason });
    if tags.len() > TAGS_COUNT_MAX {
        return refused("Too many tags: a key has at most 50");
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return refused("A tag's key has 1 to 128 characters, its value at most 256");
        }
        if key.starts_with("aws:") {
            return refused("aws: prefixed tag key names are not allowed for external use.");
        }
    }
    Ok(())
}

impl Kms {
    /// Sets tags of a key; others stay.
    pub async fn tag_key(&self, caller: &Caller, name: &str, tags: BTreeMap<String, String>) -> Result<(), KmsError> {
        check_tags(&tags)?;
        self.change_key(caller, name, move |key| {
            key.tags.extend(tags);
            check_tags(&key.tags)
        })
        .await
    }

    /// Removes tags of a key.
    pub async fn untag_key(&self, caller: &Caller, name: &str, names: Vec<String>) -> Result<(), KmsError> {
        self.change_key(caller, name, move |key| {
            key.tags.retain(|tag, _| !names.contains(tag));
            Ok(())
        })
        .await
    }
}
