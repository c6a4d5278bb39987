//! The `.metadata` object beside a result: a small protobuf message. Knows no rows.
//!
//! AWS has published no schema; JDBC drivers read these fields: 1 query id, 2 kind of update, 3 rows updated, 4 columns.

use crate::types::ColumnInfo;

/// `nullable` of every column: unknown.
const NULLABLE_UNKNOWN: u64 = 3;

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(field: u64, value: u64, out: &mut Vec<u8>) {
    varint(field << 3, out);
    varint(value, out);
}

fn bytes(field: u64, value: &[u8], out: &mut Vec<u8>) {
    varint(field << 3 | 2, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// The object's bytes.
pub(crate) fn encode(
    query_id: &str,
    update_type: Option<&str>,
    update_count: Option<u64>,
    columns: &[ColumnInfo],
) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(1, query_id.as_bytes(), &mut out);
    if let Some(update_type) = update_type {
        bytes(2, update_type.as_bytes(), &mut out);
    }
    if let Some(count) = update_count {
        number(3, count, &mut out);
    }
    for column in columns {
        let mut message = Vec::new();
        bytes(1, b"hive", &mut message);
        bytes(4, column.name.as_bytes(), &mut message);
        bytes(5, column.name.as_bytes(), &mut message);
        bytes(6, column.type_name.as_bytes(), &mut message);
        let (precision, scale, case) = match column.type_name.as_str() {
            "array" | "map" | "row" | "json" | "string" | "uuid" | "ipaddress" | "unknown" => (false, false, false),
            "boolean" => (false, false, true),
            "date" => (false, true, true),
            interval if interval.starts_with("interval") => (false, false, true),
            _ => (true, true, true),
        };
        if precision {
            number(7, u64::from(column.precision), &mut message);
        }
        if scale {
            number(8, u64::from(column.scale), &mut message);
        }
        number(9, NULLABLE_UNKNOWN, &mut message);
        if case {
            number(10, u64::from(column.case_sensitive), &mut message);
        }
        bytes(4, &message, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    #[test]
    fn bytes_are_as_drivers_read_them() {
        let found = encode(
            "q",
            Some("INSERT"),
            Some(300),
            &[ColumnInfo::of("a", &DataType::Int32), ColumnInfo::hive_string("b")],
        );
        let expected = [
            b"\x0a\x01q\x12\x06INSERT\x18\xac\x02".as_slice(),
            b"\x22\x1d\x0a\x04hive\x22\x01a\x2a\x01a\x32\x07integer\x38\x0a\x40\x00\x48\x03\x50\x00",
            b"\x22\x16\x0a\x04hive\x22\x01b\x2a\x01b\x32\x06string\x48\x03",
        ]
        .concat();
        assert_eq!(found, expected);
    }
}
