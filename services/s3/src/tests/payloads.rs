//! How bodies travel and are checked: digests, chunks, trailers, presigned URLs, virtual hosts.

use base64::Engine as _;

use super::*;

fn crc32(bytes: &[u8]) -> String {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    base64::engine::general_purpose::STANDARD.encode((!crc).to_be_bytes())
}

#[tokio::test]
async fn digests_given_are_compared() {
    let server = Server::with_bucket().await;
    let put = |name, value: &str| ask(Method::PUT, "/lake-raw/k").body("bytes").header(name, value);
    for (name, value, expected) in [
        ("content-md5", "S6z1zf7M9GKp5zARQpcpfA==", "400 BadDigest"),
        ("content-md5", "not base64", "400 InvalidDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "400 BadDigest"),
        ("x-amz-checksum-crc32", "AAAA", "400 InvalidRequest"),
        ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "400 BadDigest"),
        ("x-amz-sdk-checksum-algorithm", "CRC32", "400 InvalidRequest"),
    ] {
        assert_eq!(server.root(put(name, value)).await.outcome(), expected, "{name}: {value}");
    }
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k")).await.outcome(), "404 NoSuchKey");
    let answer = server.root(put("x-amz-checksum-crc32", &crc32(b"bytes"))).await;
    assert_eq!(
        (answer.outcome().as_str(), answer.header("x-amz-checksum-crc32")),
        ("200", Some(crc32(b"bytes").as_str()))
    );
    assert_eq!(answer.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
}

#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_refused() {
    let server = Server::with_bucket().await;
    let (mut parts, _) = ask(Method::PUT, "/lake-raw/k").body("bytes").request().into_parts();
    signer(ROOT).sign(&mut parts, Payload::Sha256(tarn_sigv4::sha256(b"bytes")), now()).unwrap();
    let answer = server.send(Request::from_parts(parts, Bytes::from("other"))).await;
    assert_eq!(answer.outcome(), "400 XAmzContentSHA256Mismatch");
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k")).await.outcome(), "404 NoSuchKey");
}

/// A put in chunks with a trailer, as the SDKs send it by default.
fn unsigned_chunks(plain: &str, trailer: &str) -> Request<Bytes> {
    let body = format!("{:x}\r\n{plain}\r\n0\r\n{trailer}\r\n", plain.len());
    let put = ask(Method::PUT, "/lake-raw/k")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", plain.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .body(body);
    let (mut parts, body) = put.request().into_parts();
    signer(ROOT).sign(&mut parts, Payload::UnsignedChunksWithTrailer, now()).unwrap();
    Request::from_parts(parts, body)
}

/// Ozone HDDS-15141, s3s#775: trailer checksums are compared, and a missing one is an error.
#[tokio::test]
async fn trailers_are_compared() {
    let server = Server::with_bucket().await;
    let plain = "bytes in one chunk";
    let good = format!("x-amz-checksum-crc32:{}\r\n", crc32(plain.as_bytes()));
    let answer = server.send(unsigned_chunks(plain, &good)).await;
    assert_eq!(
        (answer.outcome().as_str(), answer.header("x-amz-checksum-crc32")),
        ("200", Some(crc32(plain.as_bytes()).as_str())),
        "{}",
        answer.text()
    );
    let answer = server.root(ask(Method::GET, "/lake-raw/k")).await;
    assert_eq!((answer.text(), answer.header("content-encoding")), (plain, None));
    let wrong = server.send(unsigned_chunks(plain, "x-amz-checksum-crc32:AAAAAA==\r\n")).await;
    assert_eq!(wrong.outcome(), "400 BadDigest");
    let missing = server.send(unsigned_chunks(plain, "")).await;
    assert!(missing.outcome().starts_with("400"), "{}", missing.outcome());
    // MinIO CVE-2025-31489: the seed signature of an unsigned-trailer body is checked.
    let mut unsigned = unsigned_chunks(plain, &good);
    let forged = unsigned.headers()["authorization"].to_str().unwrap().rsplit_once('=').unwrap().0.to_owned()
        + "="
        + &"0".repeat(64);
    unsigned.headers_mut().insert("authorization", forged.parse().unwrap());
    assert_eq!(server.send(unsigned).await.outcome(), "403 SignatureDoesNotMatch");
}

