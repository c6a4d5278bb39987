//! KMS: keys, aliases and cryptography over `tarn_keys::kms`. Knows the wire's shapes and KMS's errors; keeps nothing itself.
//!
//! One file for each resource; `resources` says what each operation's callers must be allowed.

mod aliases;
mod convert;
mod cryptography;
mod errors;
mod key_policies;
mod keys;
mod resources;
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
