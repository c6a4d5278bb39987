//! A table of which the caller may read some cells: what it may not read is left out before anything of the query sees it. Knows not why.
//!
//! The table's own query is planned and run by itself, as a leaf of the caller's: no predicate, limit or projection of the caller's moves
//! into it (a division by a hidden value would tell of it), no statistics and no error text come out of it, and EXPLAIN shows nothing of it.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;
use sqlparser::ast::{Expr as SqlExpr, Query, Visit, Visitor};
use tarn_catalog::Table;
use tarn_formation::Cells;

use crate::errors::{ErrorName, QueryError};

/// The columns that a predicate speaks of, in lower case; `Err` where it is more than a predicate on one row.
struct Names(BTreeSet<String>);

impl Visitor for Names {
    type Break = &'static str;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Self::Break> {
        ControlFlow::Break("it must not hold a query")
    }

    fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<Self::Break> {
        match expr {
            SqlExpr::Identifier(name) => {
                self.0.insert(name.value.to_lowercase());
            }
            SqlExpr::Function(function) if function.over.is_some() => {
                return ControlFlow::Break("it must not look at other rows");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A row filter as the engine writes it.
fn predicate(table: &Table, text: &str) -> Result<String, String> {
    let expr = crate::statement::parse_expression(text).map_err(|error| error.to_string())?;
    let mut names = Names(BTreeSet::new());
    if let ControlFlow::Break(reason) = expr.visit(&mut names) {
        return Err(reason.to_owned());
    }
    let known: BTreeSet<String> =
        table.columns().iter().chain(table.partition_keys()).map(|column| column.name.to_lowercase()).collect();
    match names.0.difference(&known).next() {
        Some(unknown) => Err(format!("there is no column {unknown}")),
        None => Ok(expr.to_string()),
    }
}

/// Why a row filter cannot be read on `table`, if it cannot.
pub fn check_row_filter(table: &Table, text: &str) -> Result<(), String> {
    predicate(table, text).map(drop)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The query that lets `cells` of `table` through, in the order of its columns: a row is there if a filter takes it, a value in it if a
/// filter that takes the row lets its column through.
pub(crate) fn visible(table: &Table, cells: &[Cells]) -> Result<String, QueryError> {
    let name = format!("{}.{}", table.database_name, table.name());
    let mut filters = Vec::new();
    for cells in cells {
        let filter = cells.row_filter.as_deref().map(|text| predicate(table, text)).transpose();
        filters.push(filter.map_err(|reason| {
            QueryError::new(ErrorName::PermissionDenied, format!("a row filter of {name} cannot be used: {reason}"))
        })?);
    }
    // `None` is true.
    let any = |of: &mut dyn Iterator<Item = &Option<String>>| -> Option<String> {
        let terms: Option<Vec<String>> = of.map(|filter| filter.as_ref().map(|text| format!("({text})"))).collect();
        terms.map(|terms| terms.join(" OR "))
    };
    let rows = any(&mut filters.iter());
    let mut columns = Vec::new();
    for column in table.columns().iter().chain(table.partition_keys()) {
        let column = column.name.to_lowercase();
        let mut through = cells.iter().zip(&filters).filter(|(cells, _)| cells.columns.contains(&column)).peekable();
        if through.peek().is_none() {
            continue;
        }
        let shown = quoted(&column);
        let condition = any(&mut through.map(|(_, filter)| filter));
        columns.push(match condition.filter(|condition| Some(condition) != rows.as_ref()) {
            None => shown,
            Some(condition) => format!("CASE WHEN {condition} THEN {shown} END AS {shown}"),
        });
    }
    let from = format!("{}.{}", quoted(&table.database_name), quoted(table.name()));
    let rows = rows.map_or(String::new(), |rows| format!(" WHERE {rows}"));
    Ok(format!("SELECT {} FROM {from}{rows}", columns.join(", ")))
}

/// The table as its caller may read it.
#[derive(Debug)]
pub(crate) struct GuardedTable {
    name: String,
    /// Makes the rows that may be read.
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl GuardedTable {
    pub fn new(name: String, plan: LogicalPlan) -> Self {
        let schema = Arc::new(plan.schema().as_arrow().clone());
        Self { name, plan, schema }
    }
}

#[async_trait]
impl TableProvider for GuardedTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // The default of `supports_filters_pushdown` takes none.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut builder = LogicalPlanBuilder::from(self.plan.clone());
        if let Some(projection) = projection {
            let columns = self.plan.schema().columns();
            let wanted = projection.iter().filter_map(|at| columns.get(*at).cloned()).map(Expr::Column);
            builder = builder.project(wanted.collect::<Vec<_>>())?;
        }
        let inner = state.create_physical_plan(&builder.build()?).await?;
        Ok(Arc::new(GuardedExec { inner, name: self.name.as_str().into() }))
    }
}

/// Runs the table's own plan, of which nobody sees anything but the rows.
struct GuardedExec {
    inner: Arc<dyn ExecutionPlan>,
    name: Arc<str>,
}

impl fmt::Debug for GuardedExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuardedExec({})", self.name)
    }
}

impl DisplayAs for GuardedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "GuardedExec: table={}", self.name)
    }
}

