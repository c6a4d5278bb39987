//! Constant descriptions of shapes: members, wire names, locations, formats, constraints. Knows no protocol's syntax.

/// How an instant is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2026-01-02T03:04:05.678Z`
    DateTime,
    /// `Fri, 02 Jan 2026 03:04:05 GMT`
    HttpDate,
    /// Seconds since 1970, with a fraction.
    EpochSeconds,
}

/// Where a member of an operation's input or output travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body, as a member of its structure.
    Body,
    /// In the header named by the member's wire name.
    Header,
    /// In all headers that begin with the member's wire name; the member is a map.
    HeaderPrefix,
    /// In the query string, under the member's wire name; a map gives all parameters.
    QueryString,
    /// In the label of the URI template named by the member's wire name.
    Uri,
    /// The HTTP status code itself.
    StatusCode,
    /// The whole body is this member.
    Payload,
}

impl Location {
    /// Whether an answer carries the member in its body: places that only requests have count for nothing there.
    pub const fn is_answer_body(self) -> bool {
        matches!(self, Location::Body | Location::Uri | Location::QueryString)
    }
}

/// An XML namespace declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlNamespace {
    /// The URI.
    pub uri: &'static str,
    /// The prefix; the default namespace when absent.
    pub prefix: Option<&'static str>,
}

/// Limits the model puts on a shape's values; checked before a handler runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constraints {
    /// Smallest length (characters, bytes, elements).
    pub length_min: Option<u64>,
    /// Largest length (characters, bytes, elements).
    pub length_max: Option<u64>,
    /// Smallest number.
    pub value_min: Option<f64>,
    /// Largest number.
    pub value_max: Option<f64>,
    /// Regular expression the whole value matches, in the syntax of the `regex` crate.
    pub pattern: Option<&'static str>,
    /// The values of an enumeration; empty for a free string.
    pub enum_values: &'static [&'static str],
}

impl Constraints {
    /// No limit at all.
    pub const NONE: Constraints = Constraints {
        length_min: None,
        length_max: None,
        value_min: None,
        value_max: None,
        pattern: None,
        enum_values: &[],
    };
}

/// What kind of value a schema describes.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// `true` or `false`.
    Boolean,
    /// A number of 32 bits.
    Integer,
    /// A number of 64 bits.
    Long,
    /// A floating point number of 32 bits.
    Float,
    /// A floating point number of 64 bits.
    Double,
    /// Unicode text.
    String,
    /// Bytes.
    Blob,
    /// Any JSON value.
    Document,
    /// An instant.
    Timestamp(TimestampFormat, TimestampFormatSource),
    /// Elements of one schema.
    List {
        /// The element; its wire name is the element name of XML and query lists.
        member: Member,
        /// Whether XML and query leave out the wrapping element everywhere this list is used.
        flattened: bool,
    },
    /// Text keys to values of one schema.
    Map {
        /// The key; its wire name is used by XML and query.
        key: Member,
        /// The value; its wire name is used by XML and query.
        value: Member,
        /// Whether XML and query leave out the wrapping element everywhere this map is used.
        flattened: bool,
    },
    /// Named members.
    Structure {
        /// The members, in the model's order.
        members: &'static [Member],
        /// Whether exactly one member is set.
        union: bool,
    },
}

/// Whether the model names the format of a timestamp, or the protocol's default applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormatSource {
    /// The protocol decides.
    Default,
    /// The model decides.
    Model,
}

/// One shape: its name, kind and constraints.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The shape's name in the model.
    pub name: &'static str,
    /// Its kind.
    pub shape: Shape,
    /// Limits on its values.
    pub constraints: Constraints,
    /// Whether values must not be logged or echoed.
    pub sensitive: bool,
    /// Element name a structure has when it is the payload, if not its own name.
    pub xml_name: Option<&'static str>,
    /// Namespace of the structure's element.
    pub xml_namespace: Option<XmlNamespace>,
}

impl Schema {
    const fn new(name: &'static str, shape: Shape) -> Schema {
        Schema { name, shape, constraints: Constraints::NONE, sensitive: false, xml_name: None, xml_namespace: None }
    }

