//! Arithmetic of whole numbers that fails where it overflows, as Trino's does; the engine's own wraps around. Knows no tables.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum, PrimitiveArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{ArrowNativeTypeOp, ArrowPrimitiveType, DataType, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow::error::ArrowError;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use crate::errors::{ErrorName, QueryError};
use crate::types::trino_name;

/// Which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Add, Self::Subtract, Self::Multiply, Self::Negate];

    fn name(self, trying: bool) -> &'static str {
        match (self, trying) {
            (Self::Add, false) => "trino.add",
            (Self::Subtract, false) => "trino.subtract",
            (Self::Multiply, false) => "trino.multiply",
            (Self::Negate, false) => "trino.negate",
            (Self::Add, true) => "trino.try_add",
            (Self::Subtract, true) => "trino.try_subtract",
            (Self::Multiply, true) => "trino.try_multiply",
            (Self::Negate, true) => "trino.try_negate",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Add => "addition",
            Self::Subtract => "subtraction",
            Self::Multiply => "multiplication",
            Self::Negate => "negation",
        }
    }

    fn arguments(self) -> usize {
        if self == Self::Negate { 1 } else { 2 }
    }
}

/// The function that stands for an operator over whole numbers; `None` if the engine's own does not wrap around.
pub(crate) fn function_of(operator: Operator) -> Option<&'static str> {
    match operator {
        Operator::Plus => Some(Operation::Add.name(false)),
        Operator::Minus => Some(Operation::Subtract.name(false)),
        Operator::Multiply => Some(Operation::Multiply.name(false)),
        _ => None,
    }
}

/// The function for `-x`.
pub(crate) const NEGATE: &str = "trino.negate";

/// What `TRY` puts around arithmetic, for it is not known yet of what: `rewrite::semantics` takes it away again.
pub(crate) const OR_NULL: &str = "trino.or_null";

/// The form of `function` that gives NULL where it overflows; `None` if `function` is none of these.
pub(crate) fn trying_form(function: &str) -> Option<&'static str> {
    let found = Operation::ALL.into_iter().find(|operation| operation.name(false) == function)?;
    Some(found.name(true))
}

/// The signed type that a whole number is worked with in; unsigned ones come from the engine only, as counts.
fn signed(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 => DataType::Int8,
        DataType::Int16 | DataType::UInt8 => DataType::Int16,
        DataType::Int32 | DataType::UInt16 => DataType::Int32,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        _ => return None,
    })
}

/// Whether values of both types are whole numbers.
pub(crate) fn takes(left: &DataType, right: &DataType) -> bool {
    signed(left).is_some() && signed(right).is_some()
}

pub(super) fn all() -> Vec<ScalarUDF> {
    let both = Operation::ALL.into_iter().flat_map(|operation| [(operation, false), (operation, true)]);
    let mut all: Vec<ScalarUDF> =
        both.map(|(operation, trying)| ScalarUDF::new_from_impl(Checked::new(operation, trying))).collect();
    all.push(ScalarUDF::new_from_impl(OrNull { signature: Signature::any(1, Volatility::Immutable) }));
    all
}

/// Its argument.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OrNull {
    signature: Signature,
}

impl ScalarUDFImpl for OrNull {
    fn name(&self) -> &str {
        OR_NULL
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(|| DataFusionError::Plan(format!("{OR_NULL} needs an argument")))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args.into_iter().next().ok_or_else(|| DataFusionError::Internal(format!("{OR_NULL} has no argument")))
    }
}

#[derive(Debug)]
struct Checked {
    operation: Operation,
    trying: bool,
    signature: Signature,
}

impl Checked {
    fn new(operation: Operation, trying: bool) -> Self {
        Self { operation, trying, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn overflow(&self, data_type: &DataType, error: ArrowError) -> DataFusionError {
        let ArrowError::ArithmeticOverflow(reason) = &error else { return error.into() };
        let values = reason.rsplit_once(": ").map_or(reason.as_str(), |(_, values)| values);
        let message = format!("{} {} overflow: {values}", trino_name(data_type), self.operation.noun());
        DataFusionError::External(Box::new(QueryError::new(ErrorName::NumericValueOutOfRange, message)))
    }
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.operation.name(self.trying)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let widest =
            types.iter().map(signed).collect::<Option<Vec<_>>>().and_then(|all| {
                all.into_iter().max_by_key(|data_type| data_type.primitive_width().unwrap_or_default())
            });
        match widest {
            Some(widest) if types.len() == self.operation.arguments() => Ok(vec![widest; types.len()]),
            _ => Err(DataFusionError::Plan(format!("Unexpected parameters for function {}", self.name()))),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.coerce_types(types)?
            .pop()
            .ok_or_else(|| DataFusionError::Plan(format!("{} needs an argument", self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.return_field.data_type();
        let none = || DataFusionError::Internal(format!("{} has no argument", self.name()));
        let left = args.args.first().ok_or_else(none)?;
        let right = args.args.get(1).unwrap_or(left);
        let operation = self.operation;
        let checked = |left: &dyn Datum, right: &dyn Datum| match operation {
            Operation::Add => numeric::add(left, right),
            Operation::Subtract => numeric::sub(left, right),
            Operation::Multiply => numeric::mul(left, right),
            Operation::Negate => numeric::neg(left.get().0),
        };
        match apply(left, right, checked) {
            Err(DataFusionError::ArrowError(error, _)) if matches!(*error, ArrowError::ArithmeticOverflow(_)) => {
                if self.trying {
                    apply(left, right, |left, right| each(operation, data_type, left, right))
                } else {
                    Err(self.overflow(data_type, *error))
                }
            }
            other => other,
        }
    }
}

/// Value by value, NULL where it overflows.
fn each(
    operation: Operation,
    data_type: &DataType,
    left: &dyn Datum,
    right: &dyn Datum,
) -> std::result::Result<ArrayRef, ArrowError> {
    match data_type {
        DataType::Int8 => each_of::<Int8Type>(operation, left, right),
        DataType::Int16 => each_of::<Int16Type>(operation, left, right),
        DataType::Int32 => each_of::<Int32Type>(operation, left, right),
        DataType::Int64 => each_of::<Int64Type>(operation, left, right),
        other => Err(ArrowError::InvalidArgumentError(format!("{other} is no whole number"))),
    }
}

fn each_of<T: ArrowPrimitiveType>(
    operation: Operation,
    left: &dyn Datum,
    right: &dyn Datum,
) -> std::result::Result<ArrayRef, ArrowError>
where
    T::Native: ArrowNativeTypeOp,
{
    let ((left, one_left), (right, one_right)) = (left.get(), right.get());
    let rows = if one_left { right.len() } else { left.len() };
    let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    let values = (0..rows).map(|row| {
        let (at_left, at_right) = (if one_left { 0 } else { row }, if one_right { 0 } else { row });
        if left.is_null(at_left) || right.is_null(at_right) {
            return None;
        }
        let (left, right) = (left.value(at_left), right.value(at_right));
        match operation {
            Operation::Add => left.add_checked(right),
            Operation::Subtract => left.sub_checked(right),
            Operation::Multiply => left.mul_checked(right),
            Operation::Negate => left.neg_checked(),
        }
        .ok()
    });
    Ok(Arc::new(values.collect::<PrimitiveArray<T>>()))
}
