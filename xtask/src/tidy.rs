//! `cargo xtask tidy`: proves what the documents claim about the tree: the layers, the first lines, the generated files.
//! Reads the sources as text; compiles nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::tools::{Result, files, metadata, root};
use crate::{codegen, docs, fuzz};

/// Layers from bottom to top.
const LAYERS: [&str; 5] = ["platform", "lake", "wire", "services", "app"];

/// Which layers a crate of a layer may depend on, besides its own (with the exceptions in `own_layer`).
fn may_use(layer: &str) -> &'static [&'static str] {
    match layer {
        "platform" => &["platform"],
        "lake" => &["platform", "lake"],
        "wire" => &["platform", "wire"],
        "services" => &["platform", "lake", "wire"],
        "app" => &["platform", "lake", "wire", "services", "app"],
        _ => &[],
    }
}

/// What a service may use of its own layer: the table it is made of.
const SERVICE_BASE: &str = "tarn-operation";

/// wire/ may know platform/types only.
const WIRE_PLATFORM: &str = "tarn-types";

/// Crates that only some may name: package, and the folders whose crates may.
const QUARANTINED: [(&str, &[&str]); 6] = [
    ("datafusion", &["lake/query"]),
    ("sqlparser", &["lake/query"]),
    // Queries read through it, volumes and replication reach remote buckets by it.
    ("object_store", &["lake/query", "platform/blobs", "app/server"]),
    ("s3s", &["services/s3"]),
    ("redb", &["platform/metadata"]),
    ("hyper", &["app/gateway", "app/cli", "app/server", "services/s3", "bench"]),
];

/// Only these folders may ask the system for time or randomness.
const CLOCK_OWNERS: [&str; 1] = ["platform/runtime/"];
const CLOCK_CALLS: [&str; 6] =
    ["SystemTime::now(", "Timestamp::now(", "Zoned::now(", "getrandom::", "rand::random", "Uuid::new_v4("];

/// A domain's proof without a question: only for the server's own work, never in a handler.
const INTERNAL_PROOF: &str = "Authorized::internal(";

/// What reads a Parquet footer that was not looked at: only where it is looked at first.
const FOOTER_READER: &str = "lake/parquet/";
const FOOTER_CALLS: [&str; 4] = [
    "ParquetMetaDataReader::new()",
    "ParquetMetaDataReader::decode_",
    "ParquetRecordBatchReaderBuilder::try_new",
    "SerializedFileReader::new",
];

/// File and folder names that say nothing.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "common", "helpers", "manager"];

struct Crate {
    name: String,
    folder: String,
    dependencies: BTreeSet<String>,
}

/// Runs all checks and lists every breach.
pub fn run() -> Result {
    let mut breaches = Vec::new();
    let crates = crates()?;
    check_arrows(&crates, &mut breaches);
    check_files(&mut breaches)?;
    check_tree(&crates, &mut breaches)?;
    docs::check(&mut breaches)?;
    fuzz::check(&mut breaches)?;
    if breaches.is_empty() {
        println!("tidy: {} crates, no breach", crates.len());
        return Ok(());
    }
    for breach in &breaches {
        eprintln!("tidy: {breach}");
    }
    Err(format!("{} breaches of the house's rules", breaches.len()).into())
}

fn crates() -> Result<Vec<Crate>> {
    let metadata = metadata()?;
    let root = root();
    let mut crates = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().and_then(|path| path.strip_prefix(&root).ok()).unwrap_or(Path::new(""));
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        crates.push(Crate {
            name: package["name"].as_str().unwrap_or_default().to_owned(),
            folder: folder.to_string_lossy().into_owned(),
            // Tests may look across layers: testkit stands beside them.
            dependencies: dependencies
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
                .collect(),
        });
    }
    Ok(crates)
}

fn layer(folder: &str) -> &str {
    folder.split('/').next().unwrap_or_default()
}

