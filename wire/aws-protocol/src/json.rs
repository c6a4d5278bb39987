//! JSON bodies, of json 1.0, json 1.1 and rest-json alike. Knows no headers and no routing.

use std::cell::RefCell;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::error::DecodeError;
use crate::limits::Budget;
use crate::number::{double_text, parse_double};
use crate::schema::{Location, Member, Schema, Shape, TimestampFormat};
use crate::timestamp::{epoch_seconds, format_timestamp, parse_timestamp, shortened, timestamp_from_seconds};
use crate::value::{StructureValue, Value};

/// Reads a body of `schema`; an empty body is an empty structure.
pub(crate) fn decode(schema: &'static Schema, body: &[u8], budget: &Budget) -> Result<Value, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(empty(schema));
    }
    let body = std::str::from_utf8(body).map_err(|error| {
        DecodeError::syntax(format!("The body is not valid UTF-8 from byte {} on", error.valid_up_to() + 1))
    })?;
    let root = Member::new("body", schema);
    let context = Context { budget, failure: RefCell::new(None), place: RefCell::default() };
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let seed = Seed { member: &root, context: &context, depth: 0 };
    let outcome = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match outcome {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Ok(empty(schema)),
        Err(error) => Err(context
            .failure
            .take()
            .unwrap_or_else(|| DecodeError::syntax(format!("The body is not valid JSON: {error}")))),
    }
}

fn empty(schema: &'static Schema) -> Value {
    match schema.shape {
        Shape::List { .. } => Value::List(Vec::new()),
        Shape::Map { .. } => Value::Map(Vec::new()),
        _ => Value::Structure(StructureValue::new(schema)),
    }
}

struct Context<'a> {
    budget: &'a Budget,
    /// The error in our own words; serde's would append a position and lose its kind.
    failure: RefCell<Option<DecodeError>>,
    /// The way to the value that is being read. What fails is where it then stands, since nothing is read after it.
    place: RefCell<Vec<Step>>,
}

/// One step from a value to one in it.
enum Step {
    Member(&'static str),
    Element(usize),
    Entry(String),
}

impl Context<'_> {
    fn fail<E: de::Error>(&self, error: DecodeError) -> E {
        let place = self.place.borrow();
        let error = place.iter().rev().fold(error, |error, step| match step {
            Step::Member(name) => error.within(name),
            Step::Element(index) => error.within(&(index + 1).to_string()),
            Step::Entry(key) => error.within(&shortened(key)),
        });
        self.failure.replace(Some(error));
        E::custom("refused")
    }

    fn check<T, E: de::Error>(&self, result: Result<T, DecodeError>) -> Result<T, E> {
        result.map_err(|error| self.fail(error))
    }
}

/// Reads one value of a member; `null` is `None`.
struct Seed<'a> {
    member: &'a Member,
    context: &'a Context<'a>,
    depth: usize,
}

