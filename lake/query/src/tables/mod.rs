//! Tables of the catalog over files of the lake. Knows no statement.

pub(crate) mod access;
mod access_log_line;
pub(crate) mod access_log_table;
pub(crate) mod audit_table;
pub(crate) mod batch_rows;
pub(crate) mod format;
pub(crate) mod guarded;
pub(crate) mod hive_table;
pub(crate) mod parquet;
pub(crate) mod projection;
pub(crate) mod text;
mod time_range;
pub(crate) mod values;
