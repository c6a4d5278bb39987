//! The first account's root access key: from the environment, or made at the first start and kept in a file for its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tarn_identity::{CredentialsConfig, Secret};
use tarn_runtime::{Entropy, EntropyExt};

use crate::config::Environment;

const FILE_NAME: &str = "root-credentials";
const ID_VARIABLE: &str = "TARN_ROOT_ACCESS_KEY_ID";
const SECRET_VARIABLE: &str = "TARN_ROOT_SECRET_ACCESS_KEY";

const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ID_CHARS: usize = 16;
const SECRET_CHARS: usize = 40;

/// Why there are no root credentials.
#[derive(Debug, thiserror::Error)]
pub enum RootCredentialsError {
    /// One of two variables is set.
    #[error("set both TARN_ROOT_ACCESS_KEY_ID and TARN_ROOT_SECRET_ACCESS_KEY, or neither")]
    Half,
    /// A variable is not text.
    #[error("{variable} is not UTF-8")]
    NotText {
        /// Which.
        variable: &'static str,
    },
    /// The file could not be written or read.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} does not hold an access key id and a secret; remove it if no server has been started with it yet")]
    Malformed {
        /// Which.
        path: String,
    },
}

/// Root's access key, chosen before the account is made with it.
#[derive(Debug, Clone)]
pub struct RootCredentials {
    /// The key.
    pub credentials: CredentialsConfig,
    /// Where its owner finds it again, if it was made here.
    pub file: Option<PathBuf>,
}

impl RootCredentials {
    /// What the environment says, if it says something.
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, RootCredentialsError> {
        let find = |variable: &'static str| match environment.get(variable) {
            None => Ok(None),
            Some(text) => text.to_str().map(Some).ok_or(RootCredentialsError::NotText { variable }),
        };
        match (find(ID_VARIABLE)?, find(SECRET_VARIABLE)?) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => {
                let credentials =
                    CredentialsConfig { access_key_id: id.to_owned(), secret_access_key: Secret::new(secret) };
                Ok(Some(Self { credentials, file: None }))
            }
            (Some(_), None) | (None, Some(_)) => Err(RootCredentialsError::Half),
        }
    }

    /// Makes a random key and keeps it in `data_dir`, durably, before any account has it; a start that was cut short after that finds it.
    pub fn make(data_dir: &Path, entropy: &dyn Entropy) -> Result<Self, RootCredentialsError> {
        let path = data_dir.join(FILE_NAME);
        let shown = path.display().to_string();
        let failed = |doing| {
            let path = shown.clone();
            move |source| RootCredentialsError::File { doing, path, source }
        };
        match fs::read_to_string(&path) {
            Ok(text) => {
                return Ok(Self {
                    credentials: parse(&text).ok_or(RootCredentialsError::Malformed { path: shown.clone() })?,
                    file: Some(path),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("reading")(error)),
        }
        let id = format!("AKIA{}", entropy.text(ID_ALPHABET, ID_CHARS));
        let secret = entropy.text(SECRET_ALPHABET, SECRET_CHARS);
        let text = format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n");
        let partial = data_dir.join(format!("{FILE_NAME}.partial"));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            File::open(data_dir)?.sync_all()
        };
        write().map_err(failed("writing"))?;
        let credentials = CredentialsConfig { access_key_id: id, secret_access_key: Secret::new(secret) };
        Ok(Self { credentials, file: Some(path) })
    }
}

fn parse(text: &str) -> Option<CredentialsConfig> {
    let find = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    Some(CredentialsConfig {
        access_key_id: find("AWS_ACCESS_KEY_ID")?.to_owned(),
        secret_access_key: Secret::new(find("AWS_SECRET_ACCESS_KEY")?),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tarn_runtime::SeededEntropy;

    use super::*;

    #[test]
    fn a_made_key_is_found_again_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = RootCredentials::make(folder.path(), &SeededEntropy::new(1)).expect("made");
        let again = RootCredentials::make(folder.path(), &SeededEntropy::new(2)).expect("found");
        assert_eq!(made.credentials, again.credentials);
        assert_eq!((made.credentials.access_key_id.len(), made.credentials.secret_access_key.expose().len()), (20, 40));
        let path = made.file.expect("a file");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        fs::write(&path, "nonsense").expect("written");
        assert!(matches!(
            RootCredentials::make(folder.path(), &SeededEntropy::new(3)),
            Err(RootCredentialsError::Malformed { .. })
        ));
    }

    #[test]
    fn the_environment_gives_both_or_neither() {
        let check = |variables: &[(&str, &str)]| {
            let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            RootCredentials::from_environment(&environment).map(|found| found.is_some())
        };
        assert!(matches!(check(&[]), Ok(false)));
        assert!(matches!(check(&[(ID_VARIABLE, "a"), (SECRET_VARIABLE, "b")]), Ok(true)));
        assert!(matches!(check(&[(ID_VARIABLE, "a")]), Err(RootCredentialsError::Half)));
        assert!(matches!(check(&[(SECRET_VARIABLE, "a")]), Err(RootCredentialsError::Half)));
    }
}
