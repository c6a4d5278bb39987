//! Message authentication codes by keys for HMAC.

use aws_lc_rs::hmac::{self, HMAC_SHA224, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use tarn_policy::Authorized;
use tarn_types::{Arn, Scope};

use super::kinds::{KeyUsage, MacAlgorithm};
use super::resolve::{find_in, require_proven};
use super::{Kms, KmsError};

fn hmac_of(algorithm: MacAlgorithm) -> hmac::Algorithm {
    match algorithm {
        MacAlgorithm::HmacSha224 => HMAC_SHA224,
        MacAlgorithm::HmacSha256 => HMAC_SHA256,
        MacAlgorithm::HmacSha384 => HMAC_SHA384,
        MacAlgorithm::HmacSha512 => HMAC_SHA512,
    }
}

impl Kms {
    fn mac_key(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        algorithm: MacAlgorithm,
        operation: &'static str,
    ) -> Result<(Arn, hmac::Key), KmsError> {
        let snapshot = self.snapshot()?;
        let key = find_in(&snapshot, &scope.account, &scope.region, name)?;
        require_proven(proof, &key, name)?;
        key.require_use(KeyUsage::GenerateVerifyMac, operation)?;
        if !key.spec.mac_algorithms().contains(&algorithm) {
            return Err(key.incompatible(algorithm.name()));
        }
        let material = self.material(&snapshot, &key, key.version)?;
        Ok((key.arn(), hmac::Key::new(hmac_of(algorithm), material.bytes())))
    }

    /// The code of `message`. The proof must be of a decision on the key.
    pub fn generate_mac(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        algorithm: MacAlgorithm,
        message: &[u8],
    ) -> Result<(Arn, Vec<u8>), KmsError> {
        let (arn, key) = self.mac_key(proof, scope, name, algorithm, "GenerateMac")?;
        Ok((arn, hmac::sign(&key, message).as_ref().to_vec()))
    }

    /// Refuses a code that is not of `message`, in constant time.
    pub fn verify_mac(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        algorithm: MacAlgorithm,
        message: &[u8],
        mac: &[u8],
    ) -> Result<Arn, KmsError> {
        let (arn, key) = self.mac_key(proof, scope, name, algorithm, "VerifyMac")?;
        hmac::verify(&key, message, mac).map_err(|_| KmsError::InvalidMac)?;
        Ok(arn)
    }
}
