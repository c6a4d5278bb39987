//! Each operation through its row: who is refused, what is answered, which errors.

use std::sync::Arc;

use tarn_audit::{Caller, EventDraft};
use tarn_aws_model::iam::{self as wire, operations as op};
use tarn_aws_protocol::{AwsError, Operation, WireValue};
use tarn_identity::{AccountConfig, Identity};
use tarn_keys::Keys;
use tarn_metadata::MemoryStore;
use tarn_operation::{Kind, Service};
use tarn_policy::{Authorizer, BoundAuthorizer, Context, LakeAuthorizer, Principal};
use tarn_runtime::{EntropyExt, Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};

struct Lake {
    identity: Arc<Identity>,
    authorizer: Arc<LakeAuthorizer>,
    runtime: Runtime,
}

const ALLOW_IAM: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#;

async fn lake() -> Lake {
    let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 5);
    let keys = Keys::ephemeral(&runtime).expect("keys");
    let identity = Arc::new(Identity::new(Arc::new(MemoryStore::new()), keys, runtime.clone()));
    let account = AccountConfig {
        id: AccountId::first(),
        name: "first".to_owned(),
        email: "root@example.com".to_owned(),
        canonical_user_id: None,
        root: None,
        users: Vec::new(),
    };
    identity.bootstrap(&Region::us_east_1(), vec![account]).await.expect("bootstrap");
    let authorizer = Arc::new(LakeAuthorizer::new(identity.clone(), Vec::new()));
    Lake { identity, authorizer, runtime }
}

fn root() -> Principal {
    Principal::root(AccountId::first())
}

impl Lake {
    /// As the gateway does it: decode, authorize, run.
    async fn call<O: Operation + 'static>(
        &self,
        principal: &Principal,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        let service = crate::service(self.identity.clone());
        let row = service.row(O::MODEL.name).unwrap_or_else(|| panic!("{} has no row", O::MODEL.name));
        let scope = Scope { account: principal.account.clone(), region: Region::us_east_1() };
        let decoded = row.decode(input.into_value())?;
        let requirements = decoded.requirements(&scope)?;
        for requirement in &requirements {
            // Tagging what is made, and passing a role on, are asked for besides.
            let beside = requirement.action.starts_with("iam:Tag") || requirement.action == "iam:PassRole";
            assert!(beside || Some(requirement.action) == row.access().iam_action, "{}", O::MODEL.name);
        }
        let authorized =
            self.authorizer.authorize(principal, requirements, &Context::new()).map_err(crate::errors::denied)?;
        let bound = BoundAuthorizer::new(self.authorizer.clone(), principal.clone(), Context::new());
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "r".to_owned(),
            time_ms: 0,
            event_source: "iam.amazonaws.com".to_owned(),
            event_name: O::MODEL.name.to_owned(),
            read_only: row.access().kind == Kind::Read,
            management: true,
            scope,
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        let value = decoded.run(Caller::new(authorized, bound, draft)).await?;
        Ok(O::Output::from_value(value).expect("an answer of the model's shape"))
    }

    /// A user with an inline policy, if one is given.
    async fn user(&self, name: &str, policy: Option<&str>) -> Principal {
        let input = wire::CreateUserRequest { user_name: text(name), ..Default::default() };
        let made = self.call::<op::CreateUser>(&root(), input).await.expect("user").user.expect("user");
        if let Some(policy) = policy {
            let input = wire::PutUserPolicyRequest {
                user_name: text(name),
                policy_name: text("p"),
                policy_document: text(policy),
            };
            self.call::<op::PutUserPolicy>(&root(), input).await.expect("policy");
        }
        Principal::user(AccountId::first(), name, made.user_id.expect("id"))
    }
}

