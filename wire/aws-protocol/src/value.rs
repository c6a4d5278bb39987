//! The tree that every codec reads and writes. Knows schemas, no protocol.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::schema::{Schema, Shape};

/// One value of a shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A boolean.
    Boolean(bool),
    /// An integer or long.
    Integer(i64),
    /// A float or double.
    Double(f64),
    /// Text.
    String(String),
    /// Bytes.
    Blob(Bytes),
    /// Any JSON value.
    Document(serde_json::Value),
    /// An instant.
    Timestamp(Timestamp),
    /// Elements in order.
    List(Vec<Value>),
    /// Entries in the order of the wire; a later entry replaces an earlier one with its key.
    Map(Vec<(String, Value)>),
    /// Members by their place in the schema.
    Structure(StructureValue),
}

impl Value {
    /// What this is, for messages about mismatches.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Boolean(_) => "Boolean",
            Value::Integer(_) => "Integer",
            Value::Double(_) => "Double",
            Value::String(_) => "String",
            Value::Blob(_) => "Blob",
            Value::Document(_) => "Document",
            Value::Timestamp(_) => "Timestamp",
            Value::List(_) => "List",
            Value::Map(_) => "Map",
            Value::Structure(_) => "Structure",
        }
    }
}

/// A structure: one slot per member of its schema.
#[derive(Clone)]
pub struct StructureValue {
    schema: &'static Schema,
    members: Vec<Option<Value>>,
}

impl PartialEq for StructureValue {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.schema, other.schema) && self.members == other.members
    }
}

impl StructureValue {
    /// A structure of `schema` without any member set.
    pub fn new(schema: &'static Schema) -> StructureValue {
        StructureValue { schema, members: vec![None; schema.members().len()] }
    }

    /// Makes a structure from its slots, one for each member of `schema`, in order.
    pub fn from_members(schema: &'static Schema, mut members: Vec<Option<Value>>) -> StructureValue {
        members.resize(schema.members().len(), None);
        StructureValue { schema, members }
    }

    /// The schema.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The slots, in the schema's order.
    pub fn members(&self) -> &[Option<Value>] {
        &self.members
    }

    /// The member at `index`.
    pub fn at(&self, index: usize) -> Option<&Value> {
        self.members.get(index).and_then(Option::as_ref)
    }

    /// The member called `name` in the model.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let (index, _) = self.schema.member(name)?;
        self.at(index)
    }

    /// Sets the member at `index`; an index outside the schema changes nothing.
    pub fn set_at(&mut self, index: usize, value: Value) {
        if let Some(slot) = self.members.get_mut(index) {
            *slot = Some(value);
        }
    }

    /// Sets the member called `name` in the model; whether there is one.
    pub fn set(&mut self, name: &str, value: Value) -> bool {
        match self.schema.member(name) {
            Some((index, _)) => {
                self.set_at(index, value);
                true
            }
            None => false,
        }
    }

    /// Gives the slots away.
    pub fn into_members(self) -> Vec<Option<Value>> {
        self.members
    }

    /// How many members are set.
    pub fn set_count(&self) -> usize {
        self.members.iter().filter(|member| member.is_some()).count()
    }
}

/// Values of sensitive shapes are not shown.
impl fmt::Debug for StructureValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct(self.schema.name);
        for (member, value) in self.schema.members().iter().zip(&self.members) {
            let Some(value) = value else { continue };
            if self.schema.sensitive || member.schema.hides_value() {
                debug.field(member.name, &"***");
            } else {
                debug.field(member.name, value);
            }
        }
        debug.finish()
    }
}

/// A value does not have the kind that its schema or Rust type asks for: a defect of the program, not of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a value of kind {expected} for {place}, found {found}; report this as a defect")]
pub struct ValueError {
    /// What the schema or type asks for.
    pub expected: &'static str,
    /// What was there.
    pub found: &'static str,
    /// The shape at whose place the mismatch is.
    pub place: &'static str,
}

impl ValueError {
    /// A mismatch at `schema`.
    pub fn new(schema: &'static Schema, found: &Value) -> ValueError {
        ValueError { expected: kind_of(schema.shape), found: found.kind(), place: schema.name }
    }
}

fn kind_of(shape: Shape) -> &'static str {
    match shape {
        Shape::Boolean => "Boolean",
        Shape::Integer | Shape::Long => "Integer",
        Shape::Float | Shape::Double => "Double",
        Shape::String => "String",
        Shape::Blob => "Blob",
        Shape::Document => "Document",
        Shape::Timestamp(..) => "Timestamp",
        Shape::List { .. } => "List",
        Shape::Map { .. } => "Map",
        Shape::Structure { .. } => "Structure",
    }
}
