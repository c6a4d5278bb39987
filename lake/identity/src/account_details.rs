//! All users, groups, roles and policies of an account with what belongs to each; and which policies let somebody use a service.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html>

use tarn_audit::Caller;
use tarn_metadata::{Key, Keyspace, Read, Record, StoreError, StoreExt};
use tarn_types::AccountId;

use crate::boundaries::boundary_count;
use crate::entity_policies::{attachment_count, last_part, parse};
use crate::managed_policies::{arn, complete, name_of};
use crate::records::{
    ATTACHMENTS, GROUPS, GroupRecord, INLINE_POLICIES, INSTANCE_PROFILES, MANAGED_POLICIES, MEMBERSHIPS,
    ManagedPolicyRecord, ROLE_PROFILES, ROLES, RoleRecord, USERS, UserRecord, account_key, by_name, in_account,
};
use crate::roles::complete_role;
use crate::simulation::{SourcePolicy, held_by};
use crate::users::complete_user;
use crate::{
    AttachedPolicy, Group, Identity, IdentityError, InstanceProfile, ManagedPolicy, Page, PageRequest, Role, User,
    aws_managed, instance_profiles,
};

/// Bytes of policies on a page, unless its first item alone has more.
const PAGE_POLICIES_SIZE_BYTES_MAX: usize = 1 << 20;

/// Which things are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailKind {
    /// Users.
    User,
    /// Groups.
    Group,
    /// Roles.
    Role,
    /// Policies of the account.
    LocalPolicy,
    /// Policies of AWS that are attached to something, or the boundary of something.
    AwsPolicy,
}

impl DetailKind {
    const ALL: [Self; 5] = [Self::User, Self::Group, Self::Role, Self::LocalPolicy, Self::AwsPolicy];

    /// What keys of its things begin with, in the order of `ALL`.
    fn mark(self) -> &'static str {
        match self {
            Self::User => "1",
            Self::Group => "2",
            Self::Role => "3",
            Self::LocalPolicy => "4",
            Self::AwsPolicy => "5",
        }
    }
}

/// The policies that are put into something, and those attached to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnPolicies {
    /// Names and texts.
    pub inline: Vec<(String, String)>,
    /// In the order of their ARNs.
    pub attached: Vec<AttachedPolicy>,
}

/// One thing of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountDetail {
    /// A user.
    User {
        /// It.
        user: User,
        /// Its policies.
        policies: OwnPolicies,
        /// The names of its groups.
        groups: Vec<String>,
    },
    /// A group.
    Group {
        /// It.
        group: Group,
        /// Its policies.
        policies: OwnPolicies,
    },
    /// A role.
    Role {
        /// It.
        role: Role,
        /// Its policies.
        policies: OwnPolicies,
        /// The instance profiles that have it.
        instance_profiles: Vec<InstanceProfile>,
    },
    /// A managed policy.
    Policy(ManagedPolicy),
}

impl AccountDetail {
    fn size_bytes(&self) -> usize {
        let of = |policies: &OwnPolicies| policies.inline.iter().map(|(_, text)| text.len()).sum::<usize>();
        match self {
            Self::User { policies, .. } | Self::Group { policies, .. } => of(policies),
            Self::Role { role, policies, .. } => role.trust_policy.len() + of(policies),
            Self::Policy(policy) => policy.versions.iter().map(|version| version.document.len()).sum(),
        }
    }
}

enum Found {
    User(UserRecord),
    Group(GroupRecord),
    Role(RoleRecord),
    Policy(ManagedPolicyRecord),
    OfAws(ManagedPolicyRecord),
}

fn own_policies(read: &impl Read, account: &AccountId, id: &str) -> Result<OwnPolicies, IdentityError> {
    let at = in_account(account, id);
    let mut policies = OwnPolicies::default();
    for item in read.prefix(INLINE_POLICIES, &at) {
        let (key, record) = item?;
        policies.inline.extend(last_part(&key, &at).map(|name| (name, record.document)));
    }
    for item in read.prefix(ATTACHMENTS, &at) {
        let arn = last_part(&item?.0, &at);
        policies.attached.extend(arn.map(|arn| AttachedPolicy { name: name_of(&arn).to_owned(), arn }));
    }
    Ok(policies)
}

fn group_names(read: &impl Read, account: &AccountId, user_id: &str) -> Result<Vec<String>, IdentityError> {
    let (at, mut names) = (in_account(account, user_id), Vec::new());
    for item in read.prefix(MEMBERSHIPS, &at) {
        let Some(id) = last_part(&item?.0, &at) else { continue };
        names.extend(read.get(GROUPS, &in_account(account, &id))?.map(|group| group.name));
    }
    names.sort();
    Ok(names)
}

