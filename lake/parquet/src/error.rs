//! Why a file's metadata is not believed.

use parquet::basic::Compression;
use parquet::errors::ParquetError;

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No file of this format is so short.
    #[error("a file of {size_bytes} bytes is too short")]
    TooShort {
        /// Of the file.
        size_bytes: u64,
    },
    /// It ends otherwise than the format does.
    #[error("the file does not end in PAR1: it is no Parquet, is cut, or was overwritten")]
    NoMagic,
    /// The footer is encrypted.
    #[error("the file has an encrypted footer, which is not supported")]
    Encrypted,
    /// It is not in the file.
    #[error("it is told to have {length} bytes, in a file of {size_bytes}")]
    BehindTheFile {
        /// As told.
        length: u64,
        /// Of the file.
        size_bytes: u64,
    },
    /// There is more of it than is read.
    #[error("{what}: {count}, more than {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: u64,
        /// How many are read.
        max: u64,
    },
    /// The bytes end too soon.
    #[error("it ends in the middle of {what}")]
    Ends {
        /// What begins there.
        what: &'static str,
    },
    /// A list or text claims more than is there.
    #[error("{what} is told to have {claimed} elements, and {left} bytes are left")]
    Claims {
        /// Whose field it is, and which.
        what: String,
        /// As told.
        claimed: u64,
        /// From there to the end.
        left: usize,
    },
    /// A page becomes more than its head says.
    #[error("a page of {compression} is told to become {claimed} bytes, and becomes more")]
    Unpacks {
        /// Its codec.
        compression: Compression,
        /// As told.
        claimed: u64,
    },
    /// A field of another type than the format says.
    #[error("{what} has the type {found}, not {wanted}")]
    Type {
        /// Whose field it is, and which.
        what: String,
        /// As it is written.
        found: u8,
        /// As the format says.
        wanted: u8,
    },
    /// No such thing can be.
    #[error("{0}")]
    Impossible(String),
    /// The Parquet crate refuses it.
    #[error("{0}")]
    Refused(ParquetError),
}

/// A part of a file's metadata cannot be what it claims.
#[derive(Debug, thiserror::Error)]
#[error("the {part} cannot be read: {}{fault}", at.map(|at| format!("at byte {at}, ")).unwrap_or_default())]
pub struct FooterError {
    /// Of the file.
    pub part: &'static str,
    /// Where in that part.
    pub at: Option<usize>,
    /// What is wrong.
    pub fault: Fault,
}

impl FooterError {
    pub(crate) fn of(part: &'static str, fault: Fault) -> Self {
        Self { part, at: None, fault }
    }

    pub(crate) fn impossible(part: &'static str, reason: impl Into<String>) -> Self {
        Self::of(part, Fault::Impossible(reason.into()))
    }

    pub(crate) fn too_many(part: &'static str, what: &'static str, count: u64, max: u64) -> Self {
        Self::of(part, Fault::TooMany { what, count, max })
    }
}
