//! Policies of keys on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_keys::kms::{Kms, KmsError, POLICY_NAME};

use crate::convert::required;
use crate::errors::to_aws;

/// A key has one policy, and that has one name.
fn require_name(name: &Option<String>) -> Result<(), AwsError> {
    match name.as_deref() {
        None | Some(POLICY_NAME) => Ok(()),
        Some(other) => Err(to_aws(KmsError::NoSuchKey { arn: format!("policy/{other}") })),
    }
}

pub(crate) async fn get(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GetKeyPolicyRequest,
) -> Result<wire::GetKeyPolicyResponse, AwsError> {
    require_name(&input.policy_name)?;
    let name = required(input.key_id, "KeyId")?;
    let key = kms.key(caller.authorized(), caller.scope(), &name).map_err(to_aws)?;
    Ok(wire::GetKeyPolicyResponse { policy: Some(key.policy), policy_name: Some(POLICY_NAME.to_owned()) })
}

pub(crate) async fn put(kms: Arc<Kms>, caller: Caller, input: wire::PutKeyPolicyRequest) -> Result<Unit, AwsError> {
    require_name(&input.policy_name)?;
    let (name, policy) = (required(input.key_id, "KeyId")?, required(input.policy, "Policy")?);
    let bypass = input.bypass_policy_lockout_safety_check.unwrap_or(false);
    kms.put_key_policy(&caller, &name, policy, bypass).await.map_err(to_aws)?;
    Ok(Unit::default())
}

/// The list of names is always the same; a marker cannot have been given out.
pub(crate) async fn list(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ListKeyPoliciesRequest,
) -> Result<wire::ListKeyPoliciesResponse, AwsError> {
    if input.marker.is_some() {
        return Err(to_aws(KmsError::InvalidMarker));
    }
    let name = required(input.key_id, "KeyId")?;
    kms.key(caller.authorized(), caller.scope(), &name).map_err(to_aws)?;
    Ok(wire::ListKeyPoliciesResponse {
        policy_names: Some(vec![POLICY_NAME.to_owned()]),
        truncated: Some(false),
        next_marker: None,
    })
}