    /// A boolean.
    pub const fn boolean(name: &'static str) -> Schema {
        Schema::new(name, Shape::Boolean)
    }

    /// A number of 32 bits.
    pub const fn integer(name: &'static str) -> Schema {
        Schema::new(name, Shape::Integer)
    }

    /// A number of 64 bits.
    pub const fn long(name: &'static str) -> Schema {
        Schema::new(name, Shape::Long)
    }

    /// A floating point number of 32 bits.
    pub const fn float(name: &'static str) -> Schema {
        Schema::new(name, Shape::Float)
    }

    /// A floating point number of 64 bits.
    pub const fn double(name: &'static str) -> Schema {
        Schema::new(name, Shape::Double)
    }

    /// Text.
    pub const fn string(name: &'static str) -> Schema {
        Schema::new(name, Shape::String)
    }

    /// Text with a closed set of values.
    pub const fn enumeration(name: &'static str, values: &'static [&'static str]) -> Schema {
        let mut schema = Schema::new(name, Shape::String);
        schema.constraints.enum_values = values;
        schema
    }

    /// Bytes.
    pub const fn blob(name: &'static str) -> Schema {
        Schema::new(name, Shape::Blob)
    }

    /// Any JSON value.
    pub const fn document(name: &'static str) -> Schema {
        Schema::new(name, Shape::Document)
    }

    /// An instant in the protocol's default format.
    pub const fn timestamp(name: &'static str) -> Schema {
        Schema::new(name, Shape::Timestamp(TimestampFormat::EpochSeconds, TimestampFormatSource::Default))
    }

    /// An instant in a format the model names.
    pub const fn timestamp_as(name: &'static str, format: TimestampFormat) -> Schema {
        Schema::new(name, Shape::Timestamp(format, TimestampFormatSource::Model))
    }

    /// A list of `member`.
    pub const fn list(name: &'static str, member: Member) -> Schema {
        Schema::new(name, Shape::List { member, flattened: false })
    }

    /// A map from text to `value`.
    pub const fn map(name: &'static str, key: Member, value: Member) -> Schema {
        Schema::new(name, Shape::Map { key, value, flattened: false })
    }

    /// A structure.
    pub const fn structure(name: &'static str, members: &'static [Member]) -> Schema {
        Schema::new(name, Shape::Structure { members, union: false })
    }

    /// A union: a structure of which exactly one member is set.
    pub const fn union(name: &'static str, members: &'static [Member]) -> Schema {
        Schema::new(name, Shape::Structure { members, union: true })
    }

    /// Marks a list or map as flattened wherever it is used.
    pub const fn flattened(mut self) -> Schema {
        self.shape = match self.shape {
            Shape::List { member, .. } => Shape::List { member, flattened: true },
            Shape::Map { key, value, .. } => Shape::Map { key, value, flattened: true },
            other => other,
        };
        self
    }

    /// Sets the smallest length.
    pub const fn length_min(mut self, length: u64) -> Schema {
        self.constraints.length_min = Some(length);
        self
    }

    /// Sets the largest length.
    pub const fn length_max(mut self, length: u64) -> Schema {
        self.constraints.length_max = Some(length);
        self
    }

    /// Sets the smallest number.
    pub const fn value_min(mut self, value: f64) -> Schema {
        self.constraints.value_min = Some(value);
        self
    }

    /// Sets the largest number.
    pub const fn value_max(mut self, value: f64) -> Schema {
        self.constraints.value_max = Some(value);
        self
    }

    /// Sets the pattern that the whole value matches.
    pub const fn pattern(mut self, pattern: &'static str) -> Schema {
        self.constraints.pattern = Some(pattern);
        self
    }

    /// Marks values as not to be logged or echoed.
    pub const fn sensitive(mut self) -> Schema {
        self.sensitive = true;
        self
    }

    /// Names the element of a structure that is a payload.
    pub const fn xml_name(mut self, name: &'static str) -> Schema {
        self.xml_name = Some(name);
        self
    }

    /// Sets the namespace of the structure's element.
    pub const fn xml_namespace(mut self, uri: &'static str, prefix: Option<&'static str>) -> Schema {
        self.xml_namespace = Some(XmlNamespace { uri, prefix });
        self
    }

    /// The members of a structure; empty for every other shape.
    pub const fn members(&self) -> &'static [Member] {
        match self.shape {
            Shape::Structure { members, .. } => members,
            _ => &[],
        }
    }

