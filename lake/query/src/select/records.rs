//! An object's bytes cut into records, as they come. Knows no expression.

use serde_json::Value as Json;

use tarn_objects::select::{CsvFormat, SelectError, SelectErrorName};

/// The longest record, bytes. Of a JSON document the longest value that is not within another.
pub(super) const RECORD_SIZE_BYTES_MAX: usize = 16 << 20;

/// Records as they are found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Fields(Vec<String>),
    Json(Json),
}

fn too_long() -> SelectError {
    SelectError::new(
        SelectErrorName::OverMaxRecordSize,
        format!("A record is longer than {RECORD_SIZE_BYTES_MAX} bytes"),
    )
}

/// Cuts bytes into records.
#[derive(Debug)]
pub(super) enum Cutter {
    Csv(CsvCutter),
    Json(JsonCutter),
}

impl Cutter {
    /// Takes more bytes; `sink` is given each record with the place it begins at, and says whether it wants more.
    pub fn push(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>,
    ) -> Result<bool, SelectError> {
        match self {
            Self::Csv(cutter) => cutter.push(bytes, sink),
            Self::Json(cutter) => cutter.push(bytes, sink),
        }
    }

    /// The bytes have ended.
    pub fn finish(
        &mut self,
        sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>,
    ) -> Result<bool, SelectError> {
        match self {
            Self::Csv(cutter) => cutter.finish(sink),
            Self::Json(cutter) => cutter.finish(sink),
        }
    }
}

/// Where a reader of CSV is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    /// At the beginning of a field.
    Start,
    Field,
    Quotes,
    /// Behind a quote within quotes: the end of the quotes, or one of two.
    Quote,
}

/// Cuts CSV.
#[derive(Debug)]
pub(super) struct CsvCutter {
    field_delimiter: Vec<u8>,
    record_delimiter: Vec<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    comment: Option<u8>,
    quoted_record_delimiter: bool,
    /// Bytes of the record that is not whole yet.
    held: Vec<u8>,
    /// Where `held` begins in the object.
    place: u64,
    /// How far `held` was searched for ends, and where a reader is there.
    searched: usize,
    state: In,
}

impl CsvCutter {
    /// Whose first byte stands at `place` of the object.
    pub fn new(format: &CsvFormat, place: u64) -> Result<Self, SelectError> {
        let byte = |char: Option<char>| {
            char.map(|char| {
                u8::try_from(char).ok().filter(u8::is_ascii).ok_or_else(|| {
                    SelectError::new(
                        SelectErrorName::InvalidRequestParameter,
                        format!("`{char}` is no ASCII character"),
                    )
                })
            })
            .transpose()
        };
        if format.field_delimiter.is_empty() || format.record_delimiter.is_empty() {
            return Err(SelectError::new(SelectErrorName::InvalidRequestParameter, "A delimiter is empty"));
        }
        Ok(Self {
            field_delimiter: format.field_delimiter.clone().into_bytes(),
            record_delimiter: format.record_delimiter.clone().into_bytes(),
            quote: byte(format.quote)?,
            escape: byte(format.escape)?,
            comment: byte(format.comment)?,
            quoted_record_delimiter: format.quoted_record_delimiter,
            held: Vec::new(),
            place,
            searched: 0,
            state: In::Start,
        })
    }

    /// Where in `held` the next record ends, and where the one behind it begins.
    fn end(&mut self, ended: bool) -> Option<(usize, usize)> {
        let keep = if ended { 0 } else { self.record_delimiter.len().max(self.field_delimiter.len()) };
        while self.searched + keep < self.held.len() {
            let rest = self.held.get(self.searched..).unwrap_or_default();
            let first = rest.first().copied();
            if (self.state != In::Quotes || !self.quoted_record_delimiter) && rest.starts_with(&self.record_delimiter) {
                let end = self.searched;
                (self.searched, self.state) = (end + self.record_delimiter.len(), In::Start);
                return Some((end, self.searched));
            }
            let mut step = 1;
            self.state = match self.state {
                In::Start if first == self.quote && first.is_some() => In::Quotes,
                In::Start | In::Field | In::Quote if rest.starts_with(&self.field_delimiter) => {
                    step = self.field_delimiter.len();
                    In::Start
                }
                In::Start | In::Field if first == self.escape && first != self.quote && first.is_some() => {
                    step = 2;
                    In::Field
                }
                In::Quotes if first == self.escape && first != self.quote && first.is_some() => {
                    step = 2;
                    In::Quotes
                }
                In::Quotes if first == self.quote => In::Quote,
                In::Quotes => In::Quotes,
                In::Quote if first == self.quote => In::Quotes,
                // quotes in the middle of a field
                In::Field if first == self.quote && first.is_some() => In::Quotes,
                In::Start | In::Field | In::Quote => In::Field,
            };
            self.searched += step;
        }
        None
    }

