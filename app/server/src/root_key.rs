//! Who keeps the root key, as `[root_key]` of the configuration says it: a file, a passphrase, another KMS over AWS's API, or Vault's
//! transit engine. Passphrases, tokens and secrets come from files, the environment or systemd's credentials, never from an argument.

use std::ffi::OsStr;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::{Value, json};
use tarn_keys::{Custody, RootKeyKeeper, Secret};
use tarn_runtime::Runtime;
use tarn_sigv4::{Payload, Signer};

use crate::config::Environment;
use crate::events::url_of;

/// The names in `[root_key]`.
pub const ROOT_KEY_KEYS: [&str; 14] = [
    "custody",
    "passphrase_file",
    "passphrase_env",
    "passphrase_credential",
    "endpoint",
    "region",
    "key",
    "access_key_id",
    "secret_access_key",
    "mount",
    "token_file",
    "token_env",
    "token_credential",
    "namespace",
];
/// How long a keeper may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// More is not an answer about a key of 32 bytes.
const ANSWER_SIZE_BYTES_MAX: usize = 64 << 10;
/// More is not a passphrase or a token.
const SECRET_SIZE_BYTES_MAX: u64 = 64 << 10;
/// What the other KMS binds the root key to.
const CONTEXT: (&str, &str) = ("tarn", "root-key");

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    Variable(String),
    /// A file in `$CREDENTIALS_DIRECTORY`: <https://systemd.io/CREDENTIALS/>
    Credential(String),
}

/// Who keeps the root key.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "RootKeyText")]
pub enum RootKeySetting {
    /// A file in the data directory.
    #[default]
    File,
    /// Who knows a passphrase.
    Passphrase(PassphraseSetting),
    /// Another KMS.
    AwsKms(KmsSetting),
    /// Vault.
    VaultTransit(VaultSetting),
}

/// Where a passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassphraseSetting(Source);

/// A key of another KMS.
#[derive(Clone, PartialEq, Eq)]
pub struct KmsSetting {
    endpoint: String,
    region: String,
    key: String,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
}

/// A key of Vault's transit engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultSetting {
    endpoint: String,
    mount: String,
    key: String,
    namespace: Option<String>,
    token: Source,
}

/// Secrets are not shown.
impl fmt::Debug for RootKeySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RootKeyText {
    custody: Option<String>,
    passphrase_file: Option<PathBuf>,
    passphrase_env: Option<String>,
    passphrase_credential: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    key: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    mount: Option<String>,
    token_file: Option<PathBuf>,
    token_env: Option<String>,
    token_credential: Option<String>,
    namespace: Option<String>,
}

fn source(
    what: &str,
    file: Option<PathBuf>,
    variable: Option<String>,
    credential: Option<String>,
) -> Result<Source, String> {
    match (file, variable, credential) {
        (Some(file), None, None) => Ok(Source::File(file)),
        (None, Some(variable), None) => Ok(Source::Variable(variable)),
        (None, None, Some(name)) if !name.contains('/') && !name.is_empty() => Ok(Source::Credential(name)),
        (None, None, Some(_)) => Err(format!("`{what}_credential` is the name of a credential, without a directory")),
        _ => Err(format!("exactly one of `{what}_file`, `{what}_env` and `{what}_credential` must be set")),
    }
}

impl TryFrom<RootKeyText> for RootKeySetting {
    type Error = String;

