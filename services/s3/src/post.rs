//! Browsers' POST forms: the form is read, its policy checked, and the rest is a PutObject. The form's fields become the headers that a
//! PUT would have, so that one path checks permissions, ACL, encryption, tags and locks, and commits.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>

use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, HeaderName, HeaderValue, LOCATION, REFERER, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{Body, S3Error, S3ErrorCode, S3Result, StdError, s3_error};
use s3s_multipart::{Boundary, Error as PartError, Multipart, PartDataStream, parse_content_disposition};
use tarn_runtime::Timestamp;
use tarn_sigv4::{
    CLOCK_SKEW_SECONDS_MAX, CredentialScope, PRESIGNED_SECONDS_MAX, is_form_signature, is_form_signature_v2,
    parse_amz_date,
};

use crate::answer;
use crate::api::{Inner, S3Api};
use crate::errors::{custom, refusal_error};
use crate::gate::{CallMeta, FormCredentials};
use crate::post_policy::{Fields, PostPolicy};
use crate::refusals::Head;
use crate::target::{Target, host_of};

/// The most bytes of a form before its file. AWS: 20 KB.
const FIELDS_SIZE_BYTES_MAX: usize = 20 << 10;
/// The most fields of a form.
const FIELDS_COUNT_MAX: usize = 1_000;

/// Letters of a key that a path has as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// Letters of a value that a query has as they are.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why a file of a form was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// More than the policy lets in.
    #[error("Your proposed upload exceeds the maximum allowed size")]
    TooLarge,
    /// Less than the policy asks for.
    #[error("Your proposed upload is smaller than the minimum allowed size")]
    TooSmall,
    /// It ended without the form's delimiter.
    #[error("the form ended within its file")]
    Incomplete,
    /// The connection.
    #[error("the form could not be read: {0}")]
    Underlying(#[source] StdError),
}

type Bytestream = Pin<Box<dyn Stream<Item = Result<Bytes, PartError>> + Send>>;

/// A form up to the first byte of its file.
struct Form {
    fields: Fields,
    file: PartDataStream<Bytestream>,
}

/// Whether a request is a form for a bucket.
pub(crate) fn is_form(target: &Target, request: &Request<Body>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    request.method() == Method::POST
        && target.bucket.is_some()
        && target.key.is_none()
        && content_type.get(..19).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/form-data"))
}

/// Stores the file of a form.
pub(crate) async fn post_object(
    api: &S3Api,
    target: &Target,
    mut request: Request<Body>,
    meta: &CallMeta,
) -> Response<Body> {
    let head = Head::keep(&mut request);
    let base = match request.uri().path().trim_matches('/') {
        "" => format!("http://{}", host_of(&request)),
        bucket => format!("http://{}/{bucket}", host_of(&request)),
    };
    let bucket = target.bucket.clone().unwrap_or_default();
    let answered = async {
        let (form, more) = read(request).await?;
        let (put, end) = form.into_put(api.inner(), &bucket, &more, meta)?;
        Ok::<_, S3Error>(end.answer(api.serve(put, meta.clone()).await, &base, &bucket))
    };
    match answered.await {
        Ok(response) => response,
        Err(error) => api.refuse(head, meta, &error).await,
    }
}

fn malformed() -> S3Error {
    s3_error!(MalformedPOSTRequest, "The body of your POST request is not well-formed multipart/form-data.")
}

fn missing_field(name: &str) -> S3Error {
    s3_error!(
        InvalidArgument,
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    )
}

fn fields_too_large() -> S3Error {
    let message = "Your POST request fields preceding the upload file were too large.";
    custom("MaxPostPreDataLengthExceeded", StatusCode::BAD_REQUEST, message.to_owned())
}

fn part_error(error: PartError) -> S3Error {
    match error {
        PartError::IncompleteStream | PartError::StreamReadFailed(_) => S3Error::new(S3ErrorCode::IncompleteBody),
        PartError::HeaderSizeExceeded { .. } => fields_too_large(),
        _ => malformed(),
    }
}

