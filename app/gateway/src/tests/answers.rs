//! What calls were answered is on record, of those whose rows say so.

use tarn_audit::{EventFilter, EventPage};
use tarn_aws_model::iam;
use tarn_metadata::MemoryStore;

use super::*;

pub(super) fn audit_log() -> Arc<tarn_audit::AuditLog> {
    let (runtime, _) = Runtime::fixed(Timestamp::from_second(NOW).expect("a time"), 7);
    let scope = Scope { account: AccountId::first(), region: Region::us_east_1() };
    Arc::new(tarn_audit::AuditLog::open(Arc::new(MemoryStore::new()), runtime, scope).expect("a log"))
}

async fn create_access_key(
    _: Arc<State>,
    _: Caller,
    input: iam::CreateAccessKeyRequest,
) -> Result<iam::CreateAccessKeyResponse, AwsError> {
    let name = input.user_name.unwrap_or_default();
    match name.as_str() {
        "broken" => panic!("a defect of the handler"),
        "missing" => Err(AwsError::modelled(&iam::errors::NO_SUCH_ENTITY_EXCEPTION, "There is no such user.")),
        _ => {
            let key = iam::AccessKey {
                user_name: Some(name),
                access_key_id: Some("AKIA1".to_owned()),
                secret_access_key: Some("the secret".to_owned()),
                ..Default::default()
            };
            Ok(iam::CreateAccessKeyResponse { access_key: Some(key) })
        }
    }
}

pub(super) fn iam_table(state: Arc<State>) -> Table<State> {
    Table::new(&iam::SERVICE, state).with::<iam::operations::CreateAccessKey, _, _>(
        Access::write("iam:CreateAccessKey"),
        |_, _, _| Ok(vec![Requirement::any("iam:CreateAccessKey")]),
        create_access_key,
    )
}

#[tokio::test]
async fn what_a_call_was_answered_is_on_record_without_its_secrets() {
    let lake = lake_with(Limits::default());
    let proof = Authorized::internal("test", AccountId::first());
    let check = async |name: &str, expected: Option<Option<&str>>| {
        let query = format!("Action=CreateAccessKey&Version=2010-05-08&UserName={name}");
        lake.send(signed_for("us-east-1", sts_request(&query), "ada", "iam")).await;
        let filter = EventFilter { event_name: Some("CreateAccessKey".to_owned()), ..EventFilter::default() };
        let EventPage { events, .. } = lake.records.2.search(&proof, &filter, None, 1_000).await.expect("a search");
        let of_name = |event: &&tarn_audit::Event| event.request_parameters.contains(name);
        let answer = events.iter().find(of_name).map(|event| event.response_elements.as_deref());
        assert_eq!(answer, expected, "{name}: {events:?}");
    };
    let answer =
        r#"{"accessKey":{"userName":"ada","accessKeyId":"AKIA1","secretAccessKey":"HIDDEN_DUE_TO_SECURITY_REASONS"}}"#;
    check("ada", Some(Some(answer))).await;
    check("missing", Some(None)).await;
    // A defect leaves no record of what it did not do.
    check("broken", None).await;
}
