//! What commands find, written to standard output: as a table, as JSON lines, or as CSV. Knows no command.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::CliError;

/// Most rows that a table holds: its columns are as wide as their widest cell, so it is kept until its end.
const TABLE_ROWS_COUNT_MAX: usize = 10_000;

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON object a line.
    #[value(alias = "ndjson", alias = "jsonl")]
    Json,
    /// Comma-separated, with a header.
    Csv,
}

/// How it is told what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Telling {
    /// For people.
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON object a line.
    #[value(alias = "ndjson", alias = "jsonl")]
    Json,
}

/// How a column's values stand in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// A number without fraction.
    Integer,
    /// A number, if it is finite.
    Float,
    /// true or false.
    Boolean,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// How it stands in JSON.
    pub(crate) kind: Kind,
}

/// The stream that data goes to.
pub(crate) struct Out(Box<dyn Write + Send>);

impl Out {
    pub(crate) fn stdout() -> Self {
        Self(Box::new(io::BufWriter::with_capacity(64 * 1024, io::stdout())))
    }

    #[cfg(test)]
    pub(crate) fn over(write: impl Write + Send + 'static) -> Self {
        Self(Box::new(write))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.0.write_all(bytes).map_err(|source| CliError::Output { source })
    }

    pub(crate) fn line(&mut self, line: &str) -> Result<(), CliError> {
        self.bytes(line.as_bytes())?;
        self.bytes(b"\n")
    }

    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        self.0.flush().map_err(|source| CliError::Output { source })
    }
}

/// Whether a person watches.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Text for a terminal or log: control characters, as an attacker may put into a key, are shown and not obeyed.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() && c != '\t' { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

/// Writes rows in one of the formats.
pub(crate) struct Rows<'o> {
    out: &'o mut Out,
    format: Format,
    columns: Vec<Column>,
    kept: Vec<Vec<Option<String>>>,
    passed_over: u64,
    count: u64,
}

fn json_value(kind: Kind, text: &str) -> Value {
    let parsed = match kind {
        Kind::Text => None,
        Kind::Integer => text.parse::<i64>().ok().map(Value::from),
        Kind::Float => {
            text.parse::<f64>().ok().and_then(|number| serde_json::Number::from_f64(number).map(Value::Number))
        }
        Kind::Boolean => text.parse::<bool>().ok().map(Value::Bool),
    };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

pub(crate) fn csv_cell(text: Option<&str>) -> String {
    match text {
        // NULL is nothing at all; an empty text is a pair of quotes, as Athena writes it.
        None => String::new(),
        Some(text) if text.is_empty() || text.contains(['"', ',', '\n', '\r']) || text.trim() != text => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.to_owned(),
    }
}

impl<'o> Rows<'o> {
    pub(crate) fn new(out: &'o mut Out, format: Format, columns: Vec<Column>) -> Result<Self, CliError> {
        if format == Format::Csv {
            let header: Vec<String> = columns.iter().map(|column| csv_cell(Some(&column.name))).collect();
            out.line(&header.join(","))?;
        }
        Ok(Self { out, format, columns, kept: Vec::new(), passed_over: 0, count: 0 })
    }

    pub(crate) fn push(&mut self, row: Vec<Option<String>>) -> Result<(), CliError> {
        self.count += 1;
        match self.format {
            Format::Table if self.kept.len() < TABLE_ROWS_COUNT_MAX => {
                self.kept.push(row);
                Ok(())
            }
            Format::Table => {
                self.passed_over += 1;
                Ok(())
            }
            Format::Json => {
                let mut object = Map::new();
                for (at, column) in self.columns.iter().enumerate() {
                    let value = row.get(at).and_then(Option::as_deref);
                    // Two columns may have one name; none of them may be lost.
                    let mut name = column.name.clone();
                    while object.contains_key(&name) {
                        name.push('_');
                    }
                    object.insert(name, value.map_or(Value::Null, |text| json_value(column.kind, text)));
                }
                self.out.line(&Value::Object(object).to_string())
            }
            Format::Csv => {
                let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell.as_deref())).collect();
                self.out.line(&cells.join(","))
            }
        }
    }

    /// Writes a row that is an object already, as a line of JSON.
    pub(crate) fn whole(&mut self, object: &Value) -> Result<(), CliError> {
        self.count += 1;
        self.out.line(&object.to_string())
    }

    /// Writes what is still to be written; returns how many rows there were.
    pub(crate) fn finish(self) -> Result<u64, CliError> {
        if self.format == Format::Table && !self.columns.is_empty() {
            let mut table = comfy_table::Table::new();
            table.load_preset(comfy_table::presets::UTF8_BORDERS_ONLY);
            table.set_header(self.columns.iter().map(|column| shown(&column.name)));
            for row in &self.kept {
                table.add_row(row.iter().map(|cell| cell.as_deref().map_or_else(|| "NULL".to_owned(), shown)));
            }
            for (at, column) in self.columns.iter().enumerate() {
                if let (Kind::Integer | Kind::Float, Some(shaped)) = (column.kind, table.column_mut(at)) {
                    shaped.set_cell_alignment(comfy_table::CellAlignment::Right);
                }
            }
            self.out.line(&table.to_string())?;
        }
        if self.passed_over > 0 {
            eprintln!(
                "tarn: the table shows the first {TABLE_ROWS_COUNT_MAX} of {} rows; --output json or csv writes all",
                self.count
            );
        }
        Ok(self.count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn rows_are_written_in_each_format() {
        let check = |format: Format, expected: &[&str]| {
            let kept = Kept::default();
            let mut out = Out::over(kept.clone());
            let column = |name: &str, kind| Column { name: name.to_owned(), kind };
            let columns = vec![column("t", Kind::Text), column("n", Kind::Integer), column("n", Kind::Float)];
            let mut rows = Rows::new(&mut out, format, columns).expect("written");
            let cell = |text: &str| Some(text.to_owned());
            rows.push(vec![cell("a,\"b"), cell("1"), cell("NaN")]).expect("written");
            rows.push(vec![cell(""), None, cell("2.5")]).expect("written");
            assert_eq!(rows.finish().expect("written"), 2);
            let text = String::from_utf8(kept.0.lock().expect("not poisoned").clone()).expect("text");
            for line in expected {
                assert!(text.contains(line), "{line} in {text}");
            }
        };
        check(Format::Csv, &["t,n,n\n\"a,\"\"b\",1,NaN\n\"\",,2.5\n"]);
        check(Format::Json, &["{\"t\":\"a,\\\"b\",\"n\":1,\"n_\":\"NaN\"}\n", "{\"t\":\"\",\"n\":null,\"n_\":2.5}\n"]);
        check(Format::Table, &["a,\"b", "NULL", "2.5"]);
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(shown("a\x1b[2Jb\né"), "a\\u{1b}[2Jb\\né");
    }
}
