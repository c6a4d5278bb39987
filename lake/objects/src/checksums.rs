//! Digests of payloads: entity tags, the five checksum algorithms, and how those of parts become one of the whole.
//! Knows no headers. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use md5::Digest as _;
use serde::{Deserialize, Serialize};

use crate::errors::ObjectsError;

/// An entity tag: the MD5 of the bytes, or the MD5 of the parts' MD5s with their count. Where a KMS or a customer's key is used, a MAC
/// stands in the MD5's place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Etag {
    /// Of bytes uploaded at once.
    Md5([u8; 16]),
    /// Of a multipart upload.
    Multipart {
        /// The MD5 of the parts' MD5s.
        md5: [u8; 16],
        /// How many parts.
        parts: u32,
    },
}

impl Etag {
    /// The tag of a multipart upload with parts of these MD5s.
    pub fn of_parts<'a>(md5s: impl IntoIterator<Item = &'a [u8; 16]>) -> Self {
        let mut hasher = md5::Md5::new();
        let mut parts = 0;
        for md5 in md5s {
            hasher.update(md5);
            parts += 1;
        }
        Self::Multipart { md5: hasher.finalize().into(), parts }
    }

    /// With quotation marks, as in the header.
    pub fn quoted(&self) -> String {
        format!("\"{self}\"")
    }

    /// Whether `text`, quoted or not, names this tag.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        text.trim_matches('"').eq_ignore_ascii_case(&self.to_string())
    }
}

/// Hexadecimal, without quotation marks.
impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(md5) => f.write_str(&hex::encode(md5)),
            Self::Multipart { md5, parts } => write!(f, "{}-{parts}", hex::encode(md5)),
        }
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The algorithms S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChecksumAlgorithm {
    /// CRC-32 of IEEE 802.3.
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME: what is computed when the caller names none.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// Over what a multipart object's checksum is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChecksumKind {
    /// Over all bytes.
    FullObject,
    /// Over the checksums of the parts.
    Composite,
}

