//! Grants and what follows from them, over a store in memory: who reads what, who may grant, and a history in which taking what was given
//! restores what was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use tarn_audit::{Caller, EventDraft};
use tarn_catalog::{Catalog, CatalogError, Column, DatabaseInput, StorageDescriptor, TableInput};
use tarn_metadata::{MemoryStore, Store};
use tarn_policy::{
    Authorized, Authorizer, BoundAuthorizer, Context, HeldPolicies, IdentityPolicies, LakeAuthorizer,
    PoliciesUnreadable, Policy, PolicyKind, Principal, Requirement,
};
use tarn_runtime::{FixedClock, Runtime, Timestamp};
use tarn_types::{AccountId, Arn, Region, Scope};

use crate::*;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whatever it is, IAM allows it: what is refused here, grants refuse.
struct AllowAll(Arc<Policy>);

impl IdentityPolicies for AllowAll {
    fn identity_policies(&self, _: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
        Ok(HeldPolicies { identity: Arc::new([self.0.clone()]), ..HeldPolicies::default() })
    }
}

const ADMIN: &str = "admin";
const ANA: &str = "ana";
const BEN: &str = "ben";
const ROOT: &str = "root";

fn arn(user: &str) -> String {
    format!("arn:aws:iam::{}:user/{user}", AccountId::first())
}

fn principal(user: &str) -> Principal {
    match user {
        ROOT => Principal::root(AccountId::first()),
        user => Principal::user(AccountId::first(), user, format!("AIDA{user}")),
    }
}

fn table_input(name: &str) -> TableInput {
    TableInput {
        name: name.to_owned(),
        partition_keys: vec![Column::new("day", "date")],
        storage_descriptor: Some(StorageDescriptor {
            columns: vec![Column::new("Id", "int"), Column::new("name", "string"), Column::new("email", "string")],
            location: Some("s3://lake/raw/events".to_owned()),
            ..StorageDescriptor::default()
        }),
        ..TableInput::default()
    }
}

/// A lake with the table `raw.events`, about which IAM alone does not decide, made by root.
struct Lake {
    formation: Formation,
    catalog: Catalog,
    authorizer: Arc<dyn Authorizer>,
    clock: Arc<FixedClock>,
}

impl Lake {
    async fn new() -> Result<Self, Failure> {
        let (runtime, clock) = Runtime::fixed("2026-11-22T12:00:00Z".parse::<Timestamp>()?, 7);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let catalog = Catalog::new(store.clone(), runtime.clone());
        let check: RowFilterCheck = Arc::new(|_, text| match text.contains('=') {
            true => Ok(()),
            false => Err("it compares nothing".to_owned()),
        });
        let formation = Formation::new(store, catalog.clone(), runtime, check);
        catalog.guard_with(Arc::new(formation.clone()));
        let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let policies = AllowAll(Arc::new(Policy::parse(all, PolicyKind::Identity)?));
        let policies = Arc::new(LakeAuthorizer::new(Arc::new(policies), Vec::new()));
        let authorizer = Arc::new(FormationAuthorizer::new(policies, formation.clone()));
        let lake = Self { formation, catalog, authorizer, clock };
        let root = lake.caller(ROOT);
        let database = DatabaseInput { name: "raw".to_owned(), ..DatabaseInput::default() };
        lake.catalog.create_database(&root, database, BTreeMap::new()).await?;
        lake.catalog.create_table(&root, "raw", table_input("events"), Vec::new()).await?;
        lake.set(|settings| settings.administrators = [arn(ADMIN)].into()).await?;
        lake.formation.revoke(&root, entry(IAM_ALLOWED_PRINCIPALS, table(), "ALL")).await?;
        Ok(lake)
    }

    fn proof(&self, user: &str) -> Authorized {
        let asked = vec![Requirement::any("lakeformation:Test")];
        self.authorizer.authorize(&principal(user), asked, &Context::new()).expect("IAM allows everything")
    }

