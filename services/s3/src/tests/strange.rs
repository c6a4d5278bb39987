//! Requests that nobody would write: whatever comes, it is answered, and never by a failure of the server.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn outcome(asked: Ask) -> (StatusCode, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::with_bucket().await;
        assert_eq!(server.root(ask(Method::PUT, "/lake-raw/k").body("bytes")).await.outcome(), "200");
        let answer = server.root(asked).await;
        // Whatever it was, the next one is answered.
        assert_eq!(server.root(ask(Method::GET, "/lake-raw?location")).await.outcome(), "200");
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    })
}

fn check(asked: Ask) -> Result<(), TestCaseError> {
    let (status, body) = outcome(asked.clone());
    let known = !status.is_server_error() || status == StatusCode::NOT_IMPLEMENTED;
    prop_assert!(known, "{asked:?}: {status} {body}");
    Ok(())
}

/// Text that a header can have.
fn header_text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,60}", "[-,=0-9a-z/%?&.]{0,40}", Just("/lake-raw/k".to_owned()), Just("bytes=0-3".to_owned())]
}

fn xml() -> impl Strategy<Value = String> {
    const NAMES: [&str; 14] = [
        "Tagging",
        "TagSet",
        "Tag",
        "Key",
        "Value",
        "Delete",
        "Object",
        "CORSConfiguration",
        "CORSRule",
        "AllowedOrigin",
        "WebsiteConfiguration",
        "IndexDocument",
        "CompleteMultipartUpload",
        "Part",
    ];
    let name = prop::sample::select(&NAMES[..]);
    let piece = prop_oneof![
        name.clone().prop_map(|name| format!("<{name}>")),
        name.clone().prop_map(|name| format!("</{name}>")),
        name.prop_map(|name| format!("<{name}/>")),
        "[ -~]{0,12}".prop_map(|text| text),
        Just("&amp;&#0;&#xffff;&x;".to_owned()),
        Just("<![CDATA[x]]><!-- y --><?z?>".to_owned()),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn headers_are_answered(
        range in header_text(),
        source in header_text(),
        tagging in header_text(),
        etag in header_text(),
        is_put in any::<bool>(),
    ) {
        let asked = match is_put {
            true => ask(Method::PUT, "/lake-raw/l").header("x-amz-copy-source", source).header("x-amz-tagging", tagging),
            false => ask(Method::GET, "/lake-raw/k").header("range", range).header("if-none-match", etag),
        };
        check(asked)?;
    }

    #[test]
    fn bodies_are_answered(
        body in xml(),
        target in prop::sample::select(&[
            "?tagging", "?delete", "?cors", "?website", "?policy", "?logging", "?metrics&id=m", "?abac",
            "/k?tagging", "/k?uploadId=00000000000000000000000000000000",
        ][..]),
    ) {
        let is_post = target.contains("delete") || target.contains("uploadId");
        let method = if is_post { Method::POST } else { Method::PUT };
        check(ask(method, format!("/lake-raw{target}")).body(body))?;
    }

    #[test]
    fn queries_are_answered(key in "[a-z%/.]{0,12}", query in "[a-zA-Z-]{0,12}(=[a-z0-9%-]{0,8})?(&[a-z-]{1,10}=[0-9-]{0,12}){0,2}") {
        let whole = format!("/lake-raw/{key}?{query}");
        prop_assume!(whole.parse::<http::Uri>().is_ok());
        check(ask(Method::GET, whole))?;
    }

    #[test]
    fn chunks_are_answered(body in vec(any::<u8>(), 0..80), text in "[0-9a-f;=\r\n-]{0,60}", is_text in any::<bool>(), length in 0_u32..100) {
        let body = if is_text { text.into_bytes() } else { body };
        let asked = ask(Method::PUT, "/lake-raw/l")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", length.to_string())
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .body(body);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async {
            let server = Server::with_bucket().await;
            let (mut parts, body) = asked.request().into_parts();
            signer(ROOT).sign(&mut parts, Payload::UnsignedChunksWithTrailer, now()).unwrap();
            server.send(Request::from_parts(parts, body)).await.status
        });
        prop_assert!(!status.is_server_error(), "{asked:?}: {status}");
    }
}
