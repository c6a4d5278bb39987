//! A writer of files of flat rows: texts, flags, numbers and times that may be absent, in stripes compressed with zlib. Values are encoded
//! directly, by the first version of the run-length encodings, which every reader has; there are no indexes.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;

const MAGIC: &[u8] = b"ORC";
/// Bytes that are compressed together.
const BLOCK_SIZE_BYTES: usize = 256 << 10;
/// Times are told from this second on: the first of 2015.
const EPOCH_SECONDS: i64 = 1_420_070_400;
/// The version of the file format.
const VERSION: [u64; 2] = [0, 12];
/// Of the writers, the one after ORC-135, in whose files times are in the zone that the stripe names.
const WRITER_VERSION: u64 = 6;
/// Equal values that are worth a run.
const RUN_COUNT_MIN: usize = 3;
/// The longest run.
const RUN_COUNT_MAX: usize = 130;
/// The most values that are told one by one after one mark.
const LITERALS_COUNT_MAX: usize = 128;

/// What is in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrcKind {
    Text,
    Flag,
    Number,
    /// Milliseconds since 1970.
    Time,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrcColumn {
    pub(crate) name: String,
    pub(crate) kind: OrcKind,
}

/// A value; one that is not of its column's kind is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrcValue<'a> {
    Null,
    Text(&'a str),
    Flag(bool),
    Number(i64),
    /// Milliseconds since 1970.
    Time(i64),
}

/// The streams of a stripe, by their numbers in its footer.
#[derive(Debug, Clone, Copy)]
enum StreamKind {
    Present = 0,
    Data = 1,
    Length = 2,
    Secondary = 5,
}

/// The messages of a file's tail are protocol buffers.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

fn push_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

