//! What tests need and no product crate may have: a disk that fails on purpose, and mangled seeds. Knows no file format and no service.

mod probes;
mod simulated_content;
mod simulated_disk;

pub use probes::{Mangling, mangling, seeds};
pub use simulated_disk::{DiskFault, DiskOperation, SimulatedDisk};
