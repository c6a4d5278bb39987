//! Views as Presto keeps them in a catalog: a comment of base64 of JSON. Knows no plan.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tarn_catalog::{Column, Parameters, StorageDescriptor, Table, TableInput};

use crate::types::{hive_of, trino_name};
use arrow::datatypes::DataType;

const PREFIX: &str = "/* Presto View: ";
const SUFFIX: &str = " */";

/// What the JSON says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    pub original_sql: String,
    pub catalog: Option<String>,
    pub schema: Option<String>,
    #[serde(default)]
    pub columns: Vec<ViewColumn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default)]
    pub run_as_invoker: bool,
}

/// A column of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ViewColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: String,
}

/// Reads a view's text.
pub(crate) fn decode(table: &Table) -> Result<View, String> {
    let text = table.definition.view_original_text.as_deref().unwrap_or_default().trim();
    let encoded = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    let Some(encoded) = encoded else { return Err("its text is not a Presto view's".to_owned()) };
    let json = STANDARD.decode(encoded.trim()).map_err(|error| format!("its text is no base64: {error}"))?;
    serde_json::from_slice(&json).map_err(|error| format!("its text is no JSON of a view: {error}"))
}

/// The table that keeps a view.
pub(crate) fn encode(name: &str, database: &str, text: &str, columns: &[(String, DataType)]) -> TableInput {
    let view = View {
        original_sql: text.to_owned(),
        catalog: Some("awsdatacatalog".to_owned()),
        schema: Some(database.to_owned()),
        columns: columns
            .iter()
            .map(|(name, data_type)| ViewColumn { name: name.clone(), data_type: trino_name(data_type) })
            .collect(),
        owner: None,
        run_as_invoker: false,
    };
    // a struct of texts always has a JSON
    let json = serde_json::to_vec(&view).unwrap_or_default();
    let hive = |data_type: &DataType| hive_of(data_type).map_or_else(|| "string".to_owned(), |hive| hive.to_string());
    TableInput {
        name: name.to_owned(),
        storage_descriptor: Some(StorageDescriptor {
            columns: columns.iter().map(|(name, data_type)| Column::new(name.clone(), hive(data_type))).collect(),
            location: Some(String::new()),
            ..StorageDescriptor::default()
        }),
        view_original_text: Some(format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(json))),
        view_expanded_text: Some("/* Presto View */".to_owned()),
        table_type: Some("VIRTUAL_VIEW".to_owned()),
        parameters: Parameters::from([
            ("presto_view".to_owned(), "true".to_owned()),
            ("comment".to_owned(), "Presto View".to_owned()),
        ]),
        ..TableInput::default()
    }
}