    fn try_from(text: RootKeyText) -> Result<Self, String> {
        let RootKeyText {
            custody,
            passphrase_file,
            passphrase_env,
            passphrase_credential,
            endpoint,
            region,
            key,
            access_key_id,
            secret_access_key,
            mount,
            token_file,
            token_env,
            token_credential,
            namespace,
        } = text;
        let custody = custody.ok_or("`custody` must be file, passphrase, aws-kms or vault-transit")?;
        let of_passphrase = passphrase_file.is_some() || passphrase_env.is_some() || passphrase_credential.is_some();
        let of_kms = region.is_some() || access_key_id.is_some() || secret_access_key.is_some();
        let of_vault = mount.is_some()
            || token_file.is_some()
            || token_env.is_some()
            || token_credential.is_some()
            || namespace.is_some();
        let of_both = endpoint.is_some() || key.is_some();
        let stray = match custody.as_str() {
            "file" => of_passphrase || of_kms || of_vault || of_both,
            "passphrase" => of_kms || of_vault || of_both,
            "aws-kms" => of_passphrase || of_vault,
            "vault-transit" => of_passphrase || of_kms,
            _ => {
                return Err(format!("`custody` is `{custody}`: it must be file, passphrase, aws-kms or vault-transit"));
            }
        };
        if stray {
            return Err(format!("something is set that custody `{custody}` has no use for"));
        }
        let endpoint = || {
            let endpoint = endpoint.clone().ok_or_else(|| format!("custody `{custody}` needs `endpoint`"))?;
            let url = url_of(&endpoint)?;
            // The root key itself goes over it.
            let is_here = match url.host() {
                Some("localhost") => true,
                Some(host) => host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
                None => false,
            };
            if url.scheme_str() != Some("https") && !is_here {
                return Err(format!("`endpoint` is {endpoint}: the root key travels to it, so it must be https"));
            }
            Ok::<_, String>(endpoint.trim_end_matches('/').to_owned())
        };
        let key = || key.clone().ok_or_else(|| format!("custody `{custody}` needs `key`"));
        match custody.as_str() {
            "passphrase" => {
                let from = source("passphrase", passphrase_file, passphrase_env, passphrase_credential)?;
                Ok(Self::Passphrase(PassphraseSetting(from)))
            }
            "aws-kms" => Ok(Self::AwsKms(KmsSetting {
                endpoint: endpoint()?,
                region: region.unwrap_or_else(|| "us-east-1".to_owned()),
                key: key()?,
                access_key_id,
                secret_access_key,
            })),
            "vault-transit" => Ok(Self::VaultTransit(VaultSetting {
                endpoint: endpoint()?,
                mount: mount.unwrap_or_else(|| "transit".to_owned()),
                key: key()?,
                namespace,
                token: source("token", token_file, token_env, token_credential)?,
            })),
            _ => Ok(Self::File),
        }
    }
}

fn text_of(variable: &str, environment: &Environment) -> Option<String> {
    environment.get(variable).and_then(|value| value.to_str()).map(str::to_owned)
}

fn read(path: &Path) -> Result<Secret, String> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(SECRET_SIZE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    // Editors end a line.
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    bytes.truncate(end);
    Ok(Secret::new(bytes))
}

impl Source {
    fn secret(&self, environment: &Environment) -> Result<Secret, String> {
        let secret = match self {
            Self::File(path) => read(path)?,
            Self::Variable(name) => {
                Secret::new(text_of(name, environment).ok_or_else(|| format!("the variable {name} is not set"))?)
            }
            Self::Credential(name) => {
                let directory = environment.get("CREDENTIALS_DIRECTORY").map(OsStr::new);
                let directory = directory
                    .ok_or("$CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit that has credentials")?;
                read(&Path::new(directory).join(name))?
            }
        };
        if secret.expose().is_empty() { Err("it is empty".to_owned()) } else { Ok(secret) }
    }
}

