//! What conditions on a table's time column say for certain: from when to when. Knows no table.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// Moments from one on and before another, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
}

impl TimeRange {
    /// What all of `conditions` say of the column `time`.
    pub fn of(time: &str, conditions: &[Expr]) -> Self {
        let mut range = Self::default();
        conditions.iter().for_each(|condition| narrow(&mut range, time, condition));
        range
    }
}

/// A moment in milliseconds; `None` for what is no moment.
fn moment_ms(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampSecond(value, _) => value.map(|value| value.saturating_mul(1_000)),
        ScalarValue::TimestampMillisecond(value, _) => *value,
        ScalarValue::TimestampMicrosecond(value, _) => value.map(|value| value.div_euclid(1_000)),
        ScalarValue::TimestampNanosecond(value, _) => value.map(|value| value.div_euclid(1_000_000)),
        ScalarValue::Date32(value) => value.map(|days| i64::from(days) * 86_400_000),
        _ => None,
    }
}

fn is_time(expr: &Expr, time: &str) -> bool {
    match expr {
        Expr::Column(column) => column.name == time,
        // A cast that loses something, as to a date, says of many moments what is true of one.
        Expr::Cast(cast) => {
            let kept = [TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
            let is_lossless = matches!(cast.field.data_type(), DataType::Timestamp(unit, None) if kept.contains(unit));
            is_lossless && is_time(&cast.expr, time)
        }
        _ => false,
    }
}

/// Narrows the time range by what a condition says for certain. What else it says is asked of each row again.
fn narrow(range: &mut TimeRange, time: &str, condition: &Expr) {
    if let Expr::Between(between) = condition
        && !between.negated
        && is_time(&between.expr, time)
    {
        for (side, operator) in [(&between.low, Operator::GtEq), (&between.high, Operator::LtEq)] {
            if let Expr::Literal(value, _) = side.as_ref() {
                bound(range, operator, value);
            }
        }
        return;
    }
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return };
    match (op, left.as_ref(), right.as_ref()) {
        (Operator::And, left, right) => {
            narrow(range, time, left);
            narrow(range, time, right);
        }
        (op, column, Expr::Literal(value, _)) if is_time(column, time) => bound(range, *op, value),
        (op, Expr::Literal(value, _), column) if is_time(column, time) => {
            if let Some(op) = op.swap() {
                bound(range, op, value);
            }
        }
        _ => {}
    }
}

fn bound(range: &mut TimeRange, operator: Operator, value: &ScalarValue) {
    let Some(ms) = moment_ms(value) else { return };
    // The end is not part of the range; a moment between two milliseconds was rounded down.
    let after = ms.saturating_add(1);
    let (from, to) = match operator {
        Operator::Eq => (Some(ms), Some(after)),
        Operator::Gt | Operator::GtEq => (Some(ms), None),
        Operator::Lt | Operator::LtEq => (None, Some(after)),
        _ => (None, None),
    };
    range.from_ms = range.from_ms.max(from);
    range.to_ms = [range.to_ms, to].into_iter().flatten().min();
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    const TIME: &str = "event_time";

    #[test]
    fn conditions_on_time_narrow_what_is_read() {
        let check = |condition: Expr, from_ms: Option<i64>, to_ms: Option<i64>| {
            let found = TimeRange::of(TIME, std::slice::from_ref(&condition));
            assert_eq!(found, TimeRange { from_ms, to_ms }, "{condition}");
        };
        let at = |ms: i64| lit(ScalarValue::TimestampMillisecond(Some(ms), None));
        let nanos = |nanos: i64| lit(ScalarValue::TimestampNanosecond(Some(nanos), None));
        check(col(TIME).gt(at(5)), Some(5), None);
        check(col(TIME).gt_eq(at(5)).and(col(TIME).lt(at(9))), Some(5), Some(10));
        check(col(TIME).between(at(5), at(9)), Some(5), Some(10));
        check(at(5).lt(col(TIME)), Some(5), None);
        check(col(TIME).eq(nanos(5_999_999)), Some(5), Some(6));
        check(col(TIME).gt(at(5)).and(col(TIME).gt(at(7))), Some(7), None);
        check(col(TIME).gt(at(5)).or(col(TIME).lt(at(2))), None, None);
        check(col("event_name").eq(lit("x")).and(col(TIME).lt(at(2))), None, Some(3));
        check(col(TIME).not_eq(at(5)), None, None);
        check(col("other").gt(at(5)), None, None);
    }
}