    /// The member with the model's name `name`, and its index.
    pub fn member(&self, name: &str) -> Option<(usize, &'static Member)> {
        self.members().iter().enumerate().find(|(_, member)| member.name == name)
    }

    /// Whether values of this schema, or the scalars in a list or map of them, must not be shown.
    pub fn hides_value(&self) -> bool {
        self.sensitive
            || match self.shape {
                Shape::List { member, .. } => member.schema.sensitive,
                Shape::Map { value, .. } => value.schema.sensitive,
                _ => false,
            }
    }
}

/// One member of a structure, or the element of a list or map.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The name in the model; validation messages and JSON use it.
    pub name: &'static str,
    /// The name on the wire: element, header, parameter or label.
    pub wire_name: &'static str,
    /// Whether `wire_name` comes from the model and not from `name`.
    pub wire_name_from_model: bool,
    /// What it holds.
    pub schema: &'static Schema,
    /// Where it travels.
    pub location: Location,
    /// Whether the model requires it.
    pub required: bool,
    /// Whether XML and query leave out the wrapping element of this list or map.
    pub flattened: bool,
    /// Whether XML writes it as an attribute of its structure.
    pub xml_attribute: bool,
    /// Namespace of its element.
    pub xml_namespace: Option<XmlNamespace>,
    /// The format of an instant here, if the model names one.
    pub timestamp_format: Option<TimestampFormat>,
    /// Whether a header carries it as base64 of JSON text.
    pub json_value: bool,
}

impl Member {
    /// A member that travels in the body under its own name.
    pub const fn new(name: &'static str, schema: &'static Schema) -> Member {
        Member {
            name,
            wire_name: name,
            wire_name_from_model: false,
            schema,
            location: Location::Body,
            required: false,
            flattened: false,
            xml_attribute: false,
            xml_namespace: None,
            timestamp_format: None,
            json_value: false,
        }
    }

    /// Sets the name on the wire.
    pub const fn wire(mut self, name: &'static str) -> Member {
        self.wire_name = name;
        self.wire_name_from_model = true;
        self
    }

    /// Makes it required.
    pub const fn required(mut self) -> Member {
        self.required = true;
        self
    }

    /// Moves it to another place of the request or response.
    pub const fn at(mut self, location: Location) -> Member {
        self.location = location;
        self
    }

    /// Leaves out the wrapping element.
    pub const fn flattened(mut self) -> Member {
        self.flattened = true;
        self
    }

    /// Makes it an XML attribute.
    pub const fn xml_attribute(mut self) -> Member {
        self.xml_attribute = true;
        self
    }

    /// Sets the namespace of its element.
    pub const fn xml_namespace(mut self, uri: &'static str, prefix: Option<&'static str>) -> Member {
        self.xml_namespace = Some(XmlNamespace { uri, prefix });
        self
    }

    /// Sets the format of the instant.
    pub const fn timestamp_format(mut self, format: TimestampFormat) -> Member {
        self.timestamp_format = Some(format);
        self
    }

    /// Makes a header carry it as base64 of JSON text.
    pub const fn json_value(mut self) -> Member {
        self.json_value = true;
        self
    }

    /// Whether this use of a list or map has no wrapping element.
    pub const fn is_flattened(&self) -> bool {
        self.flattened
            || match self.schema.shape {
                Shape::List { flattened, .. } | Shape::Map { flattened, .. } => flattened,
                _ => false,
            }
    }

    /// The format of an instant here: the member's, else the shape's, else the protocol's.
    pub fn timestamp_format_or(&self, default: TimestampFormat) -> TimestampFormat {
        if let Some(format) = self.timestamp_format {
            return format;
        }
        match self.schema.shape {
            Shape::Timestamp(format, TimestampFormatSource::Model) => format,
            _ => default,
        }
    }
}
