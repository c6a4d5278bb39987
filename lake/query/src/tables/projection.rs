//! Partitions that a table's properties tell instead of the catalog: <https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html>
//! Knows no file: a place without files has no rows.

use std::collections::HashSet;

use arrow::datatypes::{DataType, FieldRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use tarn_catalog::Parameters;

use crate::errors::{ErrorName, QueryError};
use crate::functions::{add_months, joda_format, joda_parse};

/// The most partitions that a query may project, and the most values of one column.
pub(crate) const PROJECTED_PARTITIONS_MAX: usize = 1_000_000;

const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 86_400 * SECOND_MS;

/// How a table's partitions are told.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    /// One per partition column, in their order.
    columns: Vec<Projected>,
    /// `s3://bucket/${day}/`; without it the folders are named as Hive names them.
    template: Option<String>,
}

#[derive(Debug, Clone)]
struct Projected {
    field: FieldRef,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    Enum(Vec<String>),
    Integer {
        first: i64,
        last: i64,
        interval: i64,
        digits: usize,
    },
    Date {
        first_ms: i64,
        last_ms: i64,
        step: Step,
        format: String,
    },
    /// What the query asks for.
    Injected,
}

/// How far one date is from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Months(i64),
    Milliseconds(i64),
}

impl Step {
    /// `count` of a unit such as `DAYS`.
    fn of(unit: &str, count: i64) -> Option<Self> {
        Some(match unit.to_ascii_uppercase().trim_end_matches('S') {
            "YEAR" => Self::Months(count.checked_mul(12)?),
            "MONTH" => Self::Months(count),
            "WEEK" => Self::Milliseconds(count.checked_mul(7 * DAY_MS)?),
            "DAY" => Self::Milliseconds(count.checked_mul(DAY_MS)?),
            "HOUR" => Self::Milliseconds(count.checked_mul(3600 * SECOND_MS)?),
            "MINUTE" => Self::Milliseconds(count.checked_mul(60 * SECOND_MS)?),
            "SECOND" => Self::Milliseconds(count.checked_mul(SECOND_MS)?),
            _ => return None,
        })
    }

    fn from(self, ms: i64, times: i64) -> Option<i64> {
        match self {
            Self::Months(months) => add_months(ms, months.checked_mul(times)?),
            Self::Milliseconds(length) => ms.checked_add(length.checked_mul(times)?),
        }
    }
}

/// A partition column's value: as it stands in the location, and as the query sees it.
pub(crate) type Value = (String, ScalarValue);

fn invalid(table: &str, column: &str, reason: impl std::fmt::Display) -> QueryError {
    let message = format!("Invalid projection configuration for column {column} of table {table}: {reason}");
    QueryError::new(ErrorName::InvalidTableProperty, message)
}

