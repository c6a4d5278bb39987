//! The columns of Hive tables that tell of the file a row is in: <https://docs.aws.amazon.com/athena/latest/ug/select.html>
//!
//! They are no columns of the table for `SELECT *`. So a table has them only where a SELECT names one: there the table is replaced
//! by a variant of it that has them, and they are taken out of the SELECT's `*`. Knows no table.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, ObjectName, ObjectNamePart, OrderBy, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, Visit, VisitMut, Visitor,
    VisitorMut,
};

/// Their names: where the file is, its size in bytes, when it was last modified.
pub(crate) const HIDDEN_COLUMNS: [&str; 3] = ["$path", "$file_size", "$file_modified_time"];

/// Behind a table's name: the variant that has them.
const VARIANT: &str = "$with_hidden";

/// A table's name without the mark of the variant, and whether it had it.
pub(crate) fn revealed(table: &str) -> (&str, bool) {
    match table.strip_suffix(VARIANT) {
        Some(table) => (table, true),
        None => (table, false),
    }
}

/// Gives tables their hidden columns where `query` asks for them.
pub(crate) fn reveal(query: &mut Query) {
    let mut names = Mentions::default();
    let _ = Visit::visit(&*query, &mut names);
    if names.is_empty() {
        return;
    }
    // never breaks
    let _ = query.visit(&mut Reveal { ctes: names.ctes });
}

/// Hidden columns that are named, and the relations defined by WITH.
#[derive(Default)]
struct Mentions {
    /// Without a relation's name.
    bare: bool,
    /// The names in front of them.
    of: HashSet<String>,
    ctes: HashSet<String>,
}

impl Mentions {
    fn is_empty(&self) -> bool {
        !self.bare && self.of.is_empty()
    }
}

fn is_hidden(name: &Ident) -> bool {
    HIDDEN_COLUMNS.iter().any(|hidden| name.value.eq_ignore_ascii_case(hidden))
}

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.ctes.extend(with.cte_tables.iter().map(|cte| cte.alias.name.value.to_lowercase()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) if is_hidden(name) => self.bare = true,
            Expr::CompoundIdentifier(names) => {
                if let [.., relation, column] = names.as_slice()
                    && is_hidden(column)
                {
                    self.of.insert(relation.value.to_lowercase());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

struct Reveal {
    ctes: HashSet<String>,
}

impl VisitorMut for Reveal {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let order = query.order_by.clone();
        self.within(&mut query.body, order.as_ref());
        ControlFlow::Continue(())
    }
}

impl Reveal {
    fn within(&self, body: &mut SetExpr, order: Option<&OrderBy>) {
        match body {
            SetExpr::Select(select) => self.select(select, order),
            SetExpr::SetOperation { left, right, .. } => {
                self.within(left, None);
                self.within(right, None);
            }
            // what is in parentheses is a query of its own
            _ => {}
        }
    }

    fn select(&self, select: &mut Select, order: Option<&OrderBy>) {
        let mut named = Mentions::default();
        let _ = select.projection.visit(&mut named);
        let _ = select.selection.visit(&mut named);
        let _ = select.group_by.visit(&mut named);
        let _ = select.having.visit(&mut named);
        let _ = select.qualify.visit(&mut named);
        if let Some(order) = order {
            let _ = order.visit(&mut named);
        }
        for table in &select.from {
            for join in &table.joins {
                let _ = join.join_operator.visit(&mut named);
            }
        }
        if named.is_empty() {
            return;
        }
        let mut revealed = HashSet::new();
        for table in &mut select.from {
            self.tables(table, &named, &mut revealed);
        }
        if revealed.is_empty() {
            return;
        }
        let hidden = || {
            let name = |name: &&str| ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', *name))]);
            Some(ExcludeSelectItem::Multiple(HIDDEN_COLUMNS.iter().map(name).collect()))
        };
        for item in &mut select.projection {
            match item {
                SelectItem::Wildcard(options) => options.opt_exclude = hidden(),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let last = name.0.last().and_then(ObjectNamePart::as_ident);
                    if last.is_some_and(|last| revealed.contains(&last.value.to_lowercase())) {
                        options.opt_exclude = hidden();
                    }
                }
                _ => {}
            }
        }
    }

    fn tables(&self, table: &mut TableWithJoins, named: &Mentions, revealed: &mut HashSet<String>) {
        let relations =
            std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation));
        for relation in relations {
            match relation {
                TableFactor::NestedJoin { table_with_joins, .. } => self.tables(table_with_joins, named, revealed),
                TableFactor::Table { name, alias, args: None, .. } => self.table(name, alias, named, revealed),
                _ => {}
            }
        }
    }

    fn table(
        &self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        named: &Mentions,
        revealed: &mut HashSet<String>,
    ) {
        let is_cte = |name: &Ident| self.ctes.contains(&name.value.to_lowercase());
        let alone = name.0.len() == 1;
        let Some(ObjectNamePart::Identifier(table)) = name.0.last_mut() else { return };
        let called = alias.as_ref().map_or(&table.value, |alias| &alias.name.value).to_lowercase();
        if (alone && is_cte(table)) || !(named.bare || named.of.contains(&called)) {
            return;
        }
        if alias.is_none() {
            let name = Ident::with_quote('"', table.value.clone());
            *alias = Some(TableAlias { explicit: false, name, columns: Vec::new(), at: None });
        }
        *table = Ident::with_quote('"', format!("{}{VARIANT}", table.value.to_lowercase()));
        revealed.insert(called);
    }
}
