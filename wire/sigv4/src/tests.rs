//! AWS's published examples, round trips, and requests tampered with in every part.
//! Examples: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>.

use http::Request;
use http::request::{Builder, Parts};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tarn_testkit::{mangling, seeds};

use crate::*;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const DAY: &str = "20130524T000000Z";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn at(amz_date: &str) -> Timestamp {
    parse_amz_date(amz_date).expect("a date")
}

fn parts(request: Builder) -> Parts {
    request.body(()).expect("a request").into_parts().0
}

fn rules<'r>(service: &'r str, now: Timestamp) -> Rules<'r> {
    let path_encoding = if service == "s3" { PathEncoding::Once } else { PathEncoding::Twice };
    Rules { now, service, regions: &["us-east-1"], path_encoding }
}

fn verify(
    parts: &Parts,
    secret: &str,
    service: &str,
    now: Timestamp,
    body: Option<&[u8]>,
) -> Result<Seed, SignatureError> {
    let presented = Presented::of(parts)?.ok_or_else(|| SignatureError::malformed("not signed"))?;
    presented.verify(parts, secret, &SigningKeys::default(), &rules(service, now), body.map(sha256))
}

fn example(method: &str, uri: &str, headers: &[(&str, &str)], signed: &str, payload: &str, signature: &str) -> Parts {
    let mut request = Request::builder().method(method).uri(uri).header("host", "examplebucket.s3.amazonaws.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ID}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},Signature={signature}"
    );
    parts(
        request
            .header("x-amz-date", DAY)
            .header("x-amz-content-sha256", payload)
            .header("authorization", authorization),
    )
}

#[test]
fn published_header_examples_are_genuine() {
    let check = |parts: Parts| verify(&parts, SECRET, "s3", at(DAY), None).map(drop).expect("genuine");
    check(example(
        "GET",
        "/test.txt",
        &[("range", "bytes=0-9")],
        "host;range;x-amz-content-sha256;x-amz-date",
        EMPTY,
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ));
    check(example(
        "PUT",
        "/test%24file.text",
        &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ));
    check(example(
        "GET",
        "/?lifecycle",
        &[],
        "host;x-amz-content-sha256;x-amz-date",
        EMPTY,
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ));
    check(example(
        "GET",
        "/?max-keys=2&prefix=J",
        &[],
        "host;x-amz-content-sha256;x-amz-date",
        EMPTY,
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ));
}

