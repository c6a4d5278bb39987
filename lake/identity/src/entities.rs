//! What users, groups and roles have in common: unique names, paths, ids by which everything else refers to them. Knows nothing of what
//! they may.

use std::fmt;

use tarn_metadata::Read;
use tarn_types::{AccountId, Arn};

use crate::records::{GROUP_NAMES, GROUPS, ROLE_NAMES, ROLES, USER_NAMES, USERS, by_name, in_account};
use crate::roles::check_unprotected;
use crate::{GROUP_POLICIES_SIZE_CHARS_MAX, IdentityError, ROLE_POLICIES_SIZE_CHARS_MAX, USER_POLICIES_SIZE_CHARS_MAX};

/// What policies can be put into and attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    /// A user.
    User,
    /// A group of users.
    Group,
    /// A role.
    Role,
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        })
    }
}

impl EntityKind {
    /// What an id names.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        match id.get(..4) {
            Some("AIDA") => Some(Self::User),
            Some("AGPA") => Some(Self::Group),
            Some("AROA") => Some(Self::Role),
            _ => None,
        }
    }

    /// Characters of all inline policies together, without white space.
    pub(crate) fn inline_policies_size_chars_max(self) -> usize {
        match self {
            Self::User => USER_POLICIES_SIZE_CHARS_MAX,
            Self::Group => GROUP_POLICIES_SIZE_CHARS_MAX,
            Self::Role => ROLE_POLICIES_SIZE_CHARS_MAX,
        }
    }

    /// The quota of attached policies, by its name at AWS.
    pub(crate) fn attached_policies_quota(self) -> &'static str {
        match self {
            Self::User => "PoliciesPerUser",
            Self::Group => "PoliciesPerGroup",
            Self::Role => "PoliciesPerRole",
        }
    }
}

/// A user, group or role, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Which of them.
    pub kind: EntityKind,
    /// `AIDA...`, `AGPA...` or `AROA...`; never used again for another.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its path: `/`, or something that begins and ends in it.
    pub path: String,
    /// The account it belongs to.
    pub account: AccountId,
}

impl Entity {
    /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::iam(&self.account, format!("{}{}{}", self.kind, self.path, self.name))
    }
}

/// The user, group or role that `id` names, if it is still there.
pub(crate) fn entity_by_id(read: &impl Read, account: &AccountId, id: &str) -> Result<Option<Entity>, IdentityError> {
    let Some(kind) = EntityKind::of_id(id) else { return Ok(None) };
    let at = in_account(account, id);
    let found = match kind {
        EntityKind::User => read.get(USERS, &at)?.map(|user| (user.name, user.path)),
        EntityKind::Group => read.get(GROUPS, &at)?.map(|group| (group.name, group.path)),
        EntityKind::Role => read.get(ROLES, &at)?.map(|role| (role.name, role.path)),
    };
    Ok(found.map(|(name, path)| Entity { kind, id: id.to_owned(), name, path, account: account.clone() }))
}

/// The user, group or role called `name`, whatever the case of its letters.
pub(crate) fn find_entity(
    read: &impl Read,
    account: &AccountId,
    kind: EntityKind,
    name: &str,
) -> Result<Entity, IdentityError> {
    let at = by_name(account, name);
    let id = match kind {
        EntityKind::User => read.get(USER_NAMES, &at)?.map(|record| record.user_id),
        EntityKind::Group => read.get(GROUP_NAMES, &at)?.map(|record| record.id),
        EntityKind::Role => read.get(ROLE_NAMES, &at)?.map(|record| record.id),
    };
    let missing = || IdentityError::NoSuchEntity { kind, name: name.to_owned() };
    entity_by_id(read, account, &id.ok_or_else(missing)?)?.ok_or_else(missing)
}

/// As `find_entity`, to be changed: a service's role is not.
pub(crate) fn find_changeable(
    read: &impl Read,
    account: &AccountId,
    kind: EntityKind,
    name: &str,
) -> Result<Entity, IdentityError> {
    let entity = find_entity(read, account, kind, name)?;
    if kind == EntityKind::Role {
        check_unprotected(&entity.path, &entity.name)?;
    }
    Ok(entity)
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names>
pub(crate) fn check_name(member: &str, name: &str, chars_max: usize) -> Result<(), IdentityError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if (1..=chars_max).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    Err(IdentityError::InvalidInput {
        reason: format!(
            "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have at most {chars_max}."
        ),
    })
}

pub(crate) fn check_path(path: &str) -> Result<(), IdentityError> {
    let legal = path.len() <= 512
        && path.starts_with('/')
        && path.ends_with('/')
        && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    // A colon or a wildcard in a path would make an ARN that policies read otherwise.
    if legal && !path.contains([':', '*', '?', '$', '{', '}']) {
        return Ok(());
    }
    Err(IdentityError::InvalidInput { reason: "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.".to_owned() })
}
