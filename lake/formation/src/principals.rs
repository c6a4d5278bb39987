//! Whom grants are made to, and which of them somebody who asks is.
//! <https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-reference.html>

use tarn_policy::{Principal, PrincipalKind};
use tarn_types::{AccountId, Arn};

use crate::FormationError;

/// Whoever IAM allows: while it has its grant on a thing, nobody needs another.
pub const IAM_ALLOWED_PRINCIPALS: &str = "IAM_ALLOWED_PRINCIPALS";

/// Somebody that a grant is made to, in AWS's form: a user's or role's ARN, an account, `ACCOUNT:IAMPrincipals`, or `IAM_ALLOWED_PRINCIPALS`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LakePrincipal(String);

impl LakePrincipal {
    /// Reads what a caller of `account` wrote.
    pub fn parse(account: &AccountId, text: &str) -> Result<Self, FormationError> {
        let invalid = || FormationError::InvalidPrincipal { principal: text.to_owned() };
        let own = |id: &str| match id == account.as_str() {
            true => Ok(()),
            // Another account's principals have no way to this account's catalog.
            false => Err(invalid()),
        };
        if text == IAM_ALLOWED_PRINCIPALS {
            return Ok(Self(text.to_owned()));
        }
        if AccountId::new(text).is_ok() {
            own(text)?;
            return Ok(Self(text.to_owned()));
        }
        if let Some(id) = text.strip_suffix(":IAMPrincipals") {
            own(id)?;
            return Ok(Self(text.to_owned()));
        }
        let arn: Arn = Arn::parse(text).map_err(|_| invalid())?;
        if arn.service != "iam" || !(arn.resource.starts_with("user/") || arn.resource.starts_with("role/")) {
            return Err(invalid());
        }
        own(&arn.account)?;
        Ok(Self(text.to_owned()))
    }

    /// As AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// All names that somebody who asks can be granted something by.
pub(crate) fn names_of(principal: &Principal) -> Vec<String> {
    let own = match &principal.kind {
        PrincipalKind::User { .. } => principal.arn().map(|arn| arn.to_string()),
        PrincipalKind::AssumedRole { .. } => principal.role_arn().map(|arn| arn.to_string()),
        PrincipalKind::Root => None,
        PrincipalKind::Service { .. }
        | PrincipalKind::FederatedUser { .. }
        | PrincipalKind::WebIdentity { .. }
        | PrincipalKind::Anonymous => return Vec::new(),
    };
    let account = principal.account.as_str();
    own.into_iter().chain([account.to_owned(), format!("{account}:IAMPrincipals")]).collect()
}

/// Who needs no grants: the account itself, whose catalog it is, and the lake's own workers, whom a configuration of the account sent.
pub(crate) fn is_beyond_grants(principal: &Principal) -> bool {
    matches!(principal.kind, PrincipalKind::Root | PrincipalKind::Service { .. })
}
