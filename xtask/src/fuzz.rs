//! The targets in `fuzz/`: builds and runs them, and sees without that to it that each is a line about a probe, which is compiled and run by
//! its crate's tests.

use std::fs;
use std::path::PathBuf;

use crate::tools::{Result, cargo, command, root, run};

/// What libFuzzer needs to see where a target goes. The stable compiler takes all of it.
/// <https://llvm.org/docs/LibFuzzer.html>
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1";
/// How long a target runs where it is not said.
const SECONDS_DEFAULT: u64 = 60;

/// The names of all targets.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        names.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Runs one target, or each after the other, for so many seconds.
pub fn run_all(arguments: &[String]) -> Result {
    let (mut names, mut seconds) = (targets()?, SECONDS_DEFAULT);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seconds" => seconds = rest.next().ok_or("--seconds wants a number")?.parse()?,
            name if names.iter().any(|known| known == name) => names = vec![name.to_owned()],
            other => return Err(format!("there is no target `{other}`: {}", names.join(", ")).into()),
        }
    }
    let folder = root().join("fuzz");
    // the versions of the workspace; those of the fuzzer alone are added
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let output = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target/fuzz"), PathBuf::from);
    let host = crate::tools::output(command("rustc").args(["--print", "host-tuple"]))?;
    let host = host.trim();
    let mut build = cargo(&["build", "--release", "--bins", "--target", host]);
    build.current_dir(&folder).arg("--target-dir").arg(&output).env("RUSTFLAGS", FLAGS);
    build.args(["--config", "profile.release.debug=\"line-tables-only\""]);
    run(&mut build)?;
    for name in names {
        let (corpus, seeds) = (folder.join("corpus").join(&name), folder.join("seeds").join(&name));
        fs::create_dir_all(&corpus)?;
        println!("fuzz: {name}");
        let mut target = command(output.join(host).join("release").join(&name));
        run(target.current_dir(&folder).arg(&corpus).arg(&seeds).arg(format!("-max_total_time={seconds}")))?;
    }
    Ok(())
}

/// Every target is in the manifest, has seeds, and calls a probe of its name in a crate that gives it out.
pub fn check(breaches: &mut Vec<String>) -> Result {
    let folder = root().join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    for name in targets()? {
        let path = folder.join("fuzz_targets").join(format!("{name}.rs"));
        let place = format!("fuzz/fuzz_targets/{name}.rs");
        let text = fs::read_to_string(&path)?;
        if !manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")) {
            breaches.push(format!("{place}: fuzz/Cargo.toml does not name it"));
        }
        if fs::read_dir(folder.join("seeds").join(&name)).map_or(0, Iterator::count) == 0 {
            breaches.push(format!("{place}: fuzz/seeds/{name} has no seeds"));
        }
        let Some(package) = text.lines().find_map(|line| {
            let (package, call) = line.trim().split_once("::probes::")?;
            (call == format!("{name}(bytes);")).then(|| package.replace('_', "-"))
        }) else {
            breaches.push(format!("{place}: it calls no probe of its name"));
            continue;
        };
        let named = manifest.lines().find_map(|line| {
            let rest = line.strip_prefix(&format!("{package} = {{ path = \"../"))?;
            rest.split_once("\", features = [\"fuzz\"]").map(|(path, _)| path.to_owned())
        });
        let Some(of) = named else {
            breaches.push(format!("{place}: fuzz/Cargo.toml does not name {package} with its probes"));
            continue;
        };
        let probes = fs::read_to_string(root().join(&of).join("src/probes.rs")).unwrap_or_default();
        if !probes.contains(&format!("pub fn {name}(bytes: &[u8]) -> bool")) {
            breaches.push(format!("{place}: {of}/src/probes.rs has no such probe"));
        }
    }
    Ok(())
}
