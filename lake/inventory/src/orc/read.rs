//! A reader of some columns of texts: of files that others wrote, too. A block and a dictionary are in memory, not a stripe.

use std::io::{Read, Result};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use flate2::read::DeflateDecoder;

use super::numbers::{Flags, Numbers, corrupt, varint};
use crate::read::FileBytes;

/// The largest tail of a file and the largest footer of a stripe, bytes, compressed or not.
const FOOTER_SIZE_BYTES_MAX: u64 = 16 << 20;
/// The largest block, bytes, before it is compressed.
const BLOCK_SIZE_BYTES_MAX: u64 = 8 << 20;
/// The largest dictionary of a column in a stripe, bytes.
const DICTIONARY_SIZE_BYTES_MAX: u64 = 32 << 20;
/// The longest text, bytes.
const TEXT_SIZE_BYTES_MAX: u64 = 64 << 10;
/// Bytes of a stream that are read at a time.
const PIECE_SIZE_BYTES: u64 = 256 << 10;
/// The most columns, and the most streams of a stripe.
const ENTRIES_COUNT_MAX: usize = 4_096;

/// The most fields of one message.
const FIELDS_COUNT_MAX: usize = 1 << 18;

/// A field of a protocol buffer.
enum Field {
    Number(u64),
    Bytes(Bytes),
}

/// The fields of a message, one after the other.
fn fields(message: &Bytes) -> Result<Vec<(u64, Field)>> {
    let mut rest = message.clone().reader();
    let mut found = Vec::new();
    while rest.get_ref().has_remaining() {
        if found.len() == FIELDS_COUNT_MAX {
            return Err(corrupt("a message of the file has too many fields"));
        }
        let tag = varint(&mut rest)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 | 5 => {
                let size_bytes = if tag & 7 == 1 { 8 } else { 4 };
                rest.read_exact(&mut [0; 8][..size_bytes])?;
                continue;
            }
            2 => {
                let size_bytes = usize::try_from(varint(&mut rest)?).unwrap_or(usize::MAX);
                let inner = rest.get_mut();
                if size_bytes > inner.len() {
                    return Err(corrupt("a message of the file ends early"));
                }
                Field::Bytes(inner.split_to(size_bytes))
            }
            _ => return Err(corrupt("a message of the file has a field of no known kind")),
        };
        found.push((tag >> 3, field));
    }
    Ok(found)
}

fn number(fields: &[(u64, Field)], wanted: u64) -> u64 {
    let last = fields.iter().rev().find_map(|(at, field)| match field {
        Field::Number(number) if *at == wanted => Some(*number),
        Field::Number(_) | Field::Bytes(_) => None,
    });
    last.unwrap_or(0)
}

fn messages(fields: &[(u64, Field)], wanted: u64) -> impl Iterator<Item = &Bytes> {
    fields.iter().filter_map(move |(at, field)| match field {
        Field::Bytes(bytes) if *at == wanted => Some(bytes),
        Field::Number(_) | Field::Bytes(_) => None,
    })
}

/// Numbers that may come one by one or packed.
fn numbers(fields: &[(u64, Field)], wanted: u64) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for (_, field) in fields.iter().filter(|(at, _)| *at == wanted) {
        match field {
            Field::Number(number) => found.push(*number),
            Field::Bytes(packed) => {
                let mut rest = packed.clone().reader();
                while rest.get_ref().has_remaining() {
                    found.push(varint(&mut rest)?);
                }
            }
        }
    }
    Ok(found)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    None,
    Zlib,
    Zstd,
}

/// A part of a file, read a piece at a time.
struct Section {
    file: Arc<dyn FileBytes>,
    from: u64,
    left_bytes: u64,
    piece: Bytes,
}

