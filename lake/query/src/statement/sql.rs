//! The frames of Trino's statements (CREATE TABLE AS, INSERT, UNLOAD, views, EXPLAIN, PREPARE) around queries. Knows no meaning.

use sqlparser::ast::Query;

use super::dialect::parse_query;
use super::token::{Cursor, Token, TokenKind, tokens};
use super::{PreparedOperation, StatementKind};
use crate::errors::SyntaxError;
use crate::hive;

type Parsed<T> = Result<T, SyntaxError>;

/// `[catalog.][database.]name`, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlName {
    pub catalog: Option<String>,
    pub database: Option<String>,
    pub name: String,
}

/// A value in `WITH (...)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Property {
    Text(String),
    Number(String),
    Boolean(bool),
    List(Vec<String>),
}

/// `CREATE TABLE name WITH (...) AS query`.
#[derive(Debug, Clone)]
pub(crate) struct CreateTableAs {
    pub name: SqlName,
    pub if_not_exists: bool,
    pub comment: Option<String>,
    pub properties: Vec<(String, Property)>,
    pub query: Box<Query>,
    pub with_data: bool,
}

/// A statement of the SQL grammar.
#[derive(Debug, Clone)]
pub(crate) enum SqlStatement {
    Query(Box<Query>),
    Insert {
        table: SqlName,
        columns: Vec<String>,
        query: Box<Query>,
    },
    CreateTableAs(Box<CreateTableAs>),
    Unload {
        query: Box<Query>,
        location: String,
        properties: Vec<(String, Property)>,
    },
    CreateView {
        name: SqlName,
        or_replace: bool,
        comment: Option<String>,
        text: String,
        query: Box<Query>,
    },
    Explain {
        analyze: bool,
        json: bool,
        statement: Box<SqlStatement>,
    },
    ShowFunctions {
        like: Option<String>,
    },
    /// Right by its grammar, and no table here takes it.
    Refused {
        what: &'static str,
    },
}

/// What may begin a statement.
const BEGINNINGS: &str = "'ALTER', 'CREATE', 'DEALLOCATE', 'DELETE', 'DESC', 'DESCRIBE', 'DROP', 'EXECUTE', 'EXPLAIN', 'INSERT', 'MERGE', 'MSCK', 'OPTIMIZE', 'PREPARE', 'SHOW', 'UNLOAD', 'UPDATE', 'VACUUM', <query>";

/// Reads a statement of either grammar.
pub(super) fn parse(text: &str) -> Parsed<StatementKind> {
    // Hive's strings know backslashes: what does not read without them may read with them
    let hive_tokens = tokens(text, true);
    if let Ok(all) = &hive_tokens
        && all.first().is_some_and(|token| token.is("CREATE"))
        && is_hive_create(all)
    {
        return hive_statement(text);
    }
    let all = match (tokens(text, false), &hive_tokens) {
        (Ok(all), _) => all,
        (Err(_), Ok(all))
            if ["ALTER", "SHOW", "DESCRIBE", "DESC", "MSCK"]
                .iter()
                .any(|word| all.first().is_some_and(|token| token.is(word))) =>
        {
            return hive_statement(text);
        }
        (Err(error), _) => return Err(error),
    };
    let mut c = Cursor::new(&all);
    let first = c.peek().clone();
    let word = if first.kind == TokenKind::Word { first.text.to_ascii_uppercase() } else { String::new() };
    match word.as_str() {
        "PREPARE" | "EXECUTE" | "DEALLOCATE" => Ok(StatementKind::Prepared(prepared(text, &mut c)?)),
        "DESCRIBE" if c.peek_at(1).is("INPUT") || c.peek_at(1).is("OUTPUT") => {
            Err(SyntaxError::at(first.line, first.column, "DESCRIBE INPUT and DESCRIBE OUTPUT are not supported"))
        }
        "ALTER" | "MSCK" | "DESCRIBE" | "DESC" => hive_statement(text),
        "SHOW" if !c.peek_at(1).is("FUNCTIONS") => hive_statement(text),
        "DROP" if !c.peek_at(1).is("VIEW") => hive_statement(text),
        "DROP" => {
            let all = tokens(text, false)?;
            Ok(StatementKind::Hive(hive::parser::parse(&mut Cursor::new(&all))?))
        }
        _ => Ok(StatementKind::Sql(sql_statement(text, &all, &mut c)?)),
    }
}

