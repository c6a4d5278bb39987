//! Grants, and what follows from them.
