//! Temporary credentials on the wire. They are in the answer and nowhere else.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::sts as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::{AssumeRole, AssumeRoleWithWebIdentity, FederationToken, Identity, WebIdentitySession};

use crate::convert::{self, narrowing, required, seconds, tags};
use crate::errors::to_aws;

/// Input that AWS takes and this server has no meaning for is refused, not dropped.
fn refuse_unbuilt<T>(member: &str, value: Option<&T>) -> Result<(), AwsError> {
    match value {
        None => Ok(()),
        Some(_) => {
            Err(AwsError::validation(&wire::SERVICE, format!("{member} is not built into this server; leave it out.")))
        }
    }
}

pub(crate) async fn assume_role(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::AssumeRoleRequest,
) -> Result<wire::AssumeRoleResponse, AwsError> {
    refuse_unbuilt("SerialNumber", input.serial_number.as_ref())?;
    refuse_unbuilt("TokenCode", input.token_code.as_ref())?;
    refuse_unbuilt("ProvidedContexts", input.provided_contexts.as_ref().filter(|contexts| !contexts.is_empty()))?;
    let asked = AssumeRole {
        role_arn: required(input.role_arn, "RoleArn")?,
        session_name: required(input.role_session_name, "RoleSessionName")?,
        duration_seconds: seconds(input.duration_seconds),
        narrowing: narrowing(input.policy, input.policy_arns),
        tags: tags(input.tags),
        transitive_tag_keys: input.transitive_tag_keys.unwrap_or_default(),
        source_identity: input.source_identity,
    };
    let session = identity.assume_role(&caller, asked).await.map_err(to_aws)?;
    let (session_token_size, session_token_utilization) = convert::token_size(&session.credentials);
    Ok(wire::AssumeRoleResponse {
        session_token_size,
        session_token_utilization,
        credentials: Some(convert::credentials(&session.credentials)),
        assumed_role_user: Some(convert::assumed_role(&session)),
        packed_policy_size: convert::percent(&session),
        source_identity: session.source_identity,
    })
}

pub(crate) async fn assume_role_with_web_identity(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::AssumeRoleWithWebIdentityRequest,
) -> Result<wire::AssumeRoleWithWebIdentityResponse, AwsError> {
    // It names providers of OAuth 2.0; AWS refuses it with an OIDC token.
    refuse_unbuilt("ProviderId", input.provider_id.as_ref())?;
    refuse_unbuilt("MinimumSessionTokenSize", input.minimum_session_token_size.as_ref())?;
    let asked = AssumeRoleWithWebIdentity {
        role_arn: required(input.role_arn, "RoleArn")?,
        session_name: required(input.role_session_name, "RoleSessionName")?,
        token: required(input.web_identity_token, "WebIdentityToken")?,
        duration_seconds: seconds(input.duration_seconds),
        narrowing: narrowing(input.policy, input.policy_arns),
    };
    let made = identity.assume_role_with_web_identity(&caller, asked).await.map_err(to_aws)?;
    let WebIdentitySession { session, subject, audience, provider } = made;
    let (session_token_size, session_token_utilization) = convert::token_size(&session.credentials);
    Ok(wire::AssumeRoleWithWebIdentityResponse {
        session_token_size,
        session_token_utilization,
        credentials: Some(convert::credentials(&session.credentials)),
        assumed_role_user: Some(convert::assumed_role(&session)),
        packed_policy_size: convert::percent(&session),
        source_identity: session.source_identity,
        subject_from_web_identity_token: Some(subject),
        audience: Some(audience),
        provider: Some(provider),
    })
}

pub(crate) async fn get_session_token(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetSessionTokenRequest,
) -> Result<wire::GetSessionTokenResponse, AwsError> {
    refuse_unbuilt("SerialNumber", input.serial_number.as_ref())?;
    refuse_unbuilt("TokenCode", input.token_code.as_ref())?;
    let credentials = identity.get_session_token(&caller, seconds(input.duration_seconds)).await.map_err(to_aws)?;
    let (session_token_size, session_token_utilization) = convert::token_size(&credentials);
    Ok(wire::GetSessionTokenResponse {
        credentials: Some(convert::credentials(&credentials)),
        session_token_size,
        session_token_utilization,
    })
}

pub(crate) async fn get_federation_token(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetFederationTokenRequest,
) -> Result<wire::GetFederationTokenResponse, AwsError> {
    let asked = FederationToken {
        name: required(input.name, "Name")?,
        duration_seconds: seconds(input.duration_seconds),
        narrowing: narrowing(input.policy, input.policy_arns),
        tags: tags(input.tags),
    };
    let session = identity.get_federation_token(&caller, asked).await.map_err(to_aws)?;
    let (session_token_size, session_token_utilization) = convert::token_size(&session.credentials);
    Ok(wire::GetFederationTokenResponse {
        session_token_size,
        session_token_utilization,
        credentials: Some(convert::credentials(&session.credentials)),
        packed_policy_size: convert::percent(&session),
        federated_user: Some(wire::FederatedUser {
            federated_user_id: Some(session.id),
            arn: Some(session.arn.to_string()),
        }),
    })
}
