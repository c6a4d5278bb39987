//! S3 through the gateway: who gets in, what is on record, and what is on the disk.

use std::path::Path;

use bytes::Bytes;
use http::Request;
use tarn_audit::{EventFilter, Outcome, search};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::callers::{DENIED, NOBODY, ROOT, open, send, sign};

const PLANTED: &str = "planted-text-that-must-not-lie-on-the-disk";

fn request(method: &str, path: &str, body: &'static str) -> Request<Bytes> {
    let uri = format!("http://127.0.0.1:9000{path}");
    let length = body.len().to_string();
    let request = Request::builder().method(method).uri(uri).header("content-length", length);
    request.header("host", "127.0.0.1:9000").body(Bytes::from_static(body.as_bytes())).expect("a request")
}

/// The files below `folder` that hold `text`.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else {
            let bytes = std::fs::read(&path).expect("readable");
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_for_those_who_may_and_sealed_on_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = open(folder.path()).await;
    let put = || request("PUT", "/lake-raw/a%20b/c", PLANTED);
    let get = || request("GET", "/lake-raw/a%20b/c", "");
    let check = async |request: Request<Bytes>, status: u16, needle: &str| {
        let (got, body) = send(&lake.gateway, request).await;
        assert_eq!(got, status, "{body}");
        assert!(body.contains(needle), "{needle}: {body}");
    };
    check(sign(put(), ROOT, "s3"), 200, "").await;
    check(sign(get(), ROOT, "s3"), 200, PLANTED).await;
    check(get(), 403, "<Code>AccessDenied</Code>").await;
    check(sign(get(), NOBODY, "s3"), 403, "<Code>AccessDenied</Code>").await;
    check(sign(put(), DENIED, "s3"), 403, "<Code>AccessDenied</Code>").await;
    check(sign(get(), ("AKIAUNKNOWN", "a secret"), "s3"), 403, "<Code>InvalidAccessKeyId</Code>").await;
    check(sign(get(), (ROOT.0, "another secret"), "s3"), 403, "<Code>SignatureDoesNotMatch</Code>").await;
    let mut steered = sign(put(), ROOT, "s3");
    steered.headers_mut().insert("x-amz-copy-source", "lake-ml/x".parse().expect("a value"));
    check(steered, 403, "<Code>AccessDenied</Code>").await;
    let mut other_body = sign(put(), ROOT, "s3");
    *other_body.body_mut() = Bytes::from(PLANTED.replace('p', "q"));
    let (status, body) = send(&lake.gateway, other_body).await;
    assert!(status >= 400, "{body}");
    check(sign(get(), ROOT, "s3"), 200, PLANTED).await;

    let mut expired = sign(get(), ROOT, "s3");
    expired.headers_mut().insert("x-amz-date", "20200101T000000Z".parse().expect("a value"));
    check(expired, 403, "<Error>").await;
    let presigned = "/lake-raw/a%20b/c?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAROOTROOTROOTROOT%2F20200101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20200101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0000000000000000000000000000000000000000000000000000000000000000";
    check(request("GET", presigned, ""), 403, "<Code>AccessDenied</Code>").await;
    check(sign(request("PUT", "/lake-raw/a?tagging", "<Tagging"), ROOT, "s3"), 400, "<Code>MalformedXML</Code>").await;
    check(sign(request("GET", "/lake-raw/a?torrent", ""), ROOT, "s3"), 501, "<Code>NotImplemented</Code>").await;

    // Refusals of S3 are on record with who was refused what.
    lake.audit.flush().await.expect("written");
    let proof = Authorized::internal("test", AccountId::first());
    let events = search(&*lake.store, &proof, &EventFilter::default(), None, 100).expect("found").events;
    let refused = |name: &str, user: &str| {
        events.iter().any(|event| {
            let who = event.principal.arn().map_or("nobody".to_owned(), |arn| arn.to_string());
            event.event_name == name && who.ends_with(user) && matches!(event.outcome, Outcome::Failure { .. })
        })
    };
    assert!(
        refused("GetObject", "nobody") && refused("GetObject", "user/nobody") && refused("PutObject", "user/denied")
    );
    assert!(events.iter().any(|event| event.event_name == "PutObject" && event.outcome == Outcome::Success));
    // Those too that s3s refuses before anybody is asked, or after: as nobody, with the key that was named, unless its signature was right.
    let recorded = |name: &str, wanted: &str, key: &str, is_known: bool| {
        events.iter().any(|event| {
            let Outcome::Failure { code, .. } = &event.outcome else { return false };
            event.event_name == name
                && code == wanted
                && event.principal.access_key_id.as_deref() == Some(key)
                && event.principal.arn().is_some() == is_known
                && event.request_parameters.contains("lake-raw")
                && event.resources.iter().any(|arn| arn.starts_with("arn:aws:s3:::lake-raw/a"))
        })
    };
    for (name, code, key, is_known) in [
        ("GetObject", "InvalidAccessKeyId", "AKIAUNKNOWN", false),
        ("GetObject", "SignatureDoesNotMatch", ROOT.0, false),
        ("GetObject", "AccessDenied", ROOT.0, false),
        ("PutObjectTagging", "MalformedXML", ROOT.0, true),
        ("GetObjectTorrent", "NotImplemented", ROOT.0, true),
    ] {
        let all: Vec<_> = events.iter().map(|event| (&event.event_name, &event.outcome)).collect();
        assert!(recorded(name, code, key, is_known), "{name} {code}: {all:#?}");
    }

    lake.close().await.expect("closed");
    assert_eq!(files_with(folder.path(), PLANTED), Vec::<String>::new());
    assert_eq!(files_with(folder.path(), ROOT.1), Vec::<String>::new(), "secrets are sealed");
    let again = open(folder.path()).await;
    let (status, body) = send(&again.gateway, sign(get(), ROOT, "s3")).await;
    assert_eq!((status, body.as_str()), (200, PLANTED));
}
