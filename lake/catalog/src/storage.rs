//! How a table's or partition's data is laid out: columns, location, formats. Plain values; knows no table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{HiveType, HiveTypeError};

/// Free key-value pairs, such as `classification`.
pub type Parameters = BTreeMap<String, String>;

/// A column, or a partition key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Column {
    /// As given; engines compare it without regard to case.
    pub name: String,
    /// A Hive type such as `array<struct<a:int>>`. Kept as text: a catalog may hold what this server cannot read.
    pub data_type: Option<String>,
    /// For people.
    pub comment: Option<String>,
    /// Free.
    pub parameters: Parameters,
}

impl Column {
    /// A column without comment.
    pub fn new(name: impl Into<String>, data_type: impl Into<String>) -> Self {
        Self { name: name.into(), data_type: Some(data_type.into()), ..Self::default() }
    }

    /// Its type; a column without one is a string, as in Hive.
    pub fn hive_type(&self) -> Result<HiveType, HiveTypeError> {
        self.data_type.as_deref().map_or(Ok(HiveType::String), HiveType::parse)
    }
}

/// How rows are read and written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SerdeInfo {
    /// For people.
    pub name: Option<String>,
    /// The Java class whose behaviour is meant.
    pub serialization_library: Option<String>,
    /// `field.delim`, `serialization.format`, ...
    pub parameters: Parameters,
}

/// One column of the order that rows of a bucket are in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SortColumn {
    /// Its name.
    pub column: String,
    /// Ascending, or descending.
    pub ascending: bool,
}

/// Values that are frequent enough to have their own folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SkewedInfo {
    /// The columns.
    pub column_names: Vec<String>,
    /// Their frequent values.
    pub column_values: Vec<String>,
    /// Where the rows with these values are.
    pub column_value_location_maps: BTreeMap<String, String>,
}

/// Where data is and how to read it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StorageDescriptor {
    /// Without the partition keys.
    pub columns: Vec<Column>,
    /// `s3://bucket/prefix/`.
    pub location: Option<String>,
    /// Further locations.
    pub additional_locations: Vec<String>,
    /// A Java class name.
    pub input_format: Option<String>,
    /// A Java class name.
    pub output_format: Option<String>,
    /// Whether the data is compressed.
    pub compressed: bool,
    /// Into how many buckets rows are hashed; 0 or -1: none.
    pub number_of_buckets: i32,
    /// How rows are read.
    pub serde_info: Option<SerdeInfo>,
    /// What rows are hashed by.
    pub bucket_columns: Vec<String>,
    /// What rows of a bucket are sorted by.
    pub sort_columns: Vec<SortColumn>,
    /// Free.
    pub parameters: Parameters,
    /// Frequent values.
    pub skewed_info: Option<SkewedInfo>,
    /// Whether skewed values have folders.
    pub stored_as_sub_directories: bool,
}