impl Lake {
    /// The id of the user's first access key, or one that nobody has.
    async fn key_of(&self, user: &str) -> String {
        let list = wire::ListAccessKeysRequest { user_name: text(user), ..Default::default() };
        let listed = self.call::<op::ListAccessKeys>(&root(), list).await.expect("list").access_key_metadata;
        let first = listed.into_iter().flatten().find_map(|key| key.access_key_id);
        first.unwrap_or_else(|| "AKIANOBODY0000000000".to_owned())
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Code and status of a failure; the answer must not be anything else.
fn check<T: std::fmt::Debug>(found: Result<T, AwsError>, code: &str, status: u16) {
    match found {
        Err(error) if error.code == code && error.status == status => {}
        other => panic!("{other:?}, expected {code} {status}"),
    }
}

const OWN_POLICY: &str = "arn:aws:iam::000000000000:policy/own";

macro_rules! run {
    ($lake:ident, $principal:ident, $check:ident, $op:ident, $input:ident { $($field:ident: $value:expr),* }) => {
        #[allow(clippy::needless_update)]
        let input = wire::$input { $($field: $value,)* ..Default::default() };
        $check(stringify!($op), $lake.call::<op::$op>($principal, input).await.map(|_| ()));
    };
}

const OWN_PROVIDER: &str = "arn:aws:iam::000000000000:oidc-provider/idp.example.com/lake";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}]}"#;

fn wire_tags() -> Option<Vec<wire::Tag>> {
    Some(vec![wire::Tag { key: text("team"), value: text("lake") }])
}