#[test]
fn a_published_query_service_example_is_genuine() {
    let request = Request::builder()
        .uri("/?Action=ListUsers&Version=2010-05-08")
        .header("host", "iam.amazonaws.com")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("x-amz-date", "20150830T123600Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        );
    verify(&parts(request), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "iam", at("20150830T123600Z"), Some(b""))
        .map(drop)
        .expect("genuine");
}

#[test]
fn a_published_presigned_example_is_made_and_genuine_for_its_day() {
    let uri = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let mut made = parts(Request::builder().uri("https://examplebucket.s3.amazonaws.com/test.txt"));
    signer("s3").presign(&mut made, 86_400, at(DAY)).expect("signed");
    assert_eq!(made.uri.to_string(), uri);
    let after = |seconds| {
        verify(&made, SECRET, "s3", at(DAY).saturating_add(SignedDuration::from_secs(seconds)).expect("in range"), None)
            .map(drop)
    };
    after(86_400).expect("still valid");
    after(-CLOCK_SKEW_SECONDS_MAX).expect("the clocks may differ");
    assert!(matches!(after(86_401), Err(SignatureError::Expired { .. })));
    assert!(matches!(after(-CLOCK_SKEW_SECONDS_MAX - 1), Err(SignatureError::Skewed { .. })));
}

#[test]
fn the_published_chunked_example_goes_from_signature_to_signature() {
    let parts = parts(
        Request::builder()
            .method("PUT")
            .uri("/examplebucket/chunkObject.txt")
            .header("host", "s3.amazonaws.com")
            .header("x-amz-date", DAY)
            .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
            .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "66560")
            .header("content-length", "66824")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            ),
    );
    let seed = verify(&parts, SECRET, "s3", at(DAY), None).expect("genuine");
    let mut chunks = seed.chunks();
    let first = sha256(&[b'a'; 65_536]);
    assert!(
        !chunks
            .clone()
            .accepts_chunk(sha256(&[b'b'; 65_536]), "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")
    );
    assert!(chunks.accepts_chunk(first, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"));
    assert!(
        !chunks.accepts_chunk(first, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        "a chunk is good once, in its place"
    );
    assert!(
        chunks
            .accepts_chunk(sha256(&[b'a'; 1_024]), "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497")
    );
    assert!(chunks.accepts_chunk(sha256(b""), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"));
    let (mut theirs, mut ours) = (seed.chunks(), seed.chunks());
    let signature = theirs.trailer(b"x-amz-checksum-crc32c:sOO8/Q==\n");
    assert!(!ours.accepts_trailer(b"x-amz-checksum-crc32c:sOO8/A==\n", &signature));
    assert!(ours.accepts_trailer(b"x-amz-checksum-crc32c:sOO8/Q==\n", &signature));
}

fn signer(service: &str) -> Signer {
    Signer {
        access_key_id: ID.to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: None,
        region: "us-east-1".to_owned(),
        service: service.to_owned(),
    }
}

fn signed_glue(body: &[u8]) -> Parts {
    let mut parts = parts(
        Request::builder()
            .method("POST")
            .uri("http://127.0.0.1:9000/a/./b/../c%20d?x=1&b=2")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "AWSGlue.GetDatabases"),
    );
    let mut signer = signer("glue");
    signer.session_token = Some("a token".to_owned());
    signer.sign(&mut parts, Payload::Sha256(sha256(body)), at(DAY)).expect("signed");
    parts
}

#[test]
fn tampered_requests_are_refused() {
    let body = b"{}";
    let now = at(DAY);
    verify(&signed_glue(body), SECRET, "glue", now, Some(body)).map(drop).expect("genuine untouched");
    let check = |what: &str, tamper: &dyn Fn(&mut Parts), is_right: &dyn Fn(&SignatureError) -> bool| {
        let mut parts = signed_glue(body);
        tamper(&mut parts);
        let error = verify(&parts, SECRET, "glue", now, Some(body)).map(drop).expect_err(what);
        assert!(is_right(&error), "{what}: {error:?}");
    };
    let mismatch = |error: &SignatureError| matches!(error, SignatureError::Mismatch { .. });
    let malformed = |error: &SignatureError| matches!(error, SignatureError::Malformed { .. });
    let set = |parts: &mut Parts, name: &'static str, value: &str| {
        parts.headers.insert(name, value.parse().expect("a value"));
    };
    let append = |parts: &mut Parts, name: &'static str, value: &str| {
        parts.headers.append(name, value.parse().expect("a value"));
    };
    let edit = |parts: &mut Parts, from: &str, to: &str| {
        let text = parts.headers["authorization"].to_str().expect("ASCII").replace(from, to);
        parts.headers.insert("authorization", text.parse().expect("a value"));
    };
    check("another method", &|parts| parts.method = http::Method::PUT, &mismatch);
    check("another path", &|parts| parts.uri = "/a/c".parse().expect("a uri"), &mismatch);
    check("another query", &|parts| parts.uri = "/a/./b/../c%20d?x=1&b=3".parse().expect("a uri"), &mismatch);
    check("another host", &|parts| set(parts, "host", "example.com"), &mismatch);
    check("another target", &|parts| set(parts, "x-amz-target", "AWSGlue.DeleteDatabase"), &mismatch);
    check("another token", &|parts| set(parts, "x-amz-security-token", "b token"), &mismatch);
    check("no token", &|parts| drop(parts.headers.remove("x-amz-security-token")), &|e| {
        matches!(e, SignatureError::MissingHeader { .. })
    });
    check("a second value", &|parts| append(parts, "content-type", "text/html"), &mismatch);
    check("another time", &|parts| set(parts, "x-amz-date", "20130524T000001Z"), &mismatch);
    check("two times", &|parts| append(parts, "x-amz-date", DAY), &malformed);
    check("another digest", &|parts| set(parts, "x-amz-content-sha256", EMPTY), &|e| *e == SignatureError::BodyDiffers);
    check("unsigned payload", &|parts| set(parts, "x-amz-content-sha256", "UNSIGNED-PAYLOAD"), &mismatch);
    check("a nonsense digest", &|parts| set(parts, "x-amz-content-sha256", "SHA"), &malformed);
    check(
        "an unsigned header that steers",
        &|parts| set(parts, "x-amz-acl", "public-read"),
        &|e| matches!(e, SignatureError::UnsignedHeader { name } if name == "x-amz-acl"),
    );
    check(
        "host not signed",
        &|parts| edit(parts, "content-type;host", "content-type"),
        &|e| matches!(e, SignatureError::UnsignedHeader { name } if name == "host"),
    );
    check("a header less", &|parts| edit(parts, "content-type;host", "host"), &mismatch);
    check("unsorted headers", &|parts| edit(parts, "content-type;host", "host;content-type"), &malformed);
    check("a header twice", &|parts| edit(parts, "content-type;host", "content-type;host;host"), &malformed);
    check("no region", &|parts| edit(parts, "us-east-1", ""), &|e| {
        matches!(e, SignatureError::Scope { part: "region", .. })
    });
    check("no service", &|parts| edit(parts, "/glue/", "//"), &malformed);
    check("no id", &|parts| edit(parts, ID, ""), &malformed);
    check("another region", &|parts| edit(parts, "us-east-1", "eu-west-1"), &|e| {
        matches!(e, SignatureError::Scope { part: "region", .. })
    });
    check("another service", &|parts| edit(parts, "/glue/", "/iam/"), &|e| {
        matches!(e, SignatureError::Scope { part: "service", .. })
    });
    check("another day", &|parts| edit(parts, "20130524/", "20130523/"), &|e| {
        matches!(e, SignatureError::Scope { part: "date", .. })
    });
    check("another end", &|parts| edit(parts, "aws4_request", "aws5_request"), &|e| {
        matches!(e, SignatureError::Scope { part: "terminator", .. })
    });
    check("another algorithm", &|parts| edit(parts, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), &|e| {
        matches!(e, SignatureError::Algorithm { .. })
    });
    check("a short signature", &|parts| edit(parts, "Signature=", "Signature=0"), &malformed);
    check("no signature", &|parts| edit(parts, ", Signature=", ", Sig="), &malformed);
    check("a part twice", &|parts| edit(parts, "Credential=", "Signature=00, Credential="), &malformed);
    check("a credential of four parts", &|parts| edit(parts, "/glue", ""), &malformed);
    check("signed twice", &|parts| parts.uri = "/?X-Amz-Signature=00".parse().expect("a uri"), &|e| {
        *e == SignatureError::SignedTwice
    });
    let parts = signed_glue(body);
    assert!(matches!(verify(&parts, "another secret", "glue", now, Some(body)), Err(SignatureError::Mismatch { .. })));
    assert!(matches!(verify(&parts, SECRET, "glue", now, Some(b"{ }")), Err(SignatureError::BodyDiffers)));
    for (skew, good) in [(CLOCK_SKEW_SECONDS_MAX, true), (CLOCK_SKEW_SECONDS_MAX + 1, false)] {
        for sign in [1, -1] {
            let now = now.saturating_add(SignedDuration::from_secs(sign * skew)).expect("in range");
            assert_eq!(verify(&parts, SECRET, "glue", now, Some(body)).is_ok(), good, "{skew}");
        }
    }
}

#[test]
fn tampered_presigned_urls_are_refused() {
    let mut made = parts(
        Request::builder().method("PUT").uri("http://lake-raw.localhost:9000/a//b%2Bc%20d?partNumber=1&uploadId=x%2Fy"),
    );
    signer("s3").presign(&mut made, 60, at(DAY)).expect("signed");
    verify(&made, SECRET, "s3", at(DAY), None).map(drop).expect("genuine untouched");
    let check = |from: &str, to: &str| {
        let mut parts = made.clone();
        let text = made.uri.to_string();
        assert!(text.contains(from), "{from}");
        parts.uri = text.replacen(from, to, 1).parse().expect("a uri");
        verify(&parts, SECRET, "s3", at(DAY), None).map(drop).expect_err(to);
    };
    check("/a//b", "/a/b");
    check("partNumber=1", "partNumber=2");
    check("partNumber=1&", "");
    check("partNumber=1", "partNumber=1&acl");
    check("X-Amz-Expires=60", "X-Amz-Expires=61");
    check("X-Amz-Expires=60", "X-Amz-Expires=604801");
    check("X-Amz-Expires=60", "X-Amz-Expires=-1");
    check("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=600");
    check("X-Amz-Expires=60&", "");
    check("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130524T000001Z");
    check("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=");
    let mut other_host = made.clone();
    other_host.headers.insert("host", "lake-ml.localhost:9000".parse().expect("a value"));
    assert!(matches!(verify(&other_host, SECRET, "s3", at(DAY), None), Err(SignatureError::Mismatch { .. })));
    let mut copy = made.clone();
    copy.headers.insert("x-amz-copy-source", "lake-raw/secret".parse().expect("a value"));
    assert!(matches!(verify(&copy, SECRET, "s3", at(DAY), None), Err(SignatureError::UnsignedHeader { .. })));
    let mut other_order = made.clone();
    let (path, query) = made.uri.path_and_query().map(|pq| (pq.path(), pq.query().unwrap_or(""))).expect("a path");
    let reversed: Vec<&str> = query.split('&').rev().collect();
    other_order.uri = format!("http://lake-raw.localhost:9000{path}?{}", reversed.join("&")).parse().expect("a uri");
    verify(&other_order, SECRET, "s3", at(DAY), None).map(drop).expect("the order of parameters does not matter");
}

#[test]
fn dates_are_read_strictly() {
    let check = |text: &str, good: bool| {
        assert_eq!(parse_amz_date(text).map(format_amz_date).as_deref(), good.then_some(text), "{text}")
    };
    check("20130524T000000Z", true);
    check("20240229T235959Z", true);
    check("20230229T000000Z", false);
    check("20130524T250000Z", false);
    check("20130524T00000Z", false);
    check("2013052٤T00000Z", false);
    check("-0130524T000000Z", false);
    check("", false);
}

proptest! {
    #[test]
    fn what_is_signed_is_genuine(
        path in "(/[ -~&&[^?#]]{0,8}){0,4}", query in "[a-zA-Z0-9%=&+./~-]{0,24}", value in "[ -~]{0,16}", s3 in any::<bool>(), body in proptest::collection::vec(any::<u8>(), 0..32),
    ) {
        let service = if s3 { "s3" } else { "glue" };
        let Ok(request) = Request::builder().method("POST").uri(format!("http://127.0.0.1:9000{path}?{query}")).header("x-amz-meta-v", value).body(()) else { return Ok(()) };
        let mut parts = request.into_parts().0;
        signer(service).sign(&mut parts, Payload::Sha256(sha256(&body)), at(DAY)).expect("signed");
        verify(&parts, SECRET, service, at(DAY), Some(&body)).map(drop).expect("genuine");
    }

    #[test]
    fn no_input_panics(authorization in "\\PC{0,80}", query in "[ -~&&[^#]]{0,80}", sha in "\\PC{0,70}", date in "\\PC{0,20}") {
        for authorization in [authorization.clone(), format!("AWS4-HMAC-SHA256 {authorization}")] {
            let Ok(request) = Request::builder().uri(format!("/?{}", query.replace(' ', "+"))).header("authorization", authorization).header("x-amz-date", date.clone()).header("x-amz-content-sha256", sha.clone()).body(()) else { continue };
            let parts = request.into_parts().0;
            if let Ok(Some(presented)) = Presented::of(&parts) {
                let _ = presented.verify(&parts, SECRET, &SigningKeys::default(), &rules("s3", at(DAY)), None);
            }
        }
    }
}

/// Every probe over its seeds, over mangled seeds and over arbitrary bytes. A fuzzer goes further with the same probes: see CONTRIBUTING.md.
#[test]
fn seeds_keep_the_rules_of_the_probes() {
    for (name, probe) in crate::probes::ALL {
        for seed in seeds(name) {
            assert!(probe(&seed), "a seed of {name} is refused: {}", String::from_utf8_lossy(&seed));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn mangled_seeds_break_no_rule(
        mangling in mangling(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for (name, probe) in crate::probes::ALL {
            probe(&mangling.of(&seeds(name)));
            probe(&bytes);
        }
    }
}
