//! What is known when a decision is made: the request's condition keys, and those that only the server may say.

use std::cell::OnceCell;

use tarn_types::{AccountId, Arn};

use crate::principal::{Principal, PrincipalKind};
use crate::proof::Context;

/// Keys that follow from the signature, never from what a request says of itself: a header that got into the context must not win.
const DERIVED: &[&str] = &[
    "aws:username",
    "aws:userid",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principaltype",
    "aws:principalisawsservice",
    "aws:principalservicename",
    "aws:principalorgid",
    "aws:resourceaccount",
    "s3:resourceaccount",
];
const DERIVED_PREFIXES: &[&str] = &["aws:principaltag/"];

/// Condition keys of one question. Keys are looked up in lower case.
pub(crate) struct Facts<'a> {
    principal: &'a Principal,
    resource_owner: Option<&'a AccountId>,
    own: &'a Context,
    request: &'a Context,
    derived: OnceCell<Context>,
}

impl<'a> Facts<'a> {
    /// `own` are the requirement's keys, `request` those of the request; the former win.
    pub(crate) fn new(
        principal: &'a Principal,
        resource_owner: Option<&'a AccountId>,
        own: &'a Context,
        request: &'a Context,
    ) -> Self {
        Self { principal, resource_owner, own, request, derived: OnceCell::new() }
    }

    pub(crate) fn principal(&self) -> &Principal {
        self.principal
    }

    /// The values of a key that is written in lower case.
    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        if DERIVED.contains(&key) || DERIVED_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            return self.derived.get_or_init(|| derive(self.principal, self.resource_owner)).get_lower(key);
        }
        self.own.get_lower(key).or_else(|| self.request.get_lower(key))
    }
}

fn derive(principal: &Principal, resource_owner: Option<&AccountId>) -> Context {
    let mut context = Context::new();
    if let Some(owner) = resource_owner {
        context.set("aws:resourceaccount", owner.as_str());
        context.set("s3:resourceaccount", owner.as_str());
    }
    let service = matches!(principal.kind, PrincipalKind::Service { .. });
    context.set("aws:principalisawsservice", if service { "true" } else { "false" });
    match &principal.kind {
        PrincipalKind::Root => context.set("aws:principaltype", "Account"),
        PrincipalKind::User { name, .. } => {
            context.set("aws:principaltype", "User");
            context.set("aws:username", name.clone());
        }
        PrincipalKind::AssumedRole { role, .. } => {
            context.set("aws:principaltype", "AssumedRole");
            context.set("aws:principalarn", Arn::iam(&principal.account, format!("role/{role}")).to_string());
        }
        PrincipalKind::Service { name } => {
            context.set("aws:principalservicename", name.clone());
            return context;
        }
        PrincipalKind::Anonymous => {
            context.set("aws:principaltype", "Anonymous");
            context.set("aws:userid", "anonymous");
            return context;
        }
    }
    context.set("aws:userid", principal.id.clone());
    context.set("aws:principalaccount", principal.account.as_str());
    if context.get_lower("aws:principalarn").is_none()
        && let Some(arn) = principal.arn()
    {
        context.set("aws:principalarn", arn.to_string());
    }
    context
}
