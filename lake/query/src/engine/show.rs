//! SHOW and DESCRIBE in Athena's columns and paddings. Knows no rows of tables.

use regex::Regex;
use tarn_catalog::{Column, Table, encode_partition_name};

use super::ddl::{catalog_failure, hive_failure, list};
use super::{Done, QueryContext, views};
use crate::errors::QueryError;
use crate::hive::statements::{DescribeDepth, HiveStatement, TableName};
use crate::types::ColumnInfo;

const CATALOG_PAGE: usize = 500;

/// SQL's LIKE: `%` and `_`.
pub(super) fn sql_like(pattern: &str, text: &str) -> bool {
    let mut expression = String::from("(?is)^");
    for c in pattern.chars() {
        match c {
            '%' => expression.push_str(".*"),
            '_' => expression.push('.'),
            other => expression.push_str(&regex::escape(&other.to_string())),
        }
    }
    expression.push('$');
    Regex::new(&expression).is_ok_and(|expression| expression.is_match(text))
}

/// Hive's LIKE in SHOW: `*` alone or among other characters, `|` between patterns; else a regular expression.
fn hive_like(pattern: &str) -> Result<Regex, QueryError> {
    let alternatives: Vec<String> = pattern
        .split('|')
        .map(|part| {
            let mut expression = String::new();
            let mut before = '\0';
            for c in part.chars() {
                if c == '*' && !matches!(before, '.' | ']' | ')') {
                    expression.push_str(".*");
                } else {
                    expression.push(c);
                }
                before = c;
            }
            expression
        })
        .collect();
    Regex::new(&format!("^(?:{})$", alternatives.join("|")))
        .map_err(|error| hive_failure(format!("SemanticException pattern '{pattern}': {error}")))
}

fn padded(text: &str) -> String {
    format!("{text:<20}")
}

fn row(parts: [&str; 3]) -> String {
    parts.map(padded).join("\t")
}

fn column_row(column: &Column) -> String {
    let name = column.name.to_lowercase();
    row([&name, column.data_type.as_deref().unwrap_or("string"), column.comment.as_deref().unwrap_or("")])
}

