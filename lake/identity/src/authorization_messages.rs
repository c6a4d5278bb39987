//! What a refusal was about, sealed for who may know it: who was refused what, under which conditions. The text goes with the refusal; it
//! opens for the account whose caller was refused, and for no other. Nothing is stored.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html>

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_keys::{KeyContext, SealedSecret};
use tarn_metadata::{Record, decode_record, encode_record};
use tarn_types::AccountId;

use crate::{Identity, IdentityError};

/// No message is longer: it travels in a header of an answer.
pub const AUTHORIZATION_MESSAGE_CHARS_MAX: usize = 4_096;
/// What a message says at most, before it is sealed and written as text.
const SAID_SIZE_BYTES_MAX: usize = 2_800;
/// The longest value of a condition key that a message says, and the longest id of a statement; longer ones are cut.
const VALUE_SIZE_BYTES_MAX: usize = 256;
/// The most statements that it names.
const STATEMENTS_MAX: usize = 4;

/// What a refusal was about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationMessage {
    /// Whether a statement denied it.
    pub explicit_deny: bool,
    /// The ids of the statements that did, where they have one.
    pub statements: Vec<Option<String>>,
    /// The id of who was refused.
    pub principal_id: String,
    /// Their ARN.
    pub principal_arn: String,
    /// `s3:GetObject`.
    pub action: String,
    /// On what; `None` is everything.
    pub resource: Option<String>,
    /// The condition keys and their values, as many as there is room for.
    pub conditions: Vec<(String, Vec<String>)>,
}

impl Record for AuthorizationMessage {
    const VERSION: u16 = 1;
}

#[derive(Serialize, Deserialize)]
struct Message(SealedSecret);

impl Record for Message {
    const VERSION: u16 = 1;
}

fn context(account: &AccountId) -> KeyContext {
    KeyContext::new("identity.authorization-message").part(account.as_str().as_bytes())
}

fn cut(text: &str, size_bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(size_bytes_max)).unwrap_or_default().to_owned()
}

impl AuthorizationMessage {
    /// As much of it as a message has room for.
    fn fitting(mut self) -> Result<Vec<u8>, IdentityError> {
        let unwritable = |_| IdentityError::InvalidAuthorizationMessage;
        let conditions = std::mem::take(&mut self.conditions);
        self.resource = self.resource.map(|text| cut(&text, 4 * VALUE_SIZE_BYTES_MAX));
        self.statements.truncate(STATEMENTS_MAX);
        for sid in self.statements.iter_mut().flatten() {
            *sid = cut(sid, VALUE_SIZE_BYTES_MAX);
        }
        let mut size_bytes = encode_record(&self).map_err(unwritable)?.len();
        for (key, values) in conditions {
            let values: Vec<String> = values.iter().map(|value| cut(value, VALUE_SIZE_BYTES_MAX)).collect();
            // Each text has its length before it.
            let more: usize = key.len() + 4 + values.iter().map(|value| value.len() + 2).sum::<usize>();
            if size_bytes + more <= SAID_SIZE_BYTES_MAX {
                size_bytes += more;
                self.conditions.push((key, values));
            }
        }
        encode_record(&self).map_err(unwritable)
    }
}

impl Identity {
    /// The text of a message for callers of `account`.
    pub fn authorization_message(
        &self,
        account: &AccountId,
        message: AuthorizationMessage,
    ) -> Result<String, IdentityError> {
        let sealed = self.keys.seal_secret(&message.fitting()?, &context(account));
        let sealed = sealed.map_err(|source| IdentityError::Keys { source })?;
        let bytes = encode_record(&Message(sealed)).map_err(|_| IdentityError::InvalidAuthorizationMessage)?;
        let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match text.len() > AUTHORIZATION_MESSAGE_CHARS_MAX {
            true => Err(IdentityError::InvalidAuthorizationMessage),
            false => Ok(text),
        }
    }

    /// What a message of the caller's account says.
    pub fn decode_authorization_message(
        &self,
        caller: &Caller,
        text: &str,
    ) -> Result<AuthorizationMessage, IdentityError> {
        let open = || {
            if text.len() > AUTHORIZATION_MESSAGE_CHARS_MAX {
                return None;
            }
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
            let message: Message = decode_record(&bytes).ok()?;
            // The whole text is the message: nothing stands behind it.
            let Message(sealed) = &message;
            if encode_record(&message).ok()? != bytes {
                return None;
            }
            let said = self.keys.open_secret(sealed, &context(&caller.scope().account)).ok()?;
            decode_record(said.expose()).ok()
        };
        open().ok_or(IdentityError::InvalidAuthorizationMessage)
    }
}
