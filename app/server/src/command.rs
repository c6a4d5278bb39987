//! The command line of `tarn`: what is said on which stream, and with which exit code the program ends.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tarn_runtime::Runtime;

use crate::config::{Config, Environment, Flags};
use crate::tls::{self, TlsInitError};
use crate::{doctor, keys, serve};

/// It was done.
const DONE: u8 = 0;
/// It failed.
const FAILED: u8 = 1;
/// It was called in a wrong way.
const WRONG_USAGE: u8 = 2;

/// A self-hosted AWS data lake in one program.
#[derive(Debug, Parser)]
#[command(name = "tarn", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the lake in a data directory.
    Serve(SettingFlags),
    /// Look at the settings.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check a data directory that no server uses or, with --endpoint-url, a running server.
    Doctor {
        /// The server to check, as its clients see it.
        #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "rebuild_index"])]
        endpoint_url: Option<String>,
        /// A profile of ~/.aws to check it with.
        #[arg(long, requires = "endpoint_url")]
        profile: Option<String>,
        #[command(flatten)]
        settings: SettingFlags,
        /// Make the index anew from the log first.
        #[arg(long)]
        rebuild_index: bool,
        /// Leave the objects' bytes unread.
        #[arg(long, conflicts_with = "endpoint_url")]
        quick: bool,
        /// Read the objects' bytes no faster than this, MiB per second.
        #[arg(long, value_name = "MIB", default_value_t = doctor::PACE_MIB_PER_SECOND)]
        pace: u64,
        /// Say what is found as one JSON object.
        #[arg(long, conflicts_with = "endpoint_url")]
        json: bool,
    },
    /// Make what HTTPS needs.
    Tls {
        #[command(subcommand)]
        command: TlsCommand,
    },
    /// The root key of a data directory that no server uses.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    #[command(flatten)]
    Client(tarn_cli::ClientCommand),
}

