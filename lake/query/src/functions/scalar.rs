//! One shape for all scalar functions: a name, what it takes, what it gives, how. Knows no function.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::tables::batch_rows::BATCH_SIZE_BYTES;

/// What an argument is made into before the function sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Double,
    Binary,
    /// A date stays a date; timestamps are in milliseconds.
    Temporal,
    Timestamp,
    /// As it is; texts and views of texts are plain texts.
    Any,
}

type Returns = fn(&[DataType]) -> Result<DataType>;
type Invoke = fn(&Arguments) -> Result<ArrayRef>;

/// A scalar function.
#[derive(Debug)]
pub(super) struct Scalar {
    name: String,
    aliases: Vec<String>,
    signature: Signature,
    kinds: &'static [Kind],
    /// How many may be left out at the end; with `variadic` the last repeats.
    optional: usize,
    variadic: bool,
    returns: Returns,
    invoke: Invoke,
}

/// The arguments as columns of one length.
pub(super) struct Arguments {
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
    pub returns: DataType,
}

impl Scalar {
    /// `trino.<name>`, called by Trino's `name`.
    pub fn new(name: &str, kinds: &'static [Kind], returns: Returns, invoke: Invoke) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self {
            name: format!("trino.{name}"),
            aliases: vec![name.to_owned()],
            signature,
            kinds,
            optional: 0,
            variadic: false,
            returns,
            invoke,
        }
    }

    /// With further names.
    pub fn also(mut self, names: &[&str]) -> Self {
        self.aliases.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// The last `count` arguments may be left out.
    pub fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }

    /// The last kind repeats, one time or more.
    pub fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.kinds.get(at).or(if self.variadic { self.kinds.last() } else { None }).copied()
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

fn coerced(kind: Kind, given: &DataType) -> Option<DataType> {
    let number = given.is_integer()
        || given.is_floating()
        || matches!(given, DataType::Decimal128(..) | DataType::Decimal256(..));
    Some(match (kind, given) {
        // Many rows may share what they see: `invoke_with_args` makes plain texts of it, a few rows at a time.
        (Kind::Text | Kind::Any, DataType::Utf8View) => DataType::Utf8View,
        (Kind::Text, DataType::Utf8 | DataType::LargeUtf8 | DataType::Null) => DataType::Utf8,
        (Kind::Int, given) if given.is_integer() || *given == DataType::Null => DataType::Int64,
        (Kind::Double, given) if number || *given == DataType::Null => DataType::Float64,
        (
            Kind::Binary,
            DataType::Binary
            | DataType::BinaryView
            | DataType::LargeBinary
            | DataType::FixedSizeBinary(_)
            | DataType::Null,
        ) => DataType::Binary,
        (Kind::Temporal, DataType::Date32 | DataType::Date64) => DataType::Date32,
        (Kind::Temporal | Kind::Timestamp, DataType::Timestamp(_, zone)) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        (Kind::Temporal | Kind::Timestamp, DataType::Null | DataType::Date32 | DataType::Date64) => {
            DataType::Timestamp(TimeUnit::Millisecond, None)
        }
        (Kind::Any, DataType::LargeUtf8) => DataType::Utf8,
        (Kind::Any, given) => given.clone(),
        _ => return None,
    })
}

/// As functions see it.
fn plain(given: &DataType) -> DataType {
    if *given == DataType::Utf8View { DataType::Utf8 } else { given.clone() }
}

/// Where to cut `rows` rows so that the texts that views among `columns` show take no more than a batch should; or one row does.
fn cuts(columns: &[ArrayRef], rows: usize) -> Vec<Range<usize>> {
    let views: Vec<_> = columns.iter().filter_map(|column| column.as_string_view_opt()).collect();
    let (mut cuts, mut first, mut size_bytes) = (Vec::new(), 0, 0);
    for row in 0..rows {
        // The length is in a view's low half: <https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout>
        let lengths = views.iter().filter_map(|column| column.views().get(row)).map(|view| u64::from(*view as u32));
        let of_row: u64 = lengths.sum();
        if row > first && size_bytes + of_row > BATCH_SIZE_BYTES {
            cuts.push(first..row);
            (first, size_bytes) = (row, 0);
        }
        size_bytes += of_row;
    }
    cuts.push(first..rows);
    cuts
}

