//! An account as a whole on the wire: what it has in numbers, its alias, what it asks of passwords.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{Identity, PasswordPolicy};

use crate::convert::required;
use crate::errors::to_aws;

pub(crate) async fn summary(
    identity: Arc<Identity>,
    caller: Caller,
    _: Unit,
) -> Result<wire::GetAccountSummaryResponse, AwsError> {
    let found = identity.account_summary(&caller).map_err(to_aws)?;
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let map = found.into_iter().map(|(name, count)| (name.to_owned(), number(count))).collect();
    Ok(wire::GetAccountSummaryResponse { summary_map: Some(map) })
}

pub(crate) async fn create_alias(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateAccountAliasRequest,
) -> Result<Unit, AwsError> {
    let alias = required(input.account_alias, "AccountAlias")?;
    identity.create_account_alias(&caller, &alias).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn list_aliases(
    identity: Arc<Identity>,
    caller: Caller,
    _: wire::ListAccountAliasesRequest,
) -> Result<wire::ListAccountAliasesResponse, AwsError> {
    let found = identity.account_alias(&caller).map_err(to_aws)?;
    Ok(wire::ListAccountAliasesResponse {
        account_aliases: Some(found.into_iter().collect()),
        is_truncated: Some(false),
        marker: None,
    })
}

pub(crate) async fn delete_alias(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteAccountAliasRequest,
) -> Result<Unit, AwsError> {
    let alias = required(input.account_alias, "AccountAlias")?;
    identity.delete_account_alias(&caller, &alias).await.map_err(to_aws)?;
    Ok(Unit::default())
}

/// A policy that leaves something out asks for it no more: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html>
const LENGTH_MIN_DEFAULT: i32 = 6;

fn number(value: Option<i32>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok())
}

pub(crate) async fn update_password_policy(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateAccountPasswordPolicyRequest,
) -> Result<Unit, AwsError> {
    let policy = PasswordPolicy {
        length_min: number(input.minimum_password_length.or(Some(LENGTH_MIN_DEFAULT))).unwrap_or_default(),
        needs_symbols: input.require_symbols.unwrap_or(false),
        needs_numbers: input.require_numbers.unwrap_or(false),
        needs_uppercase: input.require_uppercase_characters.unwrap_or(false),
        needs_lowercase: input.require_lowercase_characters.unwrap_or(false),
        users_may_change: input.allow_users_to_change_password.unwrap_or(false),
        age_days_max: number(input.max_password_age),
        remembered: number(input.password_reuse_prevention),
        hard_expiry: input.hard_expiry,
    };
    identity.put_password_policy(&caller, policy).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn get_password_policy(
    identity: Arc<Identity>,
    caller: Caller,
    _: Unit,
) -> Result<wire::GetAccountPasswordPolicyResponse, AwsError> {
    let policy = identity.get_password_policy(&caller).map_err(to_aws)?;
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let password_policy = wire::PasswordPolicy {
        minimum_password_length: Some(number(policy.length_min)),
        require_symbols: Some(policy.needs_symbols),
        require_numbers: Some(policy.needs_numbers),
        require_uppercase_characters: Some(policy.needs_uppercase),
        require_lowercase_characters: Some(policy.needs_lowercase),
        allow_users_to_change_password: Some(policy.users_may_change),
        expire_passwords: Some(policy.age_days_max.is_some()),
        max_password_age: policy.age_days_max.map(number),
        password_reuse_prevention: policy.remembered.map(number),
        hard_expiry: policy.hard_expiry,
    };
    Ok(wire::GetAccountPasswordPolicyResponse { password_policy: Some(password_policy) })
}

pub(crate) async fn delete_password_policy(identity: Arc<Identity>, caller: Caller, _: Unit) -> Result<Unit, AwsError> {
    identity.delete_password_policy(&caller).await.map_err(to_aws)?;
    Ok(Unit::default())
}
