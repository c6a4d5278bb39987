//! `tarn serve`: opens the lake, answers requests, and stops when asked to.

use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use tarn_gateway::{Limits, Tls, TlsFiles};
use tarn_keys::Custody;
use tarn_objects::ObjectsOptions;
use tarn_runtime::{Runtime, Shutdown};
use tarn_trails::TrailsOptions;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::at_rest::threads;
use crate::command::Ended;
use crate::config::{Config, Environment, TlsSetting};
use crate::lake::{Lake, LakeOptions};
use crate::root_credentials::RootCredentials;
use crate::tls::keep_fresh;
use crate::{banner, log};

/// How long threads that still compute are waited for after the lake is closed.
const LEFT_THREADS_TIME_MAX: Duration = Duration::from_secs(1);

/// Serves until SIGINT or SIGTERM.
pub(crate) fn run(config: &Config, environment: &Environment) -> Ended {
    log::begin(&config.log.value);
    if let Err(error) = keep_memory_private() {
        return Ended::Failed(format!("the process's memory cannot be kept out of core dumps: {error}"));
    }
    let root = match RootCredentials::from_environment(environment) {
        Ok(root) => root,
        Err(error) => return Ended::WrongUsage(error.to_string()),
    };
    let system = Runtime::system();
    let custody = match config.tables.root_key.custody(environment, &system) {
        Ok(custody) => custody,
        Err(reason) => return Ended::Failed(reason),
    };
    let runtime = match threads() {
        Ok(runtime) => runtime,
        Err(error) => return Ended::Failed(error),
    };
    let ended = runtime.block_on(serve(config, root, custody, system));
    // The lake is closed and on the disk. A cancelled query that is deep in a computation would keep its thread, and the process.
    runtime.shutdown_timeout(LEFT_THREADS_TIME_MAX);
    match ended {
        Ok(()) => Ended::Done,
        Err(message) => Ended::Failed(message),
    }
}

/// Keys are in memory: no core dump holds it, and no other process of the user reads it.
fn keep_memory_private() -> rustix::io::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

async fn serve(
    config: &Config,
    root: Option<RootCredentials>,
    custody: Custody,
    system: Runtime,
) -> Result<(), String> {
    let shutdown = Shutdown::new();
    stop_on_signals(shutdown.clone())?;
    let address = config.listen.value;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; choose another with --listen"))?;
    let address = listener.local_addr().map_err(|error| format!("the listener has no address: {error}"))?;
    let tls = match &config.tables.tls {
        None => None,
        Some(TlsSetting { certificate, private_key }) => {
            let files = TlsFiles { certificate: certificate.clone(), private_key: private_key.clone() };
            let tls = Tls::load(files).map_err(|error| error.to_string())?;
            keep_fresh(tls.clone(), shutdown.clone())?;
            Some(tls)
        }
    };
    let lake = Lake::open(LakeOptions {
        data_dir: config.data_dir.value.clone(),
        custody,
        account_id: config.account_id.value.clone(),
        region: config.region.value.clone(),
        tables: config.tables.clone(),
        root,
        zones: config.zones.value,
        access_log_interval: Duration::from_secs(config.access_log_seconds.value.into()),
        access_log_source_region: config.access_log_source_region.value,
        trails: trails_options(config),
        day: config.debug_day_seconds.value.map(|seconds| Duration::from_secs(seconds.into())),
        objects: ObjectsOptions {
            object_ownership: config.object_ownership.value,
            block_public_access: config.block_public_access.value,
            ..ObjectsOptions::default()
        },
        limits: Limits {
            signature_failures_count_max: config.signature_failures_max.value,
            refusal_records_count_max: config.signature_failures_max.value,
            ..Limits::default()
        },
        runtime: system,
    })
    .await
    .map_err(|error| error.to_string())?;
    if let Some(first) = &lake.first_start {
        eprint!("{}", banner::text(first, address, tls.is_some(), &config.region.value, config.zones.value));
    }
    if let Some(seconds) = config.debug_day_seconds.value {
        let origin = &config.debug_day_seconds.origin;
        tracing::warn!(seconds, %origin, "debug.day_seconds is on: a day of lifecycle rules, restored copies and KMS keys lasts so many seconds");
    }
    if let Some(seconds) = config.debug_digest_seconds.value {
        let origin = &config.debug_digest_seconds.origin;
        tracing::warn!(seconds, %origin, "debug.digest_seconds is on: the hour of a trail's digest lasts so many seconds");
    }
    tracing::info!(%address, data_dir = %config.data_dir.value.display(), version = env!("CARGO_PKG_VERSION"), "ready");
    let served = tarn_gateway::serve(lake.gateway.clone(), listener, tls, shutdown).await;
    let closed = lake.close().await;
    served.map_err(|error| format!("the listener failed: {error}"))?;
    closed.map_err(|error| error.to_string())?;
    tracing::info!("stopped");
    Ok(())
}

fn trails_options(config: &Config) -> TrailsOptions {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let defaults = TrailsOptions::default();
    TrailsOptions {
        delivery_interval: seconds(config.trail_seconds.value),
        digest_period: config.debug_digest_seconds.value.map_or(defaults.digest_period, seconds),
    }
}

/// The first SIGINT or SIGTERM lets requests end; the second ends the process at once, which loses nothing acknowledged.
fn stop_on_signals(shutdown: Shutdown) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("signals cannot be received: {error}"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        tracing::info!("stopping: no more connections are taken, requests may end");
        shutdown.begin();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        tracing::info!("asked to stop twice: ending at once");
        std::process::exit(1);
    });
    Ok(())
}
