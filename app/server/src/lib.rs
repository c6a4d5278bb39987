//! The binary `tarn`: its configuration, its logs, and the wiring of a whole lake. Owns no behaviour of the lake.

mod at_rest;
mod banner;
mod command;
mod config;
mod doctor;
mod doorkeeper;
mod duty_roles;
mod events;
mod issuers;
mod keys;
mod lake;
mod log;
mod metrics;
mod organization;
mod orphans;
mod remote_buckets;
mod remote_changes;
mod root_credentials;
mod root_key;
mod s3;
mod serve;
mod sql;
mod storage;
mod tls;
mod volumes;
mod zones;

pub use command::main;
pub use config::{AccountSetting, Config, ConfigError, Tables, UserSetting};
pub use events::{EventRuleSetting, QueueSetting};
pub use lake::{Lake, LakeError, LakeOptions};
pub use organization::{ControlPoliciesSetting, OrganizationSetting};
pub use remote_buckets::ReplicationTargetSetting;
pub use root_credentials::{RootCredentials, RootCredentialsError};
pub use root_key::RootKeySetting;
