//! `cargo xtask`: the chores of this repository. Owns the list of commands; each command owns its own file.

mod codegen;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  codegen [--check] [--models DIR]   regenerate wire/aws-model from the pinned botocore, or check that it is current";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let result = match arguments.first().map(String::as_str) {
        Some("codegen") => codegen::run(rest),
        Some(other) => Err(format!("there is no command `{other}`\n{USAGE}").into()),
        None => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
