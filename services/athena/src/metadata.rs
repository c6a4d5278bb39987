//! What clients ask of the catalog through Athena: the one data catalog, its databases and tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::athena as wire;
use tarn_aws_protocol::AwsError;
use tarn_catalog::{Column, Database, Table};
use tarn_policy::Requirement;
use tarn_query::queries::PAGE_ITEMS_MAX;

use crate::Athena;
use crate::convert;
use crate::errors::{invalid, of_catalog};
use crate::resources::{database_arn, table_arn};

/// The lake's catalog, as Athena names it.
pub(crate) const CATALOG: &str = "AwsDataCatalog";

pub(crate) fn is_catalog(name: &str) -> bool {
    name.eq_ignore_ascii_case(CATALOG)
}

fn check_catalog(name: Option<&String>) -> Result<(), AwsError> {
    let name = name.map_or("", String::as_str);
    if is_catalog(name) {
        return Ok(());
    }
    Err(invalid(format!("DataCatalog {name} was not found; the lake's catalog is {CATALOG}.")))
}

fn page_len(asked: Option<i32>) -> usize {
    convert::limit(asked).map_or(PAGE_ITEMS_MAX, |asked| asked.clamp(1, PAGE_ITEMS_MAX))
}

pub(crate) async fn list_data_catalogs(
    _: Arc<Athena>,
    _: Caller,
    _: wire::ListDataCatalogsInput,
) -> Result<wire::ListDataCatalogsOutput, AwsError> {
    let catalog = wire::DataCatalogSummary {
        catalog_name: Some(CATALOG.to_owned()),
        r#type: Some("GLUE".to_owned()),
        ..wire::DataCatalogSummary::default()
    };
    Ok(wire::ListDataCatalogsOutput { data_catalogs_summary: Some(vec![catalog]), next_token: None })
}

pub(crate) async fn get_data_catalog(
    _: Arc<Athena>,
    caller: Caller,
    input: wire::GetDataCatalogInput,
) -> Result<wire::GetDataCatalogOutput, AwsError> {
    check_catalog(input.name.as_ref())?;
    let catalog = wire::DataCatalog {
        name: Some(CATALOG.to_owned()),
        r#type: Some("GLUE".to_owned()),
        parameters: Some(BTreeMap::from([("catalog-id".to_owned(), caller.scope().account.to_string())])),
        ..wire::DataCatalog::default()
    };
    Ok(wire::GetDataCatalogOutput { data_catalog: Some(catalog) })
}

fn database(database: Database, names_only: bool) -> wire::Database {
    let definition = database.definition;
    if names_only {
        return wire::Database { name: Some(definition.name), ..wire::Database::default() };
    }
    wire::Database {
        name: Some(definition.name),
        description: definition.description.filter(|description| !description.is_empty()),
        parameters: Some(definition.parameters).filter(|parameters| !parameters.is_empty()),
    }
}

/// Those that the caller may see.
pub(crate) async fn list_databases(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::ListDatabasesInput,
) -> Result<wire::ListDatabasesOutput, AwsError> {
    check_catalog(input.catalog_name.as_ref())?;
    let (after, limit) = (input.next_token.as_deref(), page_len(input.max_results));
    let page = athena.catalog.databases(caller.authorized(), after, limit).map_err(of_catalog)?;
    let names_only = input.attributes_to_get.is_some_and(|asked| !asked.is_empty());
    let seen = page.items.into_iter().filter(|database| {
        let arn = database_arn(caller.scope(), database.name());
        caller.authorizer().authorize(vec![Requirement::new("glue:GetDatabases", arn)]).is_ok()
    });
    let databases = seen.map(|found| database(found, names_only)).collect();
    Ok(wire::ListDatabasesOutput { database_list: Some(databases), next_token: page.next })
}

pub(crate) async fn get_database(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::GetDatabaseInput,
) -> Result<wire::GetDatabaseOutput, AwsError> {
    check_catalog(input.catalog_name.as_ref())?;
    let name = input.database_name.unwrap_or_default();
    let found = athena.catalog.database(caller.authorized(), &name).map_err(of_catalog)?;
    Ok(wire::GetDatabaseOutput { database: Some(database(found, false)) })
}

fn columns(columns: &[Column]) -> Option<Vec<wire::Column>> {
    let column = |column: &Column| wire::Column {
        name: Some(column.name.clone()),
        r#type: column.data_type.clone(),
        comment: column.comment.clone(),
    };
    Some(columns.iter().map(column).collect())
}

/// A table's own parameters, and what its storage is, under the names that Athena gives it.
fn parameters(table: &Table) -> BTreeMap<String, String> {
    let mut all = table.definition.parameters.clone();
    let Some(storage) = &table.definition.storage_descriptor else { return all };
    let mut set = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), value.clone());
        }
    };
    set("location", storage.location.as_ref());
    set("inputformat", storage.input_format.as_ref());
    set("outputformat", storage.output_format.as_ref());
    if let Some(serde) = &storage.serde_info {
        set("serde.serialization.lib", serde.serialization_library.as_ref());
        for (name, value) in &serde.parameters {
            set(&format!("serde.param.{name}"), Some(value));
        }
    }
    all
}

fn table(table: &Table) -> wire::TableMetadata {
    wire::TableMetadata {
        name: Some(table.name().to_owned()),
        create_time: convert::date(table.create_time_ms),
        last_access_time: table.definition.last_access_time_ms.and_then(convert::date),
        table_type: Some(table.definition.table_type.clone().unwrap_or_default()),
        columns: columns(table.columns()),
        partition_keys: columns(table.partition_keys()),
        parameters: Some(parameters(table)),
    }
}

/// Those that the caller may see.
pub(crate) async fn list_tables(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::ListTableMetadataInput,
) -> Result<wire::ListTableMetadataOutput, AwsError> {
    check_catalog(input.catalog_name.as_ref())?;
    let name = input.database_name.unwrap_or_default();
    let matching = input.expression.as_deref().filter(|expression| !expression.is_empty());
    let (after, limit) = (input.next_token.as_deref(), page_len(input.max_results));
    let page = athena.catalog.tables(caller.authorized(), &name, matching, after, limit).map_err(of_catalog)?;
    let asked = input.attributes_to_get.filter(|asked| !asked.is_empty());
    let seen = page.items.iter().filter(|table| {
        let arn = table_arn(caller.scope(), &name, table.name());
        caller.authorizer().authorize(vec![Requirement::new("glue:GetTables", arn)]).is_ok()
    });
    let told = seen.map(|found| {
        let whole = table(found);
        match &asked {
            None => whole,
            Some(asked) => wire::TableMetadata {
                name: whole.name,
                table_type: whole.table_type.filter(|_| asked.iter().any(|attribute| attribute == "TABLE_TYPE")),
                ..wire::TableMetadata::default()
            },
        }
    });
    Ok(wire::ListTableMetadataOutput { table_metadata_list: Some(told.collect()), next_token: page.next })
}

pub(crate) async fn get_table(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::GetTableMetadataInput,
) -> Result<wire::GetTableMetadataOutput, AwsError> {
    check_catalog(input.catalog_name.as_ref())?;
    let (database, name) = (input.database_name.unwrap_or_default(), input.table_name.unwrap_or_default());
    let found = athena.catalog.table(caller.authorized(), &database, &name).map_err(of_catalog)?;
    Ok(wire::GetTableMetadataOutput { table_metadata: Some(table(&found)) })
}