#[tokio::test]
async fn signed_chunks_are_checked_one_by_one() {
    let server = Server::with_bucket().await;
    let chunks = ["first chunk ", "and the second"];
    let decoded: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let put = |forge: bool, size: Option<&str>| {
        let put = ask(Method::PUT, "/lake-raw/k")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", decoded.to_string());
        let (mut parts, _) = put.request().into_parts();
        let seed = signer(ROOT).sign(&mut parts, Payload::SignedChunks { trailer: false }, now()).unwrap();
        let mut signatures = seed.chunks();
        let mut body = String::new();
        for chunk in chunks.iter().copied().chain([""]) {
            let signature = signatures.chunk(tarn_sigv4::sha256(chunk.as_bytes()));
            let sent = if forge && chunk == chunks[1] { "and the forged" } else { chunk };
            let size = size.map_or_else(|| format!("{:x}", chunk.len()), str::to_owned);
            body += &format!("{size};chunk-signature={signature}\r\n{sent}\r\n");
        }
        parts.headers.insert("content-length", body.len().into());
        Request::from_parts(parts, Bytes::from(body))
    };
    assert_eq!(server.send(put(false, None)).await.outcome(), "200");
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k")).await.text(), chunks.concat());
    assert_eq!(server.send(put(true, None)).await.outcome(), "403 SignatureDoesNotMatch");
    // A signed chunk is held whole to be checked: one that says it is larger than 16 MiB is refused at once.
    let large = server.send(put(false, Some("1000001"))).await;
    assert!(large.outcome().starts_with("400"), "{}", large.outcome());
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k")).await.text(), chunks.concat());
}

/// RustFS GHSA-g8w9: a presigned URL takes no x-amz- header that was not signed.
#[tokio::test]
async fn presigned_urls_open_what_they_were_made_for() {
    let server = Server::with_bucket().await;
    let presigned = |method: Method, seconds: u32, age: i64| {
        let request =
            Request::builder().method(method).uri("http://localhost:9000/lake-raw/k").header("host", "localhost:9000");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let at = Timestamp::from_second(now().as_second() - age).unwrap();
        signer(ROOT).presign(&mut parts, seconds, at).unwrap();
        parts
    };
    let put = presigned(Method::PUT, 60, 0);
    let mut with_length = put.clone();
    with_length.headers.insert("content-length", 5.into());
    assert_eq!(server.send(Request::from_parts(with_length.clone(), Bytes::from("bytes"))).await.outcome(), "200");
    let get = presigned(Method::GET, 60, 0);
    assert_eq!(server.send(Request::from_parts(get.clone(), Bytes::new())).await.text(), "bytes");
    let mut other_method = get;
    other_method.method = Method::DELETE;
    assert_eq!(
        server.send(Request::from_parts(other_method, Bytes::new())).await.outcome(),
        "403 SignatureDoesNotMatch"
    );
    let expired = presigned(Method::GET, 60, 120);
    assert_eq!(server.send(Request::from_parts(expired, Bytes::new())).await.status.as_u16(), 403);
    with_length.headers.insert("x-amz-tagging", "a=b".parse().unwrap());
    let unsigned = server.send(Request::from_parts(with_length, Bytes::from("other"))).await;
    assert!(matches!(unsigned.status.as_u16(), 400 | 403), "{}", unsigned.outcome());
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k")).await.text(), "bytes");
}

fn hmac_sha1(key: &[u8], text: &str) -> String {
    use sha1::Digest as _;
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect() };
    let inner = sha1::Sha1::new().chain_update(pad(0x36)).chain_update(text).finalize();
    let outer = sha1::Sha1::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    base64::engine::general_purpose::STANDARD.encode(outer)
}

