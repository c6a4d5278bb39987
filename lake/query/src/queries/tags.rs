//! Tags of workgroups. Data catalogs have none: the lake has one catalog, which nobody makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_metadata::{Read, Store, StoreExt};
use tarn_policy::{Authorized, PoliciesUnreadable, Requirement, ResourcePolicies, ResourcePolicy};
use tarn_types::{AccountId, Arn};

use super::keyspaces::{WORK_GROUPS, name_key};
use super::{Queries, QueriesError, TAGS_MAX};

/// Where policies find the tags of workgroups.
pub struct WorkGroupTags(pub Arc<dyn Store>);

impl ResourcePolicies for WorkGroupTags {
    fn resource_policy(&self, resource: &Arn, _: &Requirement) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
        let name = resource.resource.strip_prefix("workgroup/").filter(|_| resource.service == "athena");
        let (Some(name), Ok(account)) = (name, AccountId::new(resource.account.clone())) else { return Ok(None) };
        let found = self.0.read().and_then(|snapshot| snapshot.get(WORK_GROUPS, &name_key(&account, name)));
        let found = found.map_err(|error| PoliciesUnreadable { reason: error.to_string() })?;
        Ok(found.map(|group| ResourcePolicy::of_tagged(resource, group.tags)))
    }
}

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
