//! Checksums of what is stored, computed from the bytes as they lie, archived ones too: nothing is restored and nothing is changed.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-compute-checksums.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use futures::StreamExt;
use md5::Digest as _;
use tarn_objects::{ChecksumAlgorithm, ChecksumKind, Encryption, ObjectsError};

use crate::acting::Call;
use crate::job::Job;
use crate::jobs::Jobs;
use crate::operation::DigestAlgorithm;
use crate::tasks::Target;

enum Digest {
    Crc(crc_fast::Digest, usize),
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Digest {
    fn new(algorithm: DigestAlgorithm) -> Self {
        let crc = |crc, algorithm: ChecksumAlgorithm| Self::Crc(crc_fast::Digest::new(crc), algorithm.size_bytes());
        match algorithm {
            DigestAlgorithm::Object(algorithm) => match algorithm {
                ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc, algorithm),
                ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi, algorithm),
                ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme, algorithm),
                ChecksumAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
                ChecksumAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            },
            DigestAlgorithm::Md5 => Self::Md5(md5::Md5::new()),
            DigestAlgorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(digest, _) => digest.update(bytes),
            Self::Md5(digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
            Self::Sha512(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(digest, size_bytes) => {
                let value = digest.finalize().to_be_bytes();
                value.get(value.len().saturating_sub(size_bytes)..).unwrap_or_default().to_vec()
            }
            Self::Md5(digest) => digest.finalize().to_vec(),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
            Self::Sha512(digest) => digest.finalize().to_vec(),
        }
    }
}

/// Hashes piece by piece off the runtime's threads: a piece is up to 1 MiB.
async fn hashed(mut digest: Digest, bytes: bytes::Bytes) -> Result<Digest, ObjectsError> {
    let hashing = tokio::task::spawn_blocking(move || {
        digest.update(&bytes);
        digest
    });
    hashing.await.map_err(|_| ObjectsError::Stopping)
}

impl Jobs {
    /// The checksum of an object as its line in the report says it.
    pub(crate) async fn compute_checksum(
        &self,
        job: &Job,
        target: Target,
        algorithm: Option<DigestAlgorithm>,
        kind: Option<ChecksumKind>,
    ) -> Result<String, ObjectsError> {
        let algorithm = algorithm.unwrap_or(DigestAlgorithm::Object(ChecksumAlgorithm::Crc64Nvme));
        let kind = kind.unwrap_or(ChecksumKind::FullObject);
        let action = if target.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        let needs = self.objects.on_existing(action, &target.bucket, &target.key, target.version())?;
        let call =
            Call { name: "ComputeObjectChecksum", read_only: true, requirements: vec![needs], said: target.said() };
        let caller = self.caller(job, call).map_err(ObjectsError::Denied)?;
        let version = self.objects.head_version(caller.authorized(), &target.bucket, &target.key, target.version())?;
        if let Encryption::Customer(_) = version.encryption() {
            return Err(ObjectsError::CustomerKeyRequired);
        }
        let version = self.objects.unlock(caller.authorizer(), &version, None)?;
        let parts: Vec<u64> = match kind {
            ChecksumKind::FullObject => vec![version.size_bytes()],
            ChecksumKind::Composite => version.parts().iter().map(|part| part.size_bytes).collect(),
        };
        let mut of_parts = Digest::new(algorithm);
        let (mut start, mut last) = (0, Vec::new());
        for size_bytes in &parts {
            let mut digest = Digest::new(algorithm);
            let mut pieces =
                self.objects.read_at_rest(caller.authorized(), &version, start..start.saturating_add(*size_bytes));
            while let Some(piece) = pieces.next().await {
                digest = hashed(digest, piece?).await?;
            }
            start += size_bytes;
            last = digest.finish();
            of_parts.update(&last);
        }
        let (name, value, count) = match kind {
            ChecksumKind::FullObject => ("FULL_OBJECT", last, String::new()),
            ChecksumKind::Composite => ("COMPOSITE", of_parts.finish(), format!("-{}", parts.len())),
        };
        let said = serde_json::json!({
            "checksum_base64": format!("{}{count}", BASE64.encode(&value)),
            "etag": version.etag().to_string(),
            "checksumAlgorithm": algorithm.name(),
            "checksumType": name,
            "checksum_hex": format!("{}{count}", hex::encode_upper(&value)),
        });
        Ok(said.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_algorithms() {
        let check = |name: &str, expected: &str| {
            let mut digest = Digest::new(DigestAlgorithm::parse(name).expect("a name"));
            digest.update(b"1234");
            digest.update(b"56789");
            assert_eq!(hex::encode(digest.finish()), expected, "{name}");
        };
        // The check values of the catalogue of CRCs, and of RFC 1321 and FIPS 180 for the same text.
        check("CRC32", "cbf43926");
        check("CRC32C", "e3069283");
        check("CRC64NVME", "ae8b14860a799888");
        check("MD5", "25f9e794323b453885f5181f1b624d0b");
        check("SHA1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check("SHA256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
        check(
            "SHA512",
            "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
        );
        assert!(DigestAlgorithm::parse("XXHASH64").is_none());
    }
}
