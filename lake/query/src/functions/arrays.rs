//! Arrays and maps: <https://trino.io/docs/current/functions/array.html>

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, Int64Builder, ListArray, ListBuilder,
    StringBuilder, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};

use super::invalid;
use super::scalar::{Arguments, Kind, Scalar, to_boolean, to_double, to_int, to_text};
use crate::sinks::text::TextColumn;
use crate::types::storable;

/// The longest array `sequence` makes, as in Trino.
const SEQUENCE_LENGTH_MAX: i64 = 10_000_000;
const DAY_MS: i64 = 86_400_000;

fn item_type(types: &[DataType], name: &str) -> Result<DataType> {
    match types.first() {
        Some(DataType::List(item)) => Ok(item.data_type().clone()),
        Some(DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(fields) => fields
                .get(1)
                .map(|field| field.data_type().clone())
                .ok_or_else(|| DataFusionError::Internal("a map without values".to_owned())),
            _ => Err(DataFusionError::Internal("a map without entries".to_owned())),
        },
        Some(DataType::Null) => Ok(DataType::Null),
        _ => Err(DataFusionError::Plan(format!(
            "Unexpected parameters for function {name}: an array or map is expected"
        ))),
    }
}

fn same(types: &[DataType]) -> Result<DataType> {
    types.first().cloned().ok_or_else(|| DataFusionError::Plan("an argument is missing".to_owned()))
}

pub(super) fn all() -> Vec<Scalar> {
    use Kind::{Any, Double, Int, Text};
    vec![
        Scalar::new(
            "ordinality",
            &[Any],
            |_| Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))),
            ordinality,
        )
        .variadic(),
        Scalar::new("round_half_up", &[Double], to_double, |args| {
            Ok(Arc::new(args.double(0)?.iter().map(|value| value.map(f64::round)).collect::<Float64Array>()))
        }),
        Scalar::new("element_at", &[Any, Any], |types| item_type(types, "element_at"), element_at),
        Scalar::new("cardinality", &[Any], to_int, cardinality),
        Scalar::new("contains", &[Any, Any], to_boolean, |args| {
            let lists = args.any(0)?;
            let found = positions(args, lists)?;
            let nulls_within =
                |row: usize| lists.as_list_opt::<i32>().is_some_and(|list| list.value(row).null_count() > 0);
            Ok(Arc::new(
                found
                    .into_iter()
                    .enumerate()
                    .map(|(row, at)| {
                        at.and_then(|at| {
                            if at > 0 {
                                Some(true)
                            } else if nulls_within(row) {
                                None
                            } else {
                                Some(false)
                            }
                        })
                    })
                    .collect::<BooleanArray>(),
            ))
        }),
        Scalar::new("array_position", &[Any, Any], to_int, |args| {
            Ok(Arc::new(Int64Array::from(positions(args, args.any(0)?)?)))
        }),
        Scalar::new("array_join", &[Any, Text, Text], to_text, array_join).optional(1),
        Scalar::new("sequence", &[Any, Any, Any], |types| Ok(list_of(sequence_item(types)?)), sequence).optional(1),
        Scalar::new("slice", &[Any, Int, Int], same, slice),
        Scalar::new("reverse", &[Any], same, reverse),
        Scalar::new("array_sort", &[Any], same, array_sort),
    ]
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn list<'a>(array: &'a ArrayRef, name: &str) -> Result<&'a ListArray> {
    array.as_list_opt::<i32>().ok_or_else(|| {
        DataFusionError::Plan(format!("Unexpected parameters for function {name}: an array is expected"))
    })
}

