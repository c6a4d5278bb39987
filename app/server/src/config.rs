//! The server's settings: a TOML file, over it the environment, over it flags; each remembers where it came from.
//! An unknown name is an error that says which one was probably meant.

mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tarn_gateway::Limits;
use tarn_objects::{ObjectOwnership, StorageClass};
use tarn_types::{AccountId, Region};
use toml::{Table, Value};

use crate::events::{EVENT_RULE_KEYS, EventRuleSetting, QUEUE_KEYS, QueueSetting};
use crate::organization::{ControlPoliciesSetting, OF_ACCOUNT_KEYS, ORGANIZATION_KEYS, OrganizationSetting};
use crate::remote_buckets::{REPLICATION_TARGET_KEYS, ReplicationTargetSetting};
use crate::root_key::{ROOT_KEY_KEYS, RootKeySetting};

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub struct Setting<T> {
    /// What it is.
    pub value: T,
    /// Who set it.
    pub origin: Origin,
}

/// A user that must exist.
#[derive(Clone, Deserialize)]
pub struct UserSetting {
    /// Its name.
    pub name: String,
    /// Its access key.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
}

/// An account that must exist.
#[derive(Clone, Deserialize)]
pub struct AccountSetting {
    /// Twelve digits.
    pub id: AccountId,
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
    /// For people.
    #[serde(default)]
    pub email: Option<String>,
    /// What S3 calls it; made if not given.
    #[serde(default)]
    pub canonical_user_id: Option<String>,
    /// Root's access key; made if not given.
    #[serde(default)]
    pub root_access_key_id: Option<String>,
    /// Root's secret.
    #[serde(default)]
    pub root_secret_access_key: Option<String>,
    /// Users with an access key each.
    #[serde(default)]
    pub users: Vec<UserSetting>,
    /// Policies of the organisation for this account alone, besides those for all.
    #[serde(flatten)]
    pub organization: ControlPoliciesSetting,
}

impl fmt::Debug for AccountSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountSetting").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A volume: another drive or a remote bucket, for storage classes that are mapped to it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum VolumeSetting {
    /// Another drive.
    Directory {
        /// Where.
        directory: PathBuf,
    },
    /// A bucket elsewhere.
    Remote {
        /// `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`.
        url: String,
        /// How to reach it, by the names of object_store: `aws_endpoint`, `aws_region`, `aws_access_key_id`, ...
        #[serde(default)]
        options: BTreeMap<String, String>,
    },
}

/// Options may be secrets.
impl fmt::Debug for VolumeSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { directory } => f.debug_struct("Directory").field("directory", directory).finish(),
            Self::Remote { url, .. } => f.debug_struct("Remote").field("url", url).finish_non_exhaustive(),
        }
    }
}

/// What TLS is made of: see `TlsFiles`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TlsSetting {
    /// PEM: the server's certificate, then those up to an authority.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub private_key: PathBuf,
}

/// All settings of `tarn serve`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept.
    pub data_dir: Setting<PathBuf>,
    /// Where to listen.
    pub listen: Setting<SocketAddr>,
    /// The first account's id.
    pub account_id: Setting<AccountId>,
    /// The region served.
    pub region: Setting<Region>,
    /// Whether a new lake gets its four zones.
    pub zones: Setting<bool>,
    /// What is logged: `info`, `debug`, `tarn::access=debug`, ...
    pub log: Setting<String>,
    /// Whose the objects in new buckets are, unless their creator says otherwise.
    pub object_ownership: Setting<ObjectOwnership>,
    /// Whether new buckets have Block Public Access.
    pub block_public_access: Setting<bool>,
    /// How many requests without a right signature one address may send at once.
    pub signature_failures_max: Setting<u32>,
    /// How often access logs of buckets are delivered, seconds.
    pub access_log_seconds: Setting<u32>,
    /// Whether a line of an access log ends with the source region, as AWS's do of late.
    pub access_log_source_region: Setting<bool>,
    /// How often log files of trails are delivered, seconds.
    pub trail_seconds: Setting<u32>,
    /// For tests: how many seconds a day of lifecycle rules and restored copies lasts. Nobody sets it by accident: it stands in `[debug]`.
    pub debug_day_seconds: Setting<Option<u32>>,
    /// For tests: how many seconds the hour of a trail's digest lasts. It stands in `[debug]` too.
    pub debug_digest_seconds: Setting<Option<u32>>,
    /// What stands in tables of its own.
    pub tables: Tables,
}

