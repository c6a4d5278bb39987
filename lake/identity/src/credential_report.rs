//! The credentials that an account's root and users have, as they were when they were last written down.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreExt};
use tarn_types::Arn;

use crate::access_keys::root_keys;
use crate::entity_policies::last_part;
use crate::login_profiles::password_times;
use crate::records::{
    ACCESS_KEYS, ACCOUNTS, AccessKeyStatus, CREDENTIAL_REPORTS, CredentialReportRecord, USER_ACCESS_KEYS, USER_NAMES,
    USERS, UserNameRecord, account_key, in_account,
};
use crate::{ACCESS_KEYS_PER_USER_MAX, Identity, IdentityError, LastUse};

/// A report is good for four hours; then another must be made.
const AGE_MS_MAX: i64 = 4 * 3_600_000;

/// An access key in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedKey {
    /// Whether it may be used.
    pub is_active: bool,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last used, milliseconds since 1970, in which region and service.
    pub last_use: Option<(i64, String, String)>,
}

/// What somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRow {
    /// The user; `None` for root.
    pub user_name: Option<String>,
    /// Its ARN.
    pub arn: Arn,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When its password was set, and when it must be changed, milliseconds since 1970; `None` without one.
    pub password: Option<(i64, Option<i64>)>,
    /// Its access keys.
    pub keys: Vec<ReportedKey>,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialReport {
    /// When it was made, milliseconds since 1970.
    pub generated_ms: i64,
    /// Root first, and then users in the order of their names.
    pub rows: Vec<CredentialRow>,
}

impl Identity {
    fn reported_keys(
        &self,
        read: &impl Read,
        account: &tarn_types::AccountId,
        keys: &Key,
    ) -> Result<Vec<ReportedKey>, IdentityError> {
        let mut found = Vec::new();
        for item in read.prefix(USER_ACCESS_KEYS, keys).take(ACCESS_KEYS_PER_USER_MAX) {
            let Some(id) = last_part(&item?.0, keys) else { continue };
            let Some(record) = read.get(ACCESS_KEYS, &Key::new().text(&id))? else { continue };
            let last = self.access_key_use(account, &id)?.and_then(|used| used.last);
            found.push(ReportedKey {
                is_active: record.status == AccessKeyStatus::Active,
                created_ms: record.created_ms,
                last_use: last.map(|LastUse { at_ms, service, region }| (at_ms, region, service)),
            });
        }
        found.sort_by_key(|key| key.created_ms);
        Ok(found)
    }

    /// Writes down what credentials there are, unless that was done of late; says whether it was.
    pub async fn generate_credential_report(&self, caller: &Caller) -> Result<(), IdentityError> {
        let (account, now_ms) = (caller.scope().account.clone(), caller.time_ms());
        let snapshot = self.store.read()?;
        let known = snapshot.get(CREDENTIAL_REPORTS, &account_key(&account))?;
        if known.is_some_and(|report| now_ms - report.generated_ms < AGE_MS_MAX) {
            return Ok(());
        }
        let of_account = snapshot.get(ACCOUNTS, &account_key(&account))?;
        let mut rows = vec![CredentialRow {
            user_name: None,
            arn: Arn::iam(&account, "root"),
            created_ms: of_account.map_or(0, |account| account.created_ms),
            password: None,
            keys: self.reported_keys(&snapshot, &account, &root_keys(&account))?,
        }];
        for item in snapshot.prefix(USER_NAMES, &account_key(&account)) {
            let UserNameRecord { user_id } = item?.1;
            let of_user = in_account(&account, &user_id);
            let Some(user) = snapshot.get(USERS, &of_user)? else { continue };
            rows.push(CredentialRow {
                arn: Arn::iam(&account, format!("user{}{}", user.path, user.name)),
                user_name: Some(user.name),
                created_ms: user.created_ms,
                password: password_times(&snapshot, &account, &user_id)?,
                keys: self.reported_keys(&snapshot, &account, &of_user)?,
            });
        }
        self.commit(caller, move |tx| {
            let report = CredentialReportRecord { generated_ms: now_ms, rows };
            Ok(tx.put(CREDENTIAL_REPORTS, &account_key(&account), &report)?)
        })
        .await
    }

    /// The last report.
    pub fn get_credential_report(&self, caller: &Caller) -> Result<CredentialReport, IdentityError> {
        let found = self.store.read()?.get(CREDENTIAL_REPORTS, &account_key(&caller.scope().account))?;
        let CredentialReportRecord { generated_ms, rows } = found.ok_or(IdentityError::NoCredentialReport)?;
        if caller.time_ms() - generated_ms >= AGE_MS_MAX {
            return Err(IdentityError::CredentialReportExpired);
        }
        Ok(CredentialReport { generated_ms, rows })
    }
}
