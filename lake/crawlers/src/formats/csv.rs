//! Text with a delimiter: which one, whether there is a header, and the columns. Rules after Glue's built-in classifier:
//! <https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html#classifier-builtin-csv>
//!
//! One rule is our own. Glue takes no header where all columns are text, and names them `col0`, `col1`; here the first row is
//! one if it consists of identifiers and some column has no identifier below it (`carrier,name` over `9E,Endeavor Air Inc.`).

use ::csv::{ReaderBuilder, StringRecord};
use tarn_catalog::HiveType;

use super::types::{Inferred, of_text};
use super::{Compression, FileSchema, Format, FormatError, FoundColumn};

/// Delimiters in the order in which they are preferred.
const DELIMITERS: [char; 5] = [',', '\t', '|', ';', '\u{1}'];
/// The most rows by which the delimiter and the header are told. Types come from all of the sample.
const ROWS_MAX: usize = 1_000;
/// The most rows (of 100) that may differ from the others in their number of fields.
const RAGGED_PERCENT_MAX: usize = 10;
/// The most columns.
const COLUMNS_MAX: usize = 10_000;
/// The longest name in a header, characters.
const HEADER_CHARACTERS_MAX: usize = 150;

struct Rows {
    delimiter: char,
    records: Vec<StringRecord>,
    /// How many fields most rows have.
    fields: usize,
    /// How many rows have another number.
    ragged: usize,
}

/// What all rows of a sample are.
struct Body {
    columns: Vec<Inferred>,
    rows: usize,
    size_bytes: u64,
    ragged: usize,
    /// The first row of another length: line and fields.
    first_ragged: Option<(u64, usize)>,
}

pub(super) fn classify(text: &str, complete: bool, sample_bytes_max: usize) -> Result<FileSchema, FormatError> {
    let mut best: Option<Rows> = None;
    for delimiter in DELIMITERS {
        if !text.contains(delimiter) {
            continue;
        }
        let rows = rows_of(text, delimiter, complete);
        let better = best.as_ref().is_none_or(|best| {
            // More rows alike, then more fields.
            let alike = |rows: &Rows| rows.records.len() - rows.ragged;
            (alike(&rows) * best.records.len(), rows.fields) > (alike(best) * rows.records.len(), best.fields)
        });
        if rows.fields >= 2 && better {
            best = Some(rows);
        }
    }
    let Some(rows) = best else {
        let broken = !complete && !text.contains('\n');
        return Err(if broken {
            FormatError::RecordTooLong { size_bytes_max: sample_bytes_max }
        } else {
            FormatError::Unknown
        });
    };
    if rows.fields > COLUMNS_MAX {
        return Err(FormatError::TooManyFields { fields_max: COLUMNS_MAX });
    }
    let body = body_of(text, &rows, complete);
    let warning = ragged(&rows, &body)?;
    Ok(schema_of(text, &rows, body, warning))
}

/// Gives each whole row of the text, and where it ends, until `take` says no.
fn each_row(text: &str, delimiter: char, complete: bool, mut take: impl FnMut(&StringRecord, u64) -> bool) {
    let mut reader = ReaderBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    while let Ok(true) = reader.read_record(&mut record) {
        let end = reader.position().byte();
        // The last row of a sample may be cut.
        if !complete && (reader.is_done() || end >= text.len() as u64) {
            return;
        }
        if !take(&record, end) {
            return;
        }
    }
}

fn rows_of(text: &str, delimiter: char, complete: bool) -> Rows {
    let mut records = Vec::new();
    each_row(text, delimiter, complete, |record, _| {
        records.push(record.clone());
        records.len() < ROWS_MAX
    });
    let mut counts = std::collections::BTreeMap::new();
    for record in &records {
        *counts.entry(record.len()).or_insert(0usize) += 1;
    }
    let most = counts.iter().max_by_key(|(_, count)| **count);
    let (fields, most) = most.map_or((0, 0), |(fields, count)| (*fields, *count));
    Rows { delimiter, ragged: records.len() - most, records, fields }
}

