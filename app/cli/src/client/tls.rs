//! Whom an `https://` endpoint is believed from: the authorities in `AWS_CA_BUNDLE`, as with AWS's own clients, or else the machine's.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::CliError;
use crate::settings::Settings;

fn of_bundle(path: &Path) -> Result<RootCertStore, CliError> {
    let wrong = |reason: String| {
        CliError::usage(format!("the certificates of AWS_CA_BUNDLE in {} cannot be used: {reason}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there are none, in PEM".to_owned())) } else { Ok(roots) }
}

/// What TLS to the server of `settings` is spoken with.
pub(crate) fn config(settings: &Settings) -> Result<ClientConfig, CliError> {
    let roots = match &settings.ca_bundle {
        Some(path) if settings.is_secure() => of_bundle(path)?,
        None if settings.is_secure() => {
            let mut roots = RootCertStore::empty();
            // Machines have authorities that nobody can read; those are not used.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
        Some(_) | None => RootCertStore::empty(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| CliError::failed(format!("TLS cannot be spoken: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
