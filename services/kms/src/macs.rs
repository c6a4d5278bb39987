//! Message authentication codes on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::AwsError;
use tarn_keys::kms::{Kms, MacAlgorithm};

use crate::convert::{answer, check_tokens, named, required};
use crate::errors::to_aws;

fn algorithm(name: Option<String>) -> Result<MacAlgorithm, AwsError> {
    named(MacAlgorithm::of, &required(name, "MacAlgorithm")?, "this MAC algorithm")
}

pub(crate) async fn generate(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GenerateMacRequest,
) -> Result<wire::GenerateMacResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let (name, message) = (required(input.key_id, "KeyId")?, required(input.message, "Message")?);
    let algorithm = algorithm(input.mac_algorithm)?;
    let made = kms.generate_mac(caller.authorized(), caller.scope(), &name, algorithm, &message);
    let (key, mac) = made.map_err(to_aws)?;
    let output = wire::GenerateMacResponse {
        mac: Some(mac.into()),
        mac_algorithm: Some(algorithm.name().to_owned()),
        key_id: Some(key.to_string()),
    };
    answer(input.dry_run, output)
}

pub(crate) async fn verify(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::VerifyMacRequest,
) -> Result<wire::VerifyMacResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let (name, message) = (required(input.key_id, "KeyId")?, required(input.message, "Message")?);
    let (algorithm, mac) = (algorithm(input.mac_algorithm)?, required(input.mac, "Mac")?);
    let verified = kms.verify_mac(caller.authorized(), caller.scope(), &name, algorithm, &message, &mac);
    let output = wire::VerifyMacResponse {
        key_id: Some(verified.map_err(to_aws)?.to_string()),
        mac_valid: Some(true),
        mac_algorithm: Some(algorithm.name().to_owned()),
    };
    answer(input.dry_run, output)
}
