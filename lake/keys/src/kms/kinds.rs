//! Kinds of keys: what material they have, what they are for, and which algorithms they take. Names are AWS's.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html>

use serde::{Deserialize, Serialize};

/// Names of values, and the values of names.
macro_rules! named {
    ($kind:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }) => {
        impl $kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As requests and answers name it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The one of this name.
            pub fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}
pub(crate) use named;

/// What material a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeySpec {
    /// 256 bits for AES-GCM.
    SymmetricDefault,
    /// 28 bytes for HMAC-SHA-224.
    Hmac224,
    /// 32 bytes for HMAC-SHA-256.
    Hmac256,
    /// 48 bytes for HMAC-SHA-384.
    Hmac384,
    /// 64 bytes for HMAC-SHA-512.
    Hmac512,
    /// An RSA key pair of 2,048 bits.
    Rsa2048,
    /// An RSA key pair of 3,072 bits.
    Rsa3072,
    /// An RSA key pair of 4,096 bits.
    Rsa4096,
    /// A key pair on secp256r1.
    EccNistP256,
    /// A key pair on secp384r1.
    EccNistP384,
    /// A key pair on secp521r1.
    EccNistP521,
    /// A key pair on secp256k1.
    EccSecgP256K1,
    /// An Ed25519 key pair.
    EccNistEdwards25519,
}

named!(KeySpec {
    SymmetricDefault = "SYMMETRIC_DEFAULT",
    Hmac224 = "HMAC_224",
    Hmac256 = "HMAC_256",
    Hmac384 = "HMAC_384",
    Hmac512 = "HMAC_512",
    Rsa2048 = "RSA_2048",
    Rsa3072 = "RSA_3072",
    Rsa4096 = "RSA_4096",
    EccNistP256 = "ECC_NIST_P256",
    EccNistP384 = "ECC_NIST_P384",
    EccNistP521 = "ECC_NIST_P521",
    EccSecgP256K1 = "ECC_SECG_P256K1",
    EccNistEdwards25519 = "ECC_NIST_EDWARDS25519",
});

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyUsage {
    /// Encryption.
    EncryptDecrypt,
    /// Signatures.
    SignVerify,
    /// Message authentication codes.
    GenerateVerifyMac,
    /// Secrets shared with the holder of another key pair.
    KeyAgreement,
}

named!(KeyUsage {
    EncryptDecrypt = "ENCRYPT_DECRYPT",
    SignVerify = "SIGN_VERIFY",
    GenerateVerifyMac = "GENERATE_VERIFY_MAC",
    KeyAgreement = "KEY_AGREEMENT",
});

/// Where a key's material comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyOrigin {
    /// Made here.
    AwsKms,
    /// Brought by its owner.
    External,
}

named!(KeyOrigin {
    AwsKms = "AWS_KMS",
    External = "EXTERNAL",
});

/// How bytes are encrypted under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    /// AES-256-GCM under a key of the call's own.
    SymmetricDefault,
    /// OAEP with SHA-1.
    RsaesOaepSha1,
    /// OAEP with SHA-256.
    RsaesOaepSha256,
}

named!(EncryptionAlgorithm {
    SymmetricDefault = "SYMMETRIC_DEFAULT",
    RsaesOaepSha1 = "RSAES_OAEP_SHA_1",
    RsaesOaepSha256 = "RSAES_OAEP_SHA_256",
});

/// How bytes are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// PSS with SHA-256.
    RsassaPssSha256,
    /// PSS with SHA-384.
    RsassaPssSha384,
    /// PSS with SHA-512.
    RsassaPssSha512,
    /// PKCS #1 v1.5 with SHA-256.
    RsassaPkcs1V15Sha256,
    /// PKCS #1 v1.5 with SHA-384.
    RsassaPkcs1V15Sha384,
    /// PKCS #1 v1.5 with SHA-512.
    RsassaPkcs1V15Sha512,
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
    /// ECDSA with SHA-512.
    EcdsaSha512,
    /// Ed25519 over the message.
    Ed25519Sha512,
}

named!(SigningAlgorithm {
    RsassaPssSha256 = "RSASSA_PSS_SHA_256",
    RsassaPssSha384 = "RSASSA_PSS_SHA_384",
    RsassaPssSha512 = "RSASSA_PSS_SHA_512",
    RsassaPkcs1V15Sha256 = "RSASSA_PKCS1_V1_5_SHA_256",
    RsassaPkcs1V15Sha384 = "RSASSA_PKCS1_V1_5_SHA_384",
    RsassaPkcs1V15Sha512 = "RSASSA_PKCS1_V1_5_SHA_512",
    EcdsaSha256 = "ECDSA_SHA_256",
    EcdsaSha384 = "ECDSA_SHA_384",
    EcdsaSha512 = "ECDSA_SHA_512",
    Ed25519Sha512 = "ED25519_SHA_512",
});

