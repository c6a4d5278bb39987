//! The SQL engine of the lake: Athena's two grammars, planning and running over the lake's own files, results as files.
//! The only crate that names DataFusion. Knows the catalog and the objects; knows no wire shape and no HTTP.
//!
//! **Invariant:** a query reads and writes only what its caller may; every object and table is asked for as the caller.

pub mod engine;
mod errors;
mod functions;
mod hive;
pub mod queries;
mod rewrite;
mod select;
mod sinks;
mod statement;
mod tables;
mod types;

pub use engine::results::{ResultError, ResultKind, ResultPage, ResultReader};
pub use engine::{Engine, EngineOptions, Outcome, Progress, SessionContext, SpillUsage};
pub use errors::{ErrorCategory, ErrorName, QueryError, SyntaxError};
pub use select::ObjectSelector;
pub use statement::{PreparedOperation, ResultFile, STATEMENT_SIZE_BYTES_MAX, Statement, StatementType};
pub use tables::guarded::check_row_filter;
pub use types::ColumnInfo;
