//! What keys are for, on the wire: encryption, decryption, data keys, random bytes.

use std::sync::Arc;

use bytes::Bytes;
use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::AwsError;
use tarn_keys::kms::{GeneratedKey, Kms, KmsError};

use crate::convert::{SYMMETRIC, context, refuse_unbuilt, require_plain, require_symmetric, required};
use crate::errors::to_aws;

fn secret(bytes: &[u8]) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(bytes))
}

fn symmetric() -> Option<String> {
    Some(SYMMETRIC.to_owned())
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
    require_plain(&input.grant_tokens, input.dry_run)?;
    require_symmetric(&input.encryption_algorithm)?;
    let (name, plaintext) = (required(input.key_id, "KeyId")?, required(input.plaintext, "Plaintext")?);
    let context = context(input.encryption_context)?;
    let made = kms.encrypt(caller.authorized(), caller.scope(), &name, &plaintext, &context).map_err(to_aws)?;
    Ok(wire::EncryptResponse {
        ciphertext_blob: Some(made.blob.into()),
        key_id: Some(made.key.to_string()),
        encryption_algorithm: symmetric(),
    })
}

pub(crate) async fn decrypt(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::DecryptRequest,
) -> Result<wire::DecryptResponse, AwsError> {
    require_plain(&input.grant_tokens, input.dry_run)?;
    require_symmetric(&input.encryption_algorithm)?;
    refuse_unbuilt("Recipient", input.recipient.as_ref())?;
    refuse_unbuilt("DryRunModifiers", input.dry_run_modifiers.as_ref())?;
    let blob = required(input.ciphertext_blob, "CiphertextBlob")?;
    let context = context(input.encryption_context)?;
    let opened =
        kms.decrypt(caller.authorized(), caller.scope(), input.key_id.as_deref(), &blob, &context).map_err(to_aws)?;
    Ok(wire::DecryptResponse {
        key_id: Some(opened.key.to_string()),
        plaintext: secret(opened.plaintext.expose()),
        encryption_algorithm: symmetric(),
        ..wire::DecryptResponse::default()
    })
}

pub(crate) async fn re_encrypt(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ReEncryptRequest,
) -> Result<wire::ReEncryptResponse, AwsError> {
    require_plain(&input.grant_tokens, input.dry_run)?;
    require_symmetric(&input.source_encryption_algorithm)?;
    require_symmetric(&input.destination_encryption_algorithm)?;
    refuse_unbuilt("DryRunModifiers", input.dry_run_modifiers.as_ref())?;
    let blob = required(input.ciphertext_blob, "CiphertextBlob")?;
    let name = required(input.destination_key_id, "DestinationKeyId")?;
    let source_context = context(input.source_encryption_context)?;
    let new_context = context(input.destination_encryption_context)?;
    let from = (input.source_key_id.as_deref(), &*blob, &source_context);
    let (source, made) =
        kms.re_encrypt(caller.authorized(), caller.scope(), from, (&name, &new_context)).map_err(to_aws)?;
    Ok(wire::ReEncryptResponse {
        ciphertext_blob: Some(made.blob.into()),
        source_key_id: Some(source.to_string()),
        key_id: Some(made.key.to_string()),
        source_encryption_algorithm: symmetric(),
        destination_encryption_algorithm: symmetric(),
        ..wire::ReEncryptResponse::default()
    })
}

pub(crate) async fn generate_data_key(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GenerateDataKeyRequest,
) -> Result<wire::GenerateDataKeyResponse, AwsError> {
    require_plain(&input.grant_tokens, input.dry_run)?;
    refuse_unbuilt("Recipient", input.recipient.as_ref())?;
    let name = required(input.key_id, "KeyId")?;
    let size_bytes = data_key_size_bytes(input.key_spec.as_deref(), input.number_of_bytes)?;
    let context = context(input.encryption_context)?;
    let GeneratedKey { key, plaintext, blob } =
        kms.generate_data_key(caller.authorized(), caller.scope(), &name, size_bytes, &context).map_err(to_aws)?;
    Ok(wire::GenerateDataKeyResponse {
        ciphertext_blob: Some(blob.into()),
        plaintext: secret(plaintext.expose()),
        key_id: Some(key.to_string()),
        ..wire::GenerateDataKeyResponse::default()
    })
}

pub(crate) async fn generate_data_key_without_plaintext(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GenerateDataKeyWithoutPlaintextRequest,
) -> Result<wire::GenerateDataKeyWithoutPlaintextResponse, AwsError> {
    require_plain(&input.grant_tokens, input.dry_run)?;
    let name = required(input.key_id, "KeyId")?;
    let size_bytes = data_key_size_bytes(input.key_spec.as_deref(), input.number_of_bytes)?;
    let context = context(input.encryption_context)?;
    let made =
        kms.generate_data_key(caller.authorized(), caller.scope(), &name, size_bytes, &context).map_err(to_aws)?;
    Ok(wire::GenerateDataKeyWithoutPlaintextResponse {
        ciphertext_blob: Some(made.blob.into()),
        key_id: Some(made.key.to_string()),
        ..wire::GenerateDataKeyWithoutPlaintextResponse::default()
    })
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