/// What stands in tables of its own in the file, and can be several.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// More accounts.
    pub accounts: Vec<AccountSetting>,
    /// Other drives and remote buckets, by name.
    pub volumes: BTreeMap<String, VolumeSetting>,
    /// Which volume new objects of a storage class go to.
    pub storage_classes: BTreeMap<StorageClass, String>,
    /// Queues that are webhooks.
    pub queues: Vec<QueueSetting>,
    /// Rules of the bus.
    pub event_rules: Vec<EventRuleSetting>,
    /// Buckets elsewhere.
    pub replication_targets: Vec<ReplicationTargetSetting>,
    /// The listener speaks TLS with these.
    pub tls: Option<TlsSetting>,
    /// Who keeps the root key.
    pub root_key: RootKeySetting,
    /// Domains under which buckets are host names, besides `localhost`.
    pub domains: Vec<String>,
    /// Networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who may have a say in who is who.
    pub identity: IdentitySetting,
    /// What all accounts are of, and what binds all but the first.
    pub organization: OrganizationSetting,
}

/// `[identity]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IdentitySetting {
    /// Issuers of tokens that are asked for their keys although they are not public: at private addresses, or without TLS.
    pub oidc_issuers_allowed: Vec<String>,
}

/// Why the settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or not readable.
    #[error("the configuration file {path} cannot be read: {reason}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is not TOML, or a value has the wrong type.
    #[error("the configuration file {path} is not right: {reason}")]
    Malformed {
        /// Which.
        path: String,
        /// What, and where.
        reason: String,
    },
    /// A name that no setting has.
    #[error("there is no setting `{name}` in {place}{}", .nearest.as_ref().map_or(String::new(), |nearest| format!(": did you mean `{nearest}`?")))]
    Unknown {
        /// As written.
        name: String,
        /// In which file, or where else.
        place: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A value that cannot be.
    #[error("{name} ({origin}) is `{value}`: {reason}")]
    Invalid {
        /// Of which setting.
        name: &'static str,
        /// Who set it.
        origin: String,
        /// To what.
        value: String,
        /// What it must be.
        reason: String,
    },
    /// A setting without which nothing works.
    #[error("no data directory is given: use --data-dir DIR, TARN_DATA_DIR or `data_dir` in the configuration file")]
    NoDataDir,
}

/// One setting's names: in the file (after its table and a dot, if it stands in one), in the environment, as a flag.
struct Name {
    key: &'static str,
    variable: &'static str,
    /// Empty: it has none.
    flag: &'static str,
}

const DATA_DIR: Name = Name { key: "data_dir", variable: "TARN_DATA_DIR", flag: "--data-dir" };
const LISTEN: Name = Name { key: "listen", variable: "TARN_LISTEN", flag: "--listen" };
const ACCOUNT_ID: Name = Name { key: "account_id", variable: "TARN_ACCOUNT_ID", flag: "--account-id" };
const REGION: Name = Name { key: "region", variable: "TARN_REGION", flag: "--region" };
const ZONES: Name = Name { key: "zones", variable: "TARN_ZONES", flag: "--no-zones" };
const LOG: Name = Name { key: "log", variable: "TARN_LOG", flag: "--log" };
const OBJECT_OWNERSHIP: Name = Name { key: "object_ownership", variable: "TARN_OBJECT_OWNERSHIP", flag: "" };
const BLOCK_PUBLIC_ACCESS: Name = Name { key: "block_public_access", variable: "TARN_BLOCK_PUBLIC_ACCESS", flag: "" };
const SIGNATURE_FAILURES_MAX: Name =
    Name { key: "signature_failures_max", variable: "TARN_SIGNATURE_FAILURES_MAX", flag: "" };