    fn caller(&self, user: &str) -> Caller {
        let account = AccountId::first();
        let event = EventDraft {
            id: [0; 16],
            request_id: "request".to_owned(),
            time_ms: 0,
            event_source: "lakeformation.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: true,
            scope: Scope { account, region: Region::us_east_1() },
            principal: principal(user),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        let authorizer = BoundAuthorizer::new(self.authorizer.clone(), principal(user), Context::new());
        Caller::new(self.proof(user), authorizer, event)
    }

    async fn set(&self, change: impl FnOnce(&mut Settings)) -> Result<(), FormationError> {
        let mut settings = self.formation.settings(&self.proof(ROOT))?;
        change(&mut settings);
        self.formation.put_settings(&self.caller(ROOT), settings).await
    }

    /// Grants (`+`) or revokes (`-`) as `by`.
    async fn change(&self, by: &str, sign: char, entry: Entry) -> Result<(), FormationError> {
        match sign {
            '+' => self.formation.grant(&self.caller(by), entry).await,
            _ => self.formation.revoke(&self.caller(by), entry).await,
        }
    }

    /// What somebody may read of `raw.events`, as a text.
    fn access(&self, user: &str) -> Result<String, Failure> {
        let table = self.catalog.whole_table(&Authorized::internal("test", AccountId::first()), "raw", "events")?;
        Ok(match self.formation.table_access(&principal(user), &table)? {
            TableAccess::Shared => "shared".to_owned(),
            TableAccess::Full => "full".to_owned(),
            TableAccess::None => "none".to_owned(),
            TableAccess::Partial(cells) => {
                let cell = |cells: Cells| {
                    let columns = cells.columns.into_iter().collect::<Vec<_>>().join(",");
                    cells.row_filter.map_or(columns.clone(), |filter| format!("{columns} where {filter}"))
                };
                let mut texts: Vec<String> = cells.into_iter().map(cell).collect();
                texts.sort();
                texts.join("; ")
            }
        })
    }

    /// Whether somebody may do `action` on `resource` of Glue.
    fn may(&self, user: &str, action: &'static str, resource: &str) -> bool {
        let arn = Arn::regional("glue", &Region::us_east_1(), &AccountId::first(), resource);
        self.authorizer.authorize(&principal(user), vec![Requirement::new(action, arn)], &Context::new()).is_ok()
    }

    async fn make_tag(&self, key: &str, values: &[&str]) -> Result<(), FormationError> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        self.formation.create_tag(&self.caller(ADMIN), key, &values).await
    }

    async fn tag(&self, on: &Resource, key: &str, value: &str) -> Result<(), Failure> {
        let tags = vec![(key.to_owned(), value.to_owned())];
        let failed = self.formation.add_tags_to(&self.caller(ADMIN), on, tags).await?;
        match failed.into_iter().next() {
            None => Ok(()),
            Some((_, error)) => Err(error.into()),
        }
    }
}

fn table() -> Resource {
    Resource::Table { database: "raw".to_owned(), name: "events".to_owned() }
}

fn columns(names: &[&str]) -> Resource {
    let columns = Columns::Named(names.iter().map(|name| (*name).to_owned()).collect());
    Resource::Columns { database: "raw".to_owned(), table: "events".to_owned(), columns }
}

fn all_but(names: &[&str]) -> Resource {
    let columns = Columns::AllBut(names.iter().map(|name| (*name).to_owned()).collect());
    Resource::Columns { database: "raw".to_owned(), table: "events".to_owned(), columns }
}

fn filter_resource(name: &str) -> Resource {
    Resource::CellsFilter { database: "raw".to_owned(), table: "events".to_owned(), name: name.to_owned() }
}

fn filter(name: &str, columns: Columns, rows: Option<&str>) -> CellsFilter {
    CellsFilter {
        database: "raw".to_owned(),
        table: "events".to_owned(),
        name: name.to_owned(),
        columns,
        row_filter: rows.map(str::to_owned),
        version_id: String::new(),
        table_id: Default::default(),
    }
}

fn tag_policy(key: &str, value: &str) -> Resource {
    let expression = TagExpression::new([(key.to_owned(), vec![value.to_owned()])]).expect("an expression");
    Resource::TagPolicy { kind: TagPolicyKind::Table, expression }
}

fn words(text: &str) -> BTreeSet<Permission> {
    text.split_whitespace().map(|word| Permission::parse(word).expect("a permission")).collect()
}

/// `user` is a name, or `IAM_ALLOWED_PRINCIPALS`; behind a `/` stands what may be given on.
fn entry(user: &str, resource: Resource, permissions: &str) -> Entry {
    let (permissions, grantable) = permissions.split_once('/').unwrap_or((permissions, ""));
    let principal = if user == IAM_ALLOWED_PRINCIPALS { user.to_owned() } else { arn(user) };
    Entry { principal, resource, permissions: words(permissions), grantable: words(grantable) }
}

