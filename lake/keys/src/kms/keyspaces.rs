//! Where KMS keys lie in the metadata store: keyspaces 0x0201 to 0x021f. Ids are never reused.

use tarn_metadata::Keyspace;

use super::records::{GrantCount, GrantRef, GrantedEntity, KeyMaterial, KmsAlias, KmsGrant, KmsKey, PolicyPrincipals};

/// Keys by account and id.
pub const KMS_KEYS: Keyspace<KmsKey> = Keyspace::new(0x0201, "keys.kms-keys");
/// Their material, sealed: by account, id and version.
pub const KMS_MATERIAL: Keyspace<KeyMaterial> = Keyspace::new(0x0202, "keys.kms-material");
/// Aliases by account and name.
pub const KMS_ALIASES: Keyspace<KmsAlias> = Keyspace::new(0x0203, "keys.kms-aliases");
/// Grants by account, key and id.
pub const KMS_GRANTS: Keyspace<KmsGrant> = Keyspace::new(0x0204, "keys.kms-grants");
/// Which grants somebody has of a key: by account, key, grantee and id.
pub const KMS_GRANTEES: Keyspace<GrantRef> = Keyspace::new(0x0205, "keys.kms-grantees");
/// Which grants somebody can retire: by retiring principal, account, key and id.
pub const KMS_RETIRABLE: Keyspace<GrantRef> = Keyspace::new(0x0206, "keys.kms-retirable");
/// Which grants of a key have a name: by account, key, name and id.
pub const KMS_GRANT_NAMES: Keyspace<GrantRef> = Keyspace::new(0x0207, "keys.kms-grant-names");
/// How many grants a key has: by account and key. Keys whose grants are older than this have none, and are counted once.
pub const KMS_GRANT_COUNTS: Keyspace<GrantCount> = Keyspace::new(0x0208, "keys.kms-grant-counts");
/// Whom a key's policy names, by their unique ids: by account and key.
pub const KMS_POLICY_PRINCIPALS: Keyspace<PolicyPrincipals> = Keyspace::new(0x0209, "keys.kms-policy-principals");
/// Which user or role a grant is to, by its unique id: by account, key and id.
pub const KMS_GRANT_ENTITIES: Keyspace<GrantedEntity> = Keyspace::new(0x020a, "keys.kms-grant-entities");
