//! What fuzzers and property tests feed bytes to: each probe reads arbitrary bytes as one thing of the wire, and panics where what comes of
//! them breaks a rule; it tells whether they were such a thing at all. The targets are in `fuzz/`, the test in `tests/probes.rs`; both begin with the seeds in `fuzz/seeds/`.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::executor::block_on;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use s3s::xml::{Deserialize, Deserializer, Serialize, Serializer};
use s3s::{S3, S3Request, S3Response, S3Result, dto};
use tarn_runtime::Timestamp;
use tarn_sigv4::{Payload, Signer};

use crate::post_policy::PostPolicy;
use crate::resources::Request;
use crate::{convert, copy, inventory, lifecycle, metrics, post, website};

/// Probes by their names, which their targets and folders of seeds have, too.
pub const ALL: [(&str, fn(&[u8]) -> bool); 5] =
    [("xml", xml), ("form", form), ("chunks", chunks), ("range", range), ("copy_source", copy_source)];

/// The first byte, which chooses, and the rest.
fn choice(bytes: &[u8]) -> (usize, &[u8]) {
    bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest))
}

/// Reads a document that only clients write.
fn request<T: for<'xml> Deserialize<'xml>>(bytes: &[u8]) -> Option<T> {
    let mut deserializer = Deserializer::new(bytes);
    let document = T::deserialize(&mut deserializer).ok()?;
    deserializer.expect_eof().ok()?;
    Some(document)
}

/// Reads a document that is given back, too: what is read must be read again from how it is written.
fn document<T>(bytes: &[u8]) -> Option<T>
where
    T: for<'xml> Deserialize<'xml> + Serialize + PartialEq,
{
    let document = request::<T>(bytes)?;
    let mut written = Vec::new();
    // Text may have characters that XML cannot write.
    if document.serialize(&mut Serializer::new(&mut written)).is_ok() {
        let again = request::<T>(&written);
        assert!(again.is_some_and(|again| again == document), "{}", String::from_utf8_lossy(&written));
    }
    Some(document)
}

/// A document that a bucket or an object is set up with, or that names many; then what the domain makes of it.
pub fn xml(bytes: &[u8]) -> bool {
    let (which, bytes) = choice(bytes);
    match which % 13 {
        0 => request::<dto::Delete>(bytes).is_some(),
        1 => request::<dto::CompletedMultipartUpload>(bytes).is_some(),
        2 => {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            document::<dto::Tagging>(bytes).is_some()
                && post::tagging_header(text).is_ok_and(|header| convert::parse_tagging_header(&header).is_ok())
        }
        3 => {
            let Some(found) = document::<dto::BucketLifecycleConfiguration>(bytes) else { return false };
            for rule in found.rules {
                let Ok(rule) = lifecycle::rule_of_wire(rule) else { return false };
                let again = lifecycle::rule_of_wire(lifecycle::rule_to_wire(rule.clone())).ok();
                assert_eq!(again.as_ref(), Some(&rule), "the rule comes back as another");
            }
            true
        }
        4 => document::<dto::WebsiteConfiguration>(bytes).is_some_and(|found| website::of_wire(found).is_ok()),
        5 => document::<dto::CORSConfiguration>(bytes).is_some(),
        6 => document::<dto::AccessControlPolicy>(bytes).is_some(),
        7 => document::<dto::BucketLoggingStatus>(bytes).is_some(),
        8 => document::<dto::ObjectLockConfiguration>(bytes).is_some(),
        9 => request::<dto::RestoreRequest>(bytes).is_some(),
        10 => document::<dto::AnalyticsConfiguration>(bytes)
            .is_some_and(|found| metrics::analytics_of_wire(found).is_ok()),
        11 => request::<dto::SelectObjectContentRequest>(bytes).is_some(),
        _ => {
            let found = document::<dto::InventoryConfiguration>(bytes).map(inventory::of_wire);
            let Some(Ok(found)) = found else { return false };
            let again = inventory::of_wire(inventory::to_wire(found.clone())).ok();
            assert_eq!(again.as_ref(), Some(&found), "the inventory comes back as another");
            true
        }
    }
}

/// A browser's form with the boundary `edge`, in pieces as large as the first byte says; then its policy.
pub fn form(bytes: &[u8]) -> bool {
    let (piece, bytes) = choice(bytes);
    let Ok((fields, file)) = post::form_of(bytes, piece) else { return false };
    let whole = post::form_of(bytes, bytes.len()).ok();
    assert_eq!(whole, Some((fields.clone(), file.clone())), "in pieces of {piece} it is another form");
    if let Ok(file) = &file {
        assert!(
            file.is_empty() || bytes.windows(file.len()).any(|part| part == file.as_slice()),
            "a file that nobody sent"
        );
    }
    // Signed is its base64; here a policy may stand in the form as it is, for a fuzzer to find its way into it.
    if let Some(Ok(policy)) = fields.get("policy").map(|text| PostPolicy::parse(text)) {
        drop(policy.check(&fields, Timestamp::UNIX_EPOCH));
    }
    file.is_ok()
}

