//! What an account has, in numbers, on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::Identity;

use crate::errors::to_aws;

pub(crate) async fn summary(
    identity: Arc<Identity>,
    caller: Caller,
    _: Unit,
) -> Result<wire::GetAccountSummaryResponse, AwsError> {
    let found = identity.account_summary(&caller).map_err(to_aws)?;
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let map = found.into_iter().map(|(name, count)| (name.to_owned(), number(count))).collect();
    Ok(wire::GetAccountSummaryResponse { summary_map: Some(map) })
}
