//! Resources, principals, permissions and tags between the wire and the domain. What the domain has no meaning for is refused.

use std::collections::BTreeSet;

use tarn_aws_model::lakeformation::{self as wire, SERVICE};
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_formation::{Columns, Entry, Grant, Permission, Resource, TagExpression, TagPair, TagPolicyKind};
use tarn_types::Scope;

use crate::errors::{invalid, refuse_unbuilt, to_aws};

/// What AWS calls all tables of a database.
const ALL_TABLES: &str = "ALL_TABLES";

/// Milliseconds since 1970, on the wire.
pub(crate) fn time(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

/// The model says that it is there.
pub(crate) fn required<T>(value: Option<T>, member: &str) -> Result<T, AwsError> {
    value.ok_or_else(|| invalid(format!("{member} must be given.")))
}

/// A name of the catalog, which keeps all in lower case.
pub(crate) fn name(text: Option<String>, member: &str) -> Result<String, AwsError> {
    Ok(required(text, member)?.to_lowercase())
}

/// Another account's catalog needs that account's permission, which cannot be given here.
pub(crate) fn own_catalog(id: Option<&String>, scope: &Scope) -> Result<(), AwsError> {
    match id {
        Some(id) if id != scope.account.as_str() => Err(AwsError::access_denied(
            &SERVICE,
            format!("Catalog {id} is not of account {}; no other account's catalog can be used.", scope.account),
        )),
        Some(_) | None => Ok(()),
    }
}

fn catalog_id(scope: &Scope) -> Option<String> {
    Some(scope.account.to_string())
}

/// Some columns, by name or by all but some; `None` if nothing was said.
pub(crate) fn columns(
    names: Option<Vec<String>>,
    wildcard: Option<wire::ColumnWildcard>,
) -> Result<Option<Columns>, AwsError> {
    let lower = |names: Vec<String>| names.iter().map(|name| name.to_lowercase()).collect::<BTreeSet<_>>();
    match (names.filter(|names| !names.is_empty()), wildcard) {
        (Some(_), Some(_)) => Err(invalid("ColumnNames and ColumnWildcard cannot be given together.")),
        (Some(names), None) => Ok(Some(Columns::Named(lower(names)))),
        (None, Some(wildcard)) => Ok(Some(Columns::AllBut(lower(wildcard.excluded_column_names.unwrap_or_default())))),
        (None, None) => Ok(None),
    }
}

/// Names, or a wildcard with what it leaves out.
pub(crate) fn columns_out(columns: Columns) -> (Option<Vec<String>>, Option<wire::ColumnWildcard>) {
    match columns {
        Columns::Named(names) => (Some(names.into_iter().collect()), None),
        Columns::AllBut(names) => {
            let names = Some(names.into_iter().collect::<Vec<_>>()).filter(|names| !names.is_empty());
            (None, Some(wire::ColumnWildcard { excluded_column_names: names }))
        }
    }
}

pub(crate) fn expression(terms: Option<Vec<wire::LFTag>>) -> Result<TagExpression, AwsError> {
    let term = |tag: wire::LFTag| (tag.tag_key.unwrap_or_default(), tag.tag_values.unwrap_or_default());
    TagExpression::new(terms.unwrap_or_default().into_iter().map(term)).map_err(to_aws)
}

fn table(input: wire::TableResource, scope: &Scope) -> Result<Resource, AwsError> {
    own_catalog(input.catalog_id.as_ref(), scope)?;
    let database = name(input.database_name, "Table.DatabaseName")?;
    match (input.name, input.table_wildcard) {
        (None, Some(_)) => Ok(Resource::AllTables { database }),
        (Some(name), Some(_)) if name == ALL_TABLES => Ok(Resource::AllTables { database }),
        (Some(name), None) => Ok(Resource::Table { database, name: name.to_lowercase() }),
        (Some(_), Some(_)) | (None, None) => Err(invalid("A Table has either a Name or a TableWildcard.")),
    }
}

fn table_with_columns(input: wire::TableWithColumnsResource, scope: &Scope) -> Result<Resource, AwsError> {
    own_catalog(input.catalog_id.as_ref(), scope)?;
    let database = name(input.database_name, "TableWithColumns.DatabaseName")?;
    let table = name(input.name, "TableWithColumns.Name")?;
    match columns(input.column_names, input.column_wildcard)? {
        // All columns without exception are the table.
        Some(Columns::AllBut(names)) if names.is_empty() => Ok(Resource::Table { database, name: table }),
        Some(columns) => Ok(Resource::Columns { database, table, columns }),
        None => Err(invalid("TableWithColumns has either ColumnNames or a ColumnWildcard.")),
    }
}

/// The only thing that is named.
pub(crate) fn resource(input: Option<wire::Resource>, scope: &Scope) -> Result<Resource, AwsError> {
    let wire::Resource {
        any_resource,
        catalog,
        database,
        table: named,
        table_with_columns: with_columns,
        data_location,
        data_cells_filter,
        lf_tag,
        lf_tag_policy,
        lf_tag_expression,
        rls_policy,
        user_defined_function,
    } = required(input, "Resource")?;
    refuse_unbuilt("Resource.AnyResource", any_resource.as_ref())?;
    refuse_unbuilt("Resource.LFTagExpression", lf_tag_expression.as_ref())?;
    refuse_unbuilt("Resource.RLSPolicy", rls_policy.as_ref())?;
    refuse_unbuilt("Resource.UserDefinedFunction", user_defined_function.as_ref())?;
    let mut found = Vec::new();
    if let Some(catalog) = catalog {
        own_catalog(catalog.id.as_ref(), scope)?;
        found.push(Resource::Catalog);
    }
    if let Some(database) = database {
        own_catalog(database.catalog_id.as_ref(), scope)?;
        found.push(Resource::Database { name: name(database.name, "Database.Name")? });
    }
    if let Some(named) = named {
        found.push(table(named, scope)?);
    }
    if let Some(with_columns) = with_columns {
        found.push(table_with_columns(with_columns, scope)?);
    }
    if let Some(location) = data_location {
        own_catalog(location.catalog_id.as_ref(), scope)?;
        found.push(Resource::Location { arn: required(location.resource_arn, "DataLocation.ResourceArn")? });
    }
    if let Some(filter) = data_cells_filter {
        own_catalog(filter.table_catalog_id.as_ref(), scope)?;
        found.push(Resource::CellsFilter {
            database: name(filter.database_name, "DataCellsFilter.DatabaseName")?,
            table: name(filter.table_name, "DataCellsFilter.TableName")?,
            name: required(filter.name, "DataCellsFilter.Name")?,
        });
    }
    if let Some(tag) = lf_tag {
        own_catalog(tag.catalog_id.as_ref(), scope)?;
        let key = required(tag.tag_key, "LFTag.TagKey")?;
        found.push(Resource::Tag { key, values: tag.tag_values.unwrap_or_default().into_iter().collect() });
    }
    if let Some(policy) = lf_tag_policy {
        own_catalog(policy.catalog_id.as_ref(), scope)?;
        refuse_unbuilt("LFTagPolicy.ExpressionName", policy.expression_name.as_ref())?;
        let kind = match policy.resource_type.as_deref() {
            Some("DATABASE") => TagPolicyKind::Database,
            Some(_) | None => TagPolicyKind::Table,
        };
        found.push(Resource::TagPolicy { kind, expression: expression(policy.expression)? });
    }
    let last = found.pop();
    match (last, found.is_empty()) {
        (Some(resource), true) => Ok(resource),
        (None, _) | (Some(_), false) => Err(invalid("Resource must name exactly one thing.")),
    }
}

/// As AWS shows it.
pub(crate) fn resource_out(resource: Resource, scope: &Scope) -> wire::Resource {
    let mut shown = wire::Resource::default();
    let catalog_id = catalog_id(scope);
    match resource {
        Resource::Catalog => shown.catalog = Some(wire::CatalogResource { id: catalog_id }),
        Resource::Database { name } => {
            shown.database = Some(wire::DatabaseResource { catalog_id, name: Some(name) });
        }
        Resource::Table { database, name } => {
            shown.table = Some(wire::TableResource {
                catalog_id,
                database_name: Some(database),
                name: Some(name),
                table_wildcard: None,
            });
        }
        Resource::AllTables { database } => {
            shown.table = Some(wire::TableResource {
                catalog_id,
                database_name: Some(database),
                name: Some(ALL_TABLES.to_owned()),
                table_wildcard: Some(wire::TableWildcard {}),
            });
        }
        Resource::Columns { database, table, columns } => {
            let (column_names, column_wildcard) = columns_out(columns);
            shown.table_with_columns = Some(wire::TableWithColumnsResource {
                catalog_id,
                database_name: Some(database),
                name: Some(table),
                column_names,
                column_wildcard,
            });
        }
        Resource::Location { arn } => {
            shown.data_location = Some(wire::DataLocationResource { catalog_id, resource_arn: Some(arn) });
        }
        Resource::CellsFilter { database, table, name } => {
            shown.data_cells_filter = Some(wire::DataCellsFilterResource {
                table_catalog_id: catalog_id,
                database_name: Some(database),
                table_name: Some(table),
                name: Some(name),
            });
        }
        Resource::Tag { key, values } => {
            let tag_values = Some(values.into_iter().collect());
            shown.lf_tag = Some(wire::LFTagKeyResource { catalog_id, tag_key: Some(key), tag_values });
        }
        Resource::TagPolicy { kind, expression } => {
            let resource_type = match kind {
                TagPolicyKind::Database => "DATABASE",
                TagPolicyKind::Table => "TABLE",
            };
            let term = |(key, values): (&str, &BTreeSet<String>)| wire::LFTag {
                tag_key: Some(key.to_owned()),
                tag_values: Some(values.iter().cloned().collect()),
            };
            shown.lf_tag_policy = Some(wire::LFTagPolicyResource {
                catalog_id,
                resource_type: Some(resource_type.to_owned()),
                expression: Some(expression.terms().map(term).collect()),
                expression_name: None,
            });
        }
    }
    shown
}

pub(crate) fn permissions(names: Option<Vec<String>>) -> Result<BTreeSet<Permission>, AwsError> {
    let permission = |name: String| {
        Permission::parse(&name).ok_or_else(|| invalid(format!("Permission {name} is not built into this server.")))
    };
    names.unwrap_or_default().into_iter().map(permission).collect()
}

pub(crate) fn permissions_out(permissions: BTreeSet<Permission>) -> Option<Vec<String>> {
    Some(permissions.into_iter().map(|permission| permission.name().to_owned()).collect())
}

/// The text that names somebody.
pub(crate) fn principal(principal: Option<wire::DataLakePrincipal>) -> Result<String, AwsError> {
    let text = principal.and_then(|principal| principal.data_lake_principal_identifier);
    required(text, "Principal.DataLakePrincipalIdentifier")
}

pub(crate) fn principal_out(name: String) -> wire::DataLakePrincipal {
    wire::DataLakePrincipal { data_lake_principal_identifier: Some(name) }
}

/// What is to be given or taken.
pub(crate) fn entry(input: wire::BatchPermissionsRequestEntry, scope: &Scope) -> Result<Entry, AwsError> {
    let wire::BatchPermissionsRequestEntry {
        id: _,
        principal: to,
        resource: on,
        permissions: given,
        condition,
        permissions_with_grant_option,
    } = input;
    refuse_unbuilt("Condition", condition.as_ref())?;
    let is_of_columns = on.as_ref().is_some_and(|on| on.table_with_columns.is_some());
    let entry = Entry {
        principal: principal(to)?,
        resource: resource(on, scope)?,
        permissions: permissions(given)?,
        grantable: permissions(permissions_with_grant_option)?,
    };
    let beyond = |permission: &&Permission| **permission != Permission::Select;
    match entry.permissions.union(&entry.grantable).find(beyond) {
        Some(other) if is_of_columns => {
            Err(invalid(format!("Permissions modification is invalid: {} cannot be granted on columns.", other.name())))
        }
        Some(_) | None => Ok(entry),
    }
}

pub(crate) fn grant_out(grant: Grant, scope: &Scope) -> wire::PrincipalResourcePermissions {
    wire::PrincipalResourcePermissions {
        principal: Some(principal_out(grant.principal)),
        resource: Some(resource_out(grant.resource, scope)),
        condition: None,
        permissions: permissions_out(grant.permissions),
        permissions_with_grant_option: permissions_out(grant.grantable),
        additional_details: None,
        last_updated: time(grant.updated_ms),
        last_updated_by: None,
    }
}

/// Tags for a thing: one value each.
pub(crate) fn pairs(tags: Option<Vec<wire::LFTagPair>>, scope: &Scope) -> Result<Vec<(String, String)>, AwsError> {
    let pair = |tag: wire::LFTagPair| {
        own_catalog(tag.catalog_id.as_ref(), scope)?;
        let key = required(tag.tag_key, "TagKey")?;
        match <[String; 1]>::try_from(tag.tag_values.unwrap_or_default()) {
            Ok([value]) => Ok((key, value)),
            Err(values) => {
                Err(invalid(format!("LF-tag {key} has one value on a resource; {} were given.", values.len())))
            }
        }
    };
    tags.unwrap_or_default().into_iter().map(pair).collect()
}

pub(crate) fn pair_out(pair: TagPair, scope: &Scope) -> wire::LFTagPair {
    wire::LFTagPair { catalog_id: catalog_id(scope), tag_key: Some(pair.key), tag_values: Some(vec![pair.value]) }
}

/// The wire knows no empty list of tags.
pub(crate) fn pairs_out(pairs: Vec<TagPair>, scope: &Scope) -> Option<Vec<wire::LFTagPair>> {
    let pairs: Vec<_> = pairs.into_iter().map(|pair| pair_out(pair, scope)).collect();
    Some(pairs).filter(|pairs| !pairs.is_empty())
}
