//! Websites on the wire: their configuration, and the visits to their hosts. A visit is nobody's GET of a document: permission, reading
//! and audit are those of any anonymous GET, only the answer's form is another.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html>

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE, REFERER, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3s::dto::*;
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{
    BucketName, ObjectsError, RoutingCondition, RoutingRedirect, WebsiteConfiguration as Website, WebsiteDocuments,
    WebsiteProtocol, WebsiteRedirect,
};

use crate::answer;
use crate::api::S3Api;
use crate::convert::bucket_name;
use crate::errors::objects_error;
use crate::gate::CallMeta;
use crate::operations::Call;
use crate::target::host_of;

/// Letters of a key that a path has as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

pub(crate) async fn get_bucket_website(
    call: &Call,
    request: S3Request<GetBucketWebsiteInput>,
) -> S3Result<S3Response<GetBucketWebsiteOutput>> {
    let website = call.objects().bucket_website(call.proof(), &bucket_name(&request.input.bucket)?);
    let protocol = |protocol: Option<WebsiteProtocol>| protocol.map(|protocol| Protocol::from_static(protocol.name()));
    let output = match website.map_err(objects_error)? {
        Website::RedirectAll { host_name, protocol: by } => GetBucketWebsiteOutput {
            redirect_all_requests_to: Some(RedirectAllRequestsTo { host_name, protocol: protocol(by) }),
            ..GetBucketWebsiteOutput::default()
        },
        Website::Documents(WebsiteDocuments { index_suffix, error_key, rules }) => {
            let rules = rules.into_iter().map(|rule| RoutingRule {
                condition: rule.condition.map(|condition| Condition {
                    http_error_code_returned_equals: condition.error_status.map(|status| status.to_string()),
                    key_prefix_equals: condition.key_prefix,
                }),
                redirect: Redirect {
                    host_name: rule.redirect.host_name,
                    http_redirect_code: rule.redirect.status.map(|status| status.to_string()),
                    protocol: protocol(rule.redirect.protocol),
                    replace_key_prefix_with: rule.redirect.replace_key_prefix_with,
                    replace_key_with: rule.redirect.replace_key_with,
                },
            });
            let rules: Vec<_> = rules.collect();
            GetBucketWebsiteOutput {
                error_document: error_key.map(|key| ErrorDocument { key }),
                index_document: Some(IndexDocument { suffix: index_suffix }),
                redirect_all_requests_to: None,
                routing_rules: (!rules.is_empty()).then_some(rules),
            }
        }
    };
    Ok(S3Response::new(output))
}

pub(crate) async fn put_bucket_website(
    call: &Call,
    request: S3Request<PutBucketWebsiteInput>,
) -> S3Result<S3Response<PutBucketWebsiteOutput>> {
    let PutBucketWebsiteInput { bucket, website_configuration, .. } = request.input;
    let website = of_wire(website_configuration)?;
    call.objects().put_bucket_website(&call.caller, &bucket_name(&bucket)?, website).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketWebsiteOutput {}))
}

pub(crate) async fn delete_bucket_website(
    call: &Call,
    request: S3Request<DeleteBucketWebsiteInput>,
) -> S3Result<S3Response<DeleteBucketWebsiteOutput>> {
    call.objects()
        .delete_bucket_website(&call.caller, &bucket_name(&request.input.bucket)?)
        .await
        .map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketWebsiteOutput {}, StatusCode::NO_CONTENT))
}

pub(crate) fn of_wire(wire: WebsiteConfiguration) -> S3Result<Website> {
    let protocol = |protocol: Option<Protocol>| {
        protocol.map(|protocol| WebsiteProtocol::parse(protocol.as_str())).transpose().map_err(objects_error)
    };
    let WebsiteConfiguration { error_document, index_document, redirect_all_requests_to, routing_rules } = wire;
    if let Some(all) = redirect_all_requests_to {
        if error_document.is_some() || index_document.is_some() || routing_rules.is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."
            ));
        }
        return Ok(Website::RedirectAll { host_name: all.host_name, protocol: protocol(all.protocol)? });
    }
    let Some(index) = index_document else {
        return Err(s3_error!(
            InvalidArgument,
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
        ));
    };
    let status = |text: Option<String>, what: &str| {
        let wrong = |text: &str| s3_error!(InvalidRequest, "The provided HTTP {what} code ({text}) is not valid.");
        text.map(|text| text.parse::<u16>().map_err(|_| wrong(&text))).transpose()
    };
    let mut rules = Vec::new();
    for rule in routing_rules.unwrap_or_default() {
        let condition = match rule.condition {
            None => None,
            Some(condition) => Some(RoutingCondition {
                key_prefix: condition.key_prefix_equals,
                error_status: status(condition.http_error_code_returned_equals, "error")?,
            }),
        };
        let redirect = RoutingRedirect {
            host_name: rule.redirect.host_name,
            protocol: protocol(rule.redirect.protocol)?,
            status: status(rule.redirect.http_redirect_code, "redirect")?,
            replace_key_prefix_with: rule.redirect.replace_key_prefix_with,
            replace_key_with: rule.redirect.replace_key_with,
        };
        rules.push(tarn_objects::RoutingRule { condition, redirect });
    }
    let error_key = error_document.map(|document| document.key);
    Ok(Website::Documents(WebsiteDocuments { index_suffix: index.suffix, error_key, rules }))
}