/// After the changes, what `ana` may read.
async fn check(changes: &[(char, Resource, &str)], expected: &str) -> Result<(), Failure> {
    let lake = Lake::new().await?;
    let only = |names: &[&str]| Columns::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let admin = lake.caller(ADMIN);
    lake.formation.create_cells_filter(&admin, filter("own", only(&["id", "name"]), Some("name = 'ana'"))).await?;
    let all = Columns::AllBut(BTreeSet::new());
    lake.formation.create_cells_filter(&admin, filter("all", all, None)).await?;
    for (sign, resource, permissions) in changes {
        lake.change(ADMIN, *sign, entry(ANA, resource.clone(), permissions)).await?;
    }
    assert_eq!(lake.access(ANA)?, expected, "{changes:?}");
    assert_eq!(lake.access(BEN)?, "none", "nobody else has anything: {changes:?}");
    assert_eq!(lake.access(ROOT)?, "full");
    Ok(())
}

#[tokio::test]
async fn what_is_granted_is_what_is_read() -> Result<(), Failure> {
    let all_tables = || Resource::AllTables { database: "raw".to_owned() };
    check(&[], "none").await?;
    check(&[('+', table(), "SELECT")], "full").await?;
    check(&[('+', table(), "ALL")], "full").await?;
    check(&[('+', table(), "DESCRIBE INSERT ALTER")], "none").await?;
    check(&[('+', all_tables(), "SELECT")], "full").await?;
    check(&[('+', table(), "SELECT"), ('-', table(), "SELECT")], "none").await?;
    check(&[('+', table(), "SELECT DESCRIBE"), ('-', table(), "SELECT")], "none").await?;
    // Columns, in parts that become one.
    check(&[('+', columns(&["id"]), "SELECT")], "id").await?;
    check(&[('+', columns(&["ID"]), "SELECT"), ('+', columns(&["name"]), "SELECT")], "id,name").await?;
    check(&[('+', columns(&["id", "name"]), "SELECT"), ('-', columns(&["id"]), "SELECT")], "name").await?;
    check(&[('+', columns(&["id", "name", "email", "day"]), "SELECT")], "full").await?;
    check(&[('+', all_but(&["email"]), "SELECT")], "day,id,name").await?;
    check(&[('+', all_but(&["email"]), "SELECT"), ('-', all_but(&["email"]), "SELECT")], "none").await?;
    // Filters.
    check(&[('+', filter_resource("own"), "SELECT")], "id,name where name = 'ana'").await?;
    check(&[('+', filter_resource("all"), "SELECT")], "full").await?;
    check(
        &[('+', filter_resource("own"), "SELECT"), ('+', columns(&["day"]), "SELECT")],
        "day; id,name where name = 'ana'",
    )
    .await?;
    check(&[('+', filter_resource("own"), "SELECT"), ('-', filter_resource("own"), "SELECT")], "none").await
}

#[tokio::test]
async fn what_cannot_be_is_refused() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    let missing = Resource::Table { database: "raw".to_owned(), name: "nothing".to_owned() };
    for (user, resource, permissions, expected) in [
        (ANA, missing, "SELECT", "nothing not found."),
        (ANA, columns(&["salary"]), "SELECT", "Column salary of raw.events not found."),
        (ANA, columns(&["id"]), "INSERT", "INSERT cannot be granted on columns"),
        (ANA, table(), "CREATE_TABLE", "CREATE_TABLE cannot be granted on table"),
        (ANA, filter_resource("nothing"), "SELECT", "data cells filter nothing of raw.events not found."),
        (ANA, tag_policy("team", "a"), "SELECT", "LF-tag team not found."),
        (ANA, table(), "", "must not be empty"),
        (IAM_ALLOWED_PRINCIPALS, table(), "SELECT", "IAM_ALLOWED_PRINCIPALS has ALL"),
    ] {
        let error = lake.change(ADMIN, '+', entry(user, resource, permissions)).await.expect_err(expected);
        let text = error.to_string().to_lowercase();
        assert!(text.contains(&expected.to_lowercase()), "{error} and not {expected}");
    }
    for other in ["arn:aws:iam::999999999999:user/ana", "ana", "arn:aws:iam::000000000000:group/g", "999999999999", ""]
    {
        let wrong = Entry { principal: other.to_owned(), ..entry(ANA, table(), "SELECT") };
        let error = lake.change(ADMIN, '+', wrong).await.expect_err("nobody of this account");
        assert!(matches!(error, FormationError::InvalidPrincipal { .. }), "{other}: {error}");
    }
    let only = Columns::Named(["id".to_owned()].into());
    let error = lake.formation.create_cells_filter(&lake.caller(ADMIN), filter("f", only, Some("nonsense"))).await;
    assert!(error.is_err_and(|error| error.to_string().contains("it compares nothing")));
    // What was not granted cannot be taken.
    let error = lake.change(ADMIN, '-', entry(ANA, table(), "SELECT")).await.expect_err("nothing");
    assert!(error.to_string().starts_with("No permissions revoked"), "{error}");
    Ok(())
}

