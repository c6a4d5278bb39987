//! The embedded store as its users and its disks see it.
#![allow(clippy::unwrap_used)]

mod contract;
mod crash;
mod faults;
mod migration;
mod rot;
mod workload;
