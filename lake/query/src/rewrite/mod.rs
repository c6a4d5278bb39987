//! Trino's syntax made into what the planner takes: names folded, columns named, functions renamed. Knows no types.

pub(crate) mod hidden;
pub(crate) mod semantics;
pub(crate) mod unnest;

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join,
    JoinConstraint, JoinOperator, LimitClause, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    TableAlias, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
};

/// Names that columns of the same name get behind the first, until the result is named.
const DUPLICATE_MARK: &str = "$duplicate$";

/// The names that a query's columns are told with; `None` where the plan's own names stand (`*`).
pub(crate) fn output_names(query: &Query) -> Option<Vec<String>> {
    let select = match leftmost(&query.body)? {
        Leftmost::Select(select) => select,
        Leftmost::Values(count) => return Some((0..count).map(|at| format!("_col{at}")).collect()),
    };
    select
        .projection
        .iter()
        .enumerate()
        .map(|(at, item)| match item {
            SelectItem::UnnamedExpr(expr) => Some(name_of(expr).unwrap_or_else(|| format!("_col{at}"))),
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        })
        .collect()
}

enum Leftmost<'a> {
    Select(&'a Select),
    Values(usize),
}

fn leftmost(body: &SetExpr) -> Option<Leftmost<'_>> {
    match body {
        SetExpr::Select(select) => Some(Leftmost::Select(select)),
        SetExpr::Query(query) => leftmost(&query.body),
        SetExpr::SetOperation { left, .. } => leftmost(left),
        SetExpr::Values(values) => values.rows.first().map(|row| Leftmost::Values(row.len())),
        _ => None,
    }
}

/// A column's own name; anything else has none.
fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
        Expr::Nested(inner) => name_of(inner),
        _ => None,
    }
}

/// Rewrites a query in place.
pub(crate) fn canonical(query: &mut Query) {
    // never breaks
    let _ = query.visit(&mut Canonical);
}

/// All relations a query names, but those it defines itself.
pub(crate) fn relations(query: &Query) -> Vec<Vec<String>> {
    use sqlparser::ast::{Visit, Visitor};
    #[derive(Default)]
    struct Names {
        found: Vec<Vec<String>>,
        ctes: HashSet<String>,
    }
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if let Some(with) = &query.with {
                self.ctes.extend(with.cte_tables.iter().map(|cte| cte.alias.name.value.to_lowercase()));
            }
            if let SetExpr::Table(table) = query.body.as_ref() {
                let parts = [table.schema_name.clone(), table.table_name.clone()];
                self.found.push(parts.into_iter().flatten().map(|part| part.to_lowercase()).collect());
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            let parts =
                relation.0.iter().filter_map(ObjectNamePart::as_ident).map(|part| part.value.to_lowercase()).collect();
            self.found.push(parts);
            ControlFlow::Continue(())
        }
    }
    let mut names = Names::default();
    let _ = query.visit(&mut names);
    names.found.retain(|parts| !matches!(parts.as_slice(), [name] if names.ctes.contains(name)));
    names.found.sort();
    names.found.dedup();
    names.found
}

struct Canonical;

fn fold(name: &mut Ident) {
    name.value = name.value.to_lowercase();
    name.quote_style = Some('"');
}

fn fold_name(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(name) = part {
            fold(name);
        }
    }
}

fn fold_alias(alias: &mut Option<TableAlias>) {
    if let Some(alias) = alias {
        fold(&mut alias.name);
        alias.columns.iter_mut().for_each(|column| fold(&mut column.name));
    }
}

