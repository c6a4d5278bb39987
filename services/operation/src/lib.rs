//! What a service is made of: a table of operations, each one row. Knows the wire's shapes and the domain's proofs; knows no
//! service and no HTTP server.
//!
//! A handler is unreachable without a row. From the rows come the coverage page, the list of IAM actions, the audit class and the
//! test that every operation refuses callers who may not.

mod table;

pub use table::{Access, Decoded, Kind, Row, Service, Table};
