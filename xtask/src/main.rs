//! `cargo xtask`: the chores of this repository. Owns the list of commands; each command owns its own file.

mod bench;
mod codegen;
mod demo;
mod docs;
mod fuzz;
mod lint;
mod s3_tests;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  demo                               run the main job on real data and leave its result to look at
  test                               everything that proves the tree; installs what it needs
  lint                               formatting and clippy, warnings denied; licences where cargo-deny is installed
  tidy                               layers, first lines, names, the code map, the book
  codegen [--check] [--models DIR]   regenerate wire/aws-model from the pinned botocore, or check that it is current
  coverage                           write docs/coverage.md from the operation tables
  fuzz [TARGET] [--seconds N]        the fuzzers of fuzz/, each for a minute
  s3-tests --suite DIR [-- ARGS]     the public S3 suite in DIR against the binary; all of it writes docs/conformance.md
  bench [NAME]                       measure the budgets beside real peers and write bench/RESULTS.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let result = match arguments.first().map(String::as_str) {
        Some("demo") => demo::run_all(rest),
        Some("test") => test::run_all(),
        Some("lint") => lint::run_all(),
        Some("tidy") => tidy::run(),
        Some("codegen") => codegen::run(rest),
        Some("coverage") => test::write_coverage(),
        Some("fuzz") => fuzz::run_all(rest),
        Some("s3-tests") => s3_tests::run_all(rest),
        Some("bench") => bench::run_all(rest),
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
