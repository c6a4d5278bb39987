//! Selections from one object: what S3 Select's reference documents, record by record.

use futures::StreamExt;
use tarn_objects::select::{
    Compression, CsvFormat, Header, InputFormat, OutputFormat, ScanRange, SelectError, SelectErrorName, SelectRequest,
    SelectUsage, Selected, Selector,
};
use tarn_objects::{BucketName, ObjectKey};
use tarn_query::ObjectSelector;

use crate::lake::{Lake, proof};

fn csv_out() -> OutputFormat {
    OutputFormat::Csv {
        field_delimiter: ",".into(),
        record_delimiter: "\n".into(),
        quote: '"',
        escape: '"',
        always_quote: false,
    }
}

fn json_out() -> OutputFormat {
    OutputFormat::Json { record_delimiter: "\n".into() }
}

fn request(expression: &str, input: InputFormat, output: OutputFormat) -> SelectRequest {
    SelectRequest { expression: expression.into(), input, compression: Compression::None, output, range: None }
}

/// The whole result.
async fn run(lake: &Lake, key: &str, request: SelectRequest) -> Result<(String, SelectUsage), SelectError> {
    let (bucket, key) = (BucketName::new("lake").unwrap(), ObjectKey::new(key).unwrap());
    let version = lake.objects.head_object(&proof(), &bucket, &key).unwrap();
    let selector = ObjectSelector::new(lake.objects.as_ref().clone(), lake.runtime.clone());
    let mut stream = selector.select(&proof(), &version, request)?;
    let (mut text, mut end) = (Vec::new(), None);
    while let Some(selected) = stream.next().await {
        match selected? {
            Selected::Records(bytes, _) => text.extend_from_slice(&bytes),
            Selected::End(usage) => end = Some(usage),
        }
    }
    let text = String::from_utf8(text).unwrap();
    let usage = end.expect("a stream that ends says so");
    assert_eq!(usage.returned_bytes, text.len() as u64);
    Ok((text, usage))
}

