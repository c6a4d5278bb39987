//! The lake's one place where a decision becomes a proof: policies are looked up, decided upon, and a yes for all is `Authorized`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tarn_types::{AccountId, Arn};

use crate::document::Policy;
use crate::evaluate::{Decision, PolicySet, PolicySets, Question, decide};
use crate::grants::Granted;
use crate::organization::Organization;
use crate::principal::{Principal, PrincipalKind};
use crate::proof::{Authorized, Authorizer, Context, Denied, DeniedBecause, Requirement};

/// Policies could not be read; the answer to whatever was asked is then no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policies could not be read: {reason}")]
pub struct PoliciesUnreadable {
    /// For the log.
    pub reason: String,
}

/// Where users and roles are kept, for who keeps policies that name them.
pub trait EntityIds: fmt::Debug + Send + Sync {
    /// The unique id of the user or role that `arn` names, if it is there.
    fn id_of(&self, arn: &Arn) -> Result<Option<String>, PoliciesUnreadable>;
}

/// The ids by which the users and roles that `policy` names are meant, where they are known; `Denied` where they cannot be read now.
pub fn ids_of_named(
    policy: &Policy,
    ids: Option<&dyn EntityIds>,
    putting: &Authorized,
) -> Result<BTreeMap<String, String>, Denied> {
    let Some(ids) = ids else { return Ok(BTreeMap::new()) };
    policy.ids_of_named(ids).map_err(|PoliciesUnreadable { .. }| unreadable(putting))
}

/// The id of the user or role that `arn` names, if it is there and ids are known; `Denied` where they cannot be read now.
pub fn id_of_named(arn: &Arn, ids: Option<&dyn EntityIds>, putting: &Authorized) -> Result<Option<String>, Denied> {
    match ids.filter(|_| arn.service == "iam") {
        Some(ids) => ids.id_of(arn).map_err(|PoliciesUnreadable { .. }| unreadable(putting)),
        None => Ok(None),
    }
}

fn unreadable(putting: &Authorized) -> Denied {
    let requirement = putting.requirements().first();
    Denied {
        principal: putting.principal().clone(),
        action: requirement.map_or("this operation", |requirement| requirement.action),
        resource: requirement.and_then(|requirement| requirement.resource.clone()),
        because: DeniedBecause::PoliciesUnreadable,
    }
}

/// The policies that an identity and its session have.
#[derive(Debug, Clone, Default)]
pub struct HeldPolicies {
    /// Inline and attached ones, of the identity and of its groups.
    pub identity: Arc<[Arc<Policy>]>,
    /// Its permissions boundary, if it has one.
    pub boundary: Option<Arc<Policy>>,
    /// What narrows the session; `None` if nothing does. An empty list lets nothing through.
    pub session: Option<Arc<[Arc<Policy>]>>,
}

/// Where identities' policies are kept. Asked for every request, so that lookups must be cached.
pub trait IdentityPolicies: Send + Sync {
    /// All policies of a user or session. Root, services and anonymous have none.
    fn identity_policies(&self, principal: &Principal) -> Result<HeldPolicies, PoliciesUnreadable>;
}

/// Where the policies of resources are kept: one implementation for each service that has such.
pub trait ResourcePolicies: Send + Sync {
    /// What is known of `resource`, as far as it bears on `requirement`; `None` if it is not of this service.
    fn resource_policy(
        &self,
        resource: &Arn,
        requirement: &Requirement,
    ) -> Result<Option<ResourcePolicy>, PoliciesUnreadable>;

    /// What `principal` is granted of `requirement` on a resource of this service, beside the resource's policy and lists.
    fn grants(
        &self,
        principal: &Principal,
        resource: &Arn,
        requirement: &Requirement,
    ) -> Result<Vec<Granted>, PoliciesUnreadable> {
        let _ = (principal, resource, requirement);
        Ok(Vec::new())
    }
}

