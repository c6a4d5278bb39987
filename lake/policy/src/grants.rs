//! What a resource's access control lists grant, resolved to actions: one more source of an allowance beside policies.
//! Knows neither the lists' form nor which permission means which action.

use tarn_types::AccountId;

use crate::principal::{Principal, PrincipalKind};
use crate::principals::Mention;

/// Whom a list grants something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantedTo {
    /// Everyone, nobody in particular included.
    Everyone,
    /// Everyone who has signed.
    Authenticated,
    /// An account, which may pass it on to its users.
    Account(AccountId),
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
            GrantedTo::Authenticated | GrantedTo::Account(_) => Mention::None,
        }
    }
}