impl Projection {
    /// Reads the properties of `table`; `None` if projection is not enabled.
    pub fn of(
        table: &str,
        parameters: &Parameters,
        partition_fields: &[FieldRef],
        now_ms: i64,
    ) -> Result<Option<Self>, QueryError> {
        if !parameters.get("projection.enabled").is_some_and(|enabled| enabled.trim().eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(partition_fields.len());
        let mut missing = Vec::new();
        for field in partition_fields {
            let property = |name: &str| {
                let key = format!("projection.{}.{name}", field.name());
                let found = parameters.iter().find(|(present, _)| present.eq_ignore_ascii_case(&key));
                found.map(|(_, value)| value.trim())
            };
            let Some(kind) = property("type") else {
                missing.push(field.name().as_str());
                continue;
            };
            let values = match kind.to_ascii_lowercase().as_str() {
                "enum" => enum_values(property("values")),
                "integer" => integer_values(&property),
                "date" => date_values(&property, now_ms),
                "injected" => Ok(Values::Injected),
                other => {
                    Err(format!("projection.{}.type is `{other}`, not enum, integer, date or injected", field.name()))
                }
            }
            .map_err(|reason| invalid(table, field.name(), reason))?;
            let takes = is_text(field.data_type())
                || match &values {
                    Values::Integer { .. } => field.data_type().is_integer(),
                    Values::Date { .. } => matches!(field.data_type(), DataType::Date32 | DataType::Timestamp(..)),
                    Values::Enum(_) | Values::Injected => false,
                };
            if !takes {
                let kind_of = crate::types::trino_name(field.data_type());
                return Err(invalid(
                    table,
                    field.name(),
                    format!("a column of type {kind_of} cannot be of type {kind}"),
                ));
            }
            columns.push(Projected { field: field.clone(), values });
        }
        if !missing.is_empty() {
            let message = format!(
                "Table {table} is configured for partition projection, but the following partition columns are missing projection configuration: [{}]",
                missing.join(", ")
            );
            return Err(QueryError::new(ErrorName::InvalidTableProperty, message));
        }
        let template = parameters.get("storage.location.template").map(|template| template.trim().to_owned());
        if let Some(template) = &template
            && let Some(column) =
                columns.iter().find(|column| !template.contains(&format!("${{{}}}", column.field.name())))
        {
            return Err(invalid(
                table,
                column.field.name(),
                format!("storage.location.template does not name it: {template}"),
            ));
        }
        Ok(Some(Self { columns, template }))
    }

    /// The values of partition column `at`; `filters` are the query's conditions on the partition columns.
    pub fn values(&self, at: usize, filters: &[Expr]) -> Result<Vec<Value>, QueryError> {
        let Some(Projected { field, values }) = self.columns.get(at) else { return Ok(Vec::new()) };
        let texts =
            |texts: Vec<String>| texts.into_iter().map(|text| (text.clone(), text_value(field, text))).collect();
        match values {
            Values::Enum(values) => Ok(texts(values.clone())),
            Values::Integer { first, last, interval, digits } => integers(field, *first, *last, *interval, *digits),
            Values::Date { first_ms, last_ms, step, format } => dates(field, *first_ms, *last_ms, *step, format),
            Values::Injected => {
                let asked: Vec<Vec<String>> =
                    filters.iter().filter_map(|filter| asked_for(filter, field.name())).collect();
                let Some(first) = asked.into_iter().min_by_key(Vec::len) else {
                    let message = format!(
                        "For the injected projected partition column {}, the WHERE clause must contain only static equality conditions, and at least one such condition must be present.",
                        field.name()
                    );
                    return Err(QueryError::new(ErrorName::ConstraintViolation, message));
                };
                let mut seen = HashSet::new();
                Ok(texts(first.into_iter().filter(|text| seen.insert(text.clone())).collect()))
            }
        }
    }

    /// Where the partition of these values is; `None` if it is where Hive would have it.
    pub fn location(&self, values: &[&Value]) -> Option<String> {
        let mut location = self.template.clone()?;
        for (column, (text, _)) in self.columns.iter().zip(values) {
            location = location.replace(&format!("${{{}}}", column.field.name()), text);
        }
        Some(location)
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View)
}

fn text_value(field: &FieldRef, text: String) -> ScalarValue {
    match field.data_type() {
        DataType::Utf8View => ScalarValue::Utf8View(Some(text)),
        _ => ScalarValue::Utf8(Some(text)),
    }
}

fn too_many(column: &str) -> QueryError {
    QueryError::new(
        ErrorName::ExhaustedResources,
        format!(
            "column {column} is projected to more than {PROJECTED_PARTITIONS_MAX} values: narrow its range or the WHERE clause"
        ),
    )
}

fn enum_values(values: Option<&str>) -> Result<Values, String> {
    let values = values.ok_or("an enum needs `values`")?;
    Ok(Values::Enum(values.split(',').map(|value| value.trim().to_owned()).collect()))
}

fn pair(range: Option<&str>) -> Result<(&str, &str), String> {
    let range = range.ok_or("`range` is missing")?;
    let (first, last) = range.split_once(',').ok_or_else(|| format!("`range` is not two values: {range}"))?;
    Ok((first.trim(), last.trim()))
}

fn positive(text: Option<&str>) -> Result<Option<i64>, String> {
    text.map(|text| {
        text.parse::<i64>().ok().filter(|count| *count > 0).ok_or_else(|| format!("`{text}` is no positive number"))
    })
    .transpose()
}

fn integer_values<'a>(property: &dyn Fn(&str) -> Option<&'a str>) -> Result<Values, String> {
    let (first, last) = pair(property("range"))?;
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("`range` has `{text}`, which is no number"));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("`range` ends before it begins: {first},{last}"));
    }
    let digits = usize::try_from(positive(property("digits"))?.unwrap_or(0)).unwrap_or(0).min(19);
    Ok(Values::Integer { first, last, interval: positive(property("interval"))?.unwrap_or(1), digits })
}

fn integers(field: &FieldRef, first: i64, last: i64, interval: i64, digits: usize) -> Result<Vec<Value>, QueryError> {
    let mut values = Vec::new();
    let mut next = Some(first);
    while let Some(number) = next.filter(|number| *number <= last) {
        if values.len() == PROJECTED_PARTITIONS_MAX {
            return Err(too_many(field.name()));
        }
        let text = format!("{number:0digits$}");
        let value = if is_text(field.data_type()) {
            text_value(field, text.clone())
        } else {
            let cast = ScalarValue::Int64(Some(number)).cast_to(field.data_type());
            cast.map_err(|error| QueryError::new(ErrorName::InvalidTableProperty, error.to_string()))?
        };
        values.push((text, value));
        next = number.checked_add(interval);
    }
    Ok(values)
}

