//! Who the caller is, and whose an access key is.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::sts as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::Identity;

use crate::convert::required;
use crate::errors::to_aws;

pub(crate) async fn get_caller_identity(
    _: Arc<Identity>,
    caller: Caller,
    _: wire::GetCallerIdentityRequest,
) -> Result<wire::GetCallerIdentityResponse, AwsError> {
    let principal = caller.principal();
    let arn = principal
        .arn()
        .ok_or_else(|| AwsError::access_denied(&wire::SERVICE, "Nobody has no identity: sign the request."))?;
    Ok(wire::GetCallerIdentityResponse {
        user_id: Some(principal.id.clone()),
        account: Some(principal.account.to_string()),
        arn: Some(arn.to_string()),
    })
}

pub(crate) async fn get_access_key_info(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetAccessKeyInfoRequest,
) -> Result<wire::GetAccessKeyInfoResponse, AwsError> {
    let id = required(input.access_key_id, "AccessKeyId")?;
    let account = identity.account_of_access_key(&caller, &id).map_err(to_aws)?;
    Ok(wire::GetAccessKeyInfoResponse { account: Some(account.to_string()) })
}