impl VisitorMut for Canonical {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                fold(&mut cte.alias.name);
                cte.alias.columns.iter_mut().for_each(|column| fold(&mut column.name));
            }
        }
        // TABLE t is SELECT * FROM t
        if let SetExpr::Table(table) = query.body.as_ref() {
            let parts = [table.schema_name.clone(), table.table_name.clone()];
            let quoted: Vec<String> = parts.into_iter().flatten().map(|part| format!("\"{part}\"")).collect();
            if let Ok(select) = crate::statement::parse_query(&format!("SELECT * FROM {}", quoted.join("."))) {
                query.body = select.body;
            }
        }
        if let SetExpr::Values(values) = query.body.as_mut() {
            values.explicit_row = false;
            values.rows.iter_mut().flat_map(|row| row.iter_mut()).for_each(as_integer);
        }
        // FETCH FIRST n ROWS ONLY is LIMIT n
        if query.fetch.as_ref().is_some_and(|fetch| !fetch.with_ties && !fetch.percent)
            && let Some(fetch) = query.fetch.take()
        {
            let given = Some(fetch.quantity.unwrap_or_else(|| number("1")));
            match &mut query.limit_clause {
                Some(LimitClause::LimitOffset { limit, .. }) => *limit = given,
                clause => *clause = Some(LimitClause::LimitOffset { limit: given, offset: None, limit_by: Vec::new() }),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut seen = HashSet::new();
        for (at, item) in select.projection.iter_mut().enumerate() {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                as_integer(expr);
            }
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = name_of(expr).map(|name| name.to_lowercase());
                    match name {
                        Some(name) => {
                            if !seen.insert(name.clone()) {
                                let alias = Ident::with_quote('"', format!("{name}{DUPLICATE_MARK}{at}"));
                                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                            }
                        }
                        None => {
                            let alias = Ident::with_quote('"', format!("_col{at}"));
                            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                        }
                    }
                }
                SelectItem::ExprWithAlias { alias, .. } => {
                    fold(alias);
                    if !seen.insert(alias.value.clone()) {
                        alias.value = format!("{}{DUPLICATE_MARK}{at}", alias.value);
                    }
                }
                SelectItem::QualifiedWildcard(kind, _) => {
                    if let sqlparser::ast::SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                        fold_name(name);
                    }
                }
                SelectItem::ExprWithAliases { .. } | SelectItem::Wildcard(_) => {}
            }
        }
        gather_unnests(&mut select.from);
        for window in &mut select.named_window {
            fold(&mut window.0);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        fold_name(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. } => fold_alias(alias),
            TableFactor::NestedJoin { alias, .. } => fold_alias(alias),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => match name.value.to_lowercase().as_str() {
                "current_date" | "current_timestamp" | "current_time" | "localtimestamp" | "localtime"
                    if name.quote_style.is_none() =>
                {
                    *expr = call(&name.value.to_lowercase(), Vec::new());
                }
                "current_user" | "current_schema" | "current_catalog" if name.quote_style.is_none() => {
                    *expr = call(&name.value.to_lowercase(), Vec::new());
                }
                _ => fold(name),
            },
            Expr::CompoundIdentifier(names) => names.iter_mut().for_each(fold),
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let sqlparser::ast::AccessExpr::Dot(Expr::Identifier(name)) = access {
                        fold(name);
                    }
                }
            }
            Expr::Lambda(lambda) => match &mut lambda.params {
                sqlparser::ast::OneOrManyWithParens::One(parameter) => fold(&mut parameter.name),
                sqlparser::ast::OneOrManyWithParens::Many(parameters) => {
                    parameters.iter_mut().for_each(|parameter| fold(&mut parameter.name))
                }
            },
            Expr::Function(function) => {
                if let Some(replaced) = function_call(function) {
                    *expr = replaced;
                }
            }
            Expr::Substring { expr: text, substring_from, substring_for, .. } => {
                let start = substring_from.as_deref().cloned().unwrap_or_else(|| number("1"));
                let mut given = vec![text.as_ref().clone(), start];
                given.extend(substring_for.as_deref().cloned());
                *expr = call("substr", given);
            }
            // DECIMAL '12.50' is decimal(4,2): its digits say its type
            Expr::TypedString(literal) if matches!(literal.data_type, DataType::Decimal(ExactNumberInfo::None)) => {
                if let Value::SingleQuotedString(digits) = &literal.value.value {
                    let scale = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                    let count = digits.bytes().filter(u8::is_ascii_digit).count().max(1);
                    if let (Ok(precision), Ok(scale)) = (u64::try_from(count), scale.try_into()) {
                        literal.data_type = DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale));
                    }
                }
            }
            Expr::Extract { field, expr: from, .. } => {
                *expr = call(&field.to_string().to_lowercase(), vec![from.as_ref().clone()]);
            }
            Expr::BinaryOp { left, op, right } if is_arithmetic(op) => {
                as_integer(left);
                as_integer(right);
            }
            Expr::Array(array) => array.elem.iter_mut().for_each(as_integer),
            Expr::Case { conditions, else_result, .. } => {
                conditions.iter_mut().for_each(|when| as_integer(&mut when.result));
                if let Some(result) = else_result {
                    as_integer(result);
                }
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                *expr = call("at_timezone", vec![timestamp.as_ref().clone(), time_zone.as_ref().clone()]);
            }
            Expr::Cast { kind, expr: inner, data_type, .. } => {
                if let DataType::Varchar(Some(length)) | DataType::CharVarying(Some(length)) = data_type
                    && let sqlparser::ast::CharacterLength::IntegerLength { length, .. } = length
                {
                    let length = number(&length.to_string());
                    let whole = Expr::Cast {
                        kind: kind.clone(),
                        expr: inner.clone(),
                        data_type: DataType::Varchar(None),
                        array: false,
                        format: None,
                    };
                    *expr = call("substr", vec![whole, number("1"), length]);
                } else if let DataType::JSON = data_type {
                    *expr = call("cast_to_json", vec![inner.as_ref().clone()]);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_arithmetic(op: &sqlparser::ast::BinaryOperator) -> bool {
    use sqlparser::ast::BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus};
    matches!(op, Plus | Minus | Multiply | Divide | Modulo)
}

/// A whole number that fits is an `integer` in Trino; the planner would take it for a `bigint`. Only for places where a number is a
/// value: in ORDER BY, GROUP BY and LIMIT it is a position or a count.
fn as_integer(expr: &mut Expr) {
    let fits = |expr: &Expr| match expr {
        Expr::Value(value) => matches!(&value.value, Value::Number(digits, _) if digits.parse::<i32>().is_ok()),
        _ => false,
    };
    if let Expr::Nested(inner) = expr {
        return as_integer(inner);
    }
    let is_integer = match &*expr {
        Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Minus, expr } => fits(expr),
        other => fits(other),
    };
    if is_integer {
        let inner = Box::new(expr.clone());
        *expr = Expr::Cast {
            kind: CastKind::Cast,
            expr: inner,
            data_type: DataType::Integer(None),
            array: false,
            format: None,
        };
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_empty_span())
}

