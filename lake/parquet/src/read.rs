//! The footer of a file, from its end. Knows who serves the bytes as what the Parquet crate reads from.

use std::ops::Range;

use bytes::Bytes;
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
    Ok(read(&mut file, size_bytes, prefetch_size_bytes).await?.0)
}

/// The same with the page indexes in its metadata; without, if there are too many of them or they cannot be.
pub async fn read_footer_with_indexes(
    mut file: impl MetadataFetch,
    size_bytes: u64,
    prefetch_size_bytes: u64,
) -> Result<Footer, ReadError> {
    let (mut footer, from, end) = read(&mut file, size_bytes, prefetch_size_bytes).await?;
    let Some(wanted) = footer.indexes() else { return Ok(footer) };
    let slice = |part: &Range<u64>| {
        let part = usize::try_from(part.start.checked_sub(from)?).ok()?..usize::try_from(part.end - from).ok()?;
        (part.end <= end.len()).then(|| end.slice(part))
    };
    let bytes = match slice(&wanted) {
        Some(bytes) => bytes,
        None => file.fetch(wanted).await.map_err(ReadError::Bytes)?,
    };
    match footer.load_indexes(bytes) {
        Ok(()) => Ok(footer),
        Err(_) => Ok(footer.without_indexes()?),
    }
}

/// The footer, and from where on the file's end was read for it.
async fn read(
    file: &mut impl MetadataFetch,
    size_bytes: u64,
    prefetch_size_bytes: u64,
) -> Result<(Footer, u64, Bytes), ReadError> {
    let from = size_bytes.saturating_sub(prefetch_size_bytes.max(TAIL_SIZE_BYTES));
    let end = file.fetch(from..size_bytes).await.map_err(ReadError::Bytes)?;
    let Some((before, tail)) = end.split_last_chunk::<{ TAIL_SIZE_BYTES as usize }>() else {
        return Err(too_short(size_bytes));
    };
    let length = footer_size_bytes(tail, size_bytes)?;
    let footer = match usize::try_from(length).ok().and_then(|length| before.len().checked_sub(length)) {
        Some(at) => decode(before.get(at..).unwrap_or_default(), size_bytes)?,
        None => {
            let end = size_bytes.saturating_sub(TAIL_SIZE_BYTES);
            let footer = file.fetch(end.saturating_sub(length)..end).await.map_err(ReadError::Bytes)?;
            decode(&footer, size_bytes)?
        }
    };
    Ok((footer, from, end))
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
