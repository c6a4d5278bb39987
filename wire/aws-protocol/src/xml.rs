//! XML bodies: answers of query, requests and answers of rest-xml. Knows no headers and no routing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::error::DecodeError;
use crate::limits::Budget;
use crate::number::{double_text, parse_scalar};
use crate::schema::{Location, Member, Schema, Shape, TimestampFormat, XmlNamespace};
use crate::timestamp::{format_timestamp, parse_timestamp};
use crate::value::{StructureValue, Value};

// ---- writing

/// Text under construction.
#[derive(Debug, Default)]
pub(crate) struct XmlWriter {
    text: String,
}

impl XmlWriter {
    /// A document with its declaration.
    pub(crate) fn document() -> XmlWriter {
        XmlWriter { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// `<name xmlns="...">`
    pub(crate) fn open(&mut self, name: &str, namespace: Option<XmlNamespace>) {
        self.text.push('<');
        self.text.push_str(name);
        if let Some(namespace) = namespace {
            self.text.push_str(" xmlns");
            if let Some(prefix) = namespace.prefix {
                self.text.push(':');
                self.text.push_str(prefix);
            }
            self.text.push_str("=\"");
            self.escape(namespace.uri);
            self.text.push('"');
        }
        self.text.push('>');
    }

    fn attribute(&mut self, name: &str, value: &str) {
        if self.text.ends_with('>') {
            self.text.pop();
        }
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push_str("=\"");
        self.escape(value);
        self.text.push_str("\">");
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// `<name>text</name>`
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name, None);
        self.escape(text);
        self.close(name);
    }

    fn escape(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                // A parser would turn a bare carriage return into a line feed.
                '\r' => self.text.push_str("&#xD;"),
                // XML 1.0 has no way to write these, not even by reference: a client could not read the answer at all.
                '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                    self.text.push('\u{fffd}');
                }
                other => self.text.push(other),
            }
        }
    }

    /// The members of a structure that are attributes, onto its element just opened.
    pub(crate) fn attributes(&mut self, structure: &StructureValue) {
        for (member, value) in structure.schema().members().iter().zip(structure.members()) {
            if let (Some(value), true) = (value, member.xml_attribute) {
                self.attribute(member.wire_name, &scalar_text(member, value, TimestampFormat::DateTime));
            }
        }
    }

    /// The members of a structure, without the structure's own element.
    pub(crate) fn members(&mut self, structure: &StructureValue) {
        for (member, value) in structure.schema().members().iter().zip(structure.members()) {
            if let (Some(value), true, false) = (value, member.location.is_answer_body(), member.xml_attribute) {
                self.member(member, value);
            }
        }
    }

    /// One member of a structure: its element, or its elements when it is flattened.
    fn member(&mut self, member: &Member, value: &Value) {
        match (member.schema.shape, value) {
            (Shape::List { member: element, .. }, Value::List(values)) if member.is_flattened() => {
                let name = if element.wire_name_from_model { element.wire_name } else { member.wire_name };
                for value in values {
                    self.element(name, &element, value, element.xml_namespace.or(member.xml_namespace));
                }
            }
            (Shape::Map { key, value: entry, .. }, Value::Map(entries)) if member.is_flattened() => {
                for (name, value) in entries {
                    self.open(member.wire_name, member.xml_namespace);
                    self.entry(&key, &entry, name, value);
                    self.close(member.wire_name);
                }
            }
            _ => self.element(member.wire_name, member, value, member.xml_namespace),
        }
    }

    fn entry(&mut self, key: &Member, entry: &Member, name: &str, value: &Value) {
        self.open(key.wire_name, key.xml_namespace);
        self.escape(name);
        self.close(key.wire_name);
        self.element(entry.wire_name, entry, value, entry.xml_namespace);
    }

    /// One element with its content.
    pub(crate) fn element(&mut self, name: &str, member: &Member, value: &Value, namespace: Option<XmlNamespace>) {
        self.open(name, namespace.or(member.schema.xml_namespace));
        match value {
            Value::Structure(structure) => {
                self.attributes(structure);
                self.members(structure);
            }
            Value::List(values) => {
                if let Shape::List { member: element, .. } = member.schema.shape {
                    for value in values {
                        self.element(element.wire_name, &element, value, element.xml_namespace);
                    }
                }
            }
            Value::Map(entries) => {
                if let Shape::Map { key, value: entry, .. } = member.schema.shape {
                    for (name, value) in entries {
                        self.open("entry", None);
                        self.entry(&key, &entry, name, value);
                        self.close("entry");
                    }
                }
            }
            scalar => self.escape(&scalar_text(member, scalar, TimestampFormat::DateTime)),
        }
        self.close(name);
    }
}