fn hive_statement(text: &str) -> Parsed<StatementKind> {
    let all = tokens(text, true)?;
    Ok(StatementKind::Hive(hive::parser::parse(&mut Cursor::new(&all))?))
}

/// `CREATE DATABASE | SCHEMA | EXTERNAL TABLE`, and `CREATE TABLE` without `AS` on its outer level.
fn is_hive_create(all: &[Token]) -> bool {
    let second = all.get(1);
    if second.is_some_and(|token| token.is("DATABASE") || token.is("SCHEMA") || token.is("EXTERNAL")) {
        return true;
    }
    if !second.is_some_and(|token| token.is("TABLE")) {
        return false;
    }
    let mut depth = 0_i32;
    for (position, token) in all.iter().enumerate() {
        match token.text.as_str() {
            "(" if token.kind == TokenKind::Sign => depth += 1,
            ")" if token.kind == TokenKind::Sign => depth -= 1,
            _ if depth == 0 && token.is("AS") => {
                let after = all.get(position + 1);
                return !after.is_some_and(|next| {
                    next.is("SELECT") || next.is("WITH") || next.is("VALUES") || next.is("TABLE") || next.is_sign("(")
                });
            }
            _ => {}
        }
    }
    true
}

/// `text` from byte `start` to `end` as a query; what is before becomes spaces, so that places in errors hold.
fn query_between(text: &str, start: usize, end: usize) -> Parsed<Box<Query>> {
    let mut shifted: String =
        text.get(..start).unwrap_or_default().chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    shifted.push_str(text.get(start..end).unwrap_or_default());
    parse_query(&shifted)
}

fn sql_statement(text: &str, all: &[Token], c: &mut Cursor<'_>) -> Parsed<SqlStatement> {
    let end = text.len();
    let first = c.peek().clone();
    if first.is_sign("(") || ["SELECT", "WITH", "VALUES", "TABLE"].iter().any(|word| first.is(word)) {
        return Ok(SqlStatement::Query(query_between(text, first.start, end)?));
    }
    if c.take(&["INSERT"]) {
        c.require("INTO")?;
        let table = sql_name(c)?;
        let columns = if is_column_list(c) { name_list(c)? } else { Vec::new() };
        return Ok(SqlStatement::Insert { table, columns, query: query_between(text, c.peek().start, end)? });
    }
    if c.take(&["UNLOAD"]) {
        return unload(text, c);
    }
    if c.take(&["CREATE"]) {
        return create(text, all, c);
    }
    if c.take(&["EXPLAIN"]) {
        let analyze = c.take(&["ANALYZE"]);
        c.take(&["VERBOSE"]);
        let mut json = false;
        if c.peek().is_sign("(") && (c.peek_at(1).is("FORMAT") || c.peek_at(1).is("TYPE")) {
            c.next();
            loop {
                if c.take(&["FORMAT"]) {
                    json = c.peek().is("JSON");
                }
                c.next();
                if c.take_sign(")") {
                    break;
                }
                if c.peek().kind == TokenKind::End {
                    return Err(c.expected("')'"));
                }
                if !c.take_sign(",") && c.peek().is("TYPE") {
                    c.next();
                }
            }
        }
        let statement = Box::new(sql_statement(text, all, c)?);
        return Ok(SqlStatement::Explain { analyze, json, statement });
    }
    if c.take(&["SHOW"]) {
        c.require("FUNCTIONS")?;
        let like = if c.take(&["LIKE"]) { Some(c.text()?) } else { None };
        c.finish()?;
        return Ok(SqlStatement::ShowFunctions { like });
    }
    for what in ["DELETE", "UPDATE", "MERGE", "OPTIMIZE", "VACUUM"] {
        if first.is(what) {
            return Ok(SqlStatement::Refused { what });
        }
    }
    Err(c.expected(BEGINNINGS))
}

