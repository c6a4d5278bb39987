//! From records to the bytes of an object: delimiter and compression, a piece at a time. Knows no JSON and no schema.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;

use crate::delivery_stream::{Compression, S3Destination};

/// zstd's own default: about 250 MB/s a core.
const ZSTD_LEVEL: i32 = 3;

/// Turns records into an object's bytes. Gives out what is ready after each record; `finish` gives the rest.
pub enum Encoder {
    /// As they are.
    Plain(Vec<u8>),
    /// gzip.
    Gzip(GzEncoder<Vec<u8>>),
    /// zstd.
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// Nothing written.
    pub fn new(compression: Compression) -> std::io::Result<Self> {
        Ok(match compression {
            Compression::Uncompressed => Self::Plain(Vec::new()),
            Compression::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Compression::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            Self::Gzip(out) => out.write_all(bytes),
            Self::Zstd(out) => out.write_all(bytes),
        }
    }

    /// What is ready.
    pub fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out.get_mut(),
            Self::Zstd(out) => out.get_mut(),
        };
        Bytes::from(std::mem::take(out))
    }

    /// The end of the object.
    pub fn finish(self) -> std::io::Result<Bytes> {
        Ok(Bytes::from(match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out.finish()?,
            Self::Zstd(out) => out.finish()?,
        }))
    }
}

/// What the object's name ends in.
pub fn extension(destination: &S3Destination) -> &str {
    match (&destination.file_extension, &destination.conversion, destination.compression) {
        (Some(extension), _, _) => extension,
        (None, Some(_), _) => ".parquet",
        (None, None, Compression::Uncompressed) => "",
        (None, None, Compression::Gzip) => ".gz",
        (None, None, Compression::Zstd) => ".zst",
    }
}
