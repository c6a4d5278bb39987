//! The calls together, over a store and blobs in memory.
