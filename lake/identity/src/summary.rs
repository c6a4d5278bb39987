//! How much of each kind an account has, and how much it may have.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>

use tarn_audit::Caller;
use tarn_metadata::{Key, Keyspace, Record, StoreExt};
use tarn_types::AccountId;

use crate::paging::count;
use crate::records::{
    ACCESS_KEYS, AccessKeyRecord, GROUPS, INSTANCE_PROFILES, KeyOwner, MANAGED_POLICIES, OIDC_PROVIDERS, ROLES, USERS,
    account_key, in_account,
};
use crate::{
    ACCESS_KEYS_PER_USER_MAX, ATTACHED_POLICIES_MAX, GROUP_POLICIES_SIZE_CHARS_MAX, GROUPS_PER_ACCOUNT_MAX,
    GROUPS_PER_USER_MAX, INSTANCE_PROFILES_PER_ACCOUNT_MAX, Identity, IdentityError, MANAGED_POLICY_SIZE_CHARS_MAX,
    POLICIES_PER_ACCOUNT_MAX, ROLE_POLICIES_SIZE_CHARS_MAX, ROLES_PER_ACCOUNT_MAX, TRUST_POLICY_SIZE_CHARS_MAX,
    USER_POLICIES_SIZE_CHARS_MAX, USERS_PER_ACCOUNT_MAX, VERSIONS_PER_POLICY_MAX,
};

impl Identity {
    /// Numbers by their names at AWS.
    pub fn account_summary(&self, caller: &Caller) -> Result<Vec<(&'static str, usize)>, IdentityError> {
        let snapshot = self.store.read()?;
        let account: &AccountId = &caller.scope().account;
        let all: Key = account_key(account);
        fn len<R: Record>(
            read: &tarn_metadata::Snapshot,
            keyspace: Keyspace<R>,
            prefix: &Key,
        ) -> Result<usize, IdentityError> {
            Ok(count(read, keyspace, prefix, usize::MAX)?)
        }
        let mut versions_in_use = 0;
        for item in tarn_metadata::Read::prefix(&snapshot, MANAGED_POLICIES, &all) {
            versions_in_use += item?.1.versions.len();
        }
        let root_keys = {
            let linked = in_account(account, account.as_str());
            let mut found = 0;
            for item in tarn_metadata::Read::prefix(&snapshot, crate::records::USER_ACCESS_KEYS, &linked) {
                let (key, _) = item?;
                let Some(id) = crate::entity_policies::last_part(&key, &linked) else { continue };
                let record: Option<AccessKeyRecord> =
                    tarn_metadata::Read::get(&snapshot, ACCESS_KEYS, &Key::new().text(&id))?;
                found += usize::from(record.is_some_and(|record| record.owner == KeyOwner::Root));
            }
            found
        };
        Ok(vec![
            ("Users", len(&snapshot, USERS, &all)?),
            ("UsersQuota", USERS_PER_ACCOUNT_MAX),
            ("Groups", len(&snapshot, GROUPS, &all)?),
            ("GroupsQuota", GROUPS_PER_ACCOUNT_MAX),
            ("Roles", len(&snapshot, ROLES, &all)?),
            ("RolesQuota", ROLES_PER_ACCOUNT_MAX),
            ("Policies", len(&snapshot, MANAGED_POLICIES, &all)?),
            ("PoliciesQuota", POLICIES_PER_ACCOUNT_MAX),
            ("PolicyVersionsInUse", versions_in_use),
            ("PolicyVersionsInUseQuota", POLICIES_PER_ACCOUNT_MAX * VERSIONS_PER_POLICY_MAX),
            ("InstanceProfiles", len(&snapshot, INSTANCE_PROFILES, &all)?),
            ("InstanceProfilesQuota", INSTANCE_PROFILES_PER_ACCOUNT_MAX),
            ("Providers", len(&snapshot, OIDC_PROVIDERS, &all)?),
            ("GroupsPerUserQuota", GROUPS_PER_USER_MAX),
            ("AccessKeysPerUserQuota", ACCESS_KEYS_PER_USER_MAX),
            ("AttachedPoliciesPerUserQuota", ATTACHED_POLICIES_MAX),
            ("AttachedPoliciesPerGroupQuota", ATTACHED_POLICIES_MAX),
            ("AttachedPoliciesPerRoleQuota", ATTACHED_POLICIES_MAX),
            ("UserPolicySizeQuota", USER_POLICIES_SIZE_CHARS_MAX),
            ("GroupPolicySizeQuota", GROUP_POLICIES_SIZE_CHARS_MAX),
            ("AssumeRolePolicySizeQuota", TRUST_POLICY_SIZE_CHARS_MAX),
            ("RolePolicySizeQuota", ROLE_POLICIES_SIZE_CHARS_MAX),
            ("PolicySizeQuota", MANAGED_POLICY_SIZE_CHARS_MAX),
            ("VersionsPerPolicyQuota", VERSIONS_PER_POLICY_MAX),
            ("AccountAccessKeysPresent", root_keys.min(1)),
            // No second factors, certificates or passwords are kept here.
            ("AccountMFAEnabled", 0),
            ("AccountPasswordPresent", 0),
            ("AccountSigningCertificatesPresent", 0),
            ("MFADevices", 0),
            ("MFADevicesInUse", 0),
            ("ServerCertificates", 0),
            ("ServerCertificatesQuota", 0),
            ("SigningCertificatesPerUserQuota", 0),
            ("GlobalEndpointTokenVersion", 2),
        ])
    }
}
