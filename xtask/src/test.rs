//! `cargo xtask test`: everything that proves the tree, in the order that fails soonest. Installs what it needs.

use std::time::Instant;

use crate::tools::{Result, cargo, command, has, missing, python, root, run, target_dir, tarn};
use crate::{codegen, lint, tidy};

/// Programs that tests/e2e/s3 stores by; Debian packages of the same names.
const CLIENT_PROGRAMS: [&str; 3] = ["rclone", "restic", "s3cmd"];

struct Step {
    name: &'static str,
    seconds: f64,
    failure: Option<String>,
}

/// Runs every step even if one fails, then counts.
pub fn run_all() -> Result {
    let mut steps = Vec::new();
    let mut step = |name: &'static str, run: &mut dyn FnMut() -> Result| {
        eprintln!("== {name}");
        let start = Instant::now();
        let failure = run().err().map(|error| error.to_string());
        if let Some(failure) = &failure {
            eprintln!("== {name}: {failure}");
        }
        steps.push(Step { name, seconds: start.elapsed().as_secs_f64(), failure });
    };
    step("Python clients", &mut || {
        python(".venv", "requirements.txt")?;
        python(".venv-s3fs", "requirements-s3fs.txt").map(drop)
    });
    let mut not_run = Vec::new();
    step("client programs", &mut || {
        not_run = missing(&CLIENT_PROGRAMS);
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        if is_ci && !not_run.is_empty() { Err(format!("not installed: {}", not_run.join(", ")).into()) } else { Ok(()) }
    });
    step("tidy", &mut tidy::run);
    step("generated files", &mut || codegen::run(&["--check".to_owned()]));
    step("Rust tests", &mut rust);
    step("clients against the binary", &mut clients);
    step("lint", &mut lint::run_all);
    println!();
    for Step { name, seconds, failure } in &steps {
        let outcome = failure.as_deref().unwrap_or("passed");
        println!("{seconds:7.1} s  {name}: {outcome}");
    }
    for program in &not_run {
        println!("not run: the tests of {program}, which is not installed");
    }
    let failed = steps.iter().filter(|step| step.failure.is_some()).count();
    println!(
        "steps: {} passed, {failed} failed; clients without their program: {}",
        steps.len() - failed,
        not_run.len()
    );
    if failed == 0 { Ok(()) } else { Err(format!("{failed} steps failed").into()) }
}

fn rust() -> Result {
    if has("cargo", &["nextest", "--version"]) {
        run(&mut cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]))
    } else {
        run(&mut cargo(&["test", "--workspace", "--no-fail-fast", "--quiet"]))
    }
}

/// Writes docs/coverage.md from the operation tables.
pub fn write_coverage() -> Result {
    run(cargo(&["test", "--quiet", "--workspace", "--test", "it", "coverage"]).env("TARN_WRITE_COVERAGE", "1"))
}

fn clients() -> Result {
    let binary = tarn("dev")?;
    run(&mut cargo(&["build", "--workspace", "--example", "conformance"]))?;
    let conformance = target_dir()?.join("debug/examples/conformance");
    let workers = if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) { "2" } else { "1" };
    run(command(root().join(".venv/bin/python"))
        .args(["-m", "pytest", "--quiet", "--numprocesses", workers, "--dist", "loadfile", "tests/e2e"])
        .env("TARN_BINARY", binary)
        .env("TARN_CONFORMANCE", conformance)
        .env("TARN_PYTHON_S3FS", root().join(".venv-s3fs/bin/python")))
}