/// How bytes are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// HMAC with SHA-224.
    HmacSha224,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

named!(MacAlgorithm {
    HmacSha224 = "HMAC_SHA_224",
    HmacSha256 = "HMAC_SHA_256",
    HmacSha384 = "HMAC_SHA_384",
    HmacSha512 = "HMAC_SHA_512",
});

/// What a grant can let somebody do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the operation of its name")]
pub enum GrantOperation {
    Decrypt,
    Encrypt,
    GenerateDataKey,
    GenerateDataKeyWithoutPlaintext,
    ReEncryptFrom,
    ReEncryptTo,
    Sign,
    Verify,
    GetPublicKey,
    CreateGrant,
    RetireGrant,
    DescribeKey,
    GenerateDataKeyPair,
    GenerateDataKeyPairWithoutPlaintext,
    GenerateMac,
    VerifyMac,
    DeriveSharedSecret,
}

named!(GrantOperation {
    Decrypt = "Decrypt",
    Encrypt = "Encrypt",
    GenerateDataKey = "GenerateDataKey",
    GenerateDataKeyWithoutPlaintext = "GenerateDataKeyWithoutPlaintext",
    ReEncryptFrom = "ReEncryptFrom",
    ReEncryptTo = "ReEncryptTo",
    Sign = "Sign",
    Verify = "Verify",
    GetPublicKey = "GetPublicKey",
    CreateGrant = "CreateGrant",
    RetireGrant = "RetireGrant",
    DescribeKey = "DescribeKey",
    GenerateDataKeyPair = "GenerateDataKeyPair",
    GenerateDataKeyPairWithoutPlaintext = "GenerateDataKeyPairWithoutPlaintext",
    GenerateMac = "GenerateMac",
    VerifyMac = "VerifyMac",
    DeriveSharedSecret = "DeriveSharedSecret",
});

impl GrantOperation {
    /// The action that it is, in lower case: as `tarn_policy::Granted` wants it.
    pub(crate) fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Decrypt => &["kms:decrypt"],
            Self::Encrypt => &["kms:encrypt"],
            Self::GenerateDataKey => &["kms:generatedatakey"],
            Self::GenerateDataKeyWithoutPlaintext => &["kms:generatedatakeywithoutplaintext"],
            Self::ReEncryptFrom => &["kms:reencryptfrom"],
            Self::ReEncryptTo => &["kms:reencryptto"],
            Self::Sign => &["kms:sign"],
            Self::Verify => &["kms:verify"],
            Self::GetPublicKey => &["kms:getpublickey"],
            Self::CreateGrant => &["kms:creategrant"],
            Self::RetireGrant => &["kms:retiregrant"],
            Self::DescribeKey => &["kms:describekey"],
            Self::GenerateDataKeyPair => &["kms:generatedatakeypair"],
            Self::GenerateDataKeyPairWithoutPlaintext => &["kms:generatedatakeypairwithoutplaintext"],
            Self::GenerateMac => &["kms:generatemac"],
            Self::VerifyMac => &["kms:verifymac"],
            Self::DeriveSharedSecret => &["kms:derivesharedsecret"],
        }
    }

    /// The operation that an action is.
    pub(crate) fn of_action(action: &str) -> Option<Self> {
        Self::of(action.strip_prefix("kms:")?)
    }

    /// Whether it comes with an encryption context, which constraints speak of.
    pub(crate) fn has_context(self) -> bool {
        matches!(
            self,
            Self::Decrypt
                | Self::Encrypt
                | Self::GenerateDataKey
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::ReEncryptFrom
                | Self::ReEncryptTo
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
        )
    }

    /// Which of them keys of a kind and use can do.
    pub(crate) fn fits(self, spec: KeySpec, usage: KeyUsage) -> bool {
        let symmetric = spec == KeySpec::SymmetricDefault;
        match self {
            Self::Decrypt | Self::Encrypt | Self::ReEncryptFrom | Self::ReEncryptTo => {
                usage == KeyUsage::EncryptDecrypt
            }
            Self::GenerateDataKey
            | Self::GenerateDataKeyWithoutPlaintext
            | Self::GenerateDataKeyPair
            | Self::GenerateDataKeyPairWithoutPlaintext => symmetric,
            Self::Sign | Self::Verify => usage == KeyUsage::SignVerify,
            Self::GenerateMac | Self::VerifyMac => usage == KeyUsage::GenerateVerifyMac,
            Self::DeriveSharedSecret => usage == KeyUsage::KeyAgreement,
            Self::GetPublicKey => spec.is_pair(),
            Self::CreateGrant | Self::RetireGrant | Self::DescribeKey => true,
        }
    }
}

