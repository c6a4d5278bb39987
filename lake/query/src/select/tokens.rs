//! The words of a selection's SQL. Knows no grammar.

use tarn_objects::select::{SelectError, SelectErrorName};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Number(String),
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 22] =
    ["<>", "!=", "<=", ">=", "||", "=", "<", ">", "(", ")", "[", "]", ",", ".", "*", "+", "-", "/", "%", ";", "?", ":"];

pub(super) fn unexpected(found: &Token, wanted: &str) -> SelectError {
    let found = match found {
        Token::Word(text) | Token::Quoted(text) | Token::Text(text) | Token::Number(text) => format!("`{text}`"),
        Token::Symbol(text) => format!("`{text}`"),
        Token::End => "the end".to_owned(),
    };
    SelectError::new(
        SelectErrorName::ParseUnexpectedToken,
        format!("The SQL expression has {found} where {wanted} is expected"),
    )
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, SelectError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let token = match first {
            '\'' | '"' => {
                let (inner, after) = quoted(rest, first)?;
                rest = after;
                if first == '\'' { Token::Text(inner) } else { Token::Quoted(inner) }
            }
            first if first.is_ascii_digit() => {
                let mut end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                let exponent = rest.get(end..).unwrap_or_default();
                if exponent.starts_with(['e', 'E']) {
                    let digits = exponent.get(1..).unwrap_or_default();
                    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
                    let length = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
                    if length > 0 {
                        end += 1 + (digits.len() - unsigned.len()) + length;
                    }
                }
                let (number, after) = rest.split_at(end);
                rest = after;
                Token::Number(number.to_owned())
            }
            first if first.is_alphabetic() || first == '_' || first == '$' || first == '@' => {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '@';
                let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                rest = after;
                Token::Word(word.to_owned())
            }
            first => {
                let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) else {
                    let message = format!("The SQL expression contains the invalid character `{first}`");
                    return Err(SelectError::new(SelectErrorName::LexerInvalidChar, message));
                };
                rest = rest.get(symbol.len()..).unwrap_or_default();
                Token::Symbol(symbol)
            }
        };
        tokens.push(token);
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// What stands between two quotes; two of them within are one.
fn quoted(text: &str, quote: char) -> Result<(String, &str), SelectError> {
    let mut inner = String::new();
    let mut rest = text.get(1..).unwrap_or_default();
    loop {
        let Some((before, after)) = rest.split_once(quote) else {
            return Err(SelectError::new(
                SelectErrorName::LexerInvalidChar,
                format!("The SQL expression has a {quote} that is not closed"),
            ));
        };
        inner.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                inner.push(quote);
                rest = more;
            }
            None => return Ok((inner, after)),
        }
    }
}
