//! Words, names, numbers and signs of a statement with their places; comments are whitespace. Knows no grammar.

use crate::errors::SyntaxError;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A word or keyword.
    Word,
    /// A name in backticks.
    Backquoted,
    /// Text in double quotes: a name in SQL, a string in Hive.
    DoubleQuoted,
    /// Text in single quotes.
    Text,
    /// Digits, point, exponent.
    Number,
    /// One or two signs.
    Sign,
    /// After the last.
    End,
}

/// One token: `text` is unquoted and unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub text: String,
    /// Byte offsets in the statement.
    pub start: usize,
    pub end: usize,
    pub line: u64,
    pub column: u64,
}

impl Token {
    /// Whether this is the bare word `keyword` (given in capitals).
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether this is the sign.
    pub fn is_sign(&self, sign: &str) -> bool {
        self.kind == TokenKind::Sign && self.text == sign
    }

    /// How an error names it.
    pub fn shown(&self) -> &str {
        if self.kind == TokenKind::End { "<EOF>" } else { &self.text }
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    column: u64,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn peek_second(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().nth(1)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn space(&mut self) -> Result<(), SyntaxError> {
        loop {
            match (self.peek(), self.peek_second()) {
                (Some(c), _) if c.is_whitespace() => {
                    self.next();
                }
                (Some('-'), Some('-')) => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                (Some('/'), Some('*')) => {
                    let (line, column) = (self.line, self.column);
                    self.next();
                    self.next();
                    loop {
                        match self.next() {
                            Some('*') if self.peek() == Some('/') => {
                                self.next();
                                break;
                            }
                            Some(_) => {}
                            None => {
                                return Err(SyntaxError::at(line, column, "mismatched input '/*'. Expecting: '*/'"));
                            }
                        }
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// The inside of quotes; the opening one is next. Doubled quotes stand for one; Hive strings also know backslashes.
    fn quoted(&mut self, backslashes: bool) -> Result<String, SyntaxError> {
        let (line, column) = (self.line, self.column);
        let quote = self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => {
                    return Err(SyntaxError::at(
                        line,
                        column,
                        format!("a text that begins with {} does not end", quote.unwrap_or('"')),
                    ));
                }
                c if c == quote => {
                    if self.peek() != quote {
                        return Ok(text);
                    }
                    self.next();
                    text.extend(quote);
                }
                Some('\\') if backslashes => text.push_str(&self.escape()),
                Some(c) => text.push(c),
            }
        }
    }

    /// Hive's escapes: `\n`, `\001` (octal), `\u0001`; before anything else a backslash is dropped before quotes and kept elsewhere.
    fn escape(&mut self) -> String {
        let Some(c) = self.next() else { return "\\".to_owned() };
        match c {
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            'r' => "\r".to_owned(),
            'b' => "\u{8}".to_owned(),
            'Z' => "\u{1a}".to_owned(),
            '0'..='3' => {
                let mut digits = String::from(c);
                while digits.len() < 3 && self.peek().is_some_and(|c| ('0'..='7').contains(&c)) {
                    digits.extend(self.next());
                }
                u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32).map(String::from).unwrap_or(digits)
            }
            'u' => {
                let mut digits = String::new();
                while digits.len() < 4 && self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
                    digits.extend(self.next());
                }
                let char = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                char.map_or_else(|| format!("\\u{digits}"), String::from)
            }
            '\\' | '\'' | '"' => c.to_string(),
            _ => format!("\\{c}"),
        }
    }
}

/// All tokens of `text`, the last of kind `End`. With `hive` strings know backslash escapes.
pub(crate) fn tokens(text: &str, hive: bool) -> Result<Vec<Token>, SyntaxError> {
    let mut scanner = Scanner { text, at: 0, line: 1, column: 1 };
    let mut tokens = Vec::new();
    loop {
        scanner.space()?;
        let (start, line, column) = (scanner.at, scanner.line, scanner.column);
        let Some(c) = scanner.peek() else {
            tokens.push(Token { kind: TokenKind::End, text: String::new(), start, end: start, line, column });
            return Ok(tokens);
        };
        let (kind, content) = match c {
            '`' => (TokenKind::Backquoted, scanner.quoted(false)?),
            '"' => (TokenKind::DoubleQuoted, scanner.quoted(hive)?),
            '\'' => (TokenKind::Text, scanner.quoted(hive)?),
            c if c.is_ascii_digit() || (c == '.' && scanner.peek_second().is_some_and(|c| c.is_ascii_digit())) => {
                while scanner.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_') {
                    scanner.next();
                }
                let content = text.get(start..scanner.at).unwrap_or_default().to_owned();
                // Hive and Trino names may begin with a digit: 2024_sales
                let is_name =
                    content.contains(|c: char| c.is_ascii_alphabetic() || c == '_') && content.parse::<f64>().is_err();
                (if is_name { TokenKind::Word } else { TokenKind::Number }, content)
            }
            c if c.is_alphanumeric() || c == '_' || c == '$' || c == '@' => {
                while scanner.peek().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$' || c == '@') {
                    scanner.next();
                }
                (TokenKind::Word, text.get(start..scanner.at).unwrap_or_default().to_owned())
            }
            _ => {
                scanner.next();
                let pair = matches!(
                    (c, scanner.peek()),
                    ('<' | '>' | '!', Some('=')) | ('<', Some('>')) | ('|', Some('|')) | ('-' | '=', Some('>'))
                );
                // `>>` of nested types stays two signs
                if pair {
                    scanner.next();
                }
                (TokenKind::Sign, text.get(start..scanner.at).unwrap_or_default().to_owned())
            }
        };
        tokens.push(Token { kind, text: content, start, end: scanner.at, line, column });
    }
}

/// Walks over tokens.
pub(crate) struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
    end: Token,
}

