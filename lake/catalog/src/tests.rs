//! The catalog over a store in memory: names, versions, partitions, and a model-based history of partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use tarn_audit::{Caller, EventDraft};
use tarn_metadata::MemoryStore;
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::{Runtime, Timestamp, Worker, WorkerOutcome};
use tarn_types::{AccountId, Region, Scope};

use crate::*;

struct Anyone;

impl Authorizer for Anyone {
    fn authorize(&self, principal: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        Ok(Authorized::internal("test", principal.account.clone()))
    }
}

struct Lake {
    catalog: Catalog,
    caller: Caller,
    proof: Authorized,
}

impl Lake {
    fn new() -> Self {
        let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 7);
        let account = AccountId::first();
        let principal = Principal::root(account.clone());
        let event = EventDraft {
            id: [0; 16],
            request_id: "request".to_owned(),
            time_ms: 0,
            event_source: "glue.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: true,
            scope: Scope { account: account.clone(), region: Region::us_east_1() },
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        let proof = Authorized::internal("test", account);
        let authorizer = BoundAuthorizer::new(Arc::new(Anyone), principal, Context::new());
        let caller = Caller::new(proof.clone(), authorizer, event);
        Self { catalog: Catalog::new(Arc::new(MemoryStore::default()), runtime), caller, proof }
    }

    async fn with_database() -> Result<Self, CatalogError> {
        let lake = Self::new();
        lake.catalog.create_database(&lake.caller, database("Raw"), BTreeMap::new()).await?;
        Ok(lake)
    }

    async fn create(&self, name: &str) -> Result<(), CatalogError> {
        self.catalog.create_table(&self.caller, "raw", table(name), Vec::new()).await
    }

    async fn purge(&self) {
        let worker = self.catalog.purge_worker();
        while worker.work().await == WorkerOutcome::Busy {}
    }
}

fn database(name: &str) -> DatabaseInput {
    DatabaseInput { name: name.to_owned(), ..DatabaseInput::default() }
}

fn table(name: &str) -> TableInput {
    TableInput {
        name: name.to_owned(),
        partition_keys: vec![Column::new("year", "int"), Column::new("region", "string")],
        storage_descriptor: Some(StorageDescriptor {
            columns: vec![Column::new("a", "int")],
            ..StorageDescriptor::default()
        }),
        ..TableInput::default()
    }
}

fn partition(year: &str, region: &str) -> PartitionInput {
    PartitionInput {
        values: vec![year.to_owned(), region.to_owned()],
        storage_descriptor: Some(StorageDescriptor {
            columns: vec![Column::new("a", "int")],
            ..StorageDescriptor::default()
        }),
        ..PartitionInput::default()
    }
}

fn all(
    lake: &Lake,
    expression: &str,
    segment: Option<PartitionSegment>,
    limit: usize,
) -> Result<Vec<Vec<String>>, CatalogError> {
    let mut list = ListPartitions {
        expression: Some(expression.to_owned()).filter(|text| !text.is_empty()),
        segment,
        limit,
        ..ListPartitions::default()
    };
    let mut found = Vec::new();
    loop {
        let page = lake.catalog.partitions(&lake.proof, "raw", "t", &list)?;
        found.extend(page.partitions.into_iter().map(|partition| partition.definition.values));
        match page.next {
            Some(next) => list.after = Some(next),
            None => return Ok(found),
        }
    }
}

#[tokio::test]
async fn names_are_folded_and_pages_are_in_order() -> Result<(), CatalogError> {
    let lake = Lake::with_database().await?;
    assert!(matches!(
        lake.catalog.create_database(&lake.caller, database("RAW"), BTreeMap::new()).await,
        Err(CatalogError::DatabaseExists { .. })
    ));
    for name in ["B", "a", "c_1"] {
        lake.create(name).await?;
    }
    let first = lake.catalog.tables(&lake.proof, "RAW", None, None, 2)?;
    let names = |page: &Page<Table>| page.items.iter().map(|table| table.name().to_owned()).collect::<Vec<_>>();
    assert_eq!((names(&first), first.next.as_deref()), (vec!["a".to_owned(), "b".to_owned()], Some("b")));
    let second = lake.catalog.tables(&lake.proof, "raw", None, first.next.as_deref(), 2)?;
    assert_eq!((names(&second), second.next), (vec!["c_1".to_owned()], None));
    for (pattern, expected) in [
        ("c*", vec!["c_1"]),
        (".*", vec!["a", "b", "c_1"]),
        ("*_*", vec!["c_1"]),
        ("a|b", vec!["a", "b"]),
        ("x", vec![]),
    ] {
        assert_eq!(names(&lake.catalog.tables(&lake.proof, "raw", Some(pattern), None, 9)?), expected, "{pattern}");
    }
    assert!(matches!(lake.catalog.tables(&lake.proof, "raw", Some("("), None, 9), Err(CatalogError::Pattern { .. })));
    assert!(matches!(lake.catalog.database(&lake.proof, "default"), Err(CatalogError::DatabaseNotFound { .. })));
    assert!(matches!(lake.catalog.database(&lake.proof, "a\nb"), Err(CatalogError::Name { .. })));
    Ok(())
}