#[tokio::test]
async fn iam_decides_alone_while_its_group_has_its_grant() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    let of_iam = || entry(IAM_ALLOWED_PRINCIPALS, table(), "ALL");
    assert_eq!(lake.access(ANA)?, "none");
    lake.change(ADMIN, '+', of_iam()).await?;
    assert_eq!(lake.access(ANA)?, "shared");
    lake.change(ADMIN, '-', of_iam()).await?;
    assert_eq!(lake.access(ANA)?, "none");
    // New databases and tables are as the settings say when they are made.
    let root = lake.caller(ROOT);
    let make = |name: &'static str| DatabaseInput { name: name.to_owned(), ..DatabaseInput::default() };
    lake.catalog.create_database(&root, make("before"), BTreeMap::new()).await?;
    lake.clock.advance(std::time::Duration::from_secs(60));
    let close = |settings: &mut Settings| {
        (settings.database_defaults, settings.table_defaults) = Default::default();
    };
    lake.set(close).await?;
    lake.clock.advance(std::time::Duration::from_secs(60));
    lake.catalog.create_database(&root, make("after"), BTreeMap::new()).await?;
    assert!(lake.may(ANA, "glue:GetDatabase", "database/before"));
    assert!(!lake.may(ANA, "glue:GetDatabase", "database/after"));
    assert!(!lake.may(ANA, "glue:GetDatabases", "database/after"));
    assert!(lake.may(ADMIN, "glue:GetDatabase", "database/after"));
    lake.change(ADMIN, '+', entry(ANA, Resource::Database { name: "after".to_owned() }, "CREATE_TABLE")).await?;
    assert!(lake.may(ANA, "glue:GetDatabase", "database/after"));
    assert!(lake.may(ANA, "glue:CreateTable", "table/after/t"));
    assert!(!lake.may(BEN, "glue:CreateTable", "table/after/t"));
    // Who makes a table has all of it.
    lake.catalog.create_table(&lake.caller(ANA), "after", table_input("own"), Vec::new()).await?;
    assert!(lake.may(ANA, "glue:DeleteTable", "table/after/own"));
    assert!(!lake.may(BEN, "glue:GetTable", "table/after/own"));
    Ok(())
}

#[tokio::test]
async fn the_catalog_shows_what_was_granted() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    let shown = |user: &str| -> Result<Vec<String>, CatalogError> {
        let table = lake.catalog.table(&lake.proof(user), "raw", "events")?;
        Ok(table.columns().iter().chain(table.partition_keys()).map(|column| column.name.clone()).collect())
    };
    assert!(matches!(shown(ANA), Err(CatalogError::TableNotFound { .. })));
    assert!(!lake.may(ANA, "glue:GetTable", "table/raw/events"));
    lake.change(ADMIN, '+', entry(ANA, columns(&["id", "day"]), "SELECT")).await?;
    assert_eq!(shown(ANA)?, ["Id", "day"]);
    assert!(lake.may(ANA, "glue:GetTable", "table/raw/events"));
    assert!(lake.may(ANA, "glue:GetPartitions", "table/raw/events"));
    for action in ["glue:UpdateTable", "glue:DeleteTable", "glue:CreatePartition", "glue:DeletePartition"] {
        assert!(!lake.may(ANA, action, "table/raw/events"), "{action}");
    }
    lake.change(ADMIN, '-', entry(ANA, columns(&["day"]), "SELECT")).await?;
    assert!(!lake.may(ANA, "glue:GetPartitions", "table/raw/events"), "partitions tell the values of their keys");
    lake.change(ADMIN, '+', entry(ANA, table(), "DESCRIBE")).await?;
    assert_eq!(shown(ANA)?, ["Id", "name", "email", "day"]);
    assert_eq!(lake.access(ANA)?, "id", "and reads no more than before");
    lake.change(ADMIN, '+', entry(ANA, table(), "ALTER DROP INSERT")).await?;
    for action in ["glue:UpdateTable", "glue:DeleteTable", "glue:CreatePartition"] {
        assert!(lake.may(ANA, action, "table/raw/events"), "{action}");
    }
    Ok(())
}