pub(super) fn run(context: &QueryContext, statement: &HiveStatement) -> Result<Done, QueryError> {
    match statement {
        HiveStatement::ShowDatabases { like } => {
            let like = like.as_deref().map(hive_like).transpose()?;
            let proof = context.access.may_read_catalog("glue:GetDatabases", None, None)?;
            let mut names = Vec::new();
            let mut after = None;
            loop {
                let page = context
                    .access
                    .catalog
                    .databases(&proof, after.as_deref(), CATALOG_PAGE)
                    .map_err(|error| catalog_failure(&error))?;
                names.extend(page.items.iter().map(|database| database.name().to_owned()));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            names.retain(|name| like.as_ref().is_none_or(|like| like.is_match(name)));
            names.retain(|name| context.access.may_read_catalog("glue:GetDatabase", Some(name), None).is_ok());
            Ok(Done::lines(&["database_name"], &names))
        }
        HiveStatement::ShowTables { database, like } => {
            let names = tables(context, database.as_deref(), like.as_deref(), false)?;
            Ok(Done::lines(&["tab_name"], &names))
        }
        HiveStatement::ShowViews { database, like } => {
            let names = tables(context, database.as_deref(), like.as_deref(), true)?;
            Ok(Done::lines(&["views"], &names))
        }
        HiveStatement::ShowPartitions { table, partition } => {
            let found = context.table(table)?;
            let keys: Vec<&String> = found.partition_keys().iter().map(|key| &key.name).collect();
            if keys.is_empty() {
                return Err(hive_failure(format!(
                    "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Table {} is not a partitioned table",
                    found.name()
                )));
            }
            let lines: Vec<String> = list(context, &found, None)?
                .iter()
                .filter(|one| {
                    partition.iter().all(|(name, value)| {
                        keys.iter().zip(one.values()).any(|(key, held)| key.eq_ignore_ascii_case(name) && held == value)
                    })
                })
                .map(|one| encode_partition_name(&keys, one.values()))
                .collect();
            Ok(Done::lines(&["partition"], &lines))
        }
        HiveStatement::ShowColumns { table } => {
            let found = context.table(table)?;
            let all = found.columns().iter().chain(found.partition_keys());
            Ok(Done::lines(&["field"], &all.map(|column| padded(&column.name.to_lowercase())).collect::<Vec<_>>()))
        }
        HiveStatement::ShowTableProperties { table, key } => {
            let found = context.table(table)?;
            let parameters = &found.definition.parameters;
            let lines: Vec<String> = match key {
                Some(key) => vec![match parameters.get(key) {
                    Some(value) => value.clone(),
                    None => format!("Table {}.{} does not have property: {key}", found.database_name, found.name()),
                }],
                None => parameters.iter().map(|(key, value)| format!("{key}\t{value}")).collect(),
            };
            Ok(Done::lines(&["prpt_name", "prpt_value"], &lines))
        }
        HiveStatement::ShowCreateTable { table } => {
            let found = context.table(table)?;
            if found.definition.table_type.as_deref() == Some("VIRTUAL_VIEW") {
                return Err(hive_failure(
                    "SemanticException [Error 10001]: the name is a view's: use SHOW CREATE VIEW",
                ));
            }
            Ok(Done::lines(&["createtab_stmt"], &create_text(&found)))
        }
        HiveStatement::ShowCreateView { view } => {
            let found = context.table(view)?;
            let decoded = views::decode(&found)
                .map_err(|reason| hive_failure(format!("SemanticException {}: {reason}", found.name())))?;
            let text = format!("CREATE VIEW {}.{} AS\n{}", found.database_name, found.name(), decoded.original_sql);
            Ok(Done::lines(&["create view"], &text.lines().map(str::to_owned).collect::<Vec<_>>()))
        }
        HiveStatement::Describe { table, depth, column, .. } => describe(context, table, *depth, column.as_deref()),
        HiveStatement::DescribeDatabase { name } => {
            let proof = context.access.may_read_catalog("glue:GetDatabase", Some(name), None)?;
            let found = context.access.catalog.database(&proof, name).map_err(|error| catalog_failure(&error))?;
            let definition = found.definition;
            let parts = [
                definition.name,
                definition.description.unwrap_or_default(),
                definition.location_uri.unwrap_or_default(),
            ];
            Ok(Done::lines(&["db_name", "comment", "location"], &[parts.join("\t")]))
        }
        _ => Err(QueryError::not_supported("this statement")),
    }
}

fn tables(
    context: &QueryContext,
    database: Option<&str>,
    like: Option<&str>,
    views: bool,
) -> Result<Vec<String>, QueryError> {
    let like = like.map(hive_like).transpose()?;
    let database = database.unwrap_or(&context.database);
    let proof = context.access.may_read_catalog("glue:GetTables", Some(database), None)?;
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = context
            .access
            .catalog
            .tables(&proof, database, None, after.as_deref(), CATALOG_PAGE)
            .map_err(|error| catalog_failure(&error))?;
        let wanted =
            page.items.iter().filter(|table| !views || table.definition.table_type.as_deref() == Some("VIRTUAL_VIEW"));
        names.extend(wanted.map(|table| table.name().to_owned()));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    names.retain(|name| like.as_ref().is_none_or(|like| like.is_match(name)));
    Ok(names)
}

fn describe(
    context: &QueryContext,
    name: &TableName,
    depth: DescribeDepth,
    column: Option<&str>,
) -> Result<Done, QueryError> {
    let table = context.table(name)?;
    if let Some(wanted) = column {
        let found = table
            .columns()
            .iter()
            .chain(table.partition_keys())
            .find(|column| column.name.eq_ignore_ascii_case(wanted));
        return match found {
            Some(found) => Ok(Done::lines(&["col_name", "data_type", "comment"], &[column_row(found)])),
            None => Err(hive_failure(format!("SemanticException [Error 10002]: Invalid column reference {wanted}"))),
        };
    }
    if table.definition.table_type.as_deref() == Some("VIRTUAL_VIEW") {
        let lines: Vec<String> = table
            .columns()
            .iter()
            .map(|column| {
                format!("{}\t{}", padded(&column.name), padded(column.data_type.as_deref().unwrap_or("string")))
            })
            .collect();
        return Ok(Done::lines(&["column", "type"], &lines));
    }
    let mut lines = Vec::new();
    let heading = row(["# col_name", "data_type", "comment"]);
    if depth == DescribeDepth::Formatted {
        lines.extend([heading.clone(), "\t \t ".to_owned()]);
    }
    lines.extend(table.columns().iter().map(column_row));
    if !table.partition_keys().is_empty() {
        if depth != DescribeDepth::Formatted {
            lines.extend(table.partition_keys().iter().map(column_row));
        }
        lines.extend(["\t \t ".to_owned(), "# Partition Information\t \t ".to_owned(), heading, "\t \t ".to_owned()]);
        lines.extend(table.partition_keys().iter().map(column_row));
    }
    if depth != DescribeDepth::Columns {
        lines.extend(details(&table));
    }
    let mut done = Done::lines(&["col_name", "data_type", "comment"], &lines);
    done.columns = ["col_name", "data_type", "comment"].iter().map(|name| ColumnInfo::hive_string(name)).collect();
    Ok(done)
}

fn details(table: &Table) -> Vec<String> {
    let line = |key: &str, value: &str| format!("{}\t{}\t ", padded(key), padded(value));
    let storage = table.definition.storage_descriptor.clone().unwrap_or_default();
    let serde = storage.serde_info.clone().unwrap_or_default();
    let mut lines = vec![
        "\t \t ".to_owned(),
        "# Detailed Table Information\t \t ".to_owned(),
        line("Database:", &table.database_name),
        line("Owner:", table.definition.owner.as_deref().unwrap_or("")),
        line("Location:", table.location().unwrap_or("")),
        line("Table Type:", table.definition.table_type.as_deref().unwrap_or("")),
        "Table Parameters:\t \t ".to_owned(),
    ];
    lines
        .extend(table.definition.parameters.iter().map(|(key, value)| format!("\t{}\t{}", padded(key), padded(value))));
    lines.extend([
        "\t \t ".to_owned(),
        "# Storage Information\t \t ".to_owned(),
        line("SerDe Library:", serde.serialization_library.as_deref().unwrap_or("")),
        line("InputFormat:", storage.input_format.as_deref().unwrap_or("")),
        line("OutputFormat:", storage.output_format.as_deref().unwrap_or("")),
        line("Compressed:", if storage.compressed { "Yes" } else { "No" }),
        line("Num Buckets:", &storage.number_of_buckets.to_string()),
        line("Bucket Columns:", &format!("[{}]", storage.bucket_columns.join(", "))),
        "Storage Desc Params:\t \t ".to_owned(),
    ]);
    lines.extend(serde.parameters.iter().map(|(key, value)| format!("\t{}\t{}", padded(key), padded(value))));
    lines
}

fn text_literal(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

fn column_list(columns: &[Column]) -> Vec<String> {
    columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let comment = column.comment.as_deref().filter(|comment| !comment.is_empty());
            let comment = comment.map(|comment| format!(" COMMENT {}", text_literal(comment))).unwrap_or_default();
            let end = if at + 1 == columns.len() { ")" } else { ", " };
            format!(
                "  `{}` {}{comment}{end}",
                column.name.to_lowercase(),
                column.data_type.as_deref().unwrap_or("string")
            )
        })
        .collect()
}