/// The part of `for_every_operation` that is about groups, roles, boundaries, tags, versions, instance profiles and providers.
macro_rules! for_every_operation_more {
    ($lake:ident, $by:ident, $check:ident, $user:ident, $policy:ident, $document:ident) => {
        let (group, role, profile) = (|| text("g"), || text("r"), || text("i"));
        let (provider, name, tags) = (|| text(OWN_PROVIDER), || text("q"), wire_tags);
        let keys = || Some(vec!["team".to_owned()]);
        run!(
            $lake,
            $by,
            $check,
            PutUserPermissionsBoundary,
            PutUserPermissionsBoundaryRequest { user_name: $user(), permissions_boundary: $policy() }
        );
        run!(
            $lake,
            $by,
            $check,
            DeleteUserPermissionsBoundary,
            DeleteUserPermissionsBoundaryRequest { user_name: $user() }
        );
        run!($lake, $by, $check, TagUser, TagUserRequest { user_name: $user(), tags: tags() });
        run!($lake, $by, $check, ListUserTags, ListUserTagsRequest { user_name: $user() });
        run!($lake, $by, $check, UntagUser, UntagUserRequest { user_name: $user(), tag_keys: keys() });
        run!($lake, $by, $check, CreateGroup, CreateGroupRequest { group_name: group() });
        run!($lake, $by, $check, GetGroup, GetGroupRequest { group_name: group() });
        run!($lake, $by, $check, ListGroups, ListGroupsRequest {});
        run!($lake, $by, $check, UpdateGroup, UpdateGroupRequest { group_name: group(), new_path: text("/x/") });
        run!($lake, $by, $check, AddUserToGroup, AddUserToGroupRequest { group_name: group(), user_name: $user() });
        run!($lake, $by, $check, ListGroupsForUser, ListGroupsForUserRequest { user_name: $user() });
        run!(
            $lake,
            $by,
            $check,
            RemoveUserFromGroup,
            RemoveUserFromGroupRequest { group_name: group(), user_name: $user() }
        );
        run!(
            $lake,
            $by,
            $check,
            PutGroupPolicy,
            PutGroupPolicyRequest { group_name: group(), policy_name: name(), policy_document: $document() }
        );
        run!($lake, $by, $check, GetGroupPolicy, GetGroupPolicyRequest { group_name: group(), policy_name: name() });
        run!($lake, $by, $check, ListGroupPolicies, ListGroupPoliciesRequest { group_name: group() });
        run!(
            $lake,
            $by,
            $check,
            DeleteGroupPolicy,
            DeleteGroupPolicyRequest { group_name: group(), policy_name: name() }
        );
        run!(
            $lake,
            $by,
            $check,
            AttachGroupPolicy,
            AttachGroupPolicyRequest { group_name: group(), policy_arn: $policy() }
        );
        run!($lake, $by, $check, ListAttachedGroupPolicies, ListAttachedGroupPoliciesRequest { group_name: group() });
        run!(
            $lake,
            $by,
            $check,
            DetachGroupPolicy,
            DetachGroupPolicyRequest { group_name: group(), policy_arn: $policy() }
        );
        run!($lake, $by, $check, DeleteGroup, DeleteGroupRequest { group_name: group() });
        run!(
            $lake,
            $by,
            $check,
            CreateRole,
            CreateRoleRequest { role_name: role(), assume_role_policy_document: text(TRUST), tags: tags() }
        );
        run!($lake, $by, $check, GetRole, GetRoleRequest { role_name: role() });
        run!($lake, $by, $check, ListRoles, ListRolesRequest {});
        run!($lake, $by, $check, UpdateRole, UpdateRoleRequest { role_name: role(), description: text("d") });
        run!(
            $lake,
            $by,
            $check,
            UpdateRoleDescription,
            UpdateRoleDescriptionRequest { role_name: role(), description: text("e") }
        );
        run!(
            $lake,
            $by,
            $check,
            UpdateAssumeRolePolicy,
            UpdateAssumeRolePolicyRequest { role_name: role(), policy_document: text(TRUST) }
        );
        run!(
            $lake,
            $by,
            $check,
            PutRolePermissionsBoundary,
            PutRolePermissionsBoundaryRequest { role_name: role(), permissions_boundary: $policy() }
        );
        run!(
            $lake,
            $by,
            $check,
            DeleteRolePermissionsBoundary,
            DeleteRolePermissionsBoundaryRequest { role_name: role() }
        );
        run!($lake, $by, $check, TagRole, TagRoleRequest { role_name: role(), tags: tags() });
        run!($lake, $by, $check, ListRoleTags, ListRoleTagsRequest { role_name: role() });
        run!($lake, $by, $check, UntagRole, UntagRoleRequest { role_name: role(), tag_keys: keys() });
        run!(
            $lake,
            $by,
            $check,
            PutRolePolicy,
            PutRolePolicyRequest { role_name: role(), policy_name: name(), policy_document: $document() }
        );
        run!($lake, $by, $check, GetRolePolicy, GetRolePolicyRequest { role_name: role(), policy_name: name() });
        run!($lake, $by, $check, ListRolePolicies, ListRolePoliciesRequest { role_name: role() });
        run!($lake, $by, $check, DeleteRolePolicy, DeleteRolePolicyRequest { role_name: role(), policy_name: name() });
        run!(
            $lake,
            $by,
            $check,
            AttachRolePolicy,
            AttachRolePolicyRequest { role_name: role(), policy_arn: $policy() }
        );
        run!($lake, $by, $check, ListAttachedRolePolicies, ListAttachedRolePoliciesRequest { role_name: role() });
        run!(
            $lake,
            $by,
            $check,
            DetachRolePolicy,
            DetachRolePolicyRequest { role_name: role(), policy_arn: $policy() }
        );
        run!(
            $lake,
            $by,
            $check,
            CreateInstanceProfile,
            CreateInstanceProfileRequest { instance_profile_name: profile() }
        );
        run!($lake, $by, $check, GetInstanceProfile, GetInstanceProfileRequest { instance_profile_name: profile() });
        run!($lake, $by, $check, ListInstanceProfiles, ListInstanceProfilesRequest {});
        run!(
            $lake,
            $by,
            $check,
            AddRoleToInstanceProfile,
            AddRoleToInstanceProfileRequest { instance_profile_name: profile(), role_name: role() }
        );
        run!($lake, $by, $check, ListInstanceProfilesForRole, ListInstanceProfilesForRoleRequest { role_name: role() });
        run!(
            $lake,
            $by,
            $check,
            RemoveRoleFromInstanceProfile,
            RemoveRoleFromInstanceProfileRequest { instance_profile_name: profile(), role_name: role() }
        );
        run!(
            $lake,
            $by,
            $check,
            TagInstanceProfile,
            TagInstanceProfileRequest { instance_profile_name: profile(), tags: tags() }
        );
        run!(
            $lake,
            $by,
            $check,
            ListInstanceProfileTags,
            ListInstanceProfileTagsRequest { instance_profile_name: profile() }
        );
        run!(
            $lake,
            $by,
            $check,
            UntagInstanceProfile,
            UntagInstanceProfileRequest { instance_profile_name: profile(), tag_keys: keys() }
        );
        run!(
            $lake,
            $by,
            $check,
            DeleteInstanceProfile,
            DeleteInstanceProfileRequest { instance_profile_name: profile() }
        );
        run!($lake, $by, $check, DeleteRole, DeleteRoleRequest { role_name: role() });
        run!(
            $lake,
            $by,
            $check,
            CreatePolicyVersion,
            CreatePolicyVersionRequest { policy_arn: $policy(), policy_document: $document() }
        );
        run!(
            $lake,
            $by,
            $check,
            SetDefaultPolicyVersion,
            SetDefaultPolicyVersionRequest { policy_arn: $policy(), version_id: text("v1") }
        );
        run!(
            $lake,
            $by,
            $check,
            DeletePolicyVersion,
            DeletePolicyVersionRequest { policy_arn: $policy(), version_id: text("v2") }
        );
        run!($lake, $by, $check, TagPolicy, TagPolicyRequest { policy_arn: $policy(), tags: tags() });
        run!($lake, $by, $check, ListPolicyTags, ListPolicyTagsRequest { policy_arn: $policy() });
        run!($lake, $by, $check, UntagPolicy, UntagPolicyRequest { policy_arn: $policy(), tag_keys: keys() });
        run!(
            $lake,
            $by,
            $check,
            CreateOpenIDConnectProvider,
            CreateOpenIDConnectProviderRequest { url: text("https://idp.example.com/lake") }
        );
        run!(
            $lake,
            $by,
            $check,
            GetOpenIDConnectProvider,
            GetOpenIDConnectProviderRequest { open_id_connect_provider_arn: provider() }
        );
        run!(
            $lake,
            $by,
            $check,
            AddClientIDToOpenIDConnectProvider,
            AddClientIDToOpenIDConnectProviderRequest {
                open_id_connect_provider_arn: provider(),
                client_id: text("c")
            }
        );
        run!(
            $lake,
            $by,
            $check,
            RemoveClientIDFromOpenIDConnectProvider,
            RemoveClientIDFromOpenIDConnectProviderRequest {
                open_id_connect_provider_arn: provider(),
                client_id: text("c")
            }
        );
        run!(
            $lake,
            $by,
            $check,
            UpdateOpenIDConnectProviderThumbprint,
            UpdateOpenIDConnectProviderThumbprintRequest {
                open_id_connect_provider_arn: provider(),
                thumbprint_list: Some(Vec::new())
            }
        );
        run!(
            $lake,
            $by,
            $check,
            TagOpenIDConnectProvider,
            TagOpenIDConnectProviderRequest { open_id_connect_provider_arn: provider(), tags: tags() }
        );
        run!(
            $lake,
            $by,
            $check,
            ListOpenIDConnectProviderTags,
            ListOpenIDConnectProviderTagsRequest { open_id_connect_provider_arn: provider() }
        );
        run!(
            $lake,
            $by,
            $check,
            UntagOpenIDConnectProvider,
            UntagOpenIDConnectProviderRequest { open_id_connect_provider_arn: provider(), tag_keys: keys() }
        );
        run!($lake, $by, $check, ListOpenIDConnectProviders, ListOpenIDConnectProvidersRequest {});
        run!(
            $lake,
            $by,
            $check,
            DeleteOpenIDConnectProvider,
            DeleteOpenIDConnectProviderRequest { open_id_connect_provider_arn: provider() }
        );
        $check("GetAccountSummary", $lake.call::<op::GetAccountSummary>($by, Default::default()).await.map(|_| ()));
    };
}

