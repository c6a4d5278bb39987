//! The Principal and NotPrincipal elements: whom a statement of a resource's policy speaks of.

use tarn_types::{AccountId, Arn};

use crate::document::Effect;
use crate::principal::{Principal, PrincipalKind};

/// One principal that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// `*`: all, nobody in particular included.
    Everyone,
    /// An account: its digits or its root's ARN.
    Account(AccountId),
    /// The ARN of a user, a role or a session.
    Arn(Arn),
    /// A user or role by its ARN and its unique id: not whoever comes later by that name.
    Entity(Arn, String),
    /// A service.
    Service(String),
    /// An identity provider: its ARN.
    Federated(String),
    /// Somebody who is not here: of whom nothing but an id is known.
    Nobody,
}

/// How a statement speaks of the principal that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mention {
    /// Not at all.
    None,
    /// By its account: the account may pass it on, and does so by identity policies.
    Account,
    /// By the role whose session it is: what limits the role, and the session, limits this too.
    Role,
    /// Itself, or everyone.
    Direct,
}

/// Whom a statement speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principals {
    /// An identity's policy: whoever has it.
    Holder,
    /// `Principal`.
    These(Vec<Named>),
    /// `NotPrincipal`.
    AllBut(Vec<Named>),
}

impl Named {
    /// Reads one value of `Principal.AWS`.
    pub(crate) fn aws(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everyone);
        }
        if let Ok(account) = AccountId::new(text) {
            return Some(Self::Account(account));
        }
        let arn = Arn::parse(text).ok()?;
        let account = AccountId::new(arn.account.clone()).ok()?;
        let wild = text.contains(['*', '?']);
        let (kind, name) = arn.resource.split_once('/').unwrap_or((arn.resource.as_str(), ""));
        match (arn.service.as_str(), kind, name) {
            ("iam", "root", "") => Some(Self::Account(account)),
            ("iam", "user" | "role", name) | ("sts", "assumed-role" | "federated-user", name)
                if !name.is_empty() && !wild =>
            {
                Some(Self::Arn(arn))
            }
            _ => None,
        }
    }

    pub(crate) fn mentions(&self, principal: &Principal) -> Mention {
        let anonymous = principal.is_anonymous();
        match self {
            // Whom a provider vouches for is let in by name only.
            Self::Everyone if matches!(principal.kind, PrincipalKind::WebIdentity { .. }) => Mention::None,
            Self::Everyone => Mention::Direct,
            Self::Account(account) if !anonymous && *account == principal.account => match principal.kind {
                PrincipalKind::Root => Mention::Direct,
                // A service acts for the account by the account's own configuration.
                PrincipalKind::User { .. }
                | PrincipalKind::AssumedRole { .. }
                | PrincipalKind::FederatedUser { .. }
                | PrincipalKind::Service { .. } => Mention::Account,
                PrincipalKind::Anonymous | PrincipalKind::WebIdentity { .. } => Mention::None,
            },
            Self::Account(_) => Mention::None,
            Self::Entity(_, id) if principal.id.split(':').next() != Some(id) => Mention::None,
            Self::Arn(arn) | Self::Entity(arn, _) if principal.is_session_of(arn) => Mention::Role,
            Self::Arn(arn) | Self::Entity(arn, _) if principal.arn().as_ref() == Some(arn) => Mention::Direct,
            Self::Arn(_) | Self::Entity(..) => Mention::None,
            Self::Federated(provider) => match &principal.kind {
                PrincipalKind::WebIdentity { provider: asking, .. } if asking == provider => Mention::Direct,
                _ => Mention::None,
            },
            Self::Nobody => Mention::None,
            Self::Service(service) => match &principal.kind {
                PrincipalKind::Service { name } if name == service => Mention::Direct,
                _ => Mention::None,
            },
        }
    }
}

impl Principals {
    /// Whether all are meant but those that are named.
    #[cfg(test)]
    pub(crate) fn is_all_but(&self) -> bool {
        matches!(self, Self::AllBut(_))
    }

    /// How these speak of `principal` in a statement of `effect`.
    ///
    /// To be left out by NotPrincipal, a denied user must be named together with its account, and a session with its role and account
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html>); to be left out of an
    /// allowance, any one of its names is enough. Both err on the side of no. Who has a permissions boundary is never left out of a deny:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>
    pub(crate) fn mention(&self, principal: &Principal, effect: Effect, has_boundary: bool) -> Mention {
        match self {
            Self::Holder => Mention::Direct,
            Self::These(named) => named.iter().map(|named| named.mentions(principal)).max().unwrap_or(Mention::None),
            Self::AllBut(named) => {
                if named.contains(&Named::Everyone) {
                    return Mention::None;
                }
                let listed = |name: &Named| match name {
                    Named::Arn(arn) if principal.is_session_of(arn) => {
                        named.iter().any(|named| matches!(named, Named::Arn(arn) if principal.is_session_of(arn)))
                    }
                    name => named.contains(name),
                };
                let names = all_names(principal);
                let left_out = match effect {
                    Effect::Deny => !has_boundary && !names.is_empty() && names.iter().all(listed),
                    Effect::Allow => names.iter().any(listed),
                };
                if left_out { Mention::None } else { Mention::Direct }
            }
        }
    }
}

/// All names a policy can call a principal by.
fn all_names(principal: &Principal) -> Vec<Named> {
    match &principal.kind {
        PrincipalKind::Anonymous => Vec::new(),
        PrincipalKind::Service { name } => vec![Named::Service(name.clone())],
        PrincipalKind::Root => vec![Named::Account(principal.account.clone())],
        PrincipalKind::WebIdentity { provider, .. } => vec![Named::Federated(provider.clone())],
        PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. } => {
            let arns = principal.arn().into_iter().chain(principal.role_arn()).map(Named::Arn);
            std::iter::once(Named::Account(principal.account.clone())).chain(arns).collect()
        }
    }
}
