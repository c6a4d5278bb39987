//! What an organisation lets its accounts do, and others do with what is theirs: levels of policies above each account but the management
//! account, which none bind. Knows no files; asked for every decision.
//! <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_authorization_policies.html>

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tarn_types::AccountId;

use crate::evaluate::ControlLevel;
use crate::facts::OrganizationsAsked;
use crate::principal::{Principal, PrincipalKind};
use crate::proof::Context;

/// The services, of those that this lake has, whose resources resource control policies bind:
/// <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html>
const RESOURCE_CONTROL_SERVICES: [&str; 3] = ["s3", "kms", "sts"];

/// What ids of organisations begin with.
const ID_START: &str = "o-";
/// The shortest and the longest of what follows it, characters.
const ID_CHARS: std::ops::RangeInclusive<usize> = 10..=32;

/// An organisation's id: `o-` and 10 to 32 lower-case letters and digits.
/// <https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationId(String);

impl OrganizationId {
    /// The id that `text` is; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(ID_START)?;
        let is_right = ID_CHARS.contains(&rest.len())
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        is_right.then(|| Self(text.to_owned()))
    }

    /// Where its accounts are: under its root, whose id is the organisation's but for how it begins.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed-view-data-orgs.html#access_policies_access-advisor-viewing-orgs-entity-path>
    pub(crate) fn path(&self) -> String {
        let root = self.0.trim_start_matches(ID_START);
        format!("{self}/r-{root}/")
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The levels above accounts, from the top down.
#[derive(Debug, Clone, Default)]
pub struct ControlLevels {
    /// Above accounts that have none of their own.
    pub others: Vec<ControlLevel>,
    /// Above accounts that do, the common ones among them.
    pub of_accounts: BTreeMap<AccountId, Vec<ControlLevel>>,
}

impl ControlLevels {
    fn above(&self, account: &AccountId) -> &[ControlLevel] {
        self.of_accounts.get(account).unwrap_or(&self.others)
    }
}

/// An organisation's accounts and policies.
#[derive(Debug, Clone)]
pub struct Organization {
    /// What policies know it by; without one they do not know who is of it.
    pub id: Option<OrganizationId>,
    /// All its accounts, the management account among them.
    pub accounts: BTreeSet<AccountId>,
    /// The account that no policy of it binds.
    pub management: AccountId,
    /// Above principals.
    pub service_control: ControlLevels,
    /// Above resources.
    pub resource_control: ControlLevels,
}

impl Organization {
    /// Which ones the sides of a question are of: who asks, who owns what it is about, and, where a service asks, for whom: the account
    /// that `context` tells of.
    pub fn asked<'a>(
        organization: Option<&'a Self>,
        principal: &Principal,
        resource_owner: Option<&AccountId>,
        context: &Context,
    ) -> OrganizationsAsked<'a> {
        let id_of = |account: &AccountId| organization.and_then(|found| found.id_of(account));
        let source = || AccountId::new(context.get("aws:SourceAccount")?.first()?.clone()).ok();
        let is_service = matches!(principal.kind, PrincipalKind::Service { .. });
        OrganizationsAsked {
            of_principal: id_of(&principal.account),
            of_resource: resource_owner.and_then(id_of),
            of_source: organization.filter(|_| is_service).and_then(|_| id_of(&source()?)),
        }
    }

    /// Its id, if `account` is of it.
    fn id_of(&self, account: &AccountId) -> Option<&OrganizationId> {
        self.id.as_ref().filter(|_| self.accounts.contains(account))
    }

    /// The levels above who asks.
    pub(crate) fn service_control(&self, account: &AccountId) -> &[ControlLevel] {
        if *account == self.management { &[] } else { self.service_control.above(account) }
    }

    /// The levels above what belongs to `owner`, for an action on it.
    pub(crate) fn resource_control(&self, owner: &AccountId, action: &str) -> &[ControlLevel] {
        let service = action.split(':').next().unwrap_or_default();
        let is_bound = RESOURCE_CONTROL_SERVICES.iter().any(|bound| bound.eq_ignore_ascii_case(service));
        if *owner == self.management || !is_bound { &[] } else { self.resource_control.above(owner) }
    }
}
