//! Tags of workgroups. Data catalogs have none: the lake has one catalog, which nobody makes.

use std::collections::BTreeMap;

use tarn_audit::Caller;
use tarn_policy::Authorized;

use super::{Queries, QueriesError, TAGS_MAX};

pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), QueriesError> {
    if tags.len() > TAGS_MAX {
        return Err(QueriesError::Limit { what: "Tags of a resource", limit: TAGS_MAX });
    }
    match tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        None => Ok(()),
        Some(key) => Err(QueriesError::invalid(format!("Tag key {key} begins with aws:, which is reserved"))),
    }
}

impl Queries {
    /// A workgroup's tags.
    pub fn work_group_tags(&self, proof: &Authorized, name: &str) -> Result<BTreeMap<String, String>, QueriesError> {
        Ok(self.work_group(proof, name)?.tags)
    }

    /// Adds tags to a workgroup, and removes others.
    pub async fn tag_work_group(
        &self,
        caller: &Caller,
        name: &str,
        add: BTreeMap<String, String>,
        remove: Vec<String>,
    ) -> Result<(), QueriesError> {
        self.change_work_group(caller, name, move |group| {
            group.tags.extend(add);
            group.tags.retain(|key, _| !remove.contains(key));
            check_tags(&group.tags)
        })
        .await
    }
}
