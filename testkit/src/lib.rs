//! What tests need and no product crate may have: a disk that fails on purpose. Knows no file format and no service.

mod simulated_content;
mod simulated_disk;

pub use simulated_disk::{DiskFault, DiskOperation, SimulatedDisk};
