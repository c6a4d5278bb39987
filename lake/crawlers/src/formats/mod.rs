//! Tells what a file is by its first bytes (and a Parquet file's last), and what columns it has. Pure: bytes in, schema out.

pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod parquet;
pub(crate) mod types;

use std::io::Read;

use types::Inferred;

/// How the bytes of a file are compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all (a Parquet file compresses its own pages).
    None,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

impl Compression {
    /// As the parameter `compressionType` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text with a delimiter.
    Csv {
        /// `,`, `|`, tab, `;` or 0x01.
        delimiter: char,
        /// Whether the first row names the columns.
        header: bool,
        /// Whether fields are put in double quotes.
        quoted: bool,
    },
    /// Objects, one after the other.
    Json,
    /// One array of objects.
    JsonArray,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// As the parameter `classification` has it.
    pub fn classification(self) -> &'static str {
        match self {
            Self::Csv { .. } => "csv",
            Self::Json | Self::JsonArray => "json",
            Self::Parquet => "parquet",
        }
    }

    /// Whether files of both can be read as one table.
    pub fn goes_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Csv { delimiter: a, header: x, .. }, Self::Csv { delimiter: b, header: y, .. }) => a == b && x == y,
            (Self::Json, Self::Json) | (Self::JsonArray, Self::JsonArray) | (Self::Parquet, Self::Parquet) => true,
            (Self::Csv { .. } | Self::Json | Self::JsonArray | Self::Parquet, _) => false,
        }
    }

    /// Whether the columns have names of their own, not `col0`, `col1`.
    pub fn names_columns(self) -> bool {
        !matches!(self, Self::Csv { header: false, .. })
    }
}

/// A column as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FoundColumn {
    /// In lower case.
    pub name: String,
    /// As it stands in the file.
    pub name_in_file: String,
    /// What its values are.
    pub inferred: Inferred,
}

/// What a file was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSchema {
    /// What it holds.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
    /// Its columns in order.
    pub columns: Vec<FoundColumn>,
    /// Records in the sample; in the whole file for Parquet.
    pub records: u64,
    /// Bytes of these records, uncompressed.
    pub records_size_bytes: u64,
    /// Bytes of these records as they are stored: fewer, where the file is compressed.
    pub stored_size_bytes: u64,
    /// Whether the records are all of the file's.
    pub complete: bool,
    /// What is wrong with it although it can be read: a broken line, a ragged row.
    pub warning: Option<String>,
}

/// Why a file is none of what is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The compression ends too soon or is broken.
    #[error("the {compression} data is broken or ends too soon: {reason}")]
    Compression {
        /// `gzip`.
        compression: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A compression that is not read.
    #[error("{compression} compression is not supported; use gzip or zstd")]
    CompressionNotRead {
        /// `bzip2`.
        compression: &'static str,
    },
    /// The Parquet footer does not read.
    #[error("the Parquet footer does not read: {reason}")]
    Parquet {
        /// Why.
        reason: String,
    },
    /// A column's type has no name in Hive.
    #[error("column {column} has the type {data_type}, which has no name in Hive")]
    Type {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
    /// Rows of too many lengths.
    #[error(
        "rows are ragged: line {line} has {found} fields, and {expected} were expected; {ragged} of {rows} rows differ"
    )]
    Ragged {
        /// The first that differs, from 1.
        line: u64,
        /// Its fields.
        found: usize,
        /// What the others have.
        expected: usize,
        /// How many differ.
        ragged: usize,
        /// How many were read.
        rows: usize,
    },
    /// No line is JSON.
    #[error("line {line} is not JSON: {reason}")]
    Json {
        /// The first that is not, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// Too many columns or fields.
    #[error("there are more than {fields_max} columns and fields")]
    TooManyFields {
        /// The limit.
        fields_max: usize,
    },
    /// Not text.
    #[error("the bytes are neither Parquet nor text in UTF-8 (byte {at} is not)")]
    NotText {
        /// Where, from 0.
        at: usize,
    },
    /// Nothing in it.
    #[error("there is no data in it")]
    Empty,
    /// Text without a structure that is known.
    #[error(
        "the text is neither JSON nor has it two columns or more, separated by a comma, a semicolon, a pipe, a tab or 0x01"
    )]
    Unknown,
    /// The first record does not end within what is read.
    #[error("the first record is longer than {size_bytes_max} bytes")]
    RecordTooLong {
        /// What was read.
        size_bytes_max: usize,
    },
}

