//! `cargo xtask lint`: formatting and clippy, warnings denied; licences and bans where cargo-deny is installed.

use crate::tools::{Result, cargo, command, has, run};

/// Runs all.
pub fn run_all() -> Result {
    run(command("cargo").args(["fmt", "--all", "--check"]))?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--quiet"]).args(["--", "--deny", "warnings"]))?;
    // Not part of every machine: it takes long to build, and `tidy` proves who may depend on what without it.
    if has("cargo", &["deny", "--version"]) {
        return run(command("cargo").args(["deny", "check", "licenses", "bans", "sources"]));
    }
    println!("lint: cargo-deny is not installed, so licences are not checked (cargo install cargo-deny --locked)");
    Ok(())
}
