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

/// Libraries that log callers' mistakes as errors of their own. What they say is in the answer and in the audit record.
const QUIET: [&str; 1] = ["s3s"];

/// `filter` with the loud libraries off, unless it names them.
fn with_quiet(filter: &str) -> String {
    let named = |library: &str| filter.split(',').any(|part| part.trim().starts_with(library));
    let quiet = QUIET.iter().filter(|library| !named(library)).map(|library| format!(",{library}=off"));
    quiet.fold(filter.to_owned(), |all, more| all + &more)
}

/// Begins to log what `filter` lets through. Does nothing if somebody logs already.
pub(crate) fn begin(filter: &str) {
    let filter = EnvFilter::try_new(with_quiet(filter)).unwrap_or_else(|_| EnvFilter::new("info"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loud_libraries_are_off_unless_named() {
        let case = |filter: &str, expected: &str| {
            assert_eq!(with_quiet(filter), expected);
            assert!(check(expected).is_ok());
        };
        case("info", "info,s3s=off");
        case("debug,s3s=warn", "debug,s3s=warn");
    }
}