impl Message {
    fn number(mut self, field: u32, value: u64) -> Self {
        push_varint(&mut self.0, u64::from(field) << 3);
        push_varint(&mut self.0, value);
        self
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        push_varint(&mut self.0, u64::from(field) << 3 | 2);
        push_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn packed(self, field: u32, values: impl IntoIterator<Item = u64>) -> Self {
        let mut packed = Vec::new();
        values.into_iter().for_each(|value| push_varint(&mut packed, value));
        self.bytes(field, &packed)
    }

    fn each(self, field: u32, messages: impl IntoIterator<Item = Self>) -> Self {
        messages.into_iter().fold(self, |whole, message| whole.bytes(field, &message.0))
    }
}

/// Splits values into runs of equal ones and what is between them.
fn runs<T: PartialEq + Copy>(values: &[T], mut run: impl FnMut(usize, T), mut literals: impl FnMut(&[T])) {
    let mut between = 0..0;
    while let Some((first, rest)) = values.get(between.end..).and_then(<[T]>::split_first) {
        let count = 1 + rest.iter().take(RUN_COUNT_MAX - 1).take_while(|value| *value == first).count();
        if count < RUN_COUNT_MIN {
            between.end += count;
            continue;
        }
        values.get(between.clone()).unwrap_or_default().chunks(LITERALS_COUNT_MAX).for_each(&mut literals);
        run(count, *first);
        between = between.end + count..between.end + count;
    }
    values.get(between).unwrap_or_default().chunks(LITERALS_COUNT_MAX).for_each(&mut literals);
}

fn byte_runs(bytes: &[u8]) -> Vec<u8> {
    let encoded = std::cell::RefCell::new(Vec::new());
    runs(
        bytes,
        |count, byte| encoded.borrow_mut().extend([(count - RUN_COUNT_MIN) as u8, byte]),
        |some| {
            let mut encoded = encoded.borrow_mut();
            encoded.push((some.len() as u8).wrapping_neg());
            encoded.extend_from_slice(some);
        },
    );
    encoded.into_inner()
}

/// Signed numbers come folded.
fn number_runs(numbers: &[u64]) -> Vec<u8> {
    let encoded = std::cell::RefCell::new(Vec::new());
    runs(
        numbers,
        |count, number| {
            let mut encoded = encoded.borrow_mut();
            // The second byte is what each number is more than the one before.
            encoded.extend([(count - RUN_COUNT_MIN) as u8, 0]);
            push_varint(&mut encoded, number);
        },
        |some| {
            let mut encoded = encoded.borrow_mut();
            encoded.push((some.len() as u8).wrapping_neg());
            some.iter().for_each(|number| push_varint(&mut encoded, *number));
        },
    );
    encoded.into_inner()
}

/// Eight to a byte, the first the highest.
fn flag_runs(flags: &[bool]) -> Vec<u8> {
    let byte =
        |flags: &[bool]| flags.iter().enumerate().fold(0_u8, |byte, (at, flag)| byte | u8::from(*flag) << (7 - at));
    byte_runs(&flags.chunks(8).map(byte).collect::<Vec<_>>())
}

/// Small numbers for small values of either sign.
fn folded(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Nanoseconds without their trailing zeros, and how many those are.
fn nanoseconds(nanoseconds: u64) -> u64 {
    if nanoseconds == 0 || !nanoseconds.is_multiple_of(100) {
        return nanoseconds << 3;
    }
    let (mut left, mut zeros) = (nanoseconds / 100, 1);
    while left % 10 == 0 && zeros < 7 {
        (left, zeros) = (left / 10, zeros + 1);
    }
    left << 3 | zeros
}

/// Blocks with their lengths before them, compressed where that makes them shorter.
fn compressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    for block in bytes.chunks(BLOCK_SIZE_BYTES) {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(block)?;
        let short = deflate.finish()?;
        let (body, is_original) = if short.len() < block.len() { (&short[..], 0) } else { (block, 1) };
        let head = (body.len() << 1 | is_original) as u32;
        whole.extend_from_slice(&head.to_le_bytes()[..3]);
        whole.extend_from_slice(body);
    }
    Ok(whole)
}

/// The values of a column in the stripe that is being filled.
#[derive(Debug, Default)]
struct Values {
    present: Vec<bool>,
    flags: Vec<bool>,
    /// Numbers, seconds of times, lengths of texts.
    numbers: Vec<u64>,
    nanoseconds: Vec<u64>,
    text: Vec<u8>,
    /// Over all stripes.
    present_count: u64,
    has_absent: bool,
}

impl Values {
    fn push(&mut self, kind: OrcKind, value: OrcValue<'_>) {
        let is_present = match (kind, value) {
            (OrcKind::Text, OrcValue::Text(text)) => {
                self.numbers.push(text.len() as u64);
                self.text.extend_from_slice(text.as_bytes());
                true
            }
            (OrcKind::Flag, OrcValue::Flag(flag)) => {
                self.flags.push(flag);
                true
            }
            (OrcKind::Number, OrcValue::Number(number)) => {
                self.numbers.push(folded(number));
                true
            }
            (OrcKind::Time, OrcValue::Time(ms)) => {
                self.numbers.push(folded(ms.div_euclid(1000) - EPOCH_SECONDS));
                self.nanoseconds.push(nanoseconds(ms.rem_euclid(1000).unsigned_abs() * 1_000_000));
                true
            }
            (OrcKind::Text | OrcKind::Flag | OrcKind::Number | OrcKind::Time, _) => false,
        };
        self.present.push(is_present);
        self.present_count += u64::from(is_present);
        self.has_absent |= !is_present;
    }

    fn size_bytes(&self) -> usize {
        self.present.len() + self.flags.len() + 8 * (self.numbers.len() + self.nanoseconds.len()) + self.text.len()
    }

    /// The streams of the stripe; nothing is left of it.
    fn streams(&mut self, kind: OrcKind) -> Vec<(StreamKind, Vec<u8>)> {
        let (present, flags) = (std::mem::take(&mut self.present), std::mem::take(&mut self.flags));
        let (numbers, nanoseconds) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.nanoseconds));
        let text = std::mem::take(&mut self.text);
        let mut streams = Vec::new();
        if present.iter().any(|is_present| !is_present) {
            streams.push((StreamKind::Present, flag_runs(&present)));
        }
        match kind {
            OrcKind::Text => streams.extend([(StreamKind::Data, text), (StreamKind::Length, number_runs(&numbers))]),
            OrcKind::Flag => streams.push((StreamKind::Data, flag_runs(&flags))),
            OrcKind::Number => streams.push((StreamKind::Data, number_runs(&numbers))),
            OrcKind::Time => {
                let seconds = (StreamKind::Data, number_runs(&numbers));
                streams.extend([seconds, (StreamKind::Secondary, number_runs(&nanoseconds))]);
            }
        }
        streams
    }
}

/// One file.
#[derive(Debug)]
pub(crate) struct OrcWriter {
    columns: Vec<(OrcColumn, Values)>,
    stripe_size_bytes_max: usize,
    /// Rows of the stripe that is being filled.
    stripe_rows: u64,
    rows: u64,
    /// Of the stripes that are written, as the footer lists them.
    stripes: Vec<Message>,
    /// What is ready and was not taken.
    ready: Vec<u8>,
    /// Bytes of the file so far.
    written_bytes: u64,
}

