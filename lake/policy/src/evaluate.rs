//! One decision: policy sets in, an answer with its reason out. Knows no store and makes no proof.
//!
//! Each set of policies answers on its own; how the answers combine is `decide`. Further sets (boundaries, sessions, organisations)
//! are further fields of `PolicySets` and further lines of `decide`:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::sync::Arc;

use tarn_types::{AccountId, Arn};

use crate::document::{Effect, Policy};
use crate::facts::Facts;
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
}

/// Which policies a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySet {
    /// Those of the identity that asks.
    Identity,
    /// That of the resource.
    Resource,
}

/// The policies that bear on a question.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicySets<'a> {
    /// Of the identity.
    pub identity: &'a [Arc<Policy>],
    /// Of the resource.
    pub resource: Option<&'a Policy>,
    /// Whether the resource's policy must speak: an identity's counts only where it passes the right on to the account. So it is with
    /// KMS keys: <https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html>
    pub resource_decides: bool,
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
    /// The statement that decided; `None` where no statement did: root's right, or nothing that allows.
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
                (Mention::Account | Mention::Direct, Effect::Deny) => return Verdict::ExplicitDeny(found),
                (Mention::Direct, Effect::Allow) => best = Verdict::Allow(found),
                (Mention::Account, Effect::Allow) => best = Verdict::AllowAccount(found),
            }
        }
    }
    best
}

/// Decides one question.
pub fn decide(question: &Question<'_>, sets: &PolicySets<'_>) -> Decision {
    let Question { principal, action, resource, resource_owner, own, request } = *question;
    let facts = Facts::new(principal, resource_owner, own, request);
    let action = action.to_ascii_lowercase();
    let resource = resource.map_or_else(|| "*".to_owned(), Arn::to_string);
    let same_account = resource_owner.is_none_or(|owner| *owner == principal.account);

    let identity =
        verdict(PolicySet::Identity, sets.identity.iter().map(|policy| &**policy), &action, &resource, &facts);
    let of_resource = verdict(PolicySet::Resource, sets.resource.into_iter(), &action, &resource, &facts);

    let allowed = |by| Decision { refused: None, by };
    let refused = |because, by| Decision { refused: Some(because), by };

    if let Verdict::ExplicitDeny(by) = identity {
        return refused(DeniedBecause::IdentityPolicy, Some(by));
    }
    if let Verdict::ExplicitDeny(by) = of_resource {
        let way_back = principal.kind == PrincipalKind::Root && same_account && ROOT_ALWAYS.contains(&action.as_str());
        if !way_back {
            return refused(DeniedBecause::ResourcePolicy, Some(by));
        }
    }
    // Root, and a service by the account's own configuration, may in their account what the account may; no policy is attached to them.
    let (identity_allows, by_identity) = match (&principal.kind, identity) {
        (PrincipalKind::Root | PrincipalKind::Service { .. }, _) => (true, None),
        (PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. }, Verdict::Allow(by)) => (true, Some(by)),
        (PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. }, _) | (PrincipalKind::Anonymous, _) => {
            (false, None)
        }
    };
    match (&principal.kind, of_resource) {
        (PrincipalKind::Anonymous, Verdict::Allow(by)) => return allowed(Some(by)),
        (PrincipalKind::Anonymous, _) => return refused(DeniedBecause::NothingAllows, None),
        _ => {}
    }
    match of_resource {
        Verdict::Allow(by) if same_account => allowed(Some(by)),
        Verdict::ImplicitDeny if sets.resource_decides => refused(DeniedBecause::NoResourcePolicyAllows, None),
        Verdict::AllowAccount(by) if sets.resource_decides && identity_allows => allowed(by_identity.or(Some(by))),
        _ if same_account && identity_allows => allowed(by_identity),
        Verdict::Allow(by) | Verdict::AllowAccount(by) if identity_allows => allowed(by_identity.or(Some(by))),
        _ if !same_account && identity_allows => refused(DeniedBecause::NoResourcePolicyAllows, None),
        _ => refused(DeniedBecause::NothingAllows, None),
    }
}
