//! JSON: objects one after the other (mostly one in a line), or one array of objects. Names of types as Glue gives them.

use serde_json::{Deserializer, Value};
use tarn_catalog::HiveType;

use super::types::Inferred;
use super::{Compression, FileSchema, Format, FormatError, FoundColumn};

/// The most records looked at.
const RECORDS_MAX: usize = 10_000;
/// The most columns and fields within columns.
const FIELDS_MAX: usize = 10_000;
/// The column of a file that is one array; Glue's name for it.
const ARRAY_COLUMN: &str = "array";

struct Found {
    inferred: Inferred,
    records: u64,
    size_bytes: u64,
    warning: Option<String>,
}

pub(super) fn classify(text: &str, complete: bool, sample_bytes_max: usize) -> Result<FileSchema, FormatError> {
    let array = text.trim_start().starts_with('[');
    let found = if array { array_of(text, complete)? } else { objects_of(text, complete)? };
    if found.records == 0 {
        return Err(FormatError::RecordTooLong { size_bytes_max: sample_bytes_max });
    }
    let columns = match found.inferred {
        inferred if array => vec![FoundColumn {
            name: ARRAY_COLUMN.to_owned(),
            name_in_file: ARRAY_COLUMN.to_owned(),
            inferred: Inferred::Array(Box::new(inferred)),
        }],
        Inferred::Struct(fields) => columns_of(fields),
        Inferred::Null | Inferred::Scalar(_) | Inferred::Array(_) | Inferred::Map(..) => {
            return Err(FormatError::Unknown);
        }
    };
    Ok(FileSchema {
        format: if array { Format::JsonArray } else { Format::Json },
        compression: Compression::None,
        columns,
        records: found.records,
        records_size_bytes: found.size_bytes,
        stored_size_bytes: found.size_bytes,
        complete: found.records < RECORDS_MAX as u64,
        warning: found.warning,
    })
}

/// Keys that differ only in case are one column: Hive knows no case.
fn columns_of(fields: Vec<(String, Inferred)>) -> Vec<FoundColumn> {
    let mut columns: Vec<FoundColumn> = Vec::new();
    for (name_in_file, inferred) in fields {
        let name = name_in_file.to_lowercase();
        match columns.iter_mut().find(|column| column.name == name) {
            Some(column) => column.inferred = std::mem::replace(&mut column.inferred, Inferred::Null).merge(inferred),
            None => columns.push(FoundColumn { name, name_in_file, inferred }),
        }
    }
    columns
}

/// Line by line, so that a broken one can be named; as a stream where the first object takes several lines.
fn objects_of(text: &str, complete: bool) -> Result<Found, FormatError> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let spread = serde_json::from_str::<Value>(first).is_err_and(|error| error.is_eof());
    if spread && text.trim_start().len() > first.len() {
        return stream_of(text, complete);
    }
    let mut found = Found { inferred: Inferred::Null, records: 0, size_bytes: 0, warning: None };
    let mut broken: Option<(u64, String)> = None;
    let mut broken_count = 0u64;
    let mut line_number = 0;
    let mut rest = text;
    while !rest.is_empty() && found.records < RECORDS_MAX as u64 {
        line_number += 1;
        let (line, after, ended) = match rest.split_once('\n') {
            Some((line, after)) => (line, after, true),
            None => (rest, "", false),
        };
        rest = after;
        // The last line of a sample may be cut.
        if line.trim().is_empty() || (!ended && !complete) {
            continue;
        }
        match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(object)) => {
                found.inferred = take(found.inferred, &Value::Object(object))?;
                found.records += 1;
                found.size_bytes += line.len() as u64 + 1;
            }
            Ok(_) => {
                broken_count += 1;
                broken.get_or_insert_with(|| (line_number, "it is not an object".to_owned()));
            }
            Err(error) => {
                broken_count += 1;
                broken.get_or_insert_with(|| (line_number, error.to_string()));
            }
        }
    }
    match broken {
        Some((line, reason)) if found.records == 0 => Err(FormatError::Json { line, reason }),
        Some((line, reason)) => {
            found.warning = Some(format!(
                "line {line} is not JSON: {reason}; {broken_count} of {} lines are broken",
                found.records + broken_count
            ));
            Ok(found)
        }
        None => Ok(found),
    }
}

fn stream_of(text: &str, complete: bool) -> Result<Found, FormatError> {
    let mut found = Found { inferred: Inferred::Null, records: 0, size_bytes: 0, warning: None };
    let mut stream = Deserializer::from_str(text).into_iter::<Value>();
    while let Some(next) = stream.next() {
        match next {
            Ok(value) => {
                found.inferred = take(found.inferred, &value)?;
                found.records += 1;
                found.size_bytes = stream.byte_offset() as u64;
            }
            Err(error) if error.is_eof() && !complete => break,
            Err(error) if found.records == 0 => {
                return Err(FormatError::Json { line: error.line() as u64, reason: error.to_string() });
            }
            Err(error) => {
                found.warning = Some(format!("line {} is not JSON: {error}; what follows was not read", error.line()));
                break;
            }
        }
        if found.records >= RECORDS_MAX as u64 {
            break;
        }
    }
    Ok(found)
}

fn array_of(text: &str, complete: bool) -> Result<Found, FormatError> {
    let mut found = Found { inferred: Inferred::Null, records: 0, size_bytes: 0, warning: None };
    let line_at = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() as u64 + 1);
    let mut at = text.len() - text.trim_start().len() + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with(']') || found.records >= RECORDS_MAX as u64 {
            return Ok(found);
        }
        let mut stream = Deserializer::from_str(rest).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                found.inferred = take(found.inferred, &value)?;
                found.records += 1;
                found.size_bytes = (at + stream.byte_offset()) as u64;
                at += stream.byte_offset();
            }
            Some(Err(error)) if error.is_eof() && !complete => return Ok(found),
            Some(Err(error)) => return Err(FormatError::Json { line: line_at(at), reason: error.to_string() }),
            None if !complete => return Ok(found),
            None => return Err(FormatError::Json { line: line_at(at), reason: "the array does not end".to_owned() }),
        }
    }
}

fn take(inferred: Inferred, value: &Value) -> Result<Inferred, FormatError> {
    let merged = inferred.merge(of_value(value));
    if merged.size() > FIELDS_MAX {
        return Err(FormatError::TooManyFields { fields_max: FIELDS_MAX });
    }
    Ok(merged)
}

fn of_value(value: &Value) -> Inferred {
    match value {
        Value::Null => Inferred::Null,
        Value::Bool(_) => Inferred::Scalar(HiveType::Boolean),
        Value::String(_) => Inferred::Scalar(HiveType::String),
        Value::Number(number) => Inferred::Scalar(match number.as_i64() {
            Some(number) if i32::try_from(number).is_ok() => HiveType::Int,
            Some(_) => HiveType::BigInt,
            None => HiveType::Double,
        }),
        Value::Array(items) => {
            Inferred::Array(Box::new(items.iter().fold(Inferred::Null, |merged, item| merged.merge(of_value(item)))))
        }
        Value::Object(fields) => {
            Inferred::Struct(fields.iter().map(|(name, value)| (name.clone(), of_value(value))).collect())
        }
    }
}