/// `name(arguments)`
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(sqlparser::ast::FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn arguments(function: &Function) -> Vec<Expr> {
    match &function.args {
        FunctionArguments::List(list) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            })
            .collect(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    }
}

/// Functions that are only called otherwise here.
const RENAMED: &[(&str, &str)] = &[
    ("arbitrary", "any_value"),
    ("every", "bool_and"),
    ("transform", "array_transform"),
    ("filter", "array_filter"),
    ("any_match", "array_any_match"),
    ("zip", "arrays_zip"),
    ("pow", "power"),
    ("ceiling", "ceil"),
    ("stddev", "stddev_samp"),
    ("variance", "var_samp"),
    ("stdev", "stddev_samp"),
    ("rand", "random"),
    ("char_length", "length"),
    ("character_length", "length"),
    ("truncate", "trunc"),
    ("codepoint", "ascii"),
    ("substring", "substr"),
    ("bitwise_and_agg", "bit_and"),
    ("bitwise_or_agg", "bit_or"),
    ("bitwise_xor_agg", "bit_xor"),
    ("array_remove", "array_remove_all"),
    ("array_average", "array_avg"),
    ("listagg", "string_agg"),
];

/// Functions whose results are of their arguments' types, or hold them.
const TAKING_VALUES: &[&str] = &[
    "typeof",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "if",
    "abs",
    "sign",
    "mod",
    "row",
    "max",
    "min",
    "arbitrary",
    "any_value",
    "array_agg",
    "max_by",
    "min_by",
    "map_agg",
    "histogram",
];

