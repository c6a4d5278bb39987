//! The question put to the policies, and the proof of their yes. Knows nothing of how an answer is found.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tarn_types::{AccountId, Arn};

use crate::{Principal, PrincipalKind};

/// Condition keys and their values. Keys compare case-insensitively (they are kept in lower case). Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(Arc<BTreeMap<String, Vec<String>>>);

impl Context {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to one value.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        Arc::make_mut(&mut self.0).insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Sets `key` to several values; none at all is a key that is present and empty.
    pub fn set_all(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        Arc::make_mut(&mut self.0).insert(key.to_ascii_lowercase(), values.into_iter().collect());
    }

    /// As `set`, for building.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.set(key, value);
        self
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of `key`, if it is present.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }

    /// As `get`, for a key that is written in lower case.
    pub(crate) fn get_lower(&self, key: &str) -> Option<&[String]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// These keys over those of `base`.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let mut all = base.clone();
        Arc::make_mut(&mut all.0).extend(self.0.iter().map(|(key, values)| (key.clone(), values.clone())));
        all
    }

    /// All keys in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }
}

/// One thing that a request needs to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// `s3:GetObject`.
    pub action: &'static str,
    /// On what. `None` for actions that no resource can be named for (`s3:ListAllMyBuckets`): policies match it as `*`.
    pub resource: Option<Arn>,
    /// Condition keys of this action, besides those of the request.
    pub context: Context,
    /// Whether it is about a thing that this request makes and that will be the caller's own: what its list will say is then for the
    /// caller to say, whoever owns the place it is put in. The place's policy can still deny.
    pub of_callers_own: bool,
}

impl Requirement {
    /// `action` on `resource`, without condition keys of its own.
    pub fn new(action: &'static str, resource: Arn) -> Self {
        Self { action, resource: Some(resource), context: Context::new(), of_callers_own: false }
    }

    /// `action` on no nameable resource.
    pub fn any(action: &'static str) -> Self {
        Self { action, resource: None, context: Context::new(), of_callers_own: false }
    }

    /// With a condition key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context.set(key, value);
        self
    }

    /// With the tags that the request gives as condition keys; without any where it gives none.
    #[must_use]
    pub fn with_request_tags(mut self, tags: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut keys = Vec::new();
        for (key, value) in tags {
            self.context.set(&format!("aws:RequestTag/{key}"), value);
            keys.push(key);
        }
        if !keys.is_empty() {
            self.context.set_all("aws:TagKeys", keys);
        }
        self
    }

    /// About a thing that the request makes and that will be the caller's own.
    #[must_use]
    pub fn of_callers_own(mut self) -> Self {
        self.of_callers_own = true;
        self
    }
}

/// The proof that a principal may do what it asks. Only a decision makes one; it cannot be stored or sent.
#[derive(Clone)]
pub struct Authorized {
    principal: Principal,
    requirements: Arc<[Requirement]>,
}

impl Authorized {
    /// Only for `decide`: the crate's one place where a yes becomes a proof.
    pub(crate) fn new(principal: Principal, requirements: Vec<Requirement>) -> Self {
        Self { principal, requirements: requirements.into() }
    }

    /// The proof for the server's own work inside the lake (recovery, delivery, first-start set-up), where no policy is asked.
    /// `name` is the service it acts as, such as `firehose.amazonaws.com`. Handlers of requests must never call it: `cargo xtask tidy` looks.
    pub fn internal(name: &'static str, account: AccountId) -> Self {
        let kind = crate::PrincipalKind::Service { name: name.to_owned() };
        Self { principal: Principal::new(kind, account, name), requirements: Arc::new([]) }
    }

    /// Who may.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What was asked and allowed.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorized({:?})", self.principal.arn())
    }
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedBecause {
    /// No policy allows it.
    NothingAllows,
    /// A statement of an identity policy denies it.
    IdentityPolicy,
    /// A statement of the resource's policy denies it.
    ResourcePolicy,
    /// A statement of the permissions boundary denies it.
    Boundary,
    /// A statement of a session policy denies it.
    SessionPolicy,
    /// A statement of a service control policy denies it.
    ServiceControlPolicy,
    /// A statement of a resource control policy denies it.
    ResourceControlPolicy,
    /// Some level of the organisation above the principal has no service control policy that allows it.
    NoServiceControlPolicyAllows,
    /// Some level of the organisation above the resource has no resource control policy that allows it.
    NoResourceControlPolicyAllows,
    /// The identity's policies allow it, its permissions boundary does not.
    NoBoundaryAllows,
    /// The identity's policies allow it, the policies of its session do not.
    NoSessionPolicyAllows,
    /// The identity may, but the resource is of another account, whose policy does not allow it.
    NoResourcePolicyAllows,
    /// The resource's policy is public, and its owner lets in nobody by such a policy.
    PublicPolicyRestricted,
    /// Policies allow it; what is granted on the table or database does not.
    NoLakeFormationPermission,
    /// It would change what is AWS's own.
    OfAws,
    /// The policies could not be read.
    PoliciesUnreadable,
}