/// Whether these are the first bytes of a Parquet file, whose schema stands at its end.
pub(crate) fn is_parquet(first: &[u8]) -> bool {
    first.starts_with(b"PAR1")
}

/// Tells what text file this is by its first bytes. `complete`: they are the whole file. `sample_bytes_max`: the most to look at
/// once uncompressed.
pub(crate) fn classify(first: &[u8], complete: bool, sample_bytes_max: usize) -> Result<FileSchema, FormatError> {
    let Uncompressed { bytes, compression, complete, consumed_bytes } = uncompress(first, complete, sample_bytes_max)?;
    let uncompressed_bytes = bytes.len() as u64;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").map_or(bytes.as_slice(), |rest| rest);
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        // The sample may end within a character.
        Err(error) if error.error_len().is_none() && !complete => {
            text.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default()
        }
        Err(error) => return Err(FormatError::NotText { at: error.valid_up_to() }),
    };
    if text.contains('\0') {
        return Err(FormatError::NotText { at: text.find('\0').unwrap_or_default() });
    }
    if text.trim().is_empty() {
        return Err(FormatError::Empty);
    }
    let mut schema = if text.trim_start().starts_with(['{', '[']) {
        json::classify(text, complete, sample_bytes_max)?
    } else {
        csv::classify(text, complete, sample_bytes_max)?
    };
    schema.compression = compression;
    schema.complete &= complete;
    schema.stored_size_bytes = match compression {
        Compression::None => schema.records_size_bytes,
        Compression::Gzip | Compression::Zstd => {
            (schema.records_size_bytes * consumed_bytes).checked_div(uncompressed_bytes).unwrap_or_default()
        }
    };
    Ok(schema)
}

/// The beginning of a file without its compression.
struct Uncompressed {
    bytes: Vec<u8>,
    compression: Compression,
    /// Whether it is all of the file.
    complete: bool,
    /// How many stored bytes it took.
    consumed_bytes: u64,
}

fn uncompress(first: &[u8], complete: bool, sample_bytes_max: usize) -> Result<Uncompressed, FormatError> {
    let failed =
        |compression, reason: std::io::Error| FormatError::Compression { compression, reason: reason.to_string() };
    let consumed = |rest: &[u8]| (first.len() - rest.len()) as u64;
    if first.starts_with(&[0x1f, 0x8b]) {
        let mut decoder = flate2::bufread::MultiGzDecoder::new(first);
        let (bytes, complete) =
            read_up_to(&mut decoder, complete, sample_bytes_max).map_err(|error| failed("gzip", error))?;
        let consumed_bytes = consumed(decoder.get_ref());
        Ok(Uncompressed { bytes, compression: Compression::Gzip, complete, consumed_bytes })
    } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(first).map_err(|error| failed("zstd", error))?;
        let (bytes, complete) =
            read_up_to(&mut decoder, complete, sample_bytes_max).map_err(|error| failed("zstd", error))?;
        let consumed_bytes = consumed(decoder.get_ref());
        Ok(Uncompressed { bytes, compression: Compression::Zstd, complete, consumed_bytes })
    } else if first.starts_with(b"BZh") {
        Err(FormatError::CompressionNotRead { compression: "bzip2" })
    } else if first.starts_with(b"PK\x03\x04") {
        Err(FormatError::CompressionNotRead { compression: "zip" })
    } else {
        let bytes = first.get(..sample_bytes_max.min(first.len())).unwrap_or(first).to_vec();
        let (complete, consumed_bytes) = (complete && bytes.len() == first.len(), bytes.len() as u64);
        Ok(Uncompressed { bytes, compression: Compression::None, complete, consumed_bytes })
    }
}

/// What a decoder gives, up to a limit. That the input ends too soon is an error only where all of it was there.
fn read_up_to(
    mut decoder: impl Read,
    complete: bool,
    size_bytes_max: usize,
) -> Result<(Vec<u8>, bool), std::io::Error> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while bytes.len() < size_bytes_max {
        match decoder.read(&mut chunk) {
            Ok(0) => return Ok((bytes, complete)),
            Ok(read) => bytes.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !complete => return Ok((bytes, false)),
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(size_bytes_max);
    Ok((bytes, false))
}

#[cfg(test)]
mod tests;
