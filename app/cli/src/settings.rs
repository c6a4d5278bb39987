//! Where the server is and who asks: flags, the environment's `AWS_*`, and the profiles in `~/.aws`, in this order.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::Args;

use crate::CliError;

/// The environment.
pub type Variables = BTreeMap<String, OsString>;

const ENDPOINT: &str = "http://127.0.0.1:9000";
const REGION: &str = "us-east-1";
/// Longest configuration file that is read.
const FILE_SIZE_BYTES_MAX: u64 = 1024 * 1024;

/// Flags of every client command.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The server [env: AWS_ENDPOINT_URL] [default: http://127.0.0.1:9000].
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The region [env: AWS_REGION, AWS_DEFAULT_REGION] [default: us-east-1].
    #[arg(long)]
    pub region: Option<String>,
    /// A profile of ~/.aws/config and ~/.aws/credentials [env: AWS_PROFILE].
    #[arg(long)]
    pub profile: Option<String>,
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// `AKIA...`.
    pub(crate) access_key_id: String,
    /// The secret.
    pub(crate) secret_access_key: String,
    /// Of temporary credentials.
    pub(crate) session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.access_key_id)
    }
}

/// What flags, environment and profiles come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `http://host:port` or `https://host:port`, without a path.
    pub(crate) endpoint: String,
    /// `us-east-1`.
    pub(crate) region: String,
    /// Who asks, if that is known.
    pub(crate) credentials: Option<Credentials>,
    /// The authorities that an `https://` endpoint is believed from, if not the machine's.
    pub(crate) ca_bundle: Option<PathBuf>,
}

/// The value of a variable; one that is empty is as one that is not set.
pub(crate) fn variable(variables: &Variables, name: &str) -> Option<String> {
    variables.get(name)?.to_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// The sections of an INI file of AWS's kind. Nested settings (indented lines under a key) are not ours and are passed over.
fn sections(text: &str) -> Sections {
    let mut found = Sections::new();
    let mut name = None;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            let section = section.split(']').next().unwrap_or_default().trim();
            // `[profile x]` in config is `[x]` in credentials.
            name = Some(section.strip_prefix("profile ").unwrap_or(section).trim().to_owned());
        } else if let (Some(name), Some((key, value)), false) = (&name, line.split_once('='), is_nested) {
            found.entry(name.clone()).or_default().insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found
}

fn read_sections(variables: &Variables, variable_name: &str, file: &str) -> Result<Sections, CliError> {
    let path = match (variable(variables, variable_name), variable(variables, "HOME")) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(home)) => PathBuf::from(home).join(".aws").join(file),
        (None, None) => return Ok(Sections::new()),
    };
    match std::fs::metadata(&path) {
        Ok(found) if found.len() > FILE_SIZE_BYTES_MAX => {
            Err(CliError::failed(format!("{} is too large for a file of profiles", path.display())))
        }
        Ok(_) => std::fs::read_to_string(&path)
            .map(|text| sections(&text))
            .map_err(CliError::local("reading the profiles in", &path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Sections::new()),
        Err(source) => Err(CliError::local("reading the profiles in", &path)(source)),
    }
}

fn credentials_of(section: &BTreeMap<String, String>) -> Option<Credentials> {
    Some(Credentials {
        access_key_id: section.get("aws_access_key_id")?.clone(),
        secret_access_key: section.get("aws_secret_access_key")?.clone(),
        session_token: section.get("aws_session_token").cloned(),
    })
}

/// `text` as `http://host:port` or `https://host:port`.
fn endpoint(text: &str) -> Result<String, CliError> {
    let wrong = |why: &str| CliError::usage(format!("the endpoint {text:?} {why}; it is like http://127.0.0.1:9000"));
    let uri: http::Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) | None => return Err(wrong("does not begin with http:// or https://")),
    }
    let Some(authority) = uri.authority() else { return Err(wrong("names no host")) };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.as_str().contains('@') {
        return Err(wrong("has more than a host and a port"));
    }
    Ok(format!("{}://{authority}", uri.scheme_str().unwrap_or("http")))
}

