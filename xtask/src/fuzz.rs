//! The targets in `fuzz/`, which nothing here compiles: that each is a line about a probe, which is compiled and run by its crate's tests.

use std::fs;

use crate::tools::{Result, root};

/// Every target is in the manifest, has seeds, and calls a probe of its name in a crate that gives it out.
pub fn check(breaches: &mut Vec<String>) -> Result {
    let folder = root().join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    for entry in fs::read_dir(folder.join("fuzz_targets"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
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