fn check_arrows(crates: &[Crate], breaches: &mut Vec<String>) {
    let folders: BTreeMap<&str, &str> =
        crates.iter().map(|krate| (krate.name.as_str(), krate.folder.as_str())).collect();
    for krate in crates {
        let own = layer(&krate.folder);
        for dependency in &krate.dependencies {
            for (quarantined, allowed) in QUARANTINED {
                if dependency == quarantined && !allowed.contains(&krate.folder.as_str()) {
                    breaches.push(format!(
                        "{} depends on {quarantined}, which only {} may name",
                        krate.folder,
                        allowed.join(", ")
                    ));
                }
            }
            let Some(target) = folders.get(dependency.as_str()) else {
                continue;
            };
            let their = layer(target);
            if !LAYERS.contains(&own) {
                continue;
            }
            let same_service_layer = own == "services" && their == "services" && dependency == SERVICE_BASE;
            let wire_below = own != "wire" || their != "platform" || dependency == WIRE_PLATFORM;
            if !(may_use(own).contains(&their) || same_service_layer) || !wire_below {
                breaches.push(format!("{} depends on {target}: arrows go down only (ARCHITECTURE.md)", krate.folder));
            }
        }
    }
}

fn check_files(breaches: &mut Vec<String>) -> Result {
    for path in files()? {
        let shown = path.to_string_lossy().into_owned();
        for part in path.components() {
            let name = part.as_os_str().to_string_lossy();
            let stem = name.split('.').next().unwrap_or_default();
            if EMPTY_NAMES.contains(&stem) {
                breaches.push(format!("{shown}: `{stem}` does not say what it owns"));
            }
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(root().join(&path))?;
        if !text.starts_with("//!") {
            breaches.push(format!("{shown}: the first line must be `//!` and say what the file owns"));
        }
        if codegen::is_sealed(&text) == Some(false) {
            breaches.push(format!(
                "{shown}: generated, and edited by hand; change operations.toml and run `cargo xtask codegen`"
            ));
        }
        let is_test = shown.contains("/tests") || shown.contains("/examples/") || shown.contains("/benches/");
        if is_test || shown.starts_with("xtask/") || shown.starts_with("testkit/") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let statement = line.split("//").next().unwrap_or_default();
            let place = format!("{shown}:{}", number + 1);
            if !CLOCK_OWNERS.iter().any(|owner| shown.starts_with(owner)) {
                for call in CLOCK_CALLS {
                    if statement.contains(call) {
                        breaches.push(format!("{place}: `{call}` belongs to platform/runtime; take it as an argument"));
                    }
                }
            }
            if !shown.starts_with(FOOTER_READER) {
                for call in FOOTER_CALLS.iter().filter(|call| statement.contains(**call)) {
                    breaches.push(format!("{place}: `{call}` believes any footer; read it by tarn-parquet"));
                }
            }
            let handler = shown.starts_with("services/") && !shown.starts_with("services/operation/");
            if handler && statement.contains(INTERNAL_PROOF) {
                breaches.push(format!("{place}: a handler must use its caller's proof, not make one"));
            }
        }
    }
    Ok(())
}

/// The code map of ARCHITECTURE.md names every crate's folder, and no other.
fn check_tree(crates: &[Crate], breaches: &mut Vec<String>) -> Result {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let named: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|rest| rest.split('`').next())
        .filter(|folder| LAYERS.contains(&layer(folder)) || ["testkit", "bench", "xtask"].contains(folder))
        .collect();
    let real: BTreeSet<&str> = crates.iter().map(|krate| krate.folder.as_str()).collect();
    for missing in real.difference(&named) {
        breaches.push(format!("ARCHITECTURE.md does not name {missing} in its code map"));
    }
    for gone in named.difference(&real) {
        breaches.push(format!("ARCHITECTURE.md names {gone}, which is not a crate"));
    }
    Ok(())
}