#[tokio::test]
async fn updates_compare_and_swap_and_archive() -> Result<(), CatalogError> {
    let lake = Lake::with_database().await?;
    lake.create("t").await?;
    let update = |version_id, skip_archive| UpdateTable { input: table("T"), version_id, skip_archive };
    assert_eq!(lake.catalog.update_table(&lake.caller, "raw", update(Some(0), false)).await?, 1);
    assert!(matches!(
        lake.catalog.update_table(&lake.caller, "raw", update(Some(0), false)).await,
        Err(CatalogError::ConcurrentModification { expected: 0, found: 1, .. })
    ));
    assert_eq!(lake.catalog.update_table(&lake.caller, "raw", update(None, true)).await?, 2);
    assert_eq!(lake.catalog.update_table(&lake.caller, "raw", update(None, false)).await?, 3);
    let mut after = None;
    let mut versions = Vec::new();
    loop {
        let page = lake.catalog.table_versions(&lake.proof, "raw", "t", after, 1)?;
        versions.extend(page.items.iter().map(|table| table.version_id));
        match page.next {
            Some(next) => after = next.parse().ok(),
            None => break,
        }
    }
    assert_eq!(versions, [3, 2, 0]);
    let page = lake.catalog.table_versions(&lake.proof, "raw", "t", None, 10)?;
    assert_eq!(page.items.len(), 3);
    let ids = ["3", "1", "0", "x"].map(str::to_owned).to_vec();
    let failed = lake.catalog.delete_table_versions(&lake.caller, "raw", "t", ids).await?;
    assert_eq!(failed.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["3", "1", "x"]);
    assert!(lake.catalog.table_version(&lake.proof, "raw", "t", Some("0")).is_err());
    assert_eq!(lake.catalog.table_version(&lake.proof, "raw", "t", Some("2"))?.version_id, 2);
    Ok(())
}

