//! Between the wire's shapes and identity's.

use tarn_aws_model::sts as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_identity::{Narrowing, NewSession, SESSION_TOKEN_CHARS_MAX, SessionCredentials, Tag};

/// The model's check has refused requests without required members; what slips through is refused here.
pub(crate) fn required<T>(member: Option<T>, name: &str) -> Result<T, AwsError> {
    member.ok_or_else(|| AwsError::validation(&wire::SERVICE, format!("{name} is required.")))
}

pub(crate) fn seconds(duration: Option<i32>) -> Option<u32> {
    duration.and_then(|seconds| u32::try_from(seconds).ok())
}

pub(crate) fn tags(tags: Option<Vec<wire::Tag>>) -> Vec<Tag> {
    let tag = |tag: wire::Tag| Tag { key: tag.key.unwrap_or_default(), value: tag.value.unwrap_or_default() };
    tags.into_iter().flatten().map(tag).collect()
}

pub(crate) fn narrowing(policy: Option<String>, arns: Option<Vec<wire::PolicyDescriptorType>>) -> Narrowing {
    Narrowing { policy, policy_arns: arns.into_iter().flatten().filter_map(|policy| policy.arn).collect() }
}

pub(crate) fn credentials(credentials: &SessionCredentials) -> wire::Credentials {
    let SessionCredentials { access_key_id, secret, token, expires_ms } = credentials;
    wire::Credentials {
        access_key_id: Some(access_key_id.clone()),
        secret_access_key: secret.expose_text().map(str::to_owned),
        session_token: token.expose_text().map(str::to_owned),
        expiration: Timestamp::from_second(expires_ms.div_euclid(1_000)).ok(),
    }
}

/// The size of the token, and how much that is of what it can have, in hundredths.
pub(crate) fn token_size(credentials: &SessionCredentials) -> (Option<i32>, Option<i32>) {
    let size = credentials.token.expose().len();
    let number = |number: usize| i32::try_from(number).ok();
    (number(size), number(size.saturating_mul(100).div_ceil(SESSION_TOKEN_CHARS_MAX)))
}

pub(crate) fn assumed_role(session: &NewSession) -> wire::AssumedRoleUser {
    wire::AssumedRoleUser { assumed_role_id: Some(session.id.clone()), arn: Some(session.arn.to_string()) }
}

pub(crate) fn percent(session: &NewSession) -> Option<i32> {
    session.packed_percent.and_then(|percent| i32::try_from(percent).ok())
}
