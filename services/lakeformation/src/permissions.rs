//! Grants on the wire: given, taken, one by one and in batches, and listed.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::lakeformation as wire;
use tarn_aws_protocol::AwsError;
use tarn_formation::{BATCH_ENTRIES_MAX, ListGrants, ResourceKind};

use crate::LakeFormation;
use crate::convert::{entry, grant_out, principal, resource};
use crate::errors::{detail, invalid, refuse_unbuilt, to_aws};
use crate::paging;

/// A request about one grant as the entry of a batch: its members are the same.
macro_rules! single {
    ($input:ident, $request:ident) => {{
        let wire::$request {
            catalog_id: _,
            principal,
            resource,
            permissions,
            condition,
            permissions_with_grant_option,
        } = $input;
        wire::BatchPermissionsRequestEntry {
            id: None,
            principal,
            resource,
            permissions,
            condition,
            permissions_with_grant_option,
        }
    }};
}

pub(crate) async fn grant(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::GrantPermissionsRequest,
) -> Result<wire::GrantPermissionsResponse, AwsError> {
    let one = single!(input, GrantPermissionsRequest);
    lake.formation.grant(&caller, entry(one, caller.scope())?).await.map_err(to_aws)?;
    Ok(wire::GrantPermissionsResponse {})
}

pub(crate) async fn revoke(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::RevokePermissionsRequest,
) -> Result<wire::RevokePermissionsResponse, AwsError> {
    let one = single!(input, RevokePermissionsRequest);
    lake.formation.revoke(&caller, entry(one, caller.scope())?).await.map_err(to_aws)?;
    Ok(wire::RevokePermissionsResponse {})
}

/// Gives or takes what can be, and says of the rest why not.
async fn batch(
    lake: &LakeFormation,
    caller: &Caller,
    entries: Option<Vec<wire::BatchPermissionsRequestEntry>>,
    is_grant: bool,
) -> Result<Option<Vec<wire::BatchPermissionsFailureEntry>>, AwsError> {
    let entries = entries.unwrap_or_default();
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(invalid(format!("A batch has at most {BATCH_ENTRIES_MAX} entries.")));
    }
    let failure = |entry: &wire::BatchPermissionsRequestEntry, error| wire::BatchPermissionsFailureEntry {
        request_entry: Some(entry.clone()),
        error: Some(detail(error)),
    };
    let (mut failures, mut places, mut usable) = (Vec::new(), Vec::new(), Vec::new());
    for asked in &entries {
        match entry(asked.clone(), caller.scope()) {
            Ok(entry) => {
                places.push(asked);
                usable.push(entry);
            }
            Err(error) => failures.push(failure(asked, error)),
        }
    }
    let failed = lake.formation.change(caller, usable, is_grant).await.map_err(to_aws)?;
    for (at, error) in failed {
        if let Some(asked) = places.get(at) {
            failures.push(failure(asked, to_aws(error)));
        }
    }
    Ok(Some(failures))
}

pub(crate) async fn batch_grant(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::BatchGrantPermissionsRequest,
) -> Result<wire::BatchGrantPermissionsResponse, AwsError> {
    let failures = batch(&lake, &caller, input.entries, true).await?;
    Ok(wire::BatchGrantPermissionsResponse { failures })
}

pub(crate) async fn batch_revoke(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::BatchRevokePermissionsRequest,
) -> Result<wire::BatchRevokePermissionsResponse, AwsError> {
    let failures = batch(&lake, &caller, input.entries, false).await?;
    Ok(wire::BatchRevokePermissionsResponse { failures })
}

fn kind(name: &str) -> Result<ResourceKind, AwsError> {
    match name {
        "CATALOG" => Ok(ResourceKind::Catalog),
        "DATABASE" => Ok(ResourceKind::Database),
        "TABLE" => Ok(ResourceKind::Table),
        "DATA_LOCATION" => Ok(ResourceKind::Location),
        "LF_TAG" => Ok(ResourceKind::Tag),
        "LF_TAG_POLICY" => Ok(ResourceKind::TagPolicy),
        "LF_TAG_POLICY_DATABASE" => Ok(ResourceKind::DatabaseTagPolicy),
        "LF_TAG_POLICY_TABLE" => Ok(ResourceKind::TableTagPolicy),
        other => Err(invalid(format!("ResourceType {other} is not built into this server."))),
    }
}

/// A table's columns and filters come with it, whatever `IncludeRelated` says.
pub(crate) async fn list(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::ListPermissionsRequest,
) -> Result<wire::ListPermissionsResponse, AwsError> {
    let include_related = input.include_related.filter(|text| !matches!(text.as_str(), "TRUE" | "FALSE"));
    refuse_unbuilt("IncludeRelated other than TRUE and FALSE", include_related.as_ref())?;
    let scope = caller.scope();
    let list = ListGrants {
        principal: input.principal.map(|one| principal(Some(one))).transpose()?,
        resource: input.resource.map(|one| resource(Some(one), scope)).transpose()?,
        kind: input.resource_type.as_deref().map(kind).transpose()?,
        after: paging::after(input.next_token.as_ref())?,
        limit: paging::limit(input.max_results, paging::PAGE_SIZE_MAX),
    };
    let page = lake.formation.grants(caller.authorized(), &list).map_err(to_aws)?;
    let grants = page.items.into_iter().map(|grant| grant_out(grant, scope));
    Ok(wire::ListPermissionsResponse {
        principal_resource_permissions: Some(grants.collect()),
        next_token: paging::token(page.next),
    })
}