impl Settings {
    /// From flags, environment and files.
    pub(crate) fn load(flags: &Connection, variables: &Variables) -> Result<Self, CliError> {
        let find = |name| variable(variables, name);
        let profile = flags.profile.clone().or_else(|| find("AWS_PROFILE"));
        let config = read_sections(variables, "AWS_CONFIG_FILE", "config")?;
        let keys = read_sections(variables, "AWS_SHARED_CREDENTIALS_FILE", "credentials")?;
        let name = profile.clone().unwrap_or_else(|| "default".to_owned());
        if profile.is_some() && !config.contains_key(&name) && !keys.contains_key(&name) {
            let known: Vec<&str> = config.keys().chain(keys.keys()).map(String::as_str).collect();
            let nearest =
                known.iter().max_by(|a, b| strsim::jaro_winkler(a, &name).total_cmp(&strsim::jaro_winkler(b, &name)));
            let hint =
                nearest.map_or_else(|| "there are none".to_owned(), |nearest| format!("did you mean {nearest:?}?"));
            return Err(CliError::usage(format!("there is no profile {name:?} in the AWS files; {hint}")));
        }
        let section = config.get(&name);
        let of_profile = |key: &str| section.and_then(|section| section.get(key)).cloned();
        let from_files = || keys.get(&name).and_then(credentials_of).or_else(|| section.and_then(credentials_of));
        let from_environment = || {
            Some(Credentials {
                access_key_id: find("AWS_ACCESS_KEY_ID")?,
                secret_access_key: find("AWS_SECRET_ACCESS_KEY")?,
                session_token: find("AWS_SESSION_TOKEN"),
            })
        };
        // As with AWS's own clients: a profile on the command line wins over keys in the environment, AWS_PROFILE does not.
        let credentials = match &flags.profile {
            Some(_) => from_files(),
            None => from_environment().or_else(from_files),
        };
        let endpoint = endpoint(
            &flags
                .endpoint_url
                .clone()
                .or_else(|| find("AWS_ENDPOINT_URL"))
                .or_else(|| of_profile("endpoint_url"))
                .unwrap_or_else(|| ENDPOINT.to_owned()),
        )?;
        let region = flags
            .region
            .clone()
            .or_else(|| find("AWS_REGION"))
            .or_else(|| find("AWS_DEFAULT_REGION"))
            .or_else(|| of_profile("region"))
            .unwrap_or_else(|| REGION.to_owned());
        let ca_bundle = find("AWS_CA_BUNDLE").or_else(|| of_profile("ca_bundle")).map(PathBuf::from);
        Ok(Self { endpoint, region, credentials, ca_bundle })
    }

    /// Whether the endpoint is reached over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.endpoint.starts_with("https://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: Connection, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let aws = folder.path().join(".aws");
        std::fs::create_dir(&aws).expect("made");
        let config =
            "[default]\nregion = eu-west-1\ns3 =\n  region = nested\n[profile lab]\nendpoint_url = http://lab:1\n";
        std::fs::write(aws.join("config"), config).expect("written");
        let keys = "# keys\n[default]\naws_access_key_id = D\naws_secret_access_key=d=\n\n[lab]\naws_access_key_id=L\naws_secret_access_key=l\naws_session_token=t\n";
        std::fs::write(aws.join("credentials"), keys).expect("written");
        let mut all: Variables = [("HOME".to_owned(), folder.path().as_os_str().to_owned())].into();
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))));
        Settings::load(&flags, &all).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_profiles() {
        let check = |profile: Option<&str>, variables: &[(&str, &str)], endpoint: &str, region: &str, key: &str| {
            let flags = Connection { profile: profile.map(str::to_owned), ..Connection::default() };
            let found = load(flags, variables).expect("settings");
            assert_eq!((found.endpoint.as_str(), found.region.as_str()), (endpoint, region));
            let key_found = found.credentials.expect("credentials");
            assert_eq!(format!("{} {}", key_found.access_key_id, key_found.secret_access_key), key);
        };
        let keys = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "e")];
        check(None, &[], "http://127.0.0.1:9000", "eu-west-1", "D d=");
        check(None, &keys, "http://127.0.0.1:9000", "eu-west-1", "E e");
        check(Some("lab"), &keys, "http://lab:1", "us-east-1", "L l");
        check(None, &[("AWS_PROFILE", "lab")], "http://lab:1", "us-east-1", "L l");
        check(
            Some("lab"),
            &[("AWS_ENDPOINT_URL", "http://[::1]:2/"), ("AWS_DEFAULT_REGION", "x")],
            "http://[::1]:2",
            "x",
            "L l",
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |endpoint: Option<&str>, profile: Option<&str>, expected: &str| {
            let flags = Connection {
                endpoint_url: endpoint.map(str::to_owned),
                profile: profile.map(str::to_owned),
                region: None,
            };
            let found = load(flags, &[]).expect_err("refused");
            assert!(found.contains(expected), "{found}");
        };
        check(Some("127.0.0.1:9000"), None, "http://");
        check(Some("ftp://x"), None, "https://");
        check(Some("http://x/y"), None, "more than a host");
        check(Some("http://a:b@x"), None, "more than a host");
        check(None, Some("lap"), "did you mean \"lab\"?");
    }
}
