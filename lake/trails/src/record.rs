//! An audit event as a CloudTrail record, version 1.11.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use serde_json::{Map, Value as Json, json};
use tarn_audit::{Event, EventDetails, Outcome, SessionContext, resource_type, user_kind};
use tarn_policy::{Principal, PrincipalKind, SessionIssuer};
use tarn_runtime::Timestamp;
use tarn_types::{AccountId, Arn};

/// The bytes of an id in that form.
pub fn parse_event_id(text: &str) -> Option<[u8; 16]> {
    let digits = text.replace('-', "");
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes = pairs.iter().map(byte).collect::<Option<Vec<u8>>>()?;
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}

/// When it came in.
pub fn event_time(event: &Event) -> Option<Timestamp> {
    Timestamp::from_second(event.time_ms.div_euclid(1_000)).ok()
}

/// Of temporary credentials. No second factor is known here.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
fn session_context(session: &SessionContext) -> Json {
    let created = Timestamp::from_second(session.issued_ms.div_euclid(1_000)).ok();
    let mut context = json!({
        "attributes": { "creationDate": created.map(|time| time.to_string()), "mfaAuthenticated": "false" },
    });
    let mut insert = |name: &str, value: Json| {
        if let Some(fields) = context.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    if let Some(SessionIssuer { id, arn }) = &session.issuer {
        let name = arn.resource.rsplit('/').next();
        let kind = if arn.resource.starts_with("role/") { "Role" } else { "IAMUser" };
        let (arn, account) = (arn.to_string(), arn.account.clone());
        insert(
            "sessionIssuer",
            json!({ "type": kind, "principalId": id, "arn": arn, "accountId": account, "userName": name }),
        );
    }
    if let Some(provider) = &session.federated_provider {
        insert("webIdFederationData", json!({ "federatedProvider": provider, "attributes": {} }));
    }
    if let Some(source) = &session.source_identity {
        insert("sourceIdentity", json!(source));
    }
    context
}

fn user_identity(principal: &Principal, session: Option<&SessionContext>) -> Json {
    let kind = user_kind(principal);
    match &principal.kind {
        PrincipalKind::Service { name } => return json!({ "type": kind, "invokedBy": name }),
        PrincipalKind::WebIdentity { provider, subject } => {
            return json!({
                "type": kind, "principalId": principal.id, "userName": subject, "identityProvider": provider,
            });
        }
        PrincipalKind::Anonymous => return json!({ "type": kind, "principalId": "anonymous" }),
        PrincipalKind::Root
        | PrincipalKind::User { .. }
        | PrincipalKind::AssumedRole { .. }
        | PrincipalKind::FederatedUser { .. } => {}
    }
    let mut identity = Map::new();
    identity.insert("type".to_owned(), json!(kind));
    identity.insert("principalId".to_owned(), json!(principal.id));
    if let Some(arn) = principal.arn() {
        identity.insert("arn".to_owned(), json!(arn.to_string()));
    }
    identity.insert("accountId".to_owned(), json!(principal.account.as_str()));
    if let Some(id) = &principal.access_key_id {
        identity.insert("accessKeyId".to_owned(), json!(id));
    }
    if let PrincipalKind::User { name, .. } = &principal.kind {
        identity.insert("userName".to_owned(), json!(name));
    }
    if let Some(session) = session {
        identity.insert("sessionContext".to_owned(), session_context(session));
    }
    Json::Object(identity)
}

/// What the service says besides; counts of bytes are numbers.
fn additional(pairs: &[(String, String)]) -> Json {
    let value = |name: &str, text: &str| match text.parse::<u64>() {
        Ok(number) if name.starts_with("bytes") => json!(number),
        Ok(_) | Err(_) => json!(text),
    };
    Json::Object(pairs.iter().map(|(name, text)| (name.clone(), value(name, text))).collect())
}

/// Text that is not JSON any more was cut; it is shown as text.
fn json_of(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// The record.
pub fn of(event: &Event) -> Json {
    let account = |arn: &str| Arn::parse(arn).ok().and_then(|arn| AccountId::new(arn.account).ok());
    let owner = |arn: &str| account(arn).unwrap_or_else(|| event.scope.account.clone()).to_string();
    let resource = |arn: &String| match resource_type(arn) {
        Some(kind) => json!({ "ARN": arn, "accountId": owner(arn), "type": kind }),
        None => json!({ "ARN": arn, "accountId": owner(arn) }),
    };
    let resources: Vec<_> = event.resources.iter().map(resource).collect();
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": user_identity(&event.principal, event.session.as_ref()),
        "eventTime": event_time(event).map(|time| time.to_string()),
        "eventSource": event.event_source,
        "eventName": event.event_name,
        "awsRegion": event.scope.region.as_str(),
        "sourceIPAddress": event.source_ip,
        "userAgent": event.user_agent,
        "requestParameters": json_of(&event.request_parameters),
        "responseElements": event.response_elements.as_deref().map(json_of),
        "requestID": event.request_id,
        "eventID": event.id_text(),
        "readOnly": event.read_only,
        "resources": resources,
        "eventType": "AwsApiCall",
        "managementEvent": event.management,
        "recipientAccountId": event.scope.account.as_str(),
        "eventCategory": if event.management { "Management" } else { "Data" },
    });
    let Some(fields) = record.as_object_mut() else { return record };
    let EventDetails { host, tls, additional: pairs } = &event.details;
    if !pairs.is_empty() {
        fields.insert("additionalEventData".to_owned(), additional(pairs));
    }
    let mut of_connection = Map::new();
    if let Some((version, cipher_suite)) = tls {
        of_connection.insert("tlsVersion".to_owned(), json!(version));
        of_connection.insert("cipherSuite".to_owned(), json!(cipher_suite));
    }
    if let Some(host) = host {
        of_connection.insert("clientProvidedHostHeader".to_owned(), json!(host));
    }
    if !of_connection.is_empty() {
        fields.insert("tlsDetails".to_owned(), Json::Object(of_connection));
    }
    if let Outcome::Failure { code, message } = &event.outcome {
        fields.insert("errorCode".to_owned(), json!(code));
        fields.insert("errorMessage".to_owned(), json!(message));
    }
    record
}