/// The part of `for_every_operation` that is about accounts as a whole, passwords, services' roles, simulations, and what nobody has.
macro_rules! for_every_operation_of_accounts {
    ($lake:ident, $by:ident, $check:ident, $user:ident) => {
        let alias = || text("the-lake");
        let source = || text("arn:aws:iam::000000000000:user/ada");
        let (list, actions) = (|| Some(vec![ALLOW_IAM.to_owned()]), || Some(vec!["s3:GetObject".to_owned()]));
        run!($lake, $by, $check, CreateAccountAlias, CreateAccountAliasRequest { account_alias: alias() });
        run!($lake, $by, $check, ListAccountAliases, ListAccountAliasesRequest {});
        run!($lake, $by, $check, DeleteAccountAlias, DeleteAccountAliasRequest { account_alias: alias() });
        run!($lake, $by, $check, UpdateAccountPasswordPolicy, UpdateAccountPasswordPolicyRequest {});
        for_every_unit_operation!($lake, $by, $check: GetAccountPasswordPolicy DeleteAccountPasswordPolicy);
        run!(
            $lake,
            $by,
            $check,
            CreateLoginProfile,
            CreateLoginProfileRequest { user_name: $user(), password: text("Correct-horse-1") }
        );
        run!($lake, $by, $check, GetLoginProfile, GetLoginProfileRequest { user_name: $user() });
        run!($lake, $by, $check, UpdateLoginProfile, UpdateLoginProfileRequest { user_name: $user() });
        run!($lake, $by, $check, DeleteLoginProfile, DeleteLoginProfileRequest { user_name: $user() });
        run!(
            $lake,
            $by,
            $check,
            ChangePassword,
            ChangePasswordRequest { old_password: text("a"), new_password: text("Correct-horse-2") }
        );
        for_every_unit_operation!($lake, $by, $check: GenerateCredentialReport GetCredentialReport);
        run!(
            $lake,
            $by,
            $check,
            CreateServiceLinkedRole,
            CreateServiceLinkedRoleRequest { aws_service_name: text("batch.amazonaws.com") }
        );
        run!(
            $lake,
            $by,
            $check,
            DeleteServiceLinkedRole,
            DeleteServiceLinkedRoleRequest { role_name: text("AWSServiceRoleForBatch") }
        );
        run!(
            $lake,
            $by,
            $check,
            GetServiceLinkedRoleDeletionStatus,
            GetServiceLinkedRoleDeletionStatusRequest { deletion_task_id: text("task/none") }
        );
        run!(
            $lake,
            $by,
            $check,
            SimulateCustomPolicy,
            SimulateCustomPolicyRequest { policy_input_list: list(), action_names: actions() }
        );
        run!(
            $lake,
            $by,
            $check,
            SimulatePrincipalPolicy,
            SimulatePrincipalPolicyRequest { policy_source_arn: source(), action_names: actions() }
        );
        run!(
            $lake,
            $by,
            $check,
            GetContextKeysForCustomPolicy,
            GetContextKeysForCustomPolicyRequest { policy_input_list: list() }
        );
        run!(
            $lake,
            $by,
            $check,
            GetContextKeysForPrincipalPolicy,
            GetContextKeysForPrincipalPolicyRequest { policy_source_arn: source() }
        );
        run!($lake, $by, $check, GetAccountAuthorizationDetails, GetAccountAuthorizationDetailsRequest {});
        run!(
            $lake,
            $by,
            $check,
            ListPoliciesGrantingServiceAccess,
            ListPoliciesGrantingServiceAccessRequest {
                arn: source(),
                service_namespaces: Some(vec!["s3".to_owned()])
            }
        );
        run!($lake, $by, $check, ListMFADevices, ListMFADevicesRequest { user_name: $user() });
        run!($lake, $by, $check, ListSSHPublicKeys, ListSSHPublicKeysRequest { user_name: $user() });
        run!($lake, $by, $check, ListSigningCertificates, ListSigningCertificatesRequest { user_name: $user() });
        run!(
            $lake,
            $by,
            $check,
            ListServiceSpecificCredentials,
            ListServiceSpecificCredentialsRequest { user_name: $user() }
        );
        run!($lake, $by, $check, ListVirtualMFADevices, ListVirtualMFADevicesRequest {});
        run!($lake, $by, $check, ListServerCertificates, ListServerCertificatesRequest {});
        run!($lake, $by, $check, ListSAMLProviders, ListSAMLProvidersRequest {});
    };
}

