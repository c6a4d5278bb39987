//! Plans `CROSS JOIN UNNEST(...) [WITH ORDINALITY]` over what stands left of it. Knows no tables.

use arrow::datatypes::DataType;
use datafusion::common::{Column, NullHandling, UnnestOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use sqlparser::ast::{Join, JoinOperator, TableAlias, TableFactor, TableWithJoins};

use crate::functions;

/// The planner; it takes only relations that an UNNEST ends, and a bare UNNEST.
#[derive(Debug)]
pub(crate) struct UnnestPlanner;

impl RelationPlanner for UnnestPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::UNNEST { array_exprs, alias, with_ordinality, with_offset: false, .. } => {
                let nothing = LogicalPlanBuilder::empty(true).build()?;
                let plan = unnest(nothing, array_exprs, alias, with_ordinality, NullHandling::Drop, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
            }
            TableFactor::NestedJoin { mut table_with_joins, alias } if ends_in_unnest(&table_with_joins) => {
                let Some(Join { relation, join_operator, .. }) = table_with_joins.joins.pop() else {
                    return Err(DataFusionError::Internal("a join without a right side".to_owned()));
                };
                let nulls = match join_operator {
                    JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => NullHandling::PreserveAndExpandEmpty,
                    JoinOperator::CrossJoin(_) | JoinOperator::Inner(_) | JoinOperator::Join(_) => NullHandling::Drop,
                    other => {
                        return Err(DataFusionError::NotImplemented(format!("UNNEST on the right side of {other:?}")));
                    }
                };
                let left = if table_with_joins.joins.is_empty() {
                    context.plan(table_with_joins.relation)?
                } else {
                    context.plan(TableFactor::NestedJoin { table_with_joins, alias: None })?
                };
                let TableFactor::UNNEST { array_exprs, alias: inner, with_ordinality, .. } = relation else {
                    return Err(DataFusionError::Internal("not an UNNEST".to_owned()));
                };
                let plan = unnest(left, array_exprs, inner, with_ordinality, nulls, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

fn ends_in_unnest(table: &TableWithJoins) -> bool {
    matches!(table.joins.last(), Some(Join { relation: TableFactor::UNNEST { .. }, .. }))
}

/// Whether an expression has the same value for all rows.
fn stands_alone(expr: &Expr) -> bool {
    expr.column_refs().is_empty() && !expr.contains_outer() && !expr.contains_scalar_subquery() && !expr.is_volatile()
}

fn unnest(
    left: LogicalPlan,
    arrays: Vec<sqlparser::ast::Expr>,
    alias: Option<TableAlias>,
    with_ordinality: bool,
    nulls: NullHandling,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let schema = left.schema().clone();
    let kept: Vec<Expr> = schema.columns().into_iter().map(Expr::Column).collect();
    // What does not depend on the left is unnested once, and not again for each row of the left.
    if nulls == NullHandling::Drop && !kept.is_empty() {
        let mut plans = arrays.iter().map(|array| context.sql_to_expr(array.clone(), &schema));
        if plans.all(|planned| planned.is_ok_and(|expr| stands_alone(&expr))) {
            let nothing = LogicalPlanBuilder::empty(true).build()?;
            let right = unnest(nothing, arrays, alias, with_ordinality, nulls, context)?;
            let new = right.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
            let both = kept.into_iter().chain(new);
            // the left side of a cross join is held in memory: the arrays are few
            return LogicalPlanBuilder::from(right).cross_join(left)?.project(both)?.build();
        }
    }
    let mut lists = Vec::new();
    for array in arrays {
        let expr = context.sql_to_expr(array, &schema)?;
        match datafusion::logical_expr::ExprSchemable::get_type(&expr, schema.as_ref())? {
            DataType::Map(..) => {
                lists.push(functions::call_registered("map_keys", vec![expr.clone()])?);
                lists.push(functions::call_registered("map_values", vec![expr])?);
            }
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::ListView(_) => {
                lists.push(expr)
            }
            other => {
                return Err(DataFusionError::Plan(format!("Cannot unnest type: {}", crate::types::trino_name(&other))));
            }
        }
    }
    if with_ordinality {
        lists.push(functions::ordinality(lists.clone()));
    }
    // names that no query can write, and that differ between the UNNESTs of one query
    let depth = kept.len();
    let names: Vec<String> = (0..lists.len()).map(|at| format!("$unnest${depth}${at}")).collect();
    let mut projected = kept.clone();
    projected.extend(lists.into_iter().zip(&names).map(|(list, name)| list.alias(name)));
    let columns: Vec<Column> = names.iter().map(Column::new_unqualified).collect();
    let plan = LogicalPlanBuilder::from(left)
        .project(projected)?
        .unnest_columns_with_options(columns, UnnestOptions::new().with_null_handling(nulls))?
        .build()?;
    let (qualifier, aliases) = match alias {
        Some(alias) => (
            Some(context.normalize_ident(alias.name)),
            alias.columns.into_iter().map(|column| context.normalize_ident(column.name)).collect(),
        ),
        None => (None, Vec::new()),
    };
    let mut out = kept;
    let mut position = 0;
    let mut next_name = |fallback: &str| {
        let name = aliases.get(position).cloned().unwrap_or_else(|| fallback.to_owned());
        position += 1;
        name
    };
    let qualified = |expr: Expr, name: String| match &qualifier {
        Some(qualifier) => expr.alias_qualified(Some(qualifier.clone()), name),
        None => expr.alias(name),
    };
    for (at, name) in names.iter().enumerate() {
        let column = Expr::Column(Column::new_unqualified(name));
        let field = plan.schema().field_with_unqualified_name(name)?;
        // rows of an array become columns
        if let DataType::Struct(fields) = field.data_type() {
            for field in fields {
                let value = get_field(column.clone(), field.name().clone());
                out.push(qualified(value, next_name(field.name())));
            }
        } else {
            out.push(qualified(column, next_name(&format!("_col{at}"))));
        }
    }
    LogicalPlanBuilder::from(plan).project(out)?.build()
}
