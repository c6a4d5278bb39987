//! The Hive grammar: statements on databases, tables and partitions. Knows no engine.

pub(crate) mod parser;
pub(crate) mod statements;
