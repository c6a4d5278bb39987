//! What the SQL of a selection says, as a tree: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference.html>
//! Knows no object.

use super::value::Value;

/// A whole statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    /// `None` is `*`.
    pub items: Option<Vec<Item>>,
    /// Behind `s3object`: from which part of a record the rows come.
    pub from: Vec<Step>,
    pub condition: Option<Expr>,
    pub limit: Option<u64>,
    /// The aggregates of the items, which name them by their place.
    pub aggregates: Vec<(Aggregate, Option<Expr>)>,
}

/// A column of the result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub expr: Expr,
    pub alias: Option<String>,
}

/// A part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name {
        name: String,
        exact: bool,
    },
    Index(usize),
    /// `[*]`
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Float,
    /// Digits behind the point.
    Decimal(u32),
    Text,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trim {
    Both,
    Leading,
    Trailing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    TimezoneHour,
    TimezoneMinute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Coalesce,
    NullIf,
    CharLength,
    Lower,
    Upper,
    Substring,
    Trim(Trim),
    DateAdd(Part),
    DateDiff(Part),
    Extract(Part),
    ToString,
    ToTimestamp,
    UtcNow,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Literal(Value),
    /// In a record of JSON, or, until it is bound, of CSV.
    Path(Vec<Step>),
    /// A field of a record of CSV.
    Column(usize),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Box<Expr>, Operator, Box<Expr>),
    IsNull {
        expr: Box<Expr>,
        missing: bool,
        negated: bool,
    },
    In {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    Like {
        expr: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        negated: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast(Box<Expr>, Type),
    Call(Function, Vec<Expr>),
    Aggregate(usize),
}
