//! One file a command: its arguments, what it does, and what it says. None knows another; what several do is in `work.rs`.

pub(crate) mod audit;
pub(crate) mod cat;
pub(crate) mod cp;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod evaluate;
pub(crate) mod ls;
pub(crate) mod rm;
pub(crate) mod sql;
pub(crate) mod storage;
pub(crate) mod sync;
mod work;
