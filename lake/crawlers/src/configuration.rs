//! A crawler's `Configuration`: JSON text in which Glue hides its options. Knows no crawl.
//! <https://docs.aws.amazon.com/glue/latest/dg/crawler-configuration.html>

use serde::Deserialize;

use crate::CrawlersError;

/// The most levels that a table may lie deep.
const TABLE_LEVEL_MAX: usize = 100;

/// What a configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// Make one table of all that is compatible, whatever the folders are like.
    pub combine_compatible: bool,
    /// The level (the bucket is 1) at which each folder is one table.
    pub table_level: Option<usize>,
    /// Partitions take the table's columns.
    pub partitions_inherit: bool,
    /// A table keeps its columns and gets new ones; none is changed or removed.
    pub merge_new_columns: bool,
    /// A crawl that finds more tables than this changes nothing.
    pub tables_max: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wire {
    version: f64,
    grouping: Option<Grouping>,
    crawler_output: Option<CrawlerOutput>,
    #[serde(rename = "CreatePartitionIndex")]
    _create_partition_index: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Grouping {
    table_grouping_policy: Option<GroupingPolicy>,
    table_level_configuration: Option<usize>,
}

#[derive(Deserialize)]
enum GroupingPolicy {
    CombineCompatibleSchemas,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CrawlerOutput {
    partitions: Option<PartitionsOutput>,
    tables: Option<TablesOutput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PartitionsOutput {
    add_or_update_behavior: Option<PartitionsBehavior>,
}

#[derive(Deserialize)]
enum PartitionsBehavior {
    InheritFromTable,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TablesOutput {
    add_or_update_behavior: Option<TablesBehavior>,
    table_threshold: Option<usize>,
}

#[derive(Deserialize)]
enum TablesBehavior {
    MergeNewColumns,
}

impl Configuration {
    /// Reads the JSON. `CreatePartitionIndex` needs nothing done: all partitions are indexed.
    pub fn parse(text: Option<&str>) -> Result<Self, CrawlersError> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return Ok(Self::default());
        };
        let wire: Wire = serde_json::from_str(text)
            .map_err(|error| CrawlersError::invalid(format!("Configuration is not what a crawler knows: {error}")))?;
        let Wire { version, grouping, crawler_output, _create_partition_index: _ } = wire;
        if version != 1.0 {
            return Err(CrawlersError::invalid(format!("Configuration has version {version}; only 1.0 is known.")));
        }
        let mut parsed = Self::default();
        if let Some(Grouping { table_grouping_policy, table_level_configuration }) = grouping {
            parsed.combine_compatible = matches!(table_grouping_policy, Some(GroupingPolicy::CombineCompatibleSchemas));
            if table_level_configuration.is_some_and(|level| level == 0 || level > TABLE_LEVEL_MAX) {
                return Err(CrawlersError::invalid(format!(
                    "TableLevelConfiguration must be 1 (the bucket) to {TABLE_LEVEL_MAX}."
                )));
            }
            parsed.table_level = table_level_configuration;
        }
        if let Some(CrawlerOutput { partitions, tables }) = crawler_output {
            let inherit = partitions.and_then(|partitions| partitions.add_or_update_behavior);
            parsed.partitions_inherit = matches!(inherit, Some(PartitionsBehavior::InheritFromTable));
            if let Some(TablesOutput { add_or_update_behavior, table_threshold }) = tables {
                parsed.merge_new_columns = matches!(add_or_update_behavior, Some(TablesBehavior::MergeNewColumns));
                parsed.tables_max = table_threshold;
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_read() {
        let full = r#"{"Version":1.0,"Grouping":{"TableGroupingPolicy":"CombineCompatibleSchemas","TableLevelConfiguration":3},
            "CrawlerOutput":{"Partitions":{"AddOrUpdateBehavior":"InheritFromTable"},
            "Tables":{"AddOrUpdateBehavior":"MergeNewColumns","TableThreshold":5}},"CreatePartitionIndex":true}"#;
        let expected = Configuration {
            combine_compatible: true,
            table_level: Some(3),
            partitions_inherit: true,
            merge_new_columns: true,
            tables_max: Some(5),
        };
        assert_eq!(Configuration::parse(Some(full)).ok(), Some(expected));
        assert_eq!(Configuration::parse(None).ok(), Some(Configuration::default()));
        for refused in [
            "{}",
            "{\"Version\":2.0}",
            "{\"Version\":1.0,\"Grouping\":{\"TableLevelConfiguration\":0}}",
            "{\"Version\":1.0,\"X\":1}",
            "x",
        ] {
            assert!(Configuration::parse(Some(refused)).is_err(), "{refused}");
        }
    }
}
