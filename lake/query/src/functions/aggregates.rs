//! Aggregates: <https://trino.io/docs/current/functions/aggregate.html>

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

use super::invalid;
use crate::types::map_of;

/// Which aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    MaxBy,
    MinBy,
    MapAgg,
    Histogram,
    ApproxPercentile,
    GeometricMean,
}

pub(super) fn all() -> Vec<Arc<AggregateUDF>> {
    [
        (Which::MaxBy, "max_by"),
        (Which::MinBy, "min_by"),
        (Which::MapAgg, "map_agg"),
        (Which::Histogram, "histogram"),
        (Which::ApproxPercentile, "approx_percentile"),
        (Which::GeometricMean, "geometric_mean"),
    ]
    .into_iter()
    .map(|(which, name)| Arc::new(AggregateUDF::new_from_impl(Aggregate::new(which, name))))
    .collect()
}

#[derive(Debug)]
struct Aggregate {
    which: Which,
    name: String,
    aliases: Vec<String>,
    signature: Signature,
}

impl Aggregate {
    fn new(which: Which, name: &str) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { which, name: format!("trino.{name}"), aliases: vec![name.to_owned()], signature }
    }
}

impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        self.which == other.which
    }
}

impl Eq for Aggregate {}

impl Hash for Aggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.which.hash(state);
    }
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        other => other.clone(),
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let given = types.iter().map(plain).collect::<Vec<_>>();
        let bad = || {
            let shown: Vec<String> = types.iter().map(crate::types::trino_name).collect();
            let name = self.aliases.first().map_or("", String::as_str);
            DataFusionError::Plan(format!("Unexpected parameters ({}) for function {name}", shown.join(", ")))
        };
        match (self.which, given.as_slice()) {
            (Which::MaxBy | Which::MinBy | Which::MapAgg, [_, _]) | (Which::Histogram, [_]) => Ok(given),
            (Which::GeometricMean, [number]) if number.is_numeric() => Ok(vec![DataType::Float64]),
            (Which::ApproxPercentile, [number, DataType::List(_)]) if number.is_numeric() => {
                Ok(vec![given.first().cloned().unwrap_or(DataType::Float64), list_of(DataType::Float64)])
            }
            (Which::ApproxPercentile, [number, fraction]) if number.is_numeric() && fraction.is_numeric() => {
                Ok(vec![given.first().cloned().unwrap_or(DataType::Float64), DataType::Float64])
            }
            _ => Err(bad()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let first = types.first().map_or(DataType::Null, plain);
        Ok(match self.which {
            Which::MaxBy | Which::MinBy => first,
            Which::MapAgg => map_of(first, types.get(1).map_or(DataType::Null, plain)),
            Which::Histogram => map_of(first, DataType::Int64),
            Which::ApproxPercentile if matches!(types.get(1), Some(DataType::List(_))) => list_of(first),
            Which::ApproxPercentile => first,
            Which::GeometricMean => DataType::Float64,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let types: Vec<DataType> = args.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        let first = types.first().cloned().unwrap_or(DataType::Null);
        let second = types.get(1).cloned().unwrap_or(DataType::Null);
        Ok(match self.which {
            Which::MaxBy | Which::MinBy => Box::new(By {
                max: self.which == Which::MaxBy,
                value: ScalarValue::try_from(&first)?,
                key: ScalarValue::try_from(&second)?,
            }),
            Which::MapAgg => {
                Box::new(Entries { key_type: first, value_type: second, entries: BTreeMap::new(), size_bytes: 0 })
            }
            Which::Histogram => Box::new(Counts { key_type: first, counts: BTreeMap::new(), size_bytes: 0 }),
            Which::ApproxPercentile => Box::new(Percentile {
                item: first,
                many: matches!(second, DataType::List(_)),
                fractions: Vec::new(),
                values: Vec::new(),
            }),
            Which::GeometricMean => Box::new(LogMean { sum: 0.0, count: 0 }),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let types: Vec<DataType> = args.input_fields.iter().map(|field| field.data_type().clone()).collect();
        let first = types.first().cloned().unwrap_or(DataType::Null);
        let second = types.get(1).cloned().unwrap_or(DataType::Null);
        let field =
            |name: &str, data_type: DataType| Arc::new(Field::new(format!("{}[{name}]", args.name), data_type, true));
        Ok(match self.which {
            Which::MaxBy | Which::MinBy => vec![field("value", first), field("key", second)],
            Which::MapAgg => vec![field("keys", list_of(first)), field("values", list_of(second))],
            Which::Histogram => vec![field("keys", list_of(first)), field("counts", list_of(DataType::Int64))],
            Which::ApproxPercentile => {
                vec![field("values", list_of(DataType::Float64)), field("fractions", list_of(DataType::Float64))]
            }
            Which::GeometricMean => vec![field("sum", DataType::Float64), field("count", DataType::Int64)],
        })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn column(arrays: &[ArrayRef], at: usize) -> Result<&ArrayRef> {
    arrays.get(at).ok_or_else(|| DataFusionError::Internal(format!("argument {at} of an aggregate is missing")))
}

/// A list of one row.
fn one_list(values: Vec<ScalarValue>, item: &DataType) -> Result<ScalarValue> {
    let array =
        if values.is_empty() { arrow::array::new_empty_array(item) } else { ScalarValue::iter_to_array(values)? };
    Ok(ScalarValue::List(Arc::new(SingleRowListArrayBuilder::new(array).build_list_array())))
}

/// The lists of a state column, row by row.
fn lists(array: &ArrayRef) -> Vec<ArrayRef> {
    match array.as_list_opt::<i32>() {
        Some(lists) => (0..lists.len()).filter(|row| !lists.is_null(*row)).map(|row| lists.value(row)).collect(),
        None => Vec::new(),
    }
}

/// `max_by`, `min_by`: the value at the largest or smallest key.
#[derive(Debug)]
struct By {
    max: bool,
    value: ScalarValue,
    key: ScalarValue,
}

impl Accumulator for By {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let (values, keys) = (column(arrays, 0)?, column(arrays, 1)?);
        let options = arrow::compute::SortOptions { descending: self.max, nulls_first: false };
        // the best of the batch, then against the best so far
        let order = arrow::compute::sort_to_indices(keys, Some(options), Some(1))?;
        let Some(best) = order.values().first().and_then(|at| usize::try_from(*at).ok()) else { return Ok(()) };
        let key = ScalarValue::try_from_array(keys, best)?;
        if key.is_null() {
            return Ok(());
        }
        let better = self.key.is_null()
            || match key.partial_cmp(&self.key) {
                Some(order) => {
                    if self.max {
                        order.is_gt()
                    } else {
                        order.is_lt()
                    }
                }
                None => false,
            };
        if better {
            self.value = ScalarValue::try_from_array(values, best)?;
            self.key = key;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.key.clone()])
    }

    fn size(&self) -> usize {
        self.value.size() + self.key.size()
    }
}

/// A map's key in an order: its text, and itself.
fn map_key(value: &ScalarValue) -> String {
    format!("{value:?}")
}

fn map_value(
    keys: Vec<ScalarValue>,
    values: Vec<ScalarValue>,
    key_type: &DataType,
    value_type: &DataType,
) -> Result<ScalarValue> {
    let made = map_of(key_type.clone(), value_type.clone());
    let DataType::Map(entries, _) = &made else { return Err(DataFusionError::Internal("not a map".to_owned())) };
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(DataFusionError::Internal("a map without entries".to_owned()));
    };
    if keys.is_empty() {
        return ScalarValue::try_from(&made);
    }
    let count = i32::try_from(keys.len()).map_err(|_| invalid("a map has too many entries"))?;
    let columns = vec![ScalarValue::iter_to_array(keys)?, ScalarValue::iter_to_array(values)?];
    let pairs = arrow::array::StructArray::try_new(fields.clone(), columns, None)?;
    let offsets = arrow::buffer::OffsetBuffer::new(vec![0, count].into());
    Ok(ScalarValue::Map(Arc::new(arrow::array::MapArray::try_new(entries.clone(), offsets, pairs, None, false)?)))
}

/// `map_agg`: the first value of each key stands.
#[derive(Debug)]
struct Entries {
    key_type: DataType,
    value_type: DataType,
    entries: BTreeMap<String, (ScalarValue, ScalarValue)>,
    size_bytes: usize,
}

impl Entries {
    fn add(&mut self, keys: &ArrayRef, values: &ArrayRef) -> Result<()> {
        for row in 0..keys.len() {
            if keys.is_null(row) {
                continue;
            }
            let key = ScalarValue::try_from_array(keys, row)?;
            let name = map_key(&key);
            if !self.entries.contains_key(&name) {
                let value = ScalarValue::try_from_array(values, row)?;
                self.size_bytes += name.len() + key.size() + value.size();
                self.entries.insert(name, (key, value));
            }
        }
        Ok(())
    }
}

impl Accumulator for Entries {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let (keys, values) = (column(arrays, 0)?.clone(), column(arrays, 1)?.clone());
        self.add(&keys, &values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (keys, values) in lists(column(states, 0)?).iter().zip(lists(column(states, 1)?)) {
            self.add(keys, &values)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (keys, values) = self.entries.values().cloned().unzip();
        map_value(keys, values, &self.key_type, &self.value_type)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (keys, values) = self.entries.values().cloned().unzip();
        Ok(vec![one_list(keys, &self.key_type)?, one_list(values, &self.value_type)?])
    }

    fn size(&self) -> usize {
        self.size_bytes + size_of_val(self)
    }
}

/// `histogram`
#[derive(Debug)]
struct Counts {
    key_type: DataType,
    counts: BTreeMap<String, (ScalarValue, i64)>,
    size_bytes: usize,
}

impl Counts {
    fn add(&mut self, key: ScalarValue, count: i64) {
        let name = map_key(&key);
        self.size_bytes += name.len() + key.size();
        self.counts.entry(name).or_insert((key, 0)).1 += count;
    }

    fn columns(&self) -> (Vec<ScalarValue>, Vec<ScalarValue>) {
        self.counts.values().map(|(key, count)| (key.clone(), ScalarValue::Int64(Some(*count)))).unzip()
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let keys = column(arrays, 0)?;
        for row in (0..keys.len()).filter(|row| !keys.is_null(*row)) {
            self.add(ScalarValue::try_from_array(keys, row)?, 1);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (keys, counts) in lists(column(states, 0)?).iter().zip(lists(column(states, 1)?)) {
            let counts = counts.as_primitive::<arrow::datatypes::Int64Type>();
            for row in 0..keys.len() {
                self.add(ScalarValue::try_from_array(keys, row)?, counts.value(row));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (keys, counts) = self.columns();
        map_value(keys, counts, &self.key_type, &DataType::Int64)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (keys, counts) = self.columns();
        Ok(vec![one_list(keys, &self.key_type)?, one_list(counts, &DataType::Int64)?])
    }

    fn size(&self) -> usize {
        self.size_bytes + size_of_val(self)
    }
}

/// `approx_percentile`: exact here, over the values it has kept.
#[derive(Debug)]
struct Percentile {
    item: DataType,
    many: bool,
    fractions: Vec<f64>,
    values: Vec<f64>,
}

fn doubles(array: &ArrayRef) -> Result<Vec<f64>> {
    let cast = arrow::compute::cast(array, &DataType::Float64)?;
    Ok(cast.as_primitive::<arrow::datatypes::Float64Type>().iter().flatten().collect())
}

impl Accumulator for Percentile {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        self.values.extend(doubles(column(arrays, 0)?)?);
        let given = column(arrays, 1)?;
        if self.fractions.is_empty() && !given.is_empty() {
            self.fractions = match lists(given).first() {
                Some(list) => doubles(list)?,
                None => doubles(&given.slice(0, 1))?,
            };
            if self.fractions.iter().any(|fraction| !(0.0..=1.0).contains(fraction)) {
                return Err(invalid("Percentile must be between 0 and 1"));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in lists(column(states, 0)?) {
            self.values.extend(doubles(&list)?);
        }
        for list in lists(column(states, 1)?) {
            if self.fractions.is_empty() {
                self.fractions = doubles(&list)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.values.sort_by(f64::total_cmp);
        let count = self.values.len();
        let at = |fraction: f64| {
            let rank = (fraction * count as f64).ceil().max(1.0) as usize - 1;
            let value = self.values.get(rank.min(count.saturating_sub(1))).copied();
            ScalarValue::Float64(value).cast_to(&self.item)
        };
        if self.many {
            let all = self.fractions.iter().map(|fraction| at(*fraction)).collect::<Result<Vec<_>>>()?;
            return one_list(all, &self.item);
        }
        at(self.fractions.first().copied().unwrap_or(0.5))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |values: &[f64]| {
            one_list(values.iter().map(|value| ScalarValue::Float64(Some(*value))).collect(), &DataType::Float64)
        };
        Ok(vec![list(&self.values)?, list(&self.fractions)?])
    }

    fn size(&self) -> usize {
        (self.values.capacity() + self.fractions.capacity()) * size_of::<f64>() + size_of_val(self)
    }
}

/// `geometric_mean`
#[derive(Debug)]
struct LogMean {
    sum: f64,
    count: i64,
}

impl Accumulator for LogMean {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        for value in doubles(column(arrays, 0)?)? {
            self.sum += value.ln();
            self.count += 1;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.sum += doubles(column(states, 0)?)?.iter().sum::<f64>();
        self.count += doubles(column(states, 1)?)?.iter().sum::<f64>() as i64;
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64((self.count > 0).then(|| (self.sum / self.count as f64).exp())))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Float64(Some(self.sum)), ScalarValue::Int64(Some(self.count))])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