const PEOPLE: &str = "id,Name,age,since\n1,Ada,36,2007-02-23T12:14:33.079Z\n2,\"Bob, \"\"B\"\"\",41,2010-01-01T\n3,Cy,,2020-05-05T10:00Z\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_is_selected_from() {
    let lake = Lake::new().await;
    lake.put("people.csv", PEOPLE).await;
    let format = CsvFormat::default();
    let check = async |header: Header, expression: &str, expected: &str| {
        let request = request(expression, InputFormat::Csv(format.clone(), header), csv_out());
        let found = run(&lake, "people.csv", request).await.map(|(text, _)| text);
        assert_eq!(found.as_deref().map_err(|error| error.name), Ok(expected), "{expression}");
    };
    check(Header::None, "SELECT * FROM s3object LIMIT 1", "id,Name,age,since\n").await;
    check(Header::Ignore, "SELECT s._1, s._2 FROM s3object s", "1,Ada\n2,\"Bob, \"\"B\"\"\"\n3,Cy\n").await;
    check(
        Header::Use,
        "select s.name from S3Object as s where s.age <> '' and cast(s.age as int) > 40",
        "\"Bob, \"\"B\"\"\"\n",
    )
    .await;
    check(Header::Use, "SELECT s.\"Name\" FROM s3object s WHERE s.age = ''", "Cy\n").await;
    check(Header::Use, "SELECT s.id FROM s3object s WHERE s.age > 36", "2\n").await;
    check(
        Header::Use,
        "SELECT count(*), sum(cast(id as int)), min(name), max(age), avg(id) FROM s3object",
        "3,6,Ada,41,2\n",
    )
    .await;
    check(Header::Use, "SELECT count(*) + 1 AS n FROM s3object WHERE id = 'none'", "1\n").await;
    check(Header::Use, "SELECT sum(id) FROM s3object WHERE false", "\n").await;
    check(Header::Use, "SELECT id FROM s3object WHERE name LIKE '_d%' OR name LIKE '%!\"%' ESCAPE '!'", "1\n2\n").await;
    check(Header::Use, "SELECT id FROM s3object WHERE id IN ('1', 3) AND NOT id BETWEEN 3 AND 4", "1\n").await;
    check(Header::Use, "SELECT id FROM s3object WHERE s3object.id IS NOT NULL AND _9 IS MISSING LIMIT 1", "1\n").await;
    check(
        Header::Use,
        "SELECT upper(name) || '-' || lower(name), char_length(name) FROM s3object LIMIT 1",
        "ADA-ada,3\n",
    )
    .await;
    check(
        Header::Use,
        "SELECT substring(name, 2), substring(name FROM 1 FOR 2), substring(name, 0, 2) FROM s3object LIMIT 1",
        "da,Ad,A\n",
    )
    .await;
    check(
        Header::Use,
        "SELECT trim('  x '), trim(LEADING 'x' FROM 'xxyx'), trim(TRAILING FROM 'a  ') FROM s3object LIMIT 1",
        "x,yx,a\n",
    )
    .await;
    check(
        Header::Use,
        "SELECT CASE id WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END FROM s3object",
        "one\ntwo\nmany\n",
    )
    .await;
    check(
        Header::Use,
        "SELECT coalesce(NULL, id), nullif(id, 2), (1 + 2) * 3 - 4 % 3, 7 / 2, 7.0 / 2, -id FROM s3object LIMIT 2",
        "1,1,8,3,3.5,-1\n2,,8,3,3.5,-2\n",
    )
    .await;
    check(Header::Use, "SELECT extract(year FROM to_timestamp(since)), to_string(cast(since AS timestamp), 'dd.MM.yyyy HH:mm') FROM s3object LIMIT 1", "2007,23.02.2007 12:14\n")
        .await;
    check(Header::Use, "SELECT date_add(month, 1, to_timestamp('2020-01-31T')), date_diff(day, to_timestamp('2020-01-01T'), to_timestamp('2020-03-01T')), date_diff(year, to_timestamp('2019-03-01T'), to_timestamp('2020-02-01T')), utcnow() FROM s3object LIMIT 1", "2020-02-29T00:00:00Z,60,0,2023-11-14T22:13:20Z\n")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_is_cut_as_told() {
    let lake = Lake::new().await;
    let check = async |format: CsvFormat, bytes: &str, expected: &str| {
        lake.put("cut.csv", bytes.to_owned()).await;
        let request = request("SELECT * FROM s3object", InputFormat::Csv(format, Header::None), json_out());
        let (found, usage) = run(&lake, "cut.csv", request).await.unwrap();
        assert_eq!(found, expected, "{bytes:?}");
        assert_eq!(usage.scanned_bytes, bytes.len() as u64);
    };
    let plain = CsvFormat::default;
    check(plain(), "a,b\r\nc\n\n", "{\"_1\":\"a\",\"_2\":\"b\"}\n{\"_1\":\"c\"}\n").await;
    check(plain(), "#x\na,\"b\"\"c,\",\n", "{\"_1\":\"a\",\"_2\":\"b\\\"c,\",\"_3\":\"\"}\n").await;
    let quoted = CsvFormat { quoted_record_delimiter: true, ..plain() };
    check(quoted, "\"a\nb\",c\nd", "{\"_1\":\"a\\nb\",\"_2\":\"c\"}\n{\"_1\":\"d\"}\n").await;
    let other = CsvFormat {
        field_delimiter: "||".into(),
        record_delimiter: ";;".into(),
        quote: Some('\''),
        escape: Some('\\'),
        comment: None,
        ..plain()
    };
    check(other, "a||'b||c'||d\\'e;;#f;;", "{\"_1\":\"a\",\"_2\":\"b||c\",\"_3\":\"d'e\"}\n{\"_1\":\"#f\"}\n").await;
    // records over many pieces of the object
    let many: String = (0..200_000).map(|at| format!("{at},\"x {at}\"\n")).collect();
    lake.put("many.csv", many.clone()).await;
    let count = "SELECT count(*), sum(cast(_1 AS int)), max(char_length(_2)) FROM s3object";
    let (found, _) =
        run(&lake, "many.csv", request(count, InputFormat::Csv(plain(), Header::None), csv_out())).await.unwrap();
    assert_eq!(found, "200000,19999900000,8\n");
    let all = request("SELECT _1, _2 FROM s3object", InputFormat::Csv(plain(), Header::None), csv_out());
    assert_eq!(run(&lake, "many.csv", all).await.unwrap().0, many.replace('"', ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_together_are_the_whole() {
    let lake = Lake::new().await;
    let lines: String = (0..50).map(|at| format!("{at},{}\n", "x".repeat(at % 7))).collect();
    lake.put("r.csv", lines.clone()).await;
    let size = lines.len() as u64;
    for step in [1, 3, 10, 64, size] {
        let mut all = String::new();
        let mut start = 0;
        while start < size {
            let mut part =
                request("SELECT * FROM s3object", InputFormat::Csv(CsvFormat::default(), Header::None), csv_out());
            part.range = Some(ScanRange { start: Some(start), end: Some((start + step - 1).min(size - 1)) });
            all.push_str(&run(&lake, "r.csv", part).await.unwrap().0);
            start += step;
        }
        assert_eq!(all, lines, "in steps of {step}");
    }
    let mut last = request("SELECT _1 FROM s3object", InputFormat::Csv(CsvFormat::default(), Header::None), csv_out());
    last.range = Some(ScanRange { start: None, end: Some(4) });
    assert_eq!(run(&lake, "r.csv", last).await.unwrap().0, "49\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_selected_from() {
    let lake = Lake::new().await;
    lake.put(
        "l.json",
        "{\"a\": {\"b\": [1, 2.5]}, \"Name\": \"x\", \"n\": null}\n{\"a\": {\"b\": []}, \"t\": true}\n\n",
    )
    .await;
    lake.put("d.json", "{\n \"root\": [{\"c1\": 1, \"c2\": \"a\"},\n {\"c1\": 2, \"c2\": \"b\"}], \"v\": 7\n}").await;
    let check = async |key: &str, input: InputFormat, expression: &str, expected: &str| {
        let found = run(&lake, key, request(expression, input, json_out())).await.map(|(text, _)| text);
        assert_eq!(found.as_deref().map_err(|error| error.clone()), Ok(expected), "{expression}");
    };
    let lines = InputFormat::JsonLines;
    check(
        "l.json",
        lines.clone(),
        "SELECT * FROM s3object[*] s LIMIT 1",
        "{\"a\":{\"b\":[1,2.5]},\"Name\":\"x\",\"n\":null}\n",
    )
    .await;
    check(
        "l.json",
        lines.clone(),
        "SELECT s.a.b[1], s.name, s.n, s.z FROM s3object s",
        "{\"_1\":2.5,\"name\":\"x\",\"n\":null}\n{}\n",
    )
    .await;
    check("l.json", lines.clone(), "SELECT s.t FROM s3object s WHERE s.t", "{\"t\":true}\n").await;
    check("l.json", lines.clone(), "SELECT count(*) AS c FROM s3object[*].a.b[*] s WHERE s > 1", "{\"c\":1}\n").await;
    check(
        "l.json",
        lines.clone(),
        "SELECT s.\"name\" IS MISSING AS m, s['Name'] IS MISSING AS k FROM s3object s LIMIT 1",
        "{\"m\":true,\"k\":false}\n",
    )
    .await;
    let document = InputFormat::JsonDocument;
    check(
        "d.json",
        document.clone(),
        "SELECT s.c1, s.c2 FROM s3object[*].root[*] s WHERE s.c1 > 1",
        "{\"c1\":2,\"c2\":\"b\"}\n",
    )
    .await;
    check("d.json", document.clone(), "SELECT max(s.c1) FROM s3object[*].root[*] s", "{\"_1\":2}\n").await;
    check("d.json", document, "SELECT s.v FROM s3object s", "{\"v\":7}\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_and_compressed_objects_are_selected_from() {
    let lake = Lake::new().await;
    lake.run("CREATE TABLE p WITH (external_location='s3://lake/p') AS SELECT * FROM (VALUES (1, 'a', 1.5), (2, NULL, 2.5)) AS t(id, name, x)").await.unwrap();
    let key = lake.keys("p/").remove(0);
    let parquet = request("SELECT s.id, s.name FROM s3object s WHERE s.x > 1.5", InputFormat::Parquet, json_out());
    assert_eq!(run(&lake, &key, parquet).await.unwrap().0, "{\"id\":2,\"name\":null}\n");
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(PEOPLE.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    lake.put("people.csv.gz", packed.clone()).await;
    let csv = InputFormat::Csv(CsvFormat::default(), Header::Use);
    let mut unpacked = request("SELECT count(*) FROM s3object", csv, csv_out());
    unpacked.compression = Compression::Gzip;
    let (found, usage) = run(&lake, "people.csv.gz", unpacked.clone()).await.unwrap();
    assert_eq!(found, "3\n");
    assert_eq!((usage.scanned_bytes, usage.processed_bytes), (packed.len() as u64, PEOPLE.len() as u64));
    lake.put("people.csv.gz", PEOPLE).await;
    let failed = run(&lake, "people.csv.gz", unpacked).await.unwrap_err();
    assert_eq!(failed.name, SelectErrorName::InvalidCompressionFormat);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_named() {
    use SelectErrorName as E;
    let lake = Lake::new().await;
    lake.put("people.csv", PEOPLE).await;
    let check = async |expression: &str, expected: E| {
        let input = InputFormat::Csv(CsvFormat::default(), Header::Use);
        let found = run(&lake, "people.csv", request(expression, input, csv_out())).await;
        assert_eq!(found.map_err(|error| error.name), Err(expected), "{expression}");
    };
    check("SELECT 1", E::ParseSelectMissingFrom).await;
    check("SELECT * FROM other", E::InvalidTableAlias).await;
    check("SELECT * FROM s3object WHERE", E::ParseUnexpectedToken).await;
    check("SELECT * FROM s3object ORDER BY id", E::ParseUnexpectedToken).await;
    check("DELETE FROM s3object", E::ParseUnexpectedToken).await;
    check("SELECT 'x FROM s3object", E::LexerInvalidChar).await;
    check("SELECT sqrt(id) FROM s3object", E::UnsupportedFunction).await;
    check("SELECT nope FROM s3object", E::MissingHeaders).await;
    check("SELECT cast(name AS int) FROM s3object", E::CastFailed).await;
    check("SELECT name + 1 FROM s3object", E::InvalidDataType).await;
    check("SELECT 9223372036854775807 + id FROM s3object", E::IntegerOverflow).await;
    check("SELECT 1 / 0 FROM s3object", E::EvaluatorDivisionByZero).await;
    check("SELECT id, count(*) FROM s3object", E::UnsupportedSqlStructure).await;
    check("SELECT id FROM s3object WHERE count(*) > 1", E::UnsupportedSqlStructure).await;
    check(&format!("SELECT {}1{} FROM s3object", "(".repeat(500), ")".repeat(500)), E::UnsupportedSqlStructure).await;
    check(&format!("SELECT '{}' FROM s3object", "x".repeat(300_000)), E::ExpressionTooLong).await;
    lake.put("bad.json", "{\"a\":1}\n{\"a\" 2}\n").await;
    let json = run(&lake, "bad.json", request("SELECT * FROM s3object", InputFormat::JsonLines, csv_out())).await;
    assert_eq!(json.map_err(|error| error.name), Err(E::JSONParsingError));
    lake.put("claims.parquet", crate::files::CLAIMS).await;
    let claims = run(&lake, "claims.parquet", request("SELECT * FROM s3object", InputFormat::Parquet, csv_out())).await;
    let claims = claims.unwrap_err();
    assert_eq!(claims.name, E::ParquetParsingError);
    assert!(claims.message.contains("row_groups is told to have 2147483647 elements"), "{}", claims.message);
    lake.put("large.parquet", crate::files::large_rows()).await;
    let large = run(&lake, "large.parquet", request("SELECT * FROM s3object", InputFormat::Parquet, csv_out())).await;
    assert_eq!(large.map_err(|error| error.name), Err(E::ParquetParsingError));
    let parquet = run(&lake, "bad.json", request("SELECT * FROM s3object", InputFormat::Parquet, csv_out())).await;
    assert_eq!(parquet.map_err(|error| error.name), Err(E::ParquetParsingError));
}
