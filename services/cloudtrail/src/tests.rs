//! The history through its row: what is found, how a record reads, what is refused.

use std::sync::Arc;

use tarn_audit::{AuditLog, Caller, EventDraft};
use tarn_aws_model::cloudtrail as wire;
use tarn_aws_protocol::{AwsError, Timestamp, WireValue};
use tarn_blobs::MemoryBlobs;
use tarn_keys::Keys;
use tarn_metadata::{MemoryStore, Store};
use tarn_objects::{Objects, ObjectsOptions};
use tarn_operation::{Service, Table};
use tarn_policy::{
    Authorizer, BoundAuthorizer, Context, HeldPolicies, IdentityPolicies, LakeAuthorizer, PoliciesUnreadable, Principal,
};
use tarn_runtime::Runtime;
use tarn_trails::{Trails, TrailsOptions, TrailsParts};
use tarn_types::{AccountId, Region, Scope};

use crate::CloudTrail;

struct NoPolicies;

impl IdentityPolicies for NoPolicies {
    fn identity_policies(&self, _: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
        Ok(HeldPolicies::default())
    }
}

fn scope() -> Scope {
    Scope { account: AccountId::first(), region: Region::us_east_1() }
}

fn ada() -> Principal {
    Principal { access_key_id: Some("AKIAADA".to_owned()), ..Principal::user(AccountId::first(), "ada", "AIDAADA") }
}

fn draft(id: u8, name: &str, seconds: i64) -> EventDraft {
    EventDraft {
        id: [id; 16],
        request_id: "r".to_owned(),
        time_ms: seconds * 1_000 + 1,
        event_source: "athena.amazonaws.com".to_owned(),
        event_name: name.to_owned(),
        read_only: name.starts_with("Get"),
        management: name != "GetObject",
        scope: scope(),
        principal: ada(),
        source_ip: "10.0.0.1".to_owned(),
        user_agent: "boto3".to_owned(),
        request_parameters: r#"{"QueryString":"SELECT 1"}"#.to_owned(),
        resources: vec!["arn:aws:athena:us-east-1:000000000000:workgroup/primary".to_owned()],
    }
}

/// The service over a lake in memory, with three events on record.
fn service(authorizer: &Arc<dyn Authorizer>) -> Table<CloudTrail> {
    let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 1);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let log = AuditLog::open(store.clone(), runtime.clone(), scope()).expect("log");
    log.record_refusal(draft(1, "StartQueryExecution", 10), "AccessDeniedException", "no");
    log.record_refusal(draft(2, "GetObject", 20), "AccessDenied", "no");
    log.record_read(draft(3, "DeleteWorkGroup", 30));
    let (audit, keys) = (Arc::new(log), Arc::new(Keys::ephemeral(&runtime).expect("keys")));
    let blobs = Arc::new(MemoryBlobs::new());
    let objects = Objects::new(store.clone(), blobs, keys.clone(), runtime.clone(), ObjectsOptions::default());
    let trails = Trails::new(TrailsParts {
        store,
        audit: audit.clone(),
        keys,
        objects,
        authorizer: authorizer.clone(),
        runtime,
        region: Region::us_east_1(),
        options: TrailsOptions::default(),
    });
    crate::service(audit, trails)
}

async fn look_up(
    principal: &Principal,
    input: wire::LookupEventsRequest,
) -> Result<wire::LookupEventsResponse, AwsError> {
    let authorizer: Arc<dyn Authorizer> = Arc::new(LakeAuthorizer::new(Arc::new(NoPolicies), Vec::new()));
    let service = service(&authorizer);
    let decoded = service.row("LookupEvents").expect("row").decode(input.into_value())?;
    let authorized = authorizer
        .authorize(principal, decoded.requirements(&scope())?, &Context::new())
        .map_err(|denied| AwsError::access_denied(&wire::SERVICE, denied.to_string()))?;
    let bound = BoundAuthorizer::new(authorizer, principal.clone(), Context::new());
    let value = decoded.run(Caller::new(authorized, bound, draft(9, "LookupEvents", 40))).await?;
    Ok(wire::LookupEventsResponse::from_value(value).expect("an answer of the model's shape"))
}

fn by(key: &str, value: &str) -> wire::LookupEventsRequest {
    let attribute =
        wire::LookupAttribute { attribute_key: Some(key.to_owned()), attribute_value: Some(value.to_owned()) };
    wire::LookupEventsRequest { lookup_attributes: Some(vec![attribute]), ..Default::default() }
}

