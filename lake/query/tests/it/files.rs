//! Files as they come: compressed, partitioned, ragged, broken.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};

use crate::lake::Lake;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A footer of one column that claims two thousand million row groups.
pub(crate) const CLAIMS: &[u8] = b"PAR1\x15\x02\x19\x2c\x35\x00\x18\x01r\x15\x02\x00\x15\x02\x25\x00\x18\x01a\x00\x16\x00\x19\xfc\xff\xff\xff\xff\x07\x1d\x00\x00\x00PAR1";

/// Two rows of columns `a` and `b`; the footer says that the values of `a` have more than 1 GiB each.
pub(crate) fn large_rows() -> Vec<u8> {
    let column = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", column()), ("b", column())]).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(file.clone())).unwrap();
    let mut columns = metadata.row_group(0).columns().to_vec();
    columns[0] = columns[0].clone().into_builder().set_total_uncompressed_size((2 << 30) + 1).build().unwrap();
    let group = metadata.row_group(0).clone().into_builder().set_column_metadata(columns).build().unwrap();
    let metadata = metadata.into_builder().set_row_groups(vec![group]).build();
    ParquetMetaDataWriter::new(&mut file, &metadata).finish().unwrap();
    file
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
    lake.put("bad/claims/a.parquet", CLAIMS).await;
    lake.put("bad/large/a.parquet", large_rows()).await;
    lake.put("bad/json/a.json", "{\"a\":1}\n{\"a\":\n").await;
    for ddl in [
        "CREATE EXTERNAL TABLE gz (a int, b int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://lake/bad/gz/'",
        "CREATE EXTERNAL TABLE pq (a int) STORED AS PARQUET LOCATION 's3://lake/bad/pq/'",
        "CREATE EXTERNAL TABLE claims (a int) STORED AS PARQUET LOCATION 's3://lake/bad/claims/'",
        "CREATE EXTERNAL TABLE large (a bigint, b bigint) STORED AS PARQUET LOCATION 's3://lake/bad/large/'",
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
    check("SELECT * FROM claims", "HIVE_CANNOT_OPEN_SPLIT: ", "row_groups is told to have 2147483647 elements").await;
    check("SELECT a FROM large", "HIVE_CANNOT_OPEN_SPLIT: ", "bytes of a row: 1073741825, more than 1073741824").await;
    assert_eq!(lake.answer("SELECT b FROM large ORDER BY b").await, ["1", "2"]);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hidden_columns_tell_of_files() {
    let lake = Lake::new().await;
    with_csv(&lake).await;
    let check = async |text: &str, expected: &[&str]| assert_eq!(lake.answer(text).await, expected, "{text}");
    check(
        "SELECT \"$path\", count(*) FROM t GROUP BY \"$path\" ORDER BY 1",
        &["s3://lake/raw/t/d=1/a.csv.gz|2", "s3://lake/raw/t/d=2/b.csv|2"],
    )
    .await;
    check("SELECT *, \"$file_size\" FROM t WHERE id = 3", &["3|c|NULL|2|33"]).await;
    check("SELECT x.* FROM t AS x WHERE x.\"$path\" LIKE '%b.csv' ORDER BY id", &["3|c|NULL|2", "4|d|1.0|2"]).await;
    check("SELECT * FROM t ORDER BY \"$path\" DESC, id LIMIT 1", &["3|c|NULL|2"]).await;
    check("SELECT max(\"$file_modified_time\") FROM db.t", &["2023-11-14 22:13:20.000 UTC"]).await;
    check("SELECT a.id, b.\"$file_size\" FROM t a JOIN t b ON a.id = b.id WHERE a.id = 4", &["4|33"]).await;
    check(
        "WITH c AS (SELECT \"$path\" AS p, id FROM t) SELECT * FROM c WHERE id = 3",
        &["s3://lake/raw/t/d=2/b.csv|3"],
    )
    .await;
    check("SELECT * FROM t WHERE id = 1", &["1|a|2.5|1"]).await;
    check("SELECT id FROM t WHERE \"$path\" = 's3://lake/raw/t/d=2/b.csv' AND d = 1", &[]).await;
    // only the file that is asked for is read
    let one = lake.run("SELECT id FROM t WHERE \"$path\" = 's3://lake/raw/t/d=2/b.csv'").await.unwrap();
    assert_eq!(one.scanned_bytes, 33);
    assert_eq!(one.rows, 2);
    lake.run("CREATE TABLE p WITH (external_location='s3://lake/out/p') AS SELECT id, d FROM t").await.unwrap();
    let key = lake.keys("out/p/").remove(0);
    check(
        &format!("SELECT DISTINCT \"$path\", \"$file_size\" > 0 FROM p WHERE \"$path\" = 's3://lake/{key}'"),
        &[&format!("s3://lake/{key}|true")],
    )
    .await;
    check("SELECT count(*) FROM p WHERE \"$file_size\" < 0", &["0"]).await;
    let found = lake.answer("SELECT \"$path\" FROM (VALUES 1) AS v(x)").await;
    assert!(found[0].starts_with("COLUMN_NOT_FOUND"), "{found:?}");
}

/// Now is 2023-11-14 22:13:20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_projected() {
    let lake = Lake::new().await;
    for (key, value) in [
        ("eu/2023/11/14/07", 1),
        ("eu/2023/11/13/23", 2),
        ("us/2023/11/14/00", 3),
        ("us/2022/11/14/00", 4),
        ("ap/2023/11/14/00", 5),
    ] {
        lake.put(&format!("logs/{key}/a.csv"), format!("{value}\n")).await;
    }
    let table = async |name: &str, columns: &str, location: &str, properties: &str| {
        let properties = format!("'projection.enabled'='true', {properties}");
        let ddl = format!(
            "CREATE EXTERNAL TABLE {name} (v int) PARTITIONED BY ({columns}) LOCATION '{location}' TBLPROPERTIES ({properties})"
        );
        assert_eq!(lake.answer(&ddl).await, Vec::<String>::new());
    };
    let check = async |text: &str, expected: &[&str]| assert_eq!(lake.answer(text).await, expected, "{text}");
    let template = "'storage.location.template'='s3://lake/logs/${region}/${day}/${hour}'";
    let day =
        "'projection.day.type'='date', 'projection.day.format'='yyyy/MM/dd', 'projection.day.range'='NOW-1MONTHS,NOW'";
    let hour = "'projection.hour.type'='integer', 'projection.hour.range'='0,23', 'projection.hour.digits'='2'";
    table(
        "logs",
        "region string, day string, hour int",
        "s3://lake/logs/",
        &format!("'projection.region.type'='enum', 'projection.region.values'='eu, us', {day}, {hour}, {template}"),
    )
    .await;
    check(
        "SELECT v, region, day, hour FROM logs ORDER BY v",
        &["1|eu|2023/11/14|7", "2|eu|2023/11/13|23", "3|us|2023/11/14|0"],
    )
    .await;
    check("SELECT v FROM logs WHERE day >= '2023/11/14' AND hour < 7", &["3"]).await;
    check("SELECT v FROM logs WHERE region = 'us' OR hour = 23 ORDER BY v", &["2", "3"]).await;
    check("SELECT v, \"$path\" FROM logs WHERE hour = 7", &["1|s3://lake/logs/eu/2023/11/14/07/a.csv"]).await;
    // the places that the query does not ask for are not listed
    let caller = lake.caller_refused(|requirement| {
        requirement.action == "s3:ListBucket" && !format!("{requirement:?}").contains("logs/us/2023/11/14/00")
    });
    let one = "SELECT v FROM logs WHERE region = 'us' AND day = '2023/11/14' AND hour = 0";
    assert_eq!(lake.run_as(&caller, one).await.unwrap().rows, 1);

    table(
        "asked",
        "region string, day string, hour string",
        "s3://lake/logs/",
        &format!("'projection.region.type'='injected', {day}, {hour}, {template}"),
    )
    .await;
    check("SELECT v FROM asked WHERE region = 'ap'", &["5"]).await;
    check(
        "SELECT v, hour FROM asked WHERE region IN ('ap', 'eu', 'no', 'us', 'x') AND hour = '00' ORDER BY v",
        &["3|00", "5|00"],
    )
    .await;
    let found = lake.answer("SELECT v FROM asked WHERE hour = '00'").await;
    assert!(
        found[0].starts_with("CONSTRAINT_VIOLATION: For the injected projected partition column region"),
        "{found:?}"
    );

    // without a template the folders are Hive's; dates step as told
    for (key, value) in [("day=2023-01-01", 1), ("day=2023-01-08", 2), ("day=2023-01-09", 3)] {
        lake.put(&format!("weeks/{key}/a.csv"), format!("{value}\n")).await;
    }
    table(
        "weeks",
        "day date",
        "s3://lake/weeks",
        "'projection.day.type'='date', 'projection.day.format'='yyyy-MM-dd', 'projection.day.range'='2023-01-01,NOW', 'projection.day.interval'='1', 'projection.day.interval.unit'='WEEKS'",
    )
    .await;
    check("SELECT v, day FROM weeks WHERE day < DATE '2023-02-01' ORDER BY v", &["1|2023-01-01", "2|2023-01-08"]).await;

    for (name, properties, reason) in [
        ("a", "'projection.d.type'='enum'", "an enum needs `values`"),
        ("b", "'x'='y'", "missing projection configuration: [d]"),
        ("c", "'projection.d.type'='integer', 'projection.d.range'='5,1'", "ends before it begins"),
        (
            "e",
            "'projection.d.type'='date', 'projection.d.format'='yyyy', 'projection.d.range'='2020,2021'",
            "interval.unit",
        ),
        ("f", "'projection.d.type'='mystery'", "not enum, integer, date or injected"),
        ("g", "'projection.d.type'='injected', 'storage.location.template'='s3://lake/x/'", "does not name it"),
    ] {
        table(name, "d string", "s3://lake/none/", properties).await;
        let found = lake.answer(&format!("SELECT * FROM {name} WHERE d = 'x'")).await;
        assert!(
            found[0].starts_with("INVALID_TABLE_PROPERTY: ") && found[0].contains(reason),
            "{properties}: {found:?}"
        );
    }
}
