//! Tokens that say where a list goes on: opaque to clients, and checked when they come back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tarn_aws_protocol::AwsError;

use crate::errors::invalid;

/// The longest token, bytes: the values of a partition, escaped.
const TOKEN_SIZE_BYTES_MAX: usize = 32 << 10;

/// A token for these parts.
pub(crate) fn token(parts: &[String]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::Value::from(parts.to_vec()).to_string())
}

/// The parts of a token; an empty one is none.
pub(crate) fn parts(token: Option<&String>) -> Result<Option<Vec<String>>, AwsError> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let refused =
        || invalid("The NextToken is not one that this operation has given; start the list again without it.");
    if token.len() > TOKEN_SIZE_BYTES_MAX {
        return Err(refused());
    }
    let text = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
    serde_json::from_slice(&text).map(Some).map_err(|_| refused())
}

/// The only part of a token.
pub(crate) fn part(token: Option<&String>) -> Result<Option<String>, AwsError> {
    Ok(parts(token)?.and_then(|mut parts| parts.pop()))
}

/// A page size within its limits; the model has checked what was given.
pub(crate) fn limit(asked: Option<i32>, limit_max: usize) -> usize {
    asked.and_then(|asked| usize::try_from(asked).ok()).map_or(limit_max, |asked| asked.clamp(1, limit_max))
}