async fn check(input: wire::LookupEventsRequest, expected: Result<&[&str], &str>) {
    let asked = format!("{input:?}");
    let found = look_up(&Principal::root(AccountId::first()), input).await;
    let found = found.map(|answer| {
        answer.events.unwrap_or_default().into_iter().filter_map(|event| event.event_name).collect::<Vec<_>>()
    });
    assert_eq!(
        found.as_ref().map(Vec::as_slice).map_err(|error| error.code.as_str()),
        expected
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            .as_ref()
            .map(Vec::as_slice)
            .map_err(|code| *code),
        "{asked}"
    );
}

#[tokio::test]
async fn events_are_found_by_each_attribute() {
    check(Default::default(), Ok(&["DeleteWorkGroup", "StartQueryExecution"])).await;
    check(by("EventName", "StartQueryExecution"), Ok(&["StartQueryExecution"])).await;
    check(by("EventId", "01010101-0101-0101-0101-010101010101"), Ok(&["StartQueryExecution"])).await;
    check(by("Username", "ada"), Ok(&["DeleteWorkGroup", "StartQueryExecution"])).await;
    check(by("Username", "bob"), Ok(&[])).await;
    check(by("AccessKeyId", "AKIAADA"), Ok(&["DeleteWorkGroup", "StartQueryExecution"])).await;
    check(by("EventSource", "s3.amazonaws.com"), Ok(&[])).await;
    check(
        by("ResourceName", "arn:aws:athena:us-east-1:000000000000:workgroup/primary"),
        Ok(&["DeleteWorkGroup", "StartQueryExecution"]),
    )
    .await;
    check(by("ReadOnly", "true"), Ok(&[])).await;
    let at = |seconds| Timestamp::from_second(seconds).ok();
    check(
        wire::LookupEventsRequest { start_time: at(10), end_time: at(10), ..Default::default() },
        Ok(&["StartQueryExecution"]),
    )
    .await;
    check(wire::LookupEventsRequest { max_results: Some(1), ..Default::default() }, Ok(&["DeleteWorkGroup"])).await;

    check(by("EventId", "x"), Err("InvalidLookupAttributesException")).await;
    check(by("ReadOnly", "maybe"), Err("InvalidLookupAttributesException")).await;
    check(by("ResourceType", "AWS::S3::Bucket"), Ok(&[])).await;
    check(by("ResourceType", "AWS::Athena::WorkGroup"), Ok(&["DeleteWorkGroup", "StartQueryExecution"])).await;
    check(by("ResourceName", "primary"), Ok(&["DeleteWorkGroup", "StartQueryExecution"])).await;
    check(
        wire::LookupEventsRequest { next_token: Some("x".to_owned()), ..Default::default() },
        Err("InvalidNextTokenException"),
    )
    .await;
    check(
        wire::LookupEventsRequest { start_time: at(2), end_time: at(1), ..Default::default() },
        Err("InvalidTimeRangeException"),
    )
    .await;
    check(
        wire::LookupEventsRequest { event_category: Some("insight".to_owned()), ..Default::default() },
        Err("InvalidEventCategoryException"),
    )
    .await;
}

#[tokio::test]
async fn a_record_reads_as_cloudtrails() {
    let found =
        look_up(&Principal::root(AccountId::first()), by("EventName", "StartQueryExecution")).await.expect("events");
    let event = found.events.expect("events").remove(0);
    assert_eq!((event.username.as_deref(), event.read_only.as_deref()), (Some("ada"), Some("false")));
    let record: serde_json::Value = serde_json::from_str(&event.cloud_trail_event.expect("record")).expect("JSON");
    let expected = serde_json::json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAADA", "arn": "arn:aws:iam::000000000000:user/ada",
            "accountId": "000000000000", "accessKeyId": "AKIAADA", "userName": "ada",
        },
        "eventTime": "1970-01-01T00:00:10Z",
        "eventSource": "athena.amazonaws.com",
        "eventName": "StartQueryExecution",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "10.0.0.1",
        "userAgent": "boto3",
        "requestParameters": { "QueryString": "SELECT 1" },
        "responseElements": null,
        "requestID": "r",
        "eventID": "01010101-0101-0101-0101-010101010101",
        "readOnly": false,
        "resources": [{
            "ARN": "arn:aws:athena:us-east-1:000000000000:workgroup/primary", "accountId": "000000000000",
            "type": "AWS::Athena::WorkGroup",
        }],
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "000000000000",
        "eventCategory": "Management",
        "errorCode": "AccessDeniedException",
        "errorMessage": "no",
    });
    assert_eq!(record, expected);
}

#[tokio::test]
async fn the_history_is_for_those_who_may() {
    for principal in [ada(), Principal::anonymous()] {
        let refused = look_up(&principal, Default::default()).await.expect_err("refused");
        assert_eq!(refused.code, "AccessDeniedException");
    }
}
