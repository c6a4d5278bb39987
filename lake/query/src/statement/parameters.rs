//! Puts execution parameters where `?` stands. Knows no types.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Value, VisitMut, Visitor, VisitorMut};

use super::dialect::parse_expression;
use super::sql::SqlStatement;
use crate::errors::SyntaxError;

/// Binds in the order of the text. Too few parameters are an error, too many are not.
pub(super) fn bind(statement: &mut SqlStatement, parameters: &[String]) -> Result<(), SyntaxError> {
    let mut binder = Binder { parameters, next: 0 };
    match statement {
        SqlStatement::Query(query) | SqlStatement::Insert { query, .. } | SqlStatement::Unload { query, .. } => {
            binder.query(query)
        }
        SqlStatement::CreateTableAs(create) => binder.query(&mut create.query),
        SqlStatement::CreateView { query, .. } => binder.query(query),
        SqlStatement::Explain { statement, .. } => return bind(statement, parameters),
        SqlStatement::ShowFunctions { .. } | SqlStatement::Refused { .. } => return Ok(()),
    }
    if binder.next > parameters.len() {
        let message =
            format!("Incorrect number of parameters: expected {} but found {}", binder.next, parameters.len());
        return Err(SyntaxError::at(1, 1, message));
    }
    Ok(())
}

struct Binder<'a> {
    parameters: &'a [String],
    next: usize,
}

impl Binder<'_> {
    fn query(&mut self, query: &mut Query) {
        // never breaks
        let _ = query.visit(self);
    }
}

impl VisitorMut for Binder<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let is_placeholder =
            matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Placeholder(sign) if sign == "?"));
        if is_placeholder {
            if let Some(parameter) = self.parameters.get(self.next) {
                *expr = expression(parameter);
            }
            self.next += 1;
        }
        ControlFlow::Continue(())
    }
}

fn expression(parameter: &str) -> Expr {
    match parse_expression(parameter) {
        Ok(expr) if !has_columns(&expr) => Expr::Nested(Box::new(expr)),
        _ => Expr::Value(Value::SingleQuotedString(parameter.to_owned()).with_empty_span()),
    }
}

struct Columns(bool);

impl Visitor for Columns {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Subquery(_));
        let is_placeholder = matches!(expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)));
        self.0 |= is_column || is_placeholder;
        ControlFlow::Continue(())
    }
}

fn has_columns(expr: &Expr) -> bool {
    use sqlparser::ast::Visit;
    let mut columns = Columns(false);
    let _ = expr.visit(&mut columns);
    columns.0
}
