//! A lake in a temporary directory, and callers who sign requests to it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use tarn_gateway::{Gateway, Limits, full_body};
use tarn_identity::{CredentialsConfig, Secret};
use tarn_keys::Custody;
use tarn_objects::ObjectsOptions;
use tarn_runtime::Runtime;
use tarn_server::{AccountSetting, Lake, LakeOptions, RootCredentials, Tables, UserSetting};
use tarn_sigv4::{Payload, Signer, sha256};
use tarn_types::{AccountId, Region};

pub const ROOT: (&str, &str) = ("AKIAROOTROOTROOTROOT", "root-secret-root-secret");
/// A user without any policy.
pub const NOBODY: (&str, &str) = ("AKIANOBODYNOBODYNOBO", "nobody-secret-nobody");
/// A user who is allowed everything and denied everything.
pub const DENIED: (&str, &str) = ("AKIADENIEDDENIEDDENI", "denied-secret-denied");

pub fn options(folder: &std::path::Path) -> LakeOptions {
    let user = |name: &str, key: (&str, &str)| UserSetting {
        name: name.to_owned(),
        access_key_id: key.0.to_owned(),
        secret_access_key: key.1.to_owned(),
    };
    let first = AccountSetting {
        id: AccountId::first(),
        name: None,
        email: None,
        canonical_user_id: None,
        root_access_key_id: None,
        root_secret_access_key: None,
        users: vec![user("nobody", NOBODY), user("denied", DENIED)],
        organization: tarn_server::ControlPoliciesSetting::default(),
    };
    let credentials = CredentialsConfig { access_key_id: ROOT.0.to_owned(), secret_access_key: Secret::new(ROOT.1) };
    LakeOptions {
        data_dir: folder.join("data"),
        custody: Custody::File,
        account_id: AccountId::first(),
        region: Region::us_east_1(),
        tables: Tables { accounts: vec![first], ..Tables::default() },
        root: Some(RootCredentials { credentials, file: None }),
        zones: true,
        access_log_interval: std::time::Duration::from_secs(300),
        access_log_source_region: false,
        trails: tarn_trails::TrailsOptions::default(),
        day: None,
        objects: ObjectsOptions::default(),
        // All of it comes from one address, in no time.
        limits: Limits {
            signature_failures_count_max: u32::MAX,
            refusal_records_count_max: u32::MAX,
            ..Limits::default()
        },
        runtime: Runtime::system(),
    }
}

pub async fn open(folder: &std::path::Path) -> Lake {
    Lake::open(options(folder)).await.expect("the lake opens")
}

/// Signs `request` to `service` with `key`.
pub fn sign(request: Request<Bytes>, key: (&str, &str), service: &str) -> Request<Bytes> {
    let signer = Signer {
        access_key_id: key.0.to_owned(),
        secret_access_key: key.1.to_owned(),
        session_token: None,
        region: "us-east-1".to_owned(),
        service: service.to_owned(),
    };
    let (mut parts, body) = request.into_parts();
    signer.sign(&mut parts, Payload::Sha256(sha256(&body)), Runtime::system().now()).expect("signed");
    Request::from_parts(parts, body)
}

/// Status and body of the answer.
pub async fn send(gateway: &Gateway, request: Request<Bytes>) -> (u16, String) {
    let (status, _, body) = send_whole(gateway, request).await;
    (status, body)
}

/// Status, headers and body of the answer.
pub async fn send_whole(gateway: &Gateway, request: Request<Bytes>) -> (u16, HeaderMap, String) {
    let peer: SocketAddr = ([192, 0, 2, 1], 4000).into();
    let response = gateway.handle(request.map(full_body), peer, None).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}
