//! A whole lake in this process, through its gateway.

mod callers;
mod coverage;
mod lake;
mod minimal;
mod refusals;
mod s3;