fn function_call(function: &mut Function) -> Option<Expr> {
    fold_name(&mut function.name);
    let takes_values = matches!(&function.name.0.as_slice(), [ObjectNamePart::Identifier(name)]
        if TAKING_VALUES.contains(&name.value.as_str()));
    if let FunctionArguments::List(list) = &mut function.args
        && takes_values
    {
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
                as_integer(expr);
            }
        }
    }
    let given = arguments(function);
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_mut_slice() else { return None };
    let plain = function.over.is_none() && function.filter.is_none();
    match name.value.as_str() {
        "if" if plain => {
            let mut parts = given.into_iter();
            let (condition, then) = (parts.next()?, parts.next()?);
            return Some(Expr::Case {
                case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
                end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
                operand: None,
                conditions: vec![sqlparser::ast::CaseWhen { condition, result: then }],
                else_result: parts.next().map(Box::new),
            });
        }
        "try" if plain => {
            let mut inner = given.into_iter().next()?;
            let _ = inner.visit(&mut Trying);
            return Some(inner);
        }
        "count_if" => {
            // count(CASE WHEN x THEN 1 END), with the frame or filter it came with
            let condition = given.into_iter().next()?;
            let counted = Expr::Case {
                case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
                end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
                operand: None,
                conditions: vec![sqlparser::ast::CaseWhen { condition, result: number("1") }],
                else_result: None,
            };
            let Expr::Function(mut counting) = call("count", vec![counted]) else { return None };
            counting.filter = function.filter.clone();
            counting.over = function.over.clone();
            return Some(Expr::Function(counting));
        }
        "row" if plain => {
            name.value = "struct".to_owned();
        }
        "md5" if plain => {
            let mut given = given;
            given.push(Expr::Value(Value::SingleQuotedString("md5".to_owned()).with_empty_span()));
            return Some(call("digest", given));
        }
        "mod" if plain => {
            let mut parts = given.into_iter();
            let (left, right) = (parts.next()?, parts.next()?);
            let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
            let op = sqlparser::ast::BinaryOperator::Modulo;
            return Some(Expr::Nested(Box::new(Expr::BinaryOp { left: nested(left), op, right: nested(right) })));
        }
        "localtimestamp" if plain => {
            let data_type = DataType::Timestamp(None, sqlparser::ast::TimezoneInfo::None);
            let expr = Box::new(call("now", Vec::new()));
            return Some(Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None });
        }
        "current_catalog" if plain => {
            return Some(Expr::Value(Value::SingleQuotedString("awsdatacatalog".to_owned()).with_empty_span()));
        }
        "map" if plain && given.is_empty() => return Some(call("empty_map", Vec::new())),
        _ => {
            if let Some((_, renamed)) = RENAMED.iter().find(|(from, _)| *from == name.value) {
                name.value = (*renamed).to_owned();
            }
        }
    }
    None
}

/// Makes what is inside of `TRY(...)` give NULL where it would fail: casts, arithmetic, functions that read texts.
struct Trying;

impl VisitorMut for Trying {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast { kind, .. } => *kind = CastKind::TryCast,
            Expr::BinaryOp {
                op: sqlparser::ast::BinaryOperator::Divide | sqlparser::ast::BinaryOperator::Modulo,
                right,
                ..
            } => {
                **right = call("nullif", vec![right.as_ref().clone(), number("0")]);
            }
            Expr::BinaryOp { op, .. } if is_arithmetic(op) => {
                *expr = call(crate::functions::arithmetic::OR_NULL, vec![expr.clone()]);
            }
            Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Minus, expr: inner }
                if !matches!(inner.as_ref(), Expr::Value(_)) =>
            {
                *expr = call(crate::functions::arithmetic::OR_NULL, vec![expr.clone()]);
            }
            Expr::Function(function) => {
                if let [ObjectNamePart::Identifier(name)] = function.name.0.as_mut_slice()
                    && crate::functions::has_trying_form(&name.value)
                {
                    *name = Ident::with_quote('"', format!("try_{}", name.value.to_lowercase()));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_unnest(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::UNNEST { .. })
}

/// `FROM a, UNNEST(...)` is `FROM a CROSS JOIN UNNEST(...)`; and what stands left of an UNNEST becomes one relation with it.
fn gather_unnests(from: &mut Vec<TableWithJoins>) {
    let mut gathered: Vec<TableWithJoins> = Vec::with_capacity(from.len());
    for mut table in from.drain(..) {
        if is_unnest(&table.relation)
            && let Some(before) = gathered.last_mut()
        {
            let relation = std::mem::replace(
                &mut table.relation,
                TableFactor::UNNEST {
                    alias: None,
                    array_exprs: Vec::new(),
                    with_offset: false,
                    with_offset_alias: None,
                    with_ordinality: false,
                },
            );
            before.joins.push(Join {
                relation,
                global: false,
                join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
            });
            before.joins.append(&mut table.joins);
        } else {
            gathered.push(table);
        }
    }
    gathered.iter_mut().for_each(gather_joined_unnests);
    *from = gathered;
}

fn gather_joined_unnests(table: &mut TableWithJoins) {
    let Some(last) = table.joins.iter().rposition(|join| is_unnest(&join.relation)) else { return };
    wrap(table, last);
}

/// Makes the relation and its joins up to `last` one nested relation, which the UNNEST planner takes apart.
fn wrap(table: &mut TableWithJoins, last: usize) {
    let rest = table.joins.split_off(last + 1);
    let joins = std::mem::replace(&mut table.joins, rest);
    let relation = table.relation.clone();
    let inner = TableWithJoins { relation, joins };
    table.relation = TableFactor::NestedJoin { table_with_joins: Box::new(inner), alias: None };
}
