//! A page of a finished execution's result. Knows where a header stands; knows no file's form.

use tarn_audit::Caller;
use tarn_catalog::S3Location;
use tarn_metadata::Read;
use tarn_policy::Requirement;
use tarn_types::Arn;

use super::keyspaces::{COLUMNS, name_key};
use super::records::ExecutionState;
use super::{Queries, QueriesError, RESULT_PAGE_ROWS_MAX};
use crate::statement::ResultFile;
use crate::types::ColumnInfo;

/// In a token: nothing is left.
const END: &str = "end";

/// A page of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryResults {
    /// The columns.
    pub columns: Vec<ColumnInfo>,
    /// The rows; on the first page of a DML's result the columns' names stand first. `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows written; 0 of a SELECT, `None` of a statement without a count.
    pub update_count: Option<u64>,
    /// Pass it to get the next page.
    pub next: Option<String>,
}

/// What the result file of an execution is, by its name.
fn file_of(location: &S3Location) -> ResultFile {
    let name = location.prefix.as_str();
    if name.ends_with(".csv") {
        ResultFile::Csv
    } else if name.ends_with(".txt") {
        ResultFile::Txt
    } else if name.rsplit('/').nth(1) == Some("tables") {
        ResultFile::Tables
    } else {
        ResultFile::Bare
    }
}

impl Queries {
    /// A page of an execution's result: the caller must be allowed to read the file.
    pub async fn results(
        &self,
        caller: &Caller,
        id: &str,
        token: Option<&str>,
        rows_max: Option<usize>,
    ) -> Result<QueryResults, QueriesError> {
        let account = &caller.principal().account;
        let execution = self.execution_of(account, id)?;
        let rows_max = rows_max.unwrap_or(RESULT_PAGE_ROWS_MAX);
        if rows_max > RESULT_PAGE_ROWS_MAX {
            return Err(QueriesError::invalid(format!(
                "MaxResults is more than maximum allowed length {RESULT_PAGE_ROWS_MAX}."
            )));
        }
        match execution.status.state {
            ExecutionState::Succeeded => {}
            state @ (ExecutionState::Queued | ExecutionState::Running) => {
                return Err(QueriesError::NotFinished { state });
            }
            state @ (ExecutionState::Failed | ExecutionState::Cancelled) => {
                return Err(QueriesError::NotSucceeded { state });
            }
        }
        // `None`: the end.
        let start = match token {
            None => Some(0),
            Some(token) => {
                let refused = || QueriesError::Token { token: token.to_owned() };
                let place = token.strip_prefix(id).and_then(|rest| rest.strip_prefix('.')).ok_or_else(refused)?;
                if place == END { None } else { Some(place.parse::<u64>().map_err(|_| refused())?) }
            }
        };
        let columns = self.snapshot()?.get(COLUMNS, &name_key(account, id))?;
        let columns = columns.map(super::records::ResultColumns::into_columns).unwrap_or_default();
        let is_dml = execution.submission.statement_type == "DML";
        let update_count = execution.status.update_count;
        let mut results = QueryResults { columns, rows: Vec::new(), update_count, next: None };

        let location = execution.submission.results.output_location.unwrap_or_default();
        let place =
            S3Location::parse(&location).map_err(|error| QueriesError::Unreadable { reason: error.to_string() })?;
        let file = file_of(&place);
        let has_rows = match file {
            ResultFile::Csv => execution.submission.substatement_type != "UPDATE",
            ResultFile::Txt => true,
            ResultFile::Bare | ResultFile::Tables => false,
        };
        let Some(start) = start.filter(|_| has_rows) else {
            return Ok(results);
        };
        let requirement = Requirement::new("s3:GetObject", Arn::s3_object(&place.bucket, &place.prefix));
        let proof =
            caller.authorizer().authorize(vec![requirement]).map_err(|source| QueriesError::Denied { source })?;
        // Utilities are told without the header that some of their files have.
        let skips = start == 0 && !is_dml;
        let wanted = rows_max + usize::from(skips);
        let mut page = self
            .runner
            .page(&proof, caller.authorizer(), &place, file, start, wanted)
            .await
            .map_err(|reason| QueriesError::Unreadable { reason })?;
        if skips {
            let is_header = page.rows.first().is_some_and(|row| {
                row.iter().map(Option::as_deref).eq(results.columns.iter().map(|column| Some(column.name.as_str())))
            });
            if is_header && (file == ResultFile::Csv || execution.submission.substatement_type == "EXPLAIN") {
                page.rows.remove(0);
            } else if page.rows.len() > rows_max {
                // One row too many was read: its place is not known, so that it is read again.
                page = self
                    .runner
                    .page(&proof, caller.authorizer(), &place, file, start, rows_max)
                    .await
                    .map_err(|reason| QueriesError::Unreadable { reason })?;
            }
        }
        // A full page always has a token, as on AWS, even if nothing is left.
        results.next = match page.next {
            Some(at) => Some(format!("{id}.{at}")),
            None if page.rows.len() >= rows_max => Some(format!("{id}.{END}")),
            None => None,
        };
        results.rows = page.rows;
        Ok(results)
    }
}
