//! The log: lines for people on a terminal, JSON elsewhere, always on stderr. Owns the format, not what is said.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

/// Whether `text` is a filter.
pub(crate) fn check(text: &str) -> Result<(), String> {
    EnvFilter::try_new(text)
        .map(drop)
        .map_err(|error| format!("it must be a level or a list such as info,tarn::access=debug: {error}"))
}

/// Begins to log what `filter` lets through. Does nothing if somebody logs already.
pub(crate) fn begin(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // In a process that logs already (a test), the first log stays.
    let _ = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    std::panic::set_hook(Box::new(say_panic));
}

/// A panic is a defect: it is logged once, here, with its place.
fn say_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    tracing::error!(%place, message, "panicked");
}
