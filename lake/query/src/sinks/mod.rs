//! Where rows go: result files and tables' files. Knows no plan.

pub(crate) mod files;
pub(crate) mod metadata;
pub(crate) mod text;
