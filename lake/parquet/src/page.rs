//! A page: what its head claims, and what its body would make the Parquet crate reserve. Reads no file.
//! <https://parquet.apache.org/docs/file-format/data-pages/>

use parquet::basic::{Compression, Type};
use parquet::file::metadata::ColumnChunkMetaData;

use crate::deltas::{check_lengths, check_shared};
use crate::error::{Fault, FooterError};
use crate::shapes::{DATA_PAGE_HEADER, DATA_PAGE_HEADER_V2, DICTIONARY_PAGE_HEADER, PAGE_HEADER};
use crate::thrift::{Seen, walk};
use crate::unpack::{exceeds, times_max, ways};

/// A page as it is before compression, and what missing values of lists in it take.
pub(crate) const PAGE_SIZE_BYTES_MAX: u64 = 1 << 30;
/// Values of a page or a dictionary for each of which something is reserved. Writers have put 64 Mi rows in a row group, and all in a page.
pub(crate) const PAGE_VALUES_MAX: u64 = 64 << 20;
/// What a page may have beside what its compression makes of it.
const PAGE_SLACK_SIZE_BYTES: u64 = 1 << 10;
/// How much of a body is unpacked at first to read the counts in it.
const BODY_BEGIN_SIZE_BYTES: usize = 4 << 10;
/// What values of lists that are missing take, with their levels.
const MISSING_SIZE_BYTES_MAX: u64 = 2 << 30;
/// A level in memory.
const LEVEL_SIZE_BYTES: u64 = size_of::<i16>() as u64;

pub(crate) const PAGE: &str = "head of a page";

/// Encodings, by their numbers in the format.
const RLE: i64 = 3;
const BIT_PACKED: i64 = 4;
const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;
const DELTA_BYTE_ARRAY: i64 = 7;

/// What the footer says of the pages of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub compression: Compression,
    pub physical_type: Type,
    /// Of columns whose values all have the same.
    pub value_size_bytes: i32,
    pub repetition_level_max: i16,
    pub definition_level_max: i16,
}

impl Column {
    /// Of a row group.
    pub fn of(column: &ColumnChunkMetaData) -> Self {
        let described = column.column_descr();
        Self {
            compression: column.compression(),
            physical_type: column.column_type(),
            value_size_bytes: described.type_length(),
            repetition_level_max: described.max_rep_level(),
            definition_level_max: described.max_def_level(),
        }
    }

    /// What a value of a list takes that is missing: its place, and its levels as the Parquet crate keeps them.
    pub fn missing_size_bytes(&self) -> u64 {
        let value_size_bytes = match self.physical_type {
            Type::BOOLEAN | Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 | Type::BYTE_ARRAY => 16,
            Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(self.value_size_bytes).unwrap_or(0).max(4),
        };
        let levels = [self.repetition_level_max, self.definition_level_max];
        value_size_bytes + LEVEL_SIZE_BYTES * levels.iter().filter(|level_max| **level_max > 0).count() as u64
    }
}

/// The head of a page. Numbers are as told.
#[derive(Debug, Default)]
pub(crate) struct Head {
    size_bytes: usize,
    unpacked_size_bytes: i64,
    packed_size_bytes: i64,
    values: Option<Values>,
    in_dictionary: Option<i64>,
}

/// What the head of a data page says of its values.
#[derive(Debug, Default)]
struct Values {
    count: i64,
    encoding: i64,
    levels: Levels,
}

/// Where values begin.
#[derive(Debug)]
enum Levels {
    /// Behind levels that are unpacked with them.
    Packed { repetition_encoding: i64, definition_encoding: i64 },
    /// Behind levels that are never packed.
    Apart { repetition_size_bytes: i64, definition_size_bytes: i64, is_packed: bool },
}

impl Default for Levels {
    fn default() -> Self {
        Self::Packed { repetition_encoding: -1, definition_encoding: -1 }
    }
}

fn impossible<T>(reason: String) -> Result<T, Fault> {
    Err(Fault::Impossible(reason))
}

impl Head {
    /// Of the page that begins there.
    pub fn read(bytes: &[u8]) -> Result<Self, FooterError> {
        let mut head = Self { unpacked_size_bytes: -1, packed_size_bytes: -1, ..Self::default() };
        head.size_bytes = walk(PAGE, &PAGE_HEADER, bytes, &mut |seen| head.see(seen))?;
        if head.packed_size_bytes < 0 {
            return Err(FooterError::impossible(
                PAGE,
                format!("a page is told to have {} bytes", head.packed_size_bytes),
            ));
        }
        Ok(head)
    }