#[tokio::test]
async fn a_table_made_again_is_another() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    lake.make_tag("team", &["a"]).await?;
    lake.tag(&table(), "team", "a").await?;
    let only = Columns::Named(["id".to_owned()].into());
    lake.formation.create_cells_filter(&lake.caller(ADMIN), filter("own", only, None)).await?;
    for resource in [table(), columns(&["id"]), filter_resource("own"), tag_policy("team", "a")] {
        lake.change(ADMIN, '+', entry(ANA, resource, "SELECT")).await?;
    }
    let root = lake.caller(ROOT);
    lake.catalog.delete_table(&root, "raw", "events").await?;
    lake.catalog.create_table(&root, "raw", table_input("events"), Vec::new()).await?;
    // IAM decides about it, as about all that is new.
    assert_eq!(lake.access(ANA)?, "shared");
    lake.change(ADMIN, '-', entry(IAM_ALLOWED_PRINCIPALS, table(), "ALL")).await?;
    assert_eq!(lake.access(ANA)?, "none");
    let list = ListGrants { resource: Some(table()), limit: 100, ..ListGrants::default() };
    assert!(lake.formation.grants(&lake.proof(ADMIN), &list)?.items.is_empty());
    Ok(())
}

#[tokio::test]
async fn tags_are_inherited_and_overridden() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    lake.make_tag("Level", &["public", "secret"]).await?;
    let database = Resource::Database { name: "raw".to_owned() };
    lake.tag(&database, "level", "public").await?;
    lake.change(ADMIN, '+', entry(ANA, tag_policy("level", "public"), "SELECT DESCRIBE")).await?;
    assert_eq!(lake.access(ANA)?, "full", "the table inherits");
    lake.tag(&columns(&["email"]), "level", "secret").await?;
    assert_eq!(lake.access(ANA)?, "day,id,name", "a column overrides");
    lake.tag(&table(), "level", "secret").await?;
    lake.tag(&columns(&["id"]), "level", "public").await?;
    assert_eq!(lake.access(ANA)?, "id", "the table overrides, and a column that again");
    let tags = lake.formation.tags_of(&lake.proof(ADMIN), &table(), false)?;
    let pair = |value: &str| vec![TagPair { key: "level".to_owned(), value: value.to_owned() }];
    assert_eq!((tags.database, tags.table), (pair("public"), pair("secret")));
    assert_eq!(tags.columns, [("email".to_owned(), pair("secret")), ("id".to_owned(), pair("public"))].into());
    let own = lake.formation.tags_of(&lake.proof(ADMIN), &table(), true)?;
    assert_eq!((own.database, own.table), (vec![], pair("secret")));
    // Found by them, one by one.
    let expression = TagExpression::new([("level".to_owned(), vec!["secret".to_owned()])])?;
    let found = lake.formation.tables_by_tags(&lake.proof(ADMIN), &expression, None, 1)?;
    assert_eq!(found.items.iter().map(|(_, name, _)| name.as_str()).collect::<Vec<_>>(), ["events"]);
    assert_eq!(found.next, None);
    let public = TagExpression::new([("level".to_owned(), vec!["public".to_owned()])])?;
    assert_eq!(lake.formation.databases_by_tags(&lake.proof(ADMIN), &public, None, 10)?.items.len(), 1);
    assert!(lake.formation.tables_by_tags(&lake.proof(BEN), &expression, None, 1)?.items.is_empty());
    // Tags of columns are told, and found by, to who may see the columns.
    let seen = lake.formation.tags_of(&lake.proof(ANA), &table(), false)?;
    assert_eq!((seen.table, seen.columns), (pair("secret"), [("id".to_owned(), pair("public"))].into()));
    let seen = lake.formation.tags_of(&lake.proof(ANA), &table(), true)?;
    assert_eq!(seen.columns, [("id".to_owned(), pair("public"))].into());
    lake.make_tag("pii", &["yes"]).await?;
    lake.tag(&columns(&["email"]), "pii", "yes").await?;
    let pii = TagExpression::new([("pii".to_owned(), vec!["yes".to_owned()])])?;
    assert_eq!(lake.formation.tables_by_tags(&lake.proof(ADMIN), &pii, None, 1)?.items.len(), 1);
    assert!(lake.formation.tables_by_tags(&lake.proof(ANA), &pii, None, 1)?.items.is_empty());
    let found = lake.formation.tables_by_tags(&lake.proof(ANA), &expression, None, 1)?;
    assert_eq!(found.items[0].2.columns.keys().collect::<Vec<_>>(), ["id"]);
    // A value that is in use stays; a tag goes with all that it gave, also where another of its key is made.
    let values = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let admin = lake.caller(ADMIN);
    assert!(lake.formation.update_tag(&admin, "level", &[], &values(&["secret"])).await.is_err());
    lake.formation.delete_tag(&admin, "level").await?;
    lake.make_tag("level", &["public", "secret"]).await?;
    lake.tag(&table(), "level", "public").await?;
    assert_eq!(lake.access(ANA)?, "none");
    // A table takes its tags with it, also where another of its name is made.
    lake.formation.update_tag(&admin, "level", &values(&["other"]), &[]).await?;
    assert!(lake.formation.update_tag(&admin, "level", &[], &values(&["public"])).await.is_err());
    lake.catalog.delete_table(&lake.caller(ROOT), "raw", "events").await?;
    lake.catalog.create_table(&lake.caller(ROOT), "raw", table_input("events"), Vec::new()).await?;
    lake.formation.update_tag(&admin, "level", &[], &values(&["public"])).await?;
    lake.formation.update_tag(&admin, "pii", &values(&["no"]), &values(&["yes"])).await?;
    Ok(())
}

