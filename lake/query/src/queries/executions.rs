//! Starting, finding, listing and stopping executions. Knows no run: the pool does them.

use std::ops::Bound;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_metadata::{Key, Read};
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;
use tarn_types::AccountId;

use super::keyspaces::{
    BY_TIME, BY_WORK_GROUP, EXECUTION_TOKENS, EXECUTIONS, STATUSES, UNFINISHED, by_time, by_work_group, name_key,
};
use super::pool::{Live, Task, Work};
use super::records::{ExecutionState, ExecutionStatus, Present, QueryExecution, ResultSettings, Submission, TokenUse};
use super::workgroups::{PRIMARY, keep_primary, work_group_in};
use super::{Listed, Queries, QueriesError, page_len};
use crate::errors::{ErrorName, QueryError};
use crate::statement::{PreparedOperation, Statement};

/// What the caller says of a query.
#[derive(Debug, Clone, Default)]
pub struct StartQuery {
    /// The statement.
    pub query: String,
    /// What stands for its `?`.
    pub parameters: Vec<String>,
    /// The catalog of the execution context.
    pub catalog: Option<String>,
    /// The database of the execution context.
    pub database: Option<String>,
    /// Where and how its result is put, unless the workgroup says otherwise.
    pub results: ResultSettings,
    /// `primary` if none is named.
    pub work_group: Option<String>,
    /// The same token starts the same execution once.
    pub token: Option<String>,
    /// The longest age of a result that may be used again, minutes.
    pub reuse_max_age_minutes: Option<i32>,
}

/// What a statement does, once names of prepared statements are looked up.
struct Resolved {
    statement: Statement,
    work: Work,
}

impl Queries {
    /// Starts a query: it is durable when this answers with its id, and runs as soon as there is a slot.
    pub async fn start(&self, caller: &Caller, start: StartQuery) -> Result<String, QueriesError> {
        let account = caller.scope().account.clone();
        let name = start.work_group.clone().unwrap_or_else(|| PRIMARY.to_owned());
        let group = work_group_in(&self.snapshot()?, &account, &name)?;
        if !group.is_enabled {
            return Err(QueriesError::WorkGroupDisabled { name });
        }
        let resolved = self.resolve(&account, &name, &start)?;
        let id = self.runtime.entropy.uuid().to_string();
        let (folder, results) = self.output_of(caller, &group.configuration, &start.results).await?;
        let file = resolved.statement.result_file().name(&id);
        let submission = Submission {
            query: start.query,
            statement_type: resolved.statement.statement_type().as_str().to_owned(),
            substatement_type: resolved.statement.substatement_type().to_owned(),
            catalog: start.catalog,
            database: start.database,
            work_group: name,
            results: ResultSettings { output_location: Some(format!("{folder}{file}")), ..results },
            asked_output_location: start.results.output_location,
            parameters: start.parameters,
            reuse_max_age_minutes: start.reuse_max_age_minutes,
            submitted_ms: self.now_ms(),
            token: start.token,
            id: id.clone(),
        };

        // It is live before it is durable, so that nobody sees it durable and not live, which is what a stopped server leaves.
        let live = Arc::new(Live::default());
        {
            let mut all = self.live.lock();
            let queued_max = self.options.queued_max;
            if all.len() >= queued_max.saturating_add(self.options.running_max) {
                return Err(QueriesError::TooManyQueries { queued_max });
            }
            all.insert((account.clone(), id.clone()), live.clone());
        }
        let task = Task {
            caller: caller.clone(),
            account: account.clone(),
            id: id.clone(),
            statement: resolved.statement,
            work: resolved.work,
            work_group: submission.work_group.clone(),
            catalog: submission.catalog.clone(),
            database: submission.database.clone().unwrap_or_default(),
            output: folder,
            submitted_ms: submission.submitted_ms,
            scanned_bytes_max: group.configuration.bytes_scanned_cutoff,
        };
        let kept = submit(self, caller, account.clone(), submission).await;
        match kept {
            Ok(kept) if kept == id => {
                let queries = self.clone();
                tokio::spawn(async move { queries.see_through(task, live).await });
                Ok(id)
            }
            // the token had started it before, or it could not be kept
            other => {
                self.live.lock().remove(&(account, id));
                other
            }
        }
    }

    /// Reads the statement. `EXECUTE` becomes the prepared one, which need not be there: then the execution fails.
    fn resolve(&self, account: &AccountId, work_group: &str, start: &StartQuery) -> Result<Resolved, QueriesError> {
        let parse = |text: &str, parameters: &[String]| {
            Statement::parse(text, parameters).map_err(|source| QueriesError::Syntax { source })
        };
        let statement = parse(&start.query, &start.parameters)?;
        let work = match statement.prepared() {
            None => Work::Engine,
            Some(PreparedOperation::Execute { name, parameters }) => {
                match self.prepared_text(account, work_group, name)? {
                    Some(text) => {
                        // what stands behind USING wins over the call's own parameters
                        let parameters = if parameters.is_empty() { &start.parameters } else { parameters };
                        return Ok(Resolved { statement: parse(&text, parameters)?, work: Work::Engine });
                    }
                    None => Work::Fail(QueryError::new(
                        ErrorName::NotFound,
                        format!("Prepared statement not found: {name}"),
                    )),
                }
            }
            Some(operation) => Work::Prepared(operation.clone()),
        };
        Ok(Resolved { statement, work })
    }

