//! `cargo xtask bench`: builds the shipping binary and runs `bench/run.py` with it, which measures and writes bench/RESULTS.md.

use crate::tools::{Result, command, python, root, run, tarn};

/// Runs all measurements, or those named.
pub fn run_all(names: &[String]) -> Result {
    let binary = tarn("release")?;
    let python = python(".venv", "requirements.txt")?;
    run_bench(&python, &binary, names)
}

fn run_bench(python: &std::path::Path, binary: &std::path::Path, names: &[String]) -> Result {
    run(command(python).arg(root().join("bench/run.py")).args(names).env("TARN_BINARY", binary))
}
