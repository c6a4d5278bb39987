//! Policies of keys: checked when they are put, compiled once, and answered to the authorizer.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html>

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::{
    Context, Granted, Organization, PoliciesUnreadable, Policy, PolicyKind, PolicySets, Principal, Question,
    Requirement, ResourcePolicies, ResourcePolicy, decide, ids_of_named,
};
use tarn_types::{AccountId, Arn, Region};

use super::keyspaces::KMS_POLICY_PRINCIPALS;
use super::records::{KmsKey, PolicyPrincipals, kms_key};
use super::resolve::key_in;
use super::{Kms, KmsError};

/// The only name that a key's policy has.
pub const POLICY_NAME: &str = "default";

/// The policy of a key that is made without one: the account passes the key's use on by identity policies.
pub(crate) fn default_policy(account: &AccountId) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "kms:*",
            "Resource": "*"
        }]
    })
    .to_string()
}

pub(crate) fn parse(text: &str) -> Result<Policy, KmsError> {
    Policy::parse(text, PolicyKind::Key).map_err(|error| KmsError::MalformedPolicy { reason: error.to_string() })
}

/// Refuses a policy by which the caller could never change it again.
pub(crate) fn check_lockout(
    caller: &Principal,
    key: &KmsKey,
    policy: &Policy,
    organization: Option<&Organization>,
) -> Result<(), KmsError> {
    let arn = key.arn();
    let (own, request) = (Context::new(), Context::new());
    let question = Question {
        principal: caller,
        action: "kms:PutKeyPolicy",
        resource: Some(&arn),
        resource_owner: Some(&key.account),
        own: &own,
        request: &request,
        of_callers_own: false,
        is_supposed: false,
    };
    // Whether the caller's identity policies go along is theirs to change; the key's policy must leave the way open.
    let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#;
    let identity = Policy::parse(open, PolicyKind::Identity)
        .map_err(|error| KmsError::MalformedPolicy { reason: error.to_string() })?;
    let sets = PolicySets {
        identity: &[Arc::new(identity)],
        resource: Some(policy),
        resource_decides: true,
        organizations: Organization::asked(organization, caller, Some(&key.account), &request),
        ..PolicySets::default()
    };
    if decide(&question, &sets).is_allowed() {
        Ok(())
    } else {
        let reason = "The new key policy will not allow you to update the key policy in the future.".to_owned();
        Err(KmsError::MalformedPolicy { reason })
    }
}

impl Kms {
    /// Sets a key's policy.
    pub async fn put_key_policy(
        &self,
        caller: &Caller,
        name: &str,
        text: String,
        bypass_lockout_check: bool,
    ) -> Result<(), KmsError> {
        let policy = parse(&text)?;
        let principals = self.named_in(&policy, caller)?;
        let (principal, organization) = (caller.principal().clone(), self.0.organization.clone());
        self.change_key_and(caller, name, move |tx, key| {
            if !bypass_lockout_check {
                check_lockout(&principal, key, &policy, organization.as_deref())?;
            }
            key.policy = text;
            Ok(tx.put(KMS_POLICY_PRINCIPALS, &kms_key(&key.account, &key.id), &principals)?)
        })
        .await
    }

    /// Whom a policy that is put names.
    pub(crate) fn named_in(&self, policy: &Policy, caller: &Caller) -> Result<PolicyPrincipals, KmsError> {
        let ids = ids_of_named(policy, self.0.entity_ids.as_deref(), caller.authorized());
        Ok(PolicyPrincipals { ids: ids.map_err(KmsError::Denied)? })
    }

    fn compiled(&self, read: &impl Read, key: &KmsKey) -> Result<Arc<Policy>, KmsError> {
        // Policies that were put before their principals were kept mean whoever has the name.
        let principals = read.get(KMS_POLICY_PRINCIPALS, &kms_key(&key.account, &key.id))?.unwrap_or_default();
        let at = (key.policy.clone(), principals);
        if let Some(policy) = self.0.policies.lock().get(&at) {
            return Ok(policy.clone());
        }
        let policy = Arc::new(parse(&key.policy)?.with_ids(&at.1.ids));
        self.0.policies.lock().put(at, policy.clone());
        Ok(policy)
    }

    fn policy_of(&self, resource: &Arn) -> Result<Option<ResourcePolicy>, KmsError> {
        let Ok(account) = AccountId::new(resource.account.clone()) else { return Ok(None) };
        let (Some(id), Ok(region)) = (resource.resource.strip_prefix("key/"), Region::new(resource.region.clone()))
        else {
            return Ok(None);
        };
        let snapshot = self.snapshot()?;
        match key_in(&snapshot, &account, &region, id) {
            Ok(key) => Ok(Some(ResourcePolicy {
                policy: Some(self.compiled(&snapshot, &key)?),
                owner: Some(key.account),
                decides: true,
                ..ResourcePolicy::default()
            })),
            // Who may name keys that are not there is for identity policies to say.
            Err(KmsError::NoSuchKey { .. }) => {
                Ok(Some(ResourcePolicy { owner: Some(account), ..ResourcePolicy::default() }))
            }
            Err(error) => Err(error),
        }
    }
}

impl Kms {
    /// Whether a key's policy alone lets a service do what it needs for an account's own work, where no identity policy is to be asked.
    pub fn lets_service(&self, service: &Principal, requirement: &Requirement) -> Result<bool, KmsError> {
        let Some(arn) = &requirement.resource else { return Ok(false) };
        let Some(found) = self.policy_of(arn)? else { return Ok(false) };
        let request = Context::new();
        let question = Question {
            principal: service,
            action: requirement.action,
            resource: Some(arn),
            resource_owner: found.owner.as_ref(),
            own: &requirement.context,
            request: &request,
            of_callers_own: false,
            is_supposed: false,
        };
        let organization = self.0.organization.as_deref();
        let sets = PolicySets {
            resource: found.policy.as_deref(),
            resource_decides: true,
            organizations: Organization::asked(organization, service, found.owner.as_ref(), &requirement.context),
            ..PolicySets::default()
        };
        Ok(decide(&question, &sets).is_allowed())
    }
}

fn unreadable(error: &KmsError, resource: &Arn) -> PoliciesUnreadable {
    tracing::error!(%error, %resource, "a key's policy or grants cannot be read; requests for it are refused");
    PoliciesUnreadable { reason: error.to_string() }
}

impl ResourcePolicies for Kms {
    fn resource_policy(
        &self,
        resource: &Arn,
        requirement: &Requirement,
    ) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
        if resource.service != "kms" {
            return Ok(None);
        }
        let mut found = self.policy_of(resource).map_err(|error| unreadable(&error, resource))?;
        // Who may retire a grant is for the grant to say, and not for the key's policy.
        if let Some(found) = &mut found
            && requirement.action == "kms:RetireGrant"
        {
            (found.policy, found.decides) = (None, true);
        }
        Ok(found)
    }

    fn grants(
        &self,
        principal: &Principal,
        resource: &Arn,
        requirement: &Requirement,
    ) -> Result<Vec<Granted>, PoliciesUnreadable> {
        if resource.service != "kms" {
            return Ok(Vec::new());
        }
        self.granted(principal, resource, requirement).map_err(|error| unreadable(&error, resource))
    }
}
