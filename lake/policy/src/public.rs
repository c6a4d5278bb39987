//! Whether a policy is public in S3's sense: whether a statement lets in callers that it does not name one by one.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>

use ipnet::IpNet;

use crate::condition::Condition;
use crate::document::{Effect, Policy, Statement};
use crate::principals::{Named, Principals};

/// Keys that, held to fixed values, say who is let in.
const AUDIENCE: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalservicename",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// Networks larger than these are the public: IPv4 /8, IPv6 /32.
const PREFIX_BITS_MIN_V4: u8 = 8;
const PREFIX_BITS_MIN_V6: u8 = 32;

impl Policy {
    /// Whether some statement allows callers whom neither its principals nor a condition with fixed values name. Errs on the side of yes.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(is_public)
    }
}

fn is_public(statement: &Statement) -> bool {
    let for_everyone = match &statement.principals {
        Principals::Holder => false,
        Principals::These(named) => named.contains(&Named::Everyone),
        Principals::AllBut(_) => true,
    };
    statement.effect == Effect::Allow && for_everyone && !statement.conditions.iter().any(names_its_audience)
}

fn names_its_audience(condition: &Condition) -> bool {
    AUDIENCE.contains(&condition.key()) && condition.holds_only_for_fixed_values()
}

/// Whether a network is small enough not to be the public.
pub(crate) fn is_narrow(network: &IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() >= PREFIX_BITS_MIN_V4,
        IpNet::V6(network) => network.prefix_len() >= PREFIX_BITS_MIN_V6,
    }
}
