//! What callers must be allowed. These actions have no resource to name; the account asked about must be the caller's own.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>

use tarn_aws_model::s3control::{
    DeletePublicAccessBlockRequest, GetPublicAccessBlockRequest, PutPublicAccessBlockRequest, SERVICE,
};
use tarn_aws_protocol::AwsError;
use tarn_objects::Objects;
use tarn_policy::Requirement;
use tarn_types::Scope;

fn of_own_account(action: &'static str, account: Option<&String>, scope: &Scope) -> Result<Vec<Requirement>, AwsError> {
    match account {
        Some(account) if *account == scope.account.as_str() => Ok(vec![Requirement::any(action)]),
        Some(_) | None => Err(AwsError::access_denied(&SERVICE, "Access Denied: an account is for its own identities")),
    }
}

pub(crate) fn get_public_access_block(
    _: &Objects,
    input: &GetPublicAccessBlockRequest,
    scope: &Scope,
) -> Result<Vec<Requirement>, AwsError> {
    of_own_account("s3:GetAccountPublicAccessBlock", input.account_id.as_ref(), scope)
}

pub(crate) fn put_public_access_block(
    _: &Objects,
    input: &PutPublicAccessBlockRequest,
    scope: &Scope,
) -> Result<Vec<Requirement>, AwsError> {
    of_own_account("s3:PutAccountPublicAccessBlock", input.account_id.as_ref(), scope)
}

pub(crate) fn delete_public_access_block(
    _: &Objects,
    input: &DeletePublicAccessBlockRequest,
    scope: &Scope,
) -> Result<Vec<Requirement>, AwsError> {
    of_own_account("s3:PutAccountPublicAccessBlock", input.account_id.as_ref(), scope)
}