impl RootKeySetting {
    fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Passphrase(_) => "passphrase",
            Self::AwsKms(_) => AWS_KMS,
            Self::VaultTransit(_) => VAULT_TRANSIT,
        }
    }

    /// As TOML, without secrets; `None` of the default.
    pub(crate) fn show(&self) -> Option<String> {
        let quoted = |text: &str| Value::from(text).to_string();
        let source = |what: &str, source: &Source| match source {
            Source::File(path) => format!("{what}_file = {}\n", quoted(&path.display().to_string())),
            Source::Variable(name) => format!("{what}_env = {}\n", quoted(name)),
            Source::Credential(name) => format!("{what}_credential = {}\n", quoted(name)),
        };
        let rest = match self {
            Self::File => return None,
            Self::Passphrase(PassphraseSetting(from)) => source("passphrase", from),
            Self::AwsKms(setting) => {
                let id = setting.access_key_id.iter().map(|id| format!("access_key_id = {}\n", quoted(id)));
                let secret = setting.secret_access_key.iter().map(|_| "secret_access_key = \"***\"\n".to_owned());
                let credentials: String = id.chain(secret).collect();
                let (endpoint, region, key) = (&setting.endpoint, &setting.region, &setting.key);
                let (endpoint, region, key) = (quoted(endpoint), quoted(region), quoted(key));
                format!("endpoint = {endpoint}\nregion = {region}\nkey = {key}\n{credentials}")
            }
            Self::VaultTransit(setting) => {
                let namespace = setting.namespace.iter().map(|name| format!("namespace = {}\n", quoted(name)));
                let namespace: String = namespace.collect();
                let (endpoint, mount, key) = (&setting.endpoint, &setting.mount, &setting.key);
                let (endpoint, mount, key) = (quoted(endpoint), quoted(mount), quoted(key));
                let token = source("token", &setting.token);
                format!("endpoint = {endpoint}\nmount = {mount}\nkey = {key}\n{namespace}{token}")
            }
        };
        Some(format!("\n[root_key]\ncustody = {}\n{rest}", quoted(self.name())))
    }

    /// Who keeps the root key, with what is needed to ask.
    pub(crate) fn custody(&self, environment: &Environment, runtime: &Runtime) -> Result<Custody, String> {
        let of = |what: &str, reason: String| format!("[root_key], custody {}: the {what}: {reason}", self.name());
        Ok(match self {
            Self::File => Custody::File,
            Self::Passphrase(PassphraseSetting(from)) => {
                Custody::Passphrase(from.secret(environment).map_err(|reason| of("passphrase", reason))?)
            }
            Self::AwsKms(setting) => {
                let or_set = |given: &Option<String>, variable: &str| {
                    let found = given.clone().or_else(|| text_of(variable, environment));
                    found.ok_or_else(|| of("credentials", format!("neither the table nor {variable} has them")))
                };
                let signer = Signer {
                    access_key_id: or_set(&setting.access_key_id, "AWS_ACCESS_KEY_ID")?,
                    secret_access_key: or_set(&setting.secret_access_key, "AWS_SECRET_ACCESS_KEY")?,
                    session_token: match setting.access_key_id {
                        Some(_) => None,
                        None => text_of("AWS_SESSION_TOKEN", environment),
                    },
                    region: setting.region.clone(),
                    service: "kms".to_owned(),
                };
                Custody::Keeper(Arc::new(AwsKms { setting: setting.clone(), signer, runtime: runtime.clone() }))
            }
            Self::VaultTransit(setting) => {
                let token = setting.token.secret(environment).map_err(|reason| of("token", reason))?;
                Custody::Keeper(Arc::new(VaultTransit { setting: setting.clone(), token }))
            }
        })
    }
}

const AWS_KMS: &str = "aws-kms";
const VAULT_TRANSIT: &str = "vault-transit";

/// Posts JSON and gives the answer's; errors name no header and no body.
async fn post(uri: &str, headers: HeaderMap, body: Vec<u8>) -> Result<Value, String> {
    let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().timeout(ANSWER_TIME_MAX).build();
    let client = client.map_err(|error| error.to_string())?;
    let unreachable = |error: reqwest::Error| format!("{uri} could not be reached: {}", error.without_url());
    let mut answer = client.post(uri).headers(headers).body(body).send().await.map_err(unreachable)?;
    let status = answer.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > ANSWER_SIZE_BYTES_MAX {
            return Err(format!("{uri} answered with too much"));
        }
        bytes.extend_from_slice(&chunk);
    }
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(answer);
    }
    // AWS's and Vault's words for what is wrong.
    let said = [&answer["__type"], &answer["message"], &answer["Message"], &answer["errors"]];
    let said: Vec<String> = said.into_iter().filter(|value| !value.is_null()).map(Value::to_string).collect();
    Err(format!("{uri} answered {status} {}", said.join(" ")))
}