/// A visit to a website.
struct Visit<'v> {
    api: &'v S3Api,
    meta: &'v CallMeta,
    bucket: BucketName,
    /// As the path names it.
    key: String,
    host: String,
    is_head: bool,
    headers: HeaderMap,
}

/// An error on its way to being shown.
struct Fault {
    status: StatusCode,
    code: String,
    message: String,
    detail: Option<(&'static str, String)>,
}

/// Answers a visit to the website of `bucket`.
pub(crate) async fn visit(api: &S3Api, bucket: &str, request: Request<Body>, meta: &CallMeta) -> Response<Body> {
    let (is_get, is_head) = (request.method() == Method::GET, request.method() == Method::HEAD);
    if !is_get && !is_head {
        let message = "The specified method is not allowed against this resource.";
        let detail = Some(("Method", request.method().to_string()));
        return Fault::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message, detail).page(meta, None);
    }
    let website = bucket_name(bucket).and_then(|name| {
        let website = api.inner().objects.website(&name).map_err(|error| match error {
            ObjectsError::NoSuchConfiguration { .. } => {
                s3_error!(NoSuchWebsiteConfiguration, "The specified bucket does not have a website configuration")
            }
            other => objects_error(other),
        })?;
        Ok((name, website))
    });
    let (name, website) = match website {
        Ok(found) => found,
        Err(error) => {
            let status = error.status_code().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            // What is no bucket's name is nobody's website.
            let (status, code) = match error.code() {
                s3s::S3ErrorCode::InvalidBucketName => (StatusCode::NOT_FOUND, "NoSuchBucket"),
                code => (status, code.as_str()),
            };
            let message = error.message().unwrap_or("The specified bucket does not exist");
            let detail = Some(("BucketName", bucket.to_owned()));
            return Fault::new(status, code, message, detail).page(meta, None);
        }
    };
    let path = request.uri().path();
    let Ok(key) = percent_decode_str(path.strip_prefix('/').unwrap_or(path)).decode_utf8() else {
        let message = "Couldn't parse the specified URI.";
        return Fault::new(StatusCode::BAD_REQUEST, "InvalidURI", message, None).page(meta, None);
    };
    let (key, host) = (key.into_owned(), host_of(&request).to_owned());
    let (parts, _) = request.into_parts();
    let visit = Visit { api, meta, bucket: name, key, host, is_head, headers: parts.headers };
    match website {
        Website::RedirectAll { host_name, protocol } => visit.redirect(WebsiteRedirect {
            status: StatusCode::MOVED_PERMANENTLY.as_u16(),
            protocol,
            host_name: Some(host_name),
            key: visit.key.clone(),
        }),
        Website::Documents(documents) => visit.show(&documents).await,
    }
}

