//! `cargo xtask demo`: builds the binary and runs examples/nyc-flights/demo.py with it: real data from source to SQL answer.

use crate::tools::{Result, command, python, root, run, tarn};

/// Runs the demo; `--data-dir DIR` keeps the lake elsewhere than in `data/demo`.
pub fn run_all(arguments: &[String]) -> Result {
    eprintln!("building tarn (the first time takes a while)");
    let binary = tarn("dev")?;
    let python = python(".venv", "requirements.txt")?;
    run(command(python).arg(root().join("examples/nyc-flights/demo.py")).args(arguments).env("TARN_BINARY", binary))
}
