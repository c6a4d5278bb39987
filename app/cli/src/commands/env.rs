//! `tarn env`: the lines that point a client program at a server. For a shell, but for programs that are set up in their own words.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::output::Out;
use crate::settings::{Credentials, Settings};
use crate::{CliError, Connection, Variables};

/// A client program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Program {
    /// All AWS SDKs, the aws CLI, awswrangler, PyAthena, Terraform.
    Aws,
    /// Spark and PySpark, with S3A.
    Spark,
    /// DuckDB: SQL for its prompt.
    Duckdb,
    /// The sagemaker SDK.
    Sagemaker,
    /// MLflow, with its artifacts in S3.
    Mlflow,
}

/// Arguments of `tarn env`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// For which program.
    #[arg(value_enum, default_value = "aws")]
    program: Program,
    /// Take root's credentials from this data directory, if its first start made them.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// The two lines of a data directory's `root-credentials`: `AWS_ACCESS_KEY_ID=...` and `AWS_SECRET_ACCESS_KEY=...`.
fn of_data_dir(folder: &std::path::Path) -> Result<Credentials, CliError> {
    let path = folder.join("root-credentials");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(CliError::failed(format!(
                "{} is not there: root's credentials were chosen by TARN_ROOT_ACCESS_KEY_ID, or this is no data directory",
                path.display()
            )));
        }
        Err(source) => return Err(CliError::local("reading", &path)(source)),
    };
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
    match (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Ok(Credentials { access_key_id, secret_access_key, session_token: None })
        }
        _ => Err(CliError::failed(format!("{} does not hold an access key", path.display()))),
    }
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'=' | b'+' | b'@');
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// For SQL.
fn sql(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(crate) fn run(arguments: &Arguments, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let mut settings = Settings::load(&arguments.connection, variables)?;
    if let Some(folder) = &arguments.data_dir {
        settings.credentials = Some(of_data_dir(folder)?);
    }
    if settings.credentials.is_none() {
        eprintln!("tarn: no credentials are known; --data-dir DIR takes root's, --profile those of a profile");
    }
    for line in lines(arguments.program, &settings) {
        out.line(&line)?;
    }
    Ok(())
}

fn exports(settings: &Settings) -> Vec<String> {
    let mut names = vec![
        ("AWS_ENDPOINT_URL", settings.endpoint.clone()),
        ("AWS_REGION", settings.region.clone()),
        ("AWS_DEFAULT_REGION", settings.region.clone()),
    ];
    names.extend(settings.ca_bundle.iter().map(|path| ("AWS_CA_BUNDLE", path.display().to_string())));
    if let Some(found) = &settings.credentials {
        names.push(("AWS_ACCESS_KEY_ID", found.access_key_id.clone()));
        names.push(("AWS_SECRET_ACCESS_KEY", found.secret_access_key.clone()));
        names.extend(found.session_token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
    }
    names.into_iter().map(|(name, value)| format!("export {name}={}", quoted(&value))).collect()
}

fn lines(program: Program, settings: &Settings) -> Vec<String> {
    let Settings { endpoint, region, credentials, ca_bundle: _ } = settings;
    let is_secure = settings.is_secure();
    let mut lines = exports(settings);
    match program {
        Program::Aws => {}
        Program::Sagemaker => {
            // The SDK takes its endpoint from the AWS settings; it wants a region even where one is given.
            lines.push(format!("export SAGEMAKER_REGION={}", quoted(region)));
        }
        Program::Mlflow => lines.push(format!("export MLFLOW_S3_ENDPOINT_URL={}", quoted(endpoint))),
        Program::Spark => {
            let conf = |name: &str, value: &str| format!("--conf spark.hadoop.fs.s3a.{name}={value}");
            let options = [
                conf("endpoint", endpoint),
                conf("endpoint.region", region),
                conf("path.style.access", "true"),
                conf("connection.ssl.enabled", if is_secure { "true" } else { "false" }),
                "--conf spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem".to_owned(),
            ];
            // S3A takes the keys from the environment.
            lines.push(format!(
                "export PYSPARK_SUBMIT_ARGS={}",
                quoted(&format!("{} pyspark-shell", options.join(" ")))
            ));
        }
        Program::Duckdb => {
            let host = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, host)| host);
            let mut options = vec![
                "TYPE s3".to_owned(),
                format!("ENDPOINT {}", sql(host)),
                "URL_STYLE 'path'".to_owned(),
                format!("USE_SSL {is_secure}"),
                format!("REGION {}", sql(region)),
            ];
            if let Some(found) = credentials {
                options.push(format!("KEY_ID {}", sql(&found.access_key_id)));
                options.push(format!("SECRET {}", sql(&found.secret_access_key)));
                options.extend(found.session_token.as_ref().map(|token| format!("SESSION_TOKEN {}", sql(token))));
            }
            lines = vec![format!("CREATE OR REPLACE SECRET tarn ({});", options.join(", "))];
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_pointed_at_the_server() {
        let settings = Settings {
            endpoint: "http://127.0.0.1:9000".to_owned(),
            region: "us-east-1".to_owned(),
            credentials: Some(Credentials {
                access_key_id: "AKIA".to_owned(),
                secret_access_key: "a'b c".to_owned(),
                session_token: None,
            }),
            ca_bundle: None,
        };
        let check = |program: Program, expected: &[&str]| {
            let text = lines(program, &settings).join("\n");
            for line in expected {
                assert!(text.contains(line), "{line} in {text}");
            }
        };
        check(
            Program::Aws,
            &["export AWS_ENDPOINT_URL=http://127.0.0.1:9000\n", "export AWS_SECRET_ACCESS_KEY='a'\\''b c'"],
        );
        check(Program::Duckdb, &["ENDPOINT '127.0.0.1:9000'", "SECRET 'a''b c'", "USE_SSL false"]);
        check(Program::Spark, &["fs.s3a.endpoint=http://127.0.0.1:9000", "pyspark-shell'"]);
        check(Program::Mlflow, &["export MLFLOW_S3_ENDPOINT_URL=http://127.0.0.1:9000"]);
        check(Program::Sagemaker, &["export AWS_ACCESS_KEY_ID=AKIA"]);
    }
}