/// What of the request's own headers goes along: who asked, and from where.
type More = Vec<(HeaderName, HeaderValue)>;

/// Reads a form up to its file.
async fn read(request: Request<Body>) -> S3Result<(Form, More)> {
    let (parts, body) = request.into_parts();
    if !parts.headers.contains_key(CONTENT_LENGTH) {
        return Err(S3Error::new(S3ErrorCode::MissingContentLength));
    }
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    let boundary = boundary.and_then(|boundary| Boundary::new(boundary.as_bytes()).ok()).ok_or_else(malformed)?;
    let more =
        [USER_AGENT, REFERER].into_iter().filter_map(|name| Some((name.clone(), parts.headers.get(name)?.clone())));
    let more = more.collect();
    let stream: Bytestream = Box::pin(body.map(|bytes| bytes.map_err(PartError::stream_read_failed)));
    Ok((Form::read(stream, &boundary).await?, more))
}

fn text(bytes: &[u8]) -> S3Result<String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| malformed())
}

impl Form {
    async fn read(stream: Bytestream, boundary: &Boundary) -> S3Result<Self> {
        let mut parts = Multipart::new(stream, boundary, FIELDS_SIZE_BYTES_MAX);
        let mut fields = Fields::new();
        let mut left_bytes = FIELDS_SIZE_BYTES_MAX;
        let mut left_fields = FIELDS_COUNT_MAX;
        loop {
            let Some(mut part) = parts.next_part().await.map_err(part_error)? else {
                return Err(s3_error!(InvalidArgument, "POST requires exactly one file upload per request."));
            };
            let (mut name, mut file_name) = (None, None);
            while let Some(header) = part.next_header().await.map_err(part_error)? {
                if header.name.eq_ignore_ascii_case("content-disposition") {
                    let found = parse_content_disposition(header.value).ok_or_else(malformed)?;
                    name = found.name.map(text).transpose()?;
                    file_name = found.file_name.map(text).transpose()?;
                }
            }
            let name = name.ok_or_else(malformed)?.to_ascii_lowercase();
            if name == "file" {
                expand(&mut fields, file_name.as_deref().unwrap_or_default());
                return Ok(Self { fields, file: part.take_data_stream().map_err(part_error)? });
            }
            let mut value = Vec::new();
            let mut too_long = left_fields.checked_sub(1).map(|left| left_fields = left).is_none();
            while let Some(bytes) = part.next_data().await.map_err(part_error)? {
                too_long |= left_bytes.checked_sub(bytes.len()).map(|left| left_bytes = left).is_none();
                if too_long {
                    break;
                }
                value.extend_from_slice(&bytes);
            }
            if too_long {
                return Err(fields_too_large());
            }
            // Of two values one could pass the policy and the other be done.
            if fields.insert(name.clone(), text(&value)?).is_some() {
                return Err(s3_error!(InvalidArgument, "POST requires exactly one field named '{name}' per request."));
            }
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Who signed the form; nobody for a form without a policy.
    fn authenticate(&self, inner: &Inner, now: Timestamp) -> S3Result<Option<FormCredentials>> {
        const SIGNED: [&str; 5] =
            ["x-amz-signature", "x-amz-credential", "x-amz-algorithm", "signature", "awsaccesskeyid"];
        let Some(policy) = self.field("policy") else {
            return match SIGNED.iter().find(|name| self.fields.contains_key(**name)) {
                Some(_) => Err(missing_field("policy")),
                None => Ok(None),
            };
        };
        let need = |name: &'static str, shown: &str| self.field(name).ok_or_else(|| missing_field(shown));
        let is_v4 = SIGNED.iter().take(3).any(|name| self.fields.contains_key(*name));
        let (access_key_id, is_genuine) = if is_v4 {
            let scope = self.scope(inner, now)?;
            let signature = need("x-amz-signature", "X-Amz-Signature")?;
            let secret = inner.gate.secret(&scope.0).map_err(refusal_error)?;
            (scope.0, is_form_signature(policy, &secret, &scope.1, signature))
        } else {
            let signature = need("signature", "Signature")?;
            let id = need("awsaccesskeyid", "AWSAccessKeyId")?.to_owned();
            let secret = inner.gate.secret(&id).map_err(refusal_error)?;
            let signature = BASE64.decode(signature.trim()).unwrap_or_default();
            (id, is_form_signature_v2(policy, &secret, &signature))
        };
        if !is_genuine {
            return Err(s3_error!(
                SignatureDoesNotMatch,
                "The request signature we calculated does not match the signature you provided. Check your key and signing method."
            ));
        }
        let session_token = self.field("x-amz-security-token").map(str::to_owned);
        Ok(Some(FormCredentials { access_key_id, session_token, is_version_4: is_v4 }))
    }

    /// The credential of version 4, and what it is good for.
    fn scope(&self, inner: &Inner, now: Timestamp) -> S3Result<(String, CredentialScope)> {
        let need = |name: &'static str, shown: &str| self.field(name).ok_or_else(|| missing_field(shown));
        let algorithm = need("x-amz-algorithm", "X-Amz-Algorithm")?;
        if algorithm != "AWS4-HMAC-SHA256" {
            return Err(s3_error!(InvalidArgument, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let wrong = |reason: &str| {
            s3_error!(AuthorizationQueryParametersError, "Error parsing the X-Amz-Credential parameter; {reason}")
        };
        let (id, scope) = CredentialScope::parse_credential(need("x-amz-credential", "X-Amz-Credential")?)
            .map_err(|error| wrong(&error.to_string()))?;
        if scope.service != "s3" {
            return Err(wrong(&format!("incorrect service \"{}\". This endpoint belongs to \"s3\".", scope.service)));
        }
        if scope.region != inner.region.as_str() {
            return Err(wrong(&format!("the region '{}' is wrong; expecting '{}'", scope.region, inner.region)));
        }
        let date = need("x-amz-date", "X-Amz-Date")?;
        let time = parse_amz_date(date)
            .ok_or_else(|| s3_error!(InvalidArgument, "X-Amz-Date must be formatted via ISO8601 Long format"))?;
        if !date.starts_with(&scope.date) {
            return Err(wrong("Invalid credential date. It must be that of X-Amz-Date."));
        }
        // The policy says until when a form is good; the key it is signed with, for seven days at most.
        let age_seconds = now.as_second().saturating_sub(time.as_second());
        if age_seconds < -CLOCK_SKEW_SECONDS_MAX || age_seconds > i64::from(PRESIGNED_SECONDS_MAX) {
            return Err(s3_error!(AccessDenied, "Request has expired"));
        }
        Ok((id, scope))
    }

    /// The PUT that the form stands for, and how its answer is to end.
    fn into_put(
        mut self,
        inner: &Inner,
        bucket: &str,
        more: &More,
        meta: &CallMeta,
    ) -> S3Result<(Request<Body>, Ending)> {
        let credentials = self.authenticate(inner, meta.time)?;
        let key = match self.field("key") {
            None => return Err(missing_field("key")),
            Some("") => return Err(s3_error!(UserKeyMustBeSpecified, "User key must have a length greater than 0.")),
            Some(key) => key.to_owned(),
        };
        let mut size_range_bytes = None;
        if let Some(policy) = self.field("policy") {
            let policy = PostPolicy::parse(policy)?;
            // What the form says of its bucket counts for nothing: the one it was sent to must be the policy's.
            self.fields.insert("bucket".to_owned(), bucket.to_owned());
            policy.check(&self.fields, meta.time)?;
            size_range_bytes = policy.size_range_bytes;
        }
        let target = format!("/{}/{}", utf8_percent_encode(bucket, PATH), utf8_percent_encode(&key, PATH));
        let mut put = Request::builder().method(Method::PUT).uri(target).header(HOST, "localhost");
        for (name, value) in more {
            put = put.header(name, value);
        }
        for (name, value) in &self.fields {
            if let Some((name, value)) = header_of(name, value)? {
                put = put.header(name, value);
            }
        }
        put = put.extension(Posted(credentials));
        let ending = Ending::of(&self, key);
        let file = file_stream(self.file, size_range_bytes).map(|bytes| bytes.map(Frame::data));
        let put = put
            .body(Body::http_body_unsync(StreamBody::new(file)))
            .map_err(|_| s3_error!(InvalidArgument, "A field of the form cannot be a header."))?;
        Ok((put, ending))
    }
}

/// Marks a PUT that a form stands for, with who signed the form. Only this module makes one.
#[derive(Debug, Clone)]
pub(crate) struct Posted(pub(crate) Option<FormCredentials>);

/// Replaces `${filename}` in all fields by the last part of the file's name.
fn expand(fields: &mut Fields, file_name: &str) {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    for (name, value) in fields.iter_mut() {
        if !matches!(name.as_str(), "policy" | "signature" | "x-amz-signature") && value.contains("${filename}") {
            *value = value.replace("${filename}", last);
        }
    }
}

/// The header that a field stands for. Fields that would make the PUT another operation have none.
fn header_of(name: &str, value: &str) -> S3Result<Option<(HeaderName, HeaderValue)>> {
    const SAME: [&str; 12] = [
        "cache-control",
        "content-type",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "expires",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
        "x-amz-tagging",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-expected-bucket-owner",
    ];
    const PREFIXES: [&str; 5] =
        ["x-amz-meta-", "x-amz-grant-", "x-amz-server-side-encryption", "x-amz-object-lock-", "x-amz-checksum-"];
    let (name, value) = match name {
        "acl" | "x-amz-acl" => ("x-amz-acl", value.to_owned()),
        "tagging" => ("x-amz-tagging", tagging_header(value)?),
        "x-amz-checksum-algorithm" => ("x-amz-sdk-checksum-algorithm", value.to_owned()),
        name if SAME.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => {
            (name, value.to_owned())
        }
        _ => return Ok(None),
    };
    let wrong =
        || s3_error!(InvalidArgument, "The field '{name}' cannot be a header: it has letters that none may have.");
    let header = HeaderName::try_from(name).map_err(|_| wrong())?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?;
    Ok(Some((header, value)))
}

/// A form's tags are XML, a header's a query.
pub(crate) fn tagging_header(xml: &str) -> S3Result<String> {
    use s3s::dto::Tagging;
    use s3s::xml::{Deserialize as _, Deserializer};
    let malformed = || S3Error::new(S3ErrorCode::MalformedXML);
    let mut deserializer = Deserializer::new(xml.as_bytes());
    let tagging = Tagging::deserialize(&mut deserializer).map_err(|_| malformed())?;
    deserializer.expect_eof().map_err(|_| malformed())?;
    let encode = |text: Option<String>| utf8_percent_encode(text.as_deref().unwrap_or_default(), QUERY).to_string();
    let pairs = tagging.tag_set.into_iter().map(|tag| format!("{}={}", encode(tag.key), encode(tag.value)));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

/// The file's bytes, no more and no fewer than the policy says.
fn file_stream(
    file: PartDataStream<Bytestream>,
    size_range_bytes: Option<(u64, u64)>,
) -> impl Stream<Item = Result<Bytes, StdError>> + Send {
    let (least, most) = size_range_bytes.unwrap_or((0, u64::MAX));
    let state = (Some(file), 0_u64);
    futures::stream::unfold(state, move |(file, seen_bytes)| async move {
        let mut file = file?;
        let boxed = |error: FileError| Box::new(error) as StdError;
        match file.next().await {
            Some(Ok(bytes)) => {
                let seen_bytes = seen_bytes.saturating_add(bytes.len() as u64);
                if seen_bytes > most {
                    return Some((Err(boxed(FileError::TooLarge)), (None, seen_bytes)));
                }
                Some((Ok(bytes), (Some(file), seen_bytes)))
            }
            Some(Err(PartError::StreamReadFailed(error))) => {
                Some((Err(boxed(FileError::Underlying(error))), (None, seen_bytes)))
            }
            Some(Err(_)) => Some((Err(boxed(FileError::Incomplete)), (None, seen_bytes))),
            None if seen_bytes < least => Some((Err(boxed(FileError::TooSmall)), (None, seen_bytes))),
            None => None,
        }
    })
}

/// How a form wants to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ending {
    key: String,
    redirect: Option<String>,
    status: Option<String>,
}

impl Ending {
    fn of(form: &Form, key: String) -> Self {
        let redirect = form.field("success_action_redirect").or_else(|| form.field("redirect"));
        let is_url = |text: &&str| {
            (text.starts_with("http://") || text.starts_with("https://")) && HeaderValue::from_str(text).is_ok()
        };
        Self {
            key,
            // What is no URL is as if it were not there.
            redirect: redirect.filter(is_url).map(str::to_owned),
            status: form.field("success_action_status").map(str::to_owned),
        }
    }

    /// Turns the PUT's answer into the form's.
    fn answer(self, put: Response<Body>, base: &str, bucket: &str) -> Response<Body> {
        if !put.status().is_success() {
            return put;
        }
        let (mut parts, _) = put.into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        let etag = parts.headers.get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let mut location = format!("{base}/{}", utf8_percent_encode(&self.key, PATH));
        let mut body = Body::empty();
        parts.status = match (&self.redirect, self.status.as_deref()) {
            (Some(url), _) => {
                let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
                let joint = if url.contains('?') { '&' } else { '?' };
                location =
                    format!("{url}{joint}bucket={}&key={}&etag={}", encode(bucket), encode(&self.key), encode(&etag));
                StatusCode::SEE_OTHER
            }
            (None, Some("200")) => StatusCode::OK,
            (None, Some("201")) => {
                let escape = answer::escape;
                body = Body::from(format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag></PostResponse>",
                    escape(&location),
                    escape(bucket),
                    escape(&self.key),
                    escape(&etag)
                ));
                parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
                StatusCode::CREATED
            }
            (None, _) => StatusCode::NO_CONTENT,
        };
        if let Ok(location) = HeaderValue::from_str(&location) {
            parts.headers.insert(LOCATION, location);
        }
        Response::from_parts(parts, body)
    }
}

/// A form with the boundary `edge` that comes in pieces: its fields, and its file or why that could not be read.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn form_of(body: &[u8], piece: usize) -> S3Result<(Fields, Result<Vec<u8>, String>)> {
    let pieces: Vec<_> = body.chunks(piece.max(1)).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let stream: Bytestream = Box::pin(futures::stream::iter(pieces));
    let boundary = Boundary::new(b"edge").map_err(|_| malformed())?;
    futures::executor::block_on(async {
        let form = Form::read(stream, &boundary).await?;
        let fields = form.fields.clone();
        let mut file = Box::pin(file_stream(form.file, None));
        let mut read = Vec::new();
        while let Some(bytes) = file.next().await {
            match bytes {
                Ok(bytes) => read.extend_from_slice(&bytes),
                Err(error) => return Ok((fields, Err(error.to_string()))),
            }
        }
        Ok((fields, Ok(read)))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body_of(fields: &[(String, String)], file: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend_from_slice(
                format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
            );
        }
        body.extend_from_slice(
            b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\dir\\f.txt\"\r\n\r\n",
        );
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        body
    }

    #[test]
    fn fields_become_headers_or_nothing() {
        let check = |name: &str, value: &str, expected: Option<(&str, &str)>| {
            let found = header_of(name, value).ok().flatten();
            let found = found.as_ref().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            assert_eq!(found, expected, "{name}: {value}");
        };
        check("acl", "private", Some(("x-amz-acl", "private")));
        check("content-type", "text/plain", Some(("content-type", "text/plain")));
        check("x-amz-meta-a", "b", Some(("x-amz-meta-a", "b")));
        check("x-amz-copy-source", "/other/secret", None);
        check("x-amz-security-token", "t", None);
        check("x-amz-date", "20260101T000000Z", None);
        check("authorization", "AWS4-HMAC-SHA256 x", None);
        check("host", "elsewhere", None);
        check("x-amz-meta-a", "b\r\nx-amz-acl: public-read", None);
        check(
            "tagging",
            "<Tagging><TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag></TagSet></Tagging>",
            Some(("x-amz-tagging", "a%20b=c%26d")),
        );
        check("tagging", "<Tagging>", None);
    }

    #[test]
    fn file_names_lose_their_folders() {
        let check = |file_name: &str, expected: &str| {
            let mut fields = Fields::from([
                ("key".to_owned(), "a/${filename}".to_owned()),
                ("policy".to_owned(), "${filename}".to_owned()),
            ]);
            expand(&mut fields, file_name);
            assert_eq!(fields["key"], expected);
            assert_eq!(fields["policy"], "${filename}");
        };
        check("b.txt", "a/b.txt");
        check("dir/b.txt", "a/b.txt");
        check("C:\\dir\\b.txt", "a/b.txt");
        check("../../b.txt", "a/b.txt");
        check("", "a/");
    }

    #[test]
    fn broken_forms_are_refused() {
        let check = |body: &[u8], expected: &str| {
            let found = match form_of(body, 7) {
                Ok((_, Ok(_))) => "ok".to_owned(),
                Ok((_, Err(reason))) => reason,
                Err(error) => error.code().as_str().to_owned(),
            };
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(body));
        };
        let whole = body_of(&[("key".to_owned(), "k".to_owned())], b"bytes");
        check(&whole, "ok");
        check(&whole[..whole.len() - 12], "the form ended within its file");
        check(&whole[..40], "IncompleteBody");
        check(b"", "MalformedPOSTRequest");
        check(b"--edge--\r\n", "InvalidArgument");
        let twice = [("key".to_owned(), "k".to_owned()), ("KEY".to_owned(), "l".to_owned())];
        check(&body_of(&twice, b"bytes"), "InvalidArgument");
        let large = [("key".to_owned(), "k".repeat(FIELDS_SIZE_BYTES_MAX + 1))];
        check(&body_of(&large, b"bytes"), "MaxPostPreDataLengthExceeded");
    }

    proptest! {
        #[test]
        fn forms_come_apart_as_they_were_put_together(
            fields in proptest::collection::btree_map("[a-z-]{1,12}x", "[^\r\n\0]{0,30}", 0..6),
            file in proptest::collection::vec(any::<u8>(), 0..300),
            piece in 1_usize..64,
        ) {
            let fields: Vec<(String, String)> = fields.into_iter().collect();
            prop_assume!(!file.windows(6).any(|bytes| bytes == b"--edge"));
            let (found, read) = form_of(&body_of(&fields, &file), piece).unwrap();
            let expected: Fields = fields.into_iter().map(|(name, value)| (name, value.replace("${filename}", "f.txt"))).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(read.unwrap(), file);
        }

        #[test]
        fn no_form_is_too_strange_to_be_refused(body in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..64) {
            let _ = form_of(&body, piece);
            let mut framed = b"--edge\r\nContent-Disposition: form-data; name=".to_vec();
            framed.extend_from_slice(&body);
            let _ = form_of(&framed, piece);
        }
    }
}
