//! Inventories as files: the worker that lists buckets when their inventories are due, the three forms of the files, and reading them back.
//! Knows objects and who owns them; what is asked for and when is in `tarn-objects`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html>
//!
//! * Rows stream from the bucket into files of a bounded number of rows; a page of rows and one group of encoded rows are in memory.
//! * After each file it is noted how far the list has come, and a file's key follows from the list and its number: a list that was cut
//!   short goes on, and a file that was put and not noted is put again in the same place.
//! * **Invariant:** the manifest is put last, in the transaction that forgets the list. So there is one for each complete list.

mod columns;
mod csv;
mod encode;
mod orc;
mod parquet;
mod read;
mod report;
mod rows;
mod worker;

#[cfg(test)]
mod tests;

pub use csv::encoded_key;
pub use read::{FileBytes, ListedKey, ReadError, TakeKeys, read_orc, read_parquet};
pub use worker::{InventoryOptions, InventoryWorker};
