//! What an organisation lets its accounts do, and others do with what is theirs: levels of policies above each account but the management
//! account, which none bind. Knows no files; asked for every decision.
//! <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_authorization_policies.html>

use std::collections::BTreeMap;

use tarn_types::AccountId;

use crate::evaluate::ControlLevel;

/// The services, of those that this lake has, whose resources resource control policies bind:
/// <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html>
const RESOURCE_CONTROL_SERVICES: [&str; 3] = ["s3", "kms", "sts"];

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

/// An organisation's policies.
#[derive(Debug, Clone)]
pub struct Organization {
    /// The account that no policy of it binds.
    pub management: AccountId,
    /// Above principals.
    pub service_control: ControlLevels,
    /// Above resources.
    pub resource_control: ControlLevels,
}

impl Organization {
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