impl Read for Section {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.piece.is_empty() && self.left_bytes > 0 {
            let size_bytes = self.left_bytes.min(PIECE_SIZE_BYTES);
            self.piece = self.file.read(self.from, size_bytes)?;
            if self.piece.is_empty() {
                return Err(corrupt("the file is shorter than it says"));
            }
            (self.from, self.left_bytes) = (self.from + size_bytes, self.left_bytes - size_bytes);
        }
        let size_bytes = self.piece.len().min(into.len());
        self.piece.copy_to_slice(into.get_mut(..size_bytes).unwrap_or_default());
        Ok(size_bytes)
    }
}

/// The blocks of a section, one in memory.
struct Blocks {
    section: Section,
    codec: Codec,
    block: Bytes,
}

impl Blocks {
    /// Whether there was another.
    fn next(&mut self) -> Result<bool> {
        let mut head = [0_u8; 4];
        if self.section.read(&mut head[..1])? == 0 {
            return Ok(false);
        }
        self.section.read_exact(&mut head[1..3])?;
        let head = u64::from(u32::from_le_bytes(head));
        let (size_bytes, is_original) = (head >> 1, head & 1 == 1);
        let mut bytes = Vec::new();
        self.section.by_ref().take(size_bytes).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size_bytes {
            return Err(corrupt("a block ends early"));
        }
        self.block = match (is_original, self.codec) {
            (true, _) | (false, Codec::None) => Bytes::from(bytes),
            (false, Codec::Zlib) => bounded(DeflateDecoder::new(&bytes[..]))?,
            (false, Codec::Zstd) => bounded(zstd::stream::read::Decoder::new(&bytes[..])?)?,
        };
        Ok(true)
    }
}

fn bounded(from: impl Read) -> Result<Bytes> {
    let mut bytes = Vec::new();
    from.take(BLOCK_SIZE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BLOCK_SIZE_BYTES_MAX {
        return Err(corrupt("a block is too large"));
    }
    Ok(Bytes::from(bytes))
}

impl Read for Blocks {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.codec == Codec::None {
            return self.section.read(into);
        }
        while self.block.is_empty() {
            if !self.next()? {
                return Ok(0);
            }
        }
        let size_bytes = self.block.len().min(into.len());
        self.block.copy_to_slice(into.get_mut(..size_bytes).unwrap_or_default());
        Ok(size_bytes)
    }
}

struct Stripe {
    offset: u64,
    index_size_bytes: u64,
    data_size_bytes: u64,
    footer_size_bytes: u64,
    rows: u64,
}

/// A column of a stripe.
struct Texts {
    present: Option<Flags<Blocks>>,
    form: Form,
}

enum Form {
    Direct { lengths: Numbers<Blocks>, bytes: Blocks },
    Dictionary { indexes: Numbers<Blocks>, texts: Vec<Bytes> },
}

impl Texts {
    fn next(&mut self) -> Result<Option<String>> {
        if let Some(present) = &mut self.present
            && !present.next()?
        {
            return Ok(None);
        }
        let bytes = match &mut self.form {
            Form::Direct { lengths, bytes } => {
                let size_bytes = lengths.next()?;
                if size_bytes > TEXT_SIZE_BYTES_MAX {
                    return Err(corrupt("a text is too long"));
                }
                let mut text = vec![0; usize::try_from(size_bytes).unwrap_or(0)];
                bytes.read_exact(&mut text)?;
                text
            }
            Form::Dictionary { indexes, texts } => {
                let index = usize::try_from(indexes.next()?).unwrap_or(usize::MAX);
                texts.get(index).ok_or_else(|| corrupt("a text is not in the dictionary"))?.to_vec()
            }
        };
        String::from_utf8(bytes).map(Some).map_err(|_| corrupt("a text is not UTF-8"))
    }
}

/// Some columns of a file.
pub(crate) struct OrcTexts {
    file: Arc<dyn FileBytes>,
    codec: Codec,
    /// The numbers of the wanted columns; `None` for one that the file does not have.
    columns: Vec<Option<u64>>,
    stripes: std::vec::IntoIter<Stripe>,
    open: Vec<Option<Texts>>,
    rows_left: u64,
}

