//! What is kept of queries, and under which keys. All keyspaces of the domain are declared here.

use tarn_metadata::{Key, Keyspace};
use tarn_types::AccountId;

use super::named_queries::NamedQuery;
use super::prepared_statements::PreparedStatement;
use super::records::{ExecutionStatus, Present, ResultColumns, Submission, TokenUse};
use super::workgroups::WorkGroup;

/// By account and id.
pub(super) const EXECUTIONS: Keyspace<Submission> = Keyspace::new(0x0700, "query.executions");
/// By account and id.
pub(super) const STATUSES: Keyspace<ExecutionStatus> = Keyspace::new(0x0701, "query.execution_statuses");
/// By account and id.
pub(super) const COLUMNS: Keyspace<ResultColumns> = Keyspace::new(0x0702, "query.result_columns");
/// By account, workgroup, time (newest first) and id.
pub(super) const BY_WORK_GROUP: Keyspace<Present> = Keyspace::new(0x0703, "query.executions_by_work_group");
/// By time (oldest first), account and id, of all accounts: what is to be removed.
pub(super) const BY_TIME: Keyspace<Present> = Keyspace::new(0x0704, "query.executions_by_time");
/// By account and id: executions that have not ended.
pub(super) const UNFINISHED: Keyspace<Present> = Keyspace::new(0x0705, "query.unfinished_executions");
/// By account and token: what a token has started.
pub(super) const EXECUTION_TOKENS: Keyspace<TokenUse> = Keyspace::new(0x0706, "query.execution_tokens");
/// By account and name.
pub(super) const WORK_GROUPS: Keyspace<WorkGroup> = Keyspace::new(0x0707, "query.work_groups");
/// By account, workgroup and name.
pub(super) const PREPARED_STATEMENTS: Keyspace<PreparedStatement> = Keyspace::new(0x0708, "query.prepared_statements");
/// By account and id.
pub(super) const NAMED_QUERIES: Keyspace<NamedQuery> = Keyspace::new(0x0709, "query.named_queries");
/// By account, workgroup and id.
pub(super) const NAMED_BY_WORK_GROUP: Keyspace<Present> = Keyspace::new(0x070a, "query.named_queries_by_work_group");
/// By account and token: what a token has made.
pub(super) const NAMED_QUERY_TOKENS: Keyspace<TokenUse> = Keyspace::new(0x070b, "query.named_query_tokens");

pub(super) fn account_key(account: &AccountId) -> Key {
    Key::new().text(account.as_str())
}

/// Of what has a name or an id in its account.
pub(super) fn name_key(account: &AccountId, name: &str) -> Key {
    account_key(account).text(name)
}

/// Of what has a name or an id in its workgroup.
pub(super) fn in_work_group(account: &AccountId, work_group: &str, name: &str) -> Key {
    name_key(account, work_group).text(name)
}

fn time(at_ms: i64) -> u64 {
    u64::try_from(at_ms).unwrap_or(0)
}

pub(super) fn by_work_group(submission_of: &AccountId, work_group: &str, submitted_ms: i64, id: &str) -> Key {
    name_key(submission_of, work_group).u64_descending(time(submitted_ms)).text(id)
}

pub(super) fn by_time(account: &AccountId, submitted_ms: i64, id: &str) -> Key {
    Key::new().u64(time(submitted_ms)).text(account.as_str()).text(id)
}

/// Before all that were submitted at `at_ms` or later.
pub(super) fn time_bound(at_ms: i64) -> Key {
    Key::new().u64(time(at_ms))
}
