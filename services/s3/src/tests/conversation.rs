//! What clients do every day, by resource.

use super::*;

#[tokio::test]
async fn objects_come_back_as_they_went() {
    let server = Server::with_bucket().await;
    let put = ask(Method::PUT, "/lake-raw/dir/a%20b.csv")
        .body("0123456789")
        .header("content-type", "text/csv")
        .header("content-encoding", "aws-chunked,gzip")
        .header("cache-control", "no-cache")
        .header("x-amz-meta-origin", "EWR");
    let answer = server.root(put).await;
    assert_eq!(
        (answer.outcome().as_str(), answer.header("etag")),
        ("200", Some("\"781e5e245d69b566979b86e28d23f2c7\""))
    );
    assert_eq!(answer.header("x-amz-server-side-encryption"), Some("AES256"));
    assert!(answer.header("x-amz-checksum-crc64nvme").is_some() && answer.header("x-amz-request-id").is_some());

    let answer = server.root(ask(Method::GET, "/lake-raw/dir/a%20b.csv")).await;
    assert_eq!((answer.outcome().as_str(), answer.text()), ("200", "0123456789"));
    for (name, value) in [
        ("content-type", "text/csv"),
        ("content-encoding", "gzip"),
        ("cache-control", "no-cache"),
        ("x-amz-meta-origin", "EWR"),
        ("content-length", "10"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let get = |name, value: &str| ask(Method::GET, "/lake-raw/dir/a%20b.csv").header(name, value);
    let answer = server.root(get("range", "bytes=2-4")).await;
    assert_eq!(
        (answer.outcome().as_str(), answer.text(), answer.header("content-range")),
        ("206", "234", Some("bytes 2-4/10"))
    );
    assert_eq!(server.root(get("range", "bytes=-3")).await.text(), "789");
    assert_eq!(server.root(get("range", "bytes=10-")).await.outcome(), "416 InvalidRange");
    assert_eq!(server.root(get("if-none-match", "\"781e5e245d69b566979b86e28d23f2c7\"")).await.outcome(), "304");
    assert_eq!(server.root(get("if-match", "\"other\"")).await.outcome(), "412 PreconditionFailed");
    let answer = server.root(get("x-amz-checksum-mode", "ENABLED")).await;
    assert!(answer.header("x-amz-checksum-crc64nvme").is_some());

    let answer = server.root(ask(Method::HEAD, "/lake-raw/dir/a%20b.csv")).await;
    assert_eq!((answer.outcome().as_str(), answer.header("content-length"), answer.body.len()), ("200", Some("10"), 0));
    assert_eq!(server.root(ask(Method::HEAD, "/lake-raw/gone")).await.outcome(), "404");
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k?versionId=null")).await.outcome(), "404 NoSuchVersion");
    assert_eq!(
        server.root(ask(Method::GET, "/lake-raw/dir/a%20b.csv?versionId=abc")).await.outcome(),
        "400 InvalidArgument"
    );

    let attributes = ask(Method::GET, "/lake-raw/dir/a%20b.csv?attributes")
        .header("x-amz-object-attributes", "ETag,ObjectSize,Checksum");
    let answer = server.root(attributes).await;
    assert_eq!(
        (answer.element("ObjectSize"), answer.element("ETag")),
        (Some("10"), Some("781e5e245d69b566979b86e28d23f2c7")),
        "{}",
        answer.text()
    );
    assert!(answer.element("ChecksumCRC64NVME").is_some());

    assert_eq!(server.root(ask(Method::DELETE, "/lake-raw/dir/a%20b.csv")).await.outcome(), "204");
    assert_eq!(server.root(ask(Method::DELETE, "/lake-raw/dir/a%20b.csv")).await.outcome(), "204");
}

#[tokio::test]
async fn large_objects_stream() {
    let server = Server::with_bucket().await;
    let bytes: Bytes = (0..700_000_u32).flat_map(u32::to_be_bytes).collect();
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw/large").body(bytes.clone())).await.outcome(), "200");
    let answer = server.root(ask(Method::GET, "/lake-raw/large")).await;
    assert_eq!((answer.body == bytes, answer.header("content-length")), (true, Some("2800000")));
    let answer = server.root(ask(Method::GET, "/lake-raw/large").header("range", "bytes=65530-2000000")).await;
    assert_eq!(answer.body, bytes.slice(65_530..2_000_001));
}

#[tokio::test]
async fn conditional_writes_hold() {
    let server = Server::with_bucket().await;
    let put = |name, value: &str| ask(Method::PUT, "/lake-raw/k").body("x").header(name, value);
    assert_eq!(server.root(put("if-match", "\"9dd4e461268c8034f5c8564e155c67a6\"")).await.outcome(), "404 NoSuchKey");
    assert_eq!(server.root(put("if-none-match", "*")).await.outcome(), "200");
    assert_eq!(server.root(put("if-none-match", "*")).await.outcome(), "412 PreconditionFailed");
    assert_eq!(server.root(put("if-match", "\"9dd4e461268c8034f5c8564e155c67a6\"")).await.outcome(), "200");
    assert_eq!(
        server.root(put("if-match", "\"00000000000000000000000000000000\"")).await.outcome(),
        "412 PreconditionFailed"
    );
    assert_eq!(server.root(put("if-none-match", "\"x\"")).await.outcome(), "200");
    let same = put("if-none-match", "\"9dd4e461268c8034f5c8564e155c67a6\"");
    assert_eq!(server.root(same).await.outcome(), "412 PreconditionFailed");
}

#[tokio::test]
async fn buckets_are_listed_and_described() {
    let server = Server::with_bucket().await;
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw")).await.outcome(), "200");
    assert_eq!(server.root(ask(Method::PUT, "/Bad_Name")).await.outcome(), "400 InvalidBucketName");
    let elsewhere =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    let answer = server.root(ask(Method::PUT, "/lake-eu").body(elsewhere)).await;
    assert_eq!(answer.outcome(), "400 IllegalLocationConstraintException");
    let here = elsewhere.replace("eu-west-1", "us-east-1");
    assert_eq!(server.root(ask(Method::PUT, "/a-lake-here").body(here)).await.outcome(), "200");
    assert_eq!(server.root(ask(Method::DELETE, "/a-lake-here")).await.outcome(), "204");
    let answer = server.root(ask(Method::GET, "/")).await;
    assert_eq!((answer.element("Name"), answer.element("ID")), (Some("lake-raw"), Some("canonical-000000000000")));
    let answer = server.root(ask(Method::GET, "/lake-raw?location")).await;
    assert!(answer.outcome() == "200" && answer.text().contains("LocationConstraint"));
    assert_eq!(server.root(ask(Method::HEAD, "/lake-raw")).await.header("x-amz-bucket-region"), Some("us-east-1"));
    assert_eq!(server.root(ask(Method::HEAD, "/lake-gone")).await.outcome(), "404");
    let answer = server.root(ask(Method::GET, "/lake-gone?list-type=2")).await;
    assert_eq!(
        (answer.outcome().as_str(), answer.element("RequestId")),
        ("404 NoSuchBucket", Some("0f5d1f9e-request"))
    );
    assert!(answer.element("HostId").is_some() && answer.element("Resource") == Some("/lake-gone"));
    assert!(server.root(ask(Method::GET, "/lake-raw?encryption")).await.text().contains("AES256"));
    server.root(ask(Method::PUT, "/lake-raw/k").body("x")).await;
    assert_eq!(server.root(ask(Method::DELETE, "/lake-raw")).await.outcome(), "409 BucketNotEmpty");
    server.root(ask(Method::DELETE, "/lake-raw/k")).await;
    assert_eq!(server.root(ask(Method::DELETE, "/lake-raw")).await.outcome(), "204");
    let answer = server.root(ask(Method::PUT, "/lake-raw?tagging")).await;
    assert_ne!(answer.outcome(), "200");
}

#[tokio::test]
async fn listings_page_in_both_versions() {
    let server = Server::with_bucket().await;
    for key in ["a", "b/1", "b/2", "c%20d", "e"] {
        server.root(ask(Method::PUT, format!("/lake-raw/{key}")).body("x")).await;
    }
    let keys = |answer: &Answer| -> Vec<String> {
        answer
            .text()
            .split("<Key>")
            .skip(1)
            .map(|rest| rest.split("</Key>").next().unwrap_or_default().to_owned())
            .collect()
    };
    let answer = server.root(ask(Method::GET, "/lake-raw?list-type=2&delimiter=%2F&encoding-type=url")).await;
    assert_eq!(
        (keys(&answer), answer.element("KeyCount")),
        (vec!["a".to_owned(), "c%20d".to_owned(), "e".to_owned()], Some("4"))
    );
    assert!(answer.text().contains("<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"));
    let mut found = Vec::new();
    let mut target = "/lake-raw?list-type=2&max-keys=2".to_owned();
    loop {
        let answer = server.root(ask(Method::GET, target)).await;
        found.extend(keys(&answer));
        let Some(token) = answer.element("NextContinuationToken") else { break };
        target = format!("/lake-raw?continuation-token={token}&list-type=2&max-keys=2");
    }
    assert_eq!(found, ["a", "b/1", "b/2", "c d", "e"]);
    let answer = server.root(ask(Method::GET, "/lake-raw?delimiter=%2F&max-keys=2")).await;
    assert_eq!((answer.element("NextMarker"), answer.element("IsTruncated")), (Some("b/"), Some("true")));
    let answer = server.root(ask(Method::GET, "/lake-raw?delimiter=%2F&marker=b%2F")).await;
    assert_eq!(keys(&answer), ["c d", "e"]);
    let answer = server.root(ask(Method::GET, "/lake-raw?list-type=2&start-after=b%2F2&fetch-owner=true")).await;
    assert_eq!(
        (keys(&answer), answer.element("ID")),
        (vec!["c d".to_owned(), "e".to_owned()], Some("canonical-000000000000"))
    );
    assert_eq!(keys(&server.root(ask(Method::GET, "/lake-raw?list-type=2&max-keys=0")).await).len(), 0);
    assert_eq!(
        server.root(ask(Method::GET, "/lake-raw?list-type=2&max-keys=-1")).await.outcome(),
        "400 InvalidArgument"
    );
    assert_eq!(
        server.root(ask(Method::GET, "/lake-raw?list-type=2&continuation-token=%21")).await.outcome(),
        "400 InvalidArgument"
    );
    let answer = server.root(ask(Method::GET, "/lake-raw?versions&prefix=e")).await;
    assert_eq!((keys(&answer), answer.element("VersionId")), (vec!["e".to_owned()], Some("null")));
}

#[tokio::test]
async fn many_are_deleted_and_each_is_told() {
    let server = Server::with_bucket().await;
    for key in ["a", "b"] {
        server.root(ask(Method::PUT, format!("/lake-raw/{key}")).body("x")).await;
    }
    server.users.set("ada", r#"{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::lake-raw/a"}"#);
    let body =
        "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object><Object><Key>../a</Key></Object></Delete>";
    let answer = server.user(ask(Method::POST, "/lake-raw?delete").body(body)).await;
    assert_eq!(answer.outcome(), "200");
    assert!(answer.text().contains("<Deleted><Key>a</Key></Deleted>"), "{}", answer.text());
    assert_eq!(answer.text().matches("<Code>AccessDenied</Code>").count(), 2);
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/b")).await.outcome(), "200");
    assert_eq!(server.root(ask(Method::POST, "/lake-raw?delete").body("<Delete>")).await.outcome(), "400 MalformedXML");
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>";
    let answer = server.root(ask(Method::POST, "/lake-raw?delete").body(quiet)).await;
    assert!(answer.outcome() == "200" && !answer.text().contains("Deleted>"));
}

#[tokio::test]
async fn uploads_in_parts_become_objects() {
    let server = Server::with_bucket().await;
    let begin = ask(Method::POST, "/lake-raw/k?uploads")
        .header("x-amz-checksum-algorithm", "CRC32C")
        .header("content-type", "text/plain");
    let answer = server.root(begin).await;
    let id = answer.element("UploadId").unwrap().to_owned();
    let mut parts = String::new();
    for (number, bytes) in [(1, "hello "), (2, "world!")] {
        let answer =
            server.root(ask(Method::PUT, format!("/lake-raw/k?partNumber={number}&uploadId={id}")).body(bytes)).await;
        assert_eq!(answer.outcome(), "200");
        let (etag, checksum) = (answer.header("etag").unwrap(), answer.header("x-amz-checksum-crc32c").unwrap());
        parts += &format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><ChecksumCRC32C>{checksum}</ChecksumCRC32C></Part>"
        );
    }
    let answer = server
        .root(
            ask(Method::PUT, format!("/lake-raw/k?partNumber=3&uploadId={id}"))
                .header("x-amz-copy-source", "/lake-raw/gone"),
        )
        .await;
    assert_eq!(answer.outcome(), "404 NoSuchKey");
    let answer = server.root(ask(Method::GET, format!("/lake-raw/k?uploadId={id}"))).await;
    assert_eq!((answer.text().matches("<Part>").count(), answer.element("ChecksumAlgorithm")), (2, Some("CRC32C")));
    let answer = server.root(ask(Method::GET, "/lake-raw?uploads")).await;
    assert_eq!(answer.element("UploadId"), Some(id.as_str()));
    let complete = ask(Method::POST, format!("/lake-raw/k?uploadId={id}"))
        .body(format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"));
    let answer = server.root(complete.clone()).await;
    assert_eq!(answer.outcome(), "200", "{}", answer.text());
    assert!(
        answer.element("ETag").unwrap().contains("-2") && answer.element("ChecksumCRC32C").unwrap().ends_with("-2")
    );
    assert_eq!(server.root(complete).await.outcome(), "200");
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k")).await.text(), "hello world!");
    let answer = server.root(ask(Method::GET, "/lake-raw/k?partNumber=2")).await;
    assert_eq!(
        (answer.outcome().as_str(), answer.text(), answer.header("x-amz-mp-parts-count")),
        ("206", "world!", Some("2"))
    );
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k?partNumber=3")).await.outcome(), "416 InvalidPartNumber");
    let attributes = ask(Method::GET, "/lake-raw/k?attributes").header("x-amz-object-attributes", "ObjectParts");
    let answer = server.root(attributes).await;
    assert_eq!(
        (answer.element("PartsCount"), answer.text().matches("<Part>").count()),
        (Some("2"), 2),
        "{}",
        answer.text()
    );
    let gone = format!("/lake-raw/k?uploadId={}", "0".repeat(32));
    assert_eq!(server.root(ask(Method::DELETE, gone)).await.outcome(), "404 NoSuchUpload");
}

#[tokio::test]
async fn copies_follow_their_directives() {
    let server = Server::with_bucket().await;
    let put =
        ask(Method::PUT, "/lake-raw/a").body("bytes").header("content-type", "text/csv").header("x-amz-tagging", "k=v");
    server.root(put).await;
    let copy = |to: &str| ask(Method::PUT, format!("/lake-raw/{to}")).header("x-amz-copy-source", "/lake-raw/a");
    let answer = server.root(copy("b")).await;
    assert_eq!(answer.outcome(), "200", "{}", answer.text());
    assert!(answer.text().contains("CopyObjectResult") && answer.element("ETag").is_some());
    let answer = server.root(ask(Method::GET, "/lake-raw/b")).await;
    assert_eq!(
        (answer.text(), answer.header("content-type"), answer.header("x-amz-tagging-count")),
        ("bytes", Some("text/csv"), Some("1"))
    );
    let replace = copy("c")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("content-type", "text/plain")
        .header("x-amz-tagging-directive", "REPLACE");
    assert_eq!(server.root(replace).await.outcome(), "200");
    let answer = server.root(ask(Method::HEAD, "/lake-raw/c")).await;
    assert_eq!((answer.header("content-type"), answer.header("x-amz-tagging-count")), (Some("text/plain"), None));
    assert_eq!(server.root(copy("a")).await.outcome(), "400 InvalidRequest");
    assert_eq!(
        server.root(copy("d").header("x-amz-metadata-directive", "MERGE")).await.outcome(),
        "400 InvalidArgument"
    );
    assert_eq!(
        server.root(copy("d").header("x-amz-copy-source-if-match", "\"x\"")).await.outcome(),
        "412 PreconditionFailed"
    );
    let answer = server.root(ask(Method::GET, "/lake-raw/b?tagging")).await;
    assert!(answer.text().contains("<Tag><Key>k</Key><Value>v</Value></Tag>"));
}

/// Keys never become paths (SeaweedFS CVE-2026-54917, -55874, -58372): each is a key of its own.
#[tokio::test]
async fn strange_keys_are_just_keys() {
    let server = Server::with_bucket().await;
    let keys = ["a%2F..%2F..%2Fetc", "%2F%2F", "a%00b", "%E2%98%83", "%20", "a%2Bb", &"k".repeat(1024)];
    for key in keys {
        let put = server.root(ask(Method::PUT, format!("/lake-raw/{key}")).body(key.to_owned())).await;
        assert_eq!(put.outcome(), "200", "{key}");
    }
    for key in keys {
        assert_eq!(server.root(ask(Method::GET, format!("/lake-raw/{key}"))).await.text(), key);
    }
    let long = format!("/lake-raw/{}", "k".repeat(1025));
    assert_eq!(server.root(ask(Method::PUT, long).body("x")).await.outcome(), "400 KeyTooLongError");
    assert_eq!(
        server.root(ask(Method::GET, "/lake-raw?list-type=2&encoding-type=url")).await.text().matches("<Key>").count(),
        keys.len()
    );
}

/// Where AWS began, one's own bucket can be made again; elsewhere it cannot.
#[tokio::test]
async fn ones_own_bucket_is_made_again_only_in_us_east_1() {
    for (region, expected) in [("us-east-1", "200"), ("eu-west-1", "409 BucketAlreadyOwnedByYou")] {
        let region = Region::new(region).unwrap();
        let server = Server::with(S3Options { region: region.clone(), ..S3Options::default() });
        let put = |target: &str| {
            let mut parts = ask(Method::PUT, target).request().into_parts().0;
            let signer = Signer { region: region.to_string(), ..signer(ROOT) };
            signer.sign(&mut parts, Payload::Sha256(tarn_sigv4::sha256(b"")), now()).unwrap();
            server.send(Request::from_parts(parts, Bytes::new()))
        };
        assert_eq!(put("/lake-raw").await.outcome(), "200");
        assert_eq!(put("/lake-raw/k").await.outcome(), "200");
        assert_eq!(put("/lake-raw").await.outcome(), expected, "{region}");
    }
}