fn property_list(properties: &tarn_catalog::Parameters) -> Vec<String> {
    let count = properties.len();
    properties
        .iter()
        .enumerate()
        .map(|(at, (key, value))| {
            format!("  {}={}{}", text_literal(key), text_literal(value), if at + 1 == count { ")" } else { ", " })
        })
        .collect()
}

/// A statement that makes such a table.
fn create_text(table: &Table) -> Vec<String> {
    let storage = table.definition.storage_descriptor.clone().unwrap_or_default();
    let mut lines = vec![format!("CREATE EXTERNAL TABLE `{}.{}`(", table.database_name, table.name())];
    lines.extend(column_list(table.columns()));
    if let Some(comment) = table.definition.parameters.get("comment") {
        lines.push(format!("COMMENT {}", text_literal(comment)));
    }
    if !table.partition_keys().is_empty() {
        lines.push("PARTITIONED BY ( ".to_owned());
        lines.extend(column_list(table.partition_keys()));
    }
    if let Some(serde) = &storage.serde_info {
        lines.push("ROW FORMAT SERDE ".to_owned());
        lines.push(format!("  {} ", text_literal(serde.serialization_library.as_deref().unwrap_or_default())));
        if !serde.parameters.is_empty() {
            lines.push("WITH SERDEPROPERTIES ( ".to_owned());
            lines.extend(property_list(&serde.parameters));
        }
    }
    if let (Some(input), Some(output)) = (&storage.input_format, &storage.output_format) {
        lines.push("STORED AS INPUTFORMAT ".to_owned());
        lines.push(format!("  {} ", text_literal(input)));
        lines.push("OUTPUTFORMAT ".to_owned());
        lines.push(format!("  {}", text_literal(output)));
    }
    lines.push("LOCATION".to_owned());
    lines.push(format!("  {}", text_literal(table.location().unwrap_or_default())));
    let kept: tarn_catalog::Parameters = table
        .definition
        .parameters
        .iter()
        .filter(|(key, _)| *key != "EXTERNAL" && *key != "comment")
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if !kept.is_empty() {
        lines.push("TBLPROPERTIES (".to_owned());
        lines.extend(property_list(&kept));
    }
    lines
}
