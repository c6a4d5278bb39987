//! Account ids, regions and the pair of them. Knows nothing of where they are stored.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Twelve decimal digits that name an account.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

/// The name of a region, such as `us-east-1`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// Where a resource lives: account and region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The owning account.
    pub account: AccountId,
    /// The region; global services use the server's own.
    pub region: Region,
}

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not twelve decimal digits.
    #[error("an account id is twelve decimal digits, got `{text}`")]
    AccountId {
        /// What was given.
        text: String,
    },
    /// Not a region name.
    #[error("a region is 1 to 32 of a-z, 0-9 and `-`, got `{text}`")]
    Region {
        /// What was given.
        text: String,
    },
}

impl AccountId {
    /// Checks and wraps `text`.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            Err(IdError::AccountId { text })
        }
    }

    /// The first account of a lake unless the configuration names another: `000000000000`.
    pub fn first() -> Self {
        Self("000000000000".to_owned())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Region {
    /// Checks and wraps `text`.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text))
        } else {
            Err(IdError::Region { text })
        }
    }

    /// `us-east-1`, the region unless the configuration names another.
    pub fn us_east_1() -> Self {
        Self("us-east-1".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}
text_id!(AccountId);
text_id!(Region);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        let account = |text: &str, good: bool| assert_eq!(AccountId::new(text).is_ok(), good, "{text:?}");
        account("000000000000", true);
        account("00000000000", false);
        account("00000000000x", false);
        account("٠٠٠٠٠٠", false);
        let region = |text: &str, good: bool| assert_eq!(Region::new(text).is_ok(), good, "{text:?}");
        region("us-east-1", true);
        region("", false);
        region("US", false);
        region("a/b", false);
    }
}
