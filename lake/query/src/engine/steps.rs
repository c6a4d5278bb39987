//! Keeps each step of a running query short, so that a cancelled one ends and others get their turn. Knows no tables.
//!
//! An operator that makes many batches of one is asked for the next as long as it has one, and never gives its thread back; the
//! engine makes only the operators cooperate that read. And an UNNEST makes all rows of a batch at once, however long the arrays are.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::kernels::length::length;
use arrow::datatypes::{Int32Type, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

/// Rows for which arrays are computed at a time, before they are unnested.
const ROWS_BEFORE_ARRAYS: usize = 1024;

/// The rule; it stands behind all others.
#[derive(Debug)]
pub(super) struct ShortSteps;

impl PhysicalOptimizerRule for ShortSteps {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = config.execution.batch_size.get();
        plan.transform_up(|plan| {
            let plan = match plan.downcast_ref::<UnnestExec>() {
                Some(unnest) => {
                    let columns = unnest.list_column_indices().iter().map(|list| list.index_in_input_schema).collect();
                    let input = computed_in_steps(unnest.input().clone())?;
                    let split: Arc<dyn ExecutionPlan> = Arc::new(SplitExec { input, by: Split::Items(columns, rows) });
                    replace_children_if_necessary(plan, vec![split])?
                }
                None => plan,
            };
            let multiplies = plan.is::<UnnestExec>()
                || plan.is::<CrossJoinExec>()
                || plan.is::<NestedLoopJoinExec>()
                || plan.is::<HashJoinExec>()
                || plan.is::<SortMergeJoinExec>();
            Ok(if multiplies {
                Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(plan)
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "short_steps"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A projection that computes arrays does so for few rows at a time.
fn computed_in_steps(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else { return Ok(plan) };
    let input = projection.input().clone();
    let split = Arc::new(SplitExec { input, by: Split::Rows(ROWS_BEFORE_ARRAYS) });
    replace_children_if_necessary(plan, vec![split])
}

/// How batches are cut.
#[derive(Debug, Clone)]
enum Split {
    /// So many rows each.
    Rows(usize),
    /// So many rows that the arrays in these columns have so many items together; one row at least.
    Items(Vec<usize>, usize),
}

/// Cuts batches into smaller ones.
#[derive(Debug)]
struct SplitExec {
    input: Arc<dyn ExecutionPlan>,
    by: Split,
}

impl DisplayAs for SplitExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.by {
            Split::Rows(rows) => write!(f, "SplitExec: rows={rows}"),
            Split::Items(_, items) => write!(f, "SplitExec: items={items}"),
        }
    }
}

impl ExecutionPlan for SplitExec {
    fn name(&self) -> &str {
        "SplitExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().ok_or_else(|| DataFusionError::Internal("SplitExec without an input".to_owned()))?;
        Ok(Arc::new(Self { input, by: self.by.clone() }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (schema, by) = (input.schema(), self.by.clone());
        let cut = input.map(move |batch| {
            let pieces = batch.and_then(|batch| pieces(&batch, &by));
            futures::stream::iter(match pieces {
                Ok(pieces) => pieces.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, cut.flatten())))
    }
}

/// The items of a row's array; what is no array has one.
fn lengths(array: &ArrayRef) -> Result<Option<Vec<usize>>> {
    let Ok(lengths) = length(array) else { return Ok(None) };
    let count = |length: i64| usize::try_from(length).unwrap_or(0);
    if let Some(lengths) = lengths.as_primitive_opt::<Int32Type>() {
        return Ok(Some(lengths.iter().map(|length| count(length.unwrap_or(0).into())).collect()));
    }
    Ok(lengths
        .as_primitive_opt::<Int64Type>()
        .map(|lengths| lengths.iter().map(|length| count(length.unwrap_or(0))).collect()))
}

fn pieces(batch: &RecordBatch, by: &Split) -> Result<Vec<RecordBatch>> {
    let mut pieces = Vec::new();
    match by {
        Split::Rows(rows) => {
            let mut start = 0;
            while start < batch.num_rows() {
                let size = (*rows).max(1).min(batch.num_rows() - start);
                pieces.push(batch.slice(start, size));
                start += size;
            }
        }
        Split::Items(columns, items_max) => {
            let mut longest = vec![1; batch.num_rows()];
            for column in columns {
                let Some(array) = batch.columns().get(*column) else { continue };
                for (longest, length) in longest.iter_mut().zip(lengths(array)?.into_iter().flatten()) {
                    *longest = (*longest).max(length);
                }
            }
            let (mut start, mut items) = (0, 0_usize);
            for (row, length) in longest.iter().enumerate() {
                if row > start && items.saturating_add(*length) > *items_max {
                    pieces.push(batch.slice(start, row - start));
                    (start, items) = (row, 0);
                }
                items = items.saturating_add(*length);
            }
            if start < batch.num_rows() {
                pieces.push(batch.slice(start, batch.num_rows() - start));
            }
        }
    }
    Ok(pieces)
}
