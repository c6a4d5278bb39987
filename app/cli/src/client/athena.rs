//! Athena's calls for `tarn sql`: start, watch, stop, results page by page.
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_Operations.html>

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tarn_runtime::EntropyExt;

use super::{Call, Client};
use crate::CliError;
use crate::output::{Column, Kind};

/// Pauses between two looks at a running query: short first, as most queries are.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(500);
/// Rows of one page of results: the API's own limit.
const PAGE_ROWS_MAX: u32 = 1_000;

/// Where statements run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// The database of names that give none.
    pub(crate) database: Option<String>,
    /// The workgroup, if not the primary.
    pub(crate) work_group: Option<String>,
    /// Where result files go, if not where the workgroup says.
    pub(crate) output_location: Option<String>,
}

/// A query that has ended well.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finished {
    /// Its execution's id.
    pub(crate) id: String,
    /// Milliseconds in all.
    pub(crate) time_ms: u64,
    /// Bytes read.
    pub(crate) scanned_bytes: u64,
}

/// A page of results.
#[derive(Debug, Default)]
pub(crate) struct ResultPage {
    /// The columns.
    pub(crate) columns: Vec<Column>,
    /// The rows; of the first page of a SELECT, the first are the columns' names.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// For the next page.
    pub(crate) token: Option<String>,
    /// Rows inserted or created.
    pub(crate) update_count: Option<u64>,
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// How a column's values are written as JSON.
fn kind(name: &str) -> Kind {
    match name {
        "tinyint" | "smallint" | "integer" | "int" | "bigint" => Kind::Integer,
        "float" | "real" | "double" => Kind::Float,
        "boolean" => Kind::Boolean,
        // Decimals stay text: a JSON number loses digits in most readers.
        _ => Kind::Text,
    }
}

impl Client {
    async fn athena(&self, operation: &str, doing: &str, input: Value) -> Result<Value, CliError> {
        let call = Call::new("athena", Method::POST, "/".to_owned(), doing.to_owned())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonAthena.{operation}"))
            .body(input.to_string().into());
        let answer = self.send(call).await?.text().await?;
        serde_json::from_str(&answer)
            .map_err(|error| CliError::failed(format!("{doing}: the answer is not Athena's: {error}")))
    }

    /// Starts a statement; returns its execution's id.
    pub(crate) async fn start_query(&self, session: &Session, sql: &str) -> Result<String, CliError> {
        let mut input = json!({
            "QueryString": sql,
            // A repeated call is the same query, not another.
            "ClientRequestToken": self.runtime().entropy.uuid().to_string(),
        });
        if let Some(database) = &session.database {
            input["QueryExecutionContext"] = json!({ "Database": database });
        }
        if let Some(work_group) = &session.work_group {
            input["WorkGroup"] = json!(work_group);
        }
        if let Some(location) = &session.output_location {
            input["ResultConfiguration"] = json!({ "OutputLocation": location });
        }
        let doing = "starting the query";
        let answer = self.athena("StartQueryExecution", doing, input).await?;
        text(&answer, "/QueryExecutionId")
            .ok_or_else(|| CliError::failed(format!("{doing}: the answer names no execution")))
    }

    /// Stops a query.
    pub(crate) async fn stop_query(&self, id: &str) -> Result<(), CliError> {
        self.athena("StopQueryExecution", "stopping the query", json!({ "QueryExecutionId": id })).await.map(drop)
    }

    /// Waits until a query has ended.
    pub(crate) async fn await_query(&self, id: &str) -> Result<Finished, CliError> {
        let mut pause = LOOK_PAUSE;
        loop {
            let input = json!({ "QueryExecutionId": id });
            let answer = self.athena("GetQueryExecution", "watching the query", input).await?;
            let state = text(&answer, "/QueryExecution/Status/State").unwrap_or_default();
            let number = |name: &str| {
                answer.pointer(&format!("/QueryExecution/Statistics/{name}")).and_then(Value::as_u64).unwrap_or(0)
            };
            match state.as_str() {
                "SUCCEEDED" => {
                    return Ok(Finished {
                        id: id.to_owned(),
                        time_ms: number("TotalExecutionTimeInMillis"),
                        scanned_bytes: number("DataScannedInBytes"),
                    });
                }
                "FAILED" | "CANCELLED" => {
                    let reason = text(&answer, "/QueryExecution/Status/StateChangeReason")
                        .or_else(|| text(&answer, "/QueryExecution/Status/AthenaError/ErrorMessage"))
                        .unwrap_or_else(|| "no reason is given".to_owned());
                    let what = if state == "FAILED" { "the query failed" } else { "the query was cancelled" };
                    return Err(CliError::failed(format!("{what}: {reason} (execution {id})")));
                }
                _ => tokio::time::sleep(pause).await,
            }
            pause = pause.mul_f64(1.5).min(LOOK_PAUSE_MAX);
        }
    }

    /// A page of a query's results.
    pub(crate) async fn query_results(&self, id: &str, token: Option<&str>) -> Result<ResultPage, CliError> {
        let mut input = json!({ "QueryExecutionId": id, "MaxResults": PAGE_ROWS_MAX });
        if let Some(token) = token {
            input["NextToken"] = json!(token);
        }
        let answer = self.athena("GetQueryResults", "reading the results", input).await?;
        let list = |pointer: &str| answer.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let columns = list("/ResultSet/ResultSetMetadata/ColumnInfo")
            .iter()
            .map(|column| Column {
                name: text(column, "/Name").unwrap_or_default(),
                kind: kind(&text(column, "/Type").unwrap_or_default()),
            })
            .collect();
        let rows = list("/ResultSet/Rows")
            .iter()
            .map(|row| {
                let cells = row.get("Data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                cells.iter().map(|cell| text(cell, "/VarCharValue")).collect()
            })
            .collect();
        Ok(ResultPage {
            columns,
            rows,
            token: text(&answer, "/NextToken"),
            update_count: answer.get("UpdateCount").and_then(Value::as_u64),
        })
    }
}
