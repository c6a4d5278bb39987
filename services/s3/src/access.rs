//! The hooks of s3s: a secret for each key, and the gate's decision before an operation is even decoded.

use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::api::Inner;
use crate::errors::{objects_error, refusal_error};
use crate::gate::{Asked, CallMeta};
use crate::resources::{Request, operation};

pub(crate) struct Hooks(pub(crate) Arc<Inner>);

#[async_trait::async_trait]
impl S3Auth for Hooks {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.0.gate.secret(access_key).map(SecretKey::from).map_err(refusal_error)
    }
}

#[async_trait::async_trait]
impl S3Access for Hooks {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let name = cx.s3_op().name();
        let Some(operation) = operation(name) else {
            return Err(S3Error::with_message(
                S3ErrorCode::NotImplemented,
                format!("The operation {name} is not implemented."),
            ));
        };
        let Some(meta) = cx.extensions_mut().get::<CallMeta>().cloned() else {
            return Err(s3_error!(InternalError));
        };
        let path = cx.s3_path();
        let request = Request {
            bucket: path.get_bucket_name(),
            key: path.get_object_key(),
            headers: cx.headers(),
            query: cx.uri().query().unwrap_or_default(),
        };
        let requirements = (operation.requirements)(&self.0.objects, &request)?;
        if let (Some(bucket), Some(expected)) = (request.bucket, request.header("x-amz-expected-bucket-owner")) {
            self.0.check_owner(bucket, expected)?;
        }
        if let (Some((bucket, _)), Some(expected)) =
            (request.copy_source()?, request.header("x-amz-source-expected-bucket-owner"))
        {
            self.0.check_owner(&bucket, expected)?;
        }
        let asked = Asked {
            meta: &meta,
            method: cx.method(),
            uri: cx.uri(),
            headers: cx.headers(),
            access_key_id: cx.credentials().map(|credentials| credentials.access_key.as_str()),
            operation,
            parameters: request.parameters(),
            resources: request.arns(),
            requirements,
        };
        let caller = self.0.gate.authorize(asked).map_err(refusal_error)?;
        cx.extensions_mut().insert(caller);
        Ok(())
    }
}

impl Inner {
    /// The caller says whose a bucket must be.
    fn check_owner(&self, bucket: &str, expected: &str) -> S3Result<()> {
        let Ok(name) = tarn_objects::BucketName::new(bucket) else { return Ok(()) };
        match self.objects.bucket_owner(&name).map_err(objects_error)? {
            Some(owner) if owner.as_str() != expected => Err(s3_error!(AccessDenied, "Access Denied")),
            _ => Ok(()),
        }
    }
}
