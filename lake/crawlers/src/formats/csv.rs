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
/// The most rows looked at.
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
    /// How many bytes the rows take.
    size_bytes: u64,
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
    let warning = ragged(&rows)?;
    Ok(schema_of(text, &rows, warning))
}

fn rows_of(text: &str, delimiter: char, complete: bool) -> Rows {
    let mut reader = ReaderBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    let mut size_bytes = 0;
    let mut record = StringRecord::new();
    while records.len() <= ROWS_MAX {
        match reader.read_record(&mut record) {
            Ok(true) => {
                // The last row of a sample may be cut.
                if reader.is_done() && !complete {
                    break;
                }
                size_bytes = reader.position().byte();
                records.push(record.clone());
            }
            Ok(false) | Err(_) => break,
        }
        if reader.position().byte() >= text.len() as u64 && !complete {
            records.pop();
            break;
        }
    }
    let mut counts = std::collections::BTreeMap::new();
    for record in &records {
        *counts.entry(record.len()).or_insert(0usize) += 1;
    }
    let (fields, most) =
        counts.iter().max_by_key(|(_, count)| **count).map_or((0, 0), |(fields, count)| (*fields, *count));
    Rows { delimiter, ragged: records.len() - most, records, fields, size_bytes }
}

fn ragged(rows: &Rows) -> Result<Option<String>, FormatError> {
    let Some(first) = rows.records.iter().find(|record| record.len() != rows.fields) else {
        return Ok(None);
    };
    let error = FormatError::Ragged {
        line: first.position().map_or(0, ::csv::Position::line),
        found: first.len(),
        expected: rows.fields,
        ragged: rows.ragged,
        rows: rows.records.len(),
    };
    if rows.ragged * 100 > rows.records.len() * RAGGED_PERCENT_MAX {
        return Err(error);
    }
    Ok(Some(error.to_string()))
}

fn schema_of(text: &str, rows: &Rows, warning: Option<String>) -> FileSchema {
    let first = rows.records.first().cloned().unwrap_or_default();
    let rest = rows.records.get(1..).unwrap_or_default();
    let mut below: Vec<Inferred> = vec![Inferred::Null; rows.fields];
    for record in rest {
        for (column, value) in below.iter_mut().zip(record.iter()) {
            *column = std::mem::replace(column, Inferred::Null).merge(of_text(value));
        }
    }
    let header = is_header(&first, rest, &below);
    let columns = (0..rows.fields).map(|position| {
        let value = first.get(position).unwrap_or_default();
        let inferred = below.get(position).cloned().unwrap_or(Inferred::Null);
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
        records: (rows.records.len() - usize::from(header)) as u64,
        records_size_bytes: rows.size_bytes,
        complete: false,
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