fn ordinality(args: &Arguments) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(Int64Builder::new());
    for row in 0..args.rows {
        let longest = args
            .columns
            .iter()
            .filter_map(|column| column.as_list_opt::<i32>())
            .filter(|list| !list.is_null(row))
            .map(|list| list.value_length(row))
            .max();
        match longest {
            Some(count) => out.append_value((1..=i64::from(count)).map(Some)),
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Rows of `values`; `None` is NULL.
fn pick(values: &dyn Array, rows: Vec<Option<u64>>) -> Result<ArrayRef> {
    Ok(arrow::compute::take(values, &UInt64Array::from(rows), None)?)
}

fn offset(offsets: &[i32], at: usize) -> i64 {
    offsets.get(at).copied().map_or(0, i64::from)
}

fn element_at(args: &Arguments) -> Result<ArrayRef> {
    let column = args.any(0)?;
    if let Some(map) = column.as_map_opt() {
        let keys = map.keys();
        let sought = arrow::compute::cast(args.any(1)?, keys.data_type())?;
        let mut rows = Vec::with_capacity(args.rows);
        for row in 0..args.rows {
            if map.is_null(row) || sought.is_null(row) {
                rows.push(None);
                continue;
            }
            let wanted = ScalarValue::try_from_array(&sought, row)?;
            let (start, end) = (offset(map.value_offsets(), row), offset(map.value_offsets(), row + 1));
            let mut found = None;
            for at in start..end {
                let position = usize::try_from(at).unwrap_or(0);
                if ScalarValue::try_from_array(keys, position)? == wanted {
                    found = u64::try_from(at).ok();
                }
            }
            rows.push(found);
        }
        return pick(map.values(), rows);
    }
    let lists = list(column, "element_at")?;
    let indexes = arrow::compute::cast(args.any(1)?, &DataType::Int64)?;
    let indexes = indexes.as_primitive::<arrow::datatypes::Int64Type>();
    let mut rows = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if lists.is_null(row) || indexes.is_null(row) {
            rows.push(None);
            continue;
        }
        let (start, end) = (offset(lists.value_offsets(), row), offset(lists.value_offsets(), row + 1));
        let at = match indexes.value(row) {
            0 => return Err(invalid("SQL array indices start at 1")),
            index if index > 0 => start + index - 1,
            index => end + index,
        };
        rows.push(if (start..end).contains(&at) { u64::try_from(at).ok() } else { None });
    }
    pick(lists.values(), rows)
}

fn cardinality(args: &Arguments) -> Result<ArrayRef> {
    let column = args.any(0)?;
    let counts: Vec<Option<i64>> = match (column.as_list_opt::<i32>(), column.as_map_opt()) {
        (Some(lists), _) => {
            (0..args.rows).map(|row| (!lists.is_null(row)).then(|| i64::from(lists.value_length(row)))).collect()
        }
        (None, Some(maps)) => {
            (0..args.rows).map(|row| (!maps.is_null(row)).then(|| i64::from(maps.value_length(row)))).collect()
        }
        (None, None) if column.data_type().is_null() => vec![None; args.rows],
        (None, None) => {
            return Err(DataFusionError::Plan(
                "Unexpected parameters for function cardinality: an array or map is expected".to_owned(),
            ));
        }
    };
    Ok(Arc::new(Int64Array::from(counts)))
}

/// Where the second argument stands in the first; 0 if nowhere.
fn positions(args: &Arguments, column: &ArrayRef) -> Result<Vec<Option<i64>>> {
    let lists = list(column, "contains")?;
    let sought = args.any(1)?;
    // compare in a type that both fit
    let (lists, sought) = match (lists.values().data_type(), sought.data_type()) {
        (item, sought_type) if item == sought_type => (column.clone(), sought.clone()),
        (item, sought_type) if item.is_integer() && sought_type.is_integer() => {
            (arrow::compute::cast(column, &list_of(DataType::Int64))?, arrow::compute::cast(sought, &DataType::Int64)?)
        }
        (item, sought_type) if item.is_numeric() && sought_type.is_numeric() => (
            arrow::compute::cast(column, &list_of(DataType::Float64))?,
            arrow::compute::cast(sought, &DataType::Float64)?,
        ),
        (DataType::Utf8View | DataType::LargeUtf8, _) => {
            (arrow::compute::cast(column, &list_of(DataType::Utf8))?, sought.clone())
        }
        (item, _) => (column.clone(), arrow::compute::cast(sought, item)?),
    };
    let lists = list(&lists, "contains")?.clone();
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if lists.is_null(row) || sought.is_null(row) {
            out.push(None);
            continue;
        }
        let wanted = ScalarValue::try_from_array(&sought, row)?;
        let items = lists.value(row);
        let mut found = 0;
        for (position, at) in (1_i64..).zip(0..items.len()) {
            if ScalarValue::try_from_array(&items, at)? == wanted {
                found = position;
                break;
            }
        }
        out.push(Some(found));
    }
    Ok(out)
}

