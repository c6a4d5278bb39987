//! The condition keys of a request, each from what the server itself sees: socket, clock, checked signature. Headers give only the
//! keys that AWS defines as the caller's claims (user agent, referer).
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>

use http::HeaderMap;
use tarn_policy::{Context, Principal, PrincipalKind};
use tarn_sigv4::{Form, Presented};
use tarn_types::Region;

use crate::RequestMeta;

/// Longest value taken from a header, bytes.
const CLAIM_SIZE_BYTES_MAX: usize = 1_024;

/// A header's value as text, cut at `CLAIM_SIZE_BYTES_MAX`.
pub(crate) fn claim(headers: &HeaderMap, name: http::HeaderName) -> Option<String> {
    let bytes = headers.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(CLAIM_SIZE_BYTES_MAX)]).into_owned())
}

/// The keys that every action has.
pub(crate) fn of_request(meta: &RequestMeta, headers: &HeaderMap, principal: &Principal, region: &Region) -> Context {
    let mut context = Context::new();
    context.set("aws:SourceIp", meta.peer.ip().to_canonical().to_string());
    context.set("aws:SecureTransport", meta.is_secure.to_string());
    if let Some(tls) = meta.tls {
        context.set("s3:TlsVersion", tls.version_number());
    }
    context.set("aws:CurrentTime", meta.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    context.set("aws:EpochTime", meta.time.as_second().to_string());
    context.set("aws:RequestedRegion", region.as_str());
    context.set("aws:ViaAWSService", "false");
    if let Some(agent) = claim(headers, http::header::USER_AGENT) {
        context.set("aws:UserAgent", agent);
    }
    if let Some(referer) = claim(headers, http::header::REFERER) {
        context.set("aws:Referer", referer);
    }
    context.set("aws:userid", principal.id.clone());
    let kind = match &principal.kind {
        PrincipalKind::Root => "Account",
        PrincipalKind::User { name, .. } => {
            context.set("aws:username", name.clone());
            "User"
        }
        PrincipalKind::AssumedRole { .. } => "AssumedRole",
        PrincipalKind::FederatedUser { .. } => "FederatedUser",
        PrincipalKind::WebIdentity { .. } => "WebIdentityUser",
        PrincipalKind::Service { name } => {
            context.set("aws:PrincipalServiceName", name.clone());
            "Service"
        }
        PrincipalKind::Anonymous => "Anonymous",
    };
    context.set("aws:PrincipalType", kind);
    context.set("aws:PrincipalIsAWSService", matches!(principal.kind, PrincipalKind::Service { .. }).to_string());
    if !principal.is_anonymous() {
        context.set("aws:PrincipalAccount", principal.account.as_str());
    }
    // A session's aws:PrincipalArn is its role's, not its own.
    if let Some(arn) = principal.role_arn().or_else(|| principal.arn()) {
        context.set("aws:PrincipalArn", arn.to_string());
    }
    context
}

/// The keys that S3 adds for how a request was signed.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html>
pub(crate) fn of_signature(meta: &RequestMeta, presented: &Presented, context: &mut Context) {
    context.set("s3:signatureversion", "AWS4-HMAC-SHA256");
    context.set(
        "s3:authType",
        match presented.form {
            Form::Header => "REST-HEADER",
            Form::Presigned { .. } => "REST-QUERY-STRING",
        },
    );
    let age = meta.time.duration_since(presented.time).as_millis().max(0);
    context.set("s3:signatureAge", age.to_string());
}
