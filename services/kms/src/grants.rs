//! Grants on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_keys::kms::{
    CreateGrant, EncryptionContext, GrantConstraint, GrantName, GrantOperation, Kms, KmsGrant, KmsPage,
};
use tarn_types::Arn;

use crate::convert::{check_tokens, context, date, named, page, refuse_unbuilt, required};
use crate::errors::to_aws;

fn constraint(constraints: Option<wire::GrantConstraints>) -> Result<Option<GrantConstraint>, AwsError> {
    let Some(wire::GrantConstraints { encryption_context_subset, encryption_context_equals, source_arn }) = constraints
    else {
        return Ok(None);
    };
    refuse_unbuilt("a grant's SourceArn", source_arn.as_ref())?;
    match (encryption_context_equals, encryption_context_subset) {
        (None, None) => Ok(None),
        (Some(pairs), None) => Ok(Some(GrantConstraint::EncryptionContextEquals(context(Some(pairs))?))),
        (None, Some(pairs)) => Ok(Some(GrantConstraint::EncryptionContextSubset(context(Some(pairs))?))),
        (Some(_), Some(_)) => {
            let reason = "A grant has either EncryptionContextEquals or EncryptionContextSubset.";
            Err(AwsError::validation(&wire::SERVICE, reason))
        }
    }
}

/// The grant that a request asks for.
pub(crate) fn grant_of(input: &wire::CreateGrantRequest) -> Result<CreateGrant, AwsError> {
    refuse_unbuilt("GranteeServicePrincipal", input.grantee_service_principal.as_ref())?;
    refuse_unbuilt("RetiringServicePrincipal", input.retiring_service_principal.as_ref())?;
    let operations = required(input.operations.as_ref(), "Operations")?;
    let operations = operations.iter().map(|name| named(GrantOperation::of, name, "a grant of this operation"));
    Ok(CreateGrant {
        grantee: required(input.grantee_principal.clone(), "GranteePrincipal")?,
        retiring: input.retiring_principal.clone(),
        operations: operations.collect::<Result<BTreeSet<_>, _>>()?,
        constraint: constraint(input.constraints.clone())?,
        name: input.name.clone(),
    })
}

/// How a request to retire a grant names it: exactly one of the two ways.
pub(crate) fn grant_name(input: &wire::RetireGrantRequest) -> Result<GrantName, AwsError> {
    match (&input.grant_token, &input.key_id, &input.grant_id) {
        (Some(token), None, None) => Ok(GrantName::Token(token.clone())),
        (None, Some(key), Some(id)) => Ok(GrantName::Id { key: key.clone(), id: id.clone() }),
        _ => {
            let reason = "Give either GrantToken, or KeyId and GrantId.";
            Err(AwsError::validation(&wire::SERVICE, reason))
        }
    }
}

pub(crate) async fn create(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::CreateGrantRequest,
) -> Result<wire::CreateGrantResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let request = grant_of(&input)?;
    let name = required(input.key_id, "KeyId")?;
    let grant = kms.create_grant(&caller, &name, request, input.dry_run.unwrap_or(false)).await.map_err(to_aws)?;
    Ok(wire::CreateGrantResponse { grant_token: Some(grant.token().map_err(to_aws)?), grant_id: Some(grant.id) })
}

fn pairs(context: &EncryptionContext) -> Option<BTreeMap<String, String>> {
    Some(context.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

fn entry(grant: KmsGrant) -> wire::GrantListEntry {
    let constraints = grant.constraint.as_ref().map(|constraint| match constraint {
        GrantConstraint::EncryptionContextEquals(context) => {
            wire::GrantConstraints { encryption_context_equals: pairs(context), ..wire::GrantConstraints::default() }
        }
        GrantConstraint::EncryptionContextSubset(context) => {
            wire::GrantConstraints { encryption_context_subset: pairs(context), ..wire::GrantConstraints::default() }
        }
    });
    wire::GrantListEntry {
        key_id: Some(Arn::regional("kms", &grant.region, &grant.account, format!("key/{}", grant.key_id)).to_string()),
        grant_id: Some(grant.id),
        name: Some(grant.name.unwrap_or_default()),
        creation_date: date(grant.created_ms),
        grantee_principal: Some(grant.grantee),
        retiring_principal: grant.retiring,
        issuing_account: Some(Arn::iam(&grant.issuing_account, "root").to_string()),
        operations: Some(grant.operations.iter().map(|operation| operation.name().to_owned()).collect()),
        constraints,
        ..wire::GrantListEntry::default()
    }
}

fn answer(found: KmsPage<KmsGrant>) -> wire::ListGrantsResponse {
    wire::ListGrantsResponse {
        grants: Some(found.items.into_iter().map(entry).collect()),
        truncated: Some(found.marker.is_some()),
        next_marker: found.marker,
    }
}

pub(crate) async fn list(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ListGrantsRequest,
) -> Result<wire::ListGrantsResponse, AwsError> {
    refuse_unbuilt("GranteeServicePrincipal", input.grantee_service_principal.as_ref())?;
    let name = required(input.key_id, "KeyId")?;
    let page = page(input.marker, input.limit);
    let (id, grantee) = (input.grant_id.as_deref(), input.grantee_principal.as_deref());
    let found = kms.list_grants(caller.authorized(), caller.scope(), &name, id, grantee, &page);
    Ok(answer(found.map_err(to_aws)?))
}

pub(crate) async fn list_retirable(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ListRetirableGrantsRequest,
) -> Result<wire::ListGrantsResponse, AwsError> {
    refuse_unbuilt("RetiringServicePrincipal", input.retiring_service_principal.as_ref())?;
    let retiring = required(input.retiring_principal, "RetiringPrincipal")?;
    let page = page(input.marker, input.limit);
    let found = kms.list_retirable_grants(caller.authorized(), caller.scope(), &retiring, &page);
    Ok(answer(found.map_err(to_aws)?))
}

pub(crate) async fn revoke(kms: Arc<Kms>, caller: Caller, input: wire::RevokeGrantRequest) -> Result<Unit, AwsError> {
    let (name, id) = (required(input.key_id, "KeyId")?, required(input.grant_id, "GrantId")?);
    kms.revoke_grant(&caller, &name, &id, input.dry_run.unwrap_or(false)).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn retire(kms: Arc<Kms>, caller: Caller, input: wire::RetireGrantRequest) -> Result<Unit, AwsError> {
    let dry_run = input.dry_run.unwrap_or(false);
    kms.retire_grant(&caller, grant_name(&input)?, dry_run).await.map_err(to_aws)?;
    Ok(Unit::default())
}