    fn fields(&self, record: &[u8]) -> Vec<String> {
        let mut fields = Vec::new();
        let (mut field, mut state, mut at) = (Vec::new(), In::Start, 0);
        while let Some(rest) = record.get(at..).filter(|rest| !rest.is_empty()) {
            let (first, second) = (rest.first().copied(), rest.get(1).copied());
            let mut step = 1;
            let is_escape = first == self.escape && first != self.quote && second.is_some();
            state = match state {
                In::Start | In::Field | In::Quote if rest.starts_with(&self.field_delimiter) => {
                    fields.push(String::from_utf8_lossy(&std::mem::take(&mut field)).into_owned());
                    step = self.field_delimiter.len();
                    In::Start
                }
                In::Start | In::Field | In::Quotes if is_escape => {
                    field.extend(second);
                    step = 2;
                    if state == In::Quotes { In::Quotes } else { In::Field }
                }
                In::Start | In::Field if first == self.quote => In::Quotes,
                In::Quotes if first == self.quote && second == self.quote => {
                    field.extend(first);
                    step = 2;
                    In::Quotes
                }
                In::Quotes if first == self.quote => In::Field,
                In::Quotes => {
                    field.extend(first);
                    In::Quotes
                }
                In::Start | In::Field | In::Quote => {
                    field.extend(first);
                    In::Field
                }
            };
            at += step;
        }
        fields.push(String::from_utf8_lossy(&field).into_owned());
        fields
    }

    /// Gives away the record between these places of `held`.
    fn record(
        &self,
        start: usize,
        end: usize,
        sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>,
    ) -> Result<bool, SelectError> {
        let mut record = self.held.get(start..end).unwrap_or_default();
        if self.record_delimiter == b"\n" {
            record = record.strip_suffix(b"\r").unwrap_or(record);
        }
        if record.is_empty() || (self.comment.is_some() && record.first().copied() == self.comment) {
            return Ok(true);
        }
        sink(self.place + start as u64, Found::Fields(self.fields(record)))
    }

    fn push(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>,
    ) -> Result<bool, SelectError> {
        self.held.extend_from_slice(bytes);
        self.cut(false, sink)
    }

    fn cut(
        &mut self,
        ended: bool,
        sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>,
    ) -> Result<bool, SelectError> {
        let mut start = 0;
        while let Some((end, behind)) = self.end(ended) {
            if !self.record(start, end, sink)? {
                return Ok(false);
            }
            start = behind;
        }
        self.held.drain(..start);
        self.searched -= start;
        self.place += start as u64;
        if self.held.len() > RECORD_SIZE_BYTES_MAX { Err(too_long()) } else { Ok(true) }
    }

    fn finish(&mut self, sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>) -> Result<bool, SelectError> {
        if !self.cut(true, sink)? {
            return Ok(false);
        }
        self.record(0, self.held.len(), sink)
    }
}

/// Cuts values of JSON that stand one behind the other: lines, or one document.
#[derive(Debug, Default)]
pub(super) struct JsonCutter {
    held: Vec<u8>,
    place: u64,
    searched: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl JsonCutter {
    /// Whose first byte stands at `place` of the object.
    pub fn new(place: u64) -> Self {
        Self { place, ..Self::default() }
    }

    fn push(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>,
    ) -> Result<bool, SelectError> {
        self.held.extend_from_slice(bytes);
        self.cut(sink)
    }

    fn cut(&mut self, sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>) -> Result<bool, SelectError> {
        let mut start = 0;
        let mut more = true;
        while let Some(byte) = self.held.get(self.searched).copied().filter(|_| more) {
            self.searched += 1;
            let ends = if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                false
            } else {
                match byte {
                    b'"' => self.in_text = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                // a value that is neither list nor structure ends where its line does
                self.depth == 0 && matches!(byte, b'}' | b']' | b'\n')
            };
            if ends {
                more = self.value(start, self.searched, sink)?;
                start = self.searched;
            }
        }
        self.held.drain(..start);
        self.searched -= start;
        self.place += start as u64;
        if self.held.len() > RECORD_SIZE_BYTES_MAX { Err(too_long()) } else { Ok(more) }
    }

    fn value(
        &self,
        start: usize,
        end: usize,
        sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>,
    ) -> Result<bool, SelectError> {
        let value = self.held.get(start..end).unwrap_or_default();
        let blank = value.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blank == value.len() {
            return Ok(true);
        }
        let place = self.place + (start + blank) as u64;
        let json = serde_json::from_slice(value).map_err(|error| {
            SelectError::new(
                SelectErrorName::JSONParsingError,
                format!("The value at byte {place} is no JSON: {error}"),
            )
        })?;
        sink(place, Found::Json(json))
    }

    fn finish(&mut self, sink: &mut dyn FnMut(u64, Found) -> Result<bool, SelectError>) -> Result<bool, SelectError> {
        self.value(0, self.held.len(), sink)
    }
}
