//! The server's settings: a TOML file, over it the environment, over it flags; each remembers where it came from.
//! An unknown name is an error that says which one was probably meant.

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
                check_keys(account, &ACCOUNT_KEYS, &place)?;
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

    /// One line for each setting, as TOML; with `origin`, where each came from. Secrets are not shown.
    pub fn show(&self, origin: bool) -> String {
        let mut text = String::new();
        let mut line = |name: &Name, value: String, from: &Origin| {
            text.push_str(&format!("{} = {value}", name.key));
            if origin {
                text.push_str(&format!("  # {from}"));
            }
            text.push('\n');
        };
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        line(&DATA_DIR, quoted(&self.data_dir.value.display().to_string()), &self.data_dir.origin);
        line(&LISTEN, quoted(&self.listen.value.to_string()), &self.listen.origin);
        line(&ACCOUNT_ID, quoted(self.account_id.value.as_str()), &self.account_id.origin);
        line(&REGION, quoted(self.region.value.as_str()), &self.region.origin);
        line(&ZONES, self.zones.value.to_string(), &self.zones.origin);
        line(&LOG, quoted(&self.log.value), &self.log.origin);
        line(&OBJECT_OWNERSHIP, quoted(self.object_ownership.value.name()), &self.object_ownership.origin);
        line(&BLOCK_PUBLIC_ACCESS, self.block_public_access.value.to_string(), &self.block_public_access.origin);
        let failures = &self.signature_failures_max;
        line(&SIGNATURE_FAILURES_MAX, failures.value.to_string(), &failures.origin);
        line(&ACCESS_LOG_SECONDS, self.access_log_seconds.value.to_string(), &self.access_log_seconds.origin);
        let source_region = &self.access_log_source_region;
        line(&ACCESS_LOG_SOURCE_REGION, source_region.value.to_string(), &source_region.origin);
        line(&TRAIL_SECONDS, self.trail_seconds.value.to_string(), &self.trail_seconds.origin);
        if let Some(seconds) = self.debug_day_seconds.value {
            line(&DEBUG_DAY_SECONDS, seconds.to_string(), &self.debug_day_seconds.origin);
        }
        if let Some(seconds) = self.debug_digest_seconds.value {
            line(&DEBUG_DIGEST_SECONDS, seconds.to_string(), &self.debug_digest_seconds.origin);
        }
        let Tables {
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
        } = &self.tables;
        let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
        if !domains.is_empty() {
            text.push_str(&format!("{DOMAINS} = [{}]\n", list(domains)));
        }
        if !trusted_proxies.is_empty() {
            let networks: Vec<String> = trusted_proxies.iter().map(ToString::to_string).collect();
            text.push_str(&format!("{TRUSTED_PROXIES} = [{}]\n", list(&networks)));
        }
        if let Some(TlsSetting { certificate, private_key }) = tls {
            let (certificate, key) = (certificate.display().to_string(), private_key.display().to_string());
            text.push_str(&format!(
                "\n[tls]\ncertificate = {}\nprivate_key = {}\n",
                quoted(&certificate),
                quoted(&key)
            ));
        }
        if let Some(shown) = root_key.show() {
            text.push_str(&shown);
        }
        if !identity.oidc_issuers_allowed.is_empty() {
            text.push_str(&format!(
                "\n[identity]\noidc_issuers_allowed = [{}]\n",
                list(&identity.oidc_issuers_allowed)
            ));
        }
        for target in replication_targets {
            let accounts: Vec<String> = target.accounts.iter().map(|account| quoted(account.as_str())).collect();
            text.push_str(&format!(
                "\n[[replication_targets]]\nbucket = {}\nendpoint = {}\nregion = {}\nremote_bucket = {}\naccess_key_id = {}\nsecret_access_key = \"***\"\naccounts = [{}]\n",
                quoted(&target.bucket),
                quoted(&target.endpoint),
                quoted(&target.region),
                quoted(&target.remote_bucket),
                quoted(&target.access_key_id),
                accounts.join(", "),
            ));
        }
        for queue in queues {
            let url = quoted(&queue.url.to_string());
            text.push_str(&format!("\n[[queues]]\narn = {}\nurl = {url}\n", quoted(&queue.arn)));
            if !queue.accounts.is_empty() {
                let accounts: Vec<String> = queue.accounts.iter().map(|account| quoted(account.as_str())).collect();
                text.push_str(&format!("accounts = [{}]\n", accounts.join(", ")));
            }
        }
        for rule in event_rules {
            let (name, pattern, target) = (quoted(&rule.name), quoted(rule.pattern.text()), quoted(&rule.target));
            text.push_str(&format!("\n[[event_rules]]\nname = {name}\npattern = {pattern}\ntarget = {target}\n"));
        }
        for account in accounts {
            text.push_str(&format!("\n[[accounts]]\nid = {}\n", quoted(account.id.as_str())));
            for (key, value) in [("name", &account.name), ("email", &account.email)] {
                if let Some(value) = value {
                    text.push_str(&format!("{key} = {}\n", quoted(value)));
                }
            }
            if let Some(id) = &account.root_access_key_id {
                text.push_str(&format!("root_access_key_id = {}\nroot_secret_access_key = \"***\"\n", quoted(id)));
            }
            for user in &account.users {
                let (name, id) = (quoted(&user.name), quoted(&user.access_key_id));
                text.push_str(&format!("# user {name}, access key {id}\n"));
            }
        }
        for (name, volume) in volumes {
            text.push_str(&format!("\n[volumes.{name}]\n"));
            match volume {
                VolumeSetting::Directory { directory } => {
                    text.push_str(&format!("directory = {}\n", quoted(&directory.display().to_string())));
                }
                VolumeSetting::Remote { url, options } => {
                    text.push_str(&format!("url = {}\n", quoted(url)));
                    let options: Vec<_> = options.keys().map(|key| format!("{key} = \"***\"")).collect();
                    text.push_str(&format!("options = {{ {} }}\n", options.join(", ")));
                }
            }
        }
        if !storage_classes.is_empty() {
            text.push_str("\n[storage_classes]\n");
            for (class, volume) in storage_classes {
                text.push_str(&format!("{} = {}\n", class.name(), quoted(volume)));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tarn.toml");
        std::fs::write(&path, file).expect("written");
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        Config::load(&Flags { config: Some(path), ..flags }, &environment)
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let file = "data_dir = '/file'\nlisten = '127.0.0.1:1'\nregion = 'eu-west-1'\nzones = false\n";
        let flags = Flags { listen: Some("[::1]:3".to_owned()), ..Flags::default() };
        let config = load(file, &[("TARN_LISTEN", "127.0.0.1:2"), ("TARN_REGION", "us-west-2")], flags).expect("right");
        assert_eq!(config.data_dir.value, Path::new("/file"));
        assert_eq!((config.listen.value.port(), config.listen.origin), (3, Origin::Flag("--listen")));
        assert_eq!(
            (config.region.value.as_str(), config.region.origin),
            ("us-west-2", Origin::Environment("TARN_REGION"))
        );
        assert_eq!((config.account_id.value.as_str(), config.account_id.origin), ("000000000000", Origin::Default));
        assert!(!config.zones.value);
    }

    #[test]
    fn wrong_settings_say_what_is_wrong() {
        let check = |file: &str, environment: &[(&str, &str)], needle: &str| {
            let error = load(file, environment, Flags::default()).expect_err(needle).to_string();
            assert!(error.contains(needle), "{needle}: {error}");
        };
        check("datadir = '/d'", &[], "did you mean `data_dir`?");
        check("frobnicate = 1", &[], "no setting `frobnicate`");
        check(
            "data_dir = '/d'\n[[accounts]]\nid = '000000000001'\nroot_acces_key_id = 'a'",
            &[],
            "did you mean `root_access_key_id`?",
        );
        check("data_dir = '/d'\n[[accounts]]\nid = '1'", &[], "twelve");
        check("data_dir = '/d'\n[[accounts]]\nid = '000000000001'\nusers = [{nam = 'a'}]", &[], "did you mean `name`?");
        check("data_dir = '/d'\n[[accounts]]\nname = 'a'", &[], "missing field `id`");
        check("data_dir = '/d'\n[[queues]]\nurls = 'a'", &[], "did you mean `url`?");
        let arn = "arn = 'arn:aws:sqs:us-east-1:000000000000:q'";
        check(&format!("data_dir = '/d'\n[[queues]]\n{arn}\nurl = 'ftp://x'"), &[], "must be a URL");
        check(&format!("data_dir = '/d'\n[[queues]]\n{arn}\nurl = 'http://u:p@x'"), &[], "without a user");
        check("data_dir = '/d'\n[[queues]]\narn = 'arn:aws:s3:::b'\nurl = 'http://x'", &[], "sqs, sns or lambda");
        check(
            "data_dir = '/d'\n[[event_rules]]\nname = 'a'\ntarget = 'b'\npattern = '[]'",
            &[],
            "a pattern is an object",
        );
        check("data_dir = '/d'\n[tls]\ncertificat = 'a'", &[], "did you mean `certificate`?");
        let root_key = |text: &str, words: &str| check(&format!("data_dir = '/d'\n[root_key]\n{text}"), &[], words);
        root_key("custodi = 'file'", "did you mean `custody`?");
        root_key("", "`custody` must be");
        root_key("custody = 'nobody'", "passphrase, aws-kms or vault-transit");
        root_key("custody = 'file'\nkey = 'k'", "has no use for");
        root_key("custody = 'passphrase'", "exactly one of");
        root_key("custody = 'passphrase'\npassphrase_file = 'a'\npassphrase_env = 'B'", "exactly one of");
        root_key("custody = 'passphrase'\npassphrase_credential = '../a'", "without a directory");
        root_key("custody = 'aws-kms'\nkey = 'k'", "needs `endpoint`");
        root_key("custody = 'aws-kms'\nendpoint = 'ftp://x'\nkey = 'k'", "in [root_key]");
        root_key("custody = 'vault-transit'\nendpoint = 'http://x'\nkey = 'k'", "exactly one of `token_file`");
        check("data_dir = '/d'\n[tls]\ncertificate = 'a'", &[], "missing field `private_key`");
        check("data_dir = '/d'\ntrusted_proxies = ['10.0.0.1']", &[], "[[trusted_proxies]]");
        check("data_dir = ", &[], "line 1");
        check("data_dir = []", &[], "must be a text");
        check("listen = '127.0.0.1:1'", &[], "--data-dir");
        check("data_dir = '/d'", &[("TARN_LISTEN", "9000")], "listen (environment TARN_LISTEN) is `9000`");
        check("data_dir = '/d'", &[("TARN_LISTENS", "9000")], "did you mean `TARN_LISTEN`?");
        check("data_dir = '/d'", &[("TARN_LOG", "loud=very")], "log (environment TARN_LOG)");
        check("data_dir = '/d'\nzones = 'maybe'", &[], "true or false");
        check("data_dir = '/d'\nregion = 'Mars 1'", &[], "region");
        check("data_dir = '/d'\nobject_ownership = 'Nobody'", &[], "BucketOwnerEnforced");
        check("data_dir = '/d'\n[debug]\nday_second = 2", &[], "did you mean `day_seconds`?");
        check("data_dir = '/d'\n[identity]\noidc_issuer_allowed = []", &[], "did you mean `oidc_issuers_allowed`?");
        check("data_dir = '/d'\n[identity]\noidc_issuers_allowed = ['x']", &[], "must be a URL");
        check("data_dir = '/d'\naccess_log_seconds = 0", &[], "from 1 to 86400");
        check("data_dir = '/d'\ndebug = 2", &[], "must be a table");
        check("data_dir = '/d'\n[debug]\nday_seconds = 0", &[], "from 1 to 86400");
        check("data_dir = '/d'", &[("TARN_DEBUG_DAY_SECONDS", "a day")], "environment TARN_DEBUG_DAY_SECONDS");
    }

    #[test]
    fn what_is_shown_holds_no_secret_and_is_read_back() {
        let file = "data_dir = '/d'\ndomains = ['lake.example']\ntrusted_proxies = ['10.0.0.0/8']\n[tls]\ncertificate = 'c'\nprivate_key = 'k'\n[identity]\noidc_issuers_allowed = ['http://127.0.0.1:8080/realms/lake']\n[[queues]]\narn = 'arn:aws:sqs:us-east-1:000000000000:q'\nurl = 'https://x/y?z=1'\naccounts = ['111111111111']\n[[event_rules]]\nname = 'r'\npattern = '{\"source\":[\"aws.s3\"]}'\ntarget = 'arn:aws:sqs:us-east-1:000000000000:q'\n[[replication_targets]]\nbucket = 'arn:aws:s3:::b'\nendpoint = 'http://x:1'\naccess_key_id = 'AKIA3'\nsecret_access_key = 'planted-3'\n[[accounts]]\nid = '000000000001'\nname = 'a'\nroot_access_key_id = 'AKIA1'\nroot_secret_access_key = 'planted-1'\nusers = [{name = 'u', access_key_id = 'AKIA2', secret_access_key = 'planted-2'}]\n";
        let config = load(file, &[("TARN_BINARY", "/x")], Flags::default()).expect("right");
        let shown = config.show(true);
        assert!(!shown.contains("planted") && !format!("{config:?}").contains("planted"), "{shown}");
        assert!(shown.contains("listen = \"127.0.0.1:9000\"  # default"), "{shown}");
        let again = load(&config.show(false), &[], Flags::default()).expect("what is shown is a configuration");
        assert_eq!(again.tables.identity, config.tables.identity);
        assert!(!shown.contains("debug"), "{shown}");
    }

    #[test]
    fn who_keeps_the_root_key_is_shown_without_secrets_and_read_back() {
        let check = |text: &str| {
            let file = format!("data_dir = '/d'\n[root_key]\n{text}");
            let config = load(&file, &[], Flags::default()).expect("right");
            let shown = config.show(false);
            assert!(!shown.contains("planted") && !format!("{config:?}").contains("planted"), "{shown}");
            let again = load(&shown, &[], Flags::default()).expect("what is shown is a configuration");
            assert_eq!(again.show(false), shown);
            shown
        };
        assert!(!check("custody = 'file'").contains("root_key"), "it is the default");
        assert!(check("custody = 'passphrase'\npassphrase_env = 'LAKE'").contains("passphrase_env = \"LAKE\""));
        check("custody = 'passphrase'\npassphrase_file = '/run/a b'");
        check("custody = 'passphrase'\npassphrase_credential = 'lake'");
        let kms = "custody = 'aws-kms'\nendpoint = 'https://kms.example/'\nkey = 'alias/a'\n";
        check(kms);
        check(&format!("{kms}region = 'eu-west-1'\naccess_key_id = 'AKIA'\nsecret_access_key = 'planted'"));
        let vault = "custody = 'vault-transit'\nendpoint = 'https://v.example:8200'\nkey = 'tarn'\n";
        check(&format!("{vault}token_file = '/run/token'"));
        check(&format!("{vault}mount = 'm'\nnamespace = 'n'\ntoken_env = 'VAULT_TOKEN'"));
    }

    #[test]
    fn a_short_day_is_shown_with_where_it_comes_from() {
        let file = "data_dir = '/d'\n[debug]\nday_seconds = 20\n";
        let check = |environment: &[(&str, &str)], seconds: u32, origin: &str| {
            let config = load(file, environment, Flags::default()).expect("right");
            assert_eq!(config.debug_day_seconds.value, Some(seconds));
            let shown = config.show(true);
            assert!(shown.contains(&format!("debug.day_seconds = {seconds}  # {origin}")), "{shown}");
            let again = load(&config.show(false), &[], Flags::default()).expect("what is shown is a configuration");
            assert_eq!(again.debug_day_seconds.value, Some(seconds));
        };
        check(&[], 20, "file ");
        check(&[("TARN_DEBUG_DAY_SECONDS", "3")], 3, "environment TARN_DEBUG_DAY_SECONDS");
    }
}