/// boto3 presigns by version 2 unless told otherwise: whole objects only, and nothing may be added.
#[tokio::test]
async fn presigned_urls_of_version_2_open_whole_objects_only() {
    let server = Server::with_bucket().await;
    server.root(ask(Method::PUT, "/lake-raw/k").body("bytes")).await;
    let url = |method: &Method, path: &str, seconds: i64| {
        let expires = now().as_second() + seconds;
        let signature = hmac_sha1(SECRET.as_bytes(), &format!("{method}\n\n\n{expires}\n{path}"));
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}AWSAccessKeyId={ROOT}&Signature={signature}&Expires={expires}")
    };
    let get = |target: String| server.anonymous(ask(Method::GET, target));
    let good = url(&Method::GET, "/lake-raw/k", 60);
    assert_eq!(get(good.clone()).await.text(), "bytes");
    let put = ask(Method::PUT, url(&Method::PUT, "/lake-raw/new", 60)).body("new");
    assert_eq!(server.anonymous(put).await.outcome(), "200");
    assert_eq!(get(good.replace("/k?", "/other?")).await.outcome(), "403 SignatureDoesNotMatch");
    assert_eq!(get(url(&Method::GET, "/lake-raw/k", -1)).await.outcome(), "403 AccessDenied");
    assert_eq!(get(url(&Method::GET, "/lake-raw/k", 8 * 24 * 3600)).await.outcome(), "403 AccessDenied");
    assert_eq!(get(url(&Method::GET, "/lake-raw/", 60)).await.outcome(), "400 InvalidRequest");
    assert_eq!(get(url(&Method::GET, "/lake-raw/k?tagging", 60)).await.outcome(), "400 InvalidRequest");
    // What version 2 does not sign must not be added.
    assert_eq!(get(format!("{good}&attributes")).await.outcome(), "400 InvalidRequest");
    assert_eq!(get(format!("{good}&anything=else")).await.outcome(), "400 InvalidRequest");
    let tagged = ask(Method::PUT, url(&Method::PUT, "/lake-raw/new", 60)).body("x").header("x-amz-tagging", "a=b");
    assert_eq!(server.anonymous(tagged).await.outcome(), "403 SignatureDoesNotMatch");
    let date = "Thu, 01 Jan 2026 00:00:00 GMT";
    let header = ask(Method::GET, "/lake-raw/k").header("date", date);
    let header = header.header(
        "authorization",
        format!("AWS {ROOT}:{}", hmac_sha1(SECRET.as_bytes(), &format!("GET\n\n\n{date}\n/lake-raw/k"))),
    );
    assert!(matches!(server.anonymous(header).await.status.as_u16(), 400 | 403));
    // In a header version 2 may ask for more, as long as the parameters are among those it signs.
    let signed = |target: &str, resource: &str| {
        let date = now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let signature = hmac_sha1(SECRET.as_bytes(), &format!("GET\n\n\n{date}\n{resource}"));
        let request = ask(Method::GET, target).header("date", &date);
        server.anonymous(request.header("authorization", format!("AWS {ROOT}:{signature}")))
    };
    assert_eq!(signed("/lake-raw/k", "/lake-raw/k").await.text(), "bytes");
    assert_eq!(signed("/lake-raw?prefix=k", "/lake-raw/").await.outcome(), "200");
    assert_eq!(signed("/lake-raw?location", "/lake-raw/?location").await.outcome(), "200");
    assert_eq!(signed("/lake-raw?location", "/lake-raw/").await.outcome(), "403 SignatureDoesNotMatch");
    assert_eq!(signed("/lake-raw?encryption", "/lake-raw/").await.outcome(), "400 InvalidRequest");
    assert_eq!(signed("/lake-raw?location&location", "/lake-raw/").await.outcome(), "400 InvalidRequest");
    server.users.set("ada", r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"s3:signatureversion":"AWS"}}}"#);
    assert_eq!(get(good.replace(ROOT, USER)).await.outcome(), "403 AccessDenied");
    // So it is where the handler asks, for what is in the body.
    server.users.set("ada", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"s3:signatureversion":"AWS"}}}"#);
    let date = now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let signature = hmac_sha1(SECRET.as_bytes(), &format!("PUT\n\n\n{date}\n/lake-new/"));
    let create = ask(Method::PUT, "/lake-new").header("date", &date);
    let create = create.header("authorization", format!("AWS {USER}:{signature}"));
    assert_eq!(server.anonymous(create).await.outcome(), "403 AccessDenied");
}

#[tokio::test]
async fn scopes_and_clocks_are_checked() {
    let server = Server::with_bucket().await;
    let get = |signer: Signer, age: i64| {
        let (mut parts, body) = ask(Method::GET, "/lake-raw?list-type=2").request().into_parts();
        let at = Timestamp::from_second(now().as_second() - age).unwrap();
        signer.sign(&mut parts, Payload::Sha256(tarn_sigv4::sha256(b"")), at).unwrap();
        Request::from_parts(parts, body)
    };
    assert_eq!(server.send(get(signer(ROOT), 0)).await.outcome(), "200");
    for (signer, age) in [
        (Signer { region: "eu-west-1".to_owned(), ..signer(ROOT) }, 0),
        (Signer { service: "glue".to_owned(), ..signer(ROOT) }, 0),
        (signer(ROOT), 3600),
        (signer(ROOT), -3600),
    ] {
        let answer = server.send(get(signer.clone(), age)).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403 | 501), "{signer:?} {age}: {}", answer.outcome());
    }
}