const ACCESS_LOG_SECONDS: Name = Name { key: "access_log_seconds", variable: "TARN_ACCESS_LOG_SECONDS", flag: "" };
const ACCESS_LOG_SOURCE_REGION: Name =
    Name { key: "access_log_source_region", variable: "TARN_ACCESS_LOG_SOURCE_REGION", flag: "" };
const TRAIL_SECONDS: Name = Name { key: "trail_seconds", variable: "TARN_TRAIL_SECONDS", flag: "" };
/// Has no flag: it is not for every day.
const DEBUG_DAY_SECONDS: Name = Name { key: "debug.day_seconds", variable: "TARN_DEBUG_DAY_SECONDS", flag: "" };

const DEBUG_DIGEST_SECONDS: Name =
    Name { key: "debug.digest_seconds", variable: "TARN_DEBUG_DIGEST_SECONDS", flag: "" };

const NAMES: [&Name; 14] = [
    &DATA_DIR,
    &LISTEN,
    &ACCOUNT_ID,
    &REGION,
    &ZONES,
    &LOG,
    &OBJECT_OWNERSHIP,
    &BLOCK_PUBLIC_ACCESS,
    &ACCESS_LOG_SECONDS,
    &SIGNATURE_FAILURES_MAX,
    &ACCESS_LOG_SOURCE_REGION,
    &TRAIL_SECONDS,
    &DEBUG_DAY_SECONDS,
    &DEBUG_DIGEST_SECONDS,
];
const ACCOUNTS: &str = "accounts";
const VOLUMES: &str = "volumes";
const STORAGE_CLASSES: &str = "storage_classes";
const QUEUES: &str = "queues";
const EVENT_RULES: &str = "event_rules";
const REPLICATION_TARGETS: &str = "replication_targets";
const TLS: &str = "tls";
const ROOT_KEY: &str = "root_key";
const TLS_KEYS: [&str; 2] = ["certificate", "private_key"];
const DOMAINS: &str = "domains";
const TRUSTED_PROXIES: &str = "trusted_proxies";
const IDENTITY: &str = "identity";
const IDENTITY_KEYS: [&str; 1] = ["oidc_issuers_allowed"];
const ORGANIZATION: &str = "organization";
const DEBUG: &str = "debug";
const DEBUG_KEYS: [&str; 2] = ["day_seconds", "digest_seconds"];
const ACCOUNT_KEYS: [&str; 7] =
    ["id", "name", "email", "canonical_user_id", "root_access_key_id", "root_secret_access_key", "users"];
