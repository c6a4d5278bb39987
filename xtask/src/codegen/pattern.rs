//! Java's regular expressions in the models, in the syntax of the `regex` crate.

/// The pattern in the other syntax; `None` when it needs what that crate lacks (look-around, back-references).
pub fn translate(java: &str) -> Option<String> {
    if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| java.contains(look)) {
        return None;
    }
    // A pair of surrogates in a class means all characters beyond the basic plane.
    let text = java
        .replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\x{10000}-\\x{10FFFF}")
        .replace("\\ud800\\udc00-\\udbff\\udfff", "\\x{10000}-\\x{10FFFF}")
        .replace("\u{10000}-\u{10FFFF}", "\\x{10000}-\\x{10FFFF}");
    let characters: Vec<char> = text.chars().collect();
    let mut result = String::new();
    let mut class_depth = 0usize;
    let mut index = 0;
    while let Some(&character) = characters.get(index) {
        index += 1;
        match character {
            '\\' => {
                let escaped = *characters.get(index)?;
                index += 1;
                match escaped {
                    'u' => {
                        let digits: String = characters.get(index..index + 4)?.iter().collect();
                        let code = u32::from_str_radix(&digits, 16).ok()?;
                        // Half a surrogate pair is no character of Rust's; it cannot occur in the input either.
                        char::from_u32(code)?;
                        result.push_str(&format!("\\x{{{digits}}}"));
                        index += 4;
                    }
                    // Java's classes are ASCII unless told otherwise.
                    'w' => result.push_str(if class_depth > 0 { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                    'd' => result.push_str(if class_depth > 0 { "0-9" } else { "[0-9]" }),
                    's' => {
                        result.push_str(if class_depth > 0 { " \\t\\n\\x0B\\x0C\\r" } else { "[ \\t\\n\\x0B\\x0C\\r]" })
                    }
                    'S' if class_depth == 0 => result.push_str("[^ \\t\\n\\x0B\\x0C\\r]"),
                    '1'..='9' => return None,
                    other if other.is_ascii_alphanumeric() || other.is_ascii_punctuation() => {
                        result.push('\\');
                        result.push(other);
                    }
                    other => result.push(other),
                }
            }
            '[' => {
                class_depth += 1;
                result.push('[');
                if characters.get(index) == Some(&'^') {
                    result.push('^');
                    index += 1;
                }
                // A bracket that comes first stands for itself.
                if characters.get(index) == Some(&']') {
                    result.push_str("\\]");
                    index += 1;
                }
            }
            ']' if class_depth > 0 => {
                class_depth -= 1;
                result.push(']');
            }
            // Possessive quantifiers match the same whole strings in the models' patterns.
            '+' if class_depth == 0
                && matches!(characters.get(index.wrapping_sub(2)), Some('+' | '*' | '?'))
                && characters.get(index.wrapping_sub(3)) != Some(&'\\') => {}
            other => result.push(other),
        }
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn patterns_are_translated() {
        let table = [
            ("[\\w+=,.@-]+", Some("[0-9A-Za-z_+=,.@-]+")),
            ("\\d{12}", Some("[0-9]{12}")),
            (
                "[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\t]*",
                Some("[\\x{0020}-\\x{D7FF}\\x{E000}-\\x{FFFD}\\x{10000}-\\x{10FFFF}\\t]*"),
            ),
            ("(?!aws:).*", None),
            ("(a)\\1", None),
        ];
        for (java, expected) in table {
            assert_eq!(translate(java).as_deref(), expected, "{java}");
        }
    }
}
