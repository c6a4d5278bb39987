//! What fuzzers and property tests feed bytes to: each probe reads arbitrary bytes as one thing that callers write, and panics where what
//! comes of them breaks a rule; it tells whether they were such a thing at all. The targets are in `fuzz/`, the test in `tests/probes.rs`;
//! both begin with the seeds in `fuzz/seeds/`.

use std::sync::Arc;

use tarn_types::{AccountId, Arn};

use crate::{
    Context, Policy, PolicyKind, PolicySets, Principal, Question, context_keys, decide, explain, statement_positions,
};

/// A probe: what it is fed, and whether that was such a thing.
pub type Probe = fn(&[u8]) -> bool;

/// Probes by their names, which their targets and folders of seeds have, too.
pub const ALL: [(&str, Probe); 2] = [("policy", policy), ("condition", condition)];

const KINDS: [PolicyKind; 7] = [
    PolicyKind::Identity,
    PolicyKind::Resource,
    PolicyKind::Key,
    PolicyKind::Trust,
    PolicyKind::AnyResource,
    PolicyKind::ServiceControl,
    PolicyKind::ResourceControl,
];

fn ask(policy: Policy, context: &Context) -> (bool, bool) {
    let principal = Principal::user(AccountId::first(), "ada", "AIDAEXAMPLE");
    let (own, resource) = (Context::new(), Arn::s3_object("b", "ada/k"));
    let question = Question {
        principal: &principal,
        action: "s3:GetObject",
        resource: Some(&resource),
        resource_owner: Some(&principal.account),
        own: &own,
        request: context,
        of_callers_own: false,
        is_supposed: true,
    };
    let of_resource = !policy.kind().is_of_holder();
    let list = [Arc::new(policy)];
    let sets = if of_resource {
        PolicySets { resource: list.first().map(|policy| &**policy), ..PolicySets::default() }
    } else {
        PolicySets { identity: &list, ..PolicySets::default() }
    };
    let decision = decide(&question, &sets);
    let explained = explain(&question, &sets, &|_, _, _| String::new());
    assert_eq!(explained.decision, decision);
    assert!(!explained.because.is_empty());
    (decision.is_allowed(), decision.refused.is_some_and(crate::DeniedBecause::is_explicit))
}

/// A policy of each kind: what is read has a place for each statement, and is decided by alike whether it was read strictly or not.
pub fn policy(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let keys = context_keys(text);
    let mut any = false;
    for kind in KINDS {
        let strict = Policy::parse(text, kind);
        let lenient = Policy::parse_leniently(text, kind);
        if let Err(error) = &strict {
            assert!(!error.to_string().is_empty());
            continue;
        }
        let (Ok(strict), Ok(lenient)) = (strict, lenient) else { panic!("read strictly, but not leniently: {text}") };
        assert!(lenient.notes().is_empty(), "{text}");
        assert_eq!(statement_positions(text).len(), strict.statement_count(), "{text}");
        for key in strict.condition_keys() {
            assert!(keys.iter().any(|known| known.eq_ignore_ascii_case(key)), "{key}: {text}");
        }
        assert_eq!(ask(strict, &Context::new()), ask(lenient, &Context::new()), "{text}");
        any = true;
    }
    any
}

/// An operator, a value of a policy and a value of a request, a line each: an operator and its negation never agree on one value.
pub fn condition(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut lines = text.splitn(3, '\n');
    let (Some(operator), Some(value), Some(asked)) = (lines.next(), lines.next(), lines.next()) else { return false };
    let holds = |operator: &str| {
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { operator: { "s3:prefix": value } }
            }]
        });
        let policy = Policy::parse(&policy.to_string(), PolicyKind::Identity).ok()?;
        Some(ask(policy, &Context::new().with("s3:prefix", asked)).0)
    };
    let Some(positive) = holds(operator) else { return false };
    if !asked.is_empty() {
        assert_eq!(holds(&format!("{operator}IfExists")).unwrap_or(positive), positive, "{text}");
    }
    let negation = [
        ("StringEquals", "StringNotEquals"),
        ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
        ("StringLike", "StringNotLike"),
        ("NumericEquals", "NumericNotEquals"),
        ("DateEquals", "DateNotEquals"),
        ("IpAddress", "NotIpAddress"),
        ("ArnLike", "ArnNotLike"),
        ("ArnEquals", "ArnNotEquals"),
    ];
    if let Some((_, negated)) = negation.iter().find(|(name, _)| *name == operator) {
        assert_eq!(holds(negated), Some(!positive), "{text}");
    }
    true
}