fn array_join(args: &Arguments) -> Result<ArrayRef> {
    let wanted = storable(args.any(0)?.data_type());
    let column = arrow::compute::cast(args.any(0)?, &wanted)?;
    let lists = list(&column, "array_join")?;
    let delimiters = args.text(1)?;
    let nulls = if args.has(2) { Some(args.text(2)?) } else { None };
    let items = TextColumn::new(lists.values().as_ref());
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for row in 0..args.rows {
        if lists.is_null(row) || delimiters.is_null(row) {
            out.append_null();
            continue;
        }
        text.clear();
        let mut first = true;
        for at in offset(lists.value_offsets(), row)..offset(lists.value_offsets(), row + 1) {
            let at = usize::try_from(at).unwrap_or(0);
            let null = items.is_null(at);
            if null && nulls.is_none() {
                continue;
            }
            if !first {
                text.push_str(delimiters.value(row));
            }
            first = false;
            match nulls {
                Some(nulls) if null => text.push_str(nulls.value(row)),
                _ => items.write(at, &mut text),
            }
        }
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

fn sequence_item(types: &[DataType]) -> Result<DataType> {
    Ok(match types.first() {
        Some(DataType::Date32) => DataType::Date32,
        Some(DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        Some(integer) if integer.is_integer() => DataType::Int64,
        _ => return Err(DataFusionError::Plan("Unexpected parameters for function sequence".to_owned())),
    })
}

/// A step: so many months, and so many units.
fn step(args: &Arguments, row: usize) -> Result<Option<(i64, i64)>> {
    if !args.has(2) {
        return Ok(None);
    }
    let column = args.any(2)?;
    Ok(match column.data_type() {
        DataType::Interval(_) => {
            let spans =
                arrow::compute::cast(column, &DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano))?;
            let span = spans.as_primitive::<arrow::datatypes::IntervalMonthDayNanoType>().value(row);
            Some((i64::from(span.months), i64::from(span.days) * DAY_MS + span.nanoseconds / 1_000_000))
        }
        DataType::Duration(_) => {
            let spans = arrow::compute::cast(column, &DataType::Duration(TimeUnit::Millisecond))?;
            Some((0, spans.as_primitive::<arrow::datatypes::DurationMillisecondType>().value(row)))
        }
        _ => Some((
            0,
            arrow::compute::cast(column, &DataType::Int64)?.as_primitive::<arrow::datatypes::Int64Type>().value(row),
        )),
    })
}

fn sequence(args: &Arguments) -> Result<ArrayRef> {
    let DataType::List(item) = &args.returns else {
        return Err(DataFusionError::Internal("sequence gives an array".to_owned()));
    };
    let temporal = *item.data_type() != DataType::Int64;
    let numbers = |at: usize| -> Result<Int64Array> {
        let column = if temporal {
            arrow::compute::cast(&args.milliseconds(at)?, &DataType::Int64)?
        } else {
            arrow::compute::cast(args.any(at)?, &DataType::Int64)?
        };
        Ok(column.as_primitive().clone())
    };
    let (starts, stops) = (numbers(0)?, numbers(1)?);
    let mut values: Vec<i64> = Vec::new();
    let mut offsets = vec![0_i32];
    let mut valid = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        let given = !starts.is_null(row) && !stops.is_null(row);
        valid.push(given);
        if given {
            let (start, stop) = (starts.value(row), stops.value(row));
            let unit = if temporal { DAY_MS } else { 1 };
            let (months, by) = step(args, row)?.unwrap_or((0, if stop < start { -unit } else { unit }));
            let ascending = if months != 0 { months > 0 } else { by > 0 };
            if (months == 0 && by == 0) || (start != stop && ascending != (start < stop)) {
                return Err(invalid(
                    "sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start",
                ));
            }
            let (mut next, mut count) = (start, 0_i64);
            while if ascending { next <= stop } else { next >= stop } {
                values.push(next);
                count += 1;
                if count > SEQUENCE_LENGTH_MAX {
                    return Err(invalid(format!(
                        "result of sequence function must not have more than {SEQUENCE_LENGTH_MAX} entries"
                    )));
                }
                let moved =
                    if months != 0 { super::dates::add_months(start, months * count) } else { next.checked_add(by) };
                match moved {
                    Some(moved) => next = moved,
                    None => break,
                }
            }
        }
        offsets.push(i32::try_from(values.len()).map_err(|_| invalid("sequence makes too many entries"))?);
    }
    let values: ArrayRef = Arc::new(Int64Array::from(values));
    let values = if temporal {
        let stamps = arrow::compute::cast(&values, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        arrow::compute::cast(&stamps, item.data_type())?
    } else {
        values
    };
    Ok(Arc::new(ListArray::try_new(
        item.clone(),
        OffsetBuffer::new(offsets.into()),
        values,
        Some(NullBuffer::from(valid)),
    )?))
}

/// Lists made of picked items of others.
fn rearranged(
    lists: &ListArray,
    rows: usize,
    order: impl Fn(usize, i64, i64) -> Result<Option<Vec<i64>>>,
) -> Result<ArrayRef> {
    let DataType::List(item) = lists.data_type() else {
        return Err(DataFusionError::Internal("an array is expected".to_owned()));
    };
    let mut picked = Vec::new();
    let mut offsets = vec![0_i32];
    let mut valid = Vec::with_capacity(rows);
    for row in 0..rows {
        let chosen = if lists.is_null(row) {
            None
        } else {
            order(row, offset(lists.value_offsets(), row), offset(lists.value_offsets(), row + 1))?
        };
        valid.push(chosen.is_some());
        picked.extend(chosen.unwrap_or_default().into_iter().map(|at| u64::try_from(at).ok()));
        offsets.push(i32::try_from(picked.len()).map_err(|_| invalid("the arrays of a batch are too large"))?);
    }
    let values = pick(lists.values(), picked)?;
    Ok(Arc::new(ListArray::try_new(
        item.clone(),
        OffsetBuffer::new(offsets.into()),
        values,
        Some(NullBuffer::from(valid)),
    )?))
}

fn slice(args: &Arguments) -> Result<ArrayRef> {
    let (starts, lengths) = (args.int(1)?, args.int(2)?);
    rearranged(list(args.any(0)?, "slice")?, args.rows, |row, from, to| {
        if starts.is_null(row) || lengths.is_null(row) {
            return Ok(None);
        }
        let first = match starts.value(row) {
            0 => return Err(invalid("SQL array indices start at 1")),
            start if start > 0 => from + start - 1,
            start => to + start,
        };
        let length = lengths.value(row);
        if length < 0 {
            return Err(invalid("length must be greater than or equal to 0"));
        }
        Ok(Some(if first < from { Vec::new() } else { (first..first.saturating_add(length).min(to)).collect() }))
    })
}

fn reverse(args: &Arguments) -> Result<ArrayRef> {
    let column = args.any(0)?;
    if let Some(lists) = column.as_list_opt::<i32>() {
        return rearranged(lists, args.rows, |_, from, to| Ok(Some((from..to).rev().collect())));
    }
    args.map_texts(|[text]| Ok(Some(text.chars().rev().collect())))
}

/// Ascending, NULLs last.
fn array_sort(args: &Arguments) -> Result<ArrayRef> {
    let lists = list(args.any(0)?, "array_sort")?;
    let options = arrow::compute::SortOptions { descending: false, nulls_first: false };
    rearranged(lists, args.rows, |row, from, _| {
        let order = arrow::compute::sort_to_indices(&lists.value(row), Some(options), None)?;
        Ok(Some(order.values().iter().map(|at| from + i64::from(*at)).collect()))
    })
}
