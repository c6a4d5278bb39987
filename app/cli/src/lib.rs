//! The commands of `tarn` that talk to a server, as any other client does: signed requests to its public endpoint.
//! Knows nothing of the server's crates but the rules of policies, which it asks without a server; `client/` holds transport and calls,
//! `commands/` one file a command.

mod client;
mod commands;
mod error;
mod evaluate;
mod location;
mod output;
mod settings;
mod transfer;
mod walk;

use clap::Subcommand;

pub use error::CliError;
pub use settings::{Connection, Variables};

use crate::output::Out;

/// The client commands.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// List buckets, or objects.
    Ls(commands::ls::Arguments),
    /// Copy files and objects: up, down, or between buckets. `-` is standard input or output.
    Cp(commands::cp::Arguments),
    /// Make a destination hold what a source holds, copying only what differs.
    Sync(commands::sync::Arguments),
    /// Remove objects.
    Rm(commands::rm::Arguments),
    /// Write objects to standard output.
    Cat(commands::cat::Arguments),
    /// Ask in SQL: a prompt, `-c`, a file, or standard input.
    Sql(commands::sql::Arguments),
    /// Print the lines that point a client program at a server: eval "$(tarn env aws)".
    Env(commands::env::Arguments),
    /// Look at what lies in the lake.
    Storage {
        /// What to do.
        #[command(subcommand)]
        command: StorageCommand,
    },
    /// Ask policies, without a server.
    Iam {
        /// What to do.
        #[command(subcommand)]
        command: IamCommand,
    },
    /// Look at what was done and refused.
    Audit {
        /// What to do.
        #[command(subcommand)]
        command: AuditCommand,
    },
}

/// What can be asked of the storage.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Objects and bytes by bucket, prefix and storage class.
    Report(commands::storage::Arguments),
}

/// What can be asked of policies.
#[derive(Debug, Subcommand)]
pub enum IamCommand {
    /// Say whether policies allow a request, and which statement decides.
    Evaluate(commands::evaluate::Arguments),
}

/// What can be asked of the audit records.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Find events, newest first.
    Search(commands::audit::Arguments),
    /// Events as they happen, until Ctrl-C.
    Tail(commands::audit::TailArguments),
}

/// Runs a client command; `variables` is the environment. What it finds goes to stdout, what it says to stderr.
pub fn run(command: ClientCommand, variables: &Variables) -> Result<(), CliError> {
    let mut out = Out::stdout();
    let ended = start(command, variables, &mut out);
    match ended.and_then(|()| out.flush()) {
        // Whoever read the output has seen enough, as `head` does.
        Err(CliError::Output { source }) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    }
}

/// Checks a running server from this side: reachable, ready, clock, credentials.
pub fn doctor(connection: &Connection, variables: &Variables) -> Result<(), CliError> {
    let mut out = Out::stdout();
    runtime()?.block_on(commands::doctor::run(connection, variables, &mut out))?;
    out.flush()
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("threads cannot be started: {error}")))
}

fn start(command: ClientCommand, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let runtime = runtime()?;
    let ended = dispatch(command, variables, &runtime, out);
    // A thread may still wait for standard input; nobody waits for it.
    runtime.shutdown_background();
    ended
}

fn dispatch(
    command: ClientCommand,
    variables: &Variables,
    runtime: &tokio::runtime::Runtime,
    out: &mut Out,
) -> Result<(), CliError> {
    match command {
        ClientCommand::Ls(arguments) => runtime.block_on(commands::ls::run(arguments, variables, out)),
        ClientCommand::Cp(arguments) => runtime.block_on(commands::cp::run(arguments, variables, out)),
        ClientCommand::Sync(arguments) => runtime.block_on(commands::sync::run(arguments, variables, out)),
        ClientCommand::Rm(arguments) => runtime.block_on(commands::rm::run(arguments, variables, out)),
        ClientCommand::Cat(arguments) => runtime.block_on(commands::cat::run(arguments, variables, out)),
        ClientCommand::Sql(arguments) => commands::sql::run(arguments, variables, runtime, out),
        ClientCommand::Env(arguments) => commands::env::run(&arguments, variables, out),
        ClientCommand::Storage { command: StorageCommand::Report(arguments) } => {
            runtime.block_on(commands::storage::run(arguments, variables, out))
        }
        ClientCommand::Audit { command: AuditCommand::Tail(arguments) } => {
            runtime.block_on(commands::audit::tail(arguments, variables, out))
        }
        ClientCommand::Iam { command: IamCommand::Evaluate(arguments) } => commands::evaluate::run(&arguments, out),
        ClientCommand::Audit { command: AuditCommand::Search(arguments) } => {
            runtime.block_on(commands::audit::run(arguments, variables, out))
        }
    }
}
