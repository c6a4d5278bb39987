//! KMS: keys, aliases and cryptography over `tarn_keys::kms`. Knows the wire's shapes and KMS's errors; keeps nothing itself.
//!
//! One file for each resource; `resources` says what each operation's callers must be allowed.

mod aliases;
mod convert;
mod cryptography;
mod errors;
mod grants;
mod imports;
mod key_policies;
mod keys;
mod macs;
mod pairs;
mod resources;
mod rotations;
mod tags;

use std::sync::Arc;

use tarn_aws_model::kms::{SERVICE, operations as op};
use tarn_keys::kms::Kms;
use tarn_operation::{Access, Table};

/// KMS over `kms`.
pub fn service(kms: Kms) -> Table<Kms> {
    let (read, write) = (Access::read, Access::write);
    Table::new(&SERVICE, Arc::new(kms))
        .with::<op::CreateKey, _, _>(write("kms:CreateKey"), resources::create_key, keys::create)
        .with::<op::DescribeKey, _, _>(read("kms:DescribeKey"), resources::describe_key, keys::describe)
        .with::<op::ListKeys, _, _>(read("kms:ListKeys"), resources::list_keys, keys::list)
        .with::<op::EnableKey, _, _>(write("kms:EnableKey"), resources::enable_key, keys::enable)
        .with::<op::DisableKey, _, _>(write("kms:DisableKey"), resources::disable_key, keys::disable)
        .with::<op::ScheduleKeyDeletion, _, _>(
            write("kms:ScheduleKeyDeletion"),
            resources::schedule_key_deletion,
            keys::schedule_deletion,
        )
        .with::<op::CancelKeyDeletion, _, _>(
            write("kms:CancelKeyDeletion"),
            resources::cancel_key_deletion,
            keys::cancel_deletion,
        )
        .with::<op::UpdateKeyDescription, _, _>(
            write("kms:UpdateKeyDescription"),
            resources::update_key_description,
            keys::update_description,
        )
        .with::<op::EnableKeyRotation, _, _>(
            write("kms:EnableKeyRotation"),
            resources::enable_key_rotation,
            rotations::enable,
        )
        .with::<op::DisableKeyRotation, _, _>(
            write("kms:DisableKeyRotation"),
            resources::disable_key_rotation,
            rotations::disable,
        )
        .with::<op::GetKeyRotationStatus, _, _>(
            read("kms:GetKeyRotationStatus"),
            resources::get_key_rotation_status,
            rotations::status,
        )
        .with::<op::RotateKeyOnDemand, _, _>(
            write("kms:RotateKeyOnDemand"),
            resources::rotate_key_on_demand,
            rotations::rotate,
        )
        .with::<op::ListKeyRotations, _, _>(
            read("kms:ListKeyRotations"),
            resources::list_key_rotations,
            rotations::list,
        )
        .with::<op::GetParametersForImport, _, _>(
            read("kms:GetParametersForImport"),
            resources::get_parameters_for_import,
            imports::parameters,
        )
        .with::<op::ImportKeyMaterial, _, _>(
            write("kms:ImportKeyMaterial"),
            resources::import_key_material,
            imports::import,
        )
        .with::<op::DeleteImportedKeyMaterial, _, _>(
            write("kms:DeleteImportedKeyMaterial"),
            resources::delete_imported_key_material,
            imports::delete,
        )
        .with::<op::CreateGrant, _, _>(write("kms:CreateGrant"), resources::create_grant, grants::create)
        .with::<op::ListGrants, _, _>(read("kms:ListGrants"), resources::list_grants, grants::list)
        .with::<op::RevokeGrant, _, _>(write("kms:RevokeGrant"), resources::revoke_grant, grants::revoke)
        .with::<op::RetireGrant, _, _>(write("kms:RetireGrant"), resources::retire_grant, grants::retire)
        .with::<op::ListRetirableGrants, _, _>(
            read("kms:ListRetirableGrants"),
            resources::list_retirable_grants,
            grants::list_retirable,
        )
        .with::<op::GenerateMac, _, _>(read("kms:GenerateMac"), resources::generate_mac, macs::generate)
        .with::<op::VerifyMac, _, _>(read("kms:VerifyMac"), resources::verify_mac, macs::verify)
        .with::<op::Sign, _, _>(read("kms:Sign"), resources::sign, pairs::sign)
        .with::<op::Verify, _, _>(read("kms:Verify"), resources::verify, pairs::verify)
        .with::<op::GetPublicKey, _, _>(read("kms:GetPublicKey"), resources::get_public_key, pairs::public_key)
        .with::<op::DeriveSharedSecret, _, _>(
            read("kms:DeriveSharedSecret"),
            resources::derive_shared_secret,
            pairs::derive_shared_secret,
        )
        .with::<op::GenerateDataKeyPair, _, _>(
            read("kms:GenerateDataKeyPair"),
            resources::generate_data_key_pair,
            pairs::generate,
        )
        .with::<op::GenerateDataKeyPairWithoutPlaintext, _, _>(
            read("kms:GenerateDataKeyPairWithoutPlaintext"),
            resources::generate_data_key_pair_without_plaintext,
            pairs::generate_without_plaintext,
        )
        .with::<op::CreateAlias, _, _>(write("kms:CreateAlias"), resources::create_alias, aliases::create)
        .with::<op::UpdateAlias, _, _>(write("kms:UpdateAlias"), resources::update_alias, aliases::update)
        .with::<op::DeleteAlias, _, _>(write("kms:DeleteAlias"), resources::delete_alias, aliases::delete)
        .with::<op::ListAliases, _, _>(read("kms:ListAliases"), resources::list_aliases, aliases::list)
        .with::<op::Encrypt, _, _>(read("kms:Encrypt"), resources::encrypt, cryptography::encrypt)
        .with::<op::Decrypt, _, _>(read("kms:Decrypt"), resources::decrypt, cryptography::decrypt)
        .with::<op::ReEncrypt, _, _>(read("kms:ReEncryptFrom"), resources::re_encrypt, cryptography::re_encrypt)
        .with::<op::GenerateDataKey, _, _>(
            read("kms:GenerateDataKey"),
            resources::generate_data_key,
            cryptography::generate_data_key,
        )
        .with::<op::GenerateDataKeyWithoutPlaintext, _, _>(
            read("kms:GenerateDataKeyWithoutPlaintext"),
            resources::generate_data_key_without_plaintext,
            cryptography::generate_data_key_without_plaintext,
        )
        .with::<op::GenerateRandom, _, _>(
            read("kms:GenerateRandom"),
            resources::generate_random,
            cryptography::generate_random,
        )
        .with::<op::GetKeyPolicy, _, _>(read("kms:GetKeyPolicy"), resources::get_key_policy, key_policies::get)
        .with::<op::PutKeyPolicy, _, _>(write("kms:PutKeyPolicy"), resources::put_key_policy, key_policies::put)
        .with::<op::ListKeyPolicies, _, _>(
            read("kms:ListKeyPolicies"),
            resources::list_key_policies,
            key_policies::list,
        )
        .with::<op::TagResource, _, _>(write("kms:TagResource"), resources::tag_resource, tags::tag)
        .with::<op::UntagResource, _, _>(write("kms:UntagResource"), resources::untag_resource, tags::untag)
        .with::<op::ListResourceTags, _, _>(read("kms:ListResourceTags"), resources::list_resource_tags, tags::list)
}
