//! A file's footer: its length, the walk over it, and where it says that the file's parts are. Reads no file.

use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader};

use crate::error::{Fault, FooterError};
use crate::pages::Footer;
use crate::schema::{Element, Tree};
use crate::shapes::{COLUMN_CHUNK, FILE_META_DATA, ROW_GROUP, SCHEMA_ELEMENT};
use crate::thrift::{Seen, walk};

/// The last bytes of a file: the footer's length and the magic.
pub const TAIL_SIZE_BYTES: u64 = 8;
/// A footer that is read. What is made of it takes some ten times its bytes.
pub const FOOTER_SIZE_BYTES_MAX: u64 = 32 << 20;
/// Row groups times columns.
pub(crate) const COLUMN_CHUNKS_MAX: u64 = 500_000;
/// Pairs of names and values that writers add.
pub(crate) const KEY_VALUES_MAX: usize = 100_000;

pub(crate) const FOOTER: &str = "footer";

/// How many bytes the footer has that ends before the tail.
pub fn footer_size_bytes(tail: &[u8], size_bytes: u64) -> Result<u64, FooterError> {
    let failed = |fault| Err(FooterError::of(FOOTER, fault));
    let Some((length, magic)) = tail.split_first_chunk::<4>() else { return failed(Fault::TooShort { size_bytes }) };
    match magic {
        b"PAR1" => {}
        b"PARE" => return failed(Fault::Encrypted),
        _ => return failed(Fault::NoMagic),
    }
    let length = u64::from(u32::from_le_bytes(*length));
    if length.saturating_add(TAIL_SIZE_BYTES) > size_bytes {
        return failed(Fault::BehindTheFile { length, size_bytes });
    }
    if length > FOOTER_SIZE_BYTES_MAX {
        return failed(Fault::TooMany { what: "bytes", count: length, max: FOOTER_SIZE_BYTES_MAX });
    }
    Ok(length)
}

/// The footer whose bytes these are, without the tail, of a file of so many bytes.
pub fn decode(footer: &[u8], size_bytes: u64) -> Result<Footer, FooterError> {
    if footer.len() as u64 > FOOTER_SIZE_BYTES_MAX {
        return Err(FooterError::too_many(FOOTER, "bytes", footer.len() as u64, FOOTER_SIZE_BYTES_MAX));
    }
    check(footer)?;
    let metadata = ParquetMetaDataReader::decode_metadata(footer)
        .map_err(|error| FooterError::of(FOOTER, Fault::Refused(error)))?;
    Footer::of(without_arrow_schema(metadata), size_bytes)
}

/// Without the schema that writers of Arrow add. The Parquet crate goes by it where it can: a missing list of a fixed size takes as much as that
/// schema claims, and a batch of texts with wide offsets has no end. The columns' own types say all that is needed.
/// <https://docs.rs/parquet/latest/parquet/arrow/constant.ARROW_SCHEMA_META_KEY.html>
fn without_arrow_schema(metadata: ParquetMetaData) -> ParquetMetaData {
    let file = metadata.file_metadata();
    let Some(pairs) = file.key_value_metadata() else { return metadata };
    let kept: Vec<KeyValue> = pairs.iter().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY).cloned().collect();
    if kept.len() == pairs.len() {
        return metadata;
    }
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(kept),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    ParquetMetaData::new(file, metadata.into_builder().take_row_groups())
}

/// Walks over a footer.
pub(crate) fn check(footer: &[u8]) -> Result<(), FooterError> {
    let mut tree = Tree::default();
    let mut element = Element::default();
    let mut chunks = 0_u64;
    walk(FOOTER, &FILE_META_DATA, footer, &mut |seen| {
        match seen {
            Seen::List(shape, 2, elements) if shape.is(&FILE_META_DATA) => {
                tree = Tree::begin(elements)?;
            }
            Seen::List(shape, 4, _) if shape.is(&FILE_META_DATA) => tree.end()?,
            Seen::List(shape, 5, pairs) if shape.is(&FILE_META_DATA) && pairs > KEY_VALUES_MAX => {
                let max = KEY_VALUES_MAX as u64;
                return Err(Fault::TooMany { what: "pairs of names and values", count: pairs as u64, max });
            }
            Seen::Begin(shape) if shape.is(&SCHEMA_ELEMENT) => element = Element::default(),
            Seen::Number(shape, id, value) if shape.is(&SCHEMA_ELEMENT) => match id {
                1 => element.physical_type = Some(value),
                2 => element.type_length = Some(value),
                5 => element.children = value,
                _ => {}
            },
            Seen::Text(shape, 4, size_bytes) if shape.is(&SCHEMA_ELEMENT) => {
                element.name_size_bytes = size_bytes;
            }
            Seen::End(shape) if shape.is(&SCHEMA_ELEMENT) => tree.add(&element)?,
            Seen::List(shape, 1, columns) if shape.is(&ROW_GROUP) && columns != tree.leaves => {
                let leaves = tree.leaves;
                return Err(Fault::Impossible(format!("a row group has {columns} columns, the schema {leaves}")));
            }
            Seen::Begin(shape) if shape.is(&COLUMN_CHUNK) => {
                chunks += 1;
                if chunks > COLUMN_CHUNKS_MAX {
                    let what = "columns of row groups";
                    return Err(Fault::TooMany { what, count: chunks, max: COLUMN_CHUNKS_MAX });
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    tree.end().map_err(|fault| FooterError::of(FOOTER, fault))
}
