//! Every operation of every service against callers who may not: nobody, a wrong signature, no permission, an explicit deny.
//! A new row in a service's table is tested here without a line of its own.

use bytes::Bytes;
use http::Request;
use tarn_audit::{EventFilter, OutcomeFilter, SEARCH_EVENTS_MAX, search};
use tarn_aws_protocol::Protocol;
use tarn_gateway::Gateway;
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::callers::{DENIED, NOBODY, ROOT, open, send_whole, sign};
use crate::minimal;

const ALL_BUT_NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

fn code(body: &str) -> String {
    let (start, end) = if body.starts_with('<') { ("<Code>", "</Code>") } else { ("\"__type\":\"", "\"") };
    let code = body.split_once(start).and_then(|(_, rest)| rest.split_once(end));
    code.map_or(body, |(code, _)| code).to_owned()
}

/// Status and body of the answer; where the code of an error is in a header, with the code in front.
async fn send(gateway: &Gateway, request: Request<Bytes>) -> (u16, String) {
    let (status, headers, body) = send_whole(gateway, request).await;
    match headers.get("x-amzn-errortype").and_then(|code| code.to_str().ok()) {
        Some(code) if !body.contains("\"__type\"") => (status, format!("\"__type\":\"{code}\" {body}")),
        Some(_) | None => (status, body),
    }
}

fn tampered(request: Request<Bytes>) -> Request<Bytes> {
    let (mut parts, body) = request.into_parts();
    let authorization = parts.headers["authorization"].to_str().expect("ASCII").to_owned();
    let (rest, signature) = authorization.split_at(authorization.len() - 1);
    let other = if signature == "0" { "1" } else { "0" };
    parts.headers.insert("authorization", format!("{rest}{other}").parse().expect("a value"));
    Request::from_parts(parts, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_callers_who_may_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = open(folder.path()).await;
    let gateway = &lake.gateway;
    let policy = ALL_BUT_NOTHING.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let put = Request::post("http://127.0.0.1:9000/")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(Bytes::from(format!(
            "Action=PutUserPolicy&Version=2010-05-08&UserName=denied&PolicyName=p&PolicyDocument={policy}"
        )));
    let (status, body) = send(gateway, sign(put.expect("a request"), ROOT, "iam")).await;
    assert_eq!(status, 200, "{body}");

    let mut breaches = Vec::new();
    let mut count = 0;
    let mut refused = 0;
    for service in gateway.services() {
        for row in service.rows() {
            count += 1;
            let operation = row.model();
            let name = format!("{}:{}", operation.service.name, operation.name);
            let request = || minimal::request(operation);
            let signing_name = operation.service.signing_name;
            let mut check = |who: &str, body: &str, codes: &[&str], needle: &str| {
                let code = code(body);
                if !codes.contains(&code.as_str()) || !body.contains(needle) {
                    breaches.push(format!("{name} by {who}: {body}"));
                }
            };
            let denied = operation.service.access_denied_code;
            if row.access().is_unsigned {
                // Nobody signs it: what is to be shown is in the input, and the smallest input shows nothing.
                refused += 1;
                let (_, body) = send(gateway, request()).await;
                check("nobody", &body, &[denied, "InvalidIdentityToken"], "");
                continue;
            }
            // Only a path tells whom it asks: unsigned, it is S3's to refuse.
            if operation.service.protocol != Protocol::RestJson {
                let (_, body) = send(gateway, request()).await;
                check("nobody", &body, &["MissingAuthenticationToken", "MissingAuthenticationTokenException"], "");
                refused += 1;
            }
            let (_, body) = send(gateway, tampered(sign(request(), ROOT, signing_name))).await;
            check("a wrong signature", &body, &["SignatureDoesNotMatch", "InvalidSignatureException"], "");
            refused += 1;
            // What any signed caller may has no action to deny.
            if row.access().iam_action.is_some() {
                refused += 2;
                let (_, body) = send(gateway, sign(request(), NOBODY, signing_name)).await;
                check("one without permission", &body, &[denied], "not authorized to perform");
                let (_, body) = send(gateway, sign(request(), DENIED, signing_name)).await;
                check("one denied", &body, &[denied], "explicit deny");
            }
        }
    }
    assert!(
        breaches.is_empty(),
        "{} operations let callers in or refuse them wrongly:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
    // Each refusal is on record, with who was refused; nobody's are kept with the first account.
    lake.audit.flush().await.expect("written");
    let filter = EventFilter { outcome: Some(OutcomeFilter::Failure), ..EventFilter::default() };
    let proof = Authorized::internal("test", AccountId::first());
    let (mut recorded, mut marker) = (0, None);
    loop {
        let page = search(&*lake.store, &proof, &filter, marker.as_deref(), SEARCH_EVENTS_MAX).expect("found");
        recorded += page.events.len();
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(recorded, refused, "every refusal is recorded once");
    assert!(count >= 20, "the services have only {count} operations");
    lake.close().await.expect("closed");
}
