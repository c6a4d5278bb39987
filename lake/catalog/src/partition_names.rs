//! Hive's folder names of partitions: `year=2013/month=01`. Knows no partition record.

/// Stands for a value that is null or empty.
pub const HIVE_DEFAULT_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// Why a text is not a partition's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a partition's folder reads key=value, got `{segment}`")]
pub struct PartitionNameError {
    /// The folder that does not.
    pub segment: String,
}

/// Characters that Hive escapes: control characters and what has a meaning in paths or in names.
fn is_escaped(c: char) -> bool {
    c.is_ascii_control()
        || matches!(c, '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?' | '\\' | '{' | '[' | ']' | '^')
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        if is_escaped(c) {
            into.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            into.push(c);
        }
    }
}

/// What is not `%` and two hexadecimal digits stays as it is, as in Hive.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// `key=value/key=value`, without a slash at the end. Surplus keys or values are left out.
pub fn encode_partition_name<K: AsRef<str>, V: AsRef<str>>(keys: &[K], values: &[V]) -> String {
    let mut name = String::new();
    for (key, value) in keys.iter().zip(values) {
        if !name.is_empty() {
            name.push('/');
        }
        escape(key.as_ref(), &mut name);
        name.push('=');
        let value = value.as_ref();
        escape(if value.is_empty() { HIVE_DEFAULT_PARTITION } else { value }, &mut name);
    }
    name
}

/// The keys and values of `key=value/key=value`; slashes at either end are let pass.
pub fn decode_partition_name(name: &str) -> Result<Vec<(String, String)>, PartitionNameError> {
    name.trim_matches('/')
        .split('/')
        .map(|segment| {
            let (key, value) =
                segment.split_once('=').ok_or_else(|| PartitionNameError { segment: segment.to_owned() })?;
            if key.is_empty() {
                return Err(PartitionNameError { segment: segment.to_owned() });
            }
            Ok((unescape(key), unescape(value)))
        })
        .collect()
}

/// Where a partition's data is unless it says otherwise: its folder under the table's, with a slash at the end.
pub fn partition_location<K: AsRef<str>, V: AsRef<str>>(table_location: &str, keys: &[K], values: &[V]) -> String {
    format!("{}/{}/", table_location.trim_end_matches('/'), encode_partition_name(keys, values))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_hives() {
        assert_eq!(encode_partition_name(&["a", "b"], &["x y", "1:2/3"]), "a=x y/b=1%3A2%2F3");
        assert_eq!(encode_partition_name(&["a"], &[""]), "a=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(partition_location("s3://b/t", &["d"], &["2013-01-01"]), "s3://b/t/d=2013-01-01/");
        assert_eq!(
            decode_partition_name("/a=1%3a2/b=100%/"),
            Ok(vec![("a".into(), "1:2".into()), ("b".into(), "100%".into())])
        );
        assert!(decode_partition_name("a=1/b").is_err());
        assert!(decode_partition_name("").is_err());
    }

    proptest! {
        #[test]
        fn names_read_back(pairs in prop::collection::vec(("\\PC{1,8}", "[\\PC\\n\\x00]{1,8}"), 1..4)) {
            let (keys, values): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
            prop_assert_eq!(decode_partition_name(&encode_partition_name(&keys, &values)), Ok(pairs));
        }
    }
}