/// Operations without input.
macro_rules! for_every_unit_operation {
    ($lake:ident, $by:ident, $check:ident: $($op:ident)*) => {$(
        $check(stringify!($op), $lake.call::<op::$op>($by, Default::default()).await.map(|_| ()));
    )*};
}

/// Runs `$check` for every operation with an input that names the user `ada` or the policy `own`.
macro_rules! for_every_operation {
    ($lake:expr, $principal:expr, $check:expr) => {{
        let (user, policy) = (|| text("ada"), || text(OWN_POLICY));
        let document = || text(ALLOW_IAM);
        #[allow(unused_mut)]
        let (lake, principal, mut check) = ($lake, $principal, $check);
        run!(lake, principal, check, CreateUser, CreateUserRequest { user_name: text("new") });
        run!(lake, principal, check, GetUser, GetUserRequest { user_name: user() });
        run!(lake, principal, check, ListUsers, ListUsersRequest {});
        run!(lake, principal, check, UpdateUser, UpdateUserRequest { user_name: user(), new_path: text("/x/") });
        run!(lake, principal, check, CreateAccessKey, CreateAccessKeyRequest { user_name: user() });
        run!(lake, principal, check, ListAccessKeys, ListAccessKeysRequest { user_name: user() });
        run!(
            lake,
            principal,
            check,
            UpdateAccessKey,
            UpdateAccessKeyRequest { user_name: user(), access_key_id: text("AKIANONE"), status: text("Active") }
        );
        run!(
            lake,
            principal,
            check,
            DeleteAccessKey,
            DeleteAccessKeyRequest { user_name: user(), access_key_id: text("AKIANONE") }
        );
        let key = lake.key_of("ada").await;
        run!(lake, principal, check, GetAccessKeyLastUsed, GetAccessKeyLastUsedRequest { access_key_id: Some(key) });
        run!(
            lake,
            principal,
            check,
            PutUserPolicy,
            PutUserPolicyRequest { user_name: user(), policy_name: text("q"), policy_document: document() }
        );
        run!(lake, principal, check, GetUserPolicy, GetUserPolicyRequest { user_name: user(), policy_name: text("q") });
        run!(lake, principal, check, ListUserPolicies, ListUserPoliciesRequest { user_name: user() });
        run!(
            lake,
            principal,
            check,
            DeleteUserPolicy,
            DeleteUserPolicyRequest { user_name: user(), policy_name: text("q") }
        );
        run!(
            lake,
            principal,
            check,
            CreatePolicy,
            CreatePolicyRequest { policy_name: text("own"), policy_document: document() }
        );
        run!(lake, principal, check, GetPolicy, GetPolicyRequest { policy_arn: policy() });
        run!(
            lake,
            principal,
            check,
            GetPolicyVersion,
            GetPolicyVersionRequest { policy_arn: policy(), version_id: text("v1") }
        );
        run!(lake, principal, check, ListPolicyVersions, ListPolicyVersionsRequest { policy_arn: policy() });
        run!(lake, principal, check, ListPolicies, ListPoliciesRequest {});
        run!(
            lake,
            principal,
            check,
            AttachUserPolicy,
            AttachUserPolicyRequest { user_name: user(), policy_arn: policy() }
        );
        run!(lake, principal, check, ListAttachedUserPolicies, ListAttachedUserPoliciesRequest { user_name: user() });
        run!(lake, principal, check, ListEntitiesForPolicy, ListEntitiesForPolicyRequest { policy_arn: policy() });
        run!(
            lake,
            principal,
            check,
            DetachUserPolicy,
            DetachUserPolicyRequest { user_name: user(), policy_arn: policy() }
        );
        for_every_operation_more!(lake, principal, check, user, policy, document);
        for_every_operation_of_accounts!(lake, principal, check, user);
        run!(lake, principal, check, DeletePolicy, DeletePolicyRequest { policy_arn: policy() });
        run!(lake, principal, check, DeleteUser, DeleteUserRequest { user_name: user() });
    }};
}

