//! Who may do what: policy documents, their evaluation, and the proof of a decision. Pure: no I/O, no clock, no store.
//!
//! Domain entry points take an `Authorized`, which only `authorize` can make: a forgotten check does not compile.
//! A `Policy` is parsed once, when it is written, into a form that is matched without further parsing.
//!
//! **Invariant:** without a statement that allows, the answer is no; a statement that denies always wins.

mod authorizer;
mod condition;
mod document;
mod errors;
mod evaluate;
mod facts;
mod grants;
mod json;
mod parse;
mod pattern;
mod principal;
mod principals;
mod proof;
mod public;
mod service_roles;

#[cfg(test)]
mod tests;

pub use authorizer::{
    HeldPolicies, IdentityPolicies, LakeAuthorizer, PoliciesUnreadable, ResourcePolicies, ResourcePolicy,
};
pub use document::{
    Effect, KEY_POLICY_SIZE_BYTES_MAX, POLICY_SIZE_BYTES_MAX, Policy, PolicyKind, RESOURCE_POLICY_SIZE_BYTES_MAX,
};
pub use errors::{PolicyError, PolicyProblem};
pub use evaluate::{Decision, PolicySet, PolicySets, Question, StatementRef, Verdict, decide};
pub use grants::{Granted, GrantedTo};
pub use principal::{Principal, PrincipalKind, Session, SessionIssuer, Standing};
pub use proof::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Requirement};
pub use service_roles::{RoleSessions, ServiceRoles};
