//! One decision: policy sets in, an answer with its reason out. Knows no store and makes no proof.
//!
//! Each set of policies answers on its own; how the answers combine is `conclude`. `explain` tells the same decision in words:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::borrow::Cow;
use std::sync::Arc;

use tarn_types::{AccountId, Arn};

use crate::document::{Effect, Policy};
use crate::facts::{Facts, OrganizationsAsked};
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
    /// Whether the request's keys may say what else only the server says, of a principal that is only supposed to ask.
    pub is_supposed: bool,
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
    /// Those of the organisation's, above the principal's account.
    ServiceControl,
    /// Those of the organisation's, above the resource's account.
    ResourceControl,
}

/// The policies of one level of an organisation: its root, a unit of it, or an account.
#[derive(Debug, Clone, Default)]
pub struct ControlLevel {
    /// What it is called.
    pub name: String,
    /// Its policies.
    pub policies: Vec<Arc<Policy>>,
}

/// The policies that bear on a question.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicySets<'a> {
    /// Of the identity.
    pub identity: &'a [Arc<Policy>],
    /// The most that the identity may be allowed by its policies: its permissions boundary, if it has one.
    pub boundary: Option<&'a [Arc<Policy>]>,
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
    /// The levels above the principal's account, each of which must allow; none where no organisation limits it, as with the management
    /// account: <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html>
    pub service_control: &'a [ControlLevel],
    /// The levels above the resource's account, each of which must allow:
    /// <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html>
    pub resource_control: &'a [ControlLevel],
    /// The organisations that condition keys tell of.
    pub organizations: OrganizationsAsked<'a>,
    /// Whether services that ask are AWS's own, whom only a resource's policy lets in; those of the lake act for an account.
    pub services_are_strangers: bool,
}

/// A statement that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementRef {
    /// In which set.
    pub set: PolicySet,
    /// Which level of an organisation's set; 0 in others.
    pub level: usize,
    /// Which policy of the set or level.
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

/// What each set says to one question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdicts {
    pub(crate) identity: Verdict,
    pub(crate) boundary: Option<Verdict>,
    pub(crate) session: Option<Verdict>,
    pub(crate) resource: Verdict,
    pub(crate) service_control: Option<Verdict>,
    pub(crate) resource_control: Option<Verdict>,
}

