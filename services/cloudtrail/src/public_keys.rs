//! The keys of digests on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::cloudtrail as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_trails::PublicKey;

use crate::CloudTrail;
use crate::convert::timestamp;
use crate::errors::trails_to_aws;

/// The token is the last key's fingerprint.
pub(crate) async fn list(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::ListPublicKeysRequest,
) -> Result<wire::ListPublicKeysResponse, AwsError> {
    let ms = |time: Timestamp| time.as_millisecond();
    let (from_ms, to_ms) = (input.start_time.map(ms), input.end_time.map(ms));
    let found = state.trails.public_keys(caller.authorized(), from_ms, to_ms, input.next_token.as_deref());
    let (keys, is_all) = found.map_err(trails_to_aws)?;
    let next_token = keys.last().map(|key| key.fingerprint.clone()).filter(|_| !is_all);
    let key = |key: PublicKey| wire::PublicKey {
        value: Some(key.value.into()),
        validity_start_time: timestamp(Some(key.from_ms)),
        validity_end_time: timestamp(Some(key.to_ms)),
        fingerprint: Some(key.fingerprint),
    };
    Ok(wire::ListPublicKeysResponse { public_key_list: Some(keys.into_iter().map(key).collect()), next_token })
}
