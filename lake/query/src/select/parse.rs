//! The grammar of a selection's SQL: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference.html>
//! Knows no object.

use tarn_objects::select::{SelectError, SelectErrorName};

use super::expression::{Aggregate, Expr, Function, Item, Operator, Part, Selection, Step, Trim, Type};
use super::tokens::{Token, tokens, unexpected};
use super::value::Value;

/// The longest expression, bytes.
pub(super) const EXPRESSION_SIZE_BYTES_MAX: usize = 256 << 10;
/// How deep expressions may stand within each other.
const DEPTH_MAX: usize = 64;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    alias: Option<String>,
    aggregates: Vec<(Aggregate, Option<Expr>)>,
    /// Aggregates stand in the items only, and not within each other.
    aggregates_allowed: bool,
}

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Selection, SelectError> {
    if text.len() > EXPRESSION_SIZE_BYTES_MAX {
        return Err(SelectError::new(
            SelectErrorName::ExpressionTooLong,
            format!("The SQL expression is longer than {EXPRESSION_SIZE_BYTES_MAX} bytes"),
        ));
    }
    let tokens = tokens(text)?;
    // The items are read first and name the alias that FROM gives later.
    let mut parser = Parser { tokens, at: 0, depth: 0, alias: None, aggregates: Vec::new(), aggregates_allowed: false };
    let (from, behind_from) = parser.find_from()?;
    parser.at = 0;
    parser.word("SELECT")?;
    parser.aggregates_allowed = true;
    let items = parser.items()?;
    parser.aggregates_allowed = false;
    parser.at = behind_from;
    let condition = if parser.take("WHERE") { Some(parser.expr()?) } else { None };
    let limit = if parser.take("LIMIT") { Some(parser.limit()?) } else { None };
    parser.symbol(";");
    if *parser.peek() != Token::End {
        return Err(unexpected(parser.peek(), "WHERE, LIMIT or the end"));
    }
    let selection = Selection { items, from, condition, limit, aggregates: parser.aggregates };
    if !selection.aggregates.is_empty() && selection.items.iter().flatten().any(|item| names_column(&item.expr)) {
        return Err(SelectError::new(
            SelectErrorName::UnsupportedSqlStructure,
            "The SQL expression has a column beside an aggregate: there is no GROUP BY",
        ));
    }
    Ok(selection)
}

/// The type that SQL calls so, in capitals.
fn named_type(name: &str, scale: u32) -> Option<Type> {
    Some(match name {
        "BOOL" | "BOOLEAN" => Type::Bool,
        "INT" | "INTEGER" | "BIGINT" => Type::Int,
        "FLOAT" | "DOUBLE" | "REAL" => Type::Float,
        "DECIMAL" | "NUMERIC" => Type::Decimal(scale.min(15)),
        "STRING" | "VARCHAR" | "CHAR" => Type::Text,
        "TIMESTAMP" => Type::Timestamp,
        _ => return None,
    })
}

