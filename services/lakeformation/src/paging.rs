//! Tokens that say where a list goes on: opaque to clients; the domain checks where they lead.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tarn_aws_protocol::AwsError;

use crate::errors::invalid;

/// The longest token, bytes: names of a database, a table, a column and a principal, escaped.
const TOKEN_SIZE_BYTES_MAX: usize = 16 << 10;
/// The most items of a page, and how many there are if nobody says.
pub(crate) const PAGE_SIZE_MAX: usize = 1_000;

/// A token for a place.
pub(crate) fn token(next: Option<Vec<u8>>) -> Option<String> {
    next.map(|next| URL_SAFE_NO_PAD.encode(next))
}

/// The place of a token; an empty one is none.
pub(crate) fn after(token: Option<&String>) -> Result<Option<Vec<u8>>, AwsError> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    let refused =
        || invalid("The NextToken is not one that this operation has given; start the list again without it.");
    if token.len() > TOKEN_SIZE_BYTES_MAX {
        return Err(refused());
    }
    URL_SAFE_NO_PAD.decode(token).map(Some).map_err(|_| refused())
}

/// A page size within its limits; the model has checked what was given.
pub(crate) fn limit(asked: Option<i32>, limit_max: usize) -> usize {
    asked.and_then(|asked| usize::try_from(asked).ok()).map_or(limit_max, |asked| asked.clamp(1, limit_max))
}
