//! Key pairs on the wire: signatures, public halves, shared secrets, and pairs made as data keys.

use std::sync::Arc;

use bytes::Bytes;
use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::AwsError;
use tarn_keys::kms::{EncryptionAlgorithm, KeySpec, Kms, KmsError, Message, SigningAlgorithm};

use crate::convert::{
    agreement_algorithms, answer, check_tokens, context, material_id, named, names, refuse_unbuilt, required,
};
use crate::errors::to_aws;

fn algorithm(name: Option<String>) -> Result<SigningAlgorithm, AwsError> {
    named(SigningAlgorithm::of, &required(name, "SigningAlgorithm")?, "this signing algorithm")
}

fn message<'a>(bytes: &'a Bytes, kind: Option<&str>) -> Result<Message<'a>, AwsError> {
    match kind {
        None | Some("RAW") => Ok(Message::Raw(bytes)),
        Some("DIGEST") => Ok(Message::Digest(bytes)),
        Some(_) => Err(to_aws(KmsError::Unsupported { what: "this MessageType" })),
    }
}

pub(crate) async fn sign(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::SignRequest,
) -> Result<wire::SignResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let (name, bytes) = (required(input.key_id, "KeyId")?, required(input.message, "Message")?);
    let algorithm = algorithm(input.signing_algorithm)?;
    let message = message(&bytes, input.message_type.as_deref())?;
    let signed = kms.sign(caller.authorized(), caller.scope(), &name, algorithm, message);
    let (key, signature) = signed.map_err(to_aws)?;
    let output = wire::SignResponse {
        key_id: Some(key.to_string()),
        signature: Some(signature.into()),
        signing_algorithm: Some(algorithm.name().to_owned()),
    };
    answer(input.dry_run, output)
}

pub(crate) async fn verify(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::VerifyRequest,
) -> Result<wire::VerifyResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let (name, bytes) = (required(input.key_id, "KeyId")?, required(input.message, "Message")?);
    let (algorithm, signature) = (algorithm(input.signing_algorithm)?, required(input.signature, "Signature")?);
    let message = message(&bytes, input.message_type.as_deref())?;
    let verified = kms.verify(caller.authorized(), caller.scope(), &name, algorithm, message, &signature);
    let output = wire::VerifyResponse {
        key_id: Some(verified.map_err(to_aws)?.to_string()),
        signature_valid: Some(true),
        signing_algorithm: Some(algorithm.name().to_owned()),
    };
    answer(input.dry_run, output)
}

pub(crate) async fn public_key(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GetPublicKeyRequest,
) -> Result<wire::GetPublicKeyResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let name = required(input.key_id, "KeyId")?;
    let found = kms.public_key(caller.authorized(), caller.scope(), &name).map_err(to_aws)?;
    let key = found.key;
    Ok(wire::GetPublicKeyResponse {
        key_id: Some(key.arn().to_string()),
        public_key: Some(found.der.into()),
        customer_master_key_spec: Some(key.spec.name().to_owned()),
        key_spec: Some(key.spec.name().to_owned()),
        key_usage: Some(key.usage.name().to_owned()),
        encryption_algorithms: names(key.spec.encryption_algorithms(key.usage), EncryptionAlgorithm::name),
        signing_algorithms: names(key.spec.signing_algorithms(key.usage), SigningAlgorithm::name),
        key_agreement_algorithms: agreement_algorithms(key.usage),
        ..wire::GetPublicKeyResponse::default()
    })
}

pub(crate) async fn derive_shared_secret(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::DeriveSharedSecretRequest,
) -> Result<wire::DeriveSharedSecretResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    refuse_unbuilt("Recipient", input.recipient.as_ref())?;
    let algorithm = required(input.key_agreement_algorithm, "KeyAgreementAlgorithm")?;
    refuse_unbuilt("an algorithm other than ECDH", Some(&algorithm).filter(|name| *name != "ECDH"))?;
    let (name, public) = (required(input.key_id, "KeyId")?, required(input.public_key, "PublicKey")?);
    let shared = kms.derive_shared_secret(caller.authorized(), caller.scope(), &name, &public).map_err(to_aws)?;
    let output = wire::DeriveSharedSecretResponse {
        key_id: Some(shared.key.arn().to_string()),
        shared_secret: Some(Bytes::copy_from_slice(shared.secret.expose())),
        key_agreement_algorithm: Some(algorithm),
        key_origin: Some(shared.key.origin.name().to_owned()),
        ..wire::DeriveSharedSecretResponse::default()
    };
    answer(input.dry_run, output)
}

fn pair_spec(name: Option<&str>) -> Result<KeySpec, AwsError> {
    named(KeySpec::of, required(name, "KeyPairSpec")?, "a key pair of this KeyPairSpec")
}

pub(crate) async fn generate(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GenerateDataKeyPairRequest,
) -> Result<wire::GenerateDataKeyPairResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    refuse_unbuilt("Recipient", input.recipient.as_ref())?;
    let (name, spec) = (required(input.key_id, "KeyId")?, pair_spec(input.key_pair_spec.as_deref())?);
    let context = context(input.encryption_context)?;
    let made = kms.generate_data_key_pair(caller.authorized(), caller.scope(), &name, spec, &context).await;
    let made = made.map_err(to_aws)?;
    let output = wire::GenerateDataKeyPairResponse {
        private_key_ciphertext_blob: Some(made.private.blob.into()),
        private_key_plaintext: Some(Bytes::copy_from_slice(made.private.plaintext.expose())),
        public_key: Some(made.public.into()),
        key_id: Some(made.private.key.to_string()),
        key_pair_spec: Some(spec.name().to_owned()),
        key_material_id: material_id(made.private.material),
        ..wire::GenerateDataKeyPairResponse::default()
    };
    answer(input.dry_run, output)
}

pub(crate) async fn generate_without_plaintext(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GenerateDataKeyPairWithoutPlaintextRequest,
) -> Result<wire::GenerateDataKeyPairWithoutPlaintextResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let (name, spec) = (required(input.key_id, "KeyId")?, pair_spec(input.key_pair_spec.as_deref())?);
    let context = context(input.encryption_context)?;
    let made = kms.generate_data_key_pair(caller.authorized(), caller.scope(), &name, spec, &context).await;
    let made = made.map_err(to_aws)?;
    let output = wire::GenerateDataKeyPairWithoutPlaintextResponse {
        private_key_ciphertext_blob: Some(made.private.blob.into()),
        public_key: Some(made.public.into()),
        key_id: Some(made.private.key.to_string()),
        key_pair_spec: Some(spec.name().to_owned()),
        key_material_id: material_id(made.private.material),
    };
    answer(input.dry_run, output)
}
