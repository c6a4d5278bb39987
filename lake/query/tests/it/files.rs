//! Files as they come: compressed, partitioned, ragged, broken.

use std::io::Write;

use crate::lake::Lake;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn with_csv(lake: &Lake) {
    lake.put("raw/t/d=1/a.csv.gz", gzip("id,name,delay\n1,a,2.5\n2,b,NA\n")).await;
    lake.put("raw/t/d=2/b.csv", "id,name,delay\n3,c\n4,d,1,surplus\r\n").await;
    lake.put("raw/t/d=2/_hidden", "x").await;
    let ddl = "CREATE EXTERNAL TABLE t (id int, name string, delay double) PARTITIONED BY (d int)
        ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://lake/raw/t/' TBLPROPERTIES ('skip.header.line.count'='1')";
    assert_eq!(lake.answer(ddl).await, Vec::<String>::new());
    assert_eq!(
        lake.answer("MSCK REPAIR TABLE t").await,
        [
            "Partitions not in metastore:\tt:d=1\tt:d=2",
            "Repair: Added partition to metastore t:d=1",
            "Repair: Added partition to metastore t:d=2"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_becomes_partitioned_parquet() {
    let lake = Lake::new().await;
    with_csv(&lake).await;
    assert_eq!(
        lake.answer("SELECT * FROM t ORDER BY id").await,
        ["1|a|2.5|1", "2|b|NULL|1", "3|c|NULL|2", "4|d|1.0|2"]
    );
    assert_eq!(lake.answer("SHOW PARTITIONS t").await, ["d=1", "d=2"]);
    let outcome = lake
        .run("CREATE TABLE p WITH (format='PARQUET', external_location='s3://lake/out/p', partitioned_by=ARRAY['d'], write_compression='ZSTD') AS SELECT id, upper(name) AS name, delay, d FROM t")
        .await
        .unwrap();
    assert_eq!(outcome.update_count, Some(4));
    let manifest = outcome.manifest.unwrap();
    let listed = String::from_utf8(lake.get(&manifest.prefix).await.to_vec()).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(lake.keys("out/p/").iter().all(|key| key.starts_with("out/p/d=")));
    assert_eq!(
        lake.answer("SELECT d, count(*), sum(delay), max(name) FROM p WHERE d = 2 GROUP BY d").await,
        ["2|2|1.0|D"]
    );
    assert_eq!(lake.run("INSERT INTO p VALUES (5, 'e', 1.5, 3)").await.unwrap().update_count, Some(1));
    assert_eq!(lake.answer("SHOW PARTITIONS p").await, ["d=1", "d=2", "d=3"]);
    assert_eq!(lake.answer("SELECT count(*), min(id), max(id) FROM p").await, ["5|1|5"]);
    // only the pruned partition's file is read
    let one = lake.run("SELECT name FROM p WHERE d = 3").await.unwrap();
    let all = lake.run("SELECT name FROM p").await.unwrap();
    assert!(one.scanned_bytes < all.scanned_bytes, "{} {}", one.scanned_bytes, all.scanned_bytes);
    assert!(
        lake.answer("CREATE TABLE q WITH (external_location='s3://lake/out/p') AS SELECT 1 AS x").await[0]
            .starts_with("HIVE_PATH_ALREADY_EXISTS")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_partitions_are_written() {
    let lake = Lake::new().await;
    let outcome = lake
        .run("CREATE TABLE many WITH (partitioned_by=ARRAY['p']) AS SELECT x, x % 150 AS p FROM UNNEST(sequence(1, 600)) AS t(x)")
        .await
        .unwrap();
    assert_eq!(outcome.update_count, Some(600));
    assert_eq!(lake.answer("SELECT count(*), count(DISTINCT p) FROM many").await, ["600|150"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_files_are_named() {
    let lake = Lake::new().await;
    let whole = gzip(&"1,2\n".repeat(10_000));
    lake.put("bad/gz/a.csv.gz", whole[..whole.len() / 2].to_vec()).await;
    lake.put("bad/pq/a.parquet", "PAR1 and no footer PAR1").await;
    lake.put("bad/json/a.json", "{\"a\":1}\n{\"a\":\n").await;
    for ddl in [
        "CREATE EXTERNAL TABLE gz (a int, b int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://lake/bad/gz/'",
        "CREATE EXTERNAL TABLE pq (a int) STORED AS PARQUET LOCATION 's3://lake/bad/pq/'",
        "CREATE EXTERNAL TABLE js (a int) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://lake/bad/json/'",
    ] {
        assert_eq!(lake.answer(ddl).await, Vec::<String>::new());
    }
    let check = async |text: &str, start: &str, names: &str| {
        let found = lake.answer(text).await;
        assert!(found[0].starts_with(start) && found[0].contains(names), "{text}: {found:?}");
    };
    check("SELECT sum(a) FROM gz", "HIVE_CURSOR_ERROR: ", "s3://lake/bad/gz/a.csv.gz").await;
    check("SELECT * FROM pq", "HIVE_CANNOT_OPEN_SPLIT: ", "s3://lake/bad/pq/a.parquet").await;
    check("SELECT * FROM js", "HIVE_CURSOR_ERROR: ", "line 2, ").await;
    // a failed write leaves nothing
    check(
        "CREATE TABLE n WITH (external_location='s3://lake/out/n/') AS SELECT * FROM gz",
        "HIVE_CURSOR_ERROR: ",
        "a.csv.gz",
    )
    .await;
    assert_eq!(lake.keys("out/n/"), Vec::<String>::new());
    check("SELECT * FROM n", "TABLE_NOT_FOUND: ", "awsdatacatalog.db.n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_that_do_not_fit_are_told() {
    let lake = Lake::new().await;
    lake.run("CREATE TABLE s WITH (external_location='s3://lake/s/') AS SELECT 'x' AS \"A\", 1 AS b").await.unwrap();
    let ddl = "CREATE EXTERNAL TABLE wrong (a bigint) STORED AS PARQUET LOCATION 's3://lake/s/'";
    assert_eq!(lake.answer(ddl).await, Vec::<String>::new());
    let found = lake.answer("SELECT * FROM wrong").await;
    assert!(found[0].starts_with("HIVE_BAD_DATA: Field a's type varchar in parquet file s3://lake/s/"), "{found:?}");
    let ddl = "CREATE EXTERNAL TABLE wide (b bigint, c string, a string) STORED AS PARQUET LOCATION 's3://lake/s/'";
    assert_eq!(lake.answer(ddl).await, Vec::<String>::new());
    assert_eq!(lake.answer("SELECT * FROM wide").await, ["1|NULL|x"]);
}
