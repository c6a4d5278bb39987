//! `cargo xtask lint`: formatting and clippy, warnings denied.

use crate::tools::{Result, cargo, command, run};

/// Runs both.
pub fn run_all() -> Result {
    run(command("cargo").args(["fmt", "--all", "--check"]))?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--quiet"]).args(["--", "--deny", "warnings"]))
}