/// The text of a value that is no list, map or structure.
pub(crate) fn scalar_text(member: &Member, value: &Value, default: TimestampFormat) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Double(value) => double_text(*value),
        Value::String(value) => value.clone(),
        Value::Blob(value) => STANDARD.encode(value),
        Value::Timestamp(value) => format_timestamp(*value, member.timestamp_format_or(default)),
        Value::Document(value) => value.to_string(),
        Value::List(_) | Value::Map(_) | Value::Structure(_) => String::new(),
    }
}

// ---- reading

/// A parsed element. Names have no prefix.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Refuses a document about something else than what is asked for.
    pub(crate) fn named(self, name: &str) -> Result<Element, DecodeError> {
        if self.name == name {
            return Ok(self);
        }
        Err(DecodeError::syntax(format!("The body's root is `{}`, and not `{name}`", self.name)))
    }
}

fn ill_formed(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::syntax(format!("The body is not well-formed XML: {error}"))
}

/// Parses a document into its root element. Entities other than XML's five and document types are refused.
pub(crate) fn parse(body: &[u8], budget: &Budget) -> Result<Element, DecodeError> {
    let text = std::str::from_utf8(body).map_err(ill_formed)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().map_err(ill_formed)? {
            Event::Start(start) => {
                budget.spend()?;
                budget.descend(open.len() + 1)?;
                if root.is_some() {
                    return Err(ill_formed("there is more than one root element"));
                }
                open.push(start_of(&start, budget)?);
            }
            Event::End(_) => match (open.pop(), open.last_mut()) {
                (Some(closed), Some(parent)) => parent.children.push(closed),
                (Some(closed), None) => root = Some(closed),
                (None, _) => return Err(ill_formed("an element is closed that was never opened")),
            },
            Event::Text(content) => match open.last_mut() {
                Some(element) => element.text.push_str(&content.xml10_content()),
                None if content.trim().is_empty() => {}
                None => return Err(ill_formed("there is text outside the root element")),
            },
            Event::CData(content) => match open.last_mut() {
                Some(element) => element.text.push_str(&content.xml10_content()),
                None => return Err(ill_formed("there is text outside the root element")),
            },
            Event::GeneralRef(reference) => {
                let element = open.last_mut().ok_or_else(|| ill_formed("there is text outside the root element"))?;
                match reference.resolve_char_ref().map_err(ill_formed)? {
                    Some(character) => element.text.push(character),
                    None => match resolve_predefined_entity(&reference) {
                        Some(text) => element.text.push_str(text),
                        None => return Err(ill_formed("it uses an entity that is not predefined")),
                    },
                }
            }
            Event::DocType(_) => return Err(ill_formed("document types are not taken")),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (root, open.is_empty()) {
        (Some(root), true) => Ok(root),
        (_, false) => Err(ill_formed("an element is not closed")),
        (None, true) => Err(ill_formed("there is no root element")),
    }
}

fn start_of(start: &BytesStart<'_>, budget: &Budget) -> Result<Element, DecodeError> {
    let mut element = Element { name: start.local_name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        budget.spend()?;
        let attribute = attribute.map_err(ill_formed)?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(ill_formed)?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

/// Reads an element as a value of a member's schema.
pub(crate) fn read(member: &Member, element: &Element) -> Result<Value, DecodeError> {
    match member.schema.shape {
        Shape::Structure { members, .. } => structure(member.schema, members, element),
        Shape::List { member: item, .. } => {
            let items = element.children.iter().filter(|child| child.name == item.wire_name);
            Ok(Value::List(items.map(|child| read(&item, child)).collect::<Result<_, _>>()?))
        }
        Shape::Map { key, value, .. } => {
            let entries = element.children.iter().filter(|child| child.name == "entry");
            Ok(Value::Map(entries.map(|entry| read_entry(member, &key, &value, entry)).collect::<Result<_, _>>()?))
        }
        _ => scalar(member, &element.text),
    }
}

fn structure(schema: &'static Schema, members: &'static [Member], element: &Element) -> Result<Value, DecodeError> {
    let mut structure = StructureValue::new(schema);
    for (index, member) in members.iter().enumerate() {
        if member.location != Location::Body {
            continue;
        }
        if member.xml_attribute {
            let local = |name: &str| name.rsplit(':').next() == member.wire_name.rsplit(':').next();
            if let Some((_, text)) = element.attributes.iter().find(|(name, _)| local(name)) {
                structure.set_at(index, scalar(member, text)?);
            }
            continue;
        }
        match member.schema.shape {
            Shape::List { member: item, .. } if member.is_flattened() => {
                let name = if item.wire_name_from_model { item.wire_name } else { member.wire_name };
                let values: Vec<Value> = element
                    .children
                    .iter()
                    .filter(|child| child.name == name)
                    .map(|child| read(&item, child))
                    .collect::<Result<_, _>>()?;
                if !values.is_empty() {
                    structure.set_at(index, Value::List(values));
                }
            }
            Shape::Map { key, value, .. } if member.is_flattened() => {
                let entries: Vec<(String, Value)> = element
                    .children
                    .iter()
                    .filter(|child| child.name == member.wire_name)
                    .map(|entry| read_entry(member, &key, &value, entry))
                    .collect::<Result<_, _>>()?;
                if !entries.is_empty() {
                    structure.set_at(index, Value::Map(entries));
                }
            }
            _ => {
                let name = member.wire_name.rsplit(':').next().unwrap_or(member.wire_name);
                if let Some(child) = element.children.iter().find(|child| child.name == name) {
                    structure.set_at(index, read(member, child)?);
                }
            }
        }
    }
    Ok(Value::Structure(structure))
}

fn read_entry(map: &Member, key: &Member, value: &Member, entry: &Element) -> Result<(String, Value), DecodeError> {
    let child = |name: &str| entry.children.iter().find(|child| child.name == name);
    let lacking = |what: &str| DecodeError::mistyped(format!("An entry of the map '{}' has no {what}", map.name));
    let name = child(key.wire_name).ok_or_else(|| lacking("key"))?;
    let content = child(value.wire_name).ok_or_else(|| lacking("value"))?;
    Ok((name.text.clone(), read(value, content)?))
}

fn scalar(member: &Member, text: &str) -> Result<Value, DecodeError> {
    match member.schema.shape {
        Shape::String => Ok(Value::String(text.to_owned())),
        Shape::Blob => STANDARD
            .decode(text.trim())
            .map(|bytes| Value::Blob(bytes.into()))
            .map_err(|_| DecodeError::mistyped(format!("The value of '{}' is not valid base64", member.name))),
        Shape::Timestamp(..) => {
            let format = member.timestamp_format_or(TimestampFormat::DateTime);
            parse_timestamp(text, format).map(Value::Timestamp).map_err(|error| error.within(member.name))
        }
        _ => match parse_scalar(member.schema, text.trim()) {
            Some(result) => result.map_err(|error| error.within(member.name)),
            None => Err(DecodeError::mistyped(format!("'{}' can not be read from text", member.name))),
        },
    }
}
