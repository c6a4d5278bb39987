//! `cargo xtask s3-tests --suite DIR`: runs the public S3 suite in a checkout beside this repository against the binary, through
//! tests/s3-tests/run.py. The suite is in no step of `cargo xtask test`: none of it is kept here.

use crate::tools::{Result, command, python, root, run, tarn};

/// Runs the whole portable set and writes docs/conformance.md; with arguments for pytest after `--`, only what they choose.
pub fn run_all(arguments: &[String]) -> Result {
    let binary = tarn("dev")?;
    let python = python(".venv-s3-tests", "../s3-tests/requirements.txt")?;
    run(command(python).arg(root().join("tests/s3-tests/run.py")).args(arguments).env("TARN_BINARY", binary))
}
