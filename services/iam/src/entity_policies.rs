//! Policies of users, groups and roles on the wire: inline ones and attachments. The three differ in the names of their shapes only.

macro_rules! policies_of {
    (
        $kind:ident, $member:ident: $put:ident, $get:ident => $got:ident, $list:ident => $listed:ident, $delete:ident, $attach:ident,
        $detach:ident, $list_attached:ident => $attached:ident
    ) => {
        use std::sync::Arc;

        use tarn_audit::Caller;
        use tarn_aws_model::iam as wire;
        use tarn_aws_protocol::{AwsError, Unit};
        use tarn_identity::{AttachedPolicy, EntityKind, Identity};

        use crate::convert::{document, page, path_prefix, required};
        use crate::errors::to_aws;

        const KIND: EntityKind = EntityKind::$kind;
        const NAME: &str = concat!(stringify!($kind), "Name");

        pub(crate) async fn put(identity: Arc<Identity>, caller: Caller, input: wire::$put) -> Result<Unit, AwsError> {
            let name = required(input.$member, NAME)?;
            let policy = required(input.policy_name, "PolicyName")?;
            let document = required(input.policy_document, "PolicyDocument")?;
            identity.put_inline_policy(&caller, KIND, &name, &policy, &document).await.map_err(to_aws)?;
            Ok(Unit::default())
        }

        pub(crate) async fn get(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$get,
        ) -> Result<wire::$got, AwsError> {
            let name = required(input.$member, NAME)?;
            let policy = required(input.policy_name, "PolicyName")?;
            let found = identity.get_inline_policy(&caller, KIND, &name, &policy).map_err(to_aws)?;
            Ok(wire::$got {
                $member: Some(found.entity_name),
                policy_name: Some(found.policy_name),
                policy_document: Some(document(&found.document)),
            })
        }

        pub(crate) async fn list(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$list,
        ) -> Result<wire::$listed, AwsError> {
            let name = required(input.$member, NAME)?;
            let request = page(input.marker, input.max_items);
            let found = identity.list_inline_policies(&caller, KIND, &name, &request).map_err(to_aws)?;
            Ok(wire::$listed {
                policy_names: Some(found.items),
                is_truncated: Some(found.marker.is_some()),
                marker: found.marker,
            })
        }

        pub(crate) async fn delete(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$delete,
        ) -> Result<Unit, AwsError> {
            let name = required(input.$member, NAME)?;
            let policy = required(input.policy_name, "PolicyName")?;
            identity.delete_inline_policy(&caller, KIND, &name, &policy).await.map_err(to_aws)?;
            Ok(Unit::default())
        }

        pub(crate) async fn attach(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$attach,
        ) -> Result<Unit, AwsError> {
            let (name, arn) = (required(input.$member, NAME)?, required(input.policy_arn, "PolicyArn")?);
            identity.attach_policy(&caller, KIND, &name, &arn).await.map_err(to_aws)?;
            Ok(Unit::default())
        }

        pub(crate) async fn detach(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$detach,
        ) -> Result<Unit, AwsError> {
            let (name, arn) = (required(input.$member, NAME)?, required(input.policy_arn, "PolicyArn")?);
            identity.detach_policy(&caller, KIND, &name, &arn).await.map_err(to_aws)?;
            Ok(Unit::default())
        }

        pub(crate) async fn list_attached(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$list_attached,
        ) -> Result<wire::$attached, AwsError> {
            let name = required(input.$member, NAME)?;
            let (prefix, request) = (path_prefix(&input.path_prefix), page(input.marker, input.max_items));
            let found = identity.list_attached_policies(&caller, KIND, &name, prefix, &request).map_err(to_aws)?;
            let attached = |policy: AttachedPolicy| wire::AttachedPolicy {
                policy_name: Some(policy.name),
                policy_arn: Some(policy.arn),
            };
            Ok(wire::$attached {
                attached_policies: Some(found.items.into_iter().map(attached).collect()),
                is_truncated: Some(found.marker.is_some()),
                marker: found.marker,
            })
        }
    };
}

pub(crate) mod user {
    policies_of!(User, user_name:
        PutUserPolicyRequest, GetUserPolicyRequest => GetUserPolicyResponse,
        ListUserPoliciesRequest => ListUserPoliciesResponse, DeleteUserPolicyRequest, AttachUserPolicyRequest,
        DetachUserPolicyRequest, ListAttachedUserPoliciesRequest => ListAttachedUserPoliciesResponse
    );
}

pub(crate) mod group {
    policies_of!(Group, group_name:
        PutGroupPolicyRequest, GetGroupPolicyRequest => GetGroupPolicyResponse,
        ListGroupPoliciesRequest => ListGroupPoliciesResponse, DeleteGroupPolicyRequest, AttachGroupPolicyRequest,
        DetachGroupPolicyRequest, ListAttachedGroupPoliciesRequest => ListAttachedGroupPoliciesResponse
    );
}

pub(crate) mod role {
    policies_of!(Role, role_name:
        PutRolePolicyRequest, GetRolePolicyRequest => GetRolePolicyResponse,
        ListRolePoliciesRequest => ListRolePoliciesResponse, DeleteRolePolicyRequest, AttachRolePolicyRequest,
        DetachRolePolicyRequest, ListAttachedRolePoliciesRequest => ListAttachedRolePoliciesResponse
    );
}
