//! Where policies find the tags of delivery streams.

use std::sync::Arc;

use tarn_metadata::{Read, Store, StoreExt};
use tarn_policy::{PoliciesUnreadable, Requirement, ResourcePolicies, ResourcePolicy};
use tarn_types::{AccountId, Arn, Region, Scope};

use crate::keyspaces::{STREAMS, stream_key};

/// Where policies find the tags of delivery streams.
pub struct StreamTags(pub Arc<dyn Store>);

impl ResourcePolicies for StreamTags {
    fn resource_policy(&self, resource: &Arn, _: &Requirement) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
        let name = resource.resource.strip_prefix("deliverystream/").filter(|_| resource.service == "firehose");
        let place = (AccountId::new(resource.account.clone()), Region::new(resource.region.clone()));
        let (Some(name), (Ok(account), Ok(region))) = (name, place) else { return Ok(None) };
        let key = stream_key(&Scope { account, region }, name);
        let found = self.0.read().and_then(|snapshot| snapshot.get(STREAMS, &key));
        let found = found.map_err(|error| PoliciesUnreadable { reason: error.to_string() })?;
        Ok(found.map(|stream| ResourcePolicy::of_tagged(resource, stream.tags)))
    }
}
