//! What a trail's bucket and key must let CloudTrail do: asked when a trail is set up, and again at every delivery.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>

use std::sync::Arc;

use tarn_audit::{Caller, EventDraft, TRAIL_SERVICE};
use tarn_keys::kms::{EncryptionContext, KeyState, KmsError};
use tarn_objects::{BucketName, ObjectKey, ObjectsError};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Arn, Scope};

use crate::{Trail, Trails, TrailsError};

/// The account that delivers: none of the lake's, so that the policies of buckets and keys must let it in.
const DELIVERY_ACCOUNT: &str = "086441151436";
/// The pair of the encryption context that log files are encrypted with.
pub(crate) const ENCRYPTION_CONTEXT_PAIR: &str = "aws:cloudtrail:arn";

fn service() -> Principal {
    Principal::service(AccountId::new(DELIVERY_ACCOUNT).unwrap_or_else(|_| AccountId::first()), TRAIL_SERVICE)
}

/// The condition keys of what is done for the trail `arn` of `account`.
fn context(account: &AccountId, arn: &Arn) -> Context {
    Context::new()
        .with("aws:SourceArn", arn.to_string())
        .with("aws:SourceAccount", account.as_str())
        .with("aws:PrincipalIsAWSService", "true")
        .with("aws:PrincipalServiceName", TRAIL_SERVICE)
        .with("aws:SecureTransport", "true")
}

fn put(bucket: &BucketName, key: &str) -> Requirement {
    // The policy that AWS has users write asks for this list on every file.
    Requirement::new("s3:PutObject", Arn::s3_object(bucket.as_str(), key))
        .with("s3:x-amz-acl", "bucket-owner-full-control")
}

impl Trails {
    /// Refuses a trail whose bucket is not there or does not let CloudTrail in.
    pub(crate) fn check_bucket(&self, caller: &Caller, trail: &Trail) -> Result<(), TrailsError> {
        let bucket = &trail.bucket;
        if !self.parts().objects.bucket_exists(bucket)? {
            return Err(TrailsError::NoSuchBucket { bucket: bucket.to_string() });
        }
        let asking = caller.authorizer().of_service(service(), context(&trail.account, &trail.arn()));
        let look = Requirement::new("s3:GetBucketAcl", bucket.arn());
        let refuses = |denied: Denied| {
            let on = denied.resource.map(|arn| format!(" on {arn}")).unwrap_or_default();
            let is_put = denied.action == "s3:PutObject";
            let condition = if is_put { " with s3:x-amz-acl bucket-owner-full-control" } else { "" };
            let (bucket, action) = (bucket.to_string(), format!("{}{on}", denied.action));
            TrailsError::BucketRefuses { bucket, action, condition }
        };
        let folder = trail.file_key("CloudTrail", "");
        asking.authorize(vec![look, put(bucket, &folder)]).map(drop).map_err(refuses)
    }

    /// The ARN of the key that `text` names, if CloudTrail may encrypt by it for the trail `arn`.
    pub(crate) fn check_key(&self, caller: &Caller, trail: &Trail, text: &str) -> Result<String, TrailsError> {
        let kms = self.parts().objects.kms();
        let of_kms = |error: KmsError| match error {
            KmsError::NoSuchKey { .. } | KmsError::NoSuchAlias { .. } => {
                TrailsError::NoSuchKey { key: text.to_owned() }
            }
            KmsError::Store(source) => TrailsError::Store(source),
            _ => TrailsError::InvalidKey { key: text.to_owned() },
        };
        let scope = caller.scope();
        let mut requirement = kms.requirement("kms:GenerateDataKey", scope, text).map_err(of_kms)?;
        let key = kms.key(&Authorized::internal(TRAIL_SERVICE, scope.account.clone()), scope, text).map_err(of_kms)?;
        if key.state != KeyState::Enabled {
            return Err(TrailsError::KeyDisabled { reason: format!("{} is not enabled.", key.arn()) });
        }
        let pairs = [(ENCRYPTION_CONTEXT_PAIR.to_owned(), trail.arn().to_string())];
        EncryptionContext::new(pairs).map_err(of_kms)?.describe(&mut requirement);
        let asking = caller.authorizer().of_service(service(), context(&trail.account, &trail.arn()));
        let key = key.arn().to_string();
        match asking.authorize(vec![requirement]) {
            Ok(_) => Ok(key),
            Err(_) => Err(TrailsError::KeyRefuses { key }),
        }
    }

    /// CloudTrail itself, about to put a file of `trail`; refused if the bucket does not let it.
    pub(crate) fn deliverer(&self, trail: &Trail, key: &ObjectKey) -> Result<Caller, ObjectsError> {
        let parts = self.parts();
        let (principal, context) = (service(), context(&trail.account, &trail.arn()));
        let authorizer: &Arc<dyn Authorizer> = &parts.authorizer;
        let authorized = authorizer
            .authorize(&principal, vec![put(&trail.bucket, key.as_str())], &context)
            .map_err(ObjectsError::Denied)?;
        let parameters = serde_json::json!({ "bucketName": trail.bucket.as_str(), "key": key.as_str() });
        let draft = EventDraft {
            id: parts.runtime.entropy.bytes(),
            request_id: parts.runtime.entropy.uuid().to_string(),
            time_ms: self.now_ms(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: "PutObject".to_owned(),
            read_only: false,
            management: false,
            scope: Scope { account: trail.account.clone(), region: trail.region.clone() },
            principal: principal.clone(),
            source_ip: TRAIL_SERVICE.to_owned(),
            user_agent: TRAIL_SERVICE.to_owned(),
            request_parameters: parameters.to_string(),
            resources: vec![key.arn(&trail.bucket).to_string(), trail.bucket.arn().to_string()],
        };
        Ok(Caller::new(authorized, BoundAuthorizer::new(authorizer.clone(), principal, context), draft))
    }
}
