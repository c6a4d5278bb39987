//! Prepared statements: texts with `?` that workgroups keep by name. Knows no run.

use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use super::keyspaces::{PREPARED_STATEMENTS, in_work_group, name_key};
use super::workgroups::work_group_in;
use super::{Listed, PREPARED_STATEMENTS_MAX, Queries, QueriesError, ask, page_len};
use crate::statement::{PreparedOperation, STATEMENT_SIZE_BYTES_MAX};

/// A prepared statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedStatement {
    /// Its name.
    pub name: String,
    /// The text.
    pub query: String,
    /// For people.
    pub description: Option<String>,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
}

impl Record for PreparedStatement {
    const VERSION: u16 = 1;
}

fn not_found(name: &str) -> QueriesError {
    QueriesError::NotFound { what: "PreparedStatement", name: name.to_owned() }
}

impl Queries {
    /// Keeps a statement under a new name.
    pub async fn create_prepared_statement(
        &self,
        caller: &Caller,
        work_group: &str,
        name: &str,
        query: String,
        description: Option<String>,
    ) -> Result<(), QueriesError> {
        self.put_prepared(caller, work_group, name, query, description, false).await
    }

    /// Keeps another statement under a name that is there.
    pub async fn update_prepared_statement(
        &self,
        caller: &Caller,
        work_group: &str,
        name: &str,
        query: String,
        description: Option<String>,
    ) -> Result<(), QueriesError> {
        self.put_prepared(caller, work_group, name, query, description, true).await
    }

    async fn put_prepared(
        &self,
        caller: &Caller,
        work_group: &str,
        name: &str,
        query: String,
        description: Option<String>,
        is_update: bool,
    ) -> Result<(), QueriesError> {
        if query.len() > STATEMENT_SIZE_BYTES_MAX {
            return Err(QueriesError::Limit { what: "Bytes of a statement", limit: STATEMENT_SIZE_BYTES_MAX });
        }
        let statement = PreparedStatement { name: name.to_owned(), query, description, modified_ms: self.now_ms() };
        let (account, work_group) = (caller.scope().account.clone(), work_group.to_owned());
        self.commit(caller, move |tx| {
            work_group_in(tx, &account, &work_group)?;
            let key = in_work_group(&account, &work_group, &statement.name);
            match (tx.contains(PREPARED_STATEMENTS, &key)?, is_update) {
                (true, false) => return Err(QueriesError::Exists { what: "PreparedStatement", name: statement.name }),
                (false, true) => return Err(not_found(&statement.name)),
                (true, true) => {}
                (false, false) => {
                    let all = tx.prefix(PREPARED_STATEMENTS, &name_key(&account, &work_group));
                    if all.take(PREPARED_STATEMENTS_MAX).count() >= PREPARED_STATEMENTS_MAX {
                        return Err(QueriesError::Limit { what: "PreparedStatements", limit: PREPARED_STATEMENTS_MAX });
                    }
                }
            }
            Ok(tx.put(PREPARED_STATEMENTS, &key, &statement)?)
        })
        .await
    }

    /// A prepared statement.
    pub fn prepared_statement(
        &self,
        proof: &Authorized,
        work_group: &str,
        name: &str,
    ) -> Result<PreparedStatement, QueriesError> {
        let (account, snapshot) = (&proof.principal().account, self.snapshot()?);
        work_group_in(&snapshot, account, work_group)?;
        snapshot.get(PREPARED_STATEMENTS, &in_work_group(account, work_group, name))?.ok_or_else(|| not_found(name))
    }

    /// A workgroup's prepared statements by name.
    pub fn prepared_statements(
        &self,
        proof: &Authorized,
        work_group: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Listed<PreparedStatement>, QueriesError> {
        let (account, snapshot) = (&proof.principal().account, self.snapshot()?);
        work_group_in(&snapshot, account, work_group)?;
        let prefix = name_key(account, work_group);
        let (end, limit) = (prefix.after_prefix(), page_len(limit));
        let start = after.map(|after| in_work_group(account, work_group, after));
        let from = start.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let range = snapshot.range(PREPARED_STATEMENTS, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded));
        let mut items = range.take(limit + 1).map(|pair| Ok(pair?.1)).collect::<Result<Vec<_>, QueriesError>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|statement| statement.name.clone());
        Ok(Listed { items, next })
    }

    /// Drops a prepared statement.
    pub async fn delete_prepared_statement(
        &self,
        caller: &Caller,
        work_group: &str,
        name: &str,
    ) -> Result<(), QueriesError> {
        let (account, work_group, name) = (caller.scope().account.clone(), work_group.to_owned(), name.to_owned());
        self.commit(caller, move |tx| {
            let key = in_work_group(&account, &work_group, &name);
            if !tx.contains(PREPARED_STATEMENTS, &key)? {
                return Err(not_found(&name));
            }
            Ok(tx.delete(PREPARED_STATEMENTS, &key)?)
        })
        .await
    }

    pub(super) fn prepared_text(
        &self,
        account: &AccountId,
        work_group: &str,
        name: &str,
    ) -> Result<Option<String>, QueriesError> {
        let found = self.snapshot()?.get(PREPARED_STATEMENTS, &in_work_group(account, work_group, name))?;
        Ok(found.map(|statement| statement.query))
    }

    /// What a statement asks for: as its caller, who must be allowed what the API's operation needs.
    pub(super) async fn do_prepared(
        &self,
        caller: &Caller,
        work_group: &str,
        operation: PreparedOperation,
    ) -> Result<(), QueriesError> {
        match operation {
            PreparedOperation::Prepare { name, statement } => {
                ask(caller, "athena:CreatePreparedStatement", work_group)?;
                self.create_prepared_statement(caller, work_group, &name, statement, None).await
            }
            PreparedOperation::Deallocate { name } => {
                ask(caller, "athena:DeletePreparedStatement", work_group)?;
                self.delete_prepared_statement(caller, work_group, &name).await
            }
            PreparedOperation::Execute { name, .. } => Err(not_found(&name)),
        }
    }
}
