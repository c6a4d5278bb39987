//! Where KMS keys lie in the metadata store: keyspaces 0x0201 to 0x021f. Ids are never reused.

use tarn_metadata::Keyspace;

use super::records::{KeyMaterial, KmsAlias, KmsKey};

/// Keys by account and id.
pub const KMS_KEYS: Keyspace<KmsKey> = Keyspace::new(0x0201, "keys.kms-keys");
/// Their material, sealed: by account, id and version.
pub const KMS_MATERIAL: Keyspace<KeyMaterial> = Keyspace::new(0x0202, "keys.kms-material");
/// Aliases by account and name.
pub const KMS_ALIASES: Keyspace<KmsAlias> = Keyspace::new(0x0203, "keys.kms-aliases");