const USER_KEYS: [&str; 3] = ["name", "access_key_id", "secret_access_key"];
/// Variables that are no settings of the server but may be set beside it.
const OTHER_VARIABLES: [&str; 3] = ["TARN_CONFIG", "TARN_ROOT_ACCESS_KEY_ID", "TARN_ROOT_SECRET_ACCESS_KEY"];

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<String>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--account-id`.
    pub account_id: Option<String>,
    /// `--region`.
    pub region: Option<String>,
    /// `--log`.
    pub log: Option<String>,
    /// `--no-zones`.
    pub no_zones: bool,
}

/// The environment, as an argument.
pub type Environment = BTreeMap<String, OsString>;

fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known.to_owned())
}

fn check_keys(table: &Table, known: &[&str], place: &str) -> Result<(), ConfigError> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        Some(name) => Err(ConfigError::Unknown {
            name: name.clone(),
            place: place.to_owned(),
            nearest: nearest(name, known.iter().copied()),
        }),
        None => Ok(()),
    }
}

/// Takes a list out of the file; an unknown name in it is an error.
fn take_list<T: DeserializeOwned>(
    table: &mut Table,
    name: &str,
    keys: &[&str],
    shown: &str,
) -> Result<Vec<T>, ConfigError> {
    let Some(value) = table.remove(name) else { return Ok(Vec::new()) };
    for (number, entry) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(entry) = entry.as_table() {
            check_keys(entry, keys, &format!("{shown}, [[{name}]] number {}", number + 1))?;
        }
    }
    let malformed = |error: toml::de::Error| ConfigError::Malformed {
        path: shown.to_owned(),
        reason: format!("in [[{name}]]: {error}"),
    };
    value.try_into().map_err(malformed)
}

fn read_file(path: &Path) -> Result<(Table, Tables), ConfigError> {
    let shown = path.display().to_string();
    let malformed = |reason: String| ConfigError::Malformed { path: shown.clone(), reason };
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: shown.clone(), reason: error.to_string() })?;
    let mut table: Table = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    let plain = NAMES.iter().map(|name| name.key).filter(|key| !key.contains('.'));
    let tables = [
        ACCOUNTS,
        VOLUMES,
        STORAGE_CLASSES,
        DEBUG,
        QUEUES,
        EVENT_RULES,
        REPLICATION_TARGETS,
        TLS,
        ROOT_KEY,
        DOMAINS,
        TRUSTED_PROXIES,
        IDENTITY,
        ORGANIZATION,
    ];
    let known: Vec<&str> = plain.chain(tables).collect();
    check_keys(&table, &known, &shown)?;
    match table.get(DEBUG) {
        None => {}
        Some(Value::Table(debug)) => check_keys(debug, &DEBUG_KEYS, &format!("{shown}, [debug]"))?,
        Some(other) => return Err(malformed(format!("`debug` must be a table, not {}", other.type_str()))),
    }
    let accounts = match table.remove(ACCOUNTS) {
        None => Vec::new(),
        Some(value) => {
            for (number, account) in value.as_array().into_iter().flatten().enumerate() {
                let Some(account) = account.as_table() else { continue };
                let place = format!("{shown}, [[accounts]] number {}", number + 1);
                check_keys(account, &[&ACCOUNT_KEYS[..], &OF_ACCOUNT_KEYS[..]].concat(), &place)?;
                for user in account.get("users").and_then(Value::as_array).into_iter().flatten() {
                    if let Some(user) = user.as_table() {
                        check_keys(user, &USER_KEYS, &format!("{place}, users"))?;
                    }
                }
            }
            value.try_into::<Vec<AccountSetting>>().map_err(|error| malformed(format!("in [[accounts]]: {error}")))?
        }
    };
    let volumes = match table.remove(VOLUMES) {
        None => BTreeMap::new(),
        Some(value) => value.try_into().map_err(|_| {
            let what = "each has a `directory`, or a `url` and `options` of texts";
            malformed(format!("in [volumes]: {what}"))
        })?,
    };
    let mut storage_classes = BTreeMap::new();
    if let Some(value) = table.remove(STORAGE_CLASSES) {
        let names: BTreeMap<String, String> =
            value.try_into().map_err(|error| malformed(format!("in [storage_classes]: {error}")))?;
        for (class, volume) in names {
            let known = StorageClass::ALL.map(StorageClass::name);
            let unknown = || ConfigError::Unknown {
                name: class.clone(),
                place: format!("{shown}, [storage_classes]"),
                nearest: nearest(&class, known.into_iter()),
            };
            storage_classes.insert(StorageClass::parse(&class).map_err(|_| unknown())?, volume);
        }
    }
    let queues = take_list(&mut table, QUEUES, &QUEUE_KEYS, &shown)?;
    let event_rules = take_list(&mut table, EVENT_RULES, &EVENT_RULE_KEYS, &shown)?;
    let replication_targets = take_list(&mut table, REPLICATION_TARGETS, &REPLICATION_TARGET_KEYS, &shown)?;
    let tls = match table.remove(TLS) {
        None => None,
        Some(value) => {
            if let Some(tls) = value.as_table() {
                check_keys(tls, &TLS_KEYS, &format!("{shown}, [tls]"))?;
            }
            Some(value.try_into().map_err(|error| malformed(format!("in [tls]: {error}")))?)
        }
    };
    let root_key = match table.remove(ROOT_KEY) {
        None => RootKeySetting::default(),
        Some(value) => {
            if let Some(root_key) = value.as_table() {
                check_keys(root_key, &ROOT_KEY_KEYS, &format!("{shown}, [root_key]"))?;
            }
            value.try_into().map_err(|error| malformed(format!("in [root_key]: {error}")))?
        }
    };
    let domains = take_list(&mut table, DOMAINS, &[], &shown)?;
    let trusted_proxies = take_list(&mut table, TRUSTED_PROXIES, &[], &shown)?;
    let identity = match table.remove(IDENTITY) {
        None => IdentitySetting::default(),
        Some(value) => {
            if let Some(identity) = value.as_table() {
                check_keys(identity, &IDENTITY_KEYS, &format!("{shown}, [identity]"))?;
            }
            let identity: IdentitySetting =
                value.try_into().map_err(|error| malformed(format!("in [identity]: {error}")))?;
            for issuer in &identity.oidc_issuers_allowed {
                crate::events::url_of(issuer)
                    .map_err(|reason| malformed(format!("in [identity], oidc_issuers_allowed: {reason}")))?;
            }
            identity
        }
    };
    let organization = match table.remove(ORGANIZATION) {
        None => OrganizationSetting::default(),
        Some(value) => {
            if let Some(organization) = value.as_table() {
                check_keys(organization, &ORGANIZATION_KEYS, &format!("{shown}, [organization]"))?;
            }
            value.try_into().map_err(|error| malformed(format!("in [organization]: {error}")))?
        }
    };
    let tables = Tables {
        accounts,
        volumes,
        storage_classes,
        queues,
        event_rules,
        replication_targets,
        tls,
        root_key,
        domains,
        trusted_proxies,
        identity,
        organization,
    };
    Ok((table, tables))
}

/// What the three sources say of one setting, as text.
struct Sources<'s> {
    file: Option<(&'s Table, &'s Path)>,
    environment: &'s Environment,
}

impl Sources<'_> {
    /// The strongest source's text, if any says something.
    fn find(&self, name: &Name, flag: Option<&str>) -> Result<Option<Setting<String>>, ConfigError> {
        if let Some(text) = flag {
            return Ok(Some(Setting { value: text.to_owned(), origin: Origin::Flag(name.flag) }));
        }
        if let Some(text) = self.environment.get(name.variable) {
            let origin = Origin::Environment(name.variable);
            let value = text.to_str().ok_or_else(|| ConfigError::Invalid {
                name: name.key,
                origin: origin.to_string(),
                value: text.to_string_lossy().into_owned(),
                reason: "it must be UTF-8".to_owned(),
            })?;
            return Ok(Some(Setting { value: value.to_owned(), origin }));
        }
        let Some((table, path)) = self.file else { return Ok(None) };
        let found = match name.key.split_once('.') {
            None => table.get(name.key),
            Some((group, key)) => table.get(group).and_then(|group| group.get(key)),
        };
        let value = match found {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Boolean(value)) => value.to_string(),
            Some(Value::Integer(value)) => value.to_string(),
            Some(other) => {
                let reason = format!("`{}` must be a text, not {}", name.key, other.type_str());
                return Err(ConfigError::Malformed { path: path.display().to_string(), reason });
            }
        };
        Ok(Some(Setting { value, origin: Origin::File(path.to_owned()) }))
    }

    fn parse<T>(
        &self,
        name: &Name,
        flag: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let Some(Setting { value: text, origin }) = self.find(name, flag)? else { return Ok(None) };
        match parse(&text) {
            Ok(value) => Ok(Some(Setting { value, origin })),
            Err(reason) => {
                Err(ConfigError::Invalid { name: name.key, origin: origin.to_string(), value: text, reason })
            }
        }
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix(':').map_or_else(|| text.to_owned(), |port| format!("0.0.0.0:{port}"));
    text.replacen("localhost:", "127.0.0.1:", 1)
        .parse()
        .map_err(|_| "it must be an address and a port, such as 127.0.0.1:9000 or [::]:9000".to_owned())
}

fn parse_ownership(text: &str) -> Result<ObjectOwnership, String> {
    ObjectOwnership::parse(text)
        .ok_or_else(|| "it must be BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter".to_owned())
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("it must be true or false".to_owned()),
    }
}

/// The longest day that `[debug]` can ask for is a day.
const DAY_SECONDS: u32 = 24 * 60 * 60;

fn parse_log_seconds(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(seconds @ 1..=DAY_SECONDS) => Ok(seconds),
        _ => Err(format!("it must be a number of seconds from 1 to {DAY_SECONDS}")),
    }
}

/// The longest hour of a digest is an hour.
const HOUR_SECONDS: u32 = 60 * 60;

fn parse_digest_seconds(text: &str) -> Result<Option<u32>, String> {
    match text.parse() {
        Ok(seconds @ 1..=HOUR_SECONDS) => Ok(Some(seconds)),
        _ => Err(format!("it must be a number of seconds from 1 to {HOUR_SECONDS}")),
    }
}

fn parse_day_seconds(text: &str) -> Result<Option<u32>, String> {
    match text.parse() {
        Ok(seconds @ 1..=DAY_SECONDS) => Ok(Some(seconds)),
        _ => Err(format!("it must be a number of seconds from 1 to {DAY_SECONDS}")),
    }
}

impl Config {
    /// What file, environment and flags say together.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        for variable in environment.keys().filter(|name| name.starts_with("TARN_")) {
            let known = || NAMES.iter().map(|name| name.variable).chain(OTHER_VARIABLES);
            // Other programs have variables of their own; only what looks like one of ours is an error.
            let likeness = |name: &str| strsim::normalized_damerau_levenshtein(variable, name);
            if !known().any(|name| name == variable) && known().any(|name| likeness(name) > 0.8) {
                return Err(ConfigError::Unknown {
                    name: variable.clone(),
                    place: "the environment".to_owned(),
                    nearest: nearest(variable, known()),
                });
            }
        }
        let path = flags.config.clone().or_else(|| environment.get("TARN_CONFIG").map(PathBuf::from));
        let (table, tables) = match &path {
            Some(path) => read_file(path)?,
            None => (Table::new(), Tables::default()),
        };
        let sources = Sources { file: path.as_deref().map(|path| (&table, path)), environment };
        let no_zones = flags.no_zones.then_some("false");
        fn or<T>(found: Option<Setting<T>>, value: T) -> Setting<T> {
            found.unwrap_or(Setting { value, origin: Origin::Default })
        }
        Ok(Self {
            data_dir: sources
                .parse(&DATA_DIR, flags.data_dir.as_deref(), |text| match text {
                    "" => Err("it must name a directory".to_owned()),
                    text => Ok(PathBuf::from(text)),
                })?
                .ok_or(ConfigError::NoDataDir)?,
            listen: or(sources.parse(&LISTEN, flags.listen.as_deref(), parse_listen)?, ([127, 0, 0, 1], 9000).into()),
            account_id: or(
                sources.parse(&ACCOUNT_ID, flags.account_id.as_deref(), |text| {
                    AccountId::new(text).map_err(|error| error.to_string())
                })?,
                AccountId::first(),
            ),
            region: or(
                sources.parse(&REGION, flags.region.as_deref(), |text| {
                    Region::new(text).map_err(|error| error.to_string())
                })?,
                Region::us_east_1(),
            ),
            zones: or(sources.parse(&ZONES, no_zones, parse_bool)?, true),
            log: or(
                sources.parse(&LOG, flags.log.as_deref(), |text| crate::log::check(text).map(|()| text.to_owned()))?,
                "info".to_owned(),
            ),
            object_ownership: or(
                sources.parse(&OBJECT_OWNERSHIP, None, parse_ownership)?,
                ObjectOwnership::BucketOwnerEnforced,
            ),
            block_public_access: or(sources.parse(&BLOCK_PUBLIC_ACCESS, None, parse_bool)?, true),
            signature_failures_max: or(
                sources.parse(&SIGNATURE_FAILURES_MAX, None, |text| {
                    text.parse().map_err(|_| "it must be a number of requests".to_owned())
                })?,
                Limits::default().signature_failures_count_max,
            ),
            access_log_seconds: or(sources.parse(&ACCESS_LOG_SECONDS, None, parse_log_seconds)?, 300),
            access_log_source_region: or(sources.parse(&ACCESS_LOG_SOURCE_REGION, None, parse_bool)?, false),
            trail_seconds: or(sources.parse(&TRAIL_SECONDS, None, parse_log_seconds)?, 60),
            debug_digest_seconds: or(sources.parse(&DEBUG_DIGEST_SECONDS, None, parse_digest_seconds)?, None),
            debug_day_seconds: or(sources.parse(&DEBUG_DAY_SECONDS, None, parse_day_seconds)?, None),
            tables,
        })
    }
}