#[tokio::test]
async fn who_may_grant() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    let of_ben = |resource, permissions| entry(BEN, resource, permissions);
    let refused = |result: Result<(), FormationError>| {
        assert!(matches!(result, Err(FormationError::Insufficient { .. })), "{result:?}");
    };
    refused(lake.change(ANA, '+', of_ben(table(), "SELECT")).await);
    lake.change(ADMIN, '+', entry(ANA, table(), "SELECT")).await?;
    refused(lake.change(ANA, '+', of_ben(table(), "SELECT")).await);
    lake.change(ADMIN, '+', entry(ANA, table(), "INSERT/INSERT")).await?;
    lake.change(ANA, '+', of_ben(table(), "INSERT")).await?;
    refused(lake.change(ANA, '+', of_ben(table(), "SELECT")).await);
    refused(lake.change(BEN, '-', entry(ANA, table(), "SELECT")).await);
    // The right to give one column on is no right to give the next.
    lake.change(ADMIN, '-', entry(ANA, table(), "SELECT INSERT")).await?;
    lake.change(ADMIN, '+', entry(ANA, columns(&["id"]), "SELECT/SELECT")).await?;
    lake.change(ADMIN, '+', entry(ANA, columns(&["email"]), "SELECT")).await?;
    lake.change(ANA, '+', of_ben(columns(&["id"]), "SELECT")).await?;
    refused(lake.change(ANA, '+', of_ben(columns(&["email"]), "SELECT")).await);
    refused(lake.change(ANA, '+', of_ben(columns(&["id", "email"]), "SELECT")).await);
    assert_eq!((lake.access(ANA)?, lake.access(BEN)?), ("email,id".to_owned(), "id".to_owned()));
    // All of a database, to be given on, is nothing of its tables.
    let database = Resource::Database { name: "raw".to_owned() };
    lake.change(ADMIN, '+', entry(ANA, database, "ALL/ALL")).await?;
    refused(lake.change(ANA, '+', of_ben(Resource::AllTables { database: "raw".to_owned() }, "SELECT")).await);
    // The right alone can be taken.
    lake.change(ADMIN, '-', Entry { permissions: BTreeSet::new(), ..entry(ANA, columns(&["id"]), "SELECT/SELECT") })
        .await?;
    refused(lake.change(ANA, '+', of_ben(columns(&["id"]), "SELECT")).await);
    assert_eq!(lake.access(ANA)?, "email,id");
    // Who makes a tag has all of it; others none.
    refused(lake.formation.create_tag(&lake.caller(ANA), "team", &["a".to_owned()]).await);
    lake.change(ADMIN, '+', entry(ANA, Resource::Catalog, "CREATE_LF_TAG")).await?;
    lake.formation.create_tag(&lake.caller(ANA), "team", &["a".to_owned()]).await?;
    lake.formation.update_tag(&lake.caller(ANA), "team", &["b".to_owned()], &[]).await?;
    assert!(lake.formation.tag(&lake.proof(BEN), "team").is_err());
    assert!(lake.formation.tags(&lake.proof(BEN), None, 10)?.items.is_empty());
    refused(lake.formation.delete_tag(&lake.caller(BEN), "team").await);
    // One value of a tag with a right says nothing of another with another.
    let tag = |value: &str| Resource::Tag { key: "team".to_owned(), values: [value.to_owned()].into() };
    lake.change(ANA, '+', of_ben(tag("a"), "DESCRIBE")).await?;
    lake.change(ANA, '+', of_ben(tag("b"), "ASSOCIATE")).await?;
    let put = |value: &str| vec![("team".to_owned(), value.to_owned())];
    // Who may put a tag on things may not therefore say of any what it is.
    refused(lake.formation.add_tags_to(&lake.caller(BEN), &table(), put("b")).await.map(drop));
    refused(lake.formation.remove_tags_from(&lake.caller(BEN), &table(), put("b")).await.map(drop));
    let all = "SELECT ALTER DROP DELETE INSERT DESCRIBE/SELECT ALTER DROP DELETE INSERT DESCRIBE";
    lake.change(ADMIN, '+', entry(BEN, table(), all)).await?;
    assert_eq!(lake.formation.add_tags_to(&lake.caller(BEN), &table(), put("a")).await?.len(), 1);
    assert_eq!(lake.formation.add_tags_to(&lake.caller(BEN), &table(), put("b")).await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn grants_are_listed_in_pages_and_by_kind() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    lake.change(ADMIN, '+', entry(ANA, table(), "SELECT INSERT")).await?;
    lake.change(ADMIN, '+', entry(ANA, columns(&["id"]), "SELECT")).await?;
    lake.change(ADMIN, '+', entry(ANA, Resource::Database { name: "raw".to_owned() }, "DESCRIBE")).await?;
    lake.change(ADMIN, '+', entry(BEN, Resource::Catalog, "CREATE_DATABASE")).await?;
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let list = ListGrants { after, limit: 1, ..ListGrants::default() };
        let page = lake.formation.grants(&lake.proof(ADMIN), &list)?;
        assert_eq!(page.items.len(), 1);
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 4);
    for (kind, count) in [
        (ResourceKind::Catalog, 1),
        (ResourceKind::Database, 1),
        (ResourceKind::Table, 2),
        (ResourceKind::Location, 0),
        (ResourceKind::TagPolicy, 0),
    ] {
        let list = ListGrants { kind: Some(kind), limit: 10, ..ListGrants::default() };
        assert_eq!(lake.formation.grants(&lake.proof(ADMIN), &list)?.items.len(), count, "{kind:?}");
    }
    let own = lake.formation.grants(&lake.proof(BEN), &ListGrants { limit: 10, ..ListGrants::default() })?;
    assert_eq!(own.items.len(), 1, "who is no administrator sees its own");
    let foreign = ListGrants { after: Some(b"elsewhere".to_vec()), limit: 1, ..ListGrants::default() };
    assert!(lake.formation.grants(&lake.proof(ADMIN), &foreign).is_err());
    Ok(())
}