impl Visit<'_> {
    async fn show(&self, documents: &WebsiteDocuments) -> Response<Body> {
        if let Some(redirect) = documents.redirect(&self.key) {
            return self.redirect(redirect);
        }
        let document = documents.document(&self.key);
        let answer = self.get(&document, self.is_head, true).await;
        if !answer.status().is_client_error() && !answer.status().is_server_error() {
            return leave_if_moved(answer);
        }
        let fault = Fault::of(&answer, &document);
        if let Some(redirect) = documents.redirect_of_error(&self.key, fault.status.as_u16()) {
            return self.redirect(redirect);
        }
        let is_missing = matches!(fault.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN);
        if is_missing && document == self.key {
            let folder = format!("{}/", self.key);
            if self.get(&documents.document(&folder), true, false).await.status().is_success() {
                let location = format!("/{}", utf8_percent_encode(&folder, PATH));
                return led_to(StatusCode::FOUND, &location);
            }
        }
        let Some(error_key) = documents.error_key.as_deref().filter(|_| fault.status.is_client_error()) else {
            return fault.page(self.meta, None);
        };
        let mut shown = self.get(error_key, self.is_head, false).await;
        if shown.status() == StatusCode::OK {
            *shown.status_mut() = fault.status;
            fault.set_headers(shown.headers_mut());
            for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES] {
                shown.headers_mut().remove(name);
            }
            return shown;
        }
        let second = Fault::of(&shown, error_key);
        fault.page(self.meta, Some(&second))
    }

    /// Nobody's GET or HEAD of `key`; with the visitor's ranges and conditions only for the document itself.
    async fn get(&self, key: &str, is_head: bool, as_asked: bool) -> Response<Body> {
        let path = format!("/{}/{}", self.bucket, utf8_percent_encode(key, PATH));
        let method = if is_head { Method::HEAD } else { Method::GET };
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        let mut names = vec![USER_AGENT, REFERER];
        if as_asked {
            names.extend([RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE]);
        }
        for name in names {
            if let Some(value) = self.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        match request.body(Body::empty()) {
            Ok(request) => self.api.serve(request, self.meta.clone()).await,
            Err(_) => answer::internal_error(),
        }
    }

    fn redirect(&self, redirect: WebsiteRedirect) -> Response<Body> {
        let own = if self.meta.is_secure { WebsiteProtocol::Https } else { WebsiteProtocol::Http };
        let location = format!(
            "{}://{}/{}",
            redirect.protocol.unwrap_or(own).name(),
            redirect.host_name.as_deref().unwrap_or(&self.host),
            utf8_percent_encode(&redirect.key, PATH)
        );
        led_to(StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::MOVED_PERMANENTLY), &location)
    }
}

fn led_to(status: StatusCode, location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// An object can say that it lives elsewhere.
fn leave_if_moved(answer: Response<Body>) -> Response<Body> {
    match answer.headers().get("x-amz-website-redirect-location").and_then(|value| value.to_str().ok()) {
        Some(location) => led_to(StatusCode::MOVED_PERMANENTLY, location),
        None => answer,
    }
}

impl Fault {
    fn new(status: StatusCode, code: &str, message: &str, detail: Option<(&'static str, String)>) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned(), detail }
    }

    /// What an answer of S3's own form says. A HEAD's says nothing but its status.
    fn of(answer: &Response<Body>, key: &str) -> Self {
        let body = answer.body().bytes().unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(value, _)| unescape(value))
        };
        let status = answer.status();
        let (code, message) = match status {
            StatusCode::NOT_FOUND => ("NoSuchKey", "The specified key does not exist."),
            StatusCode::FORBIDDEN => ("AccessDenied", "Access Denied"),
            StatusCode::PRECONDITION_FAILED => {
                ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            }
            StatusCode::RANGE_NOT_SATISFIABLE => ("InvalidRange", "The requested range is not satisfiable"),
            _ => ("InternalError", "We encountered an internal error. Please try again."),
        };
        let code = element("Code").unwrap_or_else(|| code.to_owned());
        // Why a policy says no is not the visitors' to know.
        let message = match code.as_str() {
            "AccessDenied" => "Access Denied".to_owned(),
            _ => element("Message").unwrap_or_else(|| message.to_owned()),
        };
        let detail = (status == StatusCode::NOT_FOUND).then(|| ("Key", key.to_owned()));
        Self { status, code, message, detail }
    }

    fn set_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in [("x-amz-error-code", &self.code), ("x-amz-error-message", &self.message)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }

    fn list(&self) -> String {
        let mut items = format!(
            "<li>Code: {}</li>\n<li>Message: {}</li>\n",
            answer::escape(&self.code),
            answer::escape(&self.message)
        );
        if let Some((name, value)) = &self.detail {
            items.push_str(&format!("<li>{name}: {}</li>\n", answer::escape(value)));
        }
        items
    }

    /// The page that S3 shows. `second`: the website's own page could not be shown either.
    fn page(&self, meta: &CallMeta, second: Option<&Self>) -> Response<Body> {
        let title = format!("{} {}", self.status.as_u16(), self.status.canonical_reason().unwrap_or_default());
        let id = &meta.request_id;
        let host_id = answer::host_id(id);
        let second = second.map_or_else(String::new, |second| {
            format!(
                "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n{}</ul>\n",
                second.list()
            )
        });
        let page = format!(
            "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{}<li>RequestId: {id}</li>\n<li>HostId: {host_id}</li>\n</ul>\n{second}<hr/>\n</body>\n</html>\n",
            self.list()
        );
        let mut response = Response::new(Body::from(page));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response.headers_mut().remove(CONTENT_LENGTH);
        self.set_headers(response.headers_mut());
        response
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}
