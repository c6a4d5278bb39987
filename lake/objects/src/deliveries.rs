//! As whom the lake's services put things into users' buckets by themselves: access logs, inventories, trails. The policies of the bucket,
//! and of the key that seals it, must let the service in, whoever owns them. Knows nothing of what is delivered.

use std::sync::Arc;

use tarn_audit::{Caller, EventDraft};
use tarn_policy::{Authorizer, BoundAuthorizer, Context, Principal, Requirement, ServiceRoles};
use tarn_runtime::{EntropyExt, Timestamp};
use tarn_types::{AccountId, Arn, Region, Scope};

use crate::errors::ObjectsError;
use crate::names::BucketName;
use crate::objects::Objects;

/// The account that S3 delivers from.
const S3_DELIVERY_ACCOUNT: &str = "858827067514";

/// A service that delivers.
#[derive(Debug, Clone)]
pub struct DeliveringService<'a> {
    /// Which: `logging.s3.amazonaws.com`.
    pub name: &'static str,
    /// From which account: none of the lake's, so that policies must let it in.
    pub account: &'static str,
    /// For what: the bucket or the trail that it tells of.
    pub source: Arn,
    /// Whose that is.
    pub source_account: &'a AccountId,
    /// Where that is.
    pub region: &'a Region,
}

impl<'a> DeliveringService<'a> {
    /// One of S3's, which tells of a bucket.
    pub fn of_bucket(name: &'static str, bucket: &BucketName, owner: &'a AccountId, region: &'a Region) -> Self {
        Self { name, account: S3_DELIVERY_ACCOUNT, source: bucket.arn(), source_account: owner, region }
    }

    /// Who asks to be let in.
    pub fn principal(&self) -> Principal {
        Principal::service(AccountId::new(self.account).unwrap_or_else(|_| AccountId::first()), self.name)
    }

    /// The condition keys of its requests.
    pub fn context(&self, now: Timestamp) -> Context {
        ServiceRoles::context(now, self.region)
            .with("aws:SourceArn", self.source.to_string())
            .with("aws:SourceAccount", self.source_account.as_str())
            .with("aws:PrincipalIsAWSService", "true")
            .with("aws:PrincipalServiceName", self.name)
    }
}

/// An object that a service puts.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// Who puts it.
    pub by: DeliveringService<'a>,
    /// Into which bucket.
    pub target: &'a BucketName,
    /// At which key.
    pub key: &'a str,
}

impl Delivery<'_> {
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
        let Delivery { by, target, key } = delivery;
        let (principal, context) = (by.principal(), by.context(self.runtime.now()));
        let authorized = authorizer.authorize(&principal, vec![requirement], &context).map_err(ObjectsError::Denied)?;
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.now_ms(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: "PutObject".to_owned(),
            read_only: false,
            management: false,
            scope: Scope { account: by.source_account.clone(), region: by.region.clone() },
            principal: principal.clone(),
            source_ip: by.name.to_owned(),
            user_agent: by.name.to_owned(),
            request_parameters: serde_json::json!({ "bucketName": target.as_str(), "key": key }).to_string(),
            resources: vec![Arn::s3_object(target.as_str(), key).to_string(), target.arn().to_string()],
        };
        Ok(Caller::new(authorized, BoundAuthorizer::new(authorizer.clone(), principal, context), draft))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn policies_may_ask_who_delivers_for_whom_when_and_where() {
        let (bucket, owner, region) = (BucketName::new("lake-raw").unwrap(), AccountId::first(), Region::us_east_1());
        let service = DeliveringService::of_bucket("logging.s3.amazonaws.com", &bucket, &owner, &region);
        let context = service.context(Timestamp::from_second(1_700_000_000).unwrap());
        let check = |key: &str, expected: &str| {
            assert_eq!(context.get(key), Some(&[expected.to_owned()][..]), "{key}");
        };
        check("aws:SourceArn", "arn:aws:s3:::lake-raw");
        check("aws:SourceAccount", "000000000000");
        check("aws:PrincipalIsAWSService", "true");
        check("aws:PrincipalServiceName", "logging.s3.amazonaws.com");
        check("aws:SecureTransport", "true");
        check("aws:CurrentTime", "2023-11-14T22:13:20Z");
        check("aws:EpochTime", "1700000000");
        check("aws:RequestedRegion", "us-east-1");
        assert_ne!(service.principal().account, owner);
    }
}
