//! The hooks of s3s: a secret for each key, and the gate's decision before an operation is even decoded.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tarn_audit::Caller;
use tarn_objects::{BucketName, ObjectKey, Objects};
use tarn_policy::Context;

use crate::api::{Inner, XML_BODY_SIZE_BYTES_MAX};
use crate::errors::{objects_error, refusal_error};
use crate::gate::{Absence, Absent, Asked, CallMeta, GateRefusal};
use crate::logging;
use crate::operations::to_list;
use crate::parameters;
use crate::post::Posted;
use crate::refusals::Record;
use crate::resources::{Operation, Request, operation};
use crate::signature_v2;

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
        let posted = cx.extensions_mut().get::<Posted>().cloned();
        let path = cx.s3_path();
        let request = Request {
            bucket: path.get_bucket_name(),
            key: path.get_object_key(),
            headers: cx.headers(),
            query: cx.uri().query().unwrap_or_default(),
            now_ms: meta.time.as_millisecond(),
        };
        parameters::check(operation.name, &request)?;
        if posted.is_none() {
            check_framing(operation, request.headers)?;
        }
        let requirements = (operation.requirements)(&self.0.objects, &request)?;
        let mut signature_keys = Context::new();
        if signature_v2::is_used(&request) {
            signature_v2::check(&request, operation, meta.time.as_second())?;
            signature_keys.set("s3:signatureversion", "AWS");
            let is_presigned = request.parameter("Signature").is_some();
            signature_keys.set("s3:authType", if is_presigned { "REST-QUERY-STRING" } else { "REST-HEADER" });
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
        let form = posted.as_ref().and_then(|posted| posted.0.as_ref());
        if let Some(form) = form {
            record.signed(&form.access_key_id);
            signature_keys.set("s3:authType", "POST");
            let version = if form.is_version_4 { "AWS4-HMAC-SHA256" } else { "AWS" };
            signature_keys.set("s3:signatureversion", version);
        }
        let signed_by = cx.credentials().map(|credentials| credentials.access_key.as_str());
        let asked = Asked {
            meta: &meta,
            method: cx.method(),
            uri: cx.uri(),
            headers: cx.headers(),
            access_key_id: form.map(|form| form.access_key_id.as_str()).or(signed_by),
            form,
            operation,
            parameters: request.parameters(),
            resources: request.arns(),
            requirements,
            signature_keys,
            absence: Absence(&absent),
        };
        let caller = self.0.gate.authorize(asked).map_err(|refusal| {
            if let GateRefusal::Denied { .. } | GateRefusal::NoSuchBucket | GateRefusal::NoSuchKey = refusal {
                record.done();
            }
            refusal_error(refusal)
        })?;
        record.admitted(&caller);
        logging::note_requester(&*self.0.gate, &caller);
        if let Some(bucket) = request.bucket {
            self.0.check_payer(bucket, &request, &caller)?;
        }
        cx.extensions_mut().insert(caller);
        Ok(())
    }
}

/// S3 wants to know beforehand how much will come; only its own chunks may say so in their own way.
fn check_framing(operation: &Operation, headers: &HeaderMap) -> S3Result<()> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if !matches!(operation.name, "PutObject" | "UploadPart") {
        return match length {
            Some(length) if length > XML_BODY_SIZE_BYTES_MAX => {
                Err(s3_error!(MaxMessageLengthExceeded, "Your request was too big."))
            }
            _ => Ok(()),
        };
    }
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    if is_chunked && !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key("x-amz-decoded-content-length") {
        return Err(s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header."));
    }
    Ok(())
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

impl Inner {
    /// Where the requester pays, other accounts must say that they do, and nobody is nobody's guest.
    fn check_payer(&self, bucket: &str, request: &Request<'_>, caller: &Caller) -> S3Result<()> {
        let Ok(name) = tarn_objects::BucketName::new(bucket) else { return Ok(()) };
        if !self.objects.is_requester_pays(&name).map_err(objects_error)? {
            return Ok(());
        }
        let principal = caller.principal();
        let owner = self.objects.bucket_owner(&name).map_err(objects_error)?;
        let is_owner = !principal.is_anonymous() && owner.as_ref() == Some(&principal.account);
        let says = request.header("x-amz-request-payer").map(str::to_owned);
        let says = says.or_else(|| request.parameter("x-amz-request-payer"));
        let pays = !principal.is_anonymous() && says.as_deref() == Some("requester");
        if is_owner || pays {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "Access Denied"))
    }

    /// The caller says whose a bucket must be.
    fn check_owner(&self, bucket: &str, expected: &str) -> S3Result<()> {
        let Ok(name) = BucketName::new(bucket) else { return Ok(()) };
        match self.objects.bucket_owner(&name).map_err(objects_error)? {
            Some(owner) if owner.as_str() != expected => Err(s3_error!(AccessDenied, "Access Denied")),
            _ => Ok(()),
        }
    }
}
