//! What keys are for, on the wire: encryption, decryption, data keys, random bytes.

use std::sync::Arc;

use bytes::Bytes;
use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::AwsError;
use tarn_keys::kms::{Cipher, GeneratedKey, Kms, KmsError};

use crate::convert::{algorithm, answer, check_tokens, context, material_id, refuse_unbuilt, required};
use crate::errors::to_aws;

fn secret(bytes: &[u8]) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(bytes))
}

/// How long the data key is to be: exactly one of the two says it.
fn data_key_size_bytes(spec: Option<&str>, bytes: Option<i32>) -> Result<usize, AwsError> {
    match (spec, bytes) {
        (Some("AES_256"), None) => Ok(32),
        (Some("AES_128"), None) => Ok(16),
        (None, Some(bytes)) => Ok(usize::try_from(bytes).unwrap_or(0)),
        (Some(_), None) => Err(AwsError::validation(&wire::SERVICE, "KeySpec must be AES_256 or AES_128.")),
        (None, None) | (Some(_), Some(_)) => Err(AwsError::validation(
            &wire::SERVICE,
            "Please specify either number of bytes or key spec, and not both.",
        )),
    }
}

pub(crate) async fn encrypt(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::EncryptRequest,
) -> Result<wire::EncryptResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let algorithm = algorithm(input.encryption_algorithm.as_deref())?;
    let (name, plaintext) = (required(input.key_id, "KeyId")?, required(input.plaintext, "Plaintext")?);
    let context = context(input.encryption_context)?;
    let cipher = Cipher { algorithm, context: &context };
    let made = kms.encrypt(caller.authorized(), caller.scope(), &name, &plaintext, cipher).map_err(to_aws)?;
    let output = wire::EncryptResponse {
        ciphertext_blob: Some(made.blob.into()),
        key_id: Some(made.key.to_string()),
        encryption_algorithm: Some(algorithm.name().to_owned()),
    };
    answer(input.dry_run, output)
}

pub(crate) async fn decrypt(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::DecryptRequest,
) -> Result<wire::DecryptResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let algorithm = algorithm(input.encryption_algorithm.as_deref())?;
    refuse_unbuilt("Recipient", input.recipient.as_ref())?;
    refuse_unbuilt("DryRunModifiers", input.dry_run_modifiers.as_ref())?;
    let blob = required(input.ciphertext_blob, "CiphertextBlob")?;
    let context = context(input.encryption_context)?;
    let cipher = Cipher { algorithm, context: &context };
    let opened =
        kms.decrypt(caller.authorized(), caller.scope(), input.key_id.as_deref(), &blob, cipher).map_err(to_aws)?;
    let output = wire::DecryptResponse {
        key_id: Some(opened.key.to_string()),
        plaintext: secret(opened.plaintext.expose()),
        encryption_algorithm: Some(algorithm.name().to_owned()),
        key_material_id: material_id(opened.material),
        ..wire::DecryptResponse::default()
    };
    answer(input.dry_run, output)
}

pub(crate) async fn re_encrypt(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ReEncryptRequest,
) -> Result<wire::ReEncryptResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let source_algorithm = algorithm(input.source_encryption_algorithm.as_deref())?;
    let new_algorithm = algorithm(input.destination_encryption_algorithm.as_deref())?;
    refuse_unbuilt("DryRunModifiers", input.dry_run_modifiers.as_ref())?;
    let blob = required(input.ciphertext_blob, "CiphertextBlob")?;
    let name = required(input.destination_key_id, "DestinationKeyId")?;
    let source_context = context(input.source_encryption_context)?;
    let new_context = context(input.destination_encryption_context)?;
    let source = Cipher { algorithm: source_algorithm, context: &source_context };
    let to = (name.as_str(), Cipher { algorithm: new_algorithm, context: &new_context });
    let from = (input.source_key_id.as_deref(), &*blob, source);
    let (opened, made) = kms.re_encrypt(caller.authorized(), caller.scope(), from, to).map_err(to_aws)?;
    let output = wire::ReEncryptResponse {
        ciphertext_blob: Some(made.blob.into()),
        source_key_id: Some(opened.key.to_string()),
        key_id: Some(made.key.to_string()),
        source_encryption_algorithm: Some(source_algorithm.name().to_owned()),
        destination_encryption_algorithm: Some(new_algorithm.name().to_owned()),
        source_key_material_id: material_id(opened.material),
        destination_key_material_id: material_id(made.material),
    };
    answer(input.dry_run, output)
}

pub(crate) async fn generate_data_key(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GenerateDataKeyRequest,
) -> Result<wire::GenerateDataKeyResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    refuse_unbuilt("Recipient", input.recipient.as_ref())?;
    let name = required(input.key_id, "KeyId")?;
    let size_bytes = data_key_size_bytes(input.key_spec.as_deref(), input.number_of_bytes)?;
    let context = context(input.encryption_context)?;
    let GeneratedKey { key, plaintext, blob, material } =
        kms.generate_data_key(caller.authorized(), caller.scope(), &name, size_bytes, &context).map_err(to_aws)?;
    let output = wire::GenerateDataKeyResponse {
        ciphertext_blob: Some(blob.into()),
        plaintext: secret(plaintext.expose()),
        key_id: Some(key.to_string()),
        key_material_id: material_id(material),
        ..wire::GenerateDataKeyResponse::default()
    };
    answer(input.dry_run, output)
}

pub(crate) async fn generate_data_key_without_plaintext(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GenerateDataKeyWithoutPlaintextRequest,
) -> Result<wire::GenerateDataKeyWithoutPlaintextResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let name = required(input.key_id, "KeyId")?;
    let size_bytes = data_key_size_bytes(input.key_spec.as_deref(), input.number_of_bytes)?;
    let context = context(input.encryption_context)?;
    let made =
        kms.generate_data_key(caller.authorized(), caller.scope(), &name, size_bytes, &context).map_err(to_aws)?;
    let output = wire::GenerateDataKeyWithoutPlaintextResponse {
        ciphertext_blob: Some(made.blob.into()),
        key_id: Some(made.key.to_string()),
        key_material_id: material_id(made.material),
    };
    answer(input.dry_run, output)
}

pub(crate) async fn generate_random(
    kms: Arc<Kms>,
    _caller: Caller,
    input: wire::GenerateRandomRequest,
) -> Result<wire::GenerateRandomResponse, AwsError> {
    refuse_unbuilt("CustomKeyStoreId", input.custom_key_store_id.as_ref())?;
    refuse_unbuilt("Recipient", input.recipient.as_ref())?;
    let size_bytes = usize::try_from(required(input.number_of_bytes, "NumberOfBytes")?)
        .map_err(|_| to_aws(KmsError::Validation { reason: "NumberOfBytes must be positive.".to_owned() }))?;
    let bytes = kms.random(size_bytes).map_err(to_aws)?;
    Ok(wire::GenerateRandomResponse { plaintext: secret(bytes.expose()), ..wire::GenerateRandomResponse::default() })
}
