//! The client against a server that answers as it is told, and that checks every signature.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tarn_runtime::Runtime;
use tarn_sigv4::{PathEncoding, Presented, Rules, SigningKeys, sha256};
use tokio::net::TcpListener;

use super::*;
use crate::location::S3Location;

const SECRET: &str = "secret";

#[derive(Default)]
struct Script {
    answers: VecDeque<Response<Full<Bytes>>>,
    asked: Vec<String>,
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Full::new(Bytes::from(body.to_owned()))).expect("an answer")
}

async fn take(script: &Mutex<Script>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let presented = Presented::of(&parts).expect("readable").expect("signed");
    let encoding = if presented.scope.service == "s3" { PathEncoding::Once } else { PathEncoding::Twice };
    let service = presented.scope.service.clone();
    let rules =
        Rules { now: Runtime::system().now(), service: &service, regions: &["us-east-1"], path_encoding: encoding };
    presented.verify(&parts, SECRET, &SigningKeys::default(), &rules, Some(sha256(&body))).expect("a right signature");
    let mut script = script.lock().expect("not poisoned");
    script.asked.push(format!("{} {} {}", parts.method, parts.uri, body.len()));
    script.answers.pop_front().unwrap_or_else(|| answer(500, &[], "nothing more is said"))
}

async fn serve(answers: Vec<Response<Full<Bytes>>>) -> (Client, Arc<Mutex<Script>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let script = Arc::new(Mutex::new(Script { answers: answers.into(), asked: Vec::new() }));
    let told = script.clone();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.expect("accepted");
            let told = told.clone();
            let service = service_fn(move |request| {
                let told = told.clone();
                async move { Ok::<_, Infallible>(take(&told, request).await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    let credentials = Credentials {
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: Some("token".to_owned()),
    };
    let settings =
        Settings { endpoint, region: "us-east-1".to_owned(), credentials: Some(credentials), ca_bundle: None };
    (Client::new(settings, Runtime::system()).expect("a client"), script)
}

fn place(key: &str) -> S3Location {
    S3Location { bucket: "b".to_owned(), key: key.to_owned() }
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_and_a_lasting_one_is_told() {
    let slow = "<Error><Code>SlowDown</Code><Message>slow</Message></Error>";
    let (client, script) = serve(vec![answer(503, &[], slow), answer(200, &[], "")]).await;
    client.put(&place("a b/ü+%"), "text/plain", Bytes::from_static(b"x")).await.expect("put at the second attempt");
    assert_eq!(
        script.lock().expect("not poisoned").asked,
        ["PUT /b/a%20b/%C3%BC%2B%25 1", "PUT /b/a%20b/%C3%BC%2B%25 1"]
    );

    let denied = "<Error><Code>AccessDenied</Code><Message>no</Message><RequestId>R1</RequestId></Error>";
    let (client, script) = serve(vec![answer(403, &[], denied)]).await;
    let error = client.put(&place("k"), "text/plain", Bytes::new()).await.expect_err("refused").to_string();
    assert!(error.starts_with("writing s3://b/k: AccessDenied: no"), "{error}");
    assert!(error.ends_with("(status 403, request R1)"), "{error}");
    assert_eq!(script.lock().expect("not poisoned").asked.len(), 1);
}

#[tokio::test]
async fn listings_are_decoded() {
    let body = "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a+b%2Bc%26%0A</Key><Size>3</Size>\
        <LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag></Contents>\
        <CommonPrefixes><Prefix>p%C3%BC/</Prefix></CommonPrefixes>\
        <NextContinuationToken>t/1=</NextContinuationToken></ListBucketResult>";
    let (client, script) = serve(vec![answer(200, &[], body)]).await;
    let page = client.list(&place("a &"), true, Some("t0")).await.expect("listed");
    assert_eq!(
        (page.objects[0].key.as_str(), page.objects[0].size, page.objects[0].etag.as_str()),
        ("a b+c&\n", 3, "e")
    );
    assert_eq!((page.prefixes[0].as_str(), page.token.as_deref()), ("pü/", Some("t/1=")));
    let asked = script.lock().expect("not poisoned").asked.clone();
    assert_eq!(
        asked,
        ["GET /b?list-type=2&encoding-type=url&max-keys=1000&prefix=a%20%26&delimiter=%2F&continuation-token=t0 0"]
    );
}

#[tokio::test]
async fn a_copy_that_fails_after_its_head_is_an_error() {
    let body = "<Error><Code>InternalError</Code><Message>late</Message></Error>";
    let (client, _) = serve(vec![answer(200, &[], body)]).await;
    let error = client.copy(&place("a"), "e", &place("b")).await.expect_err("failed").to_string();
    assert!(error.contains("InternalError: late"), "{error}");
}

#[tokio::test]
async fn a_download_states_its_checksum() {
    let sum = s3::checksum_text(s3::checksum(b"hello"));
    let headers = [
        ("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("etag", "\"e\""),
        ("x-amz-checksum-crc64nvme", sum.as_str()),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ];
    let (client, _) = serve(vec![answer(200, &headers, "hello")]).await;
    let mut download = client.get(&place("k"), None, None).await.expect("begun");
    let mut found = Vec::new();
    while let Some(chunk) = download.chunk().await.expect("read") {
        found.extend_from_slice(&chunk);
    }
    assert_eq!((found.as_slice(), download.checksum()), (b"hello".as_slice(), Some(s3::checksum(b"hello"))));
}

#[tokio::test]
async fn json_errors_and_queries_are_read() {
    let failed = r#"{"QueryExecution":{"Status":{"State":"FAILED","StateChangeReason":"no such table"}}}"#;
    let refused = r#"{"__type":"com.amazonaws#InvalidRequestException","message":"line 1:1: what?"}"#;
    let headers = [("x-amzn-requestid", "R2")];
    let (client, _) = serve(vec![answer(200, &[], failed), answer(400, &headers, refused)]).await;
    let error = client.await_query("q").await.expect_err("failed").to_string();
    assert_eq!(error, "the query failed: no such table (execution q)");
    let error = client.start_query(&athena::Session::default(), "what").await.expect_err("refused").to_string();
    assert_eq!(error, "starting the query: InvalidRequestException: line 1:1: what? (status 400, request R2)");
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let credentials =
        Credentials { access_key_id: "A".to_owned(), secret_access_key: "s".to_owned(), session_token: None };
    let settings =
        Settings { endpoint, region: "us-east-1".to_owned(), credentials: Some(credentials), ca_bundle: None };
    let error =
        Client::new(settings, Runtime::system()).expect("a client").buckets().await.expect_err("nobody").to_string();
    assert!(error.contains("is the server running"), "{error}");
}
