//! The footer of a file, from its end. Knows who serves the bytes as what the Parquet crate reads from.

use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use crate::error::{Fault, FooterError};
use crate::footer::{FOOTER, TAIL_SIZE_BYTES, decode, footer_size_bytes};
use crate::pages::Footer;

/// A footer is not had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not believed.
    #[error(transparent)]
    Footer(#[from] FooterError),
    /// The file's bytes do not come.
    #[error(transparent)]
    Bytes(ParquetError),
}

fn too_short(size_bytes: u64) -> ReadError {
    FooterError::of(FOOTER, Fault::TooShort { size_bytes }).into()
}

/// Reads the footer of a file of so many bytes; `prefetch_size_bytes` of its end at first.
pub async fn read_footer(
    mut file: impl MetadataFetch,
    size_bytes: u64,
    prefetch_size_bytes: u64,
) -> Result<Footer, ReadError> {
    let from = size_bytes.saturating_sub(prefetch_size_bytes.max(TAIL_SIZE_BYTES));
    let end = file.fetch(from..size_bytes).await.map_err(ReadError::Bytes)?;
    let Some((before, tail)) = end.split_last_chunk::<{ TAIL_SIZE_BYTES as usize }>() else {
        return Err(too_short(size_bytes));
    };
    let length = footer_size_bytes(tail, size_bytes)?;
    match usize::try_from(length).ok().and_then(|length| before.len().checked_sub(length)) {
        Some(at) => Ok(decode(before.get(at..).unwrap_or_default(), size_bytes)?),
        None => {
            let end = size_bytes.saturating_sub(TAIL_SIZE_BYTES);
            let footer = file.fetch(end.saturating_sub(length)..end).await.map_err(ReadError::Bytes)?;
            Ok(decode(&footer, size_bytes)?)
        }
    }
}

/// The same, of a file that is read by a thread of its own.
pub fn read_footer_of(file: &impl ChunkReader) -> Result<Footer, ReadError> {
    let size_bytes = file.len();
    let Some(end) = size_bytes.checked_sub(TAIL_SIZE_BYTES) else { return Err(too_short(size_bytes)) };
    let tail = file.get_bytes(end, TAIL_SIZE_BYTES as usize).map_err(ReadError::Bytes)?;
    let length = footer_size_bytes(&tail, size_bytes)?;
    let footer = usize::try_from(length).map_err(|_| too_short(size_bytes))?;
    let footer = file.get_bytes(end.saturating_sub(length), footer).map_err(ReadError::Bytes)?;
    Ok(decode(&footer, size_bytes)?)
}