/// What a service knows of a resource for a decision.
#[derive(Debug, Clone, Default)]
pub struct ResourcePolicy {
    /// The account that owns it; `None` if it does not exist.
    pub owner: Option<AccountId>,
    /// Its policy, if it has one.
    pub policy: Option<Arc<Policy>>,
    /// Whether its policy must speak, and identities' policies alone do not count: a KMS key's.
    pub decides: bool,
    /// What its access control lists and grants allow.
    pub grants: Vec<Granted>,
    /// Whether the policy is of another account than the owner's, the place's where the resource lies: then it can only deny.
    pub policy_only_denies: bool,
    /// Set where only this account's identities and services are let in: its policy is public, and must not work.
    pub only_for: Option<AccountId>,
    /// Whether the owner's root is bound by the policy even where it would lock the policy itself.
    pub binds_root: bool,
    /// Condition keys that follow from the resource, however it is asked for: they win over the requirement's.
    pub keys: Context,
}

impl ResourcePolicy {
    /// Of a resource that has tags and no policy. Its ARN says whose it is.
    pub fn of_tagged(resource: &Arn, tags: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut keys = Context::new();
        for (tag, value) in tags {
            keys.set(&format!("aws:ResourceTag/{tag}"), value);
        }
        Self { owner: AccountId::new(resource.account.clone()).ok(), keys, ..Self::default() }
    }
}

/// A statement that denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyingStatement {
    /// Of which policies.
    pub set: PolicySet,
    /// Its id, if it has one.
    pub sid: Option<String>,
}

/// Decides by the policies of the lake.
pub struct LakeAuthorizer {
    identities: Arc<dyn IdentityPolicies>,
    resources: Vec<Arc<dyn ResourcePolicies>>,
    organization: Option<Arc<Organization>>,
}

impl LakeAuthorizer {
    /// Asks `identities`, and of `resources` the first that knows a resource.
    pub fn new(identities: Arc<dyn IdentityPolicies>, resources: Vec<Arc<dyn ResourcePolicies>>) -> Self {
        Self { identities, resources, organization: None }
    }

    /// Under the policies of an organisation.
    #[must_use]
    pub fn with_organization(self, organization: Arc<Organization>) -> Self {
        Self { organization: Some(organization), ..self }
    }

    fn resource_policy(
        &self,
        principal: &Principal,
        resource: &Arn,
        requirement: &Requirement,
    ) -> Result<ResourcePolicy, PoliciesUnreadable> {
        for source in &self.resources {
            if let Some(mut found) = source.resource_policy(resource, requirement)? {
                found.grants.extend(source.grants(principal, resource, requirement)?);
                return Ok(found);
            }
        }
        Ok(ResourcePolicy::of_tagged(resource, []))
    }

    /// The decision on one requirement, and the policies it was made by, given to `then`; `None` if they could not be read.
    fn decided<T>(
        &self,
        principal: &Principal,
        policies: &HeldPolicies,
        requirement: &Requirement,
        request: &Context,
        then: impl FnOnce(Decision, &PolicySets<'_>) -> T,
    ) -> Option<T> {
        // A bucket to be made is nobody's yet; that its name is taken is for S3 to say, and it says so to everybody.
        let resource = requirement.resource.as_ref().filter(|_| requirement.action != "s3:CreateBucket");
        let of_resource = match resource.map(|resource| self.resource_policy(principal, resource, requirement)) {
            None => ResourcePolicy::default(),
            Some(Ok(found)) => found,
            Some(Err(_)) => return None,
        };
        let own = match of_resource.keys.is_empty() {
            true => Cow::Borrowed(&requirement.context),
            false => Cow::Owned(of_resource.keys.over(&requirement.context)),
        };
        let question = Question {
            principal,
            action: requirement.action,
            resource: requirement.resource.as_ref(),
            resource_owner: of_resource.owner.as_ref(),
            own: &own,
            request,
            of_callers_own: requirement.of_callers_own,
            is_supposed: false,
        };
        let owner = of_resource.owner.as_ref();
        let sets = PolicySets {
            identity: &policies.identity,
            boundary: policies.boundary.as_ref().map(std::slice::from_ref),
            session: policies.session.as_deref(),
            resource: of_resource.policy.as_deref(),
            resource_decides: of_resource.decides,
            grants: &of_resource.grants,
            resource_only_denies: of_resource.policy_only_denies,
            only_for: of_resource.only_for.as_ref(),
            binds_root: of_resource.binds_root,
            service_control: self.organization.as_ref().map_or(&[], |above| above.service_control(&principal.account)),
            resource_control: self
                .organization
                .as_ref()
                .map_or(&[], |above| above.resource_control(owner.unwrap_or(&principal.account), requirement.action)),
            organizations: Organization::asked(self.organization.as_deref(), principal, owner, request),
            ..PolicySets::default()
        };
        Some(then(decide(&question, &sets), &sets))
    }

    fn held(&self, principal: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
        match &principal.kind {
            PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. } => {
                self.identities.identity_policies(principal)
            }
            PrincipalKind::Root
            | PrincipalKind::Service { .. }
            | PrincipalKind::WebIdentity { .. }
            | PrincipalKind::Anonymous => Ok(HeldPolicies::default()),
        }
    }

