//! Signatures by key pairs, over messages and over digests that the caller made.

use std::sync::Arc;

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, UnparsedPublicKey, VerificationAlgorithm,
};
use tarn_policy::Authorized;
use tarn_types::{Arn, Scope};

use super::kinds::{KeySpec, KeyUsage, SigningAlgorithm};
use super::material::{OpenPair, Pair};
use super::resolve::{find_in, require_proven};
use super::{Kms, KmsError, KmsKey};
use crate::KeysError;

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// The message itself.
    Raw(&'a [u8]),
    /// Its digest, by the algorithm's own hash.
    Digest(&'a [u8]),
}

fn failed<E>(_: E) -> KmsError {
    KmsError::Keys(KeysError::Library { doing: "signing" })
}

fn hash_of(algorithm: SigningAlgorithm) -> &'static digest::Algorithm {
    match algorithm {
        SigningAlgorithm::RsassaPssSha256 | SigningAlgorithm::RsassaPkcs1V15Sha256 | SigningAlgorithm::EcdsaSha256 => {
            &SHA256
        }
        SigningAlgorithm::RsassaPssSha384 | SigningAlgorithm::RsassaPkcs1V15Sha384 | SigningAlgorithm::EcdsaSha384 => {
            &SHA384
        }
        SigningAlgorithm::RsassaPssSha512
        | SigningAlgorithm::RsassaPkcs1V15Sha512
        | SigningAlgorithm::EcdsaSha512
        | SigningAlgorithm::Ed25519Sha512 => &SHA512,
    }
}

/// How an RSA key signs; `None` of algorithms of other keys.
fn padding(algorithm: SigningAlgorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        SigningAlgorithm::RsassaPssSha256 => Some(&RSA_PSS_SHA256),
        SigningAlgorithm::RsassaPssSha384 => Some(&RSA_PSS_SHA384),
        SigningAlgorithm::RsassaPssSha512 => Some(&RSA_PSS_SHA512),
        SigningAlgorithm::RsassaPkcs1V15Sha256 => Some(&RSA_PKCS1_SHA256),
        SigningAlgorithm::RsassaPkcs1V15Sha384 => Some(&RSA_PKCS1_SHA384),
        SigningAlgorithm::RsassaPkcs1V15Sha512 => Some(&RSA_PKCS1_SHA512),
        SigningAlgorithm::EcdsaSha256
        | SigningAlgorithm::EcdsaSha384
        | SigningAlgorithm::EcdsaSha512
        | SigningAlgorithm::Ed25519Sha512 => None,
    }
}

fn verification(spec: KeySpec, algorithm: SigningAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        SigningAlgorithm::RsassaPssSha256 => &RSA_PSS_2048_8192_SHA256,
        SigningAlgorithm::RsassaPssSha384 => &RSA_PSS_2048_8192_SHA384,
        SigningAlgorithm::RsassaPssSha512 => &RSA_PSS_2048_8192_SHA512,
        SigningAlgorithm::RsassaPkcs1V15Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        SigningAlgorithm::RsassaPkcs1V15Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        SigningAlgorithm::RsassaPkcs1V15Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        SigningAlgorithm::EcdsaSha256 if spec == KeySpec::EccSecgP256K1 => &ECDSA_P256K1_SHA256_ASN1,
        SigningAlgorithm::EcdsaSha256 => &ECDSA_P256_SHA256_ASN1,
        SigningAlgorithm::EcdsaSha384 => &ECDSA_P384_SHA384_ASN1,
        SigningAlgorithm::EcdsaSha512 => &ECDSA_P521_SHA512_ASN1,
        SigningAlgorithm::Ed25519Sha512 => &ED25519,
    }
}

/// The digest, given or made; `None` for a message that is signed as it is.
fn digest_of(message: Message<'_>, algorithm: SigningAlgorithm) -> Result<Option<Digest>, KmsError> {
    let hash = hash_of(algorithm);
    match message {
        Message::Raw(_) if algorithm == SigningAlgorithm::Ed25519Sha512 => Ok(None),
        Message::Raw(bytes) => Ok(Some(digest::digest(hash, bytes))),
        Message::Digest(_) if algorithm == SigningAlgorithm::Ed25519Sha512 => {
            let reason = "ED25519_SHA_512 signs messages, not digests: set MessageType to RAW.".to_owned();
            Err(KmsError::Validation { reason })
        }
        Message::Digest(bytes) => Digest::import_less_safe(bytes, hash).map(Some).map_err(|_| {
            let reason = format!(
                "Digest is invalid length for algorithm {}: it has {} bytes, not {}.",
                algorithm.name(),
                bytes.len(),
                hash.output_len()
            );
            KmsError::Validation { reason }
        }),
    }
}

fn sign_rsa(pair: &RsaKeyPair, padding: &'static dyn RsaEncoding, digest: &Digest) -> Result<Vec<u8>, KmsError> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign_digest(padding, digest, &mut signature).map_err(failed)?;
    Ok(signature)
}

impl Kms {
    fn signing_pair(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        algorithm: SigningAlgorithm,
        operation: &'static str,
    ) -> Result<(KmsKey, Arc<OpenPair>), KmsError> {
        let snapshot = self.snapshot()?;
        let key = find_in(&snapshot, &scope.account, &scope.region, name)?;
        require_proven(proof, &key, name)?;
        key.require_use(KeyUsage::SignVerify, operation)?;
        if !key.spec.signing_algorithms(key.usage).contains(&algorithm) {
            return Err(key.incompatible(algorithm.name()));
        }
        let pair = self.pair(&snapshot, &key)?;
        Ok((key, pair))
    }

    /// Signs a message by a key. The proof must be of a decision on it.
    pub fn sign(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        algorithm: SigningAlgorithm,
        message: Message<'_>,
    ) -> Result<(Arn, Vec<u8>), KmsError> {
        let (key, pair) = self.signing_pair(proof, scope, name, algorithm, "Sign")?;
        let signature = match (&pair.pair, digest_of(message, algorithm)?, padding(algorithm), message) {
            (Pair::Rsa(pair), Some(digest), Some(padding), _) => sign_rsa(pair, padding, &digest)?,
            (Pair::Ecdsa(pair), Some(digest), _, _) => pair.sign_digest(&digest).map_err(failed)?.as_ref().to_vec(),
            (Pair::Ed25519(pair), None, _, Message::Raw(bytes)) => {
                pair.try_sign(bytes).map_err(failed)?.as_ref().to_vec()
            }
            (Pair::Rsa(_) | Pair::Ecdsa(_) | Pair::Ed25519(_), ..) => return Err(key.incompatible(algorithm.name())),
        };
        Ok((key.arn(), signature))
    }

    /// Refuses a signature that is not by a key over a message.
    pub fn verify(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        algorithm: SigningAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<Arn, KmsError> {
        let (key, pair) = self.signing_pair(proof, scope, name, algorithm, "Verify")?;
        let public = UnparsedPublicKey::new(verification(key.spec, algorithm), &pair.public);
        let verified = match (digest_of(message, algorithm)?, message) {
            (Some(digest), _) => public.verify_digest(&digest, signature),
            (None, Message::Raw(bytes) | Message::Digest(bytes)) => public.verify(bytes, signature),
        };
        verified.map_err(|_| KmsError::InvalidSignature)?;
        Ok(key.arn())
    }
}
