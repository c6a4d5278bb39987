//! Names of databases and tables: checked, and folded to lower case as Glue does. Knows no keyspace.

use std::fmt;

use crate::{CatalogError, NAME_CHARACTERS_MAX};

/// A checked name in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityName(String);

impl EntityName {
    /// Checks and folds the name of a database.
    pub fn database(name: &str) -> Result<Self, CatalogError> {
        Self::new("Database name", name)
    }

    /// Checks and folds the name of a table.
    pub fn table(name: &str) -> Result<Self, CatalogError> {
        Self::new("Table name", name)
    }

    fn new(what: &'static str, name: &str) -> Result<Self, CatalogError> {
        check_name(what, name)?;
        Ok(Self(name.to_lowercase()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// <https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html>: 1 to 255 characters, a tab but no other control character.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), CatalogError> {
    let characters = name.chars().count();
    let legal = |c: char| c == '\t' || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
    if characters == 0 || characters > NAME_CHARACTERS_MAX || !name.chars().all(legal) {
        return Err(CatalogError::Name {
            what,
            name: name.chars().take(300).collect(),
            characters_max: NAME_CHARACTERS_MAX,
        });
    }
    Ok(())
}