    /// An execution.
    pub fn execution(&self, proof: &Authorized, id: &str) -> Result<QueryExecution, QueriesError> {
        self.execution_of(&proof.principal().account, id)
    }

    pub(super) fn execution_of(&self, account: &AccountId, id: &str) -> Result<QueryExecution, QueriesError> {
        // Taken before the snapshot: what has ended in between is final in the snapshot.
        let live = self.live.lock().get(&(account.clone(), id.to_owned())).cloned();
        let snapshot = self.snapshot()?;
        let key = name_key(account, id);
        let submission = snapshot.get(EXECUTIONS, &key)?.ok_or_else(|| QueriesError::execution(id))?;
        let mut status = snapshot.get(STATUSES, &key)?.unwrap_or_else(ExecutionStatus::queued);
        if let Some(live) = live.filter(|live| !status.state.is_final() && live.is_running()) {
            status.state = ExecutionState::Running;
            status.statistics = live.statistics(submission.submitted_ms, self.now_ms());
        }
        Ok(QueryExecution { submission, status })
    }

    /// The workgroup of an execution, to tell what a caller must be allowed. Not for telling callers.
    pub fn work_group_of_execution(&self, account: &AccountId, id: &str) -> Result<Option<String>, QueriesError> {
        Ok(self.snapshot()?.get(EXECUTIONS, &name_key(account, id))?.map(|submission| submission.work_group))
    }

    /// The ids of a workgroup's executions, newest first.
    pub fn executions(
        &self,
        proof: &Authorized,
        work_group: &str,
        token: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Listed<String>, QueriesError> {
        let account = &proof.principal().account;
        let snapshot = self.snapshot()?;
        work_group_in(&snapshot, account, work_group)?;
        let prefix = name_key(account, work_group);
        let after = token.map(|token| read_token(token, account, work_group)).transpose()?;
        let end = prefix.after_prefix();
        let from = after.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let (limit, mut items, mut last) = (page_len(limit), Vec::new(), None);
        for pair in snapshot.range(BY_WORK_GROUP, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded)) {
            if items.len() == limit {
                return Ok(Listed { items, next: last });
            }
            let (key, _) = pair?;
            let mut reader = Key::reader(key.as_bytes());
            let parts = (reader.text(), reader.text(), reader.u64_descending(), reader.text());
            if let (Some(_), Some(_), Some(at_ms), Some(id)) = parts {
                last = Some(format!("{at_ms}.{id}"));
                items.push(id);
            }
        }
        Ok(Listed { items, next: None })
    }

    /// Stops an execution. One that has ended stays as it is.
    pub fn stop(&self, proof: &Authorized, id: &str) -> Result<(), QueriesError> {
        let account = &proof.principal().account;
        self.execution_of(account, id)?;
        if let Some(live) = self.live.lock().get(&(account.clone(), id.to_owned())) {
            live.cancel.cancel();
        }
        Ok(())
    }
}

fn read_token(token: &str, account: &AccountId, work_group: &str) -> Result<Key, QueriesError> {
    let refused = || QueriesError::Token { token: token.to_owned() };
    let (at_ms, id) = token.split_once('.').ok_or_else(refused)?;
    let at_ms = at_ms.parse::<i64>().map_err(|_| refused())?;
    Ok(by_work_group(account, work_group, at_ms, id))
}

/// Keeps a new execution, or finds the one that its token has started. Answers with its id.
async fn submit(
    queries: &Queries,
    caller: &Caller,
    account: AccountId,
    submission: Submission,
) -> Result<String, QueriesError> {
    let now_ms = submission.submitted_ms;
    queries
        .commit(caller, move |tx| {
            let key = name_key(&account, &submission.id);
            if let Some(token) = &submission.token {
                let token_key = name_key(&account, token);
                let used = match tx.get(EXECUTION_TOKENS, &token_key)? {
                    Some(used) => tx.get(EXECUTIONS, &name_key(&account, &used.id))?,
                    None => None,
                };
                if let Some(earlier) = used {
                    let same = earlier.query == submission.query
                        && earlier.database == submission.database
                        && earlier.asked_output_location == submission.asked_output_location;
                    return if same { Ok(earlier.id) } else { Err(QueriesError::IdempotentParameterMismatch) };
                }
                tx.put(EXECUTION_TOKENS, &token_key, &TokenUse { id: submission.id.clone() })?;
            }
            // It may have been changed or deleted since it was looked at.
            let group = work_group_in(tx, &account, &submission.work_group)?;
            if !group.is_enabled {
                return Err(QueriesError::WorkGroupDisabled { name: submission.work_group });
            }
            keep_primary(tx, &account, now_ms)?;
            tx.put(EXECUTIONS, &key, &submission)?;
            tx.put(STATUSES, &key, &ExecutionStatus::queued())?;
            tx.put(UNFINISHED, &key, &Present)?;
            let Submission { id, work_group, .. } = &submission;
            tx.put(BY_WORK_GROUP, &by_work_group(&account, work_group, now_ms, id), &Present)?;
            tx.put(BY_TIME, &by_time(&account, now_ms, id), &Present)?;
            Ok(submission.id)
        })
        .await
}
