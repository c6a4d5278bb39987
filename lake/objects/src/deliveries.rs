//! What the lake's services put into users' buckets by themselves: access logs, inventories. The bucket's own policy must let the service
//! in, whoever owns it. Knows nothing of what is delivered.

use std::sync::Arc;

use tarn_audit::{Caller, EventDraft};
use tarn_policy::{Authorizer, BoundAuthorizer, Context, Principal, Requirement};
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Arn, Region, Scope};

use crate::errors::ObjectsError;
use crate::names::BucketName;
use crate::objects::Objects;

/// The account that delivers: none of the lake's, so that a bucket's own policy must let it in.
const DELIVERY_ACCOUNT: &str = "858827067514";

/// An object that a service puts.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// Who: `logging.s3.amazonaws.com`.
    pub service: &'static str,
    /// The bucket that it tells of.
    pub source: &'a BucketName,
    /// Whose that is.
    pub source_owner: &'a AccountId,
    /// Where that is.
    pub region: &'a Region,
    /// Into which bucket.
    pub target: &'a BucketName,
    /// At which key.
    pub key: &'a str,
}

impl Delivery<'_> {
    /// Who asks to be let in.
    pub fn principal(&self) -> Principal {
        Principal::service(AccountId::new(DELIVERY_ACCOUNT).unwrap_or_else(|_| AccountId::first()), self.service)
    }

    /// The condition keys of the request.
    pub fn context(&self) -> Context {
        Context::new()
            .with("aws:SourceArn", self.source.arn().to_string())
            .with("aws:SourceAccount", self.source_owner.as_str())
    }

    /// What the service must be allowed.
    pub fn requirement(&self) -> Requirement {
        Requirement::new("s3:PutObject", Arn::s3_object(self.target.as_str(), self.key))
    }
}

impl Objects {
    /// The service as a caller, if it is let in.
    pub fn delivery_caller(
        &self,
        authorizer: &Arc<dyn Authorizer>,
        delivery: &Delivery<'_>,
        requirement: Requirement,
    ) -> Result<Caller, ObjectsError> {
        let (principal, context) = (delivery.principal(), delivery.context());
        let authorized = authorizer.authorize(&principal, vec![requirement], &context).map_err(ObjectsError::Denied)?;
        let Delivery { service, source_owner, region, target, key, .. } = delivery;
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.now_ms(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: "PutObject".to_owned(),
            read_only: false,
            management: false,
            scope: Scope { account: (*source_owner).clone(), region: (*region).clone() },
            principal: principal.clone(),
            source_ip: (*service).to_owned(),
            user_agent: (*service).to_owned(),
            request_parameters: serde_json::json!({ "bucketName": target.as_str(), "key": key }).to_string(),
            resources: vec![Arn::s3_object(target.as_str(), key).to_string()],
        };
        Ok(Caller::new(authorized, BoundAuthorizer::new(authorizer.clone(), principal, context), draft))
    }
}