impl OrcTexts {
    /// The columns of these names.
    pub(crate) fn open(file: Arc<dyn FileBytes>, names: &[&str]) -> Result<Self> {
        let size_bytes = file.size_bytes();
        let tail = file.read(size_bytes.saturating_sub(256), size_bytes.min(256))?;
        let Some((length, before)) = tail.split_last() else { return Err(corrupt("the file is empty")) };
        let length = usize::from(*length);
        let Some(start) = before.len().checked_sub(length) else { return Err(corrupt("the file has no tail")) };
        let postscript = fields(&tail.slice(start..before.len()))?;
        if messages(&postscript, 8000).next().is_none_or(|magic| magic != "ORC") {
            return Err(corrupt("the file is not an ORC file"));
        }
        let codec = match number(&postscript, 2) {
            0 => Codec::None,
            1 => Codec::Zlib,
            5 => Codec::Zstd,
            _ => return Err(corrupt("the file is compressed by something else than zlib and zstd")),
        };
        let (footer_bytes, end) = (number(&postscript, 1), size_bytes.saturating_sub(1 + length as u64));
        let mut opened =
            Self { file, codec, columns: Vec::new(), stripes: Vec::new().into_iter(), open: Vec::new(), rows_left: 0 };
        let footer = fields(&opened.whole(end.saturating_sub(footer_bytes), footer_bytes)?)?;
        let types = messages(&footer, 4).map(fields).collect::<Result<Vec<_>>>()?;
        let Some(root) = types.first().filter(|root| number(root, 1) == 12) else {
            return Err(corrupt("the rows of the file have no columns"));
        };
        let ids = numbers(root, 2)?;
        if types.len() > ENTRIES_COUNT_MAX || ids.len() > ENTRIES_COUNT_MAX {
            return Err(corrupt("the file has too many columns"));
        }
        for name in names {
            let at = messages(root, 3).position(|field| field.eq_ignore_ascii_case(name.as_bytes()));
            let id = at.and_then(|at| ids.get(at)).copied();
            let kind = id.and_then(|id| types.get(usize::try_from(id).ok()?)).map(|of| number(of, 1));
            // Texts, bytes, texts of a bounded and of a fixed length.
            if kind.is_some_and(|kind| !matches!(kind, 7 | 8 | 16 | 17)) {
                return Err(corrupt("a column that should hold texts does not"));
            }
            opened.columns.push(id);
        }
        let stripe = |message| {
            let found = fields(message)?;
            Ok(Stripe {
                offset: number(&found, 1),
                index_size_bytes: number(&found, 2),
                data_size_bytes: number(&found, 3),
                footer_size_bytes: number(&found, 4),
                rows: number(&found, 5),
            })
        };
        opened.stripes = messages(&footer, 3).map(stripe).collect::<Result<Vec<_>>>()?.into_iter();
        Ok(opened)
    }