fn profiles_of(read: &impl Read, account: &AccountId, role_id: &str) -> Result<Vec<InstanceProfile>, IdentityError> {
    let (at, mut profiles) = (in_account(account, role_id), Vec::new());
    for item in read.prefix(ROLE_PROFILES, &at) {
        let Some(name) = last_part(&item?.0, &at) else { continue };
        if let Some(profile) = read.get(INSTANCE_PROFILES, &by_name(account, &name))? {
            profiles.push(instance_profiles::complete(read, account, profile)?);
        }
    }
    Ok(profiles)
}

impl Found {
    /// With what belongs to it; nothing for a policy of AWS that nobody uses.
    fn detail(self, read: &impl Read, account: &AccountId) -> Result<Option<AccountDetail>, IdentityError> {
        Ok(Some(match self {
            Self::User(record) => AccountDetail::User {
                policies: own_policies(read, account, &record.id)?,
                groups: group_names(read, account, &record.id)?,
                user: complete_user(read, account, record)?,
            },
            Self::Group(record) => AccountDetail::Group {
                policies: own_policies(read, account, &record.id)?,
                group: Group::new(account, record),
            },
            Self::Role(record) => AccountDetail::Role {
                policies: own_policies(read, account, &record.id)?,
                instance_profiles: profiles_of(read, account, &record.id)?,
                role: complete_role(read, account, record)?,
            },
            Self::Policy(record) => AccountDetail::Policy(complete(read, account, arn(account, &record), record)?),
            Self::OfAws(record) => {
                let arn = aws_managed::arn(&record.path, &record.name);
                if attachment_count(read, account, &arn)? + boundary_count(read, account, &arn)? == 0 {
                    return Ok(None);
                }
                AccountDetail::Policy(complete(read, account, arn, record)?)
            }
        }))
    }
}

type Marked = Result<(Key, Found), StoreError>;

impl Identity {
    /// The things of the caller's account that are of one of `kinds`; none asks for all.
    pub fn account_authorization_details(
        &self,
        caller: &Caller,
        kinds: &[DetailKind],
        page: &PageRequest,
    ) -> Result<Page<AccountDetail>, IdentityError> {
        fn all<'r, R: Record>(
            read: &'r impl Read,
            keyspace: Keyspace<R>,
            account: &AccountId,
            kind: DetailKind,
            found: impl Fn(R) -> Found + 'r,
        ) -> Box<dyn Iterator<Item = Marked> + 'r> {
            let marked =
                move |(key, record): (Key, R)| (Key::new().text(kind.mark()).raw(key.as_bytes()), found(record));
            Box::new(read.prefix(keyspace, &account_key(account)).map(move |item| item.map(&marked)))
        }
        let (snapshot, account) = (self.store.read()?, &caller.scope().account);
        let asked = DetailKind::ALL.into_iter().filter(|kind| kinds.is_empty() || kinds.contains(kind));
        let items =
            asked.flat_map(|kind| match kind {
                DetailKind::User => all(&snapshot, USERS, account, kind, Found::User),
                DetailKind::Group => all(&snapshot, GROUPS, account, kind, Found::Group),
                DetailKind::Role => all(&snapshot, ROLES, account, kind, Found::Role),
                DetailKind::LocalPolicy => all(&snapshot, MANAGED_POLICIES, account, kind, Found::Policy),
                DetailKind::AwsPolicy => Box::new(aws_managed::ALL.iter().map(move |policy| {
                    Ok((Key::new().text(kind.mark()).text(policy.name), Found::OfAws(policy.into())))
                })),
            });
        let mut size_bytes = 0_usize;
        page.of_fitting(
            items,
            |_, found| found.detail(&snapshot, account),
            |detail| {
                size_bytes = size_bytes.saturating_add(detail.size_bytes());
                size_bytes <= PAGE_POLICIES_SIZE_BYTES_MAX
            },
        )
    }

    /// Of the policies that a user, with its groups, or a group or role has, those with a statement that lets it use a service: for each of
    /// `services`, as the vendors of actions are called. What denies, and the boundary, is not looked at.
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPoliciesGrantingServiceAccess.html>
    pub fn policies_granting_service_access(
        &self,
        caller: &Caller,
        text: &str,
        services: Vec<String>,
    ) -> Result<Vec<(String, Vec<SourcePolicy>)>, IdentityError> {
        let entity = self.entity_by_arn(caller, text)?;
        let held = held_by(&self.store.read()?, &caller.scope().account, &entity)?.policies;
        let mut parsed = Vec::with_capacity(held.len());
        for policy in held {
            parsed.push((parse(&policy.document)?, policy));
        }
        let granting = |service: String| {
            let found = parsed.iter().filter(|(policy, _)| policy.allows_service(&service));
            let found = found.map(|(_, policy)| policy.clone()).collect();
            (service, found)
        };
        Ok(services.into_iter().map(granting).collect())
    }
}
