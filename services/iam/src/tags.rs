//! Tags on the wire: set, removed and listed alike for all that can have them.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{Identity, Taggable};

use crate::convert::{page, required, tags, wire_tags};
use crate::errors::to_aws;

macro_rules! tags_of {
    (
        $thing:ident, $member:ident, $label:literal: $tag:ident($tag_input:ident), $untag:ident($untag_input:ident),
        $list:ident($list_input:ident) => $listed:ident
    ) => {
        pub(crate) async fn $tag(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$tag_input,
        ) -> Result<Unit, AwsError> {
            let thing = Taggable::$thing(required(input.$member, $label)?);
            identity.tag(&caller, thing, tags(input.tags)).await.map_err(to_aws)?;
            Ok(Unit::default())
        }

        pub(crate) async fn $untag(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$untag_input,
        ) -> Result<Unit, AwsError> {
            let thing = Taggable::$thing(required(input.$member, $label)?);
            identity.untag(&caller, thing, input.tag_keys.unwrap_or_default()).await.map_err(to_aws)?;
            Ok(Unit::default())
        }

        pub(crate) async fn $list(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$list_input,
        ) -> Result<wire::$listed, AwsError> {
            let thing = Taggable::$thing(required(input.$member, $label)?);
            let found = identity.list_tags(&caller, &thing, &page(input.marker, input.max_items)).map_err(to_aws)?;
            Ok(wire::$listed {
                tags: Some(wire_tags(found.items)),
                is_truncated: Some(found.marker.is_some()),
                marker: found.marker,
            })
        }
    };
}

tags_of!(User, user_name, "UserName":
    tag_user(TagUserRequest), untag_user(UntagUserRequest), list_user(ListUserTagsRequest) => ListUserTagsResponse);
tags_of!(Role, role_name, "RoleName":
    tag_role(TagRoleRequest), untag_role(UntagRoleRequest), list_role(ListRoleTagsRequest) => ListRoleTagsResponse);
tags_of!(Policy, policy_arn, "PolicyArn":
    tag_policy(TagPolicyRequest), untag_policy(UntagPolicyRequest),
    list_policy(ListPolicyTagsRequest) => ListPolicyTagsResponse);
tags_of!(InstanceProfile, instance_profile_name, "InstanceProfileName":
    tag_instance_profile(TagInstanceProfileRequest), untag_instance_profile(UntagInstanceProfileRequest),
    list_instance_profile(ListInstanceProfileTagsRequest) => ListInstanceProfileTagsResponse);
tags_of!(OidcProvider, open_id_connect_provider_arn, "OpenIDConnectProviderArn":
    tag_oidc_provider(TagOpenIDConnectProviderRequest), untag_oidc_provider(UntagOpenIDConnectProviderRequest),
    list_oidc_provider(ListOpenIDConnectProviderTagsRequest) => ListOpenIDConnectProviderTagsResponse);
