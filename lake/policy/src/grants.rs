//! What a resource's access control lists, or a key's grants, allow, resolved to actions: one more source of an allowance beside policies.
//! Knows neither the form of lists and grants nor which permission means which action.

use tarn_types::{AccountId, Arn};

use crate::principal::{Principal, PrincipalKind};
use crate::principals::{Mention, Named};

/// Whom a list grants something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantedTo {
    /// Everyone, nobody in particular included.
    Everyone,
    /// Everyone who has signed.
    Authenticated,
    /// An account, which may pass it on to its users.
    Account(AccountId),
    /// A user, a role or a session, of whichever account, which needs no policy of its own then.
    Named(Arn),
}

impl GrantedTo {
    /// Whom an ARN names: an account, a user, a role or a session; `None` of anything else.
    pub fn named(arn: &str) -> Option<Self> {
        match Named::aws(arn)? {
            Named::Account(account) => Some(Self::Account(account)),
            Named::Arn(arn) => Some(Self::Named(arn)),
            Named::Everyone | Named::Entity(..) | Named::Service(_) | Named::Federated(_) | Named::Nobody => None,
        }
    }
}

/// What a list grants to one grantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Whom.
    pub to: GrantedTo,
    /// `s3:getobject`, ...: in lower case.
    pub actions: &'static [&'static str],
}

impl Granted {
    /// How this speaks of `principal` who asks for `action` (in lower case).
    pub(crate) fn mention(&self, principal: &Principal, action: &str) -> Mention {
        if !self.actions.contains(&action) {
            return Mention::None;
        }
        match &self.to {
            GrantedTo::Everyone => Mention::Direct,
            GrantedTo::Authenticated if !principal.is_anonymous() => Mention::Direct,
            GrantedTo::Account(account) if *account == principal.account => match principal.kind {
                PrincipalKind::Root => Mention::Direct,
                PrincipalKind::User { .. }
                | PrincipalKind::AssumedRole { .. }
                | PrincipalKind::FederatedUser { .. }
                | PrincipalKind::Service { .. } => Mention::Account,
                PrincipalKind::Anonymous | PrincipalKind::WebIdentity { .. } => Mention::None,
            },
            GrantedTo::Named(arn) => Named::Arn(arn.clone()).mentions(principal),
            GrantedTo::Authenticated | GrantedTo::Account(_) => Mention::None,
        }
    }

    /// As `mention`, for what is granted by name.
    pub(crate) fn mention_by_name(&self, principal: &Principal, action: &str) -> Mention {
        match self.to {
            GrantedTo::Named(_) => self.mention(principal, action),
            GrantedTo::Everyone | GrantedTo::Authenticated | GrantedTo::Account(_) => Mention::None,
        }
    }
}