    fn see(&mut self, seen: Seen) -> Result<(), Fault> {
        match seen {
            Seen::Begin(shape) if shape.is(&DATA_PAGE_HEADER) => self.begin(Levels::default())?,
            Seen::Begin(shape) if shape.is(&DATA_PAGE_HEADER_V2) => {
                self.begin(Levels::Apart { repetition_size_bytes: -1, definition_size_bytes: -1, is_packed: true })?
            }
            Seen::Begin(shape) if shape.is(&DICTIONARY_PAGE_HEADER) => {
                self.one_kind()?;
                self.in_dictionary = Some(-1);
            }
            Seen::Number(shape, 1, value) if shape.is(&DICTIONARY_PAGE_HEADER) => self.in_dictionary = Some(value),
            Seen::Number(shape, 2, value) if shape.is(&PAGE_HEADER) => self.unpacked_size_bytes = value,
            Seen::Number(shape, 3, value) if shape.is(&PAGE_HEADER) => self.packed_size_bytes = value,
            Seen::Number(shape, id, value) if shape.is(&DATA_PAGE_HEADER) || shape.is(&DATA_PAGE_HEADER_V2) => {
                if let Some(values) = &mut self.values {
                    values.see(id, value);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, levels: Levels) -> Result<(), Fault> {
        self.one_kind()?;
        self.values = Some(Values { count: -1, encoding: -1, levels });
        Ok(())
    }

    /// The Parquet crate takes one thing from one of them and another from another.
    fn one_kind(&self) -> Result<(), Fault> {
        if self.values.is_some() || self.in_dictionary.is_some() {
            return impossible("a page is told to be of several kinds".to_owned());
        }
        Ok(())
    }

    /// The page's bytes, with its head's.
    pub fn page_size_bytes(&self) -> u64 {
        self.packed_size_bytes.unsigned_abs().saturating_add(self.size_bytes as u64)
    }

    /// Whether what it claims can be.
    pub(crate) fn check_claims(&self, column: &Column) -> Result<(), Fault> {
        let (packed, unpacked) = (self.packed_size_bytes.unsigned_abs(), self.unpacked_size_bytes);
        let times = times_max(column.compression).unwrap_or(u64::MAX);
        let most = packed.saturating_mul(times).saturating_add(PAGE_SLACK_SIZE_BYTES).min(PAGE_SIZE_BYTES_MAX);
        let Some(size_bytes) = u64::try_from(unpacked).ok().filter(|unpacked| *unpacked <= most) else {
            let compression = column.compression;
            return impossible(format!(
                "{packed} bytes of {compression} are told to become {unpacked}; they can become {most}"
            ));
        };
        if let Some(told) = self.in_dictionary {
            let value_size_bytes = match column.physical_type {
                Type::BOOLEAN => 1,
                // a text has its length before it
                Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
                Type::INT64 | Type::DOUBLE => 8,
                Type::INT96 => 12,
                Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.value_size_bytes).unwrap_or(0),
            };
            let count = u64::try_from(told).unwrap_or(0);
            if count.saturating_mul(value_size_bytes) > size_bytes {
                return impossible(format!("a dictionary is told to have {told} values in {size_bytes} bytes"));
            }
            if count > PAGE_VALUES_MAX {
                return Err(Fault::TooMany { what: "values of a dictionary", count, max: PAGE_VALUES_MAX });
            }
        }
        // a row may have any number of them, and no byte for one that is missing
        if let Some(values) = self.values.as_ref().filter(|_| column.repetition_level_max > 0) {
            let count = u64::try_from(values.count).unwrap_or(0);
            let max = MISSING_SIZE_BYTES_MAX / column.missing_size_bytes();
            if count > max {
                return Err(Fault::TooMany { what: "values of lists in a page", count, max });
            }
        }
        Ok(())
    }

    /// Whether what its body holds is what is claimed, as far as the Parquet crate would believe it unseen.
    fn check_body(&self, column: &Column, body: &[u8]) -> Result<(), Fault> {
        let unpacked_size_bytes = self.unpacked_size_bytes.unsigned_abs();
        let (compression, levels_size_bytes) = match &self.values {
            Some(Values {
                levels: Levels::Apart { repetition_size_bytes, definition_size_bytes, is_packed }, ..
            }) => {
                let size_bytes = u64::try_from(*repetition_size_bytes)
                    .ok()
                    .zip(u64::try_from(*definition_size_bytes).ok())
                    .and_then(|(repetition, definition)| repetition.checked_add(definition))
                    .filter(|size_bytes| *size_bytes <= unpacked_size_bytes);
                let Some(size_bytes) = size_bytes else {
                    return impossible(format!(
                        "levels are told to have {repetition_size_bytes} and {definition_size_bytes} of {unpacked_size_bytes} bytes"
                    ));
                };
                (if *is_packed { column.compression } else { Compression::UNCOMPRESSED }, size_bytes)
            }
            _ => (column.compression, 0),
        };
        let Some(packed) = usize::try_from(levels_size_bytes).ok().and_then(|from| body.get(from..)) else {
            return impossible(format!(
                "levels are told to have {levels_size_bytes} bytes, the page has {}",
                body.len()
            ));
        };
        let claimed = match compression {
            // taken as they are, whatever is claimed
            Compression::UNCOMPRESSED => packed.len() as u64,
            _ => unpacked_size_bytes.saturating_sub(levels_size_bytes),
        };
        if claimed == 0 {
            return Ok(());
        }
        if exceeds(compression, packed, claimed) {
            return Err(Fault::Unpacks { compression, claimed });
        }
        match &self.values {
            Some(values) if [DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY].contains(&values.encoding) => {
                values.check(column, compression, packed, usize::try_from(claimed).unwrap_or(usize::MAX))
            }
            _ => Ok(()),
        }
    }
}

impl Values {
    fn see(&mut self, id: i16, value: i64) {
        match &mut self.levels {
            Levels::Packed { repetition_encoding, definition_encoding } => match id {
                1 => self.count = value,
                2 => self.encoding = value,
                3 => *definition_encoding = value,
                4 => *repetition_encoding = value,
                _ => {}
            },
            Levels::Apart { repetition_size_bytes, definition_size_bytes, is_packed } => match id {
                1 => self.count = value,
                4 => self.encoding = value,
                5 => *definition_size_bytes = value,
                6 => *repetition_size_bytes = value,
                7 => *is_packed = value != 0,
                _ => {}
            },
        }
    }

    /// Unpacks as much as it takes to see the counts among the values.
    fn check(&self, column: &Column, compression: Compression, packed: &[u8], claimed: usize) -> Result<(), Fault> {
        let count = u64::try_from(self.count).unwrap_or(0);
        if count > PAGE_VALUES_MAX {
            return Err(Fault::TooMany { what: "texts in a page", count, max: PAGE_VALUES_MAX });
        }
        let mut is_counted = false;
        for way in ways(compression, packed) {
            let mut size_bytes = BODY_BEGIN_SIZE_BYTES;
            while let Some(bytes) = way.first(packed, size_bytes.min(claimed), claimed) {
                let whole = size_bytes >= claimed || bytes.len() >= claimed;
                match self.check_counts(column, count, &bytes, whole) {
                    Err(Fault::Ends { .. }) if !whole => size_bytes = size_bytes.saturating_mul(8),
                    Err(Fault::Ends { what }) => {
                        return impossible(format!("the body of a page ends in the middle of {what}"));
                    }
                    Err(error) => return Err(error),
                    Ok(()) => {
                        is_counted = true;
                        break;
                    }
                }
            }
        }
        if is_counted { Ok(()) } else { impossible(format!("the body of a page is no {compression}")) }
    }

    /// Of a body's beginning or, if that is `whole`, of all of it.
    fn check_counts(&self, column: &Column, count: u64, mut bytes: &[u8], whole: bool) -> Result<(), Fault> {
        if let Levels::Packed { repetition_encoding, definition_encoding } = self.levels {
            let levels = [
                (column.repetition_level_max, repetition_encoding),
                (column.definition_level_max, definition_encoding),
            ];
            for (level_max, encoding) in levels.into_iter().filter(|(level_max, _)| *level_max > 0) {
                let size_bytes = match encoding {
                    RLE => {
                        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(Fault::Ends { what: "levels" })?;
                        bytes = rest;
                        u64::from(u32::from_le_bytes(*length))
                    }
                    BIT_PACKED => (count * u64::from(level_max.unsigned_abs().ilog2() + 1)).div_ceil(8),
                    _ => return impossible(format!("levels are told to have the encoding {encoding}")),
                };
                let rest = usize::try_from(size_bytes).ok().and_then(|size_bytes| bytes.get(size_bytes..));
                bytes = rest.ok_or(Fault::Ends { what: "levels" })?;
            }
        }
        match self.encoding {
            // some pages have levels alone
            _ if bytes.is_empty() && whole => Ok(()),
            DELTA_LENGTH_BYTE_ARRAY => check_lengths(bytes, count),
            _ => check_shared(bytes, count),
        }
    }
}

/// How many bytes a page has, with its head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    pub size_bytes: u64,
    /// Its body, unpacked.
    pub unpacked_size_bytes: u64,
}

/// Looks at the page that begins there. A body that is not all among the bytes is not looked at, as nothing is made of it.
pub(crate) fn check_page(column: &Column, bytes: &[u8]) -> Result<PageSize, FooterError> {
    let head = Head::read(bytes)?;
    let size_bytes = head.page_size_bytes();
    let body = usize::try_from(size_bytes).ok().and_then(|end| bytes.get(head.size_bytes..end));
    head.check_claims(column)
        .and_then(|()| body.map_or(Ok(()), |body| head.check_body(column, body)))
        .map_err(|fault| FooterError::of(PAGE, fault))?;
    Ok(PageSize { size_bytes, unpacked_size_bytes: head.unpacked_size_bytes.unsigned_abs() })
}
