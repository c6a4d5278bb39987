//! Signatures of browsers' POST forms: what is signed is the policy that the form carries, not the request.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html>

use aws_lc_rs::hmac;

use crate::present::{parse_credential, parse_digest};
use crate::{CredentialScope, SignatureError, SigningKey};

impl CredentialScope {
    /// Reads a credential, `access-key-id/date/region/service/aws4_request`, into the key's id and its scope.
    pub fn parse_credential(text: &str) -> Result<(String, Self), SignatureError> {
        parse_credential(text)
    }
}

/// Whether `signature`, 64 hexadecimal digits, is that of the form's policy by the key that `secret` gives for `scope`.
pub fn is_form_signature(policy: &str, secret: &str, scope: &CredentialScope, signature: &str) -> bool {
    let Some(signature) = parse_digest(signature) else { return false };
    let key = SigningKey::derive(secret, &scope.date, &scope.region, &scope.service);
    key.is_signature(policy.as_bytes(), &signature)
}

/// Whether `signature`, 20 bytes, is version 2's: HMAC-SHA1 of the form's policy under the secret itself.
pub fn is_form_signature_v2(policy: &str, secret: &str, signature: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    hmac::verify(&key, policy.as_bytes(), signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's page on POST signatures: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html>.
    #[test]
    fn the_key_of_the_scope_signs_the_policy() {
        let (id, scope) = CredentialScope::parse_credential("AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request")
            .expect("scope");
        assert_eq!(id, "AKIAIOSFODNN7EXAMPLE");
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let policy = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
        let signature = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";
        assert!(is_form_signature(policy, secret, &scope, signature));
        assert!(!is_form_signature(policy, "other", &scope, signature));
        assert!(!is_form_signature(&format!("{policy}="), secret, &scope, signature));
        assert!(!is_form_signature(
            policy,
            secret,
            &CredentialScope { region: "eu-west-1".to_owned(), ..scope },
            signature
        ));
    }

    #[test]
    fn version_2_signs_by_the_secret() {
        // RFC 2202, test case 2.
        let signature = hex::decode("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79").expect("hex");
        assert!(is_form_signature_v2("what do ya want for nothing?", "Jefe", &signature));
        assert!(!is_form_signature_v2("what do ya want for nothing?", "jefe", &signature));
        assert!(!is_form_signature_v2("what do ya want for nothing?", "Jefe", b""));
    }
}
