//! Tags of whatever identity keeps: set, removed and listed alike for all.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt, Tx};
use tarn_types::AccountId;

use crate::entities::find_entity;
use crate::instance_profiles::find_instance_profile;
use crate::managed_policies::find_own_policy;
use crate::oidc_providers::find_oidc_provider;
use crate::records::{TAGS, TagsRecord, in_account};
use crate::{EntityKind, Identity, IdentityError, Page, PageRequest, TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX};

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Unique for its thing without regard to case.
    pub key: String,
    /// May be empty.
    pub value: String,
}

/// What tags can be put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taggable {
    /// A user, by name.
    User(String),
    /// A role, by name.
    Role(String),
    /// A managed policy of the account, by ARN.
    Policy(String),
    /// An instance profile, by name.
    InstanceProfile(String),
    /// An OIDC provider, by ARN.
    OidcProvider(String),
}

impl Taggable {
    /// The id that its tags are kept under.
    fn id(&self, read: &impl Read, account: &AccountId) -> Result<String, IdentityError> {
        match self {
            Self::User(name) => Ok(find_entity(read, account, EntityKind::User, name)?.id),
            Self::Role(name) => Ok(find_entity(read, account, EntityKind::Role, name)?.id),
            Self::Policy(arn) => Ok(find_own_policy(read, account, arn)?.id),
            Self::InstanceProfile(name) => Ok(find_instance_profile(read, account, name)?.id),
            Self::OidcProvider(arn) => Ok(find_oidc_provider(read, account, arn)?.0),
        }
    }
}

fn invalid(reason: impl Into<String>) -> IdentityError {
    IdentityError::InvalidTags { reason: reason.into() }
}

/// Refuses tags that AWS refuses.
pub(crate) fn check_tags(tags: &[Tag]) -> Result<(), IdentityError> {
    let legal = |c: char| c.is_alphabetic() || c.is_numeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    if tags.len() > TAGS_MAX {
        return Err(IdentityError::LimitExceeded { quota: "TagsPerResource", max: TAGS_MAX });
    }
    let mut seen: Vec<String> = Vec::new();
    for Tag { key, value } in tags {
        let (key_chars, value_chars) = (key.chars().count(), value.chars().count());
        if !(1..=TAG_KEY_CHARS_MAX).contains(&key_chars) || value_chars > TAG_VALUE_CHARS_MAX {
            return Err(invalid(format!(
                "A tag's key has 1 to {TAG_KEY_CHARS_MAX} characters, and its value at most {TAG_VALUE_CHARS_MAX}."
            )));
        }
        if !key.chars().chain(value.chars()).all(legal) {
            return Err(invalid("Tags have letters, digits, spaces and the characters _.:/=+-@ only."));
        }
        let lower = key.to_lowercase();
        if lower.starts_with("aws:") {
            return Err(invalid(format!("The key {key} is AWS's own: tags that begin with aws: cannot be set.")));
        }
        if seen.contains(&lower) {
            return Err(invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive."));
        }
        seen.push(lower);
    }
    Ok(())
}

/// The tags of what is kept under `id`.
pub(crate) fn tags_of(read: &impl Read, account: &AccountId, id: &str) -> Result<Vec<Tag>, IdentityError> {
    Ok(read.get(TAGS, &in_account(account, id))?.unwrap_or_default().tags)
}

/// Puts the first tags of something new.
pub(crate) fn put_tags(tx: &mut Tx<'_>, account: &AccountId, id: &str, tags: Vec<Tag>) -> Result<(), IdentityError> {
    if tags.is_empty() {
        return Ok(tx.delete(TAGS, &in_account(account, id))?);
    }
    Ok(tx.put(TAGS, &in_account(account, id), &TagsRecord { tags })?)
}

/// `new` over `known`: a key that differs by case only is the same, and is spelled as it was given last.
fn merged(mut known: Vec<Tag>, new: Vec<Tag>) -> Vec<Tag> {
    for tag in new {
        match known.iter_mut().find(|old| old.key.eq_ignore_ascii_case(&tag.key)) {
            Some(old) => *old = tag,
            None => known.push(tag),
        }
    }
    known.sort_by(|a, b| a.key.cmp(&b.key));
    known
}

impl Identity {
    /// Puts tags, in place of those with the same keys.
    pub async fn tag(&self, caller: &Caller, thing: Taggable, tags: Vec<Tag>) -> Result<(), IdentityError> {
        check_tags(&tags)?;
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let id = thing.id(tx, &account)?;
            let tags = merged(tags_of(tx, &account, &id)?, tags);
            check_tags(&tags)?;
            put_tags(tx, &account, &id, tags)
        })
        .await
    }

    /// Removes the tags with these keys; others may be named.
    pub async fn untag(&self, caller: &Caller, thing: Taggable, keys: Vec<String>) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let id = thing.id(tx, &account)?;
            let mut tags = tags_of(tx, &account, &id)?;
            tags.retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
            put_tags(tx, &account, &id, tags)
        })
        .await
    }

    /// The tags of something, in the order of their keys.
    pub fn list_tags(&self, caller: &Caller, thing: &Taggable, page: &PageRequest) -> Result<Page<Tag>, IdentityError> {
        self.tags(&caller.scope().account, thing).and_then(|tags| page.of_list(tags))
    }

    /// The tags of something before anything is authorized; none if it is not there, or AWS's.
    pub fn resource_tags(&self, account: &AccountId, thing: &Taggable) -> Result<Vec<Tag>, IdentityError> {
        match self.tags(account, thing) {
            Err(
                IdentityError::NoSuchEntity { .. }
                | IdentityError::NoSuchPolicy { .. }
                | IdentityError::ManagedByAws { .. }
                | IdentityError::NoSuchInstanceProfile { .. }
                | IdentityError::NoSuchOidcProvider { .. },
            ) => Ok(Vec::new()),
            found => found,
        }
    }

    fn tags(&self, account: &AccountId, thing: &Taggable) -> Result<Vec<Tag>, IdentityError> {
        let snapshot = self.store.read()?;
        tags_of(&snapshot, account, &thing.id(&snapshot, account)?)
    }
}
