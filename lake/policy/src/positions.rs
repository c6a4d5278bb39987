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

fn position(text: &str, at: usize) -> Position {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let of_line = before.rsplit('\n').next().unwrap_or_default();
    Position { line, column: of_line.chars().count() + 1 }
}

/// Where each statement begins and ends, the end being the place behind it. Empty if `text` is no policy.
pub fn statement_positions(text: &str) -> Vec<(Position, Position)> {
    let Ok(members) = json_members(text) else { return Vec::new() };
    let Some((_, statement)) = members.into_iter().find(|(name, _)| name == "Statement") else { return Vec::new() };
    let statements =
        if statement.starts_with('[') { json_elements(statement).unwrap_or_default() } else { vec![statement] };
    let start_of = |part: &str| part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    statements
        .into_iter()
        .map(|part| (position(text, start_of(part)), position(text, start_of(part) + part.len())))
        .collect()
}