/// The types of all rows but the first, which may be a header.
fn body_of(text: &str, rows: &Rows, complete: bool) -> Body {
    let mut body =
        Body { columns: vec![Inferred::Null; rows.fields], rows: 0, size_bytes: 0, ragged: 0, first_ragged: None };
    each_row(text, rows.delimiter, complete, |record, end| {
        if record.len() != rows.fields {
            body.ragged += 1;
            let line = record.position().map_or(0, ::csv::Position::line);
            body.first_ragged.get_or_insert((line, record.len()));
        }
        if body.rows > 0 {
            for (column, value) in body.columns.iter_mut().zip(record.iter()) {
                // Nothing changes a string any more.
                if *column != Inferred::Scalar(HiveType::String) {
                    *column = std::mem::replace(column, Inferred::Null).merge(of_text(value));
                }
            }
        }
        body.rows += 1;
        body.size_bytes = end;
        true
    });
    body
}

fn ragged(rows: &Rows, body: &Body) -> Result<Option<String>, FormatError> {
    let Some((line, found)) = body.first_ragged else {
        return Ok(None);
    };
    let error = FormatError::Ragged { line, found, expected: rows.fields, ragged: body.ragged, rows: body.rows };
    if body.ragged * 100 > body.rows * RAGGED_PERCENT_MAX {
        return Err(error);
    }
    Ok(Some(error.to_string()))
}

fn schema_of(text: &str, rows: &Rows, body: Body, warning: Option<String>) -> FileSchema {
    let first = rows.records.first().cloned().unwrap_or_default();
    let rest = rows.records.get(1..).unwrap_or_default();
    let header = is_header(&first, rest, &body.columns);
    let columns = body.columns.into_iter().enumerate().map(|(position, inferred)| {
        let value = first.get(position).unwrap_or_default();
        if header {
            let name = value.trim();
            let name = if name.is_empty() { format!("col{position}") } else { name.to_owned() };
            FoundColumn { name: name.to_lowercase(), name_in_file: name, inferred }
        } else {
            let name = format!("col{position}");
            FoundColumn { name: name.clone(), name_in_file: name, inferred: inferred.merge(of_text(value)) }
        }
    });
    let quoted = text.starts_with('"') || text.contains("\n\"") || text.contains(&format!("{}\"", rows.delimiter));
    FileSchema {
        format: Format::Csv { delimiter: rows.delimiter, header, quoted },
        compression: Compression::None,
        columns: columns.collect(),
        records: (body.rows - usize::from(header)) as u64,
        records_size_bytes: body.size_bytes,
        stored_size_bytes: body.size_bytes,
        complete: true,
        warning,
    }
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.trim().chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.'))
}

fn is_header(first: &StringRecord, rest: &[StringRecord], below: &[Inferred]) -> bool {
    let text = Inferred::Scalar(HiveType::String);
    let mut names = std::collections::BTreeSet::new();
    let last = first.len().saturating_sub(1);
    for (position, value) in first.iter().enumerate() {
        let name = value.trim();
        let may_be_empty = position == last;
        if name.is_empty() && may_be_empty {
            continue;
        }
        if of_text(name) != text || name.chars().count() >= HEADER_CHARACTERS_MAX || !names.insert(name.to_lowercase())
        {
            return false;
        }
    }
    if below.iter().any(|inferred| !matches!(inferred, Inferred::Null) && *inferred != text) {
        return true;
    }
    // All text: see the module's note.
    let lower_case = |text: &str| is_identifier(text) && !text.contains(' ') && text.chars().all(|c| !c.is_uppercase());
    first.iter().all(lower_case)
        && (rest.is_empty()
            || (0..first.len())
                .any(|position| rest.iter().all(|record| record.get(position).is_none_or(|value| !lower_case(value)))))
}
