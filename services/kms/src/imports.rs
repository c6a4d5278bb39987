//! Material that its owner brings, on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::AwsError;
use tarn_keys::kms::{ImportKeyMaterial, KeySpec, Kms, WrappingAlgorithm};

use crate::convert::{date, material_id, named, refuse_unbuilt, required};
use crate::errors::to_aws;

pub(crate) async fn parameters(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GetParametersForImportRequest,
) -> Result<wire::GetParametersForImportResponse, AwsError> {
    let name = required(input.key_id, "KeyId")?;
    let algorithm = required(input.wrapping_algorithm, "WrappingAlgorithm")?;
    let algorithm = named(WrappingAlgorithm::of, &algorithm, "this wrapping algorithm")?;
    let spec = named(KeySpec::of, &required(input.wrapping_key_spec, "WrappingKeySpec")?, "this wrapping key")?;
    let made = kms.parameters_for_import(caller.authorized(), caller.scope(), &name, algorithm, spec).await;
    let made = made.map_err(to_aws)?;
    Ok(wire::GetParametersForImportResponse {
        key_id: Some(made.key.to_string()),
        import_token: Some(made.token.into()),
        public_key: Some(made.public_key.into()),
        parameters_valid_to: date(made.valid_to_ms),
    })
}

/// When material ends: it does, unless it is said not to.
fn valid_to_ms(input: &wire::ImportKeyMaterialRequest) -> Result<Option<i64>, AwsError> {
    let refused = |reason| Err(AwsError::validation(&wire::SERVICE, reason));
    match (input.expiration_model.as_deref(), input.valid_to) {
        (None | Some("KEY_MATERIAL_EXPIRES"), Some(time)) => Ok(Some(time.as_millisecond())),
        (None | Some("KEY_MATERIAL_EXPIRES"), None) => refused("ValidTo is required for material that expires."),
        (Some(_), None) => Ok(None),
        (Some(_), Some(_)) => refused("ValidTo must not be given for material that does not expire."),
    }
}

pub(crate) async fn import(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ImportKeyMaterialRequest,
) -> Result<wire::ImportKeyMaterialResponse, AwsError> {
    let other = |kind: &&String| kind.as_str() != "EXISTING_KEY_MATERIAL";
    refuse_unbuilt("ImportType NEW_KEY_MATERIAL", input.import_type.as_ref().filter(other))?;
    refuse_unbuilt("KeyMaterialDescription", input.key_material_description.as_ref())?;
    refuse_unbuilt("KeyMaterialId", input.key_material_id.as_ref())?;
    let valid_to_ms = valid_to_ms(&input)?;
    let import = ImportKeyMaterial {
        token: required(input.import_token, "ImportToken")?.to_vec(),
        wrapped: required(input.encrypted_key_material, "EncryptedKeyMaterial")?.to_vec(),
        valid_to_ms,
    };
    let name = required(input.key_id, "KeyId")?;
    let (key, id) = kms.import_key_material(&caller, &name, import).await.map_err(to_aws)?;
    Ok(wire::ImportKeyMaterialResponse {
        key_id: Some(key.arn().to_string()),
        key_material_id: material_id(Some(id).filter(|_| key.spec == KeySpec::SymmetricDefault)),
    })
}

pub(crate) async fn delete(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::DeleteImportedKeyMaterialRequest,
) -> Result<wire::DeleteImportedKeyMaterialResponse, AwsError> {
    refuse_unbuilt("KeyMaterialId", input.key_material_id.as_ref())?;
    let name = required(input.key_id, "KeyId")?;
    let key = kms.delete_imported_key_material(&caller, &name).await.map_err(to_aws)?;
    let id = key.imported.filter(|_| key.spec == KeySpec::SymmetricDefault).map(|imported| imported.id);
    Ok(wire::DeleteImportedKeyMaterialResponse {
        key_id: Some(key.arn().to_string()),
        key_material_id: material_id(id),
    })
}
