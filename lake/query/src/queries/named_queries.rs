//! Named queries: statements that are kept for people. Knows no run.

use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record, Tx};
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;
use tarn_types::AccountId;

use super::keyspaces::{NAMED_BY_WORK_GROUP, NAMED_QUERIES, NAMED_QUERY_TOKENS, account_key, in_work_group, name_key};
use super::records::{Present, TokenUse};
use super::workgroups::{PRIMARY, last_part, work_group_in};
use super::{Listed, NAMED_QUERIES_MAX, Queries, QueriesError, page_len};
use crate::statement::STATEMENT_SIZE_BYTES_MAX;

/// A named query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedQuery {
    /// A UUID.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The database it is meant for.
    pub database: String,
    /// The text.
    pub query: String,
    /// Its workgroup.
    pub work_group: String,
    /// The token it was made with.
    token: Option<String>,
}

impl Record for NamedQuery {
    const VERSION: u16 = 1;
}

/// What the caller says of a named query.
#[derive(Debug, Clone, Default)]
pub struct CreateNamedQuery {
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The database it is meant for.
    pub database: String,
    /// The text.
    pub query: String,
    /// `primary` if none is named.
    pub work_group: Option<String>,
    /// The same token makes the same query once.
    pub token: Option<String>,
}

fn not_found(id: &str) -> QueriesError {
    QueriesError::NotFound { what: "NamedQuery", name: id.to_owned() }
}

fn check(query: &str) -> Result<(), QueriesError> {
    if query.len() > STATEMENT_SIZE_BYTES_MAX {
        return Err(QueriesError::Limit { what: "Bytes of a statement", limit: STATEMENT_SIZE_BYTES_MAX });
    }
    Ok(())
}

/// Removes a named query; nothing if it is not there.
pub(super) fn remove_in(tx: &mut Tx<'_>, account: &AccountId, id: &str) -> Result<(), QueriesError> {
    let key = name_key(account, id);
    if let Some(query) = tx.get(NAMED_QUERIES, &key)? {
        tx.delete(NAMED_BY_WORK_GROUP, &in_work_group(account, &query.work_group, id))?;
        if let Some(token) = &query.token {
            tx.delete(NAMED_QUERY_TOKENS, &name_key(account, token))?;
        }
        tx.delete(NAMED_QUERIES, &key)?;
    }
    Ok(())
}

impl Queries {
    /// Keeps a query. Answers with its id.
    pub async fn create_named_query(&self, caller: &Caller, create: CreateNamedQuery) -> Result<String, QueriesError> {
        check(&create.query)?;
        let query = NamedQuery {
            id: self.runtime.entropy.uuid().to_string(),
            name: create.name,
            description: create.description,
            database: create.database,
            query: create.query,
            work_group: create.work_group.unwrap_or_else(|| PRIMARY.to_owned()),
            token: create.token,
        };
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            work_group_in(tx, &account, &query.work_group)?;
            if let Some(token) = &query.token {
                let key = name_key(&account, token);
                if let Some(used) = tx.get(NAMED_QUERY_TOKENS, &key)?
                    && let Some(earlier) = tx.get(NAMED_QUERIES, &name_key(&account, &used.id))?
                {
                    let same = NamedQuery { id: earlier.id.clone(), ..query.clone() } == earlier;
                    return if same { Ok(earlier.id) } else { Err(QueriesError::IdempotentParameterMismatch) };
                }
                tx.put(NAMED_QUERY_TOKENS, &key, &TokenUse { id: query.id.clone() })?;
            }
            if tx.prefix(NAMED_QUERIES, &account_key(&account)).take(NAMED_QUERIES_MAX).count() >= NAMED_QUERIES_MAX {
                return Err(QueriesError::Limit { what: "NamedQueries", limit: NAMED_QUERIES_MAX });
            }
            tx.put(NAMED_QUERIES, &name_key(&account, &query.id), &query)?;
            tx.put(NAMED_BY_WORK_GROUP, &in_work_group(&account, &query.work_group, &query.id), &Present)?;
            Ok(query.id)
        })
        .await
    }

    /// A named query.
    pub fn named_query(&self, proof: &Authorized, id: &str) -> Result<NamedQuery, QueriesError> {
        self.snapshot()?.get(NAMED_QUERIES, &name_key(&proof.principal().account, id))?.ok_or_else(|| not_found(id))
    }

    /// The workgroup of a named query, to tell what a caller must be allowed. Not for telling callers.
    pub fn work_group_of_named_query(&self, account: &AccountId, id: &str) -> Result<Option<String>, QueriesError> {
        Ok(self.snapshot()?.get(NAMED_QUERIES, &name_key(account, id))?.map(|query| query.work_group))
    }

    /// The ids of a workgroup's named queries.
    pub fn named_queries(
        &self,
        proof: &Authorized,
        work_group: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Listed<String>, QueriesError> {
        let (account, snapshot) = (&proof.principal().account, self.snapshot()?);
        work_group_in(&snapshot, account, work_group)?;
        let prefix = name_key(account, work_group);
        let (end, limit) = (prefix.after_prefix(), page_len(limit));
        let start = after.map(|after| in_work_group(account, work_group, after));
        let from = start.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let range = snapshot.range(NAMED_BY_WORK_GROUP, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded));
        let mut items = Vec::new();
        for pair in range.take(limit + 1) {
            items.extend(last_part(pair?.0.as_bytes()));
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).cloned();
        Ok(Listed { items, next })
    }

    /// Changes a named query.
    pub async fn update_named_query(
        &self,
        caller: &Caller,
        id: &str,
        name: String,
        description: Option<String>,
        text: String,
    ) -> Result<(), QueriesError> {
        check(&text)?;
        let (account, id) = (caller.scope().account.clone(), id.to_owned());
        self.commit(caller, move |tx| {
            let key = name_key(&account, &id);
            let query = tx.get(NAMED_QUERIES, &key)?.ok_or_else(|| not_found(&id))?;
            let description = description.or_else(|| query.description.clone());
            Ok(tx.put(NAMED_QUERIES, &key, &NamedQuery { name, description, query: text, ..query })?)
        })
        .await
    }

    /// Removes a named query.
    pub async fn delete_named_query(&self, caller: &Caller, id: &str) -> Result<(), QueriesError> {
        let (account, id) = (caller.scope().account.clone(), id.to_owned());
        self.commit(caller, move |tx| {
            if !tx.contains(NAMED_QUERIES, &name_key(&account, &id))? {
                return Err(not_found(&id));
            }
            remove_in(tx, &account, &id)
        })
        .await
    }
}
