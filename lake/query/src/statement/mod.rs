//! A statement's text told apart: which grammar, which kind, what its result is written to. Knows no catalog and no engine.

mod dialect;
mod parameters;
mod sql;
#[cfg(test)]
mod tests;
pub(crate) mod token;

pub(crate) use dialect::{parse_expression, parse_query};
pub(crate) use sql::{CreateTableAs, Property, SqlName, SqlStatement};

use crate::errors::SyntaxError;
use crate::hive::statements::HiveStatement;

/// The longest statement, bytes: <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
pub const STATEMENT_SIZE_BYTES_MAX: usize = 262_144;

/// Athena's `StatementType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatementType {
    /// Changes definitions.
    Ddl,
    /// Reads or writes rows.
    Dml,
    /// Tells of definitions.
    Utility,
}

impl StatementType {
    /// As it stands in `QueryExecution`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ddl => "DDL",
            Self::Dml => "DML",
            Self::Utility => "UTILITY",
        }
    }
}

/// Where a statement's result is written, under the output location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultFile {
    /// `<id>.csv`
    Csv,
    /// `<id>.txt`
    Txt,
    /// `<id>`: INSERT and UNLOAD.
    Bare,
    /// `tables/<id>`: CREATE TABLE AS.
    Tables,
}

impl ResultFile {
    /// What follows the output location, which ends in a slash.
    pub fn name(self, query_id: &str) -> String {
        match self {
            Self::Csv => format!("{query_id}.csv"),
            Self::Txt => format!("{query_id}.txt"),
            Self::Bare => query_id.to_owned(),
            Self::Tables => format!("tables/{query_id}"),
        }
    }
}

/// What a statement asks of the place that keeps prepared statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreparedOperation {
    /// `PREPARE name FROM statement`
    Prepare {
        /// Its name.
        name: String,
        /// The text to keep.
        statement: String,
    },
    /// `EXECUTE name USING ...`: run the kept text with `Statement::parse(text, parameters)`.
    Execute {
        /// Its name.
        name: String,
        /// The texts of the arguments.
        parameters: Vec<String>,
    },
    /// `DEALLOCATE PREPARE name`
    Deallocate {
        /// Its name.
        name: String,
    },
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) enum StatementKind {
    Sql(SqlStatement),
    Hive(HiveStatement),
    Prepared(PreparedOperation),
}

/// A statement that has been read: it is right by its grammar, and nothing else is known of it.
#[derive(Debug, Clone)]
pub struct Statement {
    text: String,
    kind: StatementKind,
}

impl Statement {
    /// Reads `text`, putting `parameters` where its `?` stand. A parameter that reads as an expression without columns is that
    /// expression, anything else is a string; more parameters than `?` are let pass.
    pub fn parse(text: &str, parameters: &[String]) -> Result<Self, SyntaxError> {
        if text.len() > STATEMENT_SIZE_BYTES_MAX {
            return Err(SyntaxError::at(
                1,
                1,
                format!("the statement has {} bytes, more than {STATEMENT_SIZE_BYTES_MAX}", text.len()),
            ));
        }
        let mut kind = sql::parse(text)?;
        if let StatementKind::Sql(statement) = &mut kind {
            parameters::bind(statement, parameters)?;
        }
        Ok(Self { text: text.to_owned(), kind })
    }