impl ExecutionPlan for GuardedExec {
    fn name(&self) -> &str {
        "GuardedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    // A leaf: what is inside is planned to its end.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let name = self.name.clone();
        let unreadable = move |error: DataFusionError| match error {
            // What memory and disk there was tells nothing of rows.
            error @ DataFusionError::ResourcesExhausted(_) => error,
            // The text of any other can hold values.
            _ => {
                let message = format!("data of {name} cannot be read; who may read all of it is told why");
                DataFusionError::External(Box::new(QueryError::new(ErrorName::HiveCannotOpenSplit, message)))
            }
        };
        let inner = self.inner.execute(partition, context).map_err(&unreadable)?;
        let schema = inner.schema();
        let rows = inner.map(move |batch| batch.map_err(&unreadable));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

#[cfg(test)]
mod tests {
    use tarn_catalog::{Column, StorageDescriptor, TableInput};

    use super::*;

    fn cells(columns: &[&str], row_filter: Option<&str>) -> Cells {
        Cells {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            row_filter: row_filter.map(str::to_owned),
        }
    }

    fn table() -> Table {
        let column = |name: &str| Column { name: name.to_owned(), ..Column::default() };
        let storage =
            StorageDescriptor { columns: ["a", "B", "c"].map(column).to_vec(), ..StorageDescriptor::default() };
        let definition = TableInput {
            name: "t".to_owned(),
            storage_descriptor: Some(storage),
            partition_keys: vec![column("day")],
            ..TableInput::default()
        };
        Table::described("d", definition)
    }

    #[test]
    fn a_value_is_there_where_a_grant_of_its_column_takes_the_row() {
        let check = |granted: &[Cells], expected: &str| {
            assert_eq!(visible(&table(), granted).expect("a query"), expected);
        };
        check(&[cells(&["a", "day"], None)], r#"SELECT "a", "day" FROM "d"."t""#);
        check(&[cells(&["b"], Some("a > 1"))], r#"SELECT "b" FROM "d"."t" WHERE (a > 1)"#);
        check(
            &[cells(&["a"], Some("c = 'x'")), cells(&["a", "b"], Some("c = 'y'"))],
            r#"SELECT "a", CASE WHEN (c = 'y') THEN "b" END AS "b" FROM "d"."t" WHERE (c = 'x') OR (c = 'y')"#,
        );
        check(
            &[cells(&["a"], None), cells(&["b"], Some("c = 'y'"))],
            r#"SELECT "a", CASE WHEN (c = 'y') THEN "b" END AS "b" FROM "d"."t""#,
        );
    }

    #[test]
    fn a_row_filter_is_one_predicate_on_one_row() {
        let check = |text: &str, refused: Option<&str>| match (check_row_filter(&table(), text), refused) {
            (Ok(()), None) => {}
            (Err(reason), Some(expected)) => assert!(reason.contains(expected), "{text}: {reason}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("a > 1 AND upper(b) = 'X' OR day IN ('1', '2')", None);
        check("nothing = 1", Some("no column nothing"));
        check("a IN (SELECT 1)", Some("must not hold a query"));
        check("EXISTS (SELECT 1)", Some("must not hold a query"));
        check("sum(a) OVER () > 1", Some("other rows"));
        check("a = 1) OR (1 = 1", Some(""));
        check("a = 1 -- and more", None);
        check("a = 1; DROP TABLE t", Some(""));
        check("", Some(""));
    }
}