#[tokio::test]
async fn buckets_are_host_names_too() {
    let server = Server::with_bucket().await;
    let request = |host: &str, method: Method, path: &str, body: &'static str| {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{host}{path}"))
            .header("host", host)
            .header("content-length", body.len());
        let (mut parts, body) = request.body(Bytes::from(body)).unwrap().into_parts();
        signer(ROOT).sign(&mut parts, Payload::Sha256(tarn_sigv4::sha256(&body)), now()).unwrap();
        Request::from_parts(parts, body)
    };
    assert_eq!(server.send(request("lake-raw.localhost:9000", Method::PUT, "/dir/k", "bytes")).await.outcome(), "200");
    assert_eq!(server.send(request("lake-raw.s3.localhost", Method::GET, "/dir/k", "")).await.text(), "bytes");
    assert_eq!(server.send(request("s3.localhost", Method::GET, "/lake-raw/dir/k", "")).await.text(), "bytes");
    assert_eq!(server.send(request("127.0.0.1:9000", Method::GET, "/lake-raw/dir/k", "")).await.text(), "bytes");
    assert_eq!(server.send(request("proxy.example", Method::GET, "/lake-raw/dir/k", "")).await.text(), "bytes");
}

#[tokio::test]
async fn too_large_is_refused_before_it_is_read() {
    let server = Server::with_bucket().await;
    let (mut parts, _) = ask(Method::PUT, "/lake-raw/k").request().into_parts();
    parts.headers.insert("content-length", ((5_u64 << 30) + 1).into());
    signer(ROOT).sign(&mut parts, Payload::Unsigned, now()).unwrap();
    let answer = server.send(Request::from_parts(parts, Bytes::from("few"))).await;
    assert_eq!(answer.outcome(), "400 EntityTooLarge");
}

#[tokio::test]
async fn a_connection_whose_body_was_not_read_is_closed_aloud() {
    let server = Server::with_bucket().await;
    let refused = |size: usize, expect: bool| {
        let put = ask(Method::PUT, "/lake-raw/k").header("x-amz-storage-class", "NONE_SUCH").body(vec![0; size]);
        if expect { put.header("expect", "100-continue") } else { put }
    };
    for (size, expect, expected) in
        [(100, false, None), (1 << 20, false, None), ((1 << 20) + 1, false, Some("close")), (100, true, Some("close"))]
    {
        let answer = server.root(refused(size, expect)).await;
        assert_eq!(answer.outcome(), "400 InvalidStorageClass");
        assert_eq!(answer.header("connection"), expected, "{size} bytes, expect: {expect}");
    }
    let whole =
        server.root(ask(Method::PUT, "/lake-raw/k").body(vec![0; 2 << 20]).header("expect", "100-continue")).await;
    assert_eq!((whole.outcome().as_str(), whole.header("connection")), ("200", None));
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    use futures::StreamExt;
    use http_body::Frame;
    let server =
        Server::with(S3Options { body_pause_time_max: std::time::Duration::from_millis(20), ..S3Options::default() });
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw")).await.outcome(), "200");
    let (mut parts, _) = ask(Method::PUT, "/lake-raw/k").request().into_parts();
    parts.headers.insert("content-length", 10_u64.into());
    signer(ROOT).sign(&mut parts, Payload::Unsigned, now()).unwrap();
    let first = futures::stream::iter([Ok::<_, s3s::StdError>(Frame::data(Bytes::from_static(b"bytes")))]);
    let body = http_body_util::StreamBody::new(first.chain(futures::stream::pending()));
    let request = Request::from_parts(parts, s3s::Body::http_body_unsync(body));
    let meta = CallMeta {
        request_id: "request".to_owned(),
        time: now(),
        peer: "127.0.0.1:50000".parse().unwrap(),
        is_secure: false,
        tls: None,
    };
    let answer = server.api.call(request, meta).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["connection"], "close");
    let body = BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("<Code>RequestTimeout</Code>"));
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k")).await.outcome(), "404 NoSuchKey");
}

/// s3s skips such sections, and a rule for `logs/` would be one for the whole bucket.
#[tokio::test]
async fn sections_of_xml_are_refused_and_not_skipped() {
    let server = Server::with_bucket().await;
    let rule = |prefix: &str| {
        format!(
            "<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>\
             <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
        )
    };
    let put =
        async |prefix: &str| server.root(ask(Method::PUT, "/lake-raw?lifecycle").body(rule(prefix))).await.outcome();
    assert_eq!(put("<![CDATA[logs/]]>").await, "400 MalformedXML");
    let none = server.root(ask(Method::GET, "/lake-raw?lifecycle")).await;
    assert_eq!(none.outcome(), "404 NoSuchLifecycleConfiguration");
    assert_eq!(put("logs/").await, "200");
}
