//! The tree of columns, from its elements in their order. Knows no bytes.
//!
//! The Parquet crate makes the tree by recursion, reserves room for the children that an element claims, and keeps each column's whole
//! path: the depth, the claims and the paths are bounded.

use crate::error::Fault;

/// Elements of a schema.
pub(crate) const SCHEMA_ELEMENTS_MAX: usize = 100_000;
/// How deep columns may be in each other; a list of lists takes two for each.
pub(crate) const SCHEMA_DEPTH_MAX: usize = 64;
/// All columns' paths together.
pub(crate) const PATHS_SIZE_BYTES_MAX: usize = 64 << 20;
/// A value of a column whose values all have the same length: a batch of missing ones takes as many times this.
pub(crate) const FIXED_VALUE_SIZE_BYTES_MAX: i64 = 64 << 10;

/// What a name takes beside its bytes.
const NAME_SIZE_BYTES: usize = 32;
/// The physical type whose values have a length.
const FIXED_LEN_BYTE_ARRAY: i64 = 7;

/// One element, as it is read.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub physical_type: Option<i64>,
    pub type_length: Option<i64>,
    pub name_size_bytes: usize,
    pub children: i64,
}

/// A group that still wants children.
#[derive(Debug)]
struct Open {
    children_left: usize,
    path_size_bytes: usize,
}

/// The tree so far.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    elements_left: usize,
    open: Vec<Open>,
    begun: bool,
    paths_size_bytes: usize,
    /// Columns that hold values.
    pub leaves: usize,
}

fn impossible(reason: impl Into<String>) -> Fault {
    Fault::Impossible(reason.into())
}

impl Tree {
    /// A schema of so many elements.
    pub fn begin(elements: usize) -> Result<Self, Fault> {
        if elements > SCHEMA_ELEMENTS_MAX {
            return Err(Fault::TooMany {
                what: "elements of the schema",
                count: elements as u64,
                max: SCHEMA_ELEMENTS_MAX as u64,
            });
        }
        Ok(Self { elements_left: elements, ..Self::default() })
    }

    /// The next element.
    pub fn add(&mut self, element: &Element) -> Result<(), Fault> {
        self.elements_left = self.elements_left.saturating_sub(1);
        while self.open.last().is_some_and(|open| open.children_left == 0) {
            self.open.pop();
        }
        let parent = self.open.last_mut();
        if self.begun && parent.is_none() {
            return Err(impossible("the schema has elements that no group counts among its children"));
        }
        let root = !self.begun;
        self.begun = true;
        let own = element.name_size_bytes + NAME_SIZE_BYTES;
        let path_size_bytes = match parent {
            Some(parent) => {
                parent.children_left -= 1;
                parent.path_size_bytes + own
            }
            None => 0,
        };
        let children = match usize::try_from(element.children) {
            Ok(children) if children <= self.elements_left => children,
            _ => {
                return Err(impossible(format!(
                    "a group of the schema is told to have {} children, and {} elements are left",
                    element.children, self.elements_left
                )));
            }
        };
        if children > 0 {
            self.open.push(Open { children_left: children, path_size_bytes });
            if self.open.len() > SCHEMA_DEPTH_MAX {
                return Err(Fault::TooMany {
                    what: "columns in each other",
                    count: self.open.len() as u64,
                    max: SCHEMA_DEPTH_MAX as u64,
                });
            }
            return Ok(());
        }
        if root {
            return Ok(());
        }
        self.leaves += 1;
        self.paths_size_bytes += path_size_bytes;
        if self.paths_size_bytes > PATHS_SIZE_BYTES_MAX {
            return Err(Fault::TooMany {
                what: "bytes of the columns' paths",
                count: self.paths_size_bytes as u64,
                max: PATHS_SIZE_BYTES_MAX as u64,
            });
        }
        if element.physical_type == Some(FIXED_LEN_BYTE_ARRAY) {
            let length = element.type_length.unwrap_or(0);
            if !(0..=FIXED_VALUE_SIZE_BYTES_MAX).contains(&length) {
                return Err(impossible(format!(
                    "the values of a column are told to have {length} bytes each, not 0 to {FIXED_VALUE_SIZE_BYTES_MAX}"
                )));
            }
        }
        Ok(())
    }

    /// That was the last element.
    pub fn end(&self) -> Result<(), Fault> {
        match self.open.iter().map(|open| open.children_left).sum::<usize>() {
            0 => Ok(()),
            missing => Err(impossible(format!("the schema ends before {missing} children of its groups"))),
        }
    }
}
