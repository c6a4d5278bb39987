//! The nouns every layer shares: account, region, ARN, entity tags and named limits. Knows no storage, no HTTP, no clock.

mod arn;
mod ids;
mod tls;

pub use arn::{Arn, ArnError};
pub use ids::{AccountId, IdError, Region, Scope};
pub use tls::TlsSession;

/// The partition of every ARN that Tarn makes.
pub const PARTITION: &str = "aws";