#[tokio::test]
async fn credentials_are_for_whole_tables_in_registered_places() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    let select: BTreeSet<Permission> = words("SELECT");
    let data = |user: &str, wanted: &BTreeSet<Permission>| {
        lake.formation.table_data(&lake.proof(user), "raw", "events", wanted)
    };
    lake.change(ADMIN, '+', entry(ANA, table(), "SELECT")).await?;
    lake.change(ADMIN, '+', entry(BEN, columns(&["id"]), "SELECT")).await?;
    assert!(matches!(data(ANA, &select), Err(FormationError::Insufficient { .. })), "not switched on");
    let root = lake.caller(ROOT);
    lake.set(|settings| settings.allow_full_table_external_data_access = true).await?;
    assert!(matches!(data(ANA, &select), Err(FormationError::Invalid { .. })), "not registered");
    let location = LocationInput { arn: "arn:aws:s3:::lake/raw/".to_owned(), role_arn: None };
    lake.formation.register(&root, location).await?;
    assert_eq!(data(ANA, &select)?.folder.to_string(), "s3://lake/raw/events/");
    assert!(matches!(data(ANA, &words("SELECT INSERT")), Err(FormationError::Insufficient { .. })));
    assert!(matches!(data(BEN, &select), Err(FormationError::PartialAccess { .. })));
    lake.change(ADMIN, '-', entry(ANA, table(), "SELECT")).await?;
    assert!(matches!(data(ANA, &select), Err(FormationError::Insufficient { .. })));
    lake.change(ADMIN, '+', entry(IAM_ALLOWED_PRINCIPALS, table(), "ALL")).await?;
    assert!(matches!(data(ANA, &select), Err(FormationError::Insufficient { .. })));
    // In a registered place, tables are made by who was granted it.
    let place = Resource::Location { arn: "arn:aws:s3:::lake/raw/".to_owned() };
    let mut input = table_input("more");
    let refused = lake.catalog.create_table(&lake.caller(ANA), "raw", input.clone(), Vec::new()).await;
    assert!(matches!(refused, Err(CatalogError::Guarded { .. })), "{refused:?}");
    lake.change(ADMIN, '+', entry(ANA, place, "DATA_LOCATION_ACCESS")).await?;
    lake.catalog.create_table(&lake.caller(ANA), "raw", input.clone(), Vec::new()).await?;
    input.name = "elsewhere".to_owned();
    if let Some(storage) = &mut input.storage_descriptor {
        storage.location = Some("s3://lake/rawest".to_owned());
    }
    lake.catalog.create_table(&lake.caller(BEN), "raw", input, Vec::new()).await?;
    Ok(())
}

