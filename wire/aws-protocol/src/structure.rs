//! From value trees to plain Rust structs and back. Knows no protocol.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::schema::Schema;
use crate::value::{StructureValue, Value, ValueError};

/// A Rust type that stands for values of some shape.
pub trait WireValue: Sized {
    /// Takes the value of a tree.
    fn from_value(value: Value) -> Result<Self, ValueError>;
    /// Gives the value as a tree.
    fn into_value(self) -> Value;
}

/// A Rust struct that stands for a structure of a model.
pub trait Structure: WireValue {
    /// The structure's table.
    const SCHEMA: &'static Schema;
}

fn mismatch(expected: &'static str, found: &Value) -> ValueError {
    ValueError { expected, found: found.kind(), place: expected }
}

macro_rules! scalar {
    ($type:ty, $variant:ident) => {
        impl WireValue for $type {
            fn from_value(value: Value) -> Result<Self, ValueError> {
                match value {
                    Value::$variant(inner) => Ok(inner),
                    other => Err(mismatch(stringify!($variant), &other)),
                }
            }

            fn into_value(self) -> Value {
                Value::$variant(self)
            }
        }
    };
}

scalar!(bool, Boolean);
scalar!(i64, Integer);
scalar!(f64, Double);
scalar!(String, String);
scalar!(Bytes, Blob);
scalar!(Timestamp, Timestamp);
scalar!(serde_json::Value, Document);

impl WireValue for i32 {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Integer(inner) => i32::try_from(inner).map_err(|_| ValueError {
                expected: "Integer of 32 bits",
                found: "Long",
                place: "Integer",
            }),
            other => Err(mismatch("Integer", &other)),
        }
    }

    fn into_value(self) -> Value {
        Value::Integer(i64::from(self))
    }
}

impl WireValue for f32 {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            #[expect(clippy::cast_possible_truncation, reason = "the shape says 32 bits")]
            Value::Double(inner) => Ok(inner as f32),
            other => Err(mismatch("Double", &other)),
        }
    }

    fn into_value(self) -> Value {
        Value::Double(f64::from(self))
    }
}

impl<T: WireValue> WireValue for Box<T> {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        T::from_value(value).map(Box::new)
    }

    fn into_value(self) -> Value {
        T::into_value(*self)
    }
}

impl<T: WireValue> WireValue for Vec<T> {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::List(elements) => elements.into_iter().map(T::from_value).collect(),
            other => Err(mismatch("List", &other)),
        }
    }

    fn into_value(self) -> Value {
        Value::List(self.into_iter().map(T::into_value).collect())
    }
}

impl<T: WireValue> WireValue for BTreeMap<String, T> {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Map(entries) => {
                entries.into_iter().map(|(key, value)| T::from_value(value).map(|value| (key, value))).collect()
            }
            other => Err(mismatch("Map", &other)),
        }
    }

    fn into_value(self) -> Value {
        Value::Map(self.into_iter().map(|(key, value)| (key, value.into_value())).collect())
    }
}

/// The input or output of an operation that has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unit {}

static UNIT: Schema = Schema::structure("Unit", &[]);

impl WireValue for Unit {
    fn from_value(_: Value) -> Result<Self, ValueError> {
        Ok(Unit {})
    }

    fn into_value(self) -> Value {
        Value::Structure(StructureValue::new(&UNIT))
    }
}

impl Structure for Unit {
    const SCHEMA: &'static Schema = &UNIT;
}

/// The slots of a structure, taken one after the other in the schema's order.
#[derive(Debug)]
pub struct Slots(std::vec::IntoIter<Option<Value>>);

impl Slots {
    /// The slots of `value`, which must be a structure of `schema`.
    pub fn of(schema: &'static Schema, value: Value) -> Result<Slots, ValueError> {
        match value {
            Value::Structure(structure) if std::ptr::eq(structure.schema(), schema) => {
                Ok(Slots(structure.into_members().into_iter()))
            }
            other => Err(ValueError::new(schema, &other)),
        }
    }

    /// The next slot.
    pub fn take<T: WireValue>(&mut self) -> Result<Option<T>, ValueError> {
        self.0.next().flatten().map(T::from_value).transpose()
    }
}

/// Writes a structure for a log, without the values of sensitive members.
pub fn debug_structure(
    schema: &'static Schema,
    fields: &[&dyn fmt::Debug],
    formatter: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut debug = formatter.debug_struct(schema.name);
    for (member, field) in schema.members().iter().zip(fields) {
        if schema.sensitive || member.schema.hides_value() {
            debug.field(member.name, &"***");
        } else {
            debug.field(member.name, field);
        }
    }
    debug.finish()
}

/// Declares the Rust struct of a structure shape, its table and the conversions between them.
///
/// `structure! { Table, TABLE, structure "Table" [.sensitive()]; name: String = Member::new("Name", &NAME); ... }`
#[macro_export]
macro_rules! structure {
    (
        $type:ident, $schema:ident, $constructor:ident $name:literal [$($option:tt)*];
        $($field:ident : $field_type:ty = $member:expr;)*
    ) => {
        #[doc = concat!("The structure `", $name, "`.")]
        #[derive(Clone, Default, PartialEq)]
        pub struct $type {
            $(
                #[doc = concat!("`", stringify!($field), "`")]
                pub $field: ::core::option::Option<$field_type>,
            )*
        }

        #[doc = concat!("The table of `", $name, "`.")]
        pub static $schema: $crate::Schema = $crate::Schema::$constructor($name, &[$($member),*])$($option)*;

        impl ::core::fmt::Debug for $type {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::debug_structure(&$schema, &[$(&self.$field),*], formatter)
            }
        }

        impl $crate::WireValue for $type {
            fn from_value(
                value: $crate::Value,
            ) -> ::core::result::Result<Self, $crate::ValueError> {
                #[allow(unused_mut, unused_variables)]
                let mut slots = $crate::Slots::of(&$schema, value)?;
                ::core::result::Result::Ok($type { $($field: slots.take()?,)* })
            }

            fn into_value(self) -> $crate::Value {
                $crate::Value::Structure($crate::StructureValue::from_members(
                    &$schema,
                    ::std::vec![$(self.$field.map($crate::WireValue::into_value)),*],
                ))
            }
        }

        impl $crate::Structure for $type {
            const SCHEMA: &'static $crate::Schema = &$schema;
        }
    };
}
