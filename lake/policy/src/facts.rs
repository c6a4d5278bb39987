//! What is known when a decision is made: the request's condition keys, and those that only the server may say.

use std::cell::OnceCell;

use jiff::Timestamp;
use tarn_types::AccountId;

use crate::organization::OrganizationId;
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
    "aws:principalorgpaths",
    "aws:tokenissuetime",
    "aws:sourceidentity",
    "aws:federatedprovider",
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "sts:authentication",
    "aws:resourceaccount",
    "aws:resourceorgid",
    "aws:resourceorgpaths",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "s3:resourceaccount",
];
const DERIVED_PREFIXES: &[&str] = &["aws:principaltag/"];

/// The organisations that the sides of a question are of.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrganizationsAsked<'a> {
    /// The principal's.
    pub of_principal: Option<&'a OrganizationId>,
    /// That of the resource's owner.
    pub of_resource: Option<&'a OrganizationId>,
    /// That of the account which a service asks for.
    pub of_source: Option<&'a OrganizationId>,
}

/// Condition keys of one question. Keys are looked up in lower case.
pub(crate) struct Facts<'a> {
    principal: &'a Principal,
    resource_owner: Option<&'a AccountId>,
    organizations: OrganizationsAsked<'a>,
    own: &'a Context,
    request: &'a Context,
    is_supposed: bool,
    has_boundary: bool,
    derived: OnceCell<Context>,
}

impl<'a> Facts<'a> {
    /// `own` are the requirement's keys, `request` those of the request; the former win. Of a principal that is only supposed to ask they
    /// win over what follows from it, too.
    pub(crate) fn new(
        principal: &'a Principal,
        resource_owner: Option<&'a AccountId>,
        organizations: OrganizationsAsked<'a>,
        own: &'a Context,
        request: &'a Context,
        is_supposed: bool,
        has_boundary: bool,
    ) -> Self {
        Self {
            principal,
            resource_owner,
            organizations,
            own,
            request,
            is_supposed,
            has_boundary,
            derived: OnceCell::new(),
        }
    }

    /// Whether the principal has a permissions boundary.
    pub(crate) fn has_boundary(&self) -> bool {
        self.has_boundary
    }

    pub(crate) fn principal(&self) -> &Principal {
        self.principal
    }

    /// The values of a key that is written in lower case.
    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        let is_derived = DERIVED.contains(&key) || DERIVED_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        let said = || self.own.get_lower(key).or_else(|| self.request.get_lower(key));
        if !is_derived {
            return said();
        }
        let derive = || derive(self.principal, self.resource_owner, self.organizations);
        let follows = || self.derived.get_or_init(derive).get_lower(key);
        if self.is_supposed { said().or_else(follows) } else { follows() }
    }
}

fn derive(principal: &Principal, resource_owner: Option<&AccountId>, organizations: OrganizationsAsked<'_>) -> Context {
    let mut context = Context::new();
    if let Some(owner) = resource_owner {
        context.set("aws:resourceaccount", owner.as_str());
        context.set("s3:resourceaccount", owner.as_str());
    }
    if let Some(id) = organizations.of_resource {
        context.set("aws:resourceorgid", id.to_string());
        context.set_all("aws:resourceorgpaths", [id.path()]);
    }
    if let Some(id) = organizations.of_source {
        context.set("aws:sourceorgid", id.to_string());
        context.set_all("aws:sourceorgpaths", [id.path()]);
    }
    let service = matches!(principal.kind, PrincipalKind::Service { .. });
    context.set("aws:principalisawsservice", if service { "true" } else { "false" });
    // Ceph's key for whether temporary credentials were used: policies written for it are taken as they are.
    context.set("sts:authentication", principal.standing.session.is_some().to_string());
    for (key, value) in &*principal.standing.tags {
        context.set(&format!("aws:principaltag/{key}"), value.clone());
    }
    if let Some(session) = &principal.standing.session {
        let issued = Timestamp::from_millisecond(session.issued_ms).unwrap_or_default();
        context.set("aws:tokenissuetime", issued.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        // No second factor is known here; as on AWS, only temporary credentials say so.
        context.set("aws:multifactorauthpresent", "false");
        if let Some(source) = &session.source_identity {
            context.set("aws:sourceidentity", source.clone());
        }
        if let Some(provider) = &session.federated_provider {
            context.set("aws:federatedprovider", provider.clone());
        }
    }
    match &principal.kind {
        PrincipalKind::Root => context.set("aws:principaltype", "Account"),
        PrincipalKind::User { name, .. } => {
            context.set("aws:principaltype", "User");
            context.set("aws:username", name.clone());
        }
        PrincipalKind::AssumedRole { .. } => context.set("aws:principaltype", "AssumedRole"),
        PrincipalKind::FederatedUser { .. } => context.set("aws:principaltype", "FederatedUser"),
        PrincipalKind::WebIdentity { provider, .. } => {
            context.set("aws:federatedprovider", provider.clone());
            return context;
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
    if !principal.id.is_empty() {
        context.set("aws:userid", principal.id.clone());
    }
    context.set("aws:principalaccount", principal.account.as_str());
    if let Some(id) = organizations.of_principal {
        context.set("aws:principalorgid", id.to_string());
        context.set_all("aws:principalorgpaths", [id.path()]);
    }
    // A session's aws:PrincipalArn is its role's, not its own.
    if let Some(arn) = principal.role_arn().or_else(|| principal.arn()) {
        context.set("aws:principalarn", arn.to_string());
    }
    context
}