    /// Whether what `requirement` is about belongs to the account of `principal`, or to nobody. What cannot be read is another's.
    pub fn is_own(&self, principal: &Principal, requirement: &Requirement) -> bool {
        let Some(resource) = &requirement.resource else { return true };
        let found = self.resource_policy(principal, resource, requirement);
        found.is_ok_and(|found| found.owner.is_none_or(|owner| owner == principal.account))
    }

    /// The statement by which `requirement` is denied, if one denies it. For who is to be told of a refusal; decides anew.
    pub fn denying_statement(
        &self,
        principal: &Principal,
        requirement: &Requirement,
        context: &Context,
    ) -> Option<DenyingStatement> {
        let policies = self.held(principal).ok()?;
        let found = self.decided(principal, &policies, requirement, context, |decision, sets| {
            let by = decision.by.filter(|_| decision.refused.is_some_and(DeniedBecause::is_explicit))?;
            let policy = match by.set {
                PolicySet::Identity => sets.identity.get(by.policy).map(|policy| &**policy),
                PolicySet::Boundary => sets.boundary?.get(by.policy).map(|policy| &**policy),
                PolicySet::Session => sets.session?.get(by.policy).map(|policy| &**policy),
                PolicySet::Resource => sets.resource,
                PolicySet::ServiceControl => {
                    sets.service_control.get(by.level)?.policies.get(by.policy).map(|it| &**it)
                }
                PolicySet::ResourceControl => {
                    sets.resource_control.get(by.level)?.policies.get(by.policy).map(|it| &**it)
                }
            };
            Some(DenyingStatement { set: by.set, sid: policy?.sid(by.statement).map(str::to_owned) })
        });
        found.flatten()
    }
}

impl Authorizer for LakeAuthorizer {
    fn authorize(
        &self,
        principal: &Principal,
        requirements: Vec<Requirement>,
        context: &Context,
    ) -> Result<Authorized, Denied> {
        let denied = |requirement: Option<&Requirement>, because| Denied {
            principal: principal.clone(),
            action: requirement.map_or("this operation", |requirement| requirement.action),
            resource: requirement.and_then(|requirement| requirement.resource.clone()),
            because,
        };
        // An operation without requirements is for any signed caller.
        if requirements.is_empty() && principal.is_anonymous() {
            return Err(denied(None, DeniedBecause::NothingAllows));
        }
        let policies = self.held(principal);
        let policies = policies.map_err(|_| denied(requirements.first(), DeniedBecause::PoliciesUnreadable))?;
        for requirement in &requirements {
            let refused = self.decided(principal, &policies, requirement, context, |decision, _| decision.refused);
            if let Some(because) = refused.unwrap_or(Some(DeniedBecause::PoliciesUnreadable)) {
                return Err(denied(Some(requirement), because));
            }
        }
        Ok(Authorized::new(principal.clone(), requirements))
    }
}
