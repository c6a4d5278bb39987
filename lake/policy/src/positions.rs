//! Where in its text each statement of a policy stands: for those who are to find it there.

use crate::spans::{json_elements, json_members};

/// A place in a text; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Goes through a text once, forwards.
struct Walk<'t> {
    text: &'t str,
    at: usize,
    position: Position,
}

impl<'t> Walk<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, position: Position { line: 1, column: 1 } }
    }

    /// The position of byte `at`, which is not before any that was asked for.
    fn to(&mut self, at: usize) -> Position {
        for character in self.text.get(self.at..at).unwrap_or_default().chars() {
            if character == '\n' {
                self.position = Position { line: self.position.line + 1, column: 1 };
            } else {
                self.position.column += 1;
            }
        }
        self.at = at;
        self.position
    }
}

/// Where each statement begins and ends, the end being the place behind it. Empty if `text` is no policy.
pub fn statement_positions(text: &str) -> Vec<(Position, Position)> {
    let Ok(members) = json_members(text) else { return Vec::new() };
    let Some((_, statement)) = members.into_iter().find(|(name, _)| name == "Statement") else { return Vec::new() };
    let statements =
        if statement.starts_with('[') { json_elements(statement).unwrap_or_default() } else { vec![statement] };
    let start_of = |part: &str| part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let mut walk = Walk::new(text);
    statements.into_iter().map(|part| (walk.to(start_of(part)), walk.to(start_of(part) + part.len()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_stand_where_they_stand() {
        let check = |text: &str, expected: &[((usize, usize), (usize, usize))]| {
            let found: Vec<_> = statement_positions(text)
                .into_iter()
                .map(|(start, end)| ((start.line, start.column), (end.line, end.column)))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &[]);
        check(r#"{"Version":"x"}"#, &[]);
        check(r#"{"Statement":{}}"#, &[((1, 14), (1, 16))]);
        check(
            "{\"Statement\":[{},\n {\"Sid\":\"\u{e9}\"}, {}]}",
            &[((1, 15), (1, 17)), ((2, 2), (2, 13)), ((2, 15), (2, 17))],
        );
        check("{\n\n\"Statement\" : [\n{\n}\n]}", &[((4, 1), (5, 2))]);
    }
}