/// Whether a list of names follows, and not a query in parentheses.
fn is_column_list(c: &Cursor<'_>) -> bool {
    let inner = c.peek_at(1);
    c.peek().is_sign("(")
        && !inner.is_sign("(")
        && !["SELECT", "WITH", "VALUES", "TABLE"].iter().any(|word| inner.is(word))
}

fn create(text: &str, all: &[Token], c: &mut Cursor<'_>) -> Parsed<SqlStatement> {
    let or_replace = c.take(&["OR", "REPLACE"]);
    if c.take(&["VIEW"]) {
        let name = sql_name(c)?;
        let mut comment = None;
        loop {
            if c.take(&["COMMENT"]) {
                comment = Some(c.text()?);
            } else if !(c.take(&["SECURITY", "DEFINER"]) || c.take(&["SECURITY", "INVOKER"])) {
                break;
            }
        }
        c.require("AS")?;
        let start = c.peek().start;
        let query = query_between(text, start, text.len())?;
        let last = all.iter().rev().find(|token| token.kind != TokenKind::End && !token.is_sign(";"));
        let view_text = text.get(start..last.map_or(text.len(), |token| token.end)).unwrap_or_default().to_owned();
        return Ok(SqlStatement::CreateView { name, or_replace, comment, text: view_text, query });
    }
    if or_replace || !c.take(&["TABLE"]) {
        return Err(c.expected(if or_replace {
            "'VIEW'"
        } else {
            "'DATABASE', 'EXTERNAL', 'OR', 'SCHEMA', 'TABLE', 'VIEW'"
        }));
    }
    let if_not_exists = c.take(&["IF", "NOT", "EXISTS"]);
    let name = sql_name(c)?;
    let comment = if c.take(&["COMMENT"]) { Some(c.text()?) } else { None };
    let properties = if c.take(&["WITH"]) { properties(c)? } else { Vec::new() };
    c.require("AS")?;
    let start = c.peek().start;
    // WITH [NO] DATA stands last
    let body: Vec<&Token> = all.iter().filter(|token| token.kind != TokenKind::End && !token.is_sign(";")).collect();
    let (mut end, mut with_data) = (text.len(), true);
    if let [.., with, data] = body.as_slice()
        && with.is("WITH")
        && data.is("DATA")
    {
        end = with.start;
    }
    if let [.., with, no, data] = body.as_slice()
        && with.is("WITH")
        && no.is("NO")
        && data.is("DATA")
    {
        end = with.start;
        with_data = false;
    }
    let query = query_between(text, start, end)?;
    Ok(SqlStatement::CreateTableAs(Box::new(CreateTableAs {
        name,
        if_not_exists,
        comment,
        properties,
        query,
        with_data,
    })))
}

fn unload(text: &str, c: &mut Cursor<'_>) -> Parsed<SqlStatement> {
    let open = c.peek().clone();
    c.require_sign("(")?;
    let mut depth = 1_i32;
    let close = loop {
        let token = c.next();
        match (token.kind, token.text.as_str()) {
            (TokenKind::End, _) => {
                return Err(SyntaxError::at(token.line, token.column, "mismatched input '<EOF>'. Expecting: ')'"));
            }
            (TokenKind::Sign, "(") => depth += 1,
            (TokenKind::Sign, ")") => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break token;
        }
    };
    let query = query_between(text, open.end, close.start)?;
    c.require("TO")?;
    let location = c.text()?;
    let properties = if c.take(&["WITH"]) { properties(c)? } else { Vec::new() };
    c.finish()?;
    Ok(SqlStatement::Unload { query, location, properties })
}

