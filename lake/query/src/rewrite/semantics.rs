//! Where Trino's types and casts mean something else than the engine's: types planned as Trino's, casts replaced by its own.
//! Knows no tables.

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, TryCast, cast, try_cast};
use sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType, TimezoneInfo};
use std::sync::Arc;

use crate::functions::{self, arithmetic};

/// Types as Trino has them: timestamps in milliseconds, `varchar` without a length.
#[derive(Debug)]
pub(crate) struct TrinoTypes;

fn arrow_type(sql_type: &SqlType) -> Option<DataType> {
    Some(match sql_type {
        SqlType::Timestamp(_, zone) => match zone {
            TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => {
                DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
            }
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => DataType::Timestamp(TimeUnit::Millisecond, None),
        },
        SqlType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => DataType::Time32(TimeUnit::Millisecond),
        SqlType::Varchar(_) | SqlType::CharVarying(_) | SqlType::Char(_) | SqlType::Character(_) | SqlType::JSON => {
            DataType::Utf8View
        }
        SqlType::Varbinary(_) | SqlType::Binary(_) => DataType::Binary,
        SqlType::Real => DataType::Float32,
        SqlType::Date => DataType::Date32,
        SqlType::Array(ArrayElemTypeDef::Parenthesis(item) | ArrayElemTypeDef::AngleBracket(item)) => {
            DataType::List(Arc::new(Field::new_list_field(arrow_type(item)?, true)))
        }
        SqlType::Boolean => DataType::Boolean,
        SqlType::TinyInt(_) => DataType::Int8,
        SqlType::SmallInt(_) => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) => DataType::Int32,
        SqlType::BigInt(_) => DataType::Int64,
        SqlType::Double(_) | SqlType::DoublePrecision => DataType::Float64,
        _ => return None,
    })
}

impl TypePlanner for TrinoTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        Ok(arrow_type(sql_type).map(|data_type| Arc::new(Field::new("", data_type, true))))
    }
}

/// Casts whose results differ: numbers round, texts are Trino's notation.
#[derive(Debug)]
pub(crate) struct TrinoCasts;

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)
}

impl FunctionRewrite for TrinoCasts {
    fn name(&self) -> &str {
        "trino_casts"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (inner, to, trying) = match &expr {
            Expr::Cast(Cast { expr, field }) => (expr, field.data_type(), false),
            Expr::TryCast(TryCast { expr, field }) => (expr, field.data_type(), true),
            _ => return Ok(Transformed::no(expr)),
        };
        let from = inner.get_type(schema)?;
        // what a literal says is left to the planner
        let replaced = match (&from, to) {
            (from, to) if is_text(to) && !is_text(from) && *from != DataType::Null => {
                functions::call_registered("trino.to_varchar", vec![inner.as_ref().clone()])?
            }
            (DataType::Float32 | DataType::Float64, to) if is_integer(to) => {
                let rounded = functions::call_registered("trino.round_half_up", vec![inner.as_ref().clone()])?;
                if trying { try_cast(rounded, to.clone()) } else { cast(rounded, to.clone()) }
            }
            (DataType::Decimal128(..), to) if is_integer(to) => {
                let rounded = functions::call_registered("round", vec![inner.as_ref().clone()])?;
                if trying { try_cast(rounded, to.clone()) } else { cast(rounded, to.clone()) }
            }
            (from, to @ (DataType::Date32 | DataType::Timestamp(..))) if is_text(from) => {
                let name = if trying { "trino.try_text_to_time" } else { "trino.text_to_time" };
                cast(functions::call_registered(name, vec![inner.as_ref().clone()])?, to.clone())
            }
            _ => return Ok(Transformed::no(expr)),
        };
        Ok(Transformed::yes(replaced))
    }
}

/// Arithmetic of whole numbers, which the engine lets wrap around.
#[derive(Debug)]
pub(crate) struct TrinoArithmetic;

impl FunctionRewrite for TrinoArithmetic {
    fn name(&self) -> &str {
        "trino_arithmetic"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (name, arguments) = match &expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match arithmetic::function_of(*op) {
                Some(name) if arithmetic::takes(&left.get_type(schema)?, &right.get_type(schema)?) => {
                    (name, vec![left.as_ref().clone(), right.as_ref().clone()])
                }
                _ => return Ok(Transformed::no(expr)),
            },
            Expr::Negative(inner) => {
                let data_type = inner.get_type(schema)?;
                if !arithmetic::takes(&data_type, &data_type) {
                    return Ok(Transformed::no(expr));
                }
                (arithmetic::NEGATE, vec![inner.as_ref().clone()])
            }
            Expr::ScalarFunction(outer) if outer.func.name() == arithmetic::OR_NULL => {
                let Some(inner) = outer.args.first() else { return Ok(Transformed::no(expr)) };
                match inner {
                    Expr::ScalarFunction(call) => match arithmetic::trying_form(call.func.name()) {
                        Some(name) => (name, call.args.clone()),
                        None => return Ok(Transformed::yes(inner.clone())),
                    },
                    other => return Ok(Transformed::yes(other.clone())),
                }
            }
            _ => return Ok(Transformed::no(expr)),
        };
        Ok(Transformed::yes(functions::call_registered(name, arguments)?))
    }
}
