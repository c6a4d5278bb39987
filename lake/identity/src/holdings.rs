//! What decisions are made by: the policies that users, roles and sessions have, and the trust policies of roles.

use std::sync::Arc;

use tarn_metadata::{Read, StoreExt};
use tarn_policy::{
    EntityIds, HeldPolicies, IdentityPolicies, PoliciesUnreadable, Policy, Principal, PrincipalKind, Requirement,
    ResourcePolicies, ResourcePolicy,
};
use tarn_types::{AccountId, Arn};

use crate::boundaries::boundary_of;
use crate::entity_policies::{last_part, parse};
use crate::managed_policies::find_policy;
use crate::records::{ATTACHMENTS, INLINE_POLICIES, MEMBERSHIPS, in_account};
use crate::roles::{named, role_by_arn};
use crate::{Identity, IdentityError, aws_managed};

/// A managed policy, parsed.
fn managed(read: &impl Read, account: &AccountId, arn: &str) -> Result<Arc<Policy>, IdentityError> {
    match aws_managed::find(arn) {
        Some(of_aws) => of_aws.parsed(),
        None => Ok(Arc::new(parse(find_policy(read, account, arn)?.document())?)),
    }
}

/// Inline and attached policies of what `id` names.
fn own_policies(
    read: &impl Read,
    account: &AccountId,
    id: &str,
    policies: &mut Vec<Arc<Policy>>,
) -> Result<(), IdentityError> {
    let of_entity = in_account(account, id);
    for item in read.prefix(INLINE_POLICIES, &of_entity) {
        policies.push(Arc::new(parse(&item?.1.document)?));
    }
    for item in read.prefix(ATTACHMENTS, &of_entity) {
        if let Some(arn) = last_part(&item?.0, &of_entity) {
            policies.push(managed(read, account, &arn)?);
        }
    }
    Ok(())
}

impl Identity {
    /// The policies of a user, with those of its groups, or of a role.
    fn load_held(&self, account: &AccountId, id: &str) -> Result<HeldPolicies, IdentityError> {
        let snapshot = self.store.read()?;
        let mut identity = Vec::new();
        own_policies(&snapshot, account, id, &mut identity)?;
        let of_user = in_account(account, id);
        for item in snapshot.prefix(MEMBERSHIPS, &of_user) {
            if let Some(group) = last_part(&item?.0, &of_user) {
                own_policies(&snapshot, account, &group, &mut identity)?;
            }
        }
        let boundary = boundary_of(&snapshot, account, id)?;
        let boundary = boundary.map(|arn| managed(&snapshot, account, &arn)).transpose()?;
        Ok(HeldPolicies { identity: identity.into(), boundary, session: None })
    }

    fn held(&self, account: &AccountId, id: &str) -> Result<HeldPolicies, IdentityError> {
        let generation = match self.cache.held(account, id) {
            Ok(known) => return Ok(known),
            Err(generation) => generation,
        };
        let held = self.load_held(account, id)?;
        self.cache.keep_held(generation, account, id, &held);
        Ok(held)
    }

    /// The policies that narrow a session. Managed ones are those of the time of asking; one that is gone makes all unreadable.
    fn session_policies(&self, principal: &Principal) -> Result<Option<Arc<[Arc<Policy>]>>, IdentityError> {
        let is_federated = matches!(principal.kind, PrincipalKind::FederatedUser { .. });
        let Some(session) = &principal.standing.session else {
            // What a federated user may is in its token alone.
            return Ok(is_federated.then(|| [].into()));
        };
        if session.policy.is_none() && session.policy_arns.is_empty() && !is_federated {
            return Ok(None);
        }
        let snapshot = self.store.read()?;
        let inline = session.policy.iter().map(|document| parse(document).map(Arc::new));
        let by_arn = session.policy_arns.iter().map(|arn| managed(&snapshot, &principal.account, arn));
        Ok(Some(inline.chain(by_arn).collect::<Result<Vec<_>, _>>()?.into()))
    }

    fn held_by(&self, principal: &Principal) -> Result<HeldPolicies, IdentityError> {
        let issuer = principal.standing.session.as_ref().and_then(|session| session.issuer.as_ref());
        let id = match &principal.kind {
            PrincipalKind::User { .. } => Some(principal.id.as_str()),
            PrincipalKind::AssumedRole { .. } => principal.id.split(':').next(),
            PrincipalKind::FederatedUser { .. } => issuer.map(|issuer| issuer.id.as_str()),
            PrincipalKind::Root
            | PrincipalKind::Service { .. }
            | PrincipalKind::WebIdentity { .. }
            | PrincipalKind::Anonymous => return Ok(HeldPolicies::default()),
        };
        let mut held = match id {
            Some(id) => self.held(&principal.account, id)?,
            // Root's, who made the session and may what the account may.
            None => HeldPolicies { identity: [aws_managed::administrator()?].into(), ..HeldPolicies::default() },
        };
        held.session = self.session_policies(principal)?;
        Ok(held)
    }
}

impl IdentityPolicies for Identity {
    /// A policy that cannot be read makes all unreadable: one left out could be the one that denies.
    fn identity_policies(&self, principal: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
        self.held_by(principal).map_err(|error| PoliciesUnreadable { reason: error.to_string() })
    }
}

impl EntityIds for Identity {
    fn id_of(&self, arn: &Arn) -> Result<Option<String>, PoliciesUnreadable> {
        let found = self.store.read().map_err(IdentityError::from).and_then(|snapshot| named(&snapshot, arn));
        found
            .map(|entity| entity.map(|entity| entity.id))
            .map_err(|error| PoliciesUnreadable { reason: error.to_string() })
    }
}

impl ResourcePolicies for Identity {
    /// A role's trust policy, for what STS is asked about the role. It must speak: who is not trusted has no session, whatever else allows it.
    fn resource_policy(
        &self,
        resource: &Arn,
        requirement: &Requirement,
    ) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
        let of_role = resource.service == "iam" && resource.resource.starts_with("role/");
        if !of_role || !requirement.action.starts_with("sts:") {
            return Ok(None);
        }
        let unreadable = |error: IdentityError| PoliciesUnreadable { reason: error.to_string() };
        let snapshot = self.store.read().map_err(|source| unreadable(source.into()))?;
        let policy = match role_by_arn(&snapshot, resource).map_err(unreadable)? {
            Some((_, role)) => Some(Arc::new(role.trust(&snapshot).map_err(unreadable)?)),
            None => None,
        };
        let owner = AccountId::new(resource.account.clone()).ok();
        Ok(Some(ResourcePolicy { owner, policy, decides: true, ..ResourcePolicy::default() }))
    }
}