/// A question in the form that statements are matched against.
pub(crate) struct Asked<'a> {
    pub(crate) principal: &'a Principal,
    /// In lower case.
    pub(crate) action: Cow<'a, str>,
    pub(crate) resource: Cow<'a, str>,
    pub(crate) same_account: bool,
    pub(crate) of_callers_own: bool,
    is_supposed: bool,
    pub(crate) facts: Facts<'a>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(question: &Question<'a>, sets: &PolicySets<'a>) -> Self {
        let Question { principal, action, resource, resource_owner, own, request, of_callers_own, is_supposed } =
            *question;
        Self {
            principal,
            action: if action.bytes().any(|byte| byte.is_ascii_uppercase()) {
                Cow::Owned(action.to_ascii_lowercase())
            } else {
                Cow::Borrowed(action)
            },
            resource: resource.map_or(Cow::Borrowed("*"), |arn| Cow::Owned(arn.to_string())),
            same_account: resource_owner.is_none_or(|owner| *owner == principal.account),
            of_callers_own,
            is_supposed,
            facts: Facts::new(
                principal,
                resource_owner,
                sets.organizations,
                own,
                request,
                is_supposed,
                sets.boundary.is_some(),
            ),
        }
    }

    fn verdict<'p>(&self, set: PolicySet, level: usize, policies: impl Iterator<Item = &'p Policy>) -> Verdict {
        let mut best = Verdict::ImplicitDeny;
        for (policy_at, policy) in policies.enumerate() {
            for (statement_at, statement) in policy.statements.iter().enumerate() {
                // What cannot change the answer is not matched.
                if statement.effect == Effect::Allow && matches!(best, Verdict::Allow(_)) {
                    continue;
                }
                let found = StatementRef { set, level, policy: policy_at, statement: statement_at };
                match (statement.applies(&self.action, &self.resource, &self.facts), statement.effect) {
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

    /// A deny of any level wins; without one, a level that does not allow ends it; and then the last level's word stands for all.
    fn control_verdict(&self, set: PolicySet, levels: &[ControlLevel]) -> Option<Verdict> {
        let mut found = None;
        for (at, level) in levels.iter().enumerate() {
            match self.verdict(set, at, level.policies.iter().map(|policy| &**policy)) {
                denied @ Verdict::ExplicitDeny(_) => return Some(denied),
                _ if found == Some(Verdict::ImplicitDeny) => {}
                verdict => found = Some(verdict),
            }
        }
        found
    }

    pub(crate) fn verdicts(&self, sets: &PolicySets<'_>) -> Verdicts {
        fn all(policies: &[Arc<Policy>]) -> impl Iterator<Item = &Policy> {
            policies.iter().map(|policy| &**policy)
        }
        Verdicts {
            identity: self.verdict(PolicySet::Identity, 0, all(sets.identity)),
            boundary: sets.boundary.map(|policies| self.verdict(PolicySet::Boundary, 0, all(policies))),
            session: sets.session.map(|policies| self.verdict(PolicySet::Session, 0, all(policies))),
            resource: self.verdict(PolicySet::Resource, 0, sets.resource.into_iter()),
            service_control: if self.principal.is_under_service_control() {
                self.control_verdict(PolicySet::ServiceControl, sets.service_control)
            } else {
                None
            },
            resource_control: if self.principal.is_service_linked() {
                None
            } else {
                self.control_verdict(PolicySet::ResourceControl, sets.resource_control)
            },
        }
    }
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

/// Whether a resource's own policy must speak for `action` on it, so that identities' policies alone do not count: a KMS key's, and a role's
/// trust policy.
pub fn resource_policy_decides(action: &str, resource: Option<&Arn>) -> bool {
    let named = |vendor: &str| action.get(..vendor.len()).is_some_and(|start| start.eq_ignore_ascii_case(vendor));
    resource.is_some_and(|arn| match arn.service.as_str() {
        "kms" => arn.resource.starts_with("key/"),
        "iam" => arn.resource.starts_with("role/") && named("sts:"),
        _ => false,
    })
}

/// Whether it would change what is AWS's own in every account: its policies, the roles it keeps for itself, the aliases of its keys.
fn is_of_aws(action: &str, resource: &str) -> bool {
    match action.split_once(':') {
        Some(("iam", name)) => {
            let reads = ["get", "list", "simulate", "generate"].iter().any(|verb| name.starts_with(verb));
            let attaches = name.starts_with("attach") || name.starts_with("detach") || name.contains("boundary");
            (resource.starts_with("arn:aws:iam::aws:policy/") && !reads && !attaches)
                || (resource.contains(":role/aws-reserved/") && !reads)
        }
        Some(("kms", "createalias" | "updatealias" | "deletealias")) => resource.contains(":alias/aws/"),
        _ => false,
    }
}

/// Decides one question.
pub fn decide(question: &Question<'_>, sets: &PolicySets<'_>) -> Decision {
    let asked = Asked::new(question, sets);
    conclude(&asked, sets, &asked.verdicts(sets))
}

/// All statements that speak to a question, and whether each denies.
pub fn matching(question: &Question<'_>, sets: &PolicySets<'_>) -> Vec<(StatementRef, bool)> {
    let asked = Asked::new(question, sets);
    let mut found = Vec::new();
    let mut of_set = |set: PolicySet, level: usize, policies: &mut dyn Iterator<Item = &Policy>| {
        for (policy, of_policy) in policies.enumerate() {
            for (statement, of_statement) in of_policy.statements.iter().enumerate() {
                if of_statement.applies(&asked.action, &asked.resource, &asked.facts) != Mention::None {
                    let at = StatementRef { set, level, policy, statement };
                    found.push((at, of_statement.effect == Effect::Deny));
                }
            }
        }
    };
    let lists = [
        (PolicySet::Identity, sets.identity),
        (PolicySet::Boundary, sets.boundary.unwrap_or_default()),
        (PolicySet::Session, sets.session.unwrap_or_default()),
    ];
    for (set, policies) in lists {
        of_set(set, 0, &mut policies.iter().map(|policy| &**policy));
    }
    of_set(PolicySet::Resource, 0, &mut sets.resource.into_iter());
    for (set, levels) in
        [(PolicySet::ServiceControl, sets.service_control), (PolicySet::ResourceControl, sets.resource_control)]
    {
        for (at, level) in levels.iter().enumerate() {
            of_set(set, at, &mut level.policies.iter().map(|policy| &**policy));
        }
    }
    found
}

/// How the sets' answers combine.
pub(crate) fn conclude(asked: &Asked<'_>, sets: &PolicySets<'_>, verdicts: &Verdicts) -> Decision {
    let Asked { principal, ref action, same_account, of_callers_own, .. } = *asked;
    let Verdicts { identity, boundary, session, resource: of_resource, service_control, resource_control } = *verdicts;
    let is_service = matches!(principal.kind, PrincipalKind::Service { .. });
    let allowed = |by| Decision { refused: None, by };
    let refused = |because, by| Decision { refused: Some(because), by };

    // Whoever has credentials may ask whose they are, whatever policies say:
    // <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
    if action == "sts:getcalleridentity" && !principal.is_anonymous() {
        return allowed(None);
    }
    if is_barred(principal, action) {
        return refused(DeniedBecause::NoSessionPolicyAllows, None);
    }

    // A deny of any set wins.
    if let Some(Verdict::ExplicitDeny(by)) = service_control {
        return refused(DeniedBecause::ServiceControlPolicy, Some(by));
    }
    if let Some(Verdict::ExplicitDeny(by)) = resource_control {
        return refused(DeniedBecause::ResourceControlPolicy, Some(by));
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
            && ROOT_ALWAYS.contains(&&**action);
        if !way_back {
            return refused(DeniedBecause::ResourcePolicy, Some(by));
        }
    }
    // Where somebody really asks, its service refuses it, in its own words.
    if asked.is_supposed && is_of_aws(action, &asked.resource) {
        return refused(DeniedBecause::OfAws, None);
    }
    if let Some(account) = sets.only_for
        && !is_service
        && (principal.is_anonymous() || principal.account != *account)
    {
        return refused(DeniedBecause::PublicPolicyRestricted, None);
    }
    // What an organisation does not allow nobody else can.
    if resource_control.is_some_and(|verdict| !matches!(verdict, Verdict::Allow(_))) {
        return refused(DeniedBecause::NoResourceControlPolicyAllows, None);
    }
    if service_control.is_some_and(|verdict| !matches!(verdict, Verdict::Allow(_))) {
        return refused(DeniedBecause::NoServiceControlPolicyAllows, None);
    }
    // What is not allowed by these is not allowed by identity policies either, nor to a session by its role's name.
    let beyond = match (boundary, session) {
        (Some(verdict), _) if !matches!(verdict, Verdict::Allow(_)) => Some(DeniedBecause::NoBoundaryAllows),
        (_, Some(verdict)) if !matches!(verdict, Verdict::Allow(_)) => Some(DeniedBecause::NoSessionPolicyAllows),
        _ => None,
    };
    // Root, and a service by the account's own configuration, may in their account what the account may; no policy is attached to them.
    let (identity_allows, by_identity) = match (&principal.kind, identity) {
        (PrincipalKind::Service { .. }, _) if sets.services_are_strangers => (false, None),
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
    let by_list = sets.grants.iter().map(|granted| granted.mention(principal, action)).max().unwrap_or(Mention::None);
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
    if is_service && sets.services_are_strangers {
        return if mention == Mention::Direct {
            allowed(by)
        } else {
            refused(DeniedBecause::NoResourcePolicyAllows, None)
        };
    }
    // Who is granted something by name needs no policy of its own, of whichever account it is: so it is with grants of KMS keys.
    let by_name = sets.grants.iter().map(|granted| granted.mention_by_name(principal, action)).max();
    match by_name.unwrap_or(Mention::None) {
        Mention::Direct => return allowed(None),
        Mention::Role if beyond.is_none() => return allowed(None),
        Mention::Role | Mention::Account | Mention::None => {}
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