#[tokio::test]
async fn every_operation_refuses_who_may_not() {
    let lake = lake().await;
    lake.user("ada", None).await;
    let nobody = lake.user("nobody", None).await;
    let denied = lake.user("denied", Some(&ALLOW_IAM.replace("Allow", "Deny"))).await;
    let foreign = Principal::root(AccountId::new("111111111111").expect("account"));
    for principal in [&nobody, &denied, &Principal::anonymous()] {
        for_every_operation!(&lake, principal, |name, found: Result<(), AwsError>| match found {
            Err(error) if error.code == "AccessDenied" && error.status == 403 => {}
            other => panic!("{name} by {principal:?}: {other:?}"),
        });
    }
    // Another account's root sees its own account, in which there is no ada, and not this one's policies.
    let found = lake.call::<op::GetUser>(&foreign, wire::GetUserRequest { user_name: text("ada") }).await;
    check(found, "NoSuchEntity", 404);
    let found = lake.call::<op::GetPolicy>(&foreign, wire::GetPolicyRequest { policy_arn: text(OWN_POLICY) }).await;
    check(found, "AccessDenied", 403);
    let mut operations = Vec::new();
    for_every_operation!(&lake, &root(), |name: &'static str, found: Result<(), AwsError>| {
        // Root has no password of a user's.
        let is_of_users = name == "ChangePassword";
        assert!(
            found.as_ref().err().is_none_or(|error| error.code == "NoSuchEntity"
                || error.code == "DeleteConflict"
                || (is_of_users && error.code == "ValidationError")),
            "{name}: {found:?}"
        );
        operations.push(name);
    });
    operations.sort_unstable();
    let service = crate::service(lake.identity.clone());
    let rows: Vec<_> = service.rows().iter().map(|row| row.model().name).collect();
    assert_eq!(operations, rows, "every row is in this test");
}

