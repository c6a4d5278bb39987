//! A policy in the form it is matched in. Knows nothing of JSON; `parse` makes it.

use std::collections::BTreeMap;

use tarn_types::{AccountId, Arn};

use crate::authorizer::{EntityIds, PoliciesUnreadable};
use crate::condition::Condition;
use crate::facts::Facts;
use crate::pattern::Pattern;
use crate::principals::{Mention, Named, Principals};

/// The largest text that is parsed at all: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html>
pub const POLICY_SIZE_BYTES_MAX: usize = 131_072;
/// The largest policy of a bucket: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html>
pub const RESOURCE_POLICY_SIZE_BYTES_MAX: usize = 20_480;

/// The largest policy of a KMS key: <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>
pub const KEY_POLICY_SIZE_BYTES_MAX: usize = 32_768;

/// What a policy is attached to; decides which elements it must and must not have, and the words of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A user's: without principals.
    Identity,
    /// A bucket's: each statement names principals, and actions of S3.
    Resource,
    /// A KMS key's: each statement names principals, and actions of KMS.
    Key,
    /// A role's: who may have a session of it. Each statement names principals and actions of STS, and no resource, which is the role.
    Trust,
    /// Some resource's, of whichever service: for questions of what would be.
    AnyResource,
    /// An organisation's, above accounts that ask: without principals.
    ServiceControl,
    /// An organisation's, above accounts that have resources: for all principals.
    ResourceControl,
}

impl PolicyKind {
    /// Whether it is written as identities' policies are, and refused in their words.
    pub(crate) fn is_of_holder(self) -> bool {
        matches!(self, Self::Identity | Self::ServiceControl | Self::ResourceControl)
    }
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Lets.
    Allow,
    /// Forbids, whatever else allows.
    Deny,
}

/// Patterns, of which any or none must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) negated: bool,
    pub(crate) patterns: Vec<Pattern>,
}

impl Matcher {
    pub(crate) fn matches(&self, subject: &str, facts: &Facts<'_>) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(subject, facts)) != self.negated
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) principals: Principals,
    pub(crate) actions: Matcher,
    pub(crate) resources: Matcher,
    pub(crate) conditions: Vec<Condition>,
}

impl Statement {
    /// How the statement speaks of who asks, if it applies at all. `action` is in lower case.
    pub(crate) fn applies(&self, action: &str, resource: &str, facts: &Facts<'_>) -> Mention {
        if !self.actions.matches(action, facts) || !self.resources.matches(resource, facts) {
            return Mention::None;
        }
        let mention = self.principals.mention(facts.principal(), self.effect, facts.has_boundary());
        if mention != Mention::None && self.conditions.iter().all(|condition| condition.holds(facts)) {
            mention
        } else {
            Mention::None
        }
    }
}

/// A parsed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) kind: PolicyKind,
    pub(crate) statements: Vec<Statement>,
    pub(crate) resource_texts: Vec<String>,
    pub(crate) size_chars: usize,
    pub(crate) notes: Vec<String>,
}

impl Policy {
    /// What it was parsed as.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// How many statements it has.
    pub fn statement_count(&self) -> usize {
        self.statements.len()
    }

    /// A statement's id, for explanations.
    pub fn sid(&self, statement: usize) -> Option<&str> {
        self.statements.get(statement)?.sid.as_deref()
    }

    /// Whether a statement allows an action of a service, as the vendors of actions are called: `s3`. Conditions, and what is denied, are not
    /// looked at.
    pub fn allows_service(&self, service: &str) -> bool {
        let allows = |statement: &Statement| {
            let Matcher { negated, patterns } = &statement.actions;
            match negated {
                false => patterns.iter().any(|pattern| pattern.can_begin(&format!("{service}:"))),
                // All of the service is left out only by a pattern that all of it matches.
                true => !patterns.iter().any(|pattern| pattern.is_all_of(service)),
            }
        };
        let mut statements = self.statements.iter().filter(|statement| statement.effect == Effect::Allow);
        statements.any(allows)
    }

    /// What AWS would refuse in it; empty unless it was parsed leniently.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Characters without white space: what IAM's size limits count.
    pub fn size_chars(&self) -> usize {
        self.size_chars
    }

    /// The users, roles and sessions that its statements name as principals.
    pub fn named_arns(&self) -> impl Iterator<Item = &Arn> {
        self.named().filter_map(|named| match named {
            Named::Arn(arn) => Some(arn),
            Named::Everyone
            | Named::Account(_)
            | Named::Entity(..)
            | Named::Service(_)
            | Named::Federated(_)
            | Named::Nobody => None,
        })
    }

    /// The accounts that its statements name as principals.
    pub fn named_accounts(&self) -> impl Iterator<Item = &AccountId> {
        self.named().filter_map(|named| match named {
            Named::Account(account) => Some(account),
            Named::Everyone
            | Named::Arn(_)
            | Named::Entity(..)
            | Named::Service(_)
            | Named::Federated(_)
            | Named::Nobody => None,
        })
    }

    /// The same policy with its users, roles and sessions called as `name` has it; one that it gives no name is left out. What is left out
    /// of a `NotPrincipal` would let more through, so that those stay as they are.
    #[must_use]
    pub fn with_names(mut self, name: impl Fn(&Arn) -> Option<Arn>) -> Self {
        for statement in &mut self.statements {
            if let Principals::These(named) = &mut statement.principals {
                named.retain_mut(|named| match named {
                    Named::Arn(arn) => name(arn).map(|now| *arn = now).is_some(),
                    Named::Everyone
                    | Named::Account(_)
                    | Named::Entity(..)
                    | Named::Service(_)
                    | Named::Federated(_)
                    | Named::Nobody => true,
                });
            }
        }
        self
    }

    /// The ids of the users and roles that its statements name, by their ARNs; those that are not there are left out.
    pub(crate) fn ids_of_named(&self, ids: &dyn EntityIds) -> Result<BTreeMap<String, String>, PoliciesUnreadable> {
        let mut found = BTreeMap::new();
        for arn in self.named_arns().filter(|arn| arn.service == "iam") {
            if let Some(id) = ids.id_of(arn)? {
                found.insert(arn.to_string(), id);
            }
        }
        Ok(found)
    }

    /// The same policy, whose users and roles are meant by these ids, as `ids_of_named` has them: whoever comes later by one of their names
    /// is not. Those of a `NotPrincipal` stay as they are: there it would deny more, not less.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-users>
    #[must_use]
    pub fn with_ids(mut self, ids: &BTreeMap<String, String>) -> Self {
        for statement in &mut self.statements {
            if let Principals::These(named) = &mut statement.principals {
                for named in named {
                    let Named::Arn(arn) = named else { continue };
                    if let Some(id) = ids.get(&arn.to_string()) {
                        *named = Named::Entity(arn.clone(), id.clone());
                    }
                }
            }
        }
        self
    }

    fn named(&self) -> impl Iterator<Item = &Named> {
        self.statements.iter().flat_map(|statement| match &statement.principals {
            Principals::Holder => [].as_slice(),
            Principals::These(named) | Principals::AllBut(named) => named,
        })
    }

    /// The condition keys that its statements ask for, in lower case.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(|statement| statement.conditions.iter().map(Condition::key))
    }
}
