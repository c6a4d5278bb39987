//! `sum` of whole numbers that fails where a `bigint` overflows; the engine's own wraps around. All other sums are the engine's.

use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
};

use crate::errors::{ErrorName, QueryError};

/// It has the engine's own name, by which the optimizer knows what it may do with a sum.
pub(super) fn sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(CheckedSum { inner: Sum::new() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    inner: Sum,
}

fn overflow() -> DataFusionError {
    let message = "bigint addition overflow: the sum is out of the range of bigint (cast to decimal(38,0) or double)";
    DataFusionError::External(Box::new(QueryError::new(ErrorName::NumericValueOutOfRange, message)))
}

fn is_whole(args: &AccumulatorArgs) -> bool {
    *args.return_field.data_type() == DataType::Int64
}

fn only(values: &[ArrayRef]) -> Result<&Int64Array> {
    values
        .first()
        .and_then(|values| values.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| DataFusionError::Internal("a sum of bigint is given something else".to_owned()))
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match (is_whole(&args), args.is_distinct) {
            (true, true) => Ok(Box::new(DistinctSum(self.inner.accumulator(args)?))),
            (true, false) => Ok(Box::new(LongSum { sum: 0, count: 0 })),
            (false, _) => self.inner.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if is_whole(&args) { Ok(Box::<LongSums>::default()) } else { self.inner.create_groups_accumulator(args) }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if is_whole(&args) && !args.is_distinct {
            Ok(Box::new(LongSum { sum: 0, count: 0 }))
        } else {
            self.inner.create_sliding_accumulator(args)
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.set_monotonicity(data_type)
    }
}

/// The sum of one group or window frame. It holds more than a `bigint` can, so that a frame may pass through what does not fit.
#[derive(Debug)]
struct LongSum {
    sum: i128,
    count: u64,
}

impl LongSum {
    fn total(values: &Int64Array) -> i128 {
        if values.null_count() == 0 {
            values.values().iter().map(|value| i128::from(*value)).sum()
        } else {
            values.iter().flatten().map(i128::from).sum()
        }
    }

    fn count(values: &Int64Array) -> u64 {
        u64::try_from(values.len() - values.null_count()).unwrap_or(u64::MAX)
    }
}

impl Accumulator for LongSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?;
        self.sum += Self::total(values);
        self.count += Self::count(values);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?;
        self.sum -= Self::total(values);
        self.count = self.count.saturating_sub(Self::count(values));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return Ok(ScalarValue::Int64(None));
        }
        Ok(ScalarValue::Int64(Some(i64::try_from(self.sum).map_err(|_| overflow())?)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The engine keeps the distinct values; the sum of them is ours.
#[derive(Debug)]
struct DistinctSum(Box<dyn Accumulator>);

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = LongSum { sum: 0, count: 0 };
        for state in self.0.state()? {
            let ScalarValue::List(lists) = state else {
                return Err(DataFusionError::Internal("distinct values are not kept as a list".to_owned()));
            };
            sum.update_batch(&[lists.values().clone()])?;
        }
        sum.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }
}

/// The sums of many groups.
#[derive(Debug, Default)]
struct LongSums {
    sums: Vec<i64>,
    /// Whether the group has a value that is not NULL.
    seen: Vec<bool>,
}

impl GroupsAccumulator for LongSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = only(values)?;
        self.sums.resize(total_num_groups, 0);
        self.seen.resize(total_num_groups, false);
        let mut overflows = false;
        let mut add = |group: usize, value: i64| {
            if let (Some(sum), Some(seen)) = (self.sums.get_mut(group), self.seen.get_mut(group)) {
                let (next, over) = sum.overflowing_add(value);
                overflows |= over;
                *sum = next;
                *seen = true;
            }
        };
        if values.null_count() == 0 && opt_filter.is_none() {
            for (group, value) in group_indices.iter().zip(values.values()) {
                add(*group, *value);
            }
        } else {
            for (row, (group, value)) in group_indices.iter().zip(values.iter()).enumerate() {
                let kept = opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
                if let Some(value) = value.filter(|_| kept) {
                    add(*group, value);
                }
            }
        }
        if overflows { Err(overflow()) } else { Ok(()) }
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let seen = NullBuffer::from(emit_to.take_needed(&mut self.seen));
        Ok(Arc::new(Int64Array::new(sums.into(), Some(seen))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = only(values)?;
        let Some(filter) = opt_filter else { return Ok(vec![Arc::new(values.clone())]) };
        let kept = values.iter().zip(filter.iter()).map(|(value, kept)| value.filter(|_| kept == Some(true)));
        Ok(vec![Arc::new(kept.collect::<Int64Array>())])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i64>() + self.seen.capacity()
    }
}