    /// The texts of the next row, in the order in which they were asked for; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Option<String>>>> {
        while self.rows_left == 0 {
            let Some(stripe) = self.stripes.next() else { return Ok(None) };
            self.open_stripe(&stripe)?;
        }
        self.rows_left -= 1;
        let texts = self.open.iter_mut().map(|column| column.as_mut().map_or(Ok(None), Texts::next));
        texts.collect::<Result<Vec<_>>>().map(Some)
    }

    fn blocks(&self, from: u64, size_bytes: u64) -> Result<Blocks> {
        if from.checked_add(size_bytes).is_none_or(|end| end > self.file.size_bytes()) {
            return Err(corrupt("a part of the file lies behind its end"));
        }
        let section = Section { file: self.file.clone(), from, left_bytes: size_bytes, piece: Bytes::new() };
        Ok(Blocks { section, codec: self.codec, block: Bytes::new() })
    }

    fn whole(&self, from: u64, size_bytes: u64) -> Result<Bytes> {
        let mut whole = Vec::new();
        self.blocks(from, size_bytes)?.take(FOOTER_SIZE_BYTES_MAX + 1).read_to_end(&mut whole)?;
        if whole.len() as u64 > FOOTER_SIZE_BYTES_MAX {
            return Err(corrupt("a footer is too large"));
        }
        Ok(Bytes::from(whole))
    }

    fn open_stripe(&mut self, stripe: &Stripe) -> Result<()> {
        let data = stripe.offset.saturating_add(stripe.index_size_bytes);
        let footer_at = data.saturating_add(stripe.data_size_bytes);
        let footer = fields(&self.whole(footer_at, stripe.footer_size_bytes)?)?;
        let encodings = messages(&footer, 2).map(fields).collect::<Result<Vec<_>>>()?;
        let mut at = stripe.offset;
        let mut streams = Vec::new();
        for stream in messages(&footer, 1) {
            let found = fields(stream)?;
            let (kind, column, size_bytes) = (number(&found, 1), number(&found, 2), number(&found, 3));
            streams.push((kind, column, at, size_bytes));
            at = at.saturating_add(size_bytes);
        }
        if streams.len() > ENTRIES_COUNT_MAX {
            return Err(corrupt("a stripe has too many streams"));
        }
        let mut open = Vec::new();
        for id in &self.columns {
            let Some(id) = id else {
                open.push(None);
                continue;
            };
            let stream = |wanted: u64| {
                let found = streams.iter().find(|(kind, column, ..)| *kind == wanted && column == id);
                found.map(|(_, _, from, size_bytes)| self.blocks(*from, *size_bytes)).transpose()
            };
            // A stream without bytes may be left out.
            let stream_or_none = |wanted| {
                Ok::<_, std::io::Error>(match stream(wanted)? {
                    Some(blocks) => blocks,
                    None => self.blocks(0, 0)?,
                })
            };
            let encoding = usize::try_from(*id).ok().and_then(|id| encodings.get(id));
            let Some(encoding) = encoding else { return Err(corrupt("a column of a stripe has no encoding")) };
            let (kind, present) = (number(encoding, 1), stream(0)?.map(Flags::new));
            let is_second_version = kind >= 2;
            let form = match kind {
                0 | 2 => Form::Direct {
                    lengths: Numbers::new(stream_or_none(2)?, is_second_version),
                    bytes: stream_or_none(1)?,
                },
                1 | 3 => Form::Dictionary {
                    indexes: Numbers::new(stream_or_none(1)?, is_second_version),
                    texts: dictionary(
                        number(encoding, 2),
                        Numbers::new(stream_or_none(2)?, is_second_version),
                        stream_or_none(3)?,
                    )?,
                },
                _ => return Err(corrupt("a column of a stripe has no known encoding")),
            };
            open.push(Some(Texts { present, form }));
        }
        (self.open, self.rows_left) = (open, stripe.rows);
        Ok(())
    }
}

fn dictionary(count: u64, mut lengths: Numbers<Blocks>, bytes: Blocks) -> Result<Vec<Bytes>> {
    let mut whole = Vec::new();
    bytes.take(DICTIONARY_SIZE_BYTES_MAX + 1).read_to_end(&mut whole)?;
    if whole.len() as u64 > DICTIONARY_SIZE_BYTES_MAX || count > DICTIONARY_SIZE_BYTES_MAX / 8 {
        return Err(corrupt("a dictionary is too large"));
    }
    let mut whole = Bytes::from(whole);
    let mut texts = Vec::new();
    for _ in 0..count {
        let size_bytes = usize::try_from(lengths.next()?).unwrap_or(usize::MAX);
        if size_bytes > whole.len() {
            return Err(corrupt("a dictionary ends early"));
        }
        // Each row has a copy of its text.
        if size_bytes as u64 > TEXT_SIZE_BYTES_MAX {
            return Err(corrupt("a text is too long"));
        }
        texts.push(whole.split_to(size_bytes));
    }
    Ok(texts)
}