/// Whether a column stands outside of an aggregate.
fn names_column(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Column(_) => true,
        Expr::Literal(_) | Expr::Aggregate(_) => false,
        Expr::Not(inner) | Expr::Negate(inner) | Expr::Cast(inner, _) | Expr::IsNull { expr: inner, .. } => {
            names_column(inner)
        }
        Expr::Binary(left, _, right) => names_column(left) || names_column(right),
        Expr::In { expr, list, .. } => names_column(expr) || list.iter().any(names_column),
        Expr::Between { expr, low, high, .. } => [expr, low, high].into_iter().any(|expr| names_column(expr)),
        Expr::Like { expr, pattern, .. } => names_column(expr) || names_column(pattern),
        Expr::Case { operand, whens, otherwise } => {
            operand.iter().chain(otherwise).any(|expr| names_column(expr))
                || whens.iter().any(|(when, then)| names_column(when) || names_column(then))
        }
        Expr::Call(_, arguments) => arguments.iter().any(names_column),
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> Result<(), SelectError> {
        if self.take(word) { Ok(()) } else { Err(unexpected(self.peek(), word)) }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(found) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn must(&mut self, symbol: &str) -> Result<(), SelectError> {
        if self.symbol(symbol) { Ok(()) } else { Err(unexpected(self.peek(), symbol)) }
    }

    /// Reads FROM first: its path, its alias, and where what follows begins.
    fn find_from(&mut self) -> Result<(Vec<Step>, usize), SelectError> {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Token::Symbol("(") => depth += 1,
                Token::Symbol(")") => depth = depth.saturating_sub(1),
                Token::Word(word) if depth == 0 && word.eq_ignore_ascii_case("FROM") => break,
                Token::End => {
                    let message = "The SQL expression has no FROM";
                    return Err(SelectError::new(SelectErrorName::ParseSelectMissingFrom, message));
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        match self.next() {
            Token::Word(name) | Token::Quoted(name) if name.eq_ignore_ascii_case("s3object") => {}
            other => {
                let error = unexpected(&other, "S3Object");
                return Err(SelectError::new(SelectErrorName::InvalidTableAlias, error.message));
            }
        }
        let path = self.steps()?;
        self.take("AS");
        let reserved = ["WHERE", "LIMIT"].iter().any(|word| self.is_word(word));
        if !reserved && let Token::Word(name) | Token::Quoted(name) = self.peek() {
            self.alias = Some(name.clone());
            self.at += 1;
        }
        Ok((path, self.at))
    }

    fn limit(&mut self) -> Result<u64, SelectError> {
        match self.next() {
            Token::Number(number) => number.parse().map_err(|_| unexpected(&Token::Number(number), "a count")),
            other => Err(unexpected(&other, "a count")),
        }
    }

    fn items(&mut self) -> Result<Option<Vec<Item>>, SelectError> {
        if self.symbol("*") {
            self.ends_at_from()?;
            return Ok(None);
        }
        let mut items = Vec::new();
        loop {
            // s.*
            if let Token::Word(name) | Token::Quoted(name) = self.peek()
                && self.is_table(name)
                && matches!(self.tokens.get(self.at + 1), Some(Token::Symbol(".")))
                && matches!(self.tokens.get(self.at + 2), Some(Token::Symbol("*")))
                && items.is_empty()
            {
                self.at += 3;
                self.ends_at_from()?;
                return Ok(None);
            }
            let expr = self.expr()?;
            let mut alias = None;
            let explicit = self.take("AS");
            if (explicit || !self.is_word("FROM"))
                && let Token::Word(name) | Token::Quoted(name) = self.peek()
            {
                alias = Some(name.clone());
                self.at += 1;
            }
            items.push(Item { expr, alias });
            if !self.symbol(",") {
                self.ends_at_from()?;
                return Ok(Some(items));
            }
        }
    }

    fn ends_at_from(&self) -> Result<(), SelectError> {
        if self.is_word("FROM") { Ok(()) } else { Err(unexpected(self.peek(), "FROM")) }
    }

    fn is_table(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case("s3object")
            || self.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// `.name`, `."name"`, `[1]`, `['name']`, `[*]`
    fn steps(&mut self) -> Result<Vec<Step>, SelectError> {
        let mut steps = Vec::new();
        loop {
            if self.symbol(".") {
                match self.next() {
                    Token::Word(name) => steps.push(Step::Name { name, exact: false }),
                    Token::Quoted(name) => steps.push(Step::Name { name, exact: true }),
                    other => return Err(unexpected(&other, "a name")),
                }
            } else if self.symbol("[") {
                match self.next() {
                    Token::Symbol("*") => steps.push(Step::All),
                    Token::Number(number) => {
                        let index = number.parse().map_err(|_| unexpected(&Token::Number(number), "an index"))?;
                        steps.push(Step::Index(index));
                    }
                    Token::Text(name) => steps.push(Step::Name { name, exact: true }),
                    other => return Err(unexpected(&other, "an index, a name or *")),
                }
                self.must("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn expr(&mut self) -> Result<Expr, SelectError> {
        self.binary(0)
    }

    fn boxed(&mut self, least: u8) -> Result<Box<Expr>, SelectError> {
        Ok(Box::new(self.binary(least)?))
    }

    /// The operator that stands next, and how tightly it binds.
    fn operator(&self) -> Option<(Operator, u8)> {
        use Operator::{
            Add, And, Concat, Divide, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Modulo, Multiply, NotEqual,
            Or, Subtract,
        };
        Some(match self.peek() {
            Token::Word(word) if word.eq_ignore_ascii_case("OR") => (Or, 1),
            Token::Word(word) if word.eq_ignore_ascii_case("AND") => (And, 2),
            Token::Symbol("=") => (Equal, 4),
            Token::Symbol("<>" | "!=") => (NotEqual, 4),
            Token::Symbol("<") => (Less, 4),
            Token::Symbol("<=") => (LessOrEqual, 4),
            Token::Symbol(">") => (Greater, 4),
            Token::Symbol(">=") => (GreaterOrEqual, 4),
            Token::Symbol("||") => (Concat, 6),
            Token::Symbol("+") => (Add, 7),
            Token::Symbol("-") => (Subtract, 7),
            Token::Symbol("*") => (Multiply, 8),
            Token::Symbol("/") => (Divide, 8),
            Token::Symbol("%") => (Modulo, 8),
            _ => return None,
        })
    }

    fn binary(&mut self, least: u8) -> Result<Expr, SelectError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SelectError::new(
                SelectErrorName::UnsupportedSqlStructure,
                format!("The SQL expression stands more than {DEPTH_MAX} levels deep"),
            ));
        }
        let mut left = self.unary()?;
        loop {
            if let Some((operator, binds)) = self.operator() {
                if binds < least {
                    break;
                }
                self.at += 1;
                left = Expr::Binary(Box::new(left), operator, self.boxed(binds + 1)?);
            } else if least <= 4 {
                match self.condition(left)? {
                    (next, true) => left = next,
                    (next, false) => {
                        left = next;
                        break;
                    }
                }
            } else {
                break;
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    /// `IS NULL`, `IN`, `BETWEEN`, `LIKE` behind `left`; whether there was one.
    fn condition(&mut self, left: Expr) -> Result<(Expr, bool), SelectError> {
        let start = self.at;
        let expr = Box::new(left);
        if self.take("IS") {
            let negated = self.take("NOT");
            let missing = self.take("MISSING");
            if !missing {
                self.word("NULL")?;
            }
            return Ok((Expr::IsNull { expr, missing, negated }, true));
        }
        let negated = self.take("NOT");
        if self.take("IN") {
            self.must("(")?;
            let list = self.arguments()?;
            return Ok((Expr::In { expr, list, negated }, true));
        }
        if self.take("BETWEEN") {
            let low = self.boxed(5)?;
            self.word("AND")?;
            return Ok((Expr::Between { expr, low, high: self.boxed(5)?, negated }, true));
        }
        if self.take("LIKE") {
            let pattern = self.boxed(5)?;
            let escape = if self.take("ESCAPE") { Some(self.boxed(5)?) } else { None };
            return Ok((Expr::Like { expr, pattern, escape, negated }, true));
        }
        self.at = start;
        Ok((*expr, false))
    }

    /// Expressions up to the closing parenthesis.
    fn arguments(&mut self) -> Result<Vec<Expr>, SelectError> {
        let mut list = Vec::new();
        if self.symbol(")") {
            return Ok(list);
        }
        loop {
            list.push(self.expr()?);
            if !self.symbol(",") {
                self.must(")")?;
                return Ok(list);
            }
        }
    }

    fn unary(&mut self) -> Result<Expr, SelectError> {
        if self.take("NOT") {
            return Ok(Expr::Not(self.boxed(3)?));
        }
        if self.symbol("-") {
            return Ok(match self.binary(9)? {
                Expr::Literal(Value::Int(number)) => Expr::Literal(Value::Int(number.wrapping_neg())),
                Expr::Literal(Value::Float(number)) => Expr::Literal(Value::Float(-number)),
                other => Expr::Negate(Box::new(other)),
            });
        }
        if self.symbol("+") {
            return self.binary(9);
        }
        if self.symbol("(") {
            let inner = self.expr()?;
            self.must(")")?;
            return Ok(inner);
        }
        match self.next() {
            Token::Text(text) => Ok(Expr::Literal(Value::Text(text))),
            Token::Number(number) => {
                if let Ok(number) = number.parse() {
                    return Ok(Expr::Literal(Value::Int(number)));
                }
                let float = number.parse().map_err(|_| unexpected(&Token::Number(number), "a number"))?;
                Ok(Expr::Literal(Value::Float(float)))
            }
            Token::Quoted(name) => self.path(Step::Name { name, exact: true }),
            Token::Word(word) => self.named(word),
            other => Err(unexpected(&other, "an expression")),
        }
    }

    fn path(&mut self, first: Step) -> Result<Expr, SelectError> {
        let mut steps = self.steps()?;
        let is_table = matches!(&first, Step::Name { name, .. } if self.is_table(name));
        if !is_table {
            steps.insert(0, first);
        }
        if steps.contains(&Step::All) {
            return Err(SelectError::new(
                SelectErrorName::ParseInvalidPathComponent,
                "The SQL expression has [*] outside of FROM",
            ));
        }
        Ok(Expr::Path(steps))
    }

    /// A keyword, a call or a column.
    fn named(&mut self, word: String) -> Result<Expr, SelectError> {
        let upper = word.to_ascii_uppercase();
        if matches!(self.peek(), Token::Symbol("(")) {
            self.at += 1;
            return self.call(&upper);
        }
        match upper.as_str() {
            "TRUE" => Ok(Expr::Literal(Value::Bool(true))),
            "FALSE" => Ok(Expr::Literal(Value::Bool(false))),
            "NULL" => Ok(Expr::Literal(Value::Null)),
            "MISSING" => Ok(Expr::Literal(Value::Missing)),
            "CASE" => self.case(),
            "FROM" | "WHERE" | "LIMIT" | "AND" | "OR" | "SELECT" => {
                Err(unexpected(&Token::Word(word), "an expression"))
            }
            _ => self.path(Step::Name { name: word, exact: false }),
        }
    }

    fn case(&mut self) -> Result<Expr, SelectError> {
        let operand = if self.is_word("WHEN") { None } else { Some(Box::new(self.expr()?)) };
        let mut whens = Vec::new();
        while self.take("WHEN") {
            let when = self.expr()?;
            self.word("THEN")?;
            whens.push((when, self.expr()?));
        }
        if whens.is_empty() {
            return Err(unexpected(self.peek(), "WHEN"));
        }
        let otherwise = if self.take("ELSE") { Some(Box::new(self.expr()?)) } else { None };
        self.word("END")?;
        Ok(Expr::Case { operand, whens, otherwise })
    }

    fn part(&mut self) -> Result<Part, SelectError> {
        let token = self.next();
        let Token::Word(word) = &token else { return Err(unexpected(&token, "a part of a date")) };
        Ok(match word.to_ascii_uppercase().as_str() {
            "YEAR" => Part::Year,
            "MONTH" => Part::Month,
            "DAY" => Part::Day,
            "HOUR" => Part::Hour,
            "MINUTE" => Part::Minute,
            "SECOND" => Part::Second,
            "TIMEZONE_HOUR" => Part::TimezoneHour,
            "TIMEZONE_MINUTE" => Part::TimezoneMinute,
            _ => return Err(unexpected(&token, "a part of a date")),
        })
    }

    /// A call, behind its opening parenthesis.
    fn call(&mut self, name: &str) -> Result<Expr, SelectError> {
        let aggregate = match name {
            "COUNT" => Some(Aggregate::Count),
            "SUM" => Some(Aggregate::Sum),
            "AVG" => Some(Aggregate::Avg),
            "MIN" => Some(Aggregate::Min),
            "MAX" => Some(Aggregate::Max),
            _ => None,
        };
        if let Some(aggregate) = aggregate {
            return self.aggregate(aggregate);
        }
        // A type that is called casts, as other stores have it; to AWS it is an unknown function.
        if let Some(to) = named_type(name, 0) {
            let inner = Box::new(self.expr()?);
            self.must(")")?;
            return Ok(Expr::Cast(inner, to));
        }
        match name {
            "CAST" => {
                let inner = Box::new(self.expr()?);
                self.word("AS")?;
                let to = self.data_type()?;
                self.must(")")?;
                return Ok(Expr::Cast(inner, to));
            }
            "TRIM" => return self.trim(),
            "SUBSTRING" => {
                let mut arguments = vec![self.expr()?];
                if self.take("FROM") {
                    arguments.push(self.expr()?);
                    if self.take("FOR") {
                        arguments.push(self.expr()?);
                    }
                    self.must(")")?;
                } else {
                    self.must(",")?;
                    arguments.extend(self.arguments()?);
                }
                return self.function(Function::Substring, arguments, 2..=3, name);
            }
            "EXTRACT" => {
                let part = self.part()?;
                self.word("FROM")?;
                let arguments = self.arguments()?;
                return self.function(Function::Extract(part), arguments, 1..=1, name);
            }
            "DATE_ADD" | "DATE_DIFF" => {
                let part = self.part()?;
                self.must(",")?;
                let arguments = self.arguments()?;
                let function = if name == "DATE_ADD" { Function::DateAdd(part) } else { Function::DateDiff(part) };
                return self.function(function, arguments, 2..=2, name);
            }
            _ => {}
        }
        let (function, count) = match name {
            "COALESCE" => (Function::Coalesce, 1..=usize::MAX),
            "NULLIF" => (Function::NullIf, 2..=2),
            "CHAR_LENGTH" | "CHARACTER_LENGTH" => (Function::CharLength, 1..=1),
            "LOWER" => (Function::Lower, 1..=1),
            "UPPER" => (Function::Upper, 1..=1),
            "TO_STRING" => (Function::ToString, 2..=2),
            "TO_TIMESTAMP" => (Function::ToTimestamp, 1..=1),
            "UTCNOW" => (Function::UtcNow, 0..=0),
            _ => {
                return Err(SelectError::new(
                    SelectErrorName::UnsupportedFunction,
                    format!("The SQL expression calls {name}, which is no function of S3 Select"),
                ));
            }
        };
        let arguments = self.arguments()?;
        self.function(function, arguments, count, name)
    }

    fn function(
        &self,
        function: Function,
        arguments: Vec<Expr>,
        count: std::ops::RangeInclusive<usize>,
        name: &str,
    ) -> Result<Expr, SelectError> {
        if count.contains(&arguments.len()) {
            return Ok(Expr::Call(function, arguments));
        }
        Err(SelectError::new(
            SelectErrorName::EvaluatorInvalidArguments,
            format!("{name} does not take {} arguments", arguments.len()),
        ))
    }

    fn aggregate(&mut self, aggregate: Aggregate) -> Result<Expr, SelectError> {
        if !self.aggregates_allowed {
            return Err(SelectError::new(
                SelectErrorName::UnsupportedSqlStructure,
                "An aggregate can only stand behind SELECT, and not within another",
            ));
        }
        let argument = if aggregate == Aggregate::Count && self.symbol("*") {
            None
        } else {
            self.aggregates_allowed = false;
            let argument = self.expr()?;
            self.aggregates_allowed = true;
            Some(argument)
        };
        self.must(")")?;
        self.aggregates.push((aggregate, argument));
        Ok(Expr::Aggregate(self.aggregates.len() - 1))
    }

    fn trim(&mut self) -> Result<Expr, SelectError> {
        let side = if self.take("LEADING") {
            Some(Trim::Leading)
        } else if self.take("TRAILING") {
            Some(Trim::Trailing)
        } else if self.take("BOTH") {
            Some(Trim::Both)
        } else {
            None
        };
        let mut arguments = Vec::new();
        if !(side.is_some() && self.take("FROM")) {
            arguments.push(self.expr()?);
            if self.take("FROM") {
                arguments.push(self.expr()?);
            }
        } else {
            arguments.push(self.expr()?);
        }
        self.must(")")?;
        self.function(Function::Trim(side.unwrap_or(Trim::Both)), arguments, 1..=2, "TRIM")
    }

    fn data_type(&mut self) -> Result<Type, SelectError> {
        let token = self.next();
        let Token::Word(word) = &token else { return Err(unexpected(&token, "a type")) };
        let mut scale = 0;
        let found = word.to_ascii_uppercase();
        if self.symbol("(") {
            self.limit()?;
            if self.symbol(",") {
                scale = u32::try_from(self.limit()?).unwrap_or(u32::MAX);
            }
            self.must(")")?;
        }
        named_type(&found, scale).ok_or_else(|| {
            SelectError::new(SelectErrorName::ParseUnknownOperator, format!("{word} is no type that CAST knows"))
        })
    }
}