#[tokio::test]
async fn a_user_may_mind_its_own_keys_without_naming_itself() {
    let lake = lake().await;
    let own_keys = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:*AccessKey*","iam:GetUser"],"Resource":"arn:aws:iam::*:user/${aws:username}"}}"#;
    let ada = lake.user("ada", Some(own_keys)).await;
    let bob = lake.user("bob", None).await;
    let create = |name: Option<&str>| wire::CreateAccessKeyRequest { user_name: name.map(str::to_owned) };
    let made = lake.call::<op::CreateAccessKey>(&ada, create(None)).await.expect("own key").access_key.expect("key");
    assert_eq!((made.user_name.as_deref(), made.secret_access_key.map(|secret| secret.len())), (Some("ada"), Some(40)));
    check(lake.call::<op::CreateAccessKey>(&ada, create(Some("bob"))).await, "AccessDenied", 403);
    check(lake.call::<op::CreateAccessKey>(&bob, create(None)).await, "AccessDenied", 403);
    let of_root = lake.call::<op::CreateAccessKey>(&root(), create(None)).await.expect("root's key").access_key;
    let listed = lake.call::<op::ListAccessKeys>(&root(), wire::ListAccessKeysRequest::default()).await.expect("list");
    assert_eq!(listed.access_key_metadata.map(|keys| keys.len()), Some(2), "root's first key and {of_root:?}");
    let switch = |status: &str| wire::UpdateAccessKeyRequest {
        user_name: None,
        access_key_id: made.access_key_id.clone(),
        status: text(status),
    };
    lake.call::<op::UpdateAccessKey>(&ada, switch("Inactive")).await.expect("switched off");
    check(lake.call::<op::UpdateAccessKey>(&ada, switch("Expired")).await, "ValidationError", 400);
    check(lake.call::<op::UpdateAccessKey>(&bob, switch("Active")).await, "AccessDenied", 403);
    let listed = lake.call::<op::ListAccessKeys>(&ada, wire::ListAccessKeysRequest::default()).await.expect("list");
    assert_eq!(listed.access_key_metadata.expect("keys")[0].status.as_deref(), Some("Inactive"));

    let me = lake.call::<op::GetUser>(&ada, wire::GetUserRequest::default()).await.expect("me").user.expect("user");
    assert_eq!(me.arn.as_deref(), Some("arn:aws:iam::000000000000:user/ada"));
    let me =
        lake.call::<op::GetUser>(&root(), wire::GetUserRequest::default()).await.expect("root").user.expect("user");
    assert_eq!((me.arn.as_deref(), me.user_name), (Some("arn:aws:iam::000000000000:root"), None));
}

#[tokio::test]
async fn the_last_use_of_a_key_is_told_to_who_may_ask() {
    let lake = lake().await;
    let of_ada = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:CreateAccessKey","iam:GetAccessKeyLastUsed"],"Resource":"arn:aws:iam::*:user/ada"}}"#;
    let ada = lake.user("ada", Some(of_ada)).await;
    let bob = lake.user("bob", Some(of_ada)).await;
    lake.call::<op::CreateAccessKey>(&ada, wire::CreateAccessKeyRequest::default()).await.expect("key");
    let key = lake.key_of("ada").await;
    let ask = |id: &str| wire::GetAccessKeyLastUsedRequest { access_key_id: text(id) };
    let never = lake.call::<op::GetAccessKeyLastUsed>(&bob, ask(&key)).await.expect("never used");
    let used = never.access_key_last_used.expect("a use");
    assert_eq!(never.user_name.as_deref(), Some("ada"));
    assert_eq!(
        (used.last_used_date, used.service_name.as_deref(), used.region.as_deref()),
        (None, Some("N/A"), Some("N/A"))
    );
    lake.identity.note_use(&key, 5_000, "s3", "us-east-1");
    let used = lake.call::<op::GetAccessKeyLastUsed>(&bob, ask(&key)).await.expect("used");
    let used = used.access_key_last_used.expect("a use");
    assert_eq!(
        (used.last_used_date, used.service_name.as_deref(), used.region.as_deref()),
        (Timestamp::from_millisecond(5_000).ok(), Some("s3"), Some("us-east-1"))
    );
    // Of a key that is not there, and of another account's, nobody learns more than that.
    check(lake.call::<op::GetAccessKeyLastUsed>(&root(), ask("AKIANOBODY0000000000")).await, "AccessDenied", 403);
    let foreign = Principal::root(AccountId::new("111111111111").expect("account"));
    check(lake.call::<op::GetAccessKeyLastUsed>(&foreign, ask(&key)).await, "AccessDenied", 403);
}