fn any_resource() -> impl Strategy<Value = Resource> {
    let names = || proptest::sample::subsequence(vec!["id", "name", "email", "day"], 1..4);
    prop_oneof![
        Just(table()),
        Just(Resource::AllTables { database: "raw".to_owned() }),
        names().prop_map(|names| columns(&names)),
        names().prop_map(|names| all_but(&names)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was there before: what is given and taken again leaves what was there, unless some of it had been given before.
    #[test]
    fn taking_what_was_given_restores_what_was(
        before in proptest::collection::vec(any_resource(), 0..4),
        given in any_resource(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let outcome: Result<(), Failure> = runtime.block_on(async {
            let lake = Lake::new().await?;
            for resource in before {
                lake.change(ADMIN, '+', entry(ANA, resource, "SELECT")).await?;
            }
            let all = ListGrants { limit: 100, ..ListGrants::default() };
            let what = |lake: &Lake| -> Result<_, Failure> {
                let grants = lake.formation.grants(&lake.proof(ADMIN), &all)?.items;
                let grants = grants.into_iter().map(|grant| (grant.resource, grant.permissions));
                Ok((lake.access(ANA)?, grants.collect::<BTreeMap<_, _>>()))
            };
            let was = what(&lake)?;
            lake.change(ADMIN, '+', entry(ANA, given.clone(), "SELECT")).await?;
            let meanwhile = what(&lake)?;
            assert_ne!(meanwhile.0, "none");
            lake.change(ADMIN, '-', entry(ANA, given.clone(), "SELECT")).await?;
            let is = what(&lake)?;
            match &given {
                // Columns that had been given before are taken with the others.
                Resource::Columns { columns: Columns::Named(names), .. } => {
                    let had = was.1.keys().any(|resource| matches!(
                        resource, Resource::Columns { columns: Columns::Named(had), .. } if !had.is_disjoint(names)
                    ));
                    if !had {
                        assert_eq!(is, was);
                    }
                }
                other if was.1.contains_key(other) => assert!(!is.1.contains_key(other)),
                _ => assert_eq!(is, was),
            }
            Ok(())
        });
        outcome.expect("no failure");
    }
}
