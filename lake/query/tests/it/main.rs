//! The engine over a lake in memory: statements and their answers, what is refused, what is left in the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod files;
mod lake;
mod select;
mod spill;
mod sql;
mod statements;
