//! The pipeline over small tables of rows: who gets in, what the answer is, what is recorded.

mod answers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tarn_audit::{Answering, AuditError, Caller, EventDetails, EventDraft, EventFilter, EventId};
use tarn_aws_model::{glue, sts};
use tarn_aws_protocol::AwsError;
use tarn_operation::{Access, Service, Table};
use tarn_policy::{Authorized, Authorizer, Context, Denied, DeniedBecause, Principal, PrincipalKind, Requirement};
use tarn_runtime::{Runtime, Shutdown, Timestamp};
use tarn_sigv4::{Payload, Signer, sha256};
use tarn_types::{AccountId, Arn, Region, Scope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::*;

const NOW: i64 = 1_767_323_045;

/// Users are called as their access keys; `denied` may nothing.
struct Users;

impl Credentials for Users {
    fn used(&self, _: &str, _: Timestamp, _: &str, _: &str) {}

    fn access_key(&self, id: &str, token: Option<&str>, _: Timestamp) -> Result<Option<AccessKey>, CredentialsError> {
        if id == "unreadable" {
            return Err(CredentialsError::Unreadable { reason: "the store is closed".to_owned() });
        }
        match (id, token) {
            ("temporary", Some("token")) | ("ada" | "denied" | "inactive" | "nobody", None) => {}
            ("temporary", Some("old token")) => return Err(CredentialsError::TokenExpired),
            ("temporary", _) | (_, Some(_)) => return Err(CredentialsError::TokenInvalid),
            (_, None) => return Ok(None),
        }
        let known = ["ada", "denied", "inactive", "temporary"].contains(&id);
        let kind = PrincipalKind::User { path: "/".to_owned(), name: id.to_owned() };
        Ok(known.then(|| AccessKey {
            secret: Secret::new(format!("secret of {id}")),
            principal: Principal {
                access_key_id: Some(id.to_owned()),
                ..Principal::new(kind, AccountId::first(), format!("AIDA{id}"))
            },
            is_active: id != "inactive",
        }))
    }

    fn secret(&self, id: &str) -> Result<Option<Secret>, CredentialsError> {
        Ok(Some(Secret::new(format!("secret of {id}"))))
    }
}

#[derive(Default)]
struct Policies(Mutex<Vec<Context>>);

impl Authorizer for Policies {
    fn authorize(
        &self,
        principal: &Principal,
        needs: Vec<Requirement>,
        context: &Context,
    ) -> Result<Authorized, Denied> {
        self.0.lock().push(context.clone());
        match (&principal.kind, needs.into_iter().next()) {
            (PrincipalKind::User { name, .. }, Some(need)) if name == "denied" => Err(Denied {
                principal: principal.clone(),
                action: need.action,
                resource: need.resource,
                because: DeniedBecause::NothingAllows,
            }),
            _ => Ok(Authorized::internal("test", AccountId::first())),
        }
    }
}

/// What was recorded, in words and as drafts; and what was done, in a log.
struct Records(Mutex<Vec<String>>, Mutex<Vec<EventDraft>>, Arc<tarn_audit::AuditLog>);

impl AuditLog for Records {
    fn failed(&self, draft: &EventDraft, details: &EventDetails, code: &str, message: &str) {
        self.0.lock().push(format!("{} {code}", draft.event_name));
        self.1.lock().push(draft.clone());
        self.2.record_refusal_with(draft.clone(), details.clone(), code, message);
    }
    fn done(&self, draft: &EventDraft, details: &EventDetails) {
        self.0.lock().push(format!("{} done", draft.event_name));
        self.1.lock().push(draft.clone());
        self.2.record_read_with(draft.clone(), details);
    }
    fn answering(&self, id: EventId) -> Option<Answering> {
        Some(self.2.answering(id))
    }
    fn search(
        &self,
        _: Caller,
        filter: EventFilter,
        marker: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<RecordPage, AuditError>> {
        let asked = format!("{:?} {:?} {marker:?} {limit}", filter.user, filter.outcome);
        std::future::ready(Ok(RecordPage { records: vec![asked], marker: Some("next".to_owned()) })).boxed()
    }
}

/// Messages that are not sealed.
struct Messages;

impl AuthorizationMessages for Messages {
    fn message(&self, denial: &Denial) -> Option<String> {
        let source = denial.request.get("aws:SourceIp").unwrap_or_default();
        Some(format!("{} {} {source:?}", denial.denied.principal.id, denial.denied.action))
    }
}

struct Echo;

impl S3Endpoint for Echo {
    fn call(&self, request: Request<Body>, _meta: RequestMeta) -> BoxFuture<'static, Response<Body>> {
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let mut response = Response::new(full_body(format!("s3 {} {}", parts.uri.path(), bytes.len())));
            response.extensions_mut().insert(S3Operation("Echo"));
            response
        }
        .boxed()
    }
}

