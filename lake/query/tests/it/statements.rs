//! Statements by themselves: result files to the byte, permissions, views, definitions.

use tarn_query::{ErrorName, Progress, QueryError, SessionContext, Statement};
use tokio_util::sync::CancellationToken;

use crate::lake::Lake;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn result_files_are_athenas() {
    let lake = Lake::new().await;
    let outcome = lake
        .run("SELECT 1 AS a, 'x\"y' AS B, NULL AS n, '' AS e, 1.5, ARRAY['p', NULL] AS l, true AS t, TIMESTAMP '2020-01-01 12:34:56.789' AS ts, 1e20 AS big")
        .await
        .unwrap();
    let text = String::from_utf8(lake.get(&outcome.output.prefix).await.to_vec()).unwrap();
    let header = "\"a\",\"B\",\"n\",\"e\",\"_col4\",\"l\",\"t\",\"ts\",\"big\"\n";
    let row = "\"1\",\"x\"\"y\",,\"\",\"1.5\",\"[p, null]\",\"true\",\"2020-01-01 12:34:56.789\",\"1.0E20\"\n";
    assert_eq!(text, format!("{header}{row}"));
    let types: Vec<&str> = outcome.columns.iter().map(|column| column.type_name.as_str()).collect();
    assert_eq!(types[4..], ["double", "array", "boolean", "timestamp", "double"]);
    assert!(lake.keys("results/").contains(&format!("{}.metadata", outcome.output.prefix)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_caller_may_not_is_refused() {
    let lake = Lake::new().await;
    lake.put("raw/a.csv", "1\n").await;
    lake.run("CREATE EXTERNAL TABLE a (x int) LOCATION 's3://lake/raw/'").await.unwrap();
    let check = async |action: &'static str, text: &str| {
        let caller = lake.caller_refused(move |requirement| {
            let is_result = requirement.resource.as_ref().is_some_and(|arn| arn.resource.starts_with("lake/results"));
            requirement.action == action && !is_result
        });
        let failed = lake.run_as(&caller, text).await.unwrap_err();
        assert_eq!(failed.name(), Some(ErrorName::PermissionDenied), "{text}: {failed}");
        assert!(failed.to_string().contains(action), "{failed}");
    };
    check("s3:GetObject", "SELECT * FROM a").await;
    check("s3:ListBucket", "SELECT * FROM a").await;
    check("glue:GetTable", "SELECT * FROM a").await;
    check("s3:PutObject", "CREATE TABLE c WITH (external_location='s3://lake/c/') AS SELECT * FROM a").await;
    check("glue:CreateTable", "CREATE TABLE c WITH (external_location='s3://lake/c/') AS SELECT * FROM a").await;
    check("glue:DeleteTable", "DROP TABLE a").await;
    assert_eq!(lake.keys("c/"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_query_stops() {
    let lake = Lake::new().await;
    let text = "SELECT count(*) FROM UNNEST(sequence(1, 5000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 5000)) AS b(y) CROSS JOIN UNNEST(sequence(1, 5000)) AS c(z) WHERE x * y * z % 7 = 1";
    let statement = Statement::parse(text, &[]).unwrap();
    let session = SessionContext {
        query_id: "cancelled".into(),
        catalog: None,
        database: "db".into(),
        output_location: tarn_catalog::S3Location::parse("s3://lake/results/").unwrap(),
    };
    let cancel = CancellationToken::new();
    let caller = lake.caller();
    let progress = Progress::default();
    let running = lake.engine.run(&caller, &statement, session, cancel.clone(), &progress);
    let stop = async {
        tokio::task::yield_now().await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(running, stop);
    assert_eq!(ended, Err(QueryError::Cancelled));
    assert_eq!(lake.keys("results/cancelled"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_are_told() {
    let lake = Lake::new().await;
    let ddl = "CREATE EXTERNAL TABLE `Dt` (`A` int COMMENT 'it''s', b struct<x:int>) PARTITIONED BY (p string) ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' STORED AS TEXTFILE LOCATION 's3://lake/dt/' TBLPROPERTIES ('k'='v')";
    assert_eq!(lake.answer(ddl).await, Vec::<String>::new());
    assert!(lake.answer(ddl).await[0].contains("AlreadyExistsException"));
    assert_eq!(
        lake.answer("DESCRIBE dt").await[..3],
        [
            format!("{:<20}\t{:<20}\t{:<20}", "a", "int", "it's"),
            format!("{:<20}\t{:<20}\t{:<20}", "b", "struct<x:int>", ""),
            format!("{:<20}\t{:<20}\t{:<20}", "p", "string", ""),
        ]
    );
    let shown = lake.answer("SHOW CREATE TABLE dt").await;
    assert_eq!(shown[0], "CREATE EXTERNAL TABLE `db.dt`(");
    lake.run("DROP TABLE dt").await.unwrap();
    assert_eq!(lake.answer(&shown.join("\n")).await, Vec::<String>::new());
    assert_eq!(lake.answer("SHOW CREATE TABLE dt").await[..8], shown[..8]);
    lake.run("ALTER TABLE dt ADD PARTITION (p='1') PARTITION (p='2') LOCATION 's3://lake/else/'").await.unwrap();
    assert_eq!(lake.answer("SHOW PARTITIONS dt").await, ["p=1", "p=2"]);
    lake.run("ALTER TABLE dt DROP PARTITION (p='1')").await.unwrap();
    lake.run("ALTER TABLE dt ADD COLUMNS (c bigint)").await.unwrap();
    lake.run("ALTER TABLE dt SET TBLPROPERTIES ('k'='w')").await.unwrap();
    assert_eq!(lake.answer("SHOW TBLPROPERTIES dt('k')").await, ["w"]);
    assert_eq!(lake.answer("SHOW PARTITIONS dt").await, ["p=2"]);
    assert_eq!(lake.answer("SHOW COLUMNS IN dt").await.len(), 4);
    assert_eq!(lake.answer("SHOW TABLES 'd*'").await, ["dt"]);
    assert_eq!(lake.answer("SHOW DATABASES").await, ["db"]);
    lake.run("CREATE DATABASE other").await.unwrap();
    assert!(lake.answer("DROP DATABASE db").await[0].contains("is not empty"));
    lake.run("DROP DATABASE db CASCADE").await.unwrap();
    assert_eq!(lake.answer("SHOW SCHEMAS").await, ["other"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unload_writes_and_lists() {
    let lake = Lake::new().await;
    let unload = "UNLOAD (SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, y)) TO 's3://lake/u/' WITH (format='JSON', compression='gzip', partitioned_by=ARRAY['y'])";
    let outcome = lake.run(unload).await.unwrap();
    assert_eq!(outcome.update_count, Some(2));
    assert_eq!(lake.keys("u/y=a/").len(), 1);
    assert!(lake.keys("u/y=b/")[0].ends_with(".gz"));
    assert!(lake.run(unload).await.unwrap_err().to_string().starts_with("HIVE_PATH_ALREADY_EXISTS"));
    lake.run("CREATE EXTERNAL TABLE u (x int) PARTITIONED BY (y string) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://lake/u/'").await.unwrap();
    lake.run("MSCK REPAIR TABLE u").await.unwrap();
    assert_eq!(lake.answer("SELECT x, y FROM u ORDER BY x").await, ["1|a", "2|b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_are_told() {
    let lake = Lake::new().await;
    assert_eq!(lake.answer("EXPLAIN SELECT 1").await[0], "Query Plan");
    assert!(lake.answer("EXPLAIN ANALYZE SELECT count(*) FROM (VALUES 1, 2) AS t(x)").await.len() > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_told_with_trinos_types() {
    let lake = Lake::new().await;
    let check = async |text: &str, expected: &[&str]| {
        let outcome = lake.run(text).await.unwrap();
        let types: Vec<&str> = outcome.columns.iter().map(|column| column.type_name.as_str()).collect();
        assert_eq!(types, expected, "{text}");
    };
    check("SELECT 1", &["integer"]).await;
    check("SELECT 1 + 1, -1, (1), 2147483648, 1 * 2147483648", &["integer", "integer", "integer", "bigint", "bigint"])
        .await;
    check(
        "SELECT count(*), sum(x), max(x), x FROM (VALUES 1) AS t(x) GROUP BY x",
        &["bigint", "bigint", "integer", "integer"],
    )
    .await;
    check(
        "SELECT coalesce(x, 0), if(x > 1, 1, 2), CASE x WHEN 1 THEN 2 END, nullif(x, 1) FROM (VALUES 1) AS t(x)",
        &["integer"; 4],
    )
    .await;
    check(
        "SELECT max_by(1, x), array_agg(1), abs(-1), x % 2, x / 2 FROM (VALUES 1) AS t(x) GROUP BY x",
        &["integer", "array", "integer", "integer", "integer"],
    )
    .await;
    check("SELECT 1 UNION ALL SELECT 2", &["integer"]).await;
    check("SELECT * FROM (VALUES (1, 3000000000))", &["integer", "bigint"]).await;
    check("SELECT lag(x, 1, 0) OVER (ORDER BY x), row_number() OVER (), ntile(2) OVER (ORDER BY x) FROM (VALUES 1) AS t(x)", &["integer", "bigint", "bigint"])
        .await;
}

/// Joins of arrays make many rows of few: each must give its thread back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_query_gives_its_threads_back() {
    let lake = Lake::new().await;
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    for text in [
        "SELECT count(*) FROM UNNEST(sequence(1, 9000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 9000)) AS b(y) CROSS JOIN UNNEST(sequence(1, 9000)) AS c(z) WHERE x * y % 7 = z",
        "SELECT count(*) FROM UNNEST(sequence(1, 9000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 9000 + x)) AS b(y) CROSS JOIN UNNEST(sequence(1, 9000 + y)) AS c(z)",
        "SELECT count(*) FROM UNNEST(sequence(1, 90000)) AS a(x) JOIN UNNEST(sequence(1, 90000)) AS b(y) ON x % 3 = y % 3",
    ] {
        let statement = Statement::parse(text, &[]).unwrap();
        let session = SessionContext {
            query_id: "cancelled".into(),
            catalog: None,
            database: "db".into(),
            output_location: tarn_catalog::S3Location::parse("s3://lake/results/").unwrap(),
        };
        let cancel = CancellationToken::new();
        let (caller, progress) = (lake.caller(), Progress::default());
        let running = lake.engine.run(&caller, &statement, session, cancel.clone(), &progress);
        let stopping = async {
            while alive() == before {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        let (ended, ()) = tokio::join!(running, stopping);
        assert_eq!(ended.unwrap_err(), QueryError::Cancelled, "{text}");
        let given_back = async {
            while alive() > before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), given_back).await.expect(text);
    }
}
