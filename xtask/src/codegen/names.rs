//! Rust names from the names in models.

use std::collections::BTreeSet;

/// `KMSKeyArn` -> `kms_key_arn`, `S3Targets` -> `s3_targets`.
pub fn snake(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    let mut result = String::new();
    for (index, &character) in characters.iter().enumerate() {
        if !character.is_ascii_alphanumeric() {
            if !result.is_empty() && !result.ends_with('_') {
                result.push('_');
            }
            continue;
        }
        if character.is_ascii_uppercase() && index > 0 && !result.ends_with('_') {
            let before = characters[index - 1];
            let after = characters.get(index + 1);
            let starts_word = before.is_ascii_lowercase()
                || (before.is_ascii_digit() && after.is_some_and(char::is_ascii_lowercase))
                || (before.is_ascii_uppercase()
                    && after.is_some_and(char::is_ascii_lowercase)
                    && !is_plural_end(&characters, index));
            if starts_word && !result.is_empty() {
                result.push('_');
            }
        }
        result.push(character.to_ascii_lowercase());
    }
    result
}

/// Whether the capital at `index` ends an abbreviation in the plural, as in `ARNs`.
fn is_plural_end(characters: &[char], index: usize) -> bool {
    characters.get(index + 1) == Some(&'s')
        && characters.get(index + 2).is_none_or(|character| character.is_ascii_uppercase())
}

/// A struct field, with Rust's keywords escaped.
pub fn field(name: &str) -> String {
    let name = snake(name);
    const KEYWORDS: &[&str] = &[
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
        "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
        "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type",
        "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
    ];
    if KEYWORDS.contains(&name.as_str()) { format!("r#{name}") } else { name }
}

/// A constant or static.
pub fn constant(name: &str) -> String {
    let name = snake(name).to_ascii_uppercase();
    if name.starts_with(|character: char| character.is_ascii_digit()) || name.is_empty() {
        format!("V{name}")
    } else {
        name
    }
}

/// A type.
pub fn type_name(name: &str) -> String {
    let mut characters = name.chars();
    match characters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + characters.as_str(),
        None => String::new(),
    }
}

/// `wanted`, or with the first number appended that makes it new in `taken`.
pub fn unique(taken: &mut BTreeSet<String>, wanted: String) -> String {
    let mut name = wanted.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{wanted}_{number}");
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::snake;

    #[test]
    fn names_become_snake_case() {
        let table = [
            ("Name", "name"),
            ("KMSKeyArn", "kms_key_arn"),
            ("S3Targets", "s3_targets"),
            ("DynamoDBTargets", "dynamo_db_targets"),
            ("S3DestinationConfiguration", "s3_destination_configuration"),
            ("DeliveryStreamARN", "delivery_stream_arn"),
            ("ResourceARNs", "resource_arns"),
            ("MD5OfBody", "md5_of_body"),
            ("x-amz-id", "x_amz_id"),
            ("SSEKMSKeyId", "ssekms_key_id"),
        ];
        for (name, expected) in table {
            assert_eq!(snake(name), expected, "{name}");
        }
    }
}