type State = AtomicUsize;

fn needs(_: &State, _: &glue::GetDatabaseRequest, scope: &Scope) -> Result<Vec<Requirement>, AwsError> {
    Ok(vec![Requirement::new("glue:GetDatabase", Arn::regional("glue", &scope.region, &scope.account, "catalog"))])
}

async fn get_database(
    state: Arc<State>,
    caller: Caller,
    input: glue::GetDatabaseRequest,
) -> Result<glue::GetDatabaseResponse, AwsError> {
    state.fetch_add(1, Ordering::SeqCst);
    assert_eq!(caller.scope().region.as_str(), "eu-west-1");
    let name = input.name.unwrap_or_default();
    match name.as_str() {
        "broken" => panic!("a defect of the handler"),
        "failing" => Err(AwsError::internal_failure("The store is closed.")),
        "missing" => Err(AwsError::modelled(&glue::errors::ENTITY_NOT_FOUND_EXCEPTION, "Database missing not found.")),
        _ => {
            Ok(glue::GetDatabaseResponse { database: Some(glue::Database { name: Some(name), ..Default::default() }) })
        }
    }
}

struct Lake {
    gateway: Gateway,
    records: Arc<Records>,
    policies: Arc<Policies>,
    calls: Arc<State>,
}

fn lake_with(limits: Limits) -> Lake {
    let calls = Arc::new(State::default());
    let glue = Table::new(&glue::SERVICE, calls.clone()).with::<glue::operations::GetDatabase, _, _>(
        Access::read("glue:GetDatabase"),
        needs,
        get_database,
    );
    let sts = Table::new(&sts::SERVICE, calls.clone()).with::<sts::operations::GetCallerIdentity, _, _>(
        Access { iam_action: None, ..Access::read("") },
        |_, _, _| Ok(Vec::new()),
        |_, _, _| async {
            Ok(sts::GetCallerIdentityResponse { account: Some("000000000000".to_owned()), ..Default::default() })
        },
    );
    let records = Arc::new(Records(Mutex::default(), Mutex::default(), answers::audit_log()));
    let policies = Arc::new(Policies::default());
    let (runtime, _) = Runtime::fixed(Timestamp::from_second(NOW).expect("a time"), 7);
    let gate = Gate::new(GateParts {
        credentials: Arc::new(Users),
        authorizer: policies.clone(),
        audit: records.clone(),
        runtime,
        region: Region::new("eu-west-1").expect("a region"),
        signature_failures_count_max: limits.signature_failures_count_max,
        refusal_records_count_max: limits.refusal_records_count_max,
        messages: Arc::new(Messages),
    });
    let services: Vec<Arc<dyn Service>> =
        vec![Arc::new(glue), Arc::new(sts), Arc::new(answers::iam_table(calls.clone()))];
    let gateway = Gateway::new(GatewayParts {
        gate: Arc::new(gate),
        services,
        s3: Some(Arc::new(Echo)),
        storage: Arc::new(Echo),
        metrics: Metrics::default(),
        limits,
        trusted_proxies: TrustedProxies::default(),
        is_ready: Arc::new(|| true),
    });
    Lake { gateway, records, policies, calls }
}

fn glue_request(target: &str, body: &str) -> Request<Bytes> {
    Request::post("http://127.0.0.1:9000/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", target)
        .header("user-agent", "a client")
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .expect("a request")
}

fn sts_request(body: &str) -> Request<Bytes> {
    Request::post("http://127.0.0.1:9000/")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .expect("a request")
}

fn signed(request: Request<Bytes>, who: &str, service: &str) -> Request<Bytes> {
    signed_for("eu-west-1", request, who, service)
}

