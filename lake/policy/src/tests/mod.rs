//! Tables and properties of policies: what is accepted, what matches, what is decided.

mod conditions;
mod controls;
mod decisions;
mod grammar;
mod grants;
mod laws;
mod probes;
mod properties;
mod public;
mod sessions;

use std::sync::Arc;

use tarn_types::{AccountId, Arn};

use crate::*;

const OWNER: &str = "111111111111";
const OTHER: &str = "222222222222";

fn account(text: &str) -> AccountId {
    AccountId::new(text).expect("account")
}

fn user(account_id: &str, name: &str) -> Principal {
    Principal::user(account(account_id), name, "AIDAEXAMPLE")
}

fn identity(text: &str) -> Arc<Policy> {
    Arc::new(Policy::parse(text, PolicyKind::Identity).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn resource(text: &str) -> Policy {
    Policy::parse(text, PolicyKind::Resource).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// One statement of the newer version, its braces left out.
fn one(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":{{{statement}}}}}"#)
}

/// Whether an identity's one allowing statement with `condition` lets `context` through.
fn holds(condition: &str, context: &Context) -> bool {
    let policy = identity(&one(&format!(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}"#)));
    let question = Question {
        principal: &user(OWNER, "ada"),
        action: "s3:GetObject",
        resource: Some(&Arn::s3_object("b", "k")),
        resource_owner: Some(&account(OWNER)),
        own: &Context::new(),
        request: context,
        of_callers_own: false,
        is_supposed: false,
    };
    decide(&question, &PolicySets { identity: &[policy], resource: None, ..PolicySets::default() }).is_allowed()
}