impl Scalar {
    fn invoke_on(&self, columns: &[ArrayRef], rows: Range<usize>, returns: &DataType) -> Result<ArrayRef> {
        let columns = columns.iter().map(|column| {
            let column = column.slice(rows.start, rows.len());
            Ok(match column.data_type() {
                DataType::Utf8View => arrow::compute::cast(&column, &DataType::Utf8)?,
                _ => column,
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        (self.invoke)(&Arguments { columns, rows: rows.len(), returns: returns.clone() })
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        (self.returns)(&arg_types.iter().map(plain).collect::<Vec<_>>())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| plain(field.data_type())).collect();
        Ok(Arc::new(Field::new(self.name(), (self.returns)(&types)?, true)))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let shown = || {
            let types: Vec<String> = arg_types.iter().map(crate::types::trino_name).collect();
            let name = self.aliases.first().map_or(self.name.as_str(), String::as_str);
            DataFusionError::Plan(format!("Unexpected parameters ({}) for function {name}", types.join(", ")))
        };
        let least = self.kinds.len() - self.optional;
        if arg_types.len() < least || (!self.variadic && arg_types.len() > self.kinds.len()) {
            return Err(shown());
        }
        arg_types
            .iter()
            .enumerate()
            .map(|(at, given)| self.kind(at).and_then(|kind| coerced(kind, given)).ok_or_else(shown))
            .collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let returns = args.return_field.data_type();
        let pieces = cuts(&columns, rows).into_iter().map(|rows| self.invoke_on(&columns, rows, returns));
        let mut pieces = pieces.collect::<Result<Vec<_>>>()?;
        let result = match pieces.pop() {
            Some(whole) if pieces.is_empty() => whole,
            last => {
                pieces.extend(last);
                arrow::compute::concat(&pieces.iter().map(AsRef::as_ref).collect::<Vec<_>>())?
            }
        };
        if all_scalar {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
        } else {
            Ok(ColumnarValue::Array(result))
        }
    }
}

impl Arguments {
    fn column(&self, at: usize) -> Result<&ArrayRef> {
        self.columns.get(at).ok_or_else(|| DataFusionError::Internal(format!("argument {at} is missing")))
    }

    pub fn any(&self, at: usize) -> Result<&ArrayRef> {
        self.column(at)
    }

    pub fn text(&self, at: usize) -> Result<&StringArray> {
        self.column(at)?.as_string_opt().ok_or_else(|| DataFusionError::Internal(format!("argument {at} is no text")))
    }

    pub fn int(&self, at: usize) -> Result<&Int64Array> {
        self.column(at)?
            .as_primitive_opt()
            .ok_or_else(|| DataFusionError::Internal(format!("argument {at} is no integer")))
    }

    pub fn double(&self, at: usize) -> Result<&Float64Array> {
        self.column(at)?
            .as_primitive_opt()
            .ok_or_else(|| DataFusionError::Internal(format!("argument {at} is no double")))
    }

    /// The column as milliseconds since 1970, whether of dates or timestamps.
    pub fn milliseconds(&self, at: usize) -> Result<TimestampMillisecondArray> {
        let cast = arrow::compute::cast(self.column(at)?, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        Ok(cast.as_primitive().clone())
    }

    /// Whether argument `at` was given.
    pub fn has(&self, at: usize) -> bool {
        at < self.columns.len()
    }

    /// One text per row from the texts of the row; a NULL among them gives NULL.
    pub fn map_texts<const N: usize>(&self, apply: impl Fn([&str; N]) -> Result<Option<String>>) -> Result<ArrayRef> {
        let mut columns = Vec::with_capacity(N);
        for at in 0..N {
            columns.push(self.text(at)?);
        }
        let mut out = arrow::array::StringBuilder::with_capacity(self.rows, self.rows * 8);
        for row in 0..self.rows {
            let mut texts = [""; N];
            let mut null = false;
            for (text, column) in texts.iter_mut().zip(&columns) {
                null |= column.is_null(row);
                *text = if column.is_null(row) { "" } else { column.value(row) };
            }
            out.append_option(if null { None } else { apply(texts)? });
        }
        Ok(Arc::new(out.finish()))
    }

    /// One integer per row from the texts of the row; a NULL among them gives NULL.
    pub fn map_texts_to_int<const N: usize>(
        &self,
        apply: impl Fn([&str; N]) -> Result<Option<i64>>,
    ) -> Result<ArrayRef> {
        let mut columns = Vec::with_capacity(N);
        for at in 0..N {
            columns.push(self.text(at)?);
        }
        let mut out = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            let mut texts = [""; N];
            let mut null = false;
            for (text, column) in texts.iter_mut().zip(&columns) {
                null |= column.is_null(row);
                *text = if column.is_null(row) { "" } else { column.value(row) };
            }
            out.push(if null { None } else { apply(texts)? });
        }
        Ok(Arc::new(Int64Array::from(out)))
    }
}

pub(super) fn to_text(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Utf8)
}

pub(super) fn to_int(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Int64)
}

pub(super) fn to_double(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Float64)
}

pub(super) fn to_boolean(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Boolean)
}

pub(super) fn to_binary(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Binary)
}

pub(super) fn to_date(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Date32)
}

pub(super) fn to_timestamp(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Timestamp(TimeUnit::Millisecond, None))
}

pub(super) fn to_zoned(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))
}

pub(super) fn to_texts(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;

    use super::*;

    #[test]
    fn rows_are_cut_where_their_texts_are_too_large_together() {
        let whole = usize::try_from(BATCH_SIZE_BYTES).unwrap_or_default();
        let check = |sizes: &[usize], firsts: &[usize]| {
            let texts: Vec<String> = sizes.iter().map(|size_bytes| "x".repeat(*size_bytes)).collect();
            let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
            let found = cuts(&[column], sizes.len());
            assert_eq!(found.iter().map(|rows| rows.start).collect::<Vec<_>>(), firsts, "{sizes:?}");
            let ends = found.iter().skip(1).map(|rows| rows.start).chain([sizes.len()]);
            assert!(found.iter().map(|rows| rows.end).eq(ends), "{found:?}");
        };
        check(&[], &[0]);
        check(&[3], &[0]);
        check(&[0, 1, 2, 3], &[0]);
        check(&[whole, 1], &[0, 1]);
        check(&[whole / 2, whole / 2, whole / 2], &[0, 2]);
        check(&[1, whole + 1, 1], &[0, 1, 2]);
        let plain: ArrayRef = Arc::new(StringArray::from_iter_values(["a", "b"]));
        assert_eq!(cuts(&[plain], 2).len(), 1);
    }
}
