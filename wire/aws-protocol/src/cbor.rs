//! CBOR bodies, of Smithy RPC v2 and of `application/x-amz-cbor-1.1`. Knows no headers and no routing.

use ciborium_ll::{Decoder, Encoder, Header, simple};

use crate::error::DecodeError;
use crate::limits::Budget;
use crate::model::Protocol;
use crate::schema::{Member, Schema, Shape};
use crate::timestamp::{epoch_seconds, timestamp_from_seconds};
use crate::value::{StructureValue, Value};

/// Tag of seconds (or milliseconds, see below) since 1970.
const TAG_EPOCH: u64 = 1;
/// Bytes copied at once from a string.
const CHUNK_BYTES: usize = 4096;

/// How many units of the protocol's instants make a second: the CBOR of the Java SDK for Kinesis counts milliseconds.
fn units_per_second(protocol: Protocol) -> f64 {
    if protocol == Protocol::AwsCbor11 { 1000.0 } else { 1.0 }
}

/// Reads a body of `schema`; an empty body is an empty structure.
pub(crate) fn decode(
    schema: &'static Schema,
    protocol: Protocol,
    body: &[u8],
    budget: &Budget,
) -> Result<Value, DecodeError> {
    if body.is_empty() {
        return Ok(Value::Structure(StructureValue::new(schema)));
    }
    let mut parser = Parser { decoder: Decoder::from(body), protocol, budget };
    let header = parser.pull()?;
    let value = parser.value(&Member::new("body", schema), header, 0)?;
    if parser.decoder.offset() != body.len() {
        return Err(ill_formed());
    }
    Ok(value.unwrap_or_else(|| Value::Structure(StructureValue::new(schema))))
}

fn ill_formed() -> DecodeError {
    DecodeError::syntax("The body is not valid CBOR")
}

struct Parser<'a> {
    decoder: Decoder<&'a [u8]>,
    protocol: Protocol,
    budget: &'a Budget,
}

impl Parser<'_> {
    /// The next header; tags are passed over, since the schema says what a value means.
    fn pull(&mut self) -> Result<Header, DecodeError> {
        loop {
            match self.decoder.pull().map_err(|_| ill_formed())? {
                Header::Tag(_) => {}
                header => return Ok(header),
            }
        }
    }

    fn bytes(&mut self, length: Option<usize>) -> Result<Vec<u8>, DecodeError> {
        let mut result = Vec::new();
        let mut segments = self.decoder.bytes(length);
        while let Some(mut segment) = segments.pull().map_err(|_| ill_formed())? {
            let mut chunk = [0; CHUNK_BYTES];
            while let Some(part) = segment.pull(&mut chunk).map_err(|_| ill_formed())? {
                result.extend_from_slice(part);
            }
        }
        Ok(result)
    }

    fn text(&mut self, length: Option<usize>) -> Result<String, DecodeError> {
        let mut result = String::new();
        let mut segments = self.decoder.text(length);
        while let Some(mut segment) = segments.pull().map_err(|_| ill_formed())? {
            let mut chunk = [0; CHUNK_BYTES];
            while let Some(part) = segment.pull(&mut chunk).map_err(|_| ill_formed())? {
                result.push_str(part);
            }
        }
        Ok(result)
    }

    /// One value of a member; null and undefined are `None`.
    fn value(&mut self, member: &Member, header: Header, depth: usize) -> Result<Option<Value>, DecodeError> {
        self.budget.spend()?;
        self.budget.descend(depth)?;
        if matches!(header, Header::Simple(simple::NULL | simple::UNDEFINED)) {
            return Ok(None);
        }
        let refuse = || DecodeError::mistyped(format!("The value of '{}' is not of its type", member.name));
        let value = match (member.schema.shape, header) {
            (Shape::Boolean, Header::Simple(simple::TRUE)) => Value::Boolean(true),
            (Shape::Boolean, Header::Simple(simple::FALSE)) => Value::Boolean(false),
            (Shape::Integer, header) => {
                let number = integer(header).filter(|number| i32::try_from(*number).is_ok());
                Value::Integer(number.ok_or_else(refuse)?)
            }
            (Shape::Long, header) => Value::Integer(integer(header).ok_or_else(refuse)?),
            (Shape::Float | Shape::Double, header) => Value::Double(double(header).ok_or_else(refuse)?),
            (Shape::Timestamp(..), header) => {
                let seconds = double(header).ok_or_else(refuse)? / units_per_second(self.protocol);
                Value::Timestamp(timestamp_from_seconds(seconds).ok_or_else(refuse)?)
            }
            (Shape::String, Header::Text(length)) => Value::String(self.text(length)?),
            (Shape::Blob, Header::Bytes(length)) => Value::Blob(self.bytes(length)?.into()),
            (Shape::List { member: element, .. }, Header::Array(length)) => {
                let mut values = Vec::new();
                let mut left = length;
                while let Some(header) = self.next_of(&mut left)? {
                    let Some(value) = self.value(&element, header, depth + 1)? else {
                        return Err(DecodeError::mistyped(format!("The list '{}' must not contain null", member.name)));
                    };
                    values.push(value);
                }
                Value::List(values)
            }
            (Shape::Map { value: entry, .. }, Header::Map(length)) => {
                let mut entries = Vec::new();
                let mut left = length;
                while let Some(header) = self.next_of(&mut left)? {
                    let key = self.key(header)?;
                    let header = self.pull()?;
                    if let Some(value) = self.value(&entry, header, depth + 1)? {
                        entries.push((key, value));
                    }
                }
                Value::Map(entries)
            }
            (Shape::Structure { members, .. }, Header::Map(length)) => {
                let mut structure = StructureValue::new(member.schema);
                let mut left = length;
                while let Some(header) = self.next_of(&mut left)? {
                    let key = self.key(header)?;
                    let header = self.pull()?;
                    match members.iter().enumerate().find(|(_, member)| member.wire_name == key) {
                        Some((index, member)) => {
                            if let Some(value) = self.value(member, header, depth + 1)? {
                                structure.set_at(index, value);
                            }
                        }
                        None => self.skip(header, depth + 1)?,
                    }
                }
                Value::Structure(structure)
            }
            _ => return Err(refuse()),
        };
        Ok(Some(value))
    }

    fn key(&mut self, header: Header) -> Result<String, DecodeError> {
        match header {
            Header::Text(length) => self.text(length),
            _ => Err(DecodeError::mistyped("A map has a key that is not text")),
        }
    }

    /// The header of the next element of an array or map with `left` elements to come, or until a break.
    fn next_of(&mut self, left: &mut Option<usize>) -> Result<Option<Header>, DecodeError> {
        match left {
            Some(0) => return Ok(None),
            Some(left) => *left -= 1,
            None => {}
        }
        match (self.pull()?, left) {
            (Header::Break, None) => Ok(None),
            (Header::Break, Some(_)) => Err(ill_formed()),
            (header, _) => Ok(Some(header)),
        }
    }

    /// Passes over a value of a member that the schema lacks.
    fn skip(&mut self, header: Header, depth: usize) -> Result<(), DecodeError> {
        self.budget.spend()?;
        self.budget.descend(depth)?;
        match header {
            Header::Positive(_) | Header::Negative(_) | Header::Float(_) | Header::Simple(_) => Ok(()),
            Header::Bytes(length) => self.bytes(length).map(drop),
            Header::Text(length) => self.text(length).map(drop),
            Header::Array(length) => {
                let mut left = length;
                while let Some(header) = self.next_of(&mut left)? {
                    self.skip(header, depth + 1)?;
                }
                Ok(())
            }
            Header::Map(length) => {
                let mut left = length;
                while let Some(header) = self.next_of(&mut left)? {
                    self.skip(header, depth + 1)?;
                    let header = self.pull()?;
                    self.skip(header, depth + 1)?;
                }
                Ok(())
            }
            Header::Break | Header::Tag(_) => Err(ill_formed()),
        }
    }
}

