//! Who may do what: policy documents, their evaluation, and the proof of a decision. Pure: no I/O, no clock, no store.
//!
//! Domain entry points take an `Authorized`, which only `authorize` can make: a forgotten check does not compile.
//!
//! **Invariant:** without a statement that allows, the answer is no; a statement that denies always wins.

mod principal;
mod proof;

pub use principal::{Principal, PrincipalKind};
pub use proof::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Requirement};
