//! What a person sees at a lake's first start: how to come in, in lines to copy. Goes to stderr, once.

use std::net::SocketAddr;

use tarn_types::Region;

use crate::lake::FirstStart;

/// The address to come in by: a listener on all addresses is reached on this machine's own.
fn endpoint(address: SocketAddr, is_secure: bool) -> String {
    let ip = address.ip();
    let host = match (ip.is_unspecified(), ip.is_ipv6()) {
        (true, _) => "127.0.0.1".to_owned(),
        (false, true) => format!("[{ip}]"),
        (false, false) => ip.to_string(),
    };
    let scheme = if is_secure { "https" } else { "http" };
    format!("{scheme}://{host}:{}", address.port())
}

/// The text. The secret is in it only if it was made here.
pub(crate) fn text(first: &FirstStart, address: SocketAddr, is_secure: bool, region: &Region, zones: bool) -> String {
    let endpoint = endpoint(address, is_secure);
    let id = &first.root.credentials.access_key_id;
    let secret = match &first.root.file {
        Some(_) => first.root.credentials.secret_access_key.expose_text().unwrap_or("(see the file)"),
        None => "(as set in TARN_ROOT_SECRET_ACCESS_KEY)",
    };
    let kept = match &first.root.file {
        Some(path) => format!("These root credentials are shown once; they are kept in {}.\n", path.display()),
        None => String::new(),
    };
    let bucket = if zones { "lake-raw" } else { "my-bucket" };
    let make = if zones { String::new() } else { format!("  aws s3 mb s3://{bucket}\n") };
    format!(
        "\nA new lake. To use it from this machine:\n\n\
         \x20 export AWS_ENDPOINT_URL={endpoint}\n\
         \x20 export AWS_REGION={region} AWS_DEFAULT_REGION={region}\n\
         \x20 export AWS_ACCESS_KEY_ID={id}\n\
         \x20 export AWS_SECRET_ACCESS_KEY={secret}\n\n\
         {make}\
         \x20 echo hello | aws s3 cp - s3://{bucket}/hello.txt\n\
         \x20 aws s3 ls s3://{bucket}\n\n{kept}\n"
    )
}

#[cfg(test)]
mod tests {
    use tarn_identity::{CredentialsConfig, Secret};

    use super::*;
    use crate::root_credentials::RootCredentials;

    #[test]
    fn a_secret_that_somebody_chose_is_not_repeated() {
        let check = |file: Option<&str>, shown: bool| {
            let credentials =
                CredentialsConfig { access_key_id: "AKIA1".to_owned(), secret_access_key: Secret::new("planted") };
            let first = FirstStart { root: RootCredentials { credentials, file: file.map(Into::into) } };
            let text = text(&first, "0.0.0.0:9000".parse().expect("an address"), false, &Region::us_east_1(), true);
            assert_eq!(text.contains("planted"), shown, "{text}");
            assert!(text.contains("AWS_ENDPOINT_URL=http://127.0.0.1:9000\n"), "{text}");
        };
        check(None, false);
        check(Some("/data/root-credentials"), true);
    }
}
