//! Changes of copies in other stores, by S3's own calls: tags, list, retention and legal hold of a version. The client that puts the copies
//! has no such calls. Knows not when or why.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::BytesMut;
use http::{Method, StatusCode};
use reqwest::Client;
use reqwest::redirect::Policy;
use tarn_objects::{ObjectKey, RemoteChange, RemoteError};
use tarn_runtime::Runtime;
use tarn_service_s3::{
    acl_document, error_in, legal_hold_document, owner_in_acl, retention_document, tagging_document,
};
use tarn_sigv4::{Payload, Signer, sha256};
use url::Url;

use crate::remote_buckets::ReplicationTargetSetting;

/// How long connecting may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long one call may take.
const CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// The most of an answer that is read, bytes: a list has at most a hundred grants.
const ANSWER_SIZE_BYTES_MAX: usize = 256 << 10;

/// Makes the calls. The client reads the certificates that the machine trusts: not before there is something to change.
pub(crate) struct RemoteChanges {
    client: OnceLock<Result<Client, String>>,
    runtime: Runtime,
}

/// A version elsewhere.
pub(crate) struct RemoteVersion<'a> {
    pub(crate) setting: &'a ReplicationTargetSetting,
    pub(crate) key: &'a ObjectKey,
    pub(crate) version: &'a str,
}

fn client() -> Result<Client, String> {
    let client = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIME_MAX)
        .timeout(CALL_TIME_MAX)
        .user_agent(concat!("tarn/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|error| format!("the client for other stores cannot be made: {error}"))
}

fn refused(reason: impl std::fmt::Display) -> RemoteError {
    RemoteError::Refused(reason.to_string())
}

impl RemoteVersion<'_> {
    fn url(&self, subresource: &str) -> Result<Url, RemoteError> {
        let mut url = Url::parse(&self.setting.endpoint).map_err(refused)?;
        url.path_segments_mut()
            .map_err(|()| refused("the endpoint has no path"))?
            .pop_if_empty()
            .push(&self.setting.remote_bucket)
            .extend(self.key.as_str().split('/'));
        url.query_pairs_mut().append_pair(subresource, "").append_pair("versionId", self.version);
        Ok(url)
    }
}

/// What an answer that is an error means for the copy.
fn told(status: StatusCode, body: &[u8]) -> Result<(), RemoteError> {
    let (code, message) = error_in(body);
    let said = format!("{status} {code}: {message}");
    let is_about_locks = message.to_lowercase().replace(' ', "").contains("objectlock");
    match (status, code.as_str()) {
        (_, "NoSuchKey" | "NoSuchVersion") => Err(RemoteError::Gone),
        // What the bucket there has not is not changed, as in a bucket of this lake.
        (_, "AccessControlListNotSupported" | "ObjectLockConfigurationNotFoundError" | "NotImplemented") => Ok(()),
        (_, "InvalidRequest") if is_about_locks => Ok(()),
        (StatusCode::NOT_IMPLEMENTED, _) => Ok(()),
        (StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT, _)
        | (StatusCode::TOO_MANY_REQUESTS, _) => Err(RemoteError::Unreachable(said)),
        (status, _) if status.is_client_error() => Err(RemoteError::Refused(said)),
        (_, _) => Err(RemoteError::Unreachable(said)),
    }
}

impl RemoteChanges {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self { client: OnceLock::new(), runtime }
    }

    /// Changes a version as `change` says.
    pub(crate) async fn change(&self, version: &RemoteVersion<'_>, change: RemoteChange) -> Result<(), RemoteError> {
        let (subresource, document) = match change {
            RemoteChange::Tags(tags) => ("tagging", tagging_document(&tags)),
            RemoteChange::Retention(retention) => ("retention", retention_document(&retention)),
            RemoteChange::LegalHold(on) => ("legal-hold", legal_hold_document(on)),
            RemoteChange::Acl(list) => {
                let (status, answer) = self.call(version, Method::GET, "acl", Vec::new()).await?;
                if !status.is_success() {
                    return told(status, &answer);
                }
                let owner = owner_in_acl(&answer);
                let owner = owner.ok_or_else(|| refused("the store there does not say whose the copy is"))?;
                ("acl", acl_document(&list, &owner))
            }
        };
        let document = document.map_err(refused)?;
        let (status, answer) = self.call(version, Method::PUT, subresource, document).await?;
        if status.is_success() { Ok(()) } else { told(status, &answer) }
    }

    async fn call(
        &self,
        version: &RemoteVersion<'_>,
        method: Method,
        subresource: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, BytesMut), RemoteError> {
        let digest = sha256(&body);
        let url = version.url(subresource)?;
        let mut request = http::Request::builder().method(method.clone()).uri(url.as_str());
        if method == Method::PUT {
            request = request.header("x-amz-checksum-sha256", BASE64_STANDARD.encode(digest));
        }
        if subresource == "retention" {
            // What was shortened here by who may is shortened there, if the credentials may.
            request = request.header("x-amz-bypass-governance-retention", "true");
        }
        let (mut parts, ()) = request.body(()).map_err(refused)?.into_parts();
        let setting = version.setting;
        let signer = Signer {
            access_key_id: setting.access_key_id.clone(),
            secret_access_key: setting.secret_access_key().to_owned(),
            session_token: None,
            region: setting.region.clone(),
            service: "s3".to_owned(),
        };
        signer.sign(&mut parts, Payload::Sha256(digest), self.runtime.now()).map_err(refused)?;
        let client =
            self.client.get_or_init(client).as_ref().map_err(|error| RemoteError::Unreachable(error.clone()))?;
        let sent = client.request(method, url).headers(parts.headers).body(body).send().await;
        let unreachable = |error: reqwest::Error| RemoteError::Unreachable(error.without_url().to_string());
        let mut answer = sent.map_err(unreachable)?;
        let (status, mut read) = (answer.status(), BytesMut::new());
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            let room = ANSWER_SIZE_BYTES_MAX.saturating_sub(read.len());
            read.extend_from_slice(piece.get(..room).unwrap_or(&piece));
            if read.len() >= ANSWER_SIZE_BYTES_MAX {
                break;
            }
        }
        Ok((status, read))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let check = |status: u16, code: &str, message: &str, expected: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            let found = match told(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
                Ok(()) => "left",
                Err(RemoteError::Gone) => "gone",
                Err(RemoteError::Refused(_)) => "refused",
                Err(RemoteError::Unreachable(_)) => "later",
            };
            assert_eq!(found, expected, "{status} {code}");
        };
        check(404, "NoSuchKey", "", "gone");
        check(404, "NoSuchVersion", "", "gone");
        check(404, "NoSuchBucket", "", "later");
        check(400, "AccessControlListNotSupported", "The bucket does not allow ACLs", "left");
        check(400, "InvalidRequest", "Bucket is missing Object Lock Configuration", "left");
        check(400, "InvalidRequest", "Bucket is missing ObjectLockConfiguration", "left");
        check(400, "InvalidRequest", "Missing required header", "refused");
        check(501, "NotImplemented", "", "left");
        check(403, "AccessDenied", "", "refused");
        check(400, "InvalidArgument", "The retain until date must be in the future!", "refused");
        check(409, "OperationAborted", "", "later");
        check(429, "", "", "later");
        check(503, "SlowDown", "", "later");
        check(301, "PermanentRedirect", "", "later");
    }
}
