//! A walk over thrift's compact encoding along a known shape. Allocates nothing; knows no Parquet.
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

use crate::error::{Fault, FooterError};

/// How deep structures and lists may be in each other; the format's own are ten deep.
const DEPTH_MAX: usize = 24;
/// Bytes of the longest number.
const NUMBER_SIZE_BYTES_MAX: usize = 10;

/// What a field or an element is.
#[derive(Debug)]
pub(crate) enum Kind {
    Bool,
    Byte,
    I16,
    I32,
    I64,
    Double,
    Binary,
    List(&'static Kind),
    Struct(&'static Shape),
}

/// The fields of a structure that are known.
#[derive(Debug)]
pub(crate) struct Shape {
    pub name: &'static str,
    pub fields: &'static [Field],
}

impl Shape {
    /// Whether this is that very one.
    pub fn is(&self, other: &'static Shape) -> bool {
        std::ptr::eq(self, other)
    }
}

#[derive(Debug)]
pub(crate) struct Field {
    pub id: i16,
    pub name: &'static str,
    pub kind: Kind,
}

pub(crate) const fn field(id: i16, name: &'static str, kind: Kind) -> Field {
    Field { id, name, kind }
}

/// What the walk comes by. Numbers are told as the Parquet crate reads them, truth as 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    Begin(&'static Shape),
    Number(&'static Shape, i16, i64),
    Text(&'static Shape, i16, usize),
    List(&'static Shape, i16, usize),
    End(&'static Shape),
}

/// Is told what the walk comes by, and may end it.
pub(crate) type Watch<'w> = &'w mut dyn FnMut(Seen) -> Result<(), Fault>;

/// The types on the wire.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

impl Kind {
    fn wire_type(&self) -> u8 {
        match self {
            Self::Bool => FALSE,
            Self::Byte => BYTE,
            Self::I16 => I16,
            Self::I32 => I32,
            Self::I64 => I64,
            Self::Double => DOUBLE,
            Self::Binary => BINARY,
            Self::List(_) => LIST,
            Self::Struct(_) => STRUCT,
        }
    }

    fn is(&self, wire_type: u8) -> bool {
        self.wire_type() == wire_type || (matches!(self, Self::Bool) && wire_type == TRUE)
    }
}

struct Walk<'a, 'w> {
    bytes: &'a [u8],
    at: usize,
    /// Elements that all lists together may still have.
    elements_left: usize,
    watch: Watch<'w>,
}

/// Walks over one structure at the beginning of `bytes`; tells where it ends.
pub(crate) fn walk(
    part: &'static str,
    shape: &'static Shape,
    bytes: &[u8],
    watch: Watch<'_>,
) -> Result<usize, FooterError> {
    let mut walk = Walk { bytes, at: 0, elements_left: bytes.len(), watch };
    match walk.structure(shape, 0) {
        Ok(()) => Ok(walk.at),
        Err(fault) => Err(FooterError { part, at: Some(walk.at), fault }),
    }
}

impl Walk<'_, '_> {
    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Ends { what })?;
        self.at += 1;
        Ok(byte)
    }

    fn pass(&mut self, size_bytes: usize, what: &'static str) -> Result<(), Fault> {
        if size_bytes > self.left() {
            return Err(Fault::Ends { what });
        }
        self.at += size_bytes;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for place in 0..NUMBER_SIZE_BYTES_MAX {
            let byte = self.byte("a number")?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Impossible(format!("a number has more than {NUMBER_SIZE_BYTES_MAX} bytes")))
    }

    fn signed(&mut self) -> Result<i64, Fault> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn text(&mut self, what: impl Fn() -> String) -> Result<usize, Fault> {
        let claimed = self.unsigned()?;
        match usize::try_from(claimed) {
            Ok(size_bytes) if size_bytes <= self.left() => {
                self.at += size_bytes;
                Ok(size_bytes)
            }
            _ => Err(Fault::Claims { what: what(), claimed, left: self.left() }),
        }
    }

    /// So many elements are claimed: each takes a byte at least.
    fn claim(&mut self, claimed: u64, what: impl Fn() -> String) -> Result<usize, Fault> {
        match usize::try_from(claimed) {
            Ok(count) if count <= self.left() && count <= self.elements_left => {
                self.elements_left -= count;
                Ok(count)
            }
            _ => Err(Fault::Claims { what: what(), claimed, left: self.left() }),
        }
    }

    /// The type and number of a list's elements.
    fn list_begin(&mut self, what: impl Fn() -> String) -> Result<(u8, usize), Fault> {
        let head = self.byte("a list")?;
        let claimed = match head >> 4 {
            15 => self.unsigned()?,
            count => u64::from(count),
        };
        Ok((head & 0x0f, self.claim(claimed, what)?))
    }

    fn structure(&mut self, shape: &'static Shape, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::Impossible(format!("more than {DEPTH_MAX} structures and lists are in each other")));
        }
        (self.watch)(Seen::Begin(shape))?;
        let mut last_id = 0_i16;
        loop {
            let head = self.byte(shape.name)?;
            let wire_type = head & 0x0f;
            if wire_type == STOP {
                return (self.watch)(Seen::End(shape));
            }
            let id = match head >> 4 {
                // as the Parquet crate reads it
                0 => self.signed()? as i16,
                step => last_id
                    .checked_add(i16::from(step))
                    .ok_or_else(|| Fault::Impossible(format!("field {last_id} is followed by a greater one")))?,
            };
            last_id = id;
            match shape.fields.iter().find(|field| field.id == id) {
                // the value is in the type
                Some(field) if matches!(field.kind, Kind::Bool) && field.kind.is(wire_type) => {
                    (self.watch)(Seen::Number(shape, id, i64::from(wire_type == TRUE)))?;
                }
                Some(field) if field.kind.is(wire_type) => self.field(shape, field, &field.kind, depth)?,
                Some(field) => {
                    let what = format!("{}.{}", shape.name, field.name);
                    return Err(Fault::Type { what, found: wire_type, wanted: field.kind.wire_type() });
                }
                None => self.unknown(wire_type, depth + 1)?,
            }
        }
    }

    fn field(
        &mut self,
        shape: &'static Shape,
        field: &'static Field,
        kind: &'static Kind,
        depth: usize,
    ) -> Result<(), Fault> {
        let what = || format!("{}.{}", shape.name, field.name);
        match kind {
            // of lists and structures; those are passed above
            Kind::Bool | Kind::Byte => self.pass(1, field.name),
            Kind::I16 | Kind::I64 => {
                let value = self.signed()?;
                (self.watch)(Seen::Number(shape, field.id, value))
            }
            Kind::I32 => {
                // as the Parquet crate reads it
                let value = self.signed()? as i32;
                (self.watch)(Seen::Number(shape, field.id, i64::from(value)))
            }
            Kind::Double => self.pass(8, field.name),
            Kind::Binary => {
                let size_bytes = self.text(what)?;
                (self.watch)(Seen::Text(shape, field.id, size_bytes))
            }
            Kind::Struct(inner) => self.structure(inner, depth + 1),
            Kind::List(element) => {
                let (wire_type, count) = self.list_begin(what)?;
                // an empty list need not say of what
                if !element.is(wire_type) && count > 0 {
                    let what = format!("the elements of {}", what());
                    return Err(Fault::Type { what, found: wire_type, wanted: element.wire_type() });
                }
                (self.watch)(Seen::List(shape, field.id, count))?;
                match element {
                    Kind::Bool => self.pass(count, field.name),
                    element => (0..count).try_for_each(|_| self.field(shape, field, element, depth + 1)),
                }
            }
        }
    }

    /// Passes what the format does not know, as the Parquet crate does.
    fn unknown(&mut self, wire_type: u8, depth: usize) -> Result<(), Fault> {
        let what = || "an unknown field".to_owned();
        if depth > DEPTH_MAX {
            return Err(Fault::Impossible(format!("more than {DEPTH_MAX} structures and lists are in each other")));
        }
        match wire_type {
            TRUE | FALSE => Ok(()),
            BYTE => self.pass(1, "an unknown field"),
            I16 | I32 | I64 => self.unsigned().map(drop),
            DOUBLE => self.pass(8, "an unknown field"),
            UUID => self.pass(16, "an unknown field"),
            BINARY => self.text(what).map(drop),
            LIST | SET => {
                let (element, count) = self.list_begin(what)?;
                self.passed_alike(element, count)?;
                (0..count).try_for_each(|_| self.unknown(element, depth + 1))
            }
            MAP => {
                let claimed = self.unsigned()?;
                let count = self.claim(claimed, what)?;
                if count > 0 {
                    let types = self.byte("a map")?;
                    self.passed_alike(types >> 4, count)?;
                    self.passed_alike(types & 0x0f, count)?;
                    for _ in 0..count {
                        self.unknown(types >> 4, depth + 1)?;
                        self.unknown(types & 0x0f, depth + 1)?;
                    }
                }
                Ok(())
            }
            STRUCT => loop {
                let head = self.byte("an unknown structure")?;
                match (head >> 4, head & 0x0f) {
                    (_, STOP) => return Ok(()),
                    (0, inner) => {
                        self.signed()?;
                        self.unknown(inner, depth + 1)?;
                    }
                    (_, inner) => self.unknown(inner, depth + 1)?,
                }
            },
            other => Err(Fault::Impossible(format!("there is no type {other}"))),
        }
    }

    /// Truth values in lists take a byte each, but not where the Parquet crate passes them: what follows would be read as something else.
    fn passed_alike(&self, element: u8, count: usize) -> Result<(), Fault> {
        if count > 0 && matches!(element, TRUE | FALSE) {
            return Err(Fault::Impossible("an unknown field holds a list of truth values".to_owned()));
        }
        Ok(())
    }
}
