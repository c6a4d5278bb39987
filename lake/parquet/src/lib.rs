//! The metadata of Parquet files that anyone may have written: checked before it is believed. Knows no object, no table and no SQL.
//! <https://parquet.apache.org/docs/file-format/metadata/>
//!
//! The Parquet crate reserves room for what a file claims: a few bytes that claim two thousand million row groups make it ask for
//! hundreds of gigabytes, and a process that is refused memory ends. So every footer, page index, Bloom filter and page header is walked
//! first, by the rules of the thrift encoding and of the format, and what cannot be true is an error that says so:
//!
//! * a list has no more elements than bytes are left for it;
//! * a column's children, its bytes and those of its indexes are there, and its parts do not overlap;
//! * a page claims to be no longer than its compression can make it and than 1 GiB, and its dictionary to have no more values than bytes;
//! * a page becomes no longer than it claims. The Parquet crate unpacks gzip, Brotli and LZ4 frames to their end; what can become more than
//!   1 GiB of that is counted first;
//! * lengths of texts that are told as differences are no less than 0 and no more than the page has values, and 64 Mi; the texts of a page
//!   repeat no more than 256 MiB of those before them. As much of the page is unpacked as these take;
//! * pages are where the page index says: the Parquet crate goes by that. A file with more than 64 MiB of page indexes is read without;
//! * what a file adds of Arrow's types is not believed at all: columns have the types that the format gives them;
//! * a field has the type that the format gives it. The Parquet crate goes by the number of a field and not by its type; a walk that went
//!   by the type alone would read something else than it does.
//!
//! What is true is not refused, but for rows of more than 1 GiB: batches have as few rows as keep them small.

mod deltas;
mod error;
mod footer;
mod page;
mod pages;
mod read;
mod schema;
mod shapes;
mod thrift;
mod unpack;

#[cfg(test)]
mod page_tests;
#[cfg(test)]
mod tests;

pub use error::{Fault, FooterError};
pub use footer::{FOOTER_SIZE_BYTES_MAX, TAIL_SIZE_BYTES, decode, footer_size_bytes};
pub use pages::{BATCH_SIZE_BYTES_MAX, Footer};
pub use read::{ReadError, read_footer, read_footer_of, read_footer_with_indexes};
