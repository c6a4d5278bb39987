//! What is kept of trails: they themselves, how their delivery goes, what their next digest will sign, and the keys of digests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tarn_audit::FollowerId;
use tarn_keys::SealedSecret;
use tarn_metadata::{Key, Keyspace, Record};
use tarn_objects::BucketName;
use tarn_types::{AccountId, Arn, Region};

use crate::selectors::EventSelectors;

/// Trails, by account and name.
pub const TRAILS: Keyspace<Trail> = Keyspace::new(0x0310, "trails.trails");
/// Deleted trails that have events to deliver, by id.
pub const LEAVING: Keyspace<Trail> = Keyspace::new(0x0311, "trails.leaving");
/// How delivery goes, by trail's id.
pub const STATUSES: Keyspace<DeliveryRecord> = Keyspace::new(0x0312, "trails.statuses");
/// Chains of digests that go on, by trail's id.
pub const CHAINS: Keyspace<Chain> = Keyspace::new(0x0313, "trails.chains");
/// Log files that no digest names yet, by trail's id and transaction.
pub const LOG_FILES: Keyspace<LogFile> = Keyspace::new(0x0314, "trails.log-files");
/// Keys that digests are and were signed with, by the start of their validity and fingerprint.
pub const SIGNING_KEYS: Keyspace<SigningKeyRecord> = Keyspace::new(0x0315, "trails.signing-keys");

/// A trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Its own; another trail of the same name has another.
    pub id: FollowerId,
    /// Whose events.
    pub account: AccountId,
    /// Where it was made.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// Where its files go.
    pub bucket: BucketName,
    /// Before every key, without the slash that follows.
    pub key_prefix: Option<String>,
    /// Whether it is for all regions. There is one.
    pub is_multi_region: bool,
    /// Whether events of IAM and STS are among its own.
    pub includes_global_services: bool,
    /// Whether its files are digested.
    pub validates: bool,
    /// Whether the puts by which it is delivered are events for it.
    pub is_recursive: bool,
    /// The ARN of the key that log files are encrypted by.
    pub kms_key: Option<String>,
    /// Which events.
    pub selectors: EventSelectors,
    /// For people and policies.
    pub tags: BTreeMap<String, String>,
    /// Whether it logs now.
    pub is_logging: bool,
    /// When it last began to, milliseconds since 1970.
    pub started_ms: Option<i64>,
    /// When it last ended, milliseconds since 1970.
    pub stopped_ms: Option<i64>,
}

impl Record for Trail {
    const VERSION: u16 = 1;
}

impl Trail {
    /// Its ARN.
    pub fn arn(&self) -> Arn {
        Arn::regional("cloudtrail", &self.region, &self.account, format!("trail/{}", self.name))
    }

    pub(crate) fn key(&self) -> Key {
        trail_key(&self.account, &self.name)
    }

    /// The key of one of its files: `AWSLogs/ACCOUNT/FOLDER/REGION/rest`, behind its prefix.
    pub(crate) fn file_key(&self, folder: &str, rest: &str) -> String {
        let Self { account, region, key_prefix, .. } = self;
        let key = format!("AWSLogs/{account}/{folder}/{region}/{rest}");
        match key_prefix {
            Some(prefix) => format!("{prefix}/{key}"),
            None => key,
        }
    }
}

/// How delivery goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// When a log file was last delivered, milliseconds since 1970.
    pub delivered_ms: Option<i64>,
    /// When that was last tried.
    pub attempted_ms: Option<i64>,
    /// What S3 said, if that failed.
    pub error: Option<String>,
    /// When a digest was last delivered.
    pub digested_ms: Option<i64>,
    /// What S3 said, if the last try failed.
    pub digest_error: Option<String>,
}

impl Record for DeliveryRecord {
    const VERSION: u16 = 1;
}

/// A chain of digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Where the next digest begins, milliseconds since 1970; a whole second.
    pub start_ms: i64,
    /// The digest before.
    pub previous: Option<ChainLink>,
    /// Whether the next digest is the last.
    pub is_ending: bool,
    /// Where another chain begins after that, if logging has begun again.
    pub restart_ms: Option<i64>,
}

impl Record for Chain {
    const VERSION: u16 = 1;
}

/// A digest, for the one after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLink {
    /// In which bucket.
    pub bucket: String,
    /// At which key.
    pub key: String,
    /// SHA-256 of its text, hexadecimal.
    pub hash: String,
    /// Hexadecimal.
    pub signature: String,
}

/// A delivered log file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// In which bucket.
    pub bucket: String,
    /// At which key.
    pub key: String,
    /// SHA-256 of its text, hexadecimal.
    pub hash: String,
    /// Of its events, milliseconds since 1970.
    pub newest_ms: i64,
    /// Of its events, milliseconds since 1970.
    pub oldest_ms: i64,
}

impl Record for LogFile {
    const VERSION: u16 = 1;
}

/// A key that digests are signed with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    /// Names it.
    pub fingerprint: String,
    /// DER, PKCS #1.
    pub public: Vec<u8>,
    /// DER, PKCS #8.
    pub private: SealedSecret,
    /// Signs from here, milliseconds since 1970.
    pub from_ms: i64,
    /// Signs until here, milliseconds since 1970.
    pub to_ms: i64,
}

impl Record for SigningKeyRecord {
    const VERSION: u16 = 1;
}

pub(crate) fn trail_key(account: &AccountId, name: &str) -> Key {
    of_account(account).text(name)
}

pub(crate) fn of_account(account: &AccountId) -> Key {
    Key::new().text(account.as_str())
}

pub(crate) fn of_trail(id: &FollowerId) -> Key {
    Key::new().raw(id)
}
