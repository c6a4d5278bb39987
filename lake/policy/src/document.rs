//! A policy in the form it is matched in. Knows nothing of JSON; `parse` makes it.

use tarn_types::Arn;

use crate::condition::Condition;
use crate::errors::{PolicyError, PolicyProblem};
use crate::facts::Facts;
use crate::pattern::Pattern;
use crate::principals::{Mention, Principals};

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
    fn matches(&self, subject: &str, facts: &Facts<'_>) -> bool {
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
        let mention = self.principals.mention(facts.principal(), self.effect);
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

    /// Characters without white space: what IAM's size limits count.
    pub fn size_chars(&self) -> usize {
        self.size_chars
    }

    /// Refuses a bucket's policy that speaks of anything but `bucket` (`arn:aws:s3:::NAME`) and what is in it.
    pub fn check_resources_within(&self, bucket: &Arn) -> Result<(), PolicyError> {
        let bucket = bucket.to_string();
        let inside = |text: &str| {
            let fixed = text.split(['*', '?']).next().unwrap_or_default();
            let wild = fixed.len() < text.len();
            text == bucket
                || text.strip_prefix(&bucket).is_some_and(|rest| rest.starts_with('/'))
                || (wild && bucket.starts_with(fixed))
                || (wild && fixed.strip_prefix(&bucket).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        };
        match self.resource_texts.iter().find(|text| !inside(text)) {
            None => Ok(()),
            Some(found) => {
                Err(PolicyError { kind: self.kind, problem: PolicyProblem::Resource { found: found.clone() } })
            }
        }
    }
}
