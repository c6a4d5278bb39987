//! Where policies find the tags of crawlers.

use tarn_metadata::Read;
use tarn_policy::{PoliciesUnreadable, Requirement, ResourcePolicies, ResourcePolicy};
use tarn_types::{AccountId, Arn};

use crate::crawlers::key;
use crate::{CRAWLERS, Crawlers, CrawlersError};

impl ResourcePolicies for Crawlers {
    fn resource_policy(&self, resource: &Arn, _: &Requirement) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
        let name = resource.resource.strip_prefix("crawler/").filter(|_| resource.service == "glue");
        let (Some(name), Ok(account)) = (name, AccountId::new(resource.account.clone())) else { return Ok(None) };
        let found = self.snapshot().and_then(|snapshot| Ok(snapshot.get(CRAWLERS, &key(&account, name))?));
        let found = found.map_err(|error: CrawlersError| PoliciesUnreadable { reason: error.to_string() })?;
        Ok(found.map(|crawler| ResourcePolicy::of_tagged(resource, crawler.tags)))
    }
}
