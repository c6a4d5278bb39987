//! Apache ORC, as far as lists of objects need it: flat rows are written, and texts are read. Knows nothing of inventories.
//! <https://orc.apache.org/specification/ORCv1/>
//!
//! The crate of the ORC project does both; it asks for another build of arrow, and with it of everything that stands on arrow.

mod numbers;
mod read;
mod write;

pub(crate) use read::OrcTexts;
pub(crate) use write::{OrcColumn, OrcKind, OrcValue, OrcWriter};

#[cfg(test)]
mod tests;
