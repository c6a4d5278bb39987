//! One decision: policy sets in, an answer with its reason out. Knows no store and makes no proof.
//!
//! Each set of policies answers on its own; how the answers combine is `decide`. Further sets (boundaries, sessions, organisations)
//! are further fields of `PolicySets` and further lines of `decide`:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::sync::Arc;

use tarn_types::{AccountId, Arn};

use crate::document::{Effect, Policy};
use crate::facts::Facts;
use crate::grants::Granted;
use crate::principal::{Principal, PrincipalKind};
use crate::principals::Mention;
use crate::proof::{Context, DeniedBecause};

/// Actions by which an owner's root gets back into a bucket that its policy locks:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html>
const ROOT_ALWAYS: &[&str] = &["s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"];

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// `s3:GetObject`.
    pub action: &'a str,
    /// On what; `None` reads as `*`.
    pub resource: Option<&'a Arn>,
    /// Who owns it; `None` if nobody is known to, and then it counts as the principal's own.
    pub resource_owner: Option<&'a AccountId>,
    /// Condition keys of the action.
    pub own: &'a Context,
    /// Condition keys of the request.
    pub request: &'a Context,
    /// Whether it is about a thing that will be the principal's own: see `Requirement`.
    pub of_callers_own: bool,
}

/// Which policies a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySet {
    /// Those of the identity that asks.
    Identity,
    /// That of the resource.
    Resource,
    /// The permissions boundary of the identity.
    Boundary,
    /// Those that narrow the session.
    Session,
}

/// The policies that bear on a question.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicySets<'a> {
    /// Of the identity.
    pub identity: &'a [Arc<Policy>],
    /// The most that the identity may be allowed by its policies: its permissions boundary, if it has one.
    pub boundary: Option<&'a Policy>,
    /// The most that the session may be allowed by the identity's policies; `None` if nothing narrows it.
    pub session: Option<&'a [Arc<Policy>]>,
    /// Of the resource.
    pub resource: Option<&'a Policy>,
    /// Whether the resource's policy must speak: an identity's counts only where it passes the right on to the account. So it is with
    /// KMS keys: <https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html>
    pub resource_decides: bool,
    /// What the resource's access control lists grant.
    pub grants: &'a [Granted],
    /// Whether the resource's policy can only deny.
    pub resource_only_denies: bool,
    /// Set where nobody but this account's identities and services is let in.
    pub only_for: Option<&'a AccountId>,
    /// Whether the owner's root cannot get back into a policy that locks it out.
    pub binds_root: bool,
}

/// A statement that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementRef {
    /// In which set.
    pub set: PolicySet,
    /// Which policy of the set.
    pub policy: usize,
    /// Which statement of the policy.
    pub statement: usize,
}

/// What one set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement denies.
    ExplicitDeny(StatementRef),
    /// A statement allows the principal itself.
    Allow(StatementRef),
    /// A statement allows the role whose session the principal is.
    AllowRole(StatementRef),
    /// A statement allows the principal's account, which may pass it on.
    AllowAccount(StatementRef),
    /// No statement speaks.
    ImplicitDeny,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// `None` is a yes.
    pub refused: Option<DeniedBecause>,
    /// The statement that decided; `None` where no statement did: root's right, a list's grant, or nothing that allows.
    pub by: Option<StatementRef>,
}

impl Decision {
    /// Whether it is a yes.
    pub fn is_allowed(&self) -> bool {
        self.refused.is_none()
    }
}

fn verdict<'p>(
    set: PolicySet,
    policies: impl Iterator<Item = &'p Policy>,
    action: &str,
    resource: &str,
    facts: &Facts<'_>,
) -> Verdict {
    let mut best = Verdict::ImplicitDeny;
    for (policy_at, policy) in policies.enumerate() {
        for (statement_at, statement) in policy.statements.iter().enumerate() {
            // What cannot change the answer is not matched.
            if statement.effect == Effect::Allow && matches!(best, Verdict::Allow(_)) {
                continue;
            }
            let found = StatementRef { set, policy: policy_at, statement: statement_at };
            match (statement.applies(action, resource, facts), statement.effect) {
                (Mention::None, _) => {}
                (Mention::Account | Mention::Role | Mention::Direct, Effect::Deny) => {
                    return Verdict::ExplicitDeny(found);
                }
                (Mention::Direct, Effect::Allow) => best = Verdict::Allow(found),
                (Mention::Role, Effect::Allow) => best = Verdict::AllowRole(found),
                (Mention::Account, Effect::Allow) if matches!(best, Verdict::AllowRole(_)) => {}
                (Mention::Account, Effect::Allow) => best = Verdict::AllowAccount(found),
            }
        }
    }
    best
}

/// What sessions of users cannot do whatever policies say: manage identities, or make further sessions of users. Those of GetSessionToken
/// can take roles: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html>
fn is_barred(principal: &Principal, action: &str) -> bool {
    let of_identities = action.starts_with("iam:") || action.starts_with("sts:");
    match &principal.kind {
        PrincipalKind::Root | PrincipalKind::User { .. } => {
            of_identities
                && principal.standing.session.is_some()
                && !matches!(action, "sts:assumerole" | "sts:tagsession" | "sts:setsourceidentity")
        }
        PrincipalKind::FederatedUser { .. } => of_identities,
        PrincipalKind::AssumedRole { .. }
        | PrincipalKind::Service { .. }
        | PrincipalKind::Anonymous
        | PrincipalKind::WebIdentity { .. } => false,
    }
}