fn prepared(text: &str, c: &mut Cursor<'_>) -> Parsed<PreparedOperation> {
    if c.take(&["PREPARE"]) {
        let name = c.name()?;
        c.require("FROM")?;
        let start = c.peek().start;
        let statement = text.get(start..).unwrap_or_default().trim().trim_end_matches(';').trim_end().to_owned();
        let mut shifted: String =
            text.get(..start).unwrap_or_default().chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        shifted.push_str(&statement);
        if let StatementKind::Prepared(_) = parse(&shifted)? {
            return Err(c.expected("<query>"));
        }
        return Ok(PreparedOperation::Prepare { name, statement });
    }
    if c.take(&["DEALLOCATE"]) {
        c.require("PREPARE")?;
        let name = c.name()?;
        c.finish()?;
        return Ok(PreparedOperation::Deallocate { name });
    }
    c.require("EXECUTE")?;
    let name = c.name()?;
    let mut parameters = Vec::new();
    if c.take(&["USING"]) {
        let (mut start, mut depth) = (c.peek().start, 0_i32);
        loop {
            let token = c.next();
            let ends = token.kind == TokenKind::End || token.is_sign(";");
            if ends || (depth == 0 && token.is_sign(",")) {
                let parameter = text.get(start..token.start).unwrap_or_default().trim();
                if parameter.is_empty() {
                    let shown = token.shown();
                    return Err(SyntaxError::at(
                        token.line,
                        token.column,
                        format!("mismatched input '{shown}'. Expecting: <expression>"),
                    ));
                }
                parameters.push(parameter.to_owned());
                start = token.end;
            }
            match token.text.as_str() {
                _ if ends => break,
                "(" | "[" if token.kind == TokenKind::Sign => depth += 1,
                ")" | "]" if token.kind == TokenKind::Sign => depth -= 1,
                _ => {}
            }
        }
    } else {
        c.finish()?;
    }
    Ok(PreparedOperation::Execute { name, parameters })
}

fn sql_name(c: &mut Cursor<'_>) -> Parsed<SqlName> {
    if c.peek().kind == TokenKind::Backquoted {
        let token = c.peek();
        let message = "backquoted identifiers are not supported; use double quotes to quote identifiers";
        return Err(SyntaxError::at(token.line, token.column, message));
    }
    let mut parts = vec![c.name()?.to_lowercase()];
    while c.take_sign(".") {
        parts.push(c.name()?.to_lowercase());
    }
    let name = parts.pop().unwrap_or_default();
    let database = parts.pop();
    let catalog = parts.pop();
    if parts.is_empty() {
        Ok(SqlName { catalog, database, name })
    } else {
        Err(c.expected("<catalog>.<database>.<table>"))
    }
}

fn name_list(c: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    c.require_sign("(")?;
    let mut names = vec![c.name()?.to_lowercase()];
    while c.take_sign(",") {
        names.push(c.name()?.to_lowercase());
    }
    c.require_sign(")")?;
    Ok(names)
}

fn properties(c: &mut Cursor<'_>) -> Parsed<Vec<(String, Property)>> {
    c.require_sign("(")?;
    let mut properties = Vec::new();
    loop {
        let key = c.name()?.to_lowercase();
        c.require_sign("=")?;
        let value = if c.take(&["ARRAY"]) {
            c.require_sign("[")?;
            let mut values = Vec::new();
            while !c.take_sign("]") {
                values.push(c.text()?);
                c.take_sign(",");
            }
            Property::List(values)
        } else if c.take(&["TRUE"]) {
            Property::Boolean(true)
        } else if c.take(&["FALSE"]) {
            Property::Boolean(false)
        } else if c.peek().kind == TokenKind::Number {
            Property::Number(c.next().text)
        } else {
            Property::Text(c.text()?)
        };
        properties.push((key, value));
        if !c.take_sign(",") {
            c.require_sign(")")?;
            return Ok(properties);
        }
    }
}
