//! What a trail's bucket and key must let CloudTrail do: asked when a trail is set up, and again at every delivery.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>

use tarn_audit::{Caller, TRAIL_SERVICE};
use tarn_keys::kms::{EncryptionContext, KeyState, KmsError};
use tarn_objects::{BucketName, DeliveringService, Delivery, ObjectKey, ObjectsError};
use tarn_policy::{Authorized, BoundAuthorizer, Denied, Requirement};
use tarn_types::Arn;

use crate::{Trail, Trails, TrailsError};

/// The account that delivers: none of the lake's, so that the policies of buckets and keys must let it in.
const DELIVERY_ACCOUNT: &str = "086441151436";
/// The pair of the encryption context that log files are encrypted with.
pub(crate) const ENCRYPTION_CONTEXT_PAIR: &str = "aws:cloudtrail:arn";

/// CloudTrail, working for a trail.
fn service(trail: &Trail) -> DeliveringService<'_> {
    DeliveringService {
        name: TRAIL_SERVICE,
        account: DELIVERY_ACCOUNT,
        source: trail.arn(),
        source_account: &trail.account,
        region: &trail.region,
    }
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
        let asking = self.asking(caller, trail);
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
        let asking = self.asking(caller, trail);
        let key = key.arn().to_string();
        match asking.authorize(vec![requirement]) {
            Ok(_) => Ok(key),
            Err(_) => Err(TrailsError::KeyRefuses { key }),
        }
    }

    /// CloudTrail itself, about to put a file of `trail`; refused if the bucket does not let it.
    pub(crate) fn deliverer(&self, trail: &Trail, key: &ObjectKey) -> Result<Caller, ObjectsError> {
        let delivery = Delivery { by: service(trail), target: &trail.bucket, key: key.as_str() };
        let needs = put(&trail.bucket, key.as_str());
        self.parts().objects.delivery_caller(&self.parts().authorizer, &delivery, needs)
    }

    /// Asks as CloudTrail what it will ask when it delivers.
    fn asking(&self, caller: &Caller, trail: &Trail) -> BoundAuthorizer {
        let service = service(trail);
        caller.authorizer().of_service(service.principal(), service.context(self.parts().runtime.now()))
    }
}