/// Takes what is put and counts it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Option<Received>>>);

/// How many bytes came, and whether these were said to be all.
type Received = (usize, bool);

#[async_trait::async_trait]
impl S3 for Sink {
    async fn put_object(&self, request: S3Request<dto::PutObjectInput>) -> S3Result<S3Response<dto::PutObjectOutput>> {
        let mut received = 0;
        let mut is_whole = true;
        let mut body = request.input.body;
        while let Some(piece) = match &mut body {
            Some(body) => body.next().await,
            None => None,
        } {
            match piece {
                Ok(piece) => received += piece.len(),
                Err(_) => {
                    is_whole = false;
                    break;
                }
            }
        }
        *self.0.lock() = Some((received, is_whole));
        Ok(S3Response::new(dto::PutObjectOutput::default()))
    }
}

/// The body of a streamed upload. The first byte says whether its chunks are unsigned, and how much is to come.
pub fn chunks(bytes: &[u8]) -> bool {
    let (which, bytes) = choice(bytes);
    let (is_unsigned, length) = (which % 2 == 0, which / 2);
    let Some((received, is_whole)) = upload(bytes, is_unsigned, length) else { return false };
    assert!(received <= length.min(bytes.len()), "{received} of {length} in {}", bytes.len());
    assert!(!is_whole || received == length, "{received} of {length} are said to be all");
    // No chunk here was signed, but an empty upload needs none with bytes.
    assert!(is_unsigned || received == 0, "{received} bytes without a signature");
    is_whole
}

fn upload(body: &[u8], is_unsigned: bool, length: usize) -> Option<Received> {
    let mut config = S3Config::default();
    config.aws_chunked_stream_max_chunk_size = 1 << 10;
    let sink = Sink::default();
    let mut builder = S3ServiceBuilder::new(sink.clone());
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_auth(SimpleAuth::from_single("AKID", "secret"));
    let request = http::Request::put("http://localhost/bucket/k")
        .header("host", "localhost")
        .header("content-length", body.len())
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", length)
        .header("x-amz-trailer", "x-amz-checksum-crc32");
    let (mut parts, ()) = request.body(()).ok()?.into_parts();
    let signer = Signer {
        access_key_id: "AKID".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
        region: "us-east-1".to_owned(),
        service: "s3".to_owned(),
    };
    let payload =
        if is_unsigned { Payload::UnsignedChunksWithTrailer } else { Payload::SignedChunks { trailer: true } };
    // s3s looks at the machine's clock.
    signer.sign(&mut parts, payload, tarn_runtime::Runtime::system().now()).ok()?;
    let request = http::Request::from_parts(parts, s3s::Body::from(Bytes::copy_from_slice(body)));
    drop(block_on(builder.build().call(request)));
    sink.0.lock().take()
}

/// A `Range` header, for objects of several sizes.
pub fn range(bytes: &[u8]) -> bool {
    let Ok(header) = std::str::from_utf8(bytes) else { return false };
    let Ok(range) = dto::Range::parse(header) else { return false };
    for size_bytes in [0, 1, 10, u64::MAX] {
        if let Ok(found) = convert::byte_range(range).resolve(size_bytes) {
            assert!(found.start < found.end && found.end <= size_bytes, "{header}: {found:?} of {size_bytes}");
        }
    }
    true
}

/// An `x-amz-copy-source` header: what is copied must be what the caller was asked about.
pub fn copy_source(bytes: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return false };
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-amz-copy-source"), value.clone())]);
    let request = Request { bucket: Some("b"), key: Some("k"), headers: &headers, query: "", now_ms: 0 };
    let asked = request.copy_source();
    let Ok(header) = value.to_str() else { return false };
    let Ok(read) = dto::CopySource::parse(header) else {
        assert!(asked.is_err(), "{header}: asked {asked:?}, and cannot be copied");
        return false;
    };
    let Ok((bucket, key, version)) = copy::source(&read) else { return false };
    let Ok(Some(asked)) = asked else { panic!("{header}: copied without being asked") };
    assert_eq!((asked.0.as_str(), asked.1.as_str()), (bucket.as_str(), key.as_str()), "{header}");
    assert_eq!(asked.2.is_some(), version.is_some(), "{header}");
    true
}