impl<'a> Cursor<'a> {
    pub fn new(tokens: &'a [Token]) -> Self {
        let end = tokens.last().cloned().unwrap_or(Token {
            kind: TokenKind::End,
            text: String::new(),
            start: 0,
            end: 0,
            line: 1,
            column: 1,
        });
        Self { tokens, at: 0, end: Token { kind: TokenKind::End, text: String::new(), start: end.end, ..end } }
    }

    pub fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    pub fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).unwrap_or(&self.end)
    }

    pub fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// Takes `keywords`, in order, if all of them are next.
    pub fn take(&mut self, keywords: &[&str]) -> bool {
        let all = keywords.iter().enumerate().all(|(ahead, keyword)| self.peek_at(ahead).is(keyword));
        if all {
            self.at += keywords.len();
        }
        all
    }

    /// Takes the sign if it is next.
    pub fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.peek().is_sign(sign);
        if found {
            self.at += 1;
        }
        found
    }

    /// The error that something else has to stand here.
    pub fn expected(&self, expected: &str) -> SyntaxError {
        let token = self.peek();
        SyntaxError::at(
            token.line,
            token.column,
            format!("mismatched input '{}'. Expecting: {expected}", token.shown()),
        )
    }

    pub fn require(&mut self, keyword: &str) -> Result<(), SyntaxError> {
        if self.take(&[keyword]) { Ok(()) } else { Err(self.expected(&format!("'{keyword}'"))) }
    }

    pub fn require_sign(&mut self, sign: &str) -> Result<(), SyntaxError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.expected(&format!("'{sign}'"))) }
    }

    /// A name, quoted or not.
    pub fn name(&mut self) -> Result<String, SyntaxError> {
        match self.peek().kind {
            TokenKind::Word | TokenKind::Backquoted | TokenKind::DoubleQuoted => Ok(self.next().text),
            _ => Err(self.expected("<identifier>")),
        }
    }

    /// A text in quotes.
    pub fn text(&mut self) -> Result<String, SyntaxError> {
        match self.peek().kind {
            TokenKind::Text | TokenKind::DoubleQuoted => Ok(self.next().text),
            _ => Err(self.expected("<string>")),
        }
    }

    /// Nothing, but perhaps one semicolon, may follow.
    pub fn finish(&mut self) -> Result<(), SyntaxError> {
        self.take_sign(";");
        if self.peek().kind == TokenKind::End {
            return Ok(());
        }
        let token = self.peek();
        Err(SyntaxError::at(
            token.line,
            token.column,
            format!("extraneous input '{}'. Expecting: <EOF>", token.shown()),
        ))
    }
}
