//! Kinds of keys at work: codes, signatures, pairs, shared secrets; and material that its owner brings.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};

use super::*;
use crate::kms::material::{Material, Pair, generate};

impl Lake {
    async fn of(&self, spec: KeySpec, usage: KeyUsage) -> KmsKey {
        self.make_as(CreateKey { spec, usage: Some(usage), ..CreateKey::default() }).await
    }

    fn sign(&self, key: &KmsKey, algorithm: SigningAlgorithm, message: Message<'_>) -> Result<Vec<u8>, KmsError> {
        let caller = self.may("kms:Sign", key);
        let signed = self.kms.sign(caller.authorized(), caller.scope(), &key.arn().to_string(), algorithm, message);
        signed.map(|(_, signature)| signature)
    }

    fn verify(
        &self,
        key: &KmsKey,
        algorithm: SigningAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<(), KmsError> {
        let (caller, name) = (self.may("kms:Verify", key), key.arn().to_string());
        self.kms.verify(caller.authorized(), caller.scope(), &name, algorithm, message, signature).map(|_| ())
    }

    async fn import(&self, key: &KmsKey, import: ImportKeyMaterial) -> Result<(KmsKey, MaterialId), KmsError> {
        self.kms.import_key_material(&self.may("kms:ImportKeyMaterial", key), &key.id, import).await
    }
}

#[tokio::test]
async fn signatures_verify_for_their_message_key_and_algorithm() {
    let lake = lake();
    for spec in [
        KeySpec::Rsa2048,
        KeySpec::EccNistP256,
        KeySpec::EccNistP384,
        KeySpec::EccNistP521,
        KeySpec::EccSecgP256K1,
        KeySpec::EccNistEdwards25519,
    ] {
        let (key, other) = (lake.of(spec, KeyUsage::SignVerify).await, lake.of(spec, KeyUsage::SignVerify).await);
        for algorithm in spec.signing_algorithms(KeyUsage::SignVerify).iter().copied() {
            let raw = Message::Raw(b"message");
            let signature = lake.sign(&key, algorithm, raw).expect("signed");
            lake.verify(&key, algorithm, raw, &signature).expect("verified");
            let check = |key: &KmsKey, message: &[u8], signature: &[u8]| {
                let found = lake.verify(key, algorithm, Message::Raw(message), signature);
                assert!(matches!(found, Err(KmsError::InvalidSignature)), "{algorithm:?}: {found:?}");
            };
            check(&key, b"another", &signature);
            check(&other, b"message", &signature);
            check(&key, b"message", b"");
            let mut flipped = signature.clone();
            *flipped.last_mut().expect("bytes") ^= 1;
            check(&key, b"message", &flipped);
            let hash = match algorithm.name().rsplit('_').next() {
                Some("256") => &aws_lc_rs::digest::SHA256,
                Some("384") => &aws_lc_rs::digest::SHA384,
                _ => &aws_lc_rs::digest::SHA512,
            };
            let digest = aws_lc_rs::digest::digest(hash, b"message");
            let by_digest = lake.verify(&key, algorithm, Message::Digest(digest.as_ref()), &signature);
            if spec == KeySpec::EccNistEdwards25519 {
                assert!(matches!(by_digest, Err(KmsError::Validation { .. })));
            } else {
                by_digest.expect("the digest of the message is as good as the message");
                let signature = lake.sign(&key, algorithm, Message::Digest(digest.as_ref())).expect("signed");
                lake.verify(&key, algorithm, raw, &signature).expect("verified");
                let short = lake.sign(&key, algorithm, Message::Digest(b"short"));
                assert!(matches!(short, Err(KmsError::Validation { .. })));
            }
        }
        let foreign = match spec {
            KeySpec::Rsa2048 => SigningAlgorithm::EcdsaSha256,
            _ => SigningAlgorithm::RsassaPssSha256,
        };
        let refused = lake.sign(&key, foreign, Message::Raw(b"x"));
        assert!(matches!(refused, Err(KmsError::InvalidAlgorithm { .. })), "{refused:?}");
        let caller = lake.may("kms:GetPublicKey", &key);
        let public = lake.kms.public_key(caller.authorized(), caller.scope(), &key.id).expect("public");
        assert!(!public.der.is_empty());
    }
}

#[tokio::test]
async fn a_key_is_for_what_it_was_made_for() {
    let lake = lake();
    let symmetric = lake.make(None).await;
    let rsa = lake.of(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt).await;
    let hmac = lake.of(KeySpec::Hmac384, KeyUsage::GenerateVerifyMac).await;
    for key in [&symmetric, &rsa, &hmac] {
        let refused = lake.sign(key, SigningAlgorithm::RsassaPssSha256, Message::Raw(b"x"));
        assert!(matches!(refused, Err(KmsError::InvalidKeyUsage { .. })), "{refused:?}");
    }
    let none = context(&[]);
    let refused = lake.encrypt(&rsa.id, b"x", &none);
    assert!(matches!(refused, Err(KmsError::InvalidAlgorithm { .. })), "{refused:?}");
    assert!(matches!(lake.encrypt(&hmac.id, b"x", &none), Err(KmsError::InvalidKeyUsage { .. })));
    let caller = lake.may("kms:GenerateDataKey", &rsa);
    let refused = lake.kms.generate_data_key(caller.authorized(), caller.scope(), &rsa.id, 32, &none);
    assert!(matches!(refused, Err(KmsError::InvalidAlgorithm { .. })), "{refused:?}");
    let caller = lake.may("kms:GetPublicKey", &symmetric);
    let refused = lake.kms.public_key(caller.authorized(), caller.scope(), &symmetric.id);
    assert!(matches!(refused, Err(KmsError::UnsupportedForKey { .. })));
    let caller = lake.caller_with(&root(), vec![Requirement::any("kms:CreateKey")]).expect("root may");
    for (spec, usage) in [
        (KeySpec::SymmetricDefault, Some(KeyUsage::SignVerify)),
        (KeySpec::Hmac256, Some(KeyUsage::EncryptDecrypt)),
        (KeySpec::EccSecgP256K1, Some(KeyUsage::KeyAgreement)),
        (KeySpec::Rsa2048, None),
        (KeySpec::Hmac256, None),
    ] {
        let refused = lake.kms.create_key(&caller, CreateKey { spec, usage, ..CreateKey::default() }).await;
        assert!(matches!(refused, Err(KmsError::Validation { .. })), "{spec:?} {usage:?}: {refused:?}");
    }
}

#[tokio::test]
async fn codes_verify_for_their_message_and_key() {
    let lake = lake();
    for (spec, algorithm, size_bytes) in [
        (KeySpec::Hmac224, MacAlgorithm::HmacSha224, 28),
        (KeySpec::Hmac256, MacAlgorithm::HmacSha256, 32),
        (KeySpec::Hmac384, MacAlgorithm::HmacSha384, 48),
        (KeySpec::Hmac512, MacAlgorithm::HmacSha512, 64),
    ] {
        let key = lake.of(spec, KeyUsage::GenerateVerifyMac).await;
        let (caller, name) = (lake.may("kms:GenerateMac", &key), key.id.as_str());
        let (proof, scope) = (caller.authorized(), caller.scope());
        let (_, mac) = lake.kms.generate_mac(proof, scope, name, algorithm, b"message").expect("made");
        assert_eq!(mac.len(), size_bytes);
        lake.kms.verify_mac(proof, scope, name, algorithm, b"message", &mac).expect("verified");
        for (message, mac) in [(&b"another"[..], &mac[..]), (b"message", &mac[1..]), (b"message", b"")] {
            let found = lake.kms.verify_mac(proof, scope, name, algorithm, message, mac);
            assert!(matches!(found, Err(KmsError::InvalidMac)), "{found:?}");
        }
    }
}

#[tokio::test]
async fn what_is_encrypted_for_a_pair_opens_by_it() {
    let lake = lake();
    let key = lake.of(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt).await;
    let (caller, none, name) = (lake.may("kms:Encrypt", &key), context(&[]), key.id.as_str());
    let (proof, scope) = (caller.authorized(), caller.scope());
    for (algorithm, other, size_bytes_max) in [
        (EncryptionAlgorithm::RsaesOaepSha1, EncryptionAlgorithm::RsaesOaepSha256, 214),
        (EncryptionAlgorithm::RsaesOaepSha256, EncryptionAlgorithm::RsaesOaepSha1, 190),
    ] {
        let cipher = Cipher { algorithm, context: &none };
        let plain = vec![7; size_bytes_max];
        let sealed = lake.kms.encrypt(proof, scope, name, &plain, cipher).expect("encrypted");
        let opened = lake.kms.decrypt(proof, scope, Some(name), &sealed.blob, cipher).expect("opened");
        assert_eq!(opened.plaintext.expose(), plain);
        let by_other = Cipher { algorithm: other, context: &none };
        let refused = lake.kms.decrypt(proof, scope, Some(name), &sealed.blob, by_other);
        assert!(matches!(refused, Err(KmsError::InvalidCiphertext)), "{refused:?}");
        let refused = lake.kms.decrypt(proof, scope, None, &sealed.blob, cipher);
        assert!(matches!(refused, Err(KmsError::Validation { .. })), "{refused:?}");
        let refused = lake.kms.encrypt(proof, scope, name, &vec![7; size_bytes_max + 1], cipher);
        assert!(matches!(refused, Err(KmsError::Validation { .. })), "{refused:?}");
        let bound = context(&[("a", "1")]);
        let refused = lake.kms.encrypt(proof, scope, name, b"x", Cipher { algorithm, context: &bound });
        assert!(matches!(refused, Err(KmsError::Validation { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn two_holders_of_pairs_share_a_secret() {
    let lake = lake();
    for spec in [KeySpec::EccNistP256, KeySpec::EccNistP384, KeySpec::EccNistP521] {
        let (one, two) = (lake.of(spec, KeyUsage::KeyAgreement).await, lake.of(spec, KeyUsage::KeyAgreement).await);
        let shared = |key: &KmsKey, public: &[u8]| {
            let caller = lake.may("kms:DeriveSharedSecret", key);
            lake.kms.derive_shared_secret(caller.authorized(), caller.scope(), &key.id, public)
        };
        let public = |key: &KmsKey| {
            let caller = lake.may("kms:GetPublicKey", key);
            lake.kms.public_key(caller.authorized(), caller.scope(), &key.id).expect("public").der
        };
        let secret = shared(&one, &public(&two)).expect("shared").secret;
        assert_eq!(shared(&two, &public(&one)).expect("shared").secret, secret);
        assert!(matches!(shared(&one, b"not a key"), Err(KmsError::Validation { .. })));
    }
}

#[tokio::test]
async fn a_pair_can_be_a_data_key() {
    let lake = lake();
    let key = lake.make(None).await;
    let bound = context(&[("a", "1")]);
    let caller = lake.may("kms:GenerateDataKeyPair", &key);
    for spec in [KeySpec::EccNistP256, KeySpec::EccSecgP256K1, KeySpec::EccNistEdwards25519, KeySpec::Rsa4096] {
        let made = lake.kms.generate_data_key_pair(caller.authorized(), caller.scope(), &key.id, spec, &bound).await;
        let made = made.expect("made");
        let opened = lake.decrypt(None, &made.private.blob, &bound).expect("opened");
        assert_eq!(opened.plaintext, made.private.plaintext);
        let pair = Pair::open(spec, opened.plaintext.expose()).expect("a pair");
        assert_eq!(pair.public_key().expect("public"), made.public);
    }
    let refused =
        lake.kms.generate_data_key_pair(caller.authorized(), caller.scope(), &key.id, KeySpec::Hmac256, &bound).await;
    assert!(matches!(refused, Err(KmsError::Validation { .. })));
}

fn wrap(public: &[u8], algorithm: WrappingAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let oaep = |algorithm: &'static OaepAlgorithm, bytes: &[u8]| {
        let key = PublicEncryptingKey::from_der(public).expect("a public key");
        let key = OaepPublicEncryptingKey::new(key).expect("a public key");
        let mut out = vec![0; key.ciphertext_size()];
        key.encrypt(algorithm, bytes, &mut out, None).expect("wrapped");
        out
    };
    match algorithm {
        WrappingAlgorithm::RsaesOaepSha1 => oaep(&OAEP_SHA1_MGF1SHA1, bytes),
        WrappingAlgorithm::RsaesOaepSha256 => oaep(&OAEP_SHA256_MGF1SHA256, bytes),
        WrappingAlgorithm::RsaAesKeyWrapSha1 | WrappingAlgorithm::RsaAesKeyWrapSha256 => {
            let by = match algorithm {
                WrappingAlgorithm::RsaAesKeyWrapSha1 => &OAEP_SHA1_MGF1SHA1,
                _ => &OAEP_SHA256_MGF1SHA256,
            };
            let mut out = oaep(by, &[9; 32]);
            let kek = AesKek::new(&AES_256, &[9; 32]).expect("a key");
            let mut wrapped = vec![0; bytes.len() + 16];
            out.extend_from_slice(kek.wrap_with_padding(bytes, &mut wrapped).expect("wrapped"));
            out
        }
    }
}

#[tokio::test]
async fn brought_material_is_used_kept_and_thrown_away() {
    let lake = lake();
    let external = || CreateKey { origin: KeyOrigin::External, ..CreateKey::default() };
    let (key, other) = (lake.make_as(external()).await, lake.make_as(external()).await);
    let none = context(&[]);
    let pending = lake.encrypt(&key.id, b"x", &none);
    assert!(matches!(pending, Err(KmsError::PendingImport { .. })), "{pending:?}");
    let enabled = lake.kms.enable_key(&lake.may("kms:EnableKey", &key), &key.id).await;
    assert!(matches!(enabled, Err(KmsError::PendingImport { .. })), "{enabled:?}");

    let parameters = async |key: &KmsKey, algorithm| {
        let caller = lake.may("kms:GetParametersForImport", key);
        let (proof, scope) = (caller.authorized(), caller.scope());
        let made = lake.kms.parameters_for_import(proof, scope, &key.id, algorithm, KeySpec::Rsa2048).await;
        made.expect("parameters")
    };
    let bytes = [5; 32];
    let mut sealed = None;
    for algorithm in [
        WrappingAlgorithm::RsaesOaepSha1,
        WrappingAlgorithm::RsaesOaepSha256,
        WrappingAlgorithm::RsaAesKeyWrapSha1,
        WrappingAlgorithm::RsaAesKeyWrapSha256,
    ] {
        let made = parameters(&key, algorithm).await;
        let import = |bytes: &[u8]| ImportKeyMaterial {
            token: made.token.clone(),
            wrapped: wrap(&made.public_key, algorithm, bytes),
            valid_to_ms: None,
        };
        let check = async |key: &KmsKey, import: ImportKeyMaterial, expected: &str| {
            let found = match lake.import(key, import).await {
                Ok(_) => "imported",
                Err(KmsError::InvalidImportToken) => "token",
                Err(KmsError::InvalidCiphertext) => "ciphertext",
                Err(KmsError::IncorrectKeyMaterial { .. }) => "material",
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{algorithm:?}");
        };
        check(&other, import(&bytes), "token").await;
        check(&key, ImportKeyMaterial { token: b"x".to_vec(), ..import(&bytes) }, "token").await;
        let mut flipped = made.token.clone();
        *flipped.last_mut().expect("bytes") ^= 1;
        check(&key, ImportKeyMaterial { token: flipped, ..import(&bytes) }, "token").await;
        check(&key, ImportKeyMaterial { wrapped: b"x".to_vec(), ..import(&bytes) }, "ciphertext").await;
        check(&key, import(&bytes[1..]), "material").await;
        check(&key, import(&bytes), "imported").await;
        // Never other material.
        check(&key, import(&[6; 32]), "material").await;
        let sealed = sealed.get_or_insert_with(|| lake.encrypt(&key.id, b"secret", &none).expect("encrypted").blob);
        assert_eq!(lake.decrypt(None, sealed, &none).expect("opened").plaintext.expose(), b"secret");
        let caller = lake.may("kms:DeleteImportedKeyMaterial", &key);
        lake.kms.delete_imported_key_material(&caller, &key.id).await.expect("deleted");
        assert!(matches!(lake.decrypt(None, sealed, &none), Err(KmsError::PendingImport { .. })));
    }
    let sealed = sealed.expect("encrypted");

    // For a while.
    let made = parameters(&key, WrappingAlgorithm::RsaesOaepSha256).await;
    let import = |valid_to_ms| ImportKeyMaterial {
        token: made.token.clone(),
        wrapped: wrap(&made.public_key, WrappingAlgorithm::RsaesOaepSha256, &bytes),
        valid_to_ms: Some(valid_to_ms),
    };
    for valid_to_ms in [-1, 366 * DAY_MS] {
        assert!(matches!(lake.import(&key, import(valid_to_ms)).await, Err(KmsError::Validation { .. })));
    }
    lake.import(&key, import(1_000)).await.expect("imported");
    lake.decrypt(None, &sealed, &none).expect("opened");
    lake.set_ms(1_000);
    let over = lake.decrypt(None, &sealed, &none);
    assert!(
        matches!(over, Err(KmsError::PendingImport { .. })),
        "at once, and not only when the worker comes: {over:?}"
    );
    assert_eq!(lake.kms.do_due().await.expect("looked"), 1);
    let caller = lake.may("kms:DescribeKey", &key);
    let found = lake.kms.key(caller.authorized(), caller.scope(), &key.id).expect("there");
    assert_eq!(found.state, KeyState::PendingImport);
    lake.import(&key, import(2_000)).await.expect("brought again");
    lake.decrypt(None, &sealed, &none).expect("opened");
    // A token ends too.
    lake.set_ms(DAY_MS);
    let late = lake.import(&key, import(DAY_MS + 1)).await;
    assert!(matches!(late, Err(KmsError::ExpiredImportToken)), "{late:?}");
}

#[tokio::test]
async fn pairs_and_keys_for_codes_can_be_brought_too() {
    let lake = lake();
    for (spec, usage) in [
        (KeySpec::Rsa2048, KeyUsage::SignVerify),
        (KeySpec::EccNistP384, KeyUsage::SignVerify),
        (KeySpec::Hmac512, KeyUsage::GenerateVerifyMac),
    ] {
        let external = CreateKey { spec, usage: Some(usage), origin: KeyOrigin::External, ..CreateKey::default() };
        let key = lake.make_as(external).await;
        let caller = lake.may("kms:GetParametersForImport", &key);
        let algorithm = WrappingAlgorithm::RsaAesKeyWrapSha256;
        let (proof, scope) = (caller.authorized(), caller.scope());
        let made = lake.kms.parameters_for_import(proof, scope, &key.id, algorithm, KeySpec::Rsa4096).await;
        let made = made.expect("parameters");
        let bytes = generate(spec, &*lake.runtime.entropy).expect("made");
        let import = |bytes: &[u8]| ImportKeyMaterial {
            token: made.token.clone(),
            wrapped: wrap(&made.public_key, algorithm, bytes),
            valid_to_ms: None,
        };
        let refused = lake.import(&key, import(&[1; 32])).await;
        assert!(matches!(refused, Err(KmsError::IncorrectKeyMaterial { .. })), "{spec:?}: {refused:?}");
        let (_, id) = lake.import(&key, import(&bytes)).await.expect("imported");
        assert_eq!(Material::new(bytes).expect("material").id(), id);
        if usage == KeyUsage::SignVerify {
            let algorithm = spec.signing_algorithms(usage)[0];
            let signature = lake.sign(&key, algorithm, Message::Raw(b"x")).expect("signed");
            lake.verify(&key, algorithm, Message::Raw(b"x"), &signature).expect("verified");
        }
    }
}
