//! Who may do what: policy documents, their evaluation, and the proof of a decision. Pure: no I/O, no clock, no store.
//!
//! Domain entry points take an `Authorized`, which only `authorize` can make: a forgotten check does not compile.
//! A `Policy` is parsed once, when it is written, into a form that is matched without further parsing.
//!
//! **Invariant:** without a statement that allows, the answer is no; a statement that denies always wins.

mod authorizer;
mod bucket_policy;
mod condition;
mod context_keys;
mod document;
mod errors;
mod evaluate;
mod explain;
mod facts;
mod grants;
mod json;
mod organization;
mod parse;
mod pattern;
mod positions;
mod principal;
mod principals;
#[cfg(any(test, feature = "fuzz"))]
pub mod probes;
mod proof;
mod public;
mod service_roles;
mod spans;

#[cfg(test)]
mod tests;

pub use authorizer::{
    DenyingStatement, EntityIds, HeldPolicies, IdentityPolicies, LakeAuthorizer, PoliciesUnreadable, ResourcePolicies,
    ResourcePolicy, id_of_named, ids_of_named,
};
pub use context_keys::context_keys;
pub use document::{
    Effect, KEY_POLICY_SIZE_BYTES_MAX, POLICY_SIZE_BYTES_MAX, Policy, PolicyKind, RESOURCE_POLICY_SIZE_BYTES_MAX,
};
pub use errors::{PolicyError, PolicyProblem};
pub use evaluate::{
    ControlLevel, Decision, PolicySet, PolicySets, Question, StatementRef, Verdict, decide, matching,
    resource_policy_decides,
};
pub use explain::{Explanation, explain};
pub use facts::OrganizationsAsked;
pub use grants::{Granted, GrantedTo};
pub use organization::{ControlLevels, Organization, OrganizationId};
pub use positions::{Position, statement_positions};
pub use principal::{Principal, PrincipalKind, Session, SessionIssuer, Standing};
pub use proof::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Requirement};
pub use service_roles::{RoleSessions, ServiceRoles};
pub use spans::{NotJsonAt, json_elements, json_members};
