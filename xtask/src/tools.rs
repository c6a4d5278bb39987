//! Runs other programs and installs what tests and demo need: Python environments, Debian packages. Knows no test.

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a chore comes to.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// A command that runs in the root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// `cargo SUBCOMMAND --ignore-rust-version`: s3s declares a newer Rust than it needs.
pub fn cargo(subcommand: &[&str]) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(subcommand).arg("--ignore-rust-version");
    cargo
}

/// Runs and fails unless it exits with 0.
pub fn run(command: &mut Command) -> Result {
    let status = command.status().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if status.success() {
        return Ok(());
    }
    let shown: Vec<_> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    Err(format!("`{}` ended with {status}", shown.join(" ")).into())
}

/// Runs and gives what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{:?} ended with {}", command.get_program(), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a program is there and answers to `--version`.
pub fn has(program: &str, arguments: &[&str]) -> bool {
    command(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What cargo says of the workspace's own packages.
pub fn metadata() -> Result<serde_json::Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Ok(serde_json::from_str(&output(command(cargo).args(["metadata", "--format-version", "1", "--no-deps"]))?)?)
}

/// Where cargo puts what it builds.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    let dir = metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(dir))
}

/// Builds the binary in `profile` (`dev` or `release`) and gives its path. The whole workspace is named, as the tests name it: one
/// package alone would resolve other features, and compile most dependencies a second time.
pub fn tarn(profile: &str) -> Result<PathBuf> {
    run(&mut cargo(&["build", "--workspace", "--bins", "--profile", profile]))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target_dir()?.join(folder).join("tarn"))
}

/// The Python of an environment in the root that has exactly `requirements` (a file in tests/e2e), made or renewed if it has not.
pub fn python(name: &str, requirements: &str) -> Result<PathBuf> {
    let env = root().join(name);
    let python = env.join("bin/python");
    let requirements = root().join("tests/e2e").join(requirements);
    let wanted = std::fs::read_to_string(&requirements)?;
    let stamp = env.join("requirements.installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("installing {} into {name}", requirements.display());
    if !has("python3", &["-m", "venv", "--help"]) {
        apt_install(&["python3-venv"])?;
    }
    run(command("python3").args(["-m", "venv", "--clear"]).arg(&env))?;
    run(command(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&requirements))?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

/// Those of `programs` that are not there, after the Debian packages of the same names were installed if that can be done.
pub fn missing(programs: &[&'static str]) -> Vec<&'static str> {
    let absent =
        || programs.iter().copied().filter(|program| !has(program, &["version"]) && !has(program, &["--version"]));
    let wanted: Vec<_> = absent().collect();
    let is_root = output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !wanted.is_empty()
        && is_root
        && let Err(error) = apt_install(&wanted)
    {
        eprintln!("{wanted:?}: {error}");
    }
    absent().collect()
}

/// Installs Debian packages, as root.
pub fn apt_install(packages: &[&str]) -> Result {
    run(command("apt-get").args(["update", "--quiet"]))?;
    run(command("apt-get").args(["install", "--quiet", "--yes", "--no-install-recommends"]).args(packages))
}

/// Files git knows or would add, relative to the root.
pub fn files() -> Result<Vec<PathBuf>> {
    let listed = output(command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    Ok(listed.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect())
}
