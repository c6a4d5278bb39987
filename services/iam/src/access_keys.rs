//! Access keys on the wire. The secret is in the answer of `create` and nowhere else.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{AccessKeyStatus, AccessKeyUse, Identity, IdentityError, LastUse};

use crate::convert::{self, page, required};
use crate::errors::to_aws;
use crate::resources::own_keys;

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateAccessKeyRequest,
) -> Result<wire::CreateAccessKeyResponse, AwsError> {
    let holder = own_keys(&identity, &caller, "iam:CreateAccessKey", input.user_name)?;
    let made = identity.create_access_key(&caller, &holder).await.map_err(to_aws)?;
    let access_key = wire::AccessKey {
        user_name: made.key.user_name,
        access_key_id: Some(made.key.id),
        status: Some(convert::status(made.key.status)),
        secret_access_key: made.secret.expose_text().map(str::to_owned),
        create_date: convert::date(made.key.created_ms),
    };
    Ok(wire::CreateAccessKeyResponse { access_key: Some(access_key) })
}

pub(crate) async fn list(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListAccessKeysRequest,
) -> Result<wire::ListAccessKeysResponse, AwsError> {
    let holder = own_keys(&identity, &caller, "iam:ListAccessKeys", input.user_name)?;
    let found = identity.list_access_keys(&caller, &holder, &page(input.marker, input.max_items)).map_err(to_aws)?;
    Ok(wire::ListAccessKeysResponse {
        access_key_metadata: Some(found.items.into_iter().map(convert::access_key_metadata).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn update(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateAccessKeyRequest,
) -> Result<Unit, AwsError> {
    let holder = own_keys(&identity, &caller, "iam:UpdateAccessKey", input.user_name)?;
    let id = required(input.access_key_id, "AccessKeyId")?;
    let status = match required(input.status.as_deref(), "Status")? {
        "Active" => AccessKeyStatus::Active,
        "Inactive" => AccessKeyStatus::Inactive,
        other => {
            return Err(AwsError::validation(
                &wire::SERVICE,
                format!("Status must be Active or Inactive, not {other}."),
            ));
        }
    };
    identity.update_access_key(&caller, &holder, &id, status).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteAccessKeyRequest,
) -> Result<Unit, AwsError> {
    let holder = own_keys(&identity, &caller, "iam:DeleteAccessKey", input.user_name)?;
    let id = required(input.access_key_id, "AccessKeyId")?;
    identity.delete_access_key(&caller, &holder, &id).await.map_err(to_aws)?;
    Ok(Unit::default())
}

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html>
pub(crate) async fn get_last_used(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetAccessKeyLastUsedRequest,
) -> Result<wire::GetAccessKeyLastUsedResponse, AwsError> {
    let id = required(input.access_key_id, "AccessKeyId")?;
    let AccessKeyUse { user, last } = match identity.get_access_key_last_used(&caller, &id) {
        Ok(found) => found,
        // In AWS's words: a key that is not the account's is none that anybody in it may ask for.
        Err(IdentityError::NoSuchAccessKey { .. }) => {
            let who = caller.principal().arn().map_or_else(String::new, |arn| arn.to_string());
            let message = format!(
                "User: {who} is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key {id}"
            );
            return Err(AwsError::access_denied(&wire::SERVICE, message));
        }
        Err(error) => return Err(to_aws(error)),
    };
    let never = || Some("N/A".to_owned());
    let access_key_last_used = match last {
        Some(LastUse { at_ms, service, region }) => wire::AccessKeyLastUsed {
            last_used_date: convert::date(at_ms),
            service_name: Some(service),
            region: Some(region),
        },
        None => wire::AccessKeyLastUsed { last_used_date: None, service_name: never(), region: never() },
    };
    Ok(wire::GetAccessKeyLastUsedResponse {
        user_name: user.map(|(name, _)| name),
        access_key_last_used: Some(access_key_last_used),
    })
}
