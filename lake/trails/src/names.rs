//! Names of trails, as they are chosen and as requests give them: by name or by ARN.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-trail-naming-requirements.html>

use tarn_types::{Arn, Scope};

use crate::TrailsError;

/// Characters of a key prefix.
const PREFIX_LENGTH_MAX: usize = 200;

/// The ARN of the trail that `text` names to a caller of `scope`; what is no name makes an ARN that no trail has.
pub fn trail_arn(scope: &Scope, text: &str) -> Arn {
    match Arn::parse(text) {
        Ok(arn) if arn.service == "cloudtrail" => arn,
        Ok(_) | Err(_) => Arn::regional("cloudtrail", &scope.region, &scope.account, format!("trail/{text}")),
    }
}

/// A name that may be given to a new trail.
pub(crate) fn check_name(name: &str) -> Result<(), TrailsError> {
    let refused = |reason| Err(TrailsError::InvalidName { reason });
    let is_part = |byte: u8| matches!(byte, b'.' | b'_' | b'-');
    let bytes = name.as_bytes();
    if name.is_empty() {
        return refused("Trail name cannot be blank!");
    }
    if !(3..=128).contains(&bytes.len()) {
        return refused("Trail name must have between 3 and 128 characters.");
    }
    if !bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || is_part(*byte)) {
        return refused("Trail name can only contain ASCII letters, numbers, periods, underscores and dashes.");
    }
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return refused("Trail name must start with a letter or number.");
    }
    if !bytes.last().is_some_and(u8::is_ascii_alphanumeric) {
        return refused("Trail name must end with a letter or number.");
    }
    if bytes.windows(2).any(|pair| pair.iter().all(|byte| is_part(*byte))) {
        return refused("Trail name cannot have two of periods, underscores and dashes next to each other.");
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return refused("Trail name must not look like an IP address.");
    }
    Ok(())
}

/// The name in `text`, which is a name or an ARN, for a caller of `scope`.
pub(crate) fn name_in(scope: &Scope, text: &str) -> Result<String, TrailsError> {
    if !text.starts_with("arn:") {
        check_name(text)?;
        return Ok(text.to_owned());
    }
    let invalid = || TrailsError::InvalidArn { arn: text.to_owned() };
    let arn = Arn::parse(text).map_err(|_| invalid())?;
    let name = arn.resource.strip_prefix("trail/").filter(|_| arn.service == "cloudtrail").ok_or_else(invalid)?;
    if arn.account != scope.account.as_str() || arn.region != scope.region.as_str() {
        return Err(TrailsError::NoSuchTrail { arn: text.to_owned() });
    }
    Ok(name.to_owned())
}

/// A prefix that may stand before a trail's keys.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), TrailsError> {
    if prefix.chars().count() > PREFIX_LENGTH_MAX {
        return Err(TrailsError::InvalidPrefix {
            reason: "S3 prefix is longer than maximum length of 200 characters.",
        });
    }
    if prefix.starts_with('/') || prefix.chars().any(char::is_control) {
        return Err(TrailsError::InvalidPrefix {
            reason: "S3 prefix must not start with / nor have control characters.",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        let check = |name: &str, expected: bool| assert_eq!(check_name(name).is_ok(), expected, "{name:?}");
        check("abc", true);
        check("My-Trail_1.a", true);
        check(&"a".repeat(128), true);
        check("", false);
        check("ab", false);
        check(&"a".repeat(129), false);
        check("-abc", false);
        check("abc.", false);
        check("my--trail", false);
        check("my_-trail", false);
        check("my trail", false);
        check("trägt", false);
        check("192.168.5.4", false);
    }
}