impl Seed<'_> {
    fn schema(&self) -> &'static Schema {
        self.member.schema
    }

    fn refuse<E: de::Error>(&self, found: &str) -> E {
        let reason = match self.schema().shape {
            Shape::Boolean => format!("{found} can not be converted to a Boolean"),
            Shape::Integer => format!("{found} can not be converted to an Integer"),
            Shape::Long => format!("{found} can not be converted to a Long"),
            Shape::Float => format!("{found} can not be converted to a Float"),
            Shape::Double => format!("{found} can not be converted to a Double"),
            Shape::String => format!("{found} can not be converted to a String"),
            Shape::Blob => format!("{found} can not be converted to a Blob"),
            Shape::Timestamp(..) => format!("{found} can not be converted to a Timestamp"),
            Shape::Document => format!("{found} can not be converted to a Document"),
            Shape::List { .. } => "Expected list or null".to_owned(),
            Shape::Map { .. } => "Expected map or null".to_owned(),
            Shape::Structure { .. } => "Expected structure or null".to_owned(),
        };
        self.context.fail(DecodeError::mistyped(reason))
    }

    /// The seed of a value in this one.
    fn inner<'i>(&'i self, member: &'i Member, step: Step) -> Seed<'i> {
        self.context.place.borrow_mut().push(step);
        Seed { member, context: self.context, depth: self.depth + 1 }
    }

    /// The value in it was read.
    fn left(&self) {
        self.context.place.borrow_mut().pop();
    }

    fn integer<E: de::Error>(&self, number: i64) -> Result<Option<Value>, E> {
        match self.schema().shape {
            Shape::Integer if i32::try_from(number).is_ok() => Ok(Some(Value::Integer(number))),
            Shape::Long => Ok(Some(Value::Integer(number))),
            #[expect(clippy::cast_precision_loss, reason = "a double was asked for")]
            _ => self.double(number as f64),
        }
    }

    fn double<E: de::Error>(&self, number: f64) -> Result<Option<Value>, E> {
        match self.schema().shape {
            Shape::Float | Shape::Double => Ok(Some(Value::Double(number))),
            // 1.0 and 1e3 are integers too.
            #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number in range")]
            Shape::Integer if number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX) => {
                Ok(Some(Value::Integer(number as i64)))
            }
            #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number in range")]
            Shape::Long if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
                Ok(Some(Value::Integer(number as i64)))
            }
            Shape::Timestamp(..) => match timestamp_from_seconds(number) {
                Some(timestamp) => Ok(Some(Value::Timestamp(timestamp))),
                None => Err(self.refuse("NUMBER_VALUE")),
            },
            Shape::Document => Ok(Some(Value::Document(number.into()))),
            _ => Err(self.refuse("NUMBER_VALUE")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Option<Value>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.context.check(self.context.budget.spend())?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Option<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        match self.schema().shape {
            Shape::Boolean => Ok(Some(Value::Boolean(value))),
            Shape::Document => Ok(Some(Value::Document(value.into()))),
            _ => Err(self.refuse(if value { "TRUE_VALUE" } else { "FALSE_VALUE" })),
        }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        match self.schema().shape {
            Shape::Document => Ok(Some(Value::Document(value.into()))),
            _ => self.integer(value),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        match (self.schema().shape, i64::try_from(value)) {
            (Shape::Document, _) => Ok(Some(Value::Document(value.into()))),
            (_, Ok(value)) => self.integer(value),
            #[expect(clippy::cast_precision_loss, reason = "beyond 64 bits only a double can hold it")]
            (_, Err(_)) => self.double(value as f64),
        }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        self.double(value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        match self.schema().shape {
            Shape::String => Ok(Some(Value::String(value.to_owned()))),
            Shape::Document => Ok(Some(Value::Document(value.into()))),
            Shape::Blob => match STANDARD.decode(value) {
                Ok(bytes) => Ok(Some(Value::Blob(bytes.into()))),
                Err(_) => Err(self
                    .context
                    .fail(DecodeError::mistyped(format!("The value of '{}' is not valid base64", self.member.name)))),
            },
            Shape::Timestamp(..) => {
                let format = self.member.timestamp_format_or(TimestampFormat::EpochSeconds);
                let timestamp = self.context.check(parse_timestamp(value, format))?;
                Ok(Some(Value::Timestamp(timestamp)))
            }
            Shape::Float | Shape::Double => match value {
                "NaN" | "Infinity" | "-Infinity" => Ok(parse_double(value).map(Value::Double)),
                _ => Err(self.refuse("STRING_VALUE")),
            },
            _ => Err(self.refuse("STRING_VALUE")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        self.context.check(self.context.budget.descend(self.depth + 1))?;
        match self.schema().shape {
            Shape::List { member, .. } => {
                let mut elements = Vec::new();
                loop {
                    let seed = self.inner(&member, Step::Element(elements.len()));
                    let element = sequence.next_element_seed(seed)?;
                    self.left();
                    match element {
                        Some(Some(element)) => elements.push(element),
                        Some(None) => {
                            let name = self.member.name;
                            let error = DecodeError::mistyped(format!("The list '{name}' must not contain null"));
                            return Err(self.context.fail(error));
                        }
                        None => return Ok(Some(Value::List(elements))),
                    }
                }
            }
            Shape::Document => {
                let mut elements = Vec::new();
                loop {
                    let seed = self.inner(self.member, Step::Element(elements.len()));
                    let element = sequence.next_element_seed(seed)?;
                    self.left();
                    match element {
                        Some(element) => elements.push(document(element)),
                        None => return Ok(Some(Value::Document(elements.into()))),
                    }
                }
            }
            _ => Err(self.context.fail(DecodeError::mistyped("Start of list found where not expected"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        self.context.check(self.context.budget.descend(self.depth + 1))?;
        match self.schema().shape {
            Shape::Structure { members, .. } => {
                let mut structure = StructureValue::new(self.schema());
                while let Some(found) = map.next_key_seed(MemberSeed { members })? {
                    let Some((index, member)) = found else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    if let Some(value) = map.next_value_seed(self.inner(member, Step::Member(member.name)))? {
                        structure.set_at(index, value);
                    }
                    self.left();
                }
                Ok(Some(Value::Structure(structure)))
            }
            Shape::Map { value, .. } => {
                let mut entries: Vec<(String, Value)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if let Some(value) = map.next_value_seed(self.inner(&value, Step::Entry(key.clone())))? {
                        entries.push((key, value));
                    }
                    self.left();
                }
                Ok(Some(Value::Map(entries)))
            }
            Shape::Document => {
                let mut entries = serde_json::Map::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value = map.next_value_seed(self.inner(self.member, Step::Entry(key.clone())))?;
                    self.left();
                    entries.insert(key, document(value));
                }
                Ok(Some(Value::Document(entries.into())))
            }
            _ => Err(self.context.fail(DecodeError::mistyped("Start of structure or map found where not expected."))),
        }
    }
}

fn document(value: Option<Value>) -> serde_json::Value {
    match value {
        Some(Value::Document(document)) => document,
        _ => serde_json::Value::Null,
    }
}

/// Finds the member that a key names.
struct MemberSeed {
    members: &'static [Member],
}

impl<'de> DeserializeSeed<'de> for MemberSeed {
    type Value = Option<(usize, &'static Member)>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberSeed {
    type Value = Option<(usize, &'static Member)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member name")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self
            .members
            .iter()
            .enumerate()
            .find(|(_, member)| member.wire_name == key && member.location == Location::Body))
    }
}

/// Writes a value of `schema`.
pub(crate) fn encode(schema: &'static Schema, value: &Value) -> Vec<u8> {
    let root = Member::new("body", schema);
    encode_bytes(&Encoded { member: Some(&root), value })
}

fn encode_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing to memory cannot fail, and every key is text.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Writes an object of text and values, for errors.
pub(crate) fn encode_object(texts: &[(&str, &str)], fields: &[(&str, &Value)]) -> Vec<u8> {
    struct Object<'a>(&'a [(&'a str, &'a str)], &'a [(&'a str, &'a Value)]);
    impl Serialize for Object<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            for (key, text) in self.0 {
                map.serialize_entry(key, text)?;
            }
            for (key, value) in self.1 {
                map.serialize_entry(key, &Encoded { member: None, value })?;
            }
            map.end()
        }
    }
    encode_bytes(&Object(texts, fields))
}

struct Encoded<'a> {
    member: Option<&'a Member>,
    value: &'a Value,
}

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Double(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Double(value) => serializer.serialize_str(&double_text(*value)),
            Value::String(value) => serializer.serialize_str(value),
            Value::Blob(value) => serializer.serialize_str(&STANDARD.encode(value)),
            Value::Document(value) => value.serialize(serializer),
            Value::Timestamp(value) => {
                let default = TimestampFormat::EpochSeconds;
                match self.member.map_or(default, |member| member.timestamp_format_or(default)) {
                    TimestampFormat::EpochSeconds => serializer.serialize_f64(epoch_seconds(*value)),
                    other => serializer.serialize_str(&format_timestamp(*value, other)),
                }
            }
            Value::List(elements) => {
                let member = match self.member.map(|member| member.schema.shape) {
                    Some(Shape::List { member, .. }) => Some(member),
                    _ => None,
                };
                let mut sequence = serializer.serialize_seq(Some(elements.len()))?;
                for value in elements {
                    sequence.serialize_element(&Encoded { member: member.as_ref(), value })?;
                }
                sequence.end()
            }
            Value::Map(entries) => {
                let member = match self.member.map(|member| member.schema.shape) {
                    Some(Shape::Map { value, .. }) => Some(value),
                    _ => None,
                };
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Encoded { member: member.as_ref(), value })?;
                }
                map.end()
            }
            Value::Structure(structure) => {
                let mut map = serializer.serialize_map(None)?;
                for (member, value) in structure.schema().members().iter().zip(structure.members()) {
                    if let (Some(value), true) = (value, member.location.is_answer_body()) {
                        map.serialize_entry(member.wire_name, &Encoded { member: Some(member), value })?;
                    }
                }
                map.end()
            }
        }
    }
}
