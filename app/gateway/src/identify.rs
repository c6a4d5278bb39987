//! Which service a request is for, told before anything of it is believed. Owns the order of the evidence.
//!
//! The credential scope names the service of every signed request; `X-Amz-Target`, then form and host, that of an unsigned one.
//! Paths decide nothing: those of REST services look like S3's. What is left is S3's; only S3 Control, which signs as S3 does, is told
//! from it by path and header.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::request::Parts;
use tarn_aws_protocol::Protocol;
use tarn_operation::Service;

/// Whom a request asks.
pub(crate) enum Asked {
    /// The server itself, under `/-/`.
    Own,
    /// S3.
    S3,
    /// A service of the table kind.
    Service(Arc<dyn Service>),
    /// A service that is not served, by its signing name.
    Unknown {
        /// As the credential scope names it.
        signing_name: String,
    },
}

/// What the paths of S3 Control begin with. A bucket can be called so, too.
const S3_CONTROL_PATHS: &str = "/v20180820/";
/// The header in which every request to S3 Control names an account.
const S3_CONTROL_ACCOUNT: &str = "x-amz-account-id";

/// The services that are served.
pub(crate) struct Services {
    all: Vec<Arc<dyn Service>>,
    by_signing_name: BTreeMap<&'static str, Vec<Arc<dyn Service>>>,
}

impl Services {
    pub(crate) fn new(all: Vec<Arc<dyn Service>>) -> Self {
        let mut by_signing_name: BTreeMap<&'static str, Vec<Arc<dyn Service>>> = BTreeMap::new();
        for service in &all {
            by_signing_name.entry(service.model().signing_name).or_default().push(service.clone());
        }
        Self { all, by_signing_name }
    }

    pub(crate) fn all(&self) -> &[Arc<dyn Service>] {
        &self.all
    }

    /// S3 Control, which signs with S3's name: its paths begin with its version, and its requests name an account, as S3's never do.
    fn s3_control(&self, parts: &Parts) -> Option<Arc<dyn Service>> {
        let is_its = parts.uri.path().starts_with(S3_CONTROL_PATHS) && parts.headers.contains_key(S3_CONTROL_ACCOUNT);
        self.all.iter().find(|service| is_its && service.model().name == "s3control").cloned()
    }

    /// Whom the request asks.
    pub(crate) fn identify(&self, parts: &Parts) -> Asked {
        let path = parts.uri.path();
        if path == "/-" || path.starts_with("/-/") {
            return Asked::Own;
        }
        if let Some(service) = self.s3_control(parts) {
            return Asked::Service(service);
        }
        let target_prefix = target_prefix(parts);
        let has_target = |service: &&Arc<dyn Service>| match target_prefix {
            Some(prefix) => service.model().has_target_prefix(prefix),
            None => service.model().target_prefix.is_none(),
        };
        match scope_service(parts).as_deref() {
            Some("s3" | "s3express") => Asked::S3,
            Some(signing_name) => match self.by_signing_name.get(signing_name).map(Vec::as_slice) {
                // Several services may sign with one name; the target tells them apart.
                Some(services) => match services.iter().find(has_target).or(services.first()) {
                    Some(service) => Asked::Service(service.clone()),
                    None => Asked::Unknown { signing_name: signing_name.to_owned() },
                },
                None => Asked::Unknown { signing_name: signing_name.to_owned() },
            },
            None if target_prefix.is_some() => match self.all.iter().find(has_target) {
                Some(service) => Asked::Service(service.clone()),
                None => Asked::Unknown { signing_name: target_prefix.unwrap_or_default().to_owned() },
            },
            None if is_form(parts) => {
                let host = host_label(parts);
                let query = || self.all.iter().filter(|service| service.model().protocols.contains(&Protocol::Query));
                let by_host = query().find(|service| service.model().endpoint_prefix == host);
                // Where the host's name says nothing, it can only be meant for who takes what nobody signed.
                let takes_unsigned =
                    |service: &&Arc<dyn Service>| service.rows().iter().any(|row| row.access().is_unsigned);
                match by_host.or_else(|| query().find(takes_unsigned)).or_else(|| query().next()) {
                    Some(service) => Asked::Service(service.clone()),
                    None => Asked::S3,
                }
            }
            None => Asked::S3,
        }
    }
}

/// What comes before the dot in `X-Amz-Target`.
fn target_prefix(parts: &Parts) -> Option<&str> {
    let target = parts.headers.get("x-amz-target")?.to_str().ok()?;
    Some(target.rsplit_once('.').map_or(target, |(prefix, _)| prefix))
}

/// The service part of the credential scope, read without any check, so that a wrong signature too is answered by its service.
fn scope_service(parts: &Parts) -> Option<String> {
    let before_end = |text: &str| {
        let text = text.replace("%2F", "/").replace("%2f", "/");
        let (scope, _) = text.split_once("/aws4_request")?;
        let service = scope.rsplit('/').next()?;
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=64).contains(&service.len()).then_some(())?;
        service.bytes().all(legal).then(|| service.to_ascii_lowercase())
    };
    if let Some(header) = parts.headers.get(AUTHORIZATION) {
        return header.to_str().ok().and_then(before_end);
    }
    let query = parts.uri.query()?;
    query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential=")).and_then(before_end)
}

fn is_form(parts: &Parts) -> bool {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    parts.method == Method::POST
        && parts.uri.path() == "/"
        && content_type.starts_with("application/x-www-form-urlencoded")
}

fn host_label(parts: &Parts) -> &str {
    let host = parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    host.split(['.', ':']).next().unwrap_or_default()
}
