//! Whoever signed is told who they are; nobody is told nothing.

use std::sync::Arc;

use tarn_audit::{Caller, EventDraft};
use tarn_aws_model::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse};
use tarn_aws_protocol::WireValue;
use tarn_identity::Identity;
use tarn_keys::Keys;
use tarn_metadata::MemoryStore;
use tarn_operation::Service;
use tarn_policy::{Authorizer, BoundAuthorizer, Context, LakeAuthorizer, Principal};
use tarn_runtime::{EntropyExt, Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};

async fn ask(principal: &Principal) -> Option<GetCallerIdentityResponse> {
    let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 5);
    let keys = Keys::ephemeral(&runtime).expect("keys");
    let identity = Arc::new(Identity::new(Arc::new(MemoryStore::new()), keys, runtime.clone()));
    let authorizer = Arc::new(LakeAuthorizer::new(identity.clone(), Vec::new()));
    let service = crate::service(identity);
    let row = service.row("GetCallerIdentity").expect("row");
    let scope = Scope { account: principal.account.clone(), region: Region::us_east_1() };
    let decoded = row.decode(GetCallerIdentityRequest::default().into_value()).expect("input");
    let requirements = decoded.requirements(&scope).expect("requirements");
    let authorized = authorizer.authorize(principal, requirements, &Context::new()).ok()?;
    let draft = EventDraft {
        id: runtime.entropy.bytes(),
        request_id: "r".to_owned(),
        time_ms: 0,
        event_source: "sts.amazonaws.com".to_owned(),
        event_name: "GetCallerIdentity".to_owned(),
        read_only: true,
        management: true,
        scope,
        principal: principal.clone(),
        source_ip: "127.0.0.1".to_owned(),
        user_agent: String::new(),
        request_parameters: "null".to_owned(),
        resources: Vec::new(),
    };
    let bound = BoundAuthorizer::new(authorizer, principal.clone(), Context::new());
    let value = decoded.run(Caller::new(authorized, bound, draft)).await.expect("answer");
    Some(GetCallerIdentityResponse::from_value(value).expect("an answer of the model's shape"))
}

#[tokio::test]
async fn callers_are_told_who_they_are() {
    let check = async |principal: Principal, expected: Option<(&str, &str)>| {
        let found = ask(&principal).await.map(|answer| {
            assert_eq!(answer.account.as_deref(), Some("000000000000"));
            (answer.user_id.expect("id"), answer.arn.expect("arn"))
        });
        assert_eq!(found.as_ref().map(|(id, arn)| (id.as_str(), arn.as_str())), expected);
    };
    let first = AccountId::first;
    check(Principal::root(first()), Some(("000000000000", "arn:aws:iam::000000000000:root"))).await;
    check(Principal::user(first(), "ada", "AIDAADA"), Some(("AIDAADA", "arn:aws:iam::000000000000:user/ada"))).await;
    check(Principal::anonymous(), None).await;
}