/// A checksum of an object or a part.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checksum {
    /// By which algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// Over what.
    pub kind: ChecksumKind,
    /// Big-endian bytes.
    pub value: Vec<u8>,
    /// For a composite one: of how many parts.
    pub parts: Option<u32>,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The algorithm of S3's name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// How many bytes a value has.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// What a multipart upload takes when its creator does not say; `None` where there is only the other kind.
    pub fn default_kind(self) -> ChecksumKind {
        match self {
            Self::Crc64Nvme => ChecksumKind::FullObject,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => ChecksumKind::Composite,
        }
    }

    /// Whether a multipart upload may have this kind: a SHA of the whole cannot be computed from parts, and CRC64NVME has no composite form.
    pub fn allows(self, kind: ChecksumKind) -> bool {
        match (self, kind) {
            (Self::Crc32 | Self::Crc32c, _) => true,
            (Self::Crc64Nvme, kind) => kind == ChecksumKind::FullObject,
            (Self::Sha1 | Self::Sha256, kind) => kind == ChecksumKind::Composite,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

impl Checksum {
    /// Of all bytes.
    pub fn full(algorithm: ChecksumAlgorithm, value: Vec<u8>) -> Self {
        Self { algorithm, kind: ChecksumKind::FullObject, value, parts: None }
    }

    /// Reads `BASE64` or `BASE64-PARTS` as it stands in headers.
    pub fn parse(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        let (digits, parts) = match text.split_once('-') {
            Some((digits, parts)) => (digits, Some(parts.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let value = BASE64.decode(digits).ok()?;
        let kind = if parts.is_some() { ChecksumKind::Composite } else { ChecksumKind::FullObject };
        (value.len() == algorithm.size_bytes()).then_some(Self { algorithm, kind, value, parts })
    }

    /// The checksum of a multipart object from those of its parts (value and bytes of each). `None` if there is no such kind.
    pub fn of_parts(algorithm: ChecksumAlgorithm, kind: ChecksumKind, parts: &[(&[u8], u64)]) -> Option<Self> {
        if !algorithm.allows(kind) || parts.iter().any(|(value, _)| value.len() != algorithm.size_bytes()) {
            return None;
        }
        match kind {
            ChecksumKind::Composite => {
                let mut digest = RunningChecksum::new(algorithm);
                for (value, _) in parts {
                    digest.update(value);
                }
                let count = u32::try_from(parts.len()).ok()?;
                Some(Self { algorithm, kind, value: digest.finish(), parts: Some(count) })
            }
            ChecksumKind::FullObject => {
                let crc = algorithm.crc()?;
                let number = |value: &[u8]| value.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
                let (first, rest) = parts.split_first()?;
                let whole = rest.iter().fold(number(first.0), |whole, (value, size)| {
                    crc_fast::checksum_combine(crc, whole, number(value), *size)
                });
                Some(Self::full(algorithm, crc_bytes(algorithm, whole)))
            }
        }
    }
}

/// Base64, with `-PARTS` if composite.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.value))?;
        match self.parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.algorithm.name())
    }
}

fn crc_bytes(algorithm: ChecksumAlgorithm, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    bytes[bytes.len() - algorithm.size_bytes().min(bytes.len())..].to_vec()
}

enum RunningChecksum {
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl RunningChecksum {
    fn new(algorithm: ChecksumAlgorithm) -> Self {
        match algorithm {
            ChecksumAlgorithm::Crc32 => Self::Crc(algorithm, crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            ChecksumAlgorithm::Crc32c => Self::Crc(algorithm, crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            ChecksumAlgorithm::Crc64Nvme => Self::Crc(algorithm, crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            ChecksumAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(algorithm, digest) => crc_bytes(algorithm, digest.finalize()),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
        }
    }
}

/// Gives a checksum that arrives after the body, once the body has been read.
pub type ReadTrailer = Box<dyn FnOnce() -> Option<String> + Send>;

/// What the caller says the bytes are, to be compared before anything is committed.
#[derive(Default)]
pub struct ExpectedDigests {
    /// `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// Checksums given before the body; at most one is usual.
    pub checksums: Vec<Checksum>,
    /// The algorithm of a checksum that comes in the trailer, and how to read it when the body has ended.
    pub trailer: Option<(ChecksumAlgorithm, ReadTrailer)>,
    /// An algorithm the caller wants computed, without giving a value.
    pub algorithm: Option<ChecksumAlgorithm>,
}

impl fmt::Debug for ExpectedDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { md5, checksums, trailer, algorithm } = self;
        f.debug_struct("ExpectedDigests")
            .field("md5", &md5.map(hex::encode))
            .field("checksums", checksums)
            .field("trailer", &trailer.as_ref().map(|(algorithm, _)| algorithm))
            .field("algorithm", algorithm)
            .finish()
    }
}

impl ExpectedDigests {
    /// The algorithm whose value is kept with the object, if the caller named one in any way.
    pub fn named(&self) -> Option<ChecksumAlgorithm> {
        let given = self.checksums.first().map(|checksum| checksum.algorithm);
        given.or(self.trailer.as_ref().map(|(algorithm, _)| *algorithm)).or(self.algorithm)
    }

    /// Begins to compute what is expected.
    pub fn start(self) -> RunningDigests {
        let algorithms: Vec<_> = self.checksums.iter().map(|checksum| checksum.algorithm).collect();
        let digests = (self.md5.is_some() || !algorithms.is_empty()).then(|| Digests::new(&algorithms));
        RunningDigests { expected: self, digests }
    }

    /// What must be computed to answer all of it, and to keep `kept`.
    pub(crate) fn digests(&self, kept: ChecksumAlgorithm) -> Digests {
        let mut algorithms = vec![kept];
        let trailer = self.trailer.as_ref().map(|(algorithm, _)| *algorithm);
        for algorithm in self.checksums.iter().map(|checksum| checksum.algorithm).chain(trailer) {
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        Digests::new(&algorithms)
    }

    /// Compares with what was computed; call once the body has been read to its end.
    pub(crate) fn check(mut self, computed: &Computed) -> Result<(), ObjectsError> {
        if let Some(expected) = self.md5
            && expected != computed.md5
        {
            let (expected, computed) = (BASE64.encode(expected), BASE64.encode(computed.md5));
            return Err(ObjectsError::BadDigest { algorithm: "Content-MD5", expected, computed });
        }
        if let Some((algorithm, read)) = self.trailer.take() {
            let Some(text) = read() else {
                return Err(ObjectsError::InvalidRequest {
                    reason: format!("x-amz-trailer announced a {} checksum that did not arrive", algorithm.name()),
                });
            };
            let Some(checksum) = Checksum::parse(algorithm, text.trim()) else {
                return Err(ObjectsError::InvalidRequest {
                    reason: format!("`{text}` in the trailer is not a {} checksum", algorithm.name()),
                });
            };
            self.checksums.push(checksum);
        }
        for expected in &self.checksums {
            let found = computed.checksum(expected.algorithm);
            if found.is_none_or(|found| found != expected.value) {
                return Err(ObjectsError::BadDigest {
                    algorithm: expected.algorithm.name(),
                    expected: expected.to_string(),
                    computed: found.map(|value| BASE64.encode(value)).unwrap_or_default(),
                });
            }
        }
        Ok(())
    }
}

/// What the caller says of bytes that are not an object's, while they are being read.
pub struct RunningDigests {
    expected: ExpectedDigests,
    /// `None`: nothing is said of them.
    digests: Option<Digests>,
}

impl RunningDigests {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(digests) = &mut self.digests {
            digests.update(bytes);
        }
    }

    /// Compares, once all bytes were taken.
    pub fn finish(self) -> Result<(), ObjectsError> {
        match self.digests {
            Some(digests) => self.expected.check(&digests.finish()),
            None => Ok(()),
        }
    }
}

/// The running MD5 and checksums of a stream.
pub(crate) struct Digests {
    md5: md5::Md5,
    checksums: Vec<(ChecksumAlgorithm, RunningChecksum)>,
}

/// What a stream's digests came to.
#[derive(Debug, Clone)]
pub(crate) struct Computed {
    pub md5: [u8; 16],
    checksums: Vec<(ChecksumAlgorithm, Vec<u8>)>,
}

impl Digests {
    pub(crate) fn new(algorithms: &[ChecksumAlgorithm]) -> Self {
        Self {
            md5: md5::Md5::new(),
            checksums: algorithms.iter().map(|algorithm| (*algorithm, RunningChecksum::new(*algorithm))).collect(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        for (_, checksum) in &mut self.checksums {
            checksum.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Computed {
        let checksums =
            self.checksums.into_iter().map(|(algorithm, checksum)| (algorithm, checksum.finish())).collect();
        Computed { md5: self.md5.finalize().into(), checksums }
    }
}

impl Computed {
    pub(crate) fn checksum(&self, algorithm: ChecksumAlgorithm) -> Option<&[u8]> {
        self.checksums.iter().find(|(found, _)| *found == algorithm).map(|(_, value)| value.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Vec<u8> {
        let mut digest = RunningChecksum::new(algorithm);
        digest.update(bytes);
        digest.finish()
    }

    #[test]
    fn known_values() {
        // The check values of the CRC catalogue and of FIPS 180, over "123456789".
        let check =
            |algorithm, expected: &str| assert_eq!(hex::encode(of(algorithm, b"123456789")), expected, "{algorithm:?}");
        check(ChecksumAlgorithm::Crc32, "cbf43926");
        check(ChecksumAlgorithm::Crc32c, "e3069283");
        check(ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888");
        check(ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check(ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
        let etag = Etag::of_parts([&[1; 16], &[2; 16]]);
        assert!(etag.to_string().ends_with("-2"));
        assert!(etag.matches(&etag.quoted()) && etag.matches(&etag.to_string()) && !etag.matches("\"\""));
    }

    proptest! {
        #[test]
        fn parts_combine_to_the_whole(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6)) {
            for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
                let values: Vec<_> = parts.iter().map(|part| (of(algorithm, part), part.len() as u64)).collect();
                let given: Vec<_> = values.iter().map(|(value, size)| (value.as_slice(), *size)).collect();
                let whole = Checksum::of_parts(algorithm, ChecksumKind::FullObject, &given);
                prop_assert_eq!(whole, Some(Checksum::full(algorithm, of(algorithm, &parts.concat()))));
            }
        }
    }
}