fn signed_for(region: &str, request: Request<Bytes>, who: &str, service: &str) -> Request<Bytes> {
    let signer = Signer {
        access_key_id: who.to_owned(),
        secret_access_key: format!("secret of {who}"),
        session_token: (who == "temporary").then(|| "token".to_owned()),
        region: region.to_owned(),
        service: service.to_owned(),
    };
    let (mut parts, body) = request.into_parts();
    signer
        .sign(&mut parts, Payload::Sha256(sha256(&body)), Timestamp::from_second(NOW).expect("a time"))
        .expect("signed");
    Request::from_parts(parts, body)
}

impl Lake {
    async fn send(&self, request: Request<Bytes>) -> (u16, String, http::HeaderMap) {
        let peer = "192.0.2.7:5000".parse().expect("an address");
        let response = self.gateway.handle(request.map(full_body), peer, None).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (parts.status.as_u16(), String::from_utf8_lossy(&body).into_owned(), parts.headers)
    }
}

const GET: &str = "AWSGlue.GetDatabase";
const NAME: &str = r#"{"Name":"raw"}"#;

#[tokio::test]
async fn only_genuine_callers_with_permission_reach_a_handler() {
    let check = async |request: Request<Bytes>, status: u16, needle: &str, record: &str| {
        let lake = lake_with(Limits::default());
        let (got, body, headers) = lake.send(request).await;
        assert_eq!(got, status, "{body}");
        assert!(body.contains(needle), "{needle}: {body}");
        assert!(headers.contains_key("x-amzn-requestid"));
        assert_eq!(lake.records.0.lock().join(", "), record);
        assert_eq!(
            lake.calls.load(Ordering::SeqCst),
            usize::from(record == "GetDatabase done" || record.contains("EntityNotFound"))
        );
        assert!(!body.contains("secret of"), "{body}");
    };
    let glue = || glue_request(GET, NAME);
    check(signed(glue(), "ada", "glue"), 200, r#""Name":"raw""#, "GetDatabase done").await;
    check(glue(), 400, "MissingAuthenticationTokenException", "GetDatabase MissingAuthenticationTokenException").await;
    check(
        signed(glue(), "nobody", "glue"),
        400,
        "UnrecognizedClientException",
        "GetDatabase UnrecognizedClientException",
    )
    .await;
    check(
        signed(glue(), "inactive", "glue"),
        400,
        "UnrecognizedClientException",
        "GetDatabase UnrecognizedClientException",
    )
    .await;
    check(signed(glue(), "unreadable", "glue"), 503, "ServiceUnavailable", "GetDatabase ServiceUnavailable").await;
    check(
        signed(glue(), "denied", "glue"),
        400,
        "user/denied is not authorized to perform: glue:GetDatabase",
        "GetDatabase AccessDeniedException",
    )
    .await;
    check(signed(glue(), "temporary", "glue"), 200, "raw", "GetDatabase done").await;
    let mut without_token = signed(glue(), "temporary", "glue");
    without_token.headers_mut().remove("x-amz-security-token");
    check(without_token, 400, "UnrecognizedClientException", "GetDatabase UnrecognizedClientException").await;
    for (token, code) in [("old token", "ExpiredTokenException"), ("another token", "UnrecognizedClientException")] {
        let mut request = signed(glue(), "temporary", "glue");
        request.headers_mut().insert("x-amz-security-token", token.parse().expect("a value"));
        check(request, 400, code, &format!("GetDatabase {code}")).await;
    }
    let mut other_body = signed(glue(), "ada", "glue");
    *other_body.body_mut() = Bytes::from_static(br#"{"Name":"ml"}"#);
    check(other_body, 400, "InvalidSignatureException", "GetDatabase InvalidSignatureException").await;
    let mut retargeted = signed(glue(), "ada", "glue");
    retargeted.headers_mut().insert("x-amz-target", "AWSGlue.DeleteDatabase".parse().expect("a value"));
    check(retargeted, 400, "InvalidSignatureException", "DeleteDatabase InvalidSignatureException").await;
    let elsewhere = signed_for("us-east-1", glue(), "ada", "glue");
    check(elsewhere, 400, "expecting `eu-west-1`", "GetDatabase InvalidSignatureException").await;
    let global = signed_for("us-east-1", sts_request("Action=GetCallerIdentity&Version=2011-06-15"), "ada", "sts");
    check(global, 200, "<Account>", "GetCallerIdentity done").await;
    let nowhere = signed_for("", sts_request("Action=GetCallerIdentity&Version=2011-06-15"), "ada", "sts");
    check(nowhere, 200, "<Account>", "GetCallerIdentity done").await;
    check(signed_for("", glue(), "ada", "glue"), 400, "expecting `eu-west-1`", "GetDatabase InvalidSignatureException")
        .await;
    let mut basic = glue();
    basic.headers_mut().insert("authorization", "Basic YTpi".parse().expect("a value"));
    check(basic, 400, "IncompleteSignatureException", "GetDatabase IncompleteSignatureException").await;
    check(
        signed(glue_request("AWSGlue.CreateJob", "{}"), "ada", "glue"),
        501,
        "glue:CreateJob",
        "CreateJob UnknownOperationException",
    )
    .await;
    check(
        signed(glue_request("AWSGlue.GetTable", "{}"), "ada", "glue"),
        501,
        "glue:GetTable",
        "GetTable UnknownOperationException",
    )
    .await;
    check(
        signed(glue_request("AWSGlue.Nonsense", "{}"), "ada", "glue"),
        400,
        "UnknownOperationException",
        "Unknown UnknownOperationException",
    )
    .await;
    check(
        signed(glue_request(GET, "{"), "ada", "glue"),
        400,
        "SerializationException",
        "GetDatabase SerializationException",
    )
    .await;
    check(signed(glue_request(GET, "{}"), "ada", "glue"), 400, "validation error", "GetDatabase ValidationException")
        .await;
    check(
        signed(glue_request(GET, r#"{"Name":"missing"}"#), "ada", "glue"),
        400,
        "EntityNotFoundException",
        "GetDatabase EntityNotFoundException",
    )
    .await;
    let query = "Action=GetCallerIdentity&Version=2011-06-15";
    check(
        signed(sts_request(query), "denied", "sts"),
        200,
        "<Account>000000000000</Account>",
        "GetCallerIdentity done",
    )
    .await;
    check(sts_request(query), 403, "<Code>MissingAuthenticationToken</Code>", "Unknown MissingAuthenticationToken")
        .await;
    check(signed(sts_request(query), "nobody", "sts"), 403, "InvalidClientTokenId", "Unknown InvalidClientTokenId")
        .await;
    check(
        signed(sts_request("Action=GetSessionToken&Version=2011-06-15"), "ada", "sts"),
        501,
        "sts:GetSessionToken",
        "GetSessionToken InvalidAction",
    )
    .await;
}

#[tokio::test]
async fn a_defect_of_a_handler_is_an_error_and_the_server_goes_on() {
    let lake = lake_with(Limits::default());
    let ask = |name: &str| lake.send(signed(glue_request(GET, &format!(r#"{{"Name":"{name}"}}"#)), "ada", "glue"));
    let (status, body, _) = ask("broken").await;
    assert_eq!(status, 500);
    assert!(body.contains("InternalFailure") && !body.contains("a defect of the handler"), "{body}");
    assert_eq!(ask("failing").await.0, 500);
    assert_eq!(ask("raw").await.0, 200);
    let text = lake.gateway.metrics().text();
    assert!(text.contains("tarn_handler_panics_total 1"), "{text}");
    assert!(text.contains(r#"tarn_requests_total{service="glue",operation="GetDatabase",status="200"} 1"#), "{text}");
    assert!(text.contains("tarn_requests_in_flight 0"), "{text}");
}

#[tokio::test]
async fn condition_keys_come_from_what_the_server_sees() {
    let lake = lake_with(Limits::default());
    let mut request = glue_request(GET, NAME);
    request.headers_mut().insert("x-forwarded-for", "10.0.0.1".parse().expect("a value"));
    request.headers_mut().insert("aws-username", "root".parse().expect("a value"));
    lake.send(signed(request, "ada", "glue")).await;
    let context = lake.policies.0.lock().pop().expect("asked");
    let check = |key: &str, expected: Option<&str>| {
        let found = context.get(key).map(|values| values.join(","));
        assert_eq!(found.as_deref(), expected, "{key}");
    };
    check("aws:SourceIp", Some("192.0.2.7"));
    check("aws:SecureTransport", Some("false"));
    check("aws:CurrentTime", Some("2026-01-02T03:04:05Z"));
    check("aws:EpochTime", Some("1767323045"));
    check("aws:UserAgent", Some("a client"));
    check("aws:Referer", None);
    check("aws:username", Some("ada"));
    check("aws:userid", Some("AIDAada"));
    check("aws:PrincipalType", Some("User"));
    check("aws:PrincipalArn", Some("arn:aws:iam::000000000000:user/ada"));
    check("aws:PrincipalAccount", Some("000000000000"));
    check("aws:RequestedRegion", Some("eu-west-1"));
    check("aws:MultiFactorAuthPresent", None);
    let draft = lake.records.1.lock().pop().expect("recorded");
    assert_eq!(draft.request_parameters, r#"{"name":"raw"}"#);
    assert_eq!(draft.resources, ["arn:aws:glue:eu-west-1:000000000000:catalog"]);
    assert_eq!((draft.event_source.as_str(), draft.source_ip.as_str()), ("glue.amazonaws.com", "192.0.2.7"));
}

#[tokio::test]
async fn requests_find_their_service() {
    let lake = lake_with(Limits::default());
    let check = async |request: Request<Bytes>, status: u16, needle: &str| {
        let what = format!("{} {}", request.method(), request.uri());
        let (got, body, _) = lake.send(request).await;
        assert_eq!(got, status, "{what}: {body}");
        assert!(body.contains(needle), "{what}: {body}");
    };
    let plain =
        |method: &str, uri: &str| Request::builder().method(method).uri(uri).body(Bytes::new()).expect("a request");
    check(plain("GET", "/-/health/live"), 200, "alive").await;
    check(plain("HEAD", "/-/health/ready"), 200, "ready").await;
    check(plain("GET", "/-/metrics"), 200, "# EOF").await;
    check(plain("POST", "/-/metrics"), 405, "GET").await;
    check(plain("GET", "/-/nonsense"), 404, "/-/metrics").await;
    check(plain("GET", "/-x/key"), 200, "s3 /-x/key").await;
    check(plain("GET", "/bucket/key"), 200, "s3 /bucket/key").await;
    check(
        plain("PUT", "/bucket/key?X-Amz-Credential=AKIA%2F20260102%2Feu-west-1%2Fs3%2Faws4_request"),
        200,
        "s3 /bucket/key",
    )
    .await;
    check(signed(plain("GET", "/applications"), "ada", "s3"), 200, "s3 /applications").await;
    check(signed(plain("GET", "/applications"), "ada", "emr-serverless"), 501, "emr-serverless").await;
    check(signed(glue_request("Kinesis_20131202.PutRecord", "{}"), "ada", "kinesis"), 501, "NotImplemented").await;
    check(glue_request("Kinesis_20131202.PutRecord", "{}"), 501, "Kinesis_20131202").await;
    check(signed(plain("GET", "/"), "ada", "monitoring"), 501, "monitoring").await;
}

#[tokio::test]
async fn limits_hold() {
    let limits = Limits { body_json_size_bytes_max: 64, header_size_bytes_max: 2_048, ..Limits::default() };
    let lake = lake_with(limits.clone());
    let long = format!(r#"{{"Name":"{}"}}"#, "a".repeat(64));
    let (status, body, _) = lake.send(signed(glue_request(GET, &long), "ada", "glue")).await;
    assert_eq!(status, 413, "{body}");
    let mut wide = glue_request(GET, NAME);
    wide.headers_mut().insert("x-wide", "a".repeat(2_048).parse().expect("a value"));
    assert_eq!(lake.send(signed(wide.clone(), "ada", "glue")).await.0, 400);
    wide.headers_mut().remove("x-amz-target");
    assert_eq!(lake.send(signed(wide, "ada", "s3")).await.0, 400);
    let busy = lake_with(Limits { requests_count_max: 0, ..limits });
    assert_eq!(busy.send(signed(glue_request(GET, NAME), "ada", "glue")).await.0, 503);
    assert_eq!(busy.send(Request::get("/bucket").body(Bytes::new()).expect("a request")).await.0, 503);
    assert_eq!(busy.send(Request::get("/-/health/live").body(Bytes::new()).expect("a request")).await.0, 200);
}

#[tokio::test]
async fn who_fails_too_often_is_slowed_down_and_nobody_else() {
    let lake = lake_with(Limits { signature_failures_count_max: 2, ..Limits::default() });
    let check = async |request: Request<Bytes>, status: u16, code: &str, records: usize| {
        let (got, body, _) = lake.send(request).await;
        assert_eq!((got, body.contains(code)), (status, true), "{body}");
        assert_eq!(lake.records.0.lock().len(), records, "{body}");
    };
    let forged = || {
        let mut request = signed(glue_request(GET, NAME), "ada", "glue");
        *request.body_mut() = Bytes::from_static(br#"{"Name":"row"}"#);
        request
    };
    let own = || Request::get("/-/storage/report").header("host", "lake").body(Bytes::new()).expect("a request");
    check(forged(), 400, "InvalidSignatureException", 1).await;
    check(glue_request(GET, NAME), 400, "MissingAuthenticationTokenException", 2).await;
    check(forged(), 503, "ServiceUnavailable", 2).await;
    check(glue_request(GET, NAME), 503, "ServiceUnavailable", 2).await;
    check(own(), 503, "SlowDown", 2).await;
    check(signed(glue_request(GET, NAME), "ada", "glue"), 200, "raw", 3).await;
}

#[tokio::test]
async fn refusals_of_nobody_are_on_record_by_some_and_by_their_number() {
    let limits = Limits { signature_failures_count_max: 1, refusal_records_count_max: 2, ..Limits::default() };
    let lake = lake_with(limits);
    let gate = lake.gateway.gate();
    let peer = |text: &str| gate.meta(std::net::SocketAddr::new(text.parse().expect("an address"), 1).into());
    let refuse = |source: &str, principal: &Principal| {
        let (meta, headers) = (peer(source), http::HeaderMap::new());
        let draft = gate.draft(&meta, &headers, principal, "s3.amazonaws.com".to_owned());
        gate.failed(&draft, &gate.details(&meta, &headers), "AccessDenied", "no");
    };
    let nobody = Principal::anonymous();
    // A second gives one back; the clock of these tests stands.
    for _ in 0..5 {
        refuse("192.0.2.1", &nobody);
    }
    refuse("192.0.2.2", &nobody);
    let records = || lake.records.0.lock().len();
    assert_eq!(records(), 3);
    // Who is known, and who claims a key, which has its own limit, are not held to it.
    let ada = Principal::user(AccountId::first(), "ada", "AIDA");
    let claims = Principal { access_key_id: Some("ada".to_owned()), ..nobody };
    for _ in 0..3 {
        refuse("192.0.2.1", &ada);
        refuse("192.0.2.1", &claims);
    }
    assert_eq!(records(), 9);
    gate.unproven(&peer("192.0.2.2")).expect("within the limit");
    gate.unproven(&peer("192.0.2.2")).expect_err("too many");
    gate.summarize_refusals();
    let drafts: Vec<EventDraft> = lake.records.1.lock()[9..].to_vec();
    let mut told: Vec<_> = drafts
        .iter()
        .map(|draft| {
            let parameters: serde_json::Value = serde_json::from_str(&draft.request_parameters).expect("JSON");
            (draft.source_ip.as_str(), draft.event_name.as_str(), parameters["leftOut"].as_u64())
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("192.0.2.1", "RefusalsLeftOut", Some(3)), ("192.0.2.2", "RefusalsLeftOut", Some(1))]);
    gate.summarize_refusals();
    assert_eq!(records(), 11, "once");
}

#[tokio::test]
async fn a_refusal_by_policy_says_what_it_was_about_to_who_may_know() {
    let lake = lake_with(Limits::default());
    let check = async |request: Request<Bytes>, expected: Option<&str>| {
        let (_, body, headers) = lake.send(request).await;
        let message = headers.get("x-tarn-authorization-message").map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(message.as_deref(), expected, "{body}");
    };
    let get = || glue_request(GET, NAME);
    check(signed(get(), "denied", "glue"), Some(r#"AIDAdenied glue:GetDatabase ["192.0.2.7"]"#)).await;
    check(signed(get(), "ada", "glue"), None).await;
    check(get(), None).await;
    check(signed(get(), "inactive", "glue"), None).await;
}

#[tokio::test]
async fn a_socket_is_served_until_the_stop() {
    let lake = lake_with(Limits::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = Shutdown::new();
    let serving = tokio::spawn(serve(lake.gateway.clone(), listener, None, shutdown.clone()));
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("connected");
    for _ in 0..2 {
        socket.write_all(b"GET /bucket/a HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
        let mut answer = vec![0; 4_096];
        let length = socket.read(&mut answer).await.expect("answered");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\ns3 /bucket/a 0"), "head and small body come in one piece: {answer}");
    }
    shutdown.begin();
    serving.await.expect("ended").expect("without error");
    assert_eq!(socket.read(&mut [0; 16]).await.expect("closed"), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

impl StorageReports for Echo {
    fn storage_report(&self, _: Caller, request: StorageReportRequest) -> BoxFuture<'_, Result<Vec<String>, String>> {
        async move { Ok(vec![format!("{:?} {}", request.bucket, request.depth)]) }.boxed()
    }
}

#[tokio::test]
async fn storage_reports_are_for_callers_with_permission_only() {
    let check = async |query: &str, who: Option<&str>, status: u16, needle: &str, record: &str| {
        let lake = lake_with(Limits::default());
        let uri = format!("/-/storage/report{query}");
        let request = Request::get(uri).header("host", "lake").body(Bytes::new()).expect("a request");
        let request = match who {
            Some(who) => signed(request, who, "tarn"),
            None => request,
        };
        let (got, body, _) = lake.send(request).await;
        assert_eq!((got, body.contains(needle)), (status, true), "{query}: {needle}: {body}");
        assert_eq!(*lake.records.0.lock(), [record], "{query}");
    };
    check("?bucket=a&depth=2", Some("ada"), 200, "Some(\"a\") 2\n", "GetStorageReport done").await;
    check("", None, 403, "MissingAuthenticationToken", "GetStorageReport MissingAuthenticationTokenException").await;
    check("", Some("denied"), 403, "s3:ListAllMyBuckets", "GetStorageReport AccessDeniedException").await;
    check("?depth=9", Some("ada"), 400, "depth is", "GetStorageReport ValidationException").await;
    check("?what=1", Some("ada"), 400, "there is no parameter", "GetStorageReport ValidationException").await;
}

#[tokio::test]
async fn audit_events_are_for_callers_with_permission_only() {
    let check = async |query: &str, who: Option<&str>, status: u16, needle: &str, record: &str| {
        let lake = lake_with(Limits::default());
        let uri = format!("/-/audit/events{query}");
        let request = Request::get(uri).header("host", "lake").body(Bytes::new()).expect("a request");
        let request = match who {
            Some(who) => signed(request, who, "tarn"),
            None => request,
        };
        let (got, body, headers) = lake.send(request).await;
        assert_eq!(got, status, "{query}: {body}");
        assert!(body.contains(needle), "{needle}: {body}");
        assert_eq!(headers.contains_key("x-tarn-after"), status == 200);
        assert_eq!(*lake.records.0.lock(), [record], "{query}");
    };
    let ada = Some("ada");
    check("?user=a%2Fb&outcome=failure&limit=5", ada, 200, "Some(\"a/b\") Some(Failure) None 5", "LookupEvents done")
        .await;
    check("?after=m", ada, 200, "None None Some(\"m\") 1000", "LookupEvents done").await;
    check("", None, 403, "MissingAuthenticationToken", "LookupEvents MissingAuthenticationTokenException").await;
    check("", Some("nobody"), 403, "UnrecognizedClient", "LookupEvents UnrecognizedClientException").await;
    check("", Some("denied"), 403, "cloudtrail:LookupEvents", "LookupEvents AccessDeniedException").await;
    check("?limit=0", ada, 400, "limit is", "LookupEvents ValidationException").await;
    check("?since=now", ada, 400, "since is a time", "LookupEvents ValidationException").await;
    check("?what=1", ada, 400, "there is no parameter", "LookupEvents ValidationException").await;
}