    /// As given.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn kind(&self) -> &StatementKind {
        &self.kind
    }

    /// DDL, DML or UTILITY.
    pub fn statement_type(&self) -> StatementType {
        match &self.kind {
            StatementKind::Sql(statement) => match statement {
                SqlStatement::Query(_)
                | SqlStatement::Insert { .. }
                | SqlStatement::Unload { .. }
                | SqlStatement::Refused { .. } => StatementType::Dml,
                SqlStatement::CreateTableAs(_) | SqlStatement::CreateView { .. } => StatementType::Ddl,
                SqlStatement::Explain { .. } | SqlStatement::ShowFunctions { .. } => StatementType::Utility,
            },
            StatementKind::Hive(statement) => match statement {
                HiveStatement::ShowDatabases { .. }
                | HiveStatement::ShowTables { .. }
                | HiveStatement::ShowViews { .. }
                | HiveStatement::ShowPartitions { .. }
                | HiveStatement::ShowColumns { .. }
                | HiveStatement::ShowTableProperties { .. }
                | HiveStatement::ShowCreateTable { .. }
                | HiveStatement::ShowCreateView { .. }
                | HiveStatement::Describe { .. }
                | HiveStatement::DescribeDatabase { .. } => StatementType::Utility,
                _ => StatementType::Ddl,
            },
            StatementKind::Prepared(PreparedOperation::Execute { .. }) => StatementType::Dml,
            StatementKind::Prepared(_) => StatementType::Ddl,
        }
    }

    /// Athena's `SubstatementType`.
    pub fn substatement_type(&self) -> &'static str {
        match &self.kind {
            StatementKind::Sql(statement) => match statement {
                SqlStatement::Query(_) => "SELECT",
                SqlStatement::Insert { .. } => "INSERT",
                SqlStatement::Unload { .. } => "UNLOAD",
                SqlStatement::CreateTableAs(_) => "CREATE_TABLE_AS_SELECT",
                SqlStatement::CreateView { .. } => "CREATE_VIEW",
                SqlStatement::Explain { .. } => "EXPLAIN",
                SqlStatement::ShowFunctions { .. } => "SHOW_FUNCTIONS",
                SqlStatement::Refused { what } => what,
            },
            StatementKind::Hive(statement) => match statement {
                HiveStatement::CreateDatabase { .. } => "CREATE_DATABASE",
                HiveStatement::DropDatabase { .. } => "DROP_DATABASE",
                HiveStatement::SetDatabaseProperties { .. } => "ALTER_DATABASE_SET_DBPROPERTIES",
                HiveStatement::CreateTable(_) => "CREATE_TABLE",
                HiveStatement::DropTable { .. } => "DROP_TABLE",
                HiveStatement::DropView { .. } => "DROP_VIEW",
                HiveStatement::AddPartitions { .. } => "ALTER_TABLE_ADD_PARTITION",
                HiveStatement::DropPartitions { .. } => "ALTER_TABLE_DROP_PARTITION",
                HiveStatement::RenamePartition { .. } => "ALTER_TABLE_RENAME_PARTITION",
                HiveStatement::AddColumns { .. } => "ALTER_TABLE_ADD_COLUMNS",
                HiveStatement::ReplaceColumns { .. } => "ALTER_TABLE_REPLACE_COLUMNS",
                HiveStatement::ChangeColumn { .. } => "ALTER_TABLE_CHANGE_COLUMN",
                HiveStatement::SetTableProperties { .. } => "ALTER_TABLE_SET_TBLPROPERTIES",
                HiveStatement::SetLocation { .. } => "ALTER_TABLE_SET_LOCATION",
                HiveStatement::RenameTable { .. } => "ALTER_TABLE_RENAME",
                HiveStatement::Repair { .. } => "MSCK_REPAIR",
                HiveStatement::ShowDatabases { .. } => "SHOW_DATABASES",
                HiveStatement::ShowTables { .. } => "SHOW_TABLES",
                HiveStatement::ShowViews { .. } => "SHOW_VIEWS",
                HiveStatement::ShowPartitions { .. } => "SHOW_PARTITIONS",
                HiveStatement::ShowColumns { .. } => "SHOW_COLUMNS",
                HiveStatement::ShowTableProperties { .. } => "SHOW_TBLPROPERTIES",
                HiveStatement::ShowCreateTable { .. } => "SHOW_CREATE_TABLE",
                HiveStatement::ShowCreateView { .. } => "SHOW_CREATE_VIEW",
                HiveStatement::Describe { .. } => "DESCRIBE_TABLE",
                HiveStatement::DescribeDatabase { .. } => "DESCRIBE_DATABASE",
            },
            StatementKind::Prepared(PreparedOperation::Prepare { .. }) => "PREPARE",
            StatementKind::Prepared(PreparedOperation::Execute { .. }) => "EXECUTE",
            StatementKind::Prepared(PreparedOperation::Deallocate { .. }) => "DEALLOCATE",
        }
    }

    /// Where its result is written.
    pub fn result_file(&self) -> ResultFile {
        match &self.kind {
            StatementKind::Sql(statement) => match statement {
                SqlStatement::Query(_) | SqlStatement::ShowFunctions { .. } | SqlStatement::Refused { .. } => {
                    ResultFile::Csv
                }
                SqlStatement::Insert { .. } | SqlStatement::Unload { .. } => ResultFile::Bare,
                SqlStatement::CreateTableAs(_) => ResultFile::Tables,
                SqlStatement::CreateView { .. } | SqlStatement::Explain { .. } => ResultFile::Txt,
            },
            StatementKind::Hive(_) | StatementKind::Prepared(_) => ResultFile::Txt,
        }
    }

    /// What it asks of the place that keeps prepared statements; such a statement is not for the engine.
    pub fn prepared(&self) -> Option<&PreparedOperation> {
        match &self.kind {
            StatementKind::Prepared(operation) => Some(operation),
            StatementKind::Sql(_) | StatementKind::Hive(_) => None,
        }
    }
}
