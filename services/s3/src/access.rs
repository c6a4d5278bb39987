//! The hooks of s3s: a secret for each key, and the gate's decision before an operation is even decoded.

use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tarn_objects::{BucketName, ObjectKey, Objects};

use crate::api::Inner;
use crate::errors::{objects_error, refusal_error};
use crate::gate::{Absence, Absent, Asked, CallMeta, GateRefusal};
use crate::operations::to_list;
use crate::parameters;
use crate::refusals::Record;
use crate::resources::{Operation, Request, operation};

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
        let record = cx.extensions_mut().get::<Record>().cloned().unwrap_or_default();
        if let Some(credentials) = cx.credentials() {
            record.signed(&credentials.access_key);
        }
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
            now_ms: meta.time.as_millisecond(),
        };
        parameters::check(operation.name, &request)?;
        let mut requirements = (operation.requirements)(&self.0.objects, &request)?;
        if is_version_2(&request) {
            check_version_2(&request, operation, meta.time.as_second())?;
            for requirement in &mut requirements {
                requirement.context.set("s3:signatureversion", "AWS");
                requirement.context.set("s3:authType", "REST-QUERY-STRING");
            }
        }
        if let (Some(bucket), Some(expected)) = (request.bucket, request.header("x-amz-expected-bucket-owner")) {
            self.0.check_owner(bucket, expected)?;
        }
        if let (Some((bucket, _, _)), Some(expected)) =
            (request.copy_source()?, request.header("x-amz-source-expected-bucket-owner"))
        {
            self.0.check_owner(&bucket, expected)?;
        }
        let objects = &self.0.objects;
        let absent = || absent(objects, &request, operation);
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
            absence: Absence(&absent),
        };
        let caller = self.0.gate.authorize(asked).map_err(|refusal| {
            if let GateRefusal::Denied { .. } | GateRefusal::NoSuchBucket | GateRefusal::NoSuchKey = refusal {
                record.done();
            }
            refusal_error(refusal)
        })?;
        record.admitted(&caller);
        cx.extensions_mut().insert(caller);
        Ok(())
    }
}

/// What of a request's target is not there. What cannot be found out counts as there: then the refusal stands.
fn absent(objects: &Objects, request: &Request<'_>, operation: &Operation) -> Option<Absent> {
    let name = BucketName::new(request.bucket?).ok()?;
    if operation.name == "CreateBucket" {
        return None;
    }
    if !objects.bucket_exists(&name).ok()? {
        return Some(Absent::Bucket);
    }
    // Of older versions a listing of keys tells nothing.
    let reads_object = operation.read_only && operation.action.starts_with("s3:GetObject");
    if !reads_object || request.parameter("versionId").is_some() {
        return None;
    }
    let key = ObjectKey::new(request.key?).ok()?;
    (!objects.object_exists(&name, &key).ok()?).then(|| Absent::Key(to_list(name.as_str(), key.as_str())))
}

/// How long a presigned URL may be valid, seconds: seven days, as with version 4.
const PRESIGNED_SECONDS_MAX: i64 = 7 * 24 * 60 * 60;

/// Whether the request carries a signature of version 2.
fn is_version_2(request: &Request<'_>) -> bool {
    request.parameter("Signature").is_some()
        || request.header("authorization").is_some_and(|value| value.starts_with("AWS "))
}

/// boto3 still presigns by version 2 unless it is told otherwise, so that URLs of whole objects are taken. Version 2 leaves most of the
/// query unsigned; nothing else may come with it: no other operation, no parameter beyond its own.
fn check_version_2(request: &Request<'_>, operation: &Operation, now_seconds: i64) -> S3Result<()> {
    let refused = || {
        s3_error!(
            InvalidRequest,
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    };
    const PARAMETERS: [&str; 4] = ["AWSAccessKeyId", "Signature", "Expires", "x-amz-security-token"];
    let is_own = |name: &str| PARAMETERS.contains(&name) || name.starts_with("response-") || name == "versionId";
    let names = request.query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    let is_whole_object = matches!(operation.name, "GetObject" | "HeadObject" | "PutObject");
    if request.header("authorization").is_some() || !is_whole_object || !names.into_iter().all(is_own) {
        return Err(refused());
    }
    let expires = request.parameter("Expires").and_then(|text| text.parse::<i64>().ok()).ok_or_else(refused)?;
    if expires.saturating_sub(now_seconds) > PRESIGNED_SECONDS_MAX {
        return Err(s3_error!(AccessDenied, "A presigned URL is valid for at most seven days"));
    }
    Ok(())
}

impl Inner {
    /// The caller says whose a bucket must be.
    fn check_owner(&self, bucket: &str, expected: &str) -> S3Result<()> {
        let Ok(name) = BucketName::new(bucket) else { return Ok(()) };
        match self.objects.bucket_owner(&name).map_err(objects_error)? {
            Some(owner) if owner.as_str() != expected => Err(s3_error!(AccessDenied, "Access Denied")),
            _ => Ok(()),
        }
    }
}