#[tokio::test]
async fn errors_are_iams() {
    let lake = lake().await;
    lake.user("ada", Some(ALLOW_IAM)).await;
    let by = root();
    let user = |name: &str| wire::CreateUserRequest { user_name: text(name), ..Default::default() };
    check(lake.call::<op::CreateUser>(&by, user("ADA")).await, "EntityAlreadyExists", 409);
    let with_boundary = wire::CreateUserRequest { permissions_boundary: text(OWN_POLICY), ..user("x") };
    check(lake.call::<op::CreateUser>(&by, with_boundary).await, "NoSuchEntity", 404);
    let with_tags = wire::CreateUserRequest { tags: Some(vec![wire::Tag::default()]), ..user("x") };
    check(lake.call::<op::CreateUser>(&by, with_tags).await, "InvalidInput", 400);
    let delete = wire::DeleteUserRequest { user_name: text("ada") };
    check(lake.call::<op::DeleteUser>(&by, delete).await, "DeleteConflict", 409);
    let put = |document: &str| wire::PutUserPolicyRequest {
        user_name: text("ada"),
        policy_name: text("p"),
        policy_document: text(document),
    };
    check(lake.call::<op::PutUserPolicy>(&by, put("{}")).await, "MalformedPolicyDocument", 400);
    check(
        lake.call::<op::PutUserPolicy>(&by, put(&ALLOW_IAM.replace("iam:*", &"iam:a".repeat(600)))).await,
        "MalformedPolicyDocument",
        400,
    );
    check(
        lake.call::<op::PutUserPolicy>(&by, put(&ALLOW_IAM.replace("iam:*", &format!("iam:{}", "a".repeat(2_048)))))
            .await,
        "LimitExceeded",
        409,
    );
    let attach = wire::AttachUserPolicyRequest { user_name: text("ada"), policy_arn: text(OWN_POLICY) };
    check(lake.call::<op::AttachUserPolicy>(&by, attach).await, "NoSuchEntity", 404);
    let of_aws = wire::DeletePolicyRequest { policy_arn: text("arn:aws:iam::aws:policy/AdministratorAccess") };
    check(lake.call::<op::DeletePolicy>(&by, of_aws).await, "AccessDenied", 403);
    let no_arn = wire::GetPolicyRequest { policy_arn: text("this is not an ARN at all") };
    check(lake.call::<op::GetPolicy>(&by, no_arn).await, "ValidationError", 400);
    let marker = wire::ListUsersRequest { marker: text("?"), ..Default::default() };
    check(lake.call::<op::ListUsers>(&by, marker).await, "ValidationError", 400);
}

#[tokio::test]
async fn documents_come_encoded_as_clients_expect_them() {
    let lake = lake().await;
    let document =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::a+b%20/*"}}"#;
    lake.user("ada", Some(document)).await;
    let get = wire::GetUserPolicyRequest { user_name: text("ada"), policy_name: text("p") };
    let found = lake.call::<op::GetUserPolicy>(&root(), get).await.expect("policy").policy_document.expect("document");
    assert!(!found.contains(['{', '+', '"', ' ']), "{found}");
    assert_eq!(percent_encoding::percent_decode_str(&found).decode_utf8().expect("text"), document);

    let create =
        wire::CreatePolicyRequest { policy_name: text("own"), policy_document: text(document), ..Default::default() };
    let made = lake.call::<op::CreatePolicy>(&root(), create).await.expect("policy").policy.expect("policy");
    assert_eq!((made.arn.as_deref(), made.default_version_id.as_deref()), (Some(OWN_POLICY), Some("v1")));
    let get = wire::GetPolicyVersionRequest { policy_arn: made.arn, version_id: text("v1") };
    let found =
        lake.call::<op::GetPolicyVersion>(&root(), get).await.expect("version").policy_version.expect("version");
    assert!(found.document.expect("document").starts_with("%7B%22Version"));
    let list = wire::ListPoliciesRequest { scope: text("Local"), ..Default::default() };
    assert_eq!(lake.call::<op::ListPolicies>(&root(), list).await.expect("list").policies.expect("policies").len(), 1);
}