#[derive(Debug, Subcommand)]
enum TlsCommand {
    /// Make a certificate by an authority of its own, and print the lines that use them.
    Init {
        /// Where the files are written; none that exists is replaced.
        #[arg(long, value_name = "DIR", default_value = "tls")]
        directory: PathBuf,
        /// A host name or address that clients reach the server by, besides localhost; can be repeated.
        #[arg(long, value_name = "NAME")]
        name: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Put a fresh root key in the place of the one in use.
    RotateRoot {
        #[command(flatten)]
        settings: SettingFlags,
        /// The configuration file that says how the root key is kept until now, if it is to be kept in another way.
        #[arg(long, value_name = "FILE")]
        previous_config: Option<PathBuf>,
    },
    /// Open a sample of what is stored, to see that a restored lake and its root key belong together.
    VerifyRestore {
        #[command(flatten)]
        settings: SettingFlags,
        /// How many objects to open, taken evenly from all.
        #[arg(long, value_name = "N", default_value_t = keys::OBJECTS_COUNT)]
        objects: u64,
        /// Say what is found as one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the settings that `serve` would use, as TOML.
    Show {
        #[command(flatten)]
        settings: SettingFlags,
        /// Say where each comes from.
        #[arg(long)]
        origin: bool,
    },
}

/// The settings as flags; each can also stand in the configuration file or the environment.
#[derive(Debug, Clone, Args)]
struct SettingFlags {
    /// Where everything is kept [env: TARN_DATA_DIR].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where to listen [env: TARN_LISTEN] [default: 127.0.0.1:9000].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The configuration file [env: TARN_CONFIG].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The first account's id [env: TARN_ACCOUNT_ID] [default: 000000000000].
    #[arg(long, value_name = "ID")]
    account_id: Option<String>,
    /// The region [env: TARN_REGION] [default: us-east-1].
    #[arg(long)]
    region: Option<String>,
    /// What to log, such as debug or info,tarn::access=debug [env: TARN_LOG] [default: info].
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Make no buckets and databases in a new lake.
    #[arg(long)]
    no_zones: bool,
}

impl From<SettingFlags> for Flags {
    fn from(flags: SettingFlags) -> Self {
        let SettingFlags { data_dir, listen, config, account_id, region, log, no_zones } = flags;
        Self { config, data_dir, listen, account_id, region, log, no_zones }
    }
}

/// What a command ends with.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was done.
    Done,
    /// It failed; the message goes to stderr.
    Failed(String),
    /// It was called in a wrong way.
    WrongUsage(String),
}

fn environment() -> Environment {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
}

fn load(settings: SettingFlags) -> Result<(Config, Environment), Ended> {
    let environment = environment();
    let config = Config::load(&settings.into(), &environment).map_err(|error| Ended::WrongUsage(error.to_string()))?;
    Ok((config, environment))
}

fn of_client(ended: Result<(), tarn_cli::CliError>) -> Ended {
    match ended {
        Ok(()) => Ended::Done,
        Err(error) if error.is_usage() => Ended::WrongUsage(error.to_string()),
        Err(error) => Ended::Failed(error.to_string()),
    }
}

fn tls_init(directory: &Path, names: &[String]) -> Ended {
    let made = match std::path::absolute(directory) {
        Ok(directory) => tls::init(&directory, names, &Runtime::system()),
        Err(error) => return Ended::WrongUsage(format!("--directory cannot be used: {error}")),
    };
    match made {
        Ok(made) => {
            let quoted = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
            println!("[tls]\ncertificate = {}\nprivate_key = {}", quoted(&made.certificate), quoted(&made.private_key));
            eprintln!(
                "These lines belong into the configuration file. Clients: export AWS_CA_BUNDLE={}",
                made.authority.display()
            );
            Ended::Done
        }
        Err(error @ TlsInitError::Names { .. }) => Ended::WrongUsage(error.to_string()),
        Err(error @ TlsInitError::File { .. }) => Ended::Failed(error.to_string()),
    }
}

/// Runs the program with its arguments, the first being its name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to stdout; a closed stream is nobody's loss.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { WRONG_USAGE } else { DONE });
        }
    };
    let ended = match cli.command {
        Command::Serve(settings) => {
            load(settings).map_or_else(|ended| ended, |(config, environment)| serve::run(&config, &environment))
        }
        Command::Config { command: ConfigCommand::Show { settings, origin } } => load(settings).map_or_else(
            |ended| ended,
            |(config, _)| {
                print!("{}", config.show(origin));
                Ended::Done
            },
        ),
        Command::Tls { command: TlsCommand::Init { directory, name } } => tls_init(&directory, &name),
        Command::Doctor { endpoint_url: Some(url), profile, settings, .. } => {
            let connection = tarn_cli::Connection { endpoint_url: Some(url), region: settings.region, profile };
            of_client(tarn_cli::doctor(&connection, &environment()))
        }
        Command::Keys { command: KeysCommand::RotateRoot { settings, previous_config } } => {
            let previous = SettingFlags { config: previous_config.or(settings.config.clone()), ..settings.clone() };
            load(settings).and_then(|(config, environment)| Ok((load(previous)?.0, config, environment))).map_or_else(
                |ended| ended,
                |(previous, config, environment)| keys::rotate_root(&previous, &config, &environment),
            )
        }
        Command::Keys { command: KeysCommand::VerifyRestore { settings, objects, json } } => load(settings)
            .map_or_else(
                |ended| ended,
                |(config, environment)| keys::verify_restore(&config, &environment, objects, json),
            ),
        Command::Client(command) => of_client(tarn_cli::run(command, &environment())),
        Command::Doctor { endpoint_url: None, settings, rebuild_index, quick, pace, json, .. } => {
            let ask = doctor::Ask { rebuild_index, quick, pace_mib_per_second: pace, json };
            load(settings).map_or_else(|ended| ended, |(config, _)| doctor::run(&config, &ask))
        }
    };
    match ended {
        Ended::Done => ExitCode::from(DONE),
        Ended::Failed(message) => {
            eprintln!("tarn: {message}");
            ExitCode::from(FAILED)
        }
        Ended::WrongUsage(message) => {
            eprintln!("tarn: {message}");
            ExitCode::from(WRONG_USAGE)
        }
    }
}
