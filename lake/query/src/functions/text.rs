//! Texts, bytes and URLs: <https://trino.io/docs/current/functions/string.html>

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Int64Array, ListBuilder, StringBuilder};
use arrow::datatypes::DataType;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use datafusion::error::Result;
use lru::LruCache;
use parking_lot::Mutex;
use regex::Regex;

use super::invalid;
use super::scalar::{Arguments, Kind, Scalar, to_binary, to_boolean, to_int, to_text, to_texts};

/// Compiled expressions kept.
const REGEXES_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();
const REGEX_SIZE_BYTES_MAX: usize = 10 << 20;

pub(super) fn all() -> Vec<Scalar> {
    use Kind::{Any, Binary, Int, Text};
    vec![
        Scalar::new("split", &[Text, Text, Int], to_texts, split).optional(1),
        Scalar::new("split_part", &[Text, Text, Int], to_text, split_part),
        Scalar::new("strpos", &[Text, Text, Int], to_int, strpos).optional(1),
        Scalar::new("substr", &[Text, Int, Int], to_text, substr).optional(1),
        Scalar::new("length", &[Any], to_int, length),
        Scalar::new("concat", &[Any, Any], concat_type, concat).variadic(),
        Scalar::new("regexp_extract", &[Text, Text, Int], to_text, regexp_extract).optional(1),
        Scalar::new("regexp_extract_all", &[Text, Text, Int], to_texts, regexp_extract_all).optional(1),
        Scalar::new("regexp_like", &[Text, Text], to_boolean, regexp_like),
        Scalar::new("regexp_replace", &[Text, Text, Text], to_text, regexp_replace).optional(1),
        Scalar::new("regexp_split", &[Text, Text], to_texts, |args| {
            texts(args, |text, pattern| Ok(regex(pattern)?.split(text).map(|part| Some(part.to_owned())).collect()))
        }),
        Scalar::new("regexp_count", &[Text, Text], to_int, |args| {
            args.map_texts_to_int(|[text, pattern]| Ok(i64::try_from(regex(pattern)?.find_iter(text).count()).ok()))
        }),
        Scalar::new("regexp_position", &[Text, Text], to_int, |args| {
            args.map_texts_to_int(|[text, pattern]| {
                let found = regex(pattern)?.find(text);
                Ok(Some(
                    found
                        .and_then(|found| text.get(..found.start()))
                        .map_or(-1, |before| before.chars().count() as i64 + 1),
                ))
            })
        }),
        Scalar::new("levenshtein_distance", &[Text, Text], to_int, |args| {
            args.map_texts_to_int(|[a, b]| Ok(Some(levenshtein(a, b))))
        }),
        Scalar::new("hamming_distance", &[Text, Text], to_int, |args| {
            args.map_texts_to_int(|[a, b]| {
                if a.chars().count() != b.chars().count() {
                    return Err(invalid("The input strings to hamming_distance function must have the same length"));
                }
                Ok(i64::try_from(a.chars().zip(b.chars()).filter(|(a, b)| a != b).count()).ok())
            })
        }),
        Scalar::new("to_utf8", &[Text], to_binary, |args| Ok(arrow::compute::cast(args.any(0)?, &DataType::Binary)?)),
        Scalar::new("from_utf8", &[Binary], to_text, |args| {
            from_bytes(args, |bytes| String::from_utf8_lossy(bytes).into_owned())
        }),
        Scalar::new("to_hex", &[Binary], to_text, |args| from_bytes(args, |bytes| hex::encode_upper(bytes))),
        Scalar::new("from_hex", &[Text], to_binary, |args| to_bytes(args, false, |text| hex::decode(text).ok())),
        Scalar::new("try_from_hex", &[Text], to_binary, |args| to_bytes(args, true, |text| hex::decode(text).ok())),
        Scalar::new("to_base64", &[Binary], to_text, |args| from_bytes(args, |bytes| STANDARD.encode(bytes))),
        Scalar::new("to_base64url", &[Binary], to_text, |args| from_bytes(args, |bytes| URL_SAFE.encode(bytes))),
        Scalar::new("from_base64", &[Text], to_binary, |args| to_bytes(args, false, |text| STANDARD.decode(text).ok())),
        Scalar::new("try_from_base64", &[Text], to_binary, |args| {
            to_bytes(args, true, |text| STANDARD.decode(text).ok())
        }),
        Scalar::new("from_base64url", &[Text], to_binary, |args| {
            to_bytes(args, false, |text| URL_SAFE.decode(text).ok())
        }),
        Scalar::new("url_extract_protocol", &[Text], to_text, |args| {
            args.map_texts(|[url]| Ok(Url::read(url).map(|url| url.protocol.to_owned())))
        }),
        Scalar::new("url_extract_host", &[Text], to_text, |args| {
            args.map_texts(|[url]| Ok(Url::read(url).map(|url| url.host.to_owned())))
        }),
        Scalar::new("url_extract_port", &[Text], to_int, |args| {
            args.map_texts_to_int(|[url]| Ok(Url::read(url).and_then(|url| url.port.parse().ok())))
        }),
        Scalar::new("url_extract_path", &[Text], to_text, |args| {
            args.map_texts(|[url]| Ok(Url::read(url).map(|url| url.path.to_owned())))
        }),
        Scalar::new("url_extract_query", &[Text], to_text, |args| {
            args.map_texts(|[url]| Ok(Url::read(url).map(|url| url.query.to_owned())))
        }),
        Scalar::new("url_extract_fragment", &[Text], to_text, |args| {
            args.map_texts(|[url]| Ok(Url::read(url).map(|url| url.fragment.to_owned())))
        }),
        Scalar::new("url_extract_parameter", &[Text, Text], to_text, |args| {
            args.map_texts(|[url, name]| {
                Ok(Url::read(url).and_then(|url| {
                    url.query
                        .split('&')
                        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                        .find(|(key, _)| *key == name)
                        .map(|(_, value)| decode_url(value))
                }))
            })
        }),
        Scalar::new("url_encode", &[Text], to_text, |args| args.map_texts(|[text]| Ok(Some(encode_url(text))))),
        Scalar::new("url_decode", &[Text], to_text, |args| args.map_texts(|[text]| Ok(Some(decode_url(text))))),
        Scalar::new("typeof", &[Any], to_text, |args| {
            let name = crate::types::trino_name(args.any(0)?.data_type());
            Ok(Arc::new((0..args.rows).map(|_| Some(name.as_str())).collect::<arrow::array::StringArray>()))
        }),
        Scalar::new("bitwise_and", &[Int, Int], to_int, |args| ints(args, |a, b| a & b)),
        Scalar::new("bitwise_or", &[Int, Int], to_int, |args| ints(args, |a, b| a | b)),
        Scalar::new("bitwise_xor", &[Int, Int], to_int, |args| ints(args, |a, b| a ^ b)),
        Scalar::new("bitwise_left_shift", &[Int, Int], to_int, |args| {
            ints(args, |a, b| if (0..64).contains(&b) { a << b } else { 0 })
        }),
        Scalar::new("bitwise_right_shift", &[Int, Int], to_int, |args| {
            ints(args, |a, b| if (0..64).contains(&b) { ((a as u64) >> b) as i64 } else { 0 })
        }),
        Scalar::new("bitwise_not", &[Int], to_int, |args| {
            Ok(Arc::new(args.int(0)?.iter().map(|value| value.map(|value| !value)).collect::<Int64Array>()))
        }),
        Scalar::new("bit_count", &[Int, Int], to_int, |args| ints(args, |value, _| i64::from(value.count_ones()))),
        Scalar::new("is_nan", &[Kind::Double], to_boolean, |args| flags(args, f64::is_nan)),
        Scalar::new("is_finite", &[Kind::Double], to_boolean, |args| flags(args, f64::is_finite)),
        Scalar::new("is_infinite", &[Kind::Double], to_boolean, |args| flags(args, f64::is_infinite)),
        Scalar::new("infinity", &[], super::scalar::to_double, |args| constant(args, f64::INFINITY)),
        Scalar::new("nan", &[], super::scalar::to_double, |args| constant(args, f64::NAN)),
        Scalar::new("e", &[], super::scalar::to_double, |args| constant(args, std::f64::consts::E)),
        Scalar::new("sign", &[Kind::Double], super::scalar::to_double, |args| {
            let sign = |value: f64| if value == 0.0 { 0.0 } else { value.signum() };
            Ok(Arc::new(args.double(0)?.iter().map(|value| value.map(sign)).collect::<arrow::array::Float64Array>()))
        }),
    ]
}

