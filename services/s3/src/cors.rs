//! Cross-origin requests: the bucket's rules on the wire, the answer to a browser's preflight (before any signature is looked at, since
//! browsers sign none), and the headers of the answers to the requests themselves.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use s3s::dto::*;
use s3s::{Body, S3Request, S3Response, S3Result};
use tarn_objects::{CorsConfiguration, CorsMatch, CorsRequest};

use crate::answer;
use crate::api::Inner;
use crate::convert::bucket_name;
use crate::errors::objects_error;
use crate::operations::Call;
use crate::target::Target;

/// The most headers that a preflight may announce.
const REQUEST_HEADERS_COUNT_MAX: usize = 256;

pub(crate) async fn get_bucket_cors(
    call: &Call,
    request: S3Request<GetBucketCorsInput>,
) -> S3Result<S3Response<GetBucketCorsOutput>> {
    let found = call.objects().bucket_cors(call.proof(), &bucket_name(&request.input.bucket)?);
    let list = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    let found = found.map_err(objects_error)?;
    let rules = found.rules().iter().map(|rule| CORSRule {
        allowed_headers: list(&rule.allowed_headers),
        allowed_methods: rule.allowed_methods.clone(),
        allowed_origins: rule.allowed_origins.clone(),
        expose_headers: list(&rule.exposed_headers),
        id: rule.id.clone(),
        max_age_seconds: rule.max_age_seconds,
    });
    Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(rules.collect()) }))
}

pub(crate) async fn put_bucket_cors(
    call: &Call,
    request: S3Request<PutBucketCorsInput>,
) -> S3Result<S3Response<PutBucketCorsOutput>> {
    let PutBucketCorsInput { bucket, cors_configuration, .. } = request.input;
    let rules = cors_configuration.cors_rules.into_iter().map(|rule| tarn_objects::CorsRule {
        id: rule.id,
        allowed_origins: rule.allowed_origins,
        allowed_methods: rule.allowed_methods,
        allowed_headers: rule.allowed_headers.unwrap_or_default(),
        exposed_headers: rule.expose_headers.unwrap_or_default(),
        max_age_seconds: rule.max_age_seconds,
    });
    let configuration = CorsConfiguration::new(rules.collect()).map_err(objects_error)?;
    call.objects().put_bucket_cors(&call.caller, &bucket_name(&bucket)?, configuration).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketCorsOutput {}))
}

pub(crate) async fn delete_bucket_cors(
    call: &Call,
    request: S3Request<DeleteBucketCorsInput>,
) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
    call.objects()
        .delete_bucket_cors(&call.caller, &bucket_name(&request.input.bucket)?)
        .await
        .map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketCorsOutput {}, StatusCode::NO_CONTENT))
}

/// What of a request its answer's headers depend on.
#[derive(Debug)]
pub(crate) struct Asking {
    origin: String,
    method: String,
}

impl Asking {
    /// `None`: the request is not said to come from a page.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Option<Self> {
        let origin = text(headers, &ORIGIN)?.to_owned();
        // AWS lets a request name the method that its rule is looked up by.
        let method = text(headers, &ACCESS_CONTROL_REQUEST_METHOD).unwrap_or(method.as_str()).to_owned();
        Some(Self { origin, method })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Adds to the answer of a request what its bucket's rules let a browser know.
pub(crate) fn allow(inner: &Inner, target: &Target, asking: &Asking, response: &mut Response<Body>) {
    let Some(Ok(bucket)) = target.bucket.as_deref().map(bucket_name) else { return };
    let configuration = match inner.objects.cors_rules(&bucket) {
        Ok(Some(configuration)) => configuration,
        Ok(None) => return,
        Err(error) => {
            tracing::error!(%error, %bucket, "a bucket's CORS rules cannot be read; browsers are told of none");
            return;
        }
    };
    let request = CorsRequest { origin: &asking.origin, method: &asking.method, headers: &[] };
    if let Some(found) = configuration.find(&request) {
        set_headers(&found, &asking.origin, response.headers_mut());
    }
}

fn set_headers(found: &CorsMatch<'_>, origin: &str, headers: &mut HeaderMap) {
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    // Credentials go with an origin that a rule names, never with the wildcard.
    set(ACCESS_CONTROL_ALLOW_ORIGIN, if found.any_origin { "*" } else { origin });
    if !found.any_origin {
        set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(ACCESS_CONTROL_ALLOW_METHODS, &found.rule.allowed_methods.join(", "));
    if !found.rule.exposed_headers.is_empty() {
        set(ACCESS_CONTROL_EXPOSE_HEADERS, &found.rule.exposed_headers.join(", "));
    }
    if let Some(seconds) = found.rule.max_age_seconds {
        set(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    set(VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

/// Answers a browser's question whether it may make a request. No caller is known, and none is needed: the bucket's rules decide.
pub(crate) fn preflight(inner: &Inner, target: &Target, headers: &HeaderMap) -> Response<Body> {
    let bad = |message: &str| answer::error(StatusCode::BAD_REQUEST, "BadRequest", message, "");
    let Some(origin) = text(headers, &ORIGIN) else {
        return bad("Insufficient information. Origin request header needed.");
    };
    let method = text(headers, &ACCESS_CONTROL_REQUEST_METHOD);
    let Some(method) = method.filter(|method| matches!(*method, "GET" | "PUT" | "HEAD" | "POST" | "DELETE")) else {
        return bad(&format!("Invalid Access-Control-Request-Method: {}", method.unwrap_or("null")));
    };
    let asked: Vec<String> = headers
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let kind = if target.key.is_some() { "OBJECT" } else { "BUCKET" };
    let refuse = |message: &str| {
        let more = format!("<Method>{method}</Method><ResourceType>{kind}</ResourceType>");
        answer::error(StatusCode::FORBIDDEN, "AccessForbidden", message, &more)
    };
    let Some(Ok(bucket)) = target.bucket.as_deref().map(bucket_name) else {
        return refuse("CORSResponse: Bucket not found");
    };
    let configuration = match inner.objects.cors_rules(&bucket) {
        Ok(Some(configuration)) => configuration,
        Ok(None) => match inner.objects.bucket_exists(&bucket) {
            Ok(false) => return refuse("CORSResponse: Bucket not found"),
            Ok(true) | Err(_) => return refuse("CORSResponse: CORS is not enabled for this bucket."),
        },
        Err(error) => {
            tracing::error!(%error, %bucket, "a bucket's CORS rules cannot be read; its preflights fail");
            return answer::internal_error();
        }
    };
    let request = CorsRequest { origin, method, headers: &asked };
    let found = configuration.find(&request).filter(|_| asked.len() <= REQUEST_HEADERS_COUNT_MAX);
    let Some(found) = found else {
        return refuse(
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / \
             Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
        );
    };
    let mut response = Response::new(Body::empty());
    set_headers(&found, origin, response.headers_mut());
    if !asked.is_empty()
        && let Ok(value) = HeaderValue::from_str(&asked.join(", "))
    {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, value);
    }
    response
}
