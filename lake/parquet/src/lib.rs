//! The metadata of Parquet files that anyone may have written: checked before it is believed. Knows no object, no table and no SQL.
//! <https://parquet.apache.org/docs/file-format/metadata/>
//!
//! The Parquet crate reserves room for what a file claims: a few bytes that claim two thousand million row groups make it ask for
//! hundreds of gigabytes, and a process that is refused memory ends. So every footer, page index, Bloom filter and page header is walked
//! first, by the rules of the thrift encoding and of the format, and what cannot be true is an error that says so:
//!
//! * a list has no more elements than bytes are left for it;
//! * a column's children, its bytes and those of its indexes are there, and its parts do not overlap;
//! * a page claims to be no longer than its compression can make it. What a page of gzip, brotli or LZ4 frames holds beyond its claim, and
//!   lengths inside of a page's body, are found out by the Parquet crate, after it was unpacked;
//! * a field has the type that the format gives it. The Parquet crate goes by the number of a field and not by its type; a walk that went
//!   by the type alone would read something else than it does.

mod error;
mod footer;
mod pages;
mod read;
mod schema;
mod shapes;
mod thrift;

#[cfg(test)]
mod tests;

pub use error::{Fault, FooterError};
pub use footer::{FOOTER_SIZE_BYTES_MAX, TAIL_SIZE_BYTES, decode, footer_size_bytes};
pub use pages::Footer;
pub use read::{ReadError, read_footer, read_footer_of};