fn integer(header: Header) -> Option<i64> {
    match header {
        Header::Positive(number) => i64::try_from(number).ok(),
        // The header holds -1 - n.
        Header::Negative(number) => i64::try_from(number).ok().map(|number| -1 - number),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a double was asked for")]
fn double(header: Header) -> Option<f64> {
    match header {
        Header::Float(number) => Some(number),
        other => integer(other).map(|number| number as f64),
    }
}

// ---- writing

/// Writes a value.
pub(crate) fn encode(protocol: Protocol, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer { encoder: Encoder::from(&mut bytes), protocol }.value(value);
    bytes
}

/// Writes an object of text and values, for errors.
pub(crate) fn encode_object(protocol: Protocol, texts: &[(&str, &str)], fields: &[(&str, &Value)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer { encoder: Encoder::from(&mut bytes), protocol };
    writer.push(Header::Map(Some(texts.len() + fields.len())));
    for (key, text) in texts {
        writer.text(key);
        writer.text(text);
    }
    for (key, value) in fields {
        writer.text(key);
        writer.value(value);
    }
    bytes
}

struct Writer<'a> {
    encoder: Encoder<&'a mut Vec<u8>>,
    protocol: Protocol,
}

impl Writer<'_> {
    /// Writing to memory cannot fail.
    fn push(&mut self, header: Header) {
        let _ = self.encoder.push(header);
    }

    fn text(&mut self, text: &str) {
        let _ = self.encoder.text(text, None);
    }

    fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.push(Header::Positive(value)),
            Err(_) => self.push(Header::Negative((-1 - value).unsigned_abs())),
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Boolean(value) => self.push(Header::Simple(if *value { simple::TRUE } else { simple::FALSE })),
            Value::Integer(value) => self.integer(*value),
            Value::Double(value) => self.push(Header::Float(*value)),
            Value::String(value) => self.text(value),
            Value::Blob(value) => {
                let _ = self.encoder.bytes(value, None);
            }
            Value::Document(value) => self.text(&value.to_string()),
            Value::Timestamp(value) => {
                self.push(Header::Tag(TAG_EPOCH));
                if self.protocol == Protocol::AwsCbor11 {
                    self.integer(value.as_millisecond());
                } else {
                    self.push(Header::Float(epoch_seconds(*value)));
                }
            }
            Value::List(values) => {
                self.push(Header::Array(Some(values.len())));
                for value in values {
                    self.value(value);
                }
            }
            Value::Map(entries) => {
                self.push(Header::Map(Some(entries.len())));
                for (key, value) in entries {
                    self.text(key);
                    self.value(value);
                }
            }
            Value::Structure(structure) => {
                let members = structure.schema().members().iter().zip(structure.members());
                let set: Vec<(&Member, &Value)> = members
                    .filter(|(member, _)| member.location.is_answer_body())
                    .filter_map(|(member, value)| value.as_ref().map(|value| (member, value)))
                    .collect();
                self.push(Header::Map(Some(set.len())));
                for (member, value) in set {
                    self.text(member.wire_name);
                    self.value(value);
                }
            }
        }
    }
}
