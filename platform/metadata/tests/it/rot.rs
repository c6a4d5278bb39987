//! Disks that rot.
