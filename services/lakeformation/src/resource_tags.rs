//! LF-tags on databases, tables and columns, on the wire; and what is found by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::lakeformation as wire;
use tarn_aws_protocol::AwsError;
use tarn_formation::{Columns, FormationError, Resource, TagPair};
use tarn_types::Scope;

use crate::LakeFormation;
use crate::convert::{expression, pair_out, pairs, pairs_out, resource};
use crate::errors::{detail, to_aws};
use crate::paging;

/// The most databases or tables of a page of a search.
const SEARCH_PAGE_SIZE_MAX: usize = 100;

fn failures(failed: Vec<(TagPair, FormationError)>, scope: &Scope) -> Option<Vec<wire::LFTagError>> {
    let failure =
        |(pair, error)| wire::LFTagError { lf_tag: Some(pair_out(pair, scope)), error: Some(detail(to_aws(error))) };
    Some(failed.into_iter().map(failure).collect())
}

pub(crate) async fn add(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::AddLFTagsToResourceRequest,
) -> Result<wire::AddLFTagsToResourceResponse, AwsError> {
    let (on, tags) = (resource(input.resource, caller.scope())?, pairs(input.lf_tags, caller.scope())?);
    let failed = lake.formation.add_tags_to(&caller, &on, tags).await.map_err(to_aws)?;
    Ok(wire::AddLFTagsToResourceResponse { failures: failures(failed, caller.scope()) })
}

pub(crate) async fn remove(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::RemoveLFTagsFromResourceRequest,
) -> Result<wire::RemoveLFTagsFromResourceResponse, AwsError> {
    let (on, tags) = (resource(input.resource, caller.scope())?, pairs(input.lf_tags, caller.scope())?);
    let failed = lake.formation.remove_tags_from(&caller, &on, tags).await.map_err(to_aws)?;
    Ok(wire::RemoveLFTagsFromResourceResponse { failures: failures(failed, caller.scope()) })
}

fn columns_out(columns: BTreeMap<String, Vec<TagPair>>, scope: &Scope) -> Option<Vec<wire::ColumnLFTag>> {
    let column = |(name, tags)| wire::ColumnLFTag { name: Some(name), lf_tags: pairs_out(tags, scope) };
    Some(columns.into_iter().map(column).collect::<Vec<_>>()).filter(|columns| !columns.is_empty())
}

/// With `ShowAssignedLFTags`, only what is right on the thing; otherwise what it inherits as well.
pub(crate) async fn get(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::GetResourceLFTagsRequest,
) -> Result<wire::GetResourceLFTagsResponse, AwsError> {
    let (scope, of) = (caller.scope(), resource(input.resource, caller.scope())?);
    let assigned_only = input.show_assigned_lf_tags.unwrap_or_default();
    let mut tags = lake.formation.tags_of(caller.authorized(), &of, assigned_only).map_err(to_aws)?;
    if let Resource::Columns { columns: Columns::Named(names), .. } = &of {
        tags.columns.retain(|name, _| names.contains(name));
    }
    Ok(wire::GetResourceLFTagsResponse {
        lf_tag_on_database: pairs_out(tags.database, scope),
        lf_tags_on_table: pairs_out(tags.table, scope),
        lf_tags_on_columns: columns_out(tags.columns, scope),
    })
}

pub(crate) async fn search_databases(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::SearchDatabasesByLFTagsRequest,
) -> Result<wire::SearchDatabasesByLFTagsResponse, AwsError> {
    let (scope, expression) = (caller.scope(), expression(input.expression)?);
    let after = paging::after(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, SEARCH_PAGE_SIZE_MAX);
    let page = lake.formation.databases_by_tags(caller.authorized(), &expression, after.as_deref(), limit);
    let page = page.map_err(to_aws)?;
    let database = |(name, tags)| wire::TaggedDatabase {
        database: Some(wire::DatabaseResource { catalog_id: Some(scope.account.to_string()), name: Some(name) }),
        lf_tags: pairs_out(tags, scope),
    };
    Ok(wire::SearchDatabasesByLFTagsResponse {
        next_token: paging::token(page.next),
        database_list: Some(page.items.into_iter().map(database).collect()),
    })
}

pub(crate) async fn search_tables(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::SearchTablesByLFTagsRequest,
) -> Result<wire::SearchTablesByLFTagsResponse, AwsError> {
    let (scope, expression) = (caller.scope(), expression(input.expression)?);
    let after = paging::after(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, SEARCH_PAGE_SIZE_MAX);
    let page = lake.formation.tables_by_tags(caller.authorized(), &expression, after.as_deref(), limit);
    let page = page.map_err(to_aws)?;
    let table = |(database, name, tags): (String, String, tarn_formation::ResourceTags)| wire::TaggedTable {
        table: Some(wire::TableResource {
            catalog_id: Some(scope.account.to_string()),
            database_name: Some(database),
            name: Some(name),
            table_wildcard: None,
        }),
        lf_tag_on_database: pairs_out(tags.database, scope),
        lf_tags_on_table: pairs_out(tags.table, scope),
        lf_tags_on_columns: columns_out(tags.columns, scope),
    };
    Ok(wire::SearchTablesByLFTagsResponse {
        next_token: paging::token(page.next),
        table_list: Some(page.items.into_iter().map(table).collect()),
    })
}