impl OrcWriter {
    /// A file whose stripes hold about so many bytes before they are compressed.
    pub(crate) fn new(columns: Vec<OrcColumn>, stripe_size_bytes_max: usize) -> Self {
        Self {
            columns: columns.into_iter().map(|column| (column, Values::default())).collect(),
            stripe_size_bytes_max,
            stripe_rows: 0,
            rows: 0,
            stripes: Vec::new(),
            ready: MAGIC.to_vec(),
            written_bytes: MAGIC.len() as u64,
        }
    }

    /// Adds a row; what it has no value for is absent.
    pub(crate) fn push<'v>(&mut self, row: impl IntoIterator<Item = OrcValue<'v>>) -> std::io::Result<()> {
        let mut row = row.into_iter();
        let mut size_bytes = 0;
        for (column, values) in &mut self.columns {
            values.push(column.kind, row.next().unwrap_or(OrcValue::Null));
            size_bytes += values.size_bytes();
        }
        (self.stripe_rows, self.rows) = (self.stripe_rows + 1, self.rows + 1);
        if size_bytes > self.stripe_size_bytes_max { self.end_stripe() } else { Ok(()) }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.ready.extend_from_slice(bytes);
        self.written_bytes += bytes.len() as u64;
    }

    fn end_stripe(&mut self) -> std::io::Result<()> {
        if self.stripe_rows == 0 {
            return Ok(());
        }
        let offset = self.written_bytes;
        let mut streams = Vec::new();
        for at in 0..self.columns.len() {
            let Some((column, values)) = self.columns.get_mut(at) else { continue };
            for (kind, bytes) in values.streams(column.kind) {
                let bytes = compressed(&bytes)?;
                // The row itself is column 0.
                let stream = Message::default().number(1, kind as u64).number(2, at as u64 + 1);
                streams.push(stream.number(3, bytes.len() as u64));
                self.write(&bytes);
            }
        }
        let data_length = self.written_bytes - offset;
        let encodings = (0..=self.columns.len()).map(|_| Message::default().number(1, 0));
        let footer = Message::default().each(1, streams).each(2, encodings).bytes(3, b"UTC");
        let footer = compressed(&footer.0)?;
        self.write(&footer);
        let stripe = Message::default().number(1, offset).number(2, 0).number(3, data_length);
        self.stripes.push(stripe.number(4, footer.len() as u64).number(5, self.stripe_rows));
        self.stripe_rows = 0;
        Ok(())
    }

    /// What is ready.
    pub(crate) fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.ready))
    }

    /// The end of the file.
    pub(crate) fn finish(mut self) -> std::io::Result<Bytes> {
        self.end_stripe()?;
        let row = Message::default().number(1, 12).packed(2, 1..=self.columns.len() as u64);
        let row = self.columns.iter().fold(row, |row, (column, _)| row.bytes(3, column.name.as_bytes()));
        let types = self.columns.iter().map(|(column, _)| {
            let kind = match column.kind {
                OrcKind::Flag => 0,
                OrcKind::Number => 4,
                OrcKind::Text => 7,
                OrcKind::Time => 9,
            };
            Message::default().number(1, kind)
        });
        let of_row = Message::default().number(1, self.rows).number(10, 0);
        let counts = self.columns.iter().map(|(_, values)| {
            Message::default().number(1, values.present_count).number(10, u64::from(values.has_absent))
        });
        let footer = Message::default()
            .number(1, MAGIC.len() as u64)
            .number(2, self.written_bytes)
            .each(3, std::mem::take(&mut self.stripes))
            .each(4, [row])
            .each(4, types)
            .number(6, self.rows)
            .each(7, [of_row])
            .each(7, counts)
            .number(8, 0);
        let footer = compressed(&footer.0)?;
        let postscript = Message::default()
            .number(1, footer.len() as u64)
            .number(2, 1)
            .number(3, BLOCK_SIZE_BYTES as u64)
            .packed(4, VERSION)
            .number(5, 0)
            .number(6, WRITER_VERSION)
            .bytes(8000, MAGIC);
        let length = postscript.0.len() as u8;
        self.write(&footer);
        self.write(&postscript.0);
        self.write(&[length]);
        Ok(Bytes::from(self.ready))
    }
}
