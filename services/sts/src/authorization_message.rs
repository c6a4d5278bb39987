//! What a refusal was about, decoded for who may know it.

use std::sync::Arc;

use serde_json::{Value, json};
use tarn_audit::Caller;
use tarn_aws_model::sts as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::{AuthorizationMessage, Identity};

use crate::convert::required;
use crate::errors::to_aws;

fn items(items: impl Iterator<Item = Value>) -> Value {
    json!({ "items": items.collect::<Vec<_>>() })
}

/// In the form that AWS documents: <https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html>
fn document(message: AuthorizationMessage) -> Value {
    let AuthorizationMessage { explicit_deny, statements, principal_id, principal_arn, action, resource, conditions } =
        message;
    let condition = |(key, values): (String, Vec<String>)| {
        let values = items(values.into_iter().map(|value| json!({ "value": value })));
        json!({ "key": key, "values": values })
    };
    json!({
        "allowed": false,
        "explicitDeny": explicit_deny,
        "matchedStatements": items(statements.into_iter().map(|sid| {
            json!({ "statementId": sid.unwrap_or_default(), "effect": "DENY" })
        })),
        "failures": { "items": [] },
        "context": {
            "principal": { "id": principal_id, "arn": principal_arn },
            "action": action,
            "resource": resource.unwrap_or_else(|| "*".to_owned()),
            "conditions": items(conditions.into_iter().map(condition)),
        },
    })
}

pub(crate) async fn decode_authorization_message(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DecodeAuthorizationMessageRequest,
) -> Result<wire::DecodeAuthorizationMessageResponse, AwsError> {
    let text = required(input.encoded_message, "EncodedMessage")?;
    let message = identity.decode_authorization_message(&caller, &text).map_err(to_aws)?;
    Ok(wire::DecodeAuthorizationMessageResponse { decoded_message: Some(document(message).to_string()) })
}
