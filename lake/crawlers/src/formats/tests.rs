//! Files as they are met, and files as they are broken.

use std::io::Write;

use proptest::prelude::*;

use super::*;

const SAMPLE: usize = 1 << 20;

fn described(bytes: &[u8], complete: bool) -> String {
    match classify(bytes, complete, SAMPLE) {
        Err(error) => format!("error: {error}"),
        Ok(schema) => {
            let columns: Vec<String> = schema
                .columns
                .iter()
                .map(|column| format!("{}:{}", column.name, column.inferred.hive_type()))
                .collect();
            let format = match schema.format {
                Format::Csv { delimiter, header, quoted } => {
                    format!(
                        "csv {:?}{}{}",
                        delimiter,
                        if header { " header" } else { "" },
                        if quoted { " quoted" } else { "" }
                    )
                }
                Format::Json => "json".to_owned(),
                Format::JsonArray => "array".to_owned(),
                Format::Parquet => "parquet".to_owned(),
            };
            let warning = schema.warning.map(|warning| format!(" !{warning}")).unwrap_or_default();
            format!("{format} {} [{}] {}{warning}", schema.compression.name(), columns.join(" "), schema.records)
        }
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(described(text.as_bytes(), true), expected, "{text:?}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

#[test]
fn csv_is_told_apart() {
    check("year,dep,carrier\n2013,NA,UA\n2013,5,AA\n", "csv ',' header none [year:bigint dep:string carrier:string] 2");
    check("a|b\n1.5|true\n-2e3|FALSE\n", "csv '|' header none [a:double b:boolean] 2");
    check("1\tx\n2\ty\n", "csv '\\t' none [col0:bigint col1:string] 2");
    check("1;2,5;x\n3;4,5;y\n", "csv ';' none [col0:bigint col1:string col2:string] 2");
    check("1\u{1}x\n", "csv '\\u{1}' none [col0:bigint col1:string] 1");
    check("carrier,name\n9E,Endeavor Air Inc.\nAA,American\n", "csv ',' header none [carrier:string name:string] 2");
    check("red,green\nblue,black\n", "csv ',' none [col0:string col1:string] 2");
    check("Id,Name\n1,\"a,b\"\n2,\"c\nd\"\n", "csv ',' header quoted none [id:bigint name:string] 2");
    check("id,big\n1,99999999999999999999\n", "csv ',' header none [id:bigint big:string] 1");
    check("id,empty\n1,\n2,\n", "csv ',' header none [id:bigint empty:string] 2");
    check("id,a,a\n1,2,3\n", "csv ',' none [col0:string col1:string col2:string] 2");
    check(
        "only\none\ncolumn\n",
        "error: the text is neither JSON nor has it two columns or more, separated by a comma, a semicolon, a pipe, a tab or 0x01",
    );
    check(" \n", "error: there is no data in it");
}

#[test]
fn ragged_rows_are_named() {
    let mut text = String::from("id,name\n");
    for n in 0..30 {
        text.push_str(&format!("{n},x\n"));
    }
    text.push_str("7\n");
    check(
        &text,
        "csv ',' header none [id:bigint name:string] 31 !rows are ragged: line 32 has 1 fields, and 2 were expected; 1 of 32 rows differ",
    );
    check(
        "id,name\n1,x\n2,x,3\n4\n",
        "error: rows are ragged: line 3 has 3 fields, and 2 were expected; 2 of 4 rows differ",
    );
}

#[test]
fn json_is_told_apart() {
    check(
        "{\"A\":1,\"b\":{\"c\":[1,2.5]}}\n{\"a\":3000000000,\"d\":null}\n",
        "json none [a:bigint b:struct<c:array<double>> d:string] 2",
    );
    check("{\n \"a\": true\n}\n{\"a\": \"x\"}", "json none [a:string] 2");
    check("[{\"a\":1},\n{\"b\":\"x\"}]", "array none [array:array<struct<a:int,b:string>>] 2");
    check(
        "{\"a\":1}\n{\"a\":\n{\"a\":2}\n",
        "json none [a:int] 2 !line 2 is not JSON: EOF while parsing a value at line 1 column 5; 1 of 3 lines are broken",
    );
    check("{a:1}\n", "error: line 1 is not JSON: key must be a string at line 1 column 2");
    check("[{\"a\":1},{", "error: line 1 is not JSON: EOF while parsing an object at line 1 column 1");
    assert_eq!(described(b"{\"a\":1}\n{\"a\":2.5,\"b", false), "json none [a:int] 1");
    assert_eq!(described(b"[{\"a\":1},{", false), "array none [array:array<struct<a:int>>] 1");
}

#[test]
fn compressed_files_are_read_and_broken_ones_named() {
    let text = b"id,name\n1,x\n2,y\n".repeat(50);
    let plain = described(&text, true).replace(" none ", " gzip ");
    let packed = gzip(&text);
    assert_eq!(described(&packed, true), plain);
    assert_eq!(described(&zstd::encode_all(&text[..], 1).unwrap_or_default(), true), plain.replace("gzip", "zstd"));
    let cut = &packed[..packed.len() - 9];
    assert!(
        described(cut, true).starts_with("error: the gzip data is broken or ends too soon"),
        "{}",
        described(cut, true)
    );
    assert!(described(cut, false).starts_with("csv"));
    assert!(described(b"BZh91AY", true).contains("bzip2 compression is not supported"));
    assert!(described(&[0xff, 0xfe, 0x00], true).contains("byte 0 is not"));
}

#[test]
fn a_broken_parquet_footer_is_named() {
    let size = |tail: &[u8], file| parquet::metadata_size_bytes(tail, file).map_err(|error| error.to_string());
    assert_eq!(size(&[100, 0, 0, 0, b'P', b'A', b'R', b'1'], 200), Ok(100));
    assert!(
        size(&[100, 0, 0, 0, b'P', b'A', b'R', b'1'], 50)
            .is_err_and(|text| text.contains("100 bytes, in a file of 50"))
    );
    assert!(
        size(&[100, 0, 0, 0, b'P', b'A', b'R', b'2'], 200).is_err_and(|text| text.contains("does not end in PAR1"))
    );
    assert!(parquet::classify(&[1, 2, 3], 100).is_err());
    // one column, and two thousand million row groups
    let claims =
        b"\x15\x02\x19\x2c\x48\x01r\x15\x02\x00\x15\x02\x25\x00\x18\x01x\x00\x16\x00\x19\xfc\xff\xff\xff\xff\x07";
    let found = parquet::classify(claims, 100).map_err(|error| error.to_string());
    assert!(
        found.as_ref().is_err_and(|text| text.contains("FileMetaData.row_groups is told to have 2147483647 elements")),
        "{found:?}"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}:,\"a1\\n ]{0,60}", complete: bool) {
        let _ = classify(&bytes, complete, SAMPLE);
        let _ = classify(text.as_bytes(), complete, SAMPLE);
        let _ = classify(&gzip(&bytes), complete, 64);
        let _ = parquet::classify(&bytes, bytes.len() as u64);
    }
}