#[tokio::test]
async fn a_table_made_again_has_nothing_of_the_old_one() -> Result<(), CatalogError> {
    let lake = Lake::with_database().await?;
    lake.create("t").await?;
    let inputs = (0..2500).map(|n| partition(&n.to_string(), "eu")).collect();
    assert!(lake.catalog.create_partitions(&lake.caller, "raw", "t", inputs).await?.is_empty());
    lake.catalog.update_table(&lake.caller, "raw", UpdateTable { input: table("t"), ..UpdateTable::default() }).await?;
    lake.catalog.delete_table(&lake.caller, "raw", "t").await?;
    lake.create("t").await?;
    assert_eq!(all(&lake, "", None, 10)?, Vec::<Vec<String>>::new());
    assert_eq!(lake.catalog.table_versions(&lake.proof, "raw", "t", None, 10)?.items.len(), 1);
    lake.catalog.create_partitions(&lake.caller, "raw", "t", vec![partition("1", "eu")]).await?;
    lake.purge().await;
    assert_eq!(all(&lake, "", None, 10)?.len(), 1);
    lake.catalog.delete_database(&lake.caller, "raw").await?;
    lake.catalog.create_database(&lake.caller, database("raw"), BTreeMap::new()).await?;
    assert!(lake.catalog.tables(&lake.proof, "raw", None, None, 10)?.items.is_empty());
    lake.purge().await;
    let snapshot = lake.catalog.snapshot()?;
    use tarn_metadata::{Key, Read};
    assert_eq!(snapshot.prefix(keyspaces::PARTITIONS, &Key::new()).count(), 0);
    assert_eq!(snapshot.prefix(keyspaces::TABLE_VERSIONS, &Key::new()).count(), 0);
    assert_eq!(snapshot.prefix(keyspaces::TABLES, &Key::new()).count(), 0);
    assert_eq!(keyspaces::PURGES.pending(&snapshot, 9)?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn partitions_are_checked_one_by_one() -> Result<(), CatalogError> {
    let lake = Lake::with_database().await?;
    lake.create("t").await?;
    let short = PartitionInput { values: vec!["1".to_owned()], ..PartitionInput::default() };
    let empty = partition("", "eu");
    let long = partition("1", &"x".repeat(1025));
    let inputs = vec![partition("1", "eu"), short, partition("1", "eu"), empty, long, partition("2", "eu")];
    let failed = lake.catalog.create_partitions(&lake.caller, "raw", "t", inputs).await?;
    let kinds: Vec<_> = failed
        .iter()
        .map(|(_, error)| match error {
            CatalogError::PartitionValueCount { .. } => "count",
            CatalogError::PartitionExists { .. } => "exists",
            CatalogError::PartitionValue { .. } => "value",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["count", "exists", "value", "value"]);
    assert_eq!(
        lake.catalog
            .add_partitions_if_absent(&lake.caller, "raw", "t", vec![partition("1", "eu"), partition("3", "eu")])
            .await?,
        1
    );
    let moved = vec![
        (vec!["3".to_owned(), "eu".to_owned()], partition("4", "us")),
        (vec!["9".to_owned(), "eu".to_owned()], partition("9", "eu")),
    ];
    assert_eq!(lake.catalog.update_partitions(&lake.caller, "raw", "t", moved).await?.len(), 1);
    assert_eq!(all(&lake, "region = 'us'", None, 10)?, [["4", "us"]]);
    let without = ListPartitions { limit: 1, without_columns: true, ..ListPartitions::default() };
    let page = lake.catalog.partitions(&lake.proof, "raw", "t", &without)?;
    assert_eq!(page.partitions[0].definition.storage_descriptor.as_ref().map(|storage| storage.columns.len()), Some(0));
    let changed = TableInput { partition_keys: vec![Column::new("year", "int")], ..table("t") };
    let update = UpdateTable { input: changed, ..UpdateTable::default() };
    assert!(matches!(
        lake.catalog.update_table(&lake.caller, "raw", update).await,
        Err(CatalogError::PartitionKeysChanged { .. })
    ));
    lake.catalog.rename_table(&lake.caller, "raw", "t", "u").await?;
    assert!(lake.catalog.partition(&lake.proof, "raw", "u", &["4".to_owned(), "us".to_owned()]).is_ok());
    Ok(())
}

#[tokio::test]
async fn search_finds_by_text_and_filter() -> Result<(), CatalogError> {
    let lake = Lake::with_database().await?;
    for (name, classification) in [("flights", "csv"), ("weather", "json")] {
        let mut input = table(name);
        input.parameters.insert("classification".to_owned(), classification.to_owned());
        lake.catalog.create_table(&lake.caller, "raw", input, Vec::new()).await?;
    }
    let found = |search: &SearchTables| -> Result<Vec<String>, CatalogError> {
        let (tables, _) = lake.catalog.search_tables(&lake.proof, search, |_| true)?;
        Ok(tables.iter().map(|table| table.name().to_owned()).collect())
    };
    let search = SearchTables { limit: 10, ..SearchTables::default() };
    assert_eq!(found(&SearchTables { text: Some("LIGHT".into()), ..search.clone() })?, ["flights"]);
    assert_eq!(found(&SearchTables { text: Some("\"light\"".into()), ..search.clone() })?, Vec::<String>::new());
    let filter =
        SearchFilter { key: "classification".into(), value: "json".into(), comparator: SearchComparator::Equals };
    assert_eq!(found(&SearchTables { filters: vec![filter], ..search.clone() })?, ["weather"]);
    assert_eq!(
        found(&SearchTables { sort_by: Some("Name".into()), descending: true, ..search })?,
        ["weather", "flights"]
    );
    Ok(())
}

const EXPRESSIONS: [(&str, fn(i64, &str) -> bool); 6] = [
    ("", |_, _| true),
    ("year = 3", |year, _| year == 3),
    ("region = 'b'", |_, region| region == "b"),
    ("year between 2 and 11 and region >= 'b'", |year, region| (2..=11).contains(&year) && region >= "b"),
    ("not (year = 3 or region in ('a','c'))", |year, region| year != 3 && region != "a" && region != "c"),
    ("year > 5 or region like 'a%'", |year, region| year > 5 || region.starts_with('a')),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// A random history of partitions against a set: every predicate, page size and split into segments finds the same.
    #[test]
    fn partitions_follow_a_model(
        history in prop::collection::vec((any::<bool>(), 0i64..14, "[abc]{1,2}"), 1..150),
        limit in 1usize..40,
        total in 1u32..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let outcome: Result<(), CatalogError> = runtime.map_err(|error| TestCaseError::fail(error.to_string()))?.block_on(async {
            let lake = Lake::with_database().await?;
            lake.create("t").await?;
            let mut model = BTreeSet::new();
            for (add, year, region) in history {
                let values = vec![format!("{year:02}"), region.clone()];
                if add {
                    let made = lake.catalog.add_partitions_if_absent(&lake.caller, "raw", "t", vec![partition(&values[0], &region)]).await?;
                    assert_eq!(made == 1, model.insert(values));
                } else {
                    let failed = lake.catalog.delete_partitions(&lake.caller, "raw", "t", vec![values.clone()]).await?;
                    assert_eq!(failed.is_empty(), model.remove(&values));
                }
            }
            for (expression, holds) in EXPRESSIONS {
                let expected: Vec<_> = model.iter().filter(|values| holds(values[0].parse().unwrap_or(-1), &values[1])).cloned().collect();
                assert_eq!(all(&lake, expression, None, limit)?, expected, "{expression}");
                let mut parts = Vec::new();
                for number in 0..total {
                    parts.extend(all(&lake, expression, Some(PartitionSegment { number, total }), limit)?);
                }
                parts.sort();
                assert_eq!(parts, expected, "{expression} in segments");
            }
            Ok(())
        });
        prop_assert!(outcome.is_ok(), "{outcome:?}");
    }
}
