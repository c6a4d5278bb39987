//! STS: who the caller is. Knows the wire's shapes; keeps nothing.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse, SERVICE, operations as op};
use tarn_aws_protocol::AwsError;
use tarn_operation::{Access, Kind, Table};
use tarn_policy::Requirement;
use tarn_types::Scope;

/// Who one is needs no permission: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
const WITHOUT_PERMISSION: Access = Access { kind: Kind::Read, management: true, iam_action: None };

/// STS.
pub fn service() -> Table<()> {
    Table::new(&SERVICE, Arc::new(())).with::<op::GetCallerIdentity, _, _>(
        WITHOUT_PERMISSION,
        requires_nothing,
        get_caller_identity,
    )
}

fn requires_nothing(_: &(), _: &GetCallerIdentityRequest, _: &Scope) -> Result<Vec<Requirement>, AwsError> {
    Ok(Vec::new())
}

async fn get_caller_identity(
    _: Arc<()>,
    caller: Caller,
    _: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, AwsError> {
    let principal = caller.principal();
    let arn = principal
        .arn()
        .ok_or_else(|| AwsError::access_denied(&SERVICE, "Nobody has no identity: sign the request."))?;
    Ok(GetCallerIdentityResponse {
        user_id: Some(principal.id.clone()),
        account: Some(principal.account.to_string()),
        arn: Some(arn.to_string()),
    })
}

#[cfg(test)]
mod tests;
