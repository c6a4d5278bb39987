//! `tarn tls init`: an authority and a certificate of one's own, for a lake that no public authority vouches for. Also keeps the listener's
//! certificate fresh while it serves. Knows not how TLS is spoken.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tarn_gateway::Tls;
use tarn_runtime::{Runtime, Shutdown, Timestamp};
use tokio::signal::unix::{SignalKind, signal};

/// Longest that browsers and Apple's systems believe a certificate: <https://support.apple.com/en-us/103214>.
const VALIDITY_DAYS: i64 = 825;
/// How often the files are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// What `tarn tls init` writes.
#[derive(Debug)]
pub(crate) struct Made {
    /// For clients: `AWS_CA_BUNDLE`.
    pub(crate) authority: PathBuf,
    /// For `[tls]`.
    pub(crate) certificate: PathBuf,
    /// For `[tls]`.
    pub(crate) private_key: PathBuf,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsInitError {
    /// A name that no certificate can have.
    #[error("no certificate can be made for these names: {source}")]
    Names {
        /// Why.
        source: rcgen::Error,
    },
    /// A file is in the way, or cannot be written.
    #[error(
        "{path} cannot be written: {source}; nothing that exists is replaced, choose another --directory or remove it"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The names a certificate has besides those asked for: how a server is reached from its own machine.
fn names(asked: &[String]) -> Vec<String> {
    let mut names: Vec<String> = asked.to_vec();
    names.push("localhost".to_owned());
    names.extend([IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].map(|address| address.to_string()));
    // Buckets as host names, one label below. Clients take no star directly below a top domain.
    let buckets: Vec<String> = asked
        .iter()
        .filter(|name| name.contains('.') && !name.starts_with('*') && name.parse::<IpAddr>().is_err())
        .map(|name| format!("*.{name}"))
        .collect();
    names.extend(buckets);
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Sets how long a certificate is valid, from `time` on.
fn dated(params: &mut CertificateParams, time: Timestamp) {
    let date = |days: i64| {
        let date = time.to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::Span::new().days(days));
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    // A day early: clocks differ.
    (params.not_before, params.not_after) = (date(-1), date(VALIDITY_DAYS - 1));
}

fn write(path: PathBuf, mode: u32, text: &str) -> Result<PathBuf, TlsInitError> {
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| TlsInitError::File { path: path.clone(), source })?;
    Ok(path)
}

/// Makes an authority, a certificate by it for `asked` and this machine's own names, and its key, in `directory`. The authority's key is
/// thrown away: it vouches for nothing else, ever.
pub(crate) fn init(directory: &Path, asked: &[String], runtime: &Runtime) -> Result<Made, TlsInitError> {
    let of_names = |source| TlsInitError::Names { source };
    let now = runtime.now();
    let mut authority = CertificateParams::new(Vec::new()).map_err(of_names)?;
    authority.distinguished_name.push(DnType::CommonName, "Tarn lake authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    dated(&mut authority, now);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(of_names)?).map_err(of_names)?;

    let names = names(asked);
    let mut server = CertificateParams::new(names.clone()).map_err(of_names)?;
    server.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    dated(&mut server, now);
    let key = KeyPair::generate().map_err(of_names)?;
    let certificate = server.signed_by(&key, &authority).map_err(of_names)?;

    std::fs::create_dir_all(directory)
        .map_err(|source| TlsInitError::File { path: directory.to_path_buf(), source })?;
    Ok(Made {
        private_key: write(directory.join("private-key.pem"), 0o600, &key.serialize_pem())?,
        certificate: write(directory.join("certificate.pem"), 0o644, &certificate.pem())?,
        authority: write(directory.join("ca.pem"), 0o644, &authority.pem())?,
    })
}

/// Takes up changed files of the listener's certificate: every few seconds, and at once on SIGHUP.
pub(crate) fn keep_fresh(tls: Tls, shutdown: Shutdown) -> Result<(), String> {
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| format!("signals cannot be received: {error}"))?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(RELOAD_INTERVAL) => {}
                _ = hangup.recv() => {}
                () = shutdown.begun() => return,
            }
            match tls.reload() {
                Ok(true) => tracing::info!("the TLS certificate was read again"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the TLS files changed and cannot be used; the old certificate stays")
                }
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use tarn_gateway::TlsFiles;

    use super::*;

    #[test]
    fn what_is_made_can_be_served_and_is_not_made_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = Runtime::system();
        let made = init(folder.path(), &["lake.example".to_owned(), "192.0.2.7".to_owned()], &runtime).expect("made");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&made.private_key).expect("the key"));
        assert_eq!(mode & 0o777, 0o600);
        let files = TlsFiles { certificate: made.certificate.clone(), private_key: made.private_key.clone() };
        let tls = Tls::load(files.clone()).expect("served");
        assert!(!tls.reload().expect("nothing changed"));
        let again = init(folder.path(), &[], &runtime).expect_err("exists");
        assert!(again.to_string().contains("private-key.pem"), "{again}");

        // A key that is not the certificate's is refused, and the one in use stays.
        let other = tempfile::tempdir().expect("a folder");
        let other = init(other.path(), &[], &runtime).expect("made");
        std::fs::copy(&other.private_key, &made.private_key).expect("copied");
        let later = std::time::SystemTime::now() + Duration::from_secs(5);
        let file = std::fs::File::options().write(true).open(&made.private_key).expect("the key");
        file.set_modified(later).expect("dated");
        tls.reload().expect_err("not a pair");
        assert!(!tls.reload().expect("not tried again"));
        Tls::load(files).err().expect("not a pair");
    }

    #[test]
    fn names_are_those_asked_for_and_the_machines_own() {
        let check = |asked: &[&str], expected: &[&str]| {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(names(&asked), expected);
        };
        check(&[], &["localhost", "127.0.0.1", "::1"]);
        check(&["lake.example", "localhost"], &["lake.example", "localhost", "127.0.0.1", "::1", "*.lake.example"]);
        check(&["192.0.2.7"], &["192.0.2.7", "localhost", "127.0.0.1", "::1"]);
    }
}
