//! Trino's lexical and syntactic options for the SQL parser. Knows no meaning.

use std::any::TypeId;

use sqlparser::ast::Query;
use sqlparser::dialect::{Dialect, GenericDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token as SqlToken, TokenWithSpan, Tokenizer};

use crate::errors::SyntaxError;

/// How deep queries and expressions may nest.
pub(crate) const NESTING_DEPTH_MAX: usize = 100;

/// Athena's dialect of Trino.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TrinoDialect;

impl Dialect for TrinoDialect {
    /// The parser asks for the generic dialect where it has no option (UNNEST, array types).
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '@' || ch == '$'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }
}

/// Reads `text` as a query; all of it.
pub(crate) fn parse_query(text: &str) -> Result<Box<Query>, SyntaxError> {
    parse_with(text, |parser| parser.parse_query())
}

/// Reads `text` as an expression; all of it.
pub(crate) fn parse_expression(text: &str) -> Result<sqlparser::ast::Expr, SyntaxError> {
    parse_with(text, |parser| parser.parse_expr())
}

fn parse_with<T>(text: &str, read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>) -> Result<T, SyntaxError> {
    let dialect = TrinoDialect;
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|error| {
        SyntaxError::at(error.location.line, error.location.column, unreadable(text, error.location, &error.message))
    })?;
    let tokens = wrap_bare_rows(tokens);
    let mut parser = Parser::new(&dialect).with_recursion_limit(NESTING_DEPTH_MAX).with_tokens_with_locations(tokens);
    let read = read(&mut parser).map_err(|error| syntax_error(text, error))?;
    while parser.consume_token(&SqlToken::SemiColon) {}
    let rest = parser.peek_token();
    if rest.token == SqlToken::EOF {
        return Ok(read);
    }
    let start = rest.span.start;
    Err(SyntaxError::at(
        start.line,
        start.column,
        format!("mismatched input '{}'. Expecting: <EOF>", shown(&rest.token.to_string())),
    ))
}

/// `VALUES 1, 2` is `VALUES (1), (2)`: Trino takes rows of one column without parentheses.
fn wrap_bare_rows(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_word = |token: &SqlToken, keywords: &[Keyword]| matches!(token, SqlToken::Word(word) if word.quote_style.is_none() && keywords.contains(&word.keyword));
    let mut out = Vec::with_capacity(tokens.len());
    // the depth at which bare rows stand now
    let mut bare: Option<i32> = None;
    let mut depth = 0_i32;
    let mut after_values = false;
    for token in tokens {
        if matches!(token.token, SqlToken::Whitespace(_)) {
            out.push(token);
            continue;
        }
        let sign = |sign: SqlToken| TokenWithSpan::new(sign, token.span);
        if std::mem::take(&mut after_values)
            && token.token != SqlToken::LParen
            && bare.is_none()
            && !is_word(&token.token, &[Keyword::ROW])
        {
            bare = Some(depth);
            out.push(sign(SqlToken::LParen));
        }
        if bare == Some(depth) {
            let ends = matches!(token.token, SqlToken::RParen | SqlToken::SemiColon | SqlToken::EOF)
                || is_word(
                    &token.token,
                    &[
                        Keyword::ORDER,
                        Keyword::LIMIT,
                        Keyword::OFFSET,
                        Keyword::UNION,
                        Keyword::EXCEPT,
                        Keyword::INTERSECT,
                        Keyword::FETCH,
                    ],
                );
            if ends {
                out.push(sign(SqlToken::RParen));
                bare = None;
            } else if token.token == SqlToken::Comma {
                out.push(sign(SqlToken::RParen));
                let open = sign(SqlToken::LParen);
                out.push(token);
                out.push(open);
                continue;
            }
        }
        match token.token {
            SqlToken::LParen | SqlToken::LBracket => depth += 1,
            SqlToken::RParen | SqlToken::RBracket => depth -= 1,
            _ => {}
        }
        after_values = is_word(&token.token, &[Keyword::VALUES]);
        out.push(token);
    }
    if bare.is_some() {
        out.push(TokenWithSpan::wrap(SqlToken::RParen));
    }
    out
}

fn unreadable(text: &str, location: Location, message: &str) -> String {
    let line = text.lines().nth(usize::try_from(location.line.saturating_sub(1)).unwrap_or(0)).unwrap_or_default();
    match line.chars().nth(usize::try_from(location.column.saturating_sub(1)).unwrap_or(0)) {
        Some('`') => "backquoted identifiers are not supported; use double quotes to quote identifiers".to_owned(),
        _ => message.to_owned(),
    }
}

fn shown(token: &str) -> &str {
    if token == "EOF" { "<EOF>" } else { token }
}

/// `Expected: X, found: Y at Line: 1, Column: 8` said as Trino says it.
fn syntax_error(text: &str, error: ParserError) -> SyntaxError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return SyntaxError::at(
                1,
                1,
                format!("statement is too large (it nests deeper than {NESTING_DEPTH_MAX} levels)"),
            );
        }
    };
    let (message, line, column) = split_place(&message).unwrap_or((message.as_str(), end_of(text).0, end_of(text).1));
    let said = message
        .strip_prefix("Expected: ")
        .or_else(|| message.strip_prefix("Expected "))
        .and_then(|rest| rest.rsplit_once(", found: "));
    match said {
        Some((_, "`")) => SyntaxError::at(
            line,
            column,
            "backquoted identifiers are not supported; use double quotes to quote identifiers",
        ),
        Some((expected, found)) => {
            let (line, column) = if found == "EOF" { end_of(text) } else { (line, column) };
            SyntaxError::at(
                line,
                column,
                format!("mismatched input '{}'. Expecting: {}", shown(found), expecting(expected)),
            )
        }
        None => SyntaxError::at(line, column, message.to_owned()),
    }
}

fn expecting(expected: &str) -> String {
    match expected {
        "an expression" => "'*', 'ALL', 'DISTINCT', <expression>".to_owned(),
        "end of statement" => "<EOF>".to_owned(),
        "identifier" => "<identifier>".to_owned(),
        "SELECT, VALUES, or a subquery in the query body" => "'(', 'SELECT', 'TABLE', 'VALUES'".to_owned(),
        other if other.len() <= 2 || other.chars().all(|c| c.is_ascii_uppercase() || c == ' ') => format!("'{other}'"),
        other => other.to_owned(),
    }
}

fn split_place(message: &str) -> Option<(&str, u64, u64)> {
    let (message, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some((message, line.trim().parse().ok()?, column.trim().parse().ok()?))
}

fn end_of(text: &str) -> (u64, u64) {
    let text = text.trim_end();
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (u64::try_from(line).unwrap_or(1), u64::try_from(column).unwrap_or(1))
}