/// Decides one question.
pub fn decide(question: &Question<'_>, sets: &PolicySets<'_>) -> Decision {
    let Question { principal, action, resource, resource_owner, own, request, of_callers_own } = *question;
    let facts = Facts::new(principal, resource_owner, own, request);
    let action = action.to_ascii_lowercase();
    let resource = resource.map_or_else(|| "*".to_owned(), Arn::to_string);
    let same_account = resource_owner.is_none_or(|owner| *owner == principal.account);
    let is_service = matches!(principal.kind, PrincipalKind::Service { .. });

    let identity =
        verdict(PolicySet::Identity, sets.identity.iter().map(|policy| &**policy), &action, &resource, &facts);
    let boundary =
        sets.boundary.map(|policy| verdict(PolicySet::Boundary, std::iter::once(policy), &action, &resource, &facts));
    let session = sets.session.map(|policies| {
        verdict(PolicySet::Session, policies.iter().map(|policy| &**policy), &action, &resource, &facts)
    });
    let of_resource = verdict(PolicySet::Resource, sets.resource.into_iter(), &action, &resource, &facts);

    let allowed = |by| Decision { refused: None, by };
    let refused = |because, by| Decision { refused: Some(because), by };

    if is_barred(principal, &action) {
        return refused(DeniedBecause::NoSessionPolicyAllows, None);
    }

    if let Verdict::ExplicitDeny(by) = identity {
        return refused(DeniedBecause::IdentityPolicy, Some(by));
    }
    if let Some(Verdict::ExplicitDeny(by)) = boundary {
        return refused(DeniedBecause::Boundary, Some(by));
    }
    if let Some(Verdict::ExplicitDeny(by)) = session {
        return refused(DeniedBecause::SessionPolicy, Some(by));
    }
    if let Verdict::ExplicitDeny(by) = of_resource {
        let way_back = principal.kind == PrincipalKind::Root
            && same_account
            && !sets.binds_root
            && ROOT_ALWAYS.contains(&action.as_str());
        if !way_back {
            return refused(DeniedBecause::ResourcePolicy, Some(by));
        }
    }
    if let Some(account) = sets.only_for
        && !is_service
        && (principal.is_anonymous() || principal.account != *account)
    {
        return refused(DeniedBecause::PublicPolicyRestricted, None);
    }
    // What is not allowed by these is not allowed by identity policies either, nor to a session by its role's name.
    let beyond = match (boundary, session) {
        (Some(verdict), _) if !matches!(verdict, Verdict::Allow(_)) => Some(DeniedBecause::NoBoundaryAllows),
        (_, Some(verdict)) if !matches!(verdict, Verdict::Allow(_)) => Some(DeniedBecause::NoSessionPolicyAllows),
        _ => None,
    };
    // Root, and a service by the account's own configuration, may in their account what the account may; no policy is attached to them.
    let (identity_allows, by_identity) = match (&principal.kind, identity) {
        (PrincipalKind::Root | PrincipalKind::Service { .. }, _) => (true, None),
        (
            PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. },
            Verdict::Allow(by),
        ) => (true, Some(by)),
        (
            PrincipalKind::User { .. }
            | PrincipalKind::AssumedRole { .. }
            | PrincipalKind::FederatedUser { .. }
            | PrincipalKind::WebIdentity { .. }
            | PrincipalKind::Anonymous,
            _,
        ) => (false, None),
    };
    let own_allows = identity_allows;
    let identity_allows = own_allows && beyond.is_none();
    let by_policy = match of_resource {
        Verdict::Allow(by) if !sets.resource_only_denies => (Mention::Direct, Some(by)),
        Verdict::AllowRole(by) if !sets.resource_only_denies => (Mention::Role, Some(by)),
        Verdict::AllowAccount(by) if !sets.resource_only_denies => (Mention::Account, Some(by)),
        _ => (Mention::None, None),
    };
    let by_list = sets.grants.iter().map(|granted| granted.mention(principal, &action)).max().unwrap_or(Mention::None);
    let (mention, by) = if by_list > by_policy.0 { (by_list, None) } else { by_policy };
    if principal.is_anonymous() {
        // Nobody's thing is nobody's to guard: who may put it may say who sees it.
        return if mention == Mention::Direct || of_callers_own {
            allowed(by)
        } else {
            refused(DeniedBecause::NothingAllows, None)
        };
    }
    // A role trusts a service by its name alone: what its account may is not passed on to services.
    if is_service && action == "sts:assumerole" && mention != Mention::Direct {
        return refused(DeniedBecause::NoResourcePolicyAllows, None);
    }
    match mention {
        Mention::Direct if same_account => allowed(by),
        Mention::Role if same_account => match beyond {
            None => allowed(by),
            Some(because) => refused(because, None),
        },
        // Allowed by its own policies, and not within what limits them.
        _ if own_allows && let Some(because) = beyond => refused(because, None),
        Mention::None if sets.resource_decides => refused(DeniedBecause::NoResourcePolicyAllows, None),
        Mention::Account if sets.resource_decides && identity_allows => allowed(by_identity.or(by)),
        _ if (same_account || of_callers_own) && identity_allows => allowed(by_identity),
        Mention::Direct | Mention::Role | Mention::Account if identity_allows => allowed(by_identity.or(by)),
        _ if !same_account && identity_allows => refused(DeniedBecause::NoResourcePolicyAllows, None),
        _ => refused(DeniedBecause::NothingAllows, None),
    }
}
