//! OIDC providers on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{Identity, NewOidcProvider};

use crate::convert::{date, required, tags, wire_tags};
use crate::errors::to_aws;

const ARN: &str = "OpenIDConnectProviderArn";

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateOpenIDConnectProviderRequest,
) -> Result<wire::CreateOpenIDConnectProviderResponse, AwsError> {
    let new = NewOidcProvider {
        url: required(input.url, "Url")?,
        client_ids: input.client_id_list.unwrap_or_default(),
        thumbprints: input.thumbprint_list.unwrap_or_default(),
        tags: tags(input.tags),
    };
    let made = identity.create_oidc_provider(&caller, new).await.map_err(to_aws)?;
    Ok(wire::CreateOpenIDConnectProviderResponse {
        open_id_connect_provider_arn: Some(made.arn.to_string()),
        tags: Some(wire_tags(made.tags)),
    })
}

/// The URL comes back without its scheme, as on AWS, unless it is http: then it says so, which AWS does not take.
pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetOpenIDConnectProviderRequest,
) -> Result<wire::GetOpenIDConnectProviderResponse, AwsError> {
    let arn = required(input.open_id_connect_provider_arn, ARN)?;
    let found = identity.get_oidc_provider(&caller, &arn).map_err(to_aws)?;
    Ok(wire::GetOpenIDConnectProviderResponse {
        url: Some(found.url.strip_prefix("https://").unwrap_or(&found.url).to_owned()),
        client_id_list: Some(found.client_ids),
        thumbprint_list: Some(found.thumbprints),
        create_date: date(found.created_ms),
        tags: Some(wire_tags(found.tags)),
    })
}

pub(crate) async fn list(
    identity: Arc<Identity>,
    caller: Caller,
    _: wire::ListOpenIDConnectProvidersRequest,
) -> Result<wire::ListOpenIDConnectProvidersResponse, AwsError> {
    let arns = identity.list_oidc_providers(&caller).map_err(to_aws)?;
    let entries = arns.into_iter().map(|arn| wire::OpenIDConnectProviderListEntry { arn: Some(arn.to_string()) });
    Ok(wire::ListOpenIDConnectProvidersResponse { open_id_connect_provider_list: Some(entries.collect()) })
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteOpenIDConnectProviderRequest,
) -> Result<Unit, AwsError> {
    let arn = required(input.open_id_connect_provider_arn, ARN)?;
    identity.delete_oidc_provider(&caller, &arn).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn add_client_id(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::AddClientIDToOpenIDConnectProviderRequest,
) -> Result<Unit, AwsError> {
    let arn = required(input.open_id_connect_provider_arn, ARN)?;
    let id = required(input.client_id, "ClientID")?;
    identity.add_oidc_client_id(&caller, &arn, id).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn remove_client_id(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::RemoveClientIDFromOpenIDConnectProviderRequest,
) -> Result<Unit, AwsError> {
    let arn = required(input.open_id_connect_provider_arn, ARN)?;
    let id = required(input.client_id, "ClientID")?;
    identity.remove_oidc_client_id(&caller, &arn, id).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn update_thumbprints(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateOpenIDConnectProviderThumbprintRequest,
) -> Result<Unit, AwsError> {
    let arn = required(input.open_id_connect_provider_arn, ARN)?;
    let thumbprints = required(input.thumbprint_list, "ThumbprintList")?;
    identity.update_oidc_thumbprints(&caller, &arn, thumbprints).await.map_err(to_aws)?;
    Ok(Unit::default())
}