/// A date of a range: `NOW`, `NOW-3YEARS`, or one in the column's format.
fn date(text: &str, format: &str, now_ms: i64) -> Result<i64, String> {
    let bad = || format!("`{text}` is neither NOW with an offset nor a date in the format {format}");
    let Some(offset) = text.strip_prefix("NOW").or_else(|| text.strip_prefix("now")) else {
        return joda_parse(text, format).ok_or_else(bad);
    };
    let offset: String = offset.chars().filter(|c| !c.is_whitespace()).collect();
    if offset.is_empty() {
        return Ok(now_ms);
    }
    let digits = offset.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
    let (count, unit) = offset.split_at(digits);
    let signed = count.starts_with(['+', '-']);
    let step = count.parse().ok().filter(|_| signed).and_then(|count: i64| Step::of(unit, count));
    step.and_then(|step| step.from(now_ms, 1)).ok_or_else(bad)
}

fn date_values<'a>(property: &dyn Fn(&str) -> Option<&'a str>, now_ms: i64) -> Result<Values, String> {
    let format = property("format").ok_or("a date needs `format`")?;
    joda_format(now_ms, format).map_err(|error| format!("`format` is {format}: {error}"))?;
    let (first, last) = pair(property("range"))?;
    let (first_ms, last_ms) = (date(first, format, now_ms)?, date(last, format, now_ms)?);
    let count = positive(property("interval"))?.unwrap_or(1);
    let unit = match property("interval.unit") {
        Some(unit) => unit,
        // the finest of the format, where it is a day or a month
        None if format.contains(['H', 'h', 'k', 'K', 'm', 's', 'S']) => {
            return Err("`interval.unit` is needed for dates finer than a day".to_owned());
        }
        None if format.contains(['d', 'D']) => "DAYS",
        None if format.contains('M') => "MONTHS",
        None => return Err("`interval.unit` is needed for dates coarser than a month".to_owned()),
    };
    let step = Step::of(unit, count).ok_or_else(|| format!("`interval.unit` is `{unit}`, which is no unit"))?;
    Ok(Values::Date { first_ms, last_ms, step, format: format.to_owned() })
}

fn dates(field: &FieldRef, first_ms: i64, last_ms: i64, step: Step, format: &str) -> Result<Vec<Value>, QueryError> {
    let failed = |reason: String| QueryError::new(ErrorName::InvalidTableProperty, reason);
    let mut values: Vec<Value> = Vec::new();
    for times in 0.. {
        let Some(ms) = step.from(first_ms, times).filter(|ms| *ms <= last_ms) else { break };
        if usize::try_from(times).unwrap_or(usize::MAX) >= PROJECTED_PARTITIONS_MAX {
            return Err(too_many(field.name()));
        }
        let text = joda_format(ms, format).map_err(|error| failed(error.to_string()))?;
        // a step may be finer than the format
        if values.last().is_some_and(|(before, _)| *before == text) {
            continue;
        }
        // what the format does not say is not in the value
        let told = joda_parse(&text, format).unwrap_or(ms);
        let value = match field.data_type() {
            DataType::Date32 => ScalarValue::Date32(i32::try_from(told.div_euclid(DAY_MS)).ok()),
            DataType::Timestamp(TimeUnit::Millisecond, zone) => {
                ScalarValue::TimestampMillisecond(Some(told), zone.clone())
            }
            _ => text_value(field, text.clone()),
        };
        values.push((text, value));
    }
    Ok(values)
}

/// The only values of `column` for which `filter` can hold, where it is an equality, an IN or several of these.
fn asked_for(filter: &Expr, column: &str) -> Option<Vec<String>> {
    let is_column = |expr: &Expr| matches!(bare(expr), Expr::Column(found) if found.name == column);
    let text = |expr: &Expr| match bare(expr) {
        Expr::Literal(literal, _) => literal.try_as_str().flatten().map(str::to_owned),
        _ => None,
    };
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (is_column(left), is_column(right)) {
            (true, _) => Some(vec![text(right)?]),
            (_, true) => Some(vec![text(left)?]),
            _ => None,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut all = asked_for(left, column)?;
            all.extend(asked_for(right, column)?);
            Some(all)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            asked_for(left, column).or_else(|| asked_for(right, column))
        }
        Expr::InList(list) if !list.negated && is_column(&list.expr) => list.list.iter().map(text).collect(),
        _ => None,
    }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => bare(&cast.expr),
        Expr::TryCast(cast) => bare(&cast.expr),
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}