fn base64_member(answer: &Value, member: &str) -> Result<Secret, String> {
    let text = answer[member].as_str().ok_or_else(|| format!("the answer has no {member}"))?;
    BASE64.decode(text).map(Secret::new).map_err(|_| format!("the answer's {member} is not base64"))
}

/// A key of another KMS that speaks AWS's API.
struct AwsKms {
    setting: KmsSetting,
    signer: Signer,
    runtime: Runtime,
}

impl AwsKms {
    async fn call(&self, operation: &str, body: Value) -> Result<Value, String> {
        let uri: Uri =
            format!("{}/", self.setting.endpoint).parse().map_err(|_| "the endpoint is no URL".to_owned())?;
        let body = body.to_string().into_bytes();
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(uri.clone())
            .header(CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", format!("TrentService.{operation}"))
            .body(())
            .map_err(|error| error.to_string())?;
        let (mut parts, ()) = request.into_parts();
        let digest = Payload::Sha256(tarn_sigv4::sha256(&body));
        self.signer.sign(&mut parts, digest, self.runtime.now()).map_err(|error| error.to_string())?;
        post(&uri.to_string(), parts.headers, body).await
    }
}

impl RootKeyKeeper for AwsKms {
    fn name(&self) -> &'static str {
        AWS_KMS
    }

    fn wrap<'a>(&'a self, key: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        async move {
            let body = json!({
                "KeyId": self.setting.key,
                "Plaintext": BASE64.encode(key.expose()),
                "EncryptionContext": { CONTEXT.0: CONTEXT.1 },
            });
            let answer = self.call("Encrypt", body).await?;
            Ok(base64_member(&answer, "CiphertextBlob")?.expose().to_vec())
        }
        .boxed()
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> BoxFuture<'a, Result<Secret, String>> {
        async move {
            let body = json!({
                "KeyId": self.setting.key,
                "CiphertextBlob": BASE64.encode(wrapped),
                "EncryptionContext": { CONTEXT.0: CONTEXT.1 },
            });
            base64_member(&self.call("Decrypt", body).await?, "Plaintext")
        }
        .boxed()
    }
}

/// A key of Vault's transit engine: <https://developer.hashicorp.com/vault/api-docs/secret/transit>
struct VaultTransit {
    setting: VaultSetting,
    token: Secret,
}

impl VaultTransit {
    async fn call(&self, operation: &str, body: Value) -> Result<Value, String> {
        let VaultSetting { endpoint, mount, key, namespace, .. } = &self.setting;
        let unsendable = |_| "the token or the namespace cannot stand in a header".to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut token = HeaderValue::from_bytes(self.token.expose()).map_err(unsendable)?;
        token.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-vault-token"), token);
        if let Some(namespace) = namespace {
            let namespace = HeaderValue::from_str(namespace).map_err(unsendable)?;
            headers.insert(HeaderName::from_static("x-vault-namespace"), namespace);
        }
        let uri = format!("{endpoint}/v1/{mount}/{operation}/{key}");
        Ok(post(&uri, headers, body.to_string().into_bytes()).await?["data"].take())
    }
}

impl RootKeyKeeper for VaultTransit {
    fn name(&self) -> &'static str {
        VAULT_TRANSIT
    }

    fn wrap<'a>(&'a self, key: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        async move {
            let answer = self.call("encrypt", json!({ "plaintext": BASE64.encode(key.expose()) })).await?;
            let text = answer["ciphertext"].as_str().ok_or("the answer has no ciphertext")?;
            Ok(text.as_bytes().to_vec())
        }
        .boxed()
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> BoxFuture<'a, Result<Secret, String>> {
        async move {
            let text = std::str::from_utf8(wrapped).map_err(|_| "what Vault is to open is not its text".to_owned())?;
            base64_member(&self.call("decrypt", json!({ "ciphertext": text })).await?, "plaintext")
        }
        .boxed()
    }
}
