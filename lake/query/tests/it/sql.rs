//! Runs the files in `tests/sql`: `statement` and `query` records in the notation of sqllogictest, with `error` for refusals.

use crate::lake::Lake;

/// One record: what kind, its text, the lines expected.
struct Record {
    kind: String,
    text: String,
    expected: Vec<String>,
    line: usize,
}

fn records(file: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let lines: Vec<&str> = file.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let kind = lines[at].trim();
        if kind.is_empty() || kind.starts_with('#') {
            at += 1;
            continue;
        }
        let line = at + 1;
        at += 1;
        let mut text = Vec::new();
        while at < lines.len() && lines[at] != "----" && !lines[at].is_empty() {
            text.push(lines[at]);
            at += 1;
        }
        let mut expected = Vec::new();
        if at < lines.len() && lines[at] == "----" {
            at += 1;
            while at < lines.len() && !lines[at].is_empty() {
                expected.push(lines[at].to_owned());
                at += 1;
            }
        }
        records.push(Record { kind: kind.to_owned(), text: text.join("\n"), expected, line });
    }
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut wrong = Vec::new();
    for path in paths {
        let lake = Lake::new().await;
        for record in records(&std::fs::read_to_string(&path).unwrap()) {
            let place = format!("{}:{}", path.file_name().unwrap().to_string_lossy(), record.line);
            let found = lake.answer(&record.text).await;
            let holds = match record.kind.as_str() {
                "query" | "statement" => found == record.expected,
                "query sorted" => {
                    let (mut found, mut expected) = (found.clone(), record.expected.clone());
                    found.sort();
                    expected.sort();
                    found == expected
                }
                "error" => {
                    found.len() == 1
                        && record.expected.first().is_some_and(|start| found[0].starts_with(start.as_str()))
                }
                other => panic!("{place}: no such record: {other}"),
            };
            if !holds {
                wrong.push(format!("{place}: {}\n  expected {:?}\n  found    {found:?}", record.text, record.expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