impl DeniedBecause {
    /// Whether a statement denies it, and not the lack of one that allows.
    pub fn is_explicit(self) -> bool {
        match self {
            Self::IdentityPolicy
            | Self::ResourcePolicy
            | Self::Boundary
            | Self::SessionPolicy
            | Self::ServiceControlPolicy
            | Self::ResourceControlPolicy => true,
            Self::NothingAllows
            | Self::NoBoundaryAllows
            | Self::NoSessionPolicyAllows
            | Self::NoServiceControlPolicyAllows
            | Self::NoResourceControlPolicyAllows
            | Self::NoResourcePolicyAllows
            | Self::PublicPolicyRestricted
            | Self::OfAws
            | Self::NoLakeFormationPermission
            | Self::PoliciesUnreadable => false,
        }
    }
}

/// The no of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Who asked.
    pub principal: Principal,
    /// What was refused.
    pub action: &'static str,
    /// On what.
    pub resource: Option<Arn>,
    /// Why.
    pub because: DeniedBecause,
}

impl std::error::Error for Denied {}

/// Said as AWS says it: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.principal.arn() {
            Some(arn) => write!(f, "User: {arn} is not authorized to perform: {}", self.action)?,
            None => match &self.principal.kind {
                PrincipalKind::Service { name } => {
                    write!(f, "Service: {name} is not authorized to perform: {}", self.action)?;
                }
                _ => write!(f, "Anonymous is not authorized to perform: {}", self.action)?,
            },
        }
        if let Some(resource) = &self.resource {
            write!(f, " on resource: \"{resource}\"")?;
        }
        let action = self.action;
        match self.because {
            DeniedBecause::NothingAllows if self.principal.is_anonymous() => {
                write!(f, " because no resource-based policy allows the {action} action")
            }
            DeniedBecause::NothingAllows => write!(f, " because no identity-based policy allows the {action} action"),
            DeniedBecause::NoResourcePolicyAllows => {
                write!(f, " because no resource-based policy allows the {action} action")
            }
            DeniedBecause::PublicPolicyRestricted => f.write_str(
                " because public policies are restricted by the RestrictPublicBuckets block public access setting",
            ),
            DeniedBecause::NoBoundaryAllows => write!(f, " because no permissions boundary allows the {action} action"),
            DeniedBecause::NoServiceControlPolicyAllows => {
                write!(f, " because no service control policy allows the {action} action")
            }
            DeniedBecause::NoResourceControlPolicyAllows => {
                write!(f, " because no resource control policy allows the {action} action")
            }
            DeniedBecause::ServiceControlPolicy => f.write_str(" with an explicit deny in a service control policy"),
            DeniedBecause::ResourceControlPolicy => f.write_str(" with an explicit deny in a resource control policy"),
            DeniedBecause::NoSessionPolicyAllows => write!(f, " because no session policy allows the {action} action"),
            DeniedBecause::OfAws => f.write_str(" because it is AWS's own and cannot be changed"),
            DeniedBecause::Boundary => f.write_str(" with an explicit deny in a permissions boundary"),
            DeniedBecause::SessionPolicy => f.write_str(" with an explicit deny in a session policy"),
            DeniedBecause::IdentityPolicy => f.write_str(" with an explicit deny in an identity-based policy"),
            DeniedBecause::ResourcePolicy => f.write_str(" with an explicit deny in a resource-based policy"),
            DeniedBecause::NoLakeFormationPermission => {
                f.write_str(" because of insufficient Lake Formation permission(s)")
            }
            DeniedBecause::PoliciesUnreadable => f.write_str(" because its policies could not be read; try again"),
        }
    }
}

/// Decides for any principal. Implemented where policies are kept (app/server wires identity policies and resource policies together).
pub trait Authorizer: Send + Sync {
    /// A proof for all of `requirements`, or the first no. `context` holds the request's own condition keys.
    fn authorize(
        &self,
        principal: &Principal,
        requirements: Vec<Requirement>,
        context: &Context,
    ) -> Result<Authorized, Denied>;
}

/// An `Authorizer` for one principal's one request: what long work (a query, a batch) asks for each further thing it touches.
#[derive(Clone)]
pub struct BoundAuthorizer {
    authorizer: Arc<dyn Authorizer>,
    principal: Principal,
    context: Arc<Context>,
}

impl BoundAuthorizer {
    /// Asks `authorizer` as `principal` with the request's condition keys.
    pub fn new(authorizer: Arc<dyn Authorizer>, principal: Principal, context: Context) -> Self {
        Self { authorizer, principal, context: Arc::new(context) }
    }

    /// A proof for all of `requirements`, or the first no.
    pub fn authorize(&self, requirements: Vec<Requirement>) -> Result<Authorized, Denied> {
        self.authorizer.authorize(&self.principal, requirements, &self.context)
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The same policies asked as whom the caller turned out to be, with the request's condition keys.
    #[must_use]
    pub fn as_principal(&self, principal: Principal) -> Self {
        Self { principal, ..self.clone() }
    }

    /// The same policies asked as a service that is to work for a configuration, before the configuration is taken.
    #[must_use]
    pub fn of_service(&self, service: Principal, context: Context) -> Self {
        Self::new(self.authorizer.clone(), service, context)
    }
}

impl fmt::Debug for BoundAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundAuthorizer({:?})", self.principal.arn())
    }
}