fn flags(args: &Arguments, test: fn(f64) -> bool) -> Result<ArrayRef> {
    Ok(Arc::new(args.double(0)?.iter().map(|value| value.map(test)).collect::<BooleanArray>()))
}

fn constant(args: &Arguments, value: f64) -> Result<ArrayRef> {
    Ok(Arc::new(arrow::array::Float64Array::from(vec![value; args.rows])))
}

fn ints(args: &Arguments, apply: fn(i64, i64) -> i64) -> Result<ArrayRef> {
    let both = args.int(0)?.iter().zip(args.int(1)?.iter());
    Ok(Arc::new(both.map(|(a, b)| Some(apply(a?, b?))).collect::<Int64Array>()))
}

/// Lists of texts from two texts.
fn texts(args: &Arguments, apply: impl Fn(&str, &str) -> Result<Vec<Option<String>>>) -> Result<ArrayRef> {
    let (first, second) = (args.text(0)?, args.text(1)?);
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..args.rows {
        if first.is_null(row) || second.is_null(row) {
            out.append_null();
        } else {
            out.append_value(apply(first.value(row), second.value(row))?);
        }
    }
    Ok(Arc::new(out.finish()))
}

fn split(args: &Arguments) -> Result<ArrayRef> {
    let (text, delimiter) = (args.text(0)?, args.text(1)?);
    let limits = if args.has(2) { Some(args.int(2)?) } else { None };
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..args.rows {
        if text.is_null(row) || delimiter.is_null(row) {
            out.append_null();
            continue;
        }
        let (text, delimiter) = (text.value(row), delimiter.value(row));
        if delimiter.is_empty() {
            return Err(invalid("The delimiter may not be the empty string"));
        }
        match limits.map(|limits| limits.value(row)) {
            None => out.append_value(text.split(delimiter).map(Some)),
            Some(limit) if limit > 0 => {
                out.append_value(text.splitn(usize::try_from(limit).unwrap_or(usize::MAX), delimiter).map(Some))
            }
            Some(_) => return Err(invalid("Limit must be positive")),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn split_part(args: &Arguments) -> Result<ArrayRef> {
    let (text, delimiter, index) = (args.text(0)?, args.text(1)?, args.int(2)?);
    let mut out = StringBuilder::new();
    for row in 0..args.rows {
        if text.is_null(row) || delimiter.is_null(row) || index.is_null(row) {
            out.append_null();
            continue;
        }
        let (text, delimiter) = (text.value(row), delimiter.value(row));
        let Some(index) = usize::try_from(index.value(row)).ok().and_then(|index| index.checked_sub(1)) else {
            return Err(invalid("Index must be greater than zero"));
        };
        if delimiter.is_empty() {
            out.append_option(text.chars().nth(index).map(String::from));
        } else {
            out.append_option(text.split(delimiter).nth(index));
        }
    }
    Ok(Arc::new(out.finish()))
}

fn strpos(args: &Arguments) -> Result<ArrayRef> {
    let (text, sought) = (args.text(0)?, args.text(1)?);
    let instances = if args.has(2) { Some(args.int(2)?) } else { None };
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if text.is_null(row) || sought.is_null(row) {
            out.push(None);
            continue;
        }
        let (text, sought) = (text.value(row), sought.value(row));
        let instance = instances.map_or(1, |instances| instances.value(row));
        let nth = usize::try_from(instance.unsigned_abs()).unwrap_or(usize::MAX).saturating_sub(1);
        let found =
            if instance >= 0 { text.match_indices(sought).nth(nth) } else { text.rmatch_indices(sought).nth(nth) };
        out.push(Some(found.and_then(|(at, _)| text.get(..at)).map_or(0, |before| before.chars().count() as i64 + 1)));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

fn substr(args: &Arguments) -> Result<ArrayRef> {
    let (text, start) = (args.text(0)?, args.int(1)?);
    let lengths = if args.has(2) { Some(args.int(2)?) } else { None };
    let mut out = StringBuilder::new();
    for row in 0..args.rows {
        if text.is_null(row) || start.is_null(row) || lengths.is_some_and(|lengths| lengths.is_null(row)) {
            out.append_null();
            continue;
        }
        let (text, start) = (text.value(row), start.value(row));
        let count = text.chars().count() as i64;
        // from the end with a negative start; outside is empty
        let skip = if start > 0 {
            start - 1
        } else if start < 0 {
            count + start
        } else {
            count
        };
        let length = lengths.map_or(i64::MAX, |lengths| lengths.value(row).max(0));
        if skip < 0 || skip >= count {
            out.append_value("");
        } else {
            let skip = usize::try_from(skip).unwrap_or(0);
            out.append_value(
                text.chars().skip(skip).take(usize::try_from(length).unwrap_or(usize::MAX)).collect::<String>(),
            );
        }
    }
    Ok(Arc::new(out.finish()))
}

fn length(args: &Arguments) -> Result<ArrayRef> {
    let column = args.any(0)?;
    if let Some(texts) = column.as_string_opt::<i32>() {
        return Ok(Arc::new(
            texts.iter().map(|text| text.map(|text| text.chars().count() as i64)).collect::<Int64Array>(),
        ));
    }
    let bytes = arrow::compute::cast(column, &DataType::Binary)?;
    Ok(Arc::new(
        bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(|bytes| bytes.len() as i64)).collect::<Int64Array>(),
    ))
}

fn concat_type(types: &[DataType]) -> Result<DataType> {
    let list = types.iter().find(|data_type| matches!(data_type, DataType::List(_)));
    Ok(match list {
        Some(list) => list.clone(),
        None if types.iter().all(|data_type| *data_type == DataType::Binary) => DataType::Binary,
        None => DataType::Utf8,
    })
}

/// A NULL among the arguments gives NULL.
fn concat(args: &Arguments) -> Result<ArrayRef> {
    if let DataType::List(item) = &args.returns {
        let lists = args
            .columns
            .iter()
            .map(|column| Ok(arrow::compute::cast(column, &args.returns)?))
            .collect::<Result<Vec<_>>>()?;
        let mut offsets = vec![0_i32];
        let mut pieces: Vec<ArrayRef> = Vec::new();
        let mut nulls = Vec::with_capacity(args.rows);
        let mut total = 0_i32;
        for row in 0..args.rows {
            let valid = lists.iter().all(|list| !list.is_null(row));
            if valid {
                for list in &lists {
                    let piece = list.as_list::<i32>().value(row);
                    total += i32::try_from(piece.len()).unwrap_or(0);
                    pieces.push(piece);
                }
            }
            offsets.push(total);
            nulls.push(valid);
        }
        let values = if pieces.is_empty() {
            arrow::array::new_empty_array(item.data_type())
        } else {
            arrow::compute::concat(&pieces.iter().map(AsRef::as_ref).collect::<Vec<_>>())?
        };
        let offsets = arrow::buffer::OffsetBuffer::new(offsets.into());
        return Ok(Arc::new(arrow::array::ListArray::try_new(item.clone(), offsets, values, Some(nulls.into()))?));
    }
    if args.returns == DataType::Binary {
        let mut out = BinaryBuilder::new();
        for row in 0..args.rows {
            if args.columns.iter().any(|column| column.is_null(row)) {
                out.append_null();
            } else {
                out.append_value(
                    args.columns
                        .iter()
                        .flat_map(|column| column.as_binary::<i32>().value(row).to_vec())
                        .collect::<Vec<u8>>(),
                );
            }
        }
        return Ok(Arc::new(out.finish()));
    }
    let columns = args
        .columns
        .iter()
        .map(|column| Ok(arrow::compute::cast(column, &DataType::Utf8)?))
        .collect::<Result<Vec<_>>>()?;
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for row in 0..args.rows {
        if columns.iter().any(|column| column.is_null(row)) {
            out.append_null();
        } else {
            text.clear();
            columns.iter().for_each(|column| text.push_str(column.as_string::<i32>().value(row)));
            out.append_value(&text);
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Compiles an expression, or finds it compiled. Java's and this engine's notations agree but for look-around and back-references.
pub(super) fn regex(pattern: &str) -> Result<Regex> {
    static KEPT: LazyLock<Mutex<LruCache<String, Regex>>> = LazyLock::new(|| Mutex::new(LruCache::new(REGEXES_MAX)));
    if let Some(found) = KEPT.lock().get(pattern) {
        return Ok(found.clone());
    }
    let built = regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_SIZE_BYTES_MAX)
        .build()
        .map_err(|error| invalid(format!("the regular expression '{pattern}' is not supported: {error}")))?;
    KEPT.lock().put(pattern.to_owned(), built.clone());
    Ok(built)
}

fn group(args: &Arguments, row: usize) -> Result<usize> {
    if !args.has(2) {
        return Ok(0);
    }
    usize::try_from(args.int(2)?.value(row)).map_err(|_| invalid("Group cannot be negative"))
}

fn check_group(pattern: &Regex, group: usize) -> Result<()> {
    if group < pattern.captures_len() {
        return Ok(());
    }
    Err(invalid(format!("Pattern has {} groups. Cannot access group {group}", pattern.captures_len() - 1)))
}

fn regexp_extract(args: &Arguments) -> Result<ArrayRef> {
    let (texts, patterns) = (args.text(0)?, args.text(1)?);
    let mut out = StringBuilder::new();
    for row in 0..args.rows {
        if texts.is_null(row) || patterns.is_null(row) {
            out.append_null();
            continue;
        }
        let (pattern, group) = (regex(patterns.value(row))?, group(args, row)?);
        check_group(&pattern, group)?;
        let text = texts.value(row);
        out.append_option(pattern.captures(text).and_then(|found| found.get(group)).map(|found| found.as_str()));
    }
    Ok(Arc::new(out.finish()))
}

fn regexp_extract_all(args: &Arguments) -> Result<ArrayRef> {
    let (texts, patterns) = (args.text(0)?, args.text(1)?);
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..args.rows {
        if texts.is_null(row) || patterns.is_null(row) {
            out.append_null();
            continue;
        }
        let (pattern, group) = (regex(patterns.value(row))?, group(args, row)?);
        check_group(&pattern, group)?;
        let text = texts.value(row);
        out.append_value(
            pattern
                .captures_iter(text)
                .map(|found| found.get(group).map(|found| found.as_str().to_owned()))
                .collect::<Vec<_>>(),
        );
    }
    Ok(Arc::new(out.finish()))
}

fn regexp_like(args: &Arguments) -> Result<ArrayRef> {
    let (texts, patterns) = (args.text(0)?, args.text(1)?);
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        let given = !texts.is_null(row) && !patterns.is_null(row);
        out.push(if given { Some(regex(patterns.value(row))?.is_match(texts.value(row))) } else { None });
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

/// Java's `$1` and `${name}`, `\$` for a dollar.
fn replacement(java: &str) -> String {
    let mut out = String::new();
    let mut chars = java.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            '$' => {
                let mut number = String::new();
                while let Some(digit) = chars.peek().filter(|c| c.is_ascii_digit()) {
                    number.push(*digit);
                    chars.next();
                }
                if number.is_empty() { out.push('$') } else { out.push_str(&format!("${{{number}}}")) }
            }
            other => out.push(other),
        }
    }
    out
}

fn regexp_replace(args: &Arguments) -> Result<ArrayRef> {
    if args.has(2) {
        args.map_texts(|[text, pattern, with]| {
            Ok(Some(regex(pattern)?.replace_all(text, replacement(with)).into_owned()))
        })
    } else {
        args.map_texts(|[text, pattern]| Ok(Some(regex(pattern)?.replace_all(text, "").into_owned())))
    }
}

fn levenshtein(a: &str, b: &str) -> i64 {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<i64> = (0..=b.len() as i64).collect();
    for (i, from) in (1_i64..).zip(a.chars()) {
        let mut diagonal = i - 1;
        let mut left = i;
        if let Some(first) = row.first_mut() {
            *first = i;
        }
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (diagonal + i64::from(from != *to)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn from_bytes(args: &Arguments, apply: impl Fn(&[u8]) -> String) -> Result<ArrayRef> {
    let mut out = StringBuilder::new();
    for bytes in args.any(0)?.as_binary::<i32>().iter() {
        out.append_option(bytes.map(&apply));
    }
    Ok(Arc::new(out.finish()))
}

fn to_bytes(args: &Arguments, trying: bool, apply: fn(&str) -> Option<Vec<u8>>) -> Result<ArrayRef> {
    let mut out = BinaryBuilder::new();
    for text in args.text(0)?.iter() {
        match text.map(|text| (text, apply(text))) {
            None => out.append_null(),
            Some((_, Some(bytes))) => out.append_value(bytes),
            Some((_, None)) if trying => out.append_null(),
            Some((text, None)) => return Err(invalid(format!("'{text}' cannot be decoded"))),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The parts of a URL, empty where there are none.
struct Url<'a> {
    protocol: &'a str,
    host: &'a str,
    port: &'a str,
    path: &'a str,
    query: &'a str,
    fragment: &'a str,
}

impl<'a> Url<'a> {
    fn read(text: &'a str) -> Option<Self> {
        if text.contains(char::is_whitespace) {
            return None;
        }
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (protocol, rest) = rest.split_once("://").unwrap_or(("", rest));
        if protocol.is_empty() {
            return Some(Self { protocol, host: "", port: "", path: rest, query, fragment });
        }
        let cut = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(cut);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
            _ => (authority, ""),
        };
        Some(Self { protocol, host, port, path, query, fragment })
    }
}

fn encode_url(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn decode_url(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