/// What the material is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Symmetric,
    Hmac {
        size_bytes: usize,
    },
    Rsa {
        size_bits: usize,
    },
    /// For ECDSA and ECDH.
    Ecc,
    Edwards,
}

impl KeySpec {
    pub(crate) fn family(self) -> Family {
        match self {
            Self::SymmetricDefault => Family::Symmetric,
            Self::Hmac224 => Family::Hmac { size_bytes: 28 },
            Self::Hmac256 => Family::Hmac { size_bytes: 32 },
            Self::Hmac384 => Family::Hmac { size_bytes: 48 },
            Self::Hmac512 => Family::Hmac { size_bytes: 64 },
            Self::Rsa2048 => Family::Rsa { size_bits: 2_048 },
            Self::Rsa3072 => Family::Rsa { size_bits: 3_072 },
            Self::Rsa4096 => Family::Rsa { size_bits: 4_096 },
            Self::EccNistP256 | Self::EccNistP384 | Self::EccNistP521 | Self::EccSecgP256K1 => Family::Ecc,
            Self::EccNistEdwards25519 => Family::Edwards,
        }
    }

    /// Whether it is a pair, of which one half may be shown.
    pub fn is_pair(self) -> bool {
        matches!(self.family(), Family::Rsa { .. } | Family::Ecc | Family::Edwards)
    }

    /// What keys of this kind can be for, the first if nothing is said and it is the only one.
    pub fn usages(self) -> &'static [KeyUsage] {
        match self {
            Self::SymmetricDefault => &[KeyUsage::EncryptDecrypt],
            Self::Hmac224 | Self::Hmac256 | Self::Hmac384 | Self::Hmac512 => &[KeyUsage::GenerateVerifyMac],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &[KeyUsage::EncryptDecrypt, KeyUsage::SignVerify],
            Self::EccNistP256 | Self::EccNistP384 | Self::EccNistP521 => {
                &[KeyUsage::SignVerify, KeyUsage::KeyAgreement]
            }
            Self::EccSecgP256K1 | Self::EccNistEdwards25519 => &[KeyUsage::SignVerify],
        }
    }

    /// By which algorithms a key of this kind that is for `usage` encrypts.
    pub fn encryption_algorithms(self, usage: KeyUsage) -> &'static [EncryptionAlgorithm] {
        match (usage, self.family()) {
            (KeyUsage::EncryptDecrypt, Family::Symmetric) => &[EncryptionAlgorithm::SymmetricDefault],
            (KeyUsage::EncryptDecrypt, Family::Rsa { .. }) => {
                &[EncryptionAlgorithm::RsaesOaepSha1, EncryptionAlgorithm::RsaesOaepSha256]
            }
            _ => &[],
        }
    }

    /// By which algorithms a key of this kind that is for `usage` signs.
    pub fn signing_algorithms(self, usage: KeyUsage) -> &'static [SigningAlgorithm] {
        if usage != KeyUsage::SignVerify {
            return &[];
        }
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &[
                SigningAlgorithm::RsassaPkcs1V15Sha256,
                SigningAlgorithm::RsassaPkcs1V15Sha384,
                SigningAlgorithm::RsassaPkcs1V15Sha512,
                SigningAlgorithm::RsassaPssSha256,
                SigningAlgorithm::RsassaPssSha384,
                SigningAlgorithm::RsassaPssSha512,
            ],
            Self::EccNistP256 | Self::EccSecgP256K1 => &[SigningAlgorithm::EcdsaSha256],
            Self::EccNistP384 => &[SigningAlgorithm::EcdsaSha384],
            Self::EccNistP521 => &[SigningAlgorithm::EcdsaSha512],
            Self::EccNistEdwards25519 => &[SigningAlgorithm::Ed25519Sha512],
            Self::SymmetricDefault | Self::Hmac224 | Self::Hmac256 | Self::Hmac384 | Self::Hmac512 => &[],
        }
    }

    /// By which algorithms a key of this kind authenticates.
    pub fn mac_algorithms(self) -> &'static [MacAlgorithm] {
        match self {
            Self::Hmac224 => &[MacAlgorithm::HmacSha224],
            Self::Hmac256 => &[MacAlgorithm::HmacSha256],
            Self::Hmac384 => &[MacAlgorithm::HmacSha384],
            Self::Hmac512 => &[MacAlgorithm::HmacSha512],
            Self::SymmetricDefault
            | Self::Rsa2048
            | Self::Rsa3072
            | Self::Rsa4096
            | Self::EccNistP256
            | Self::EccNistP384
            | Self::EccNistP521
            | Self::EccSecgP256K1
            | Self::EccNistEdwards25519 => &[],
        }
    }
}
