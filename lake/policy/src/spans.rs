//! Where the values of a JSON text stand in it, without reading them: for positions, and for telling texts apart before they are parsed.
//! Knows brackets and strings only; whether a value is right is for whoever reads it.

use std::borrow::Cow;

/// The text is not JSON at some byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}")]
pub struct NotJsonAt {
    /// Counted from 0.
    pub at: usize,
}

/// A cursor over a text.
struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn here(&self) -> NotJsonAt {
        NotJsonAt { at: self.at }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), NotJsonAt> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.here())
        }
    }

    fn string(&mut self) -> Result<&'t str, NotJsonAt> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.here()),
            }
        }
        self.at += 1;
        self.text.get(start..self.at).ok_or(NotJsonAt { at: start })
    }

    /// Passes one value, whatever it is.
    fn value(&mut self) -> Result<&'t str, NotJsonAt> {
        self.space();
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => self.at += 1,
                Some(b' ' | b'\t' | b'\n' | b'\r') if depth > 0 => self.at += 1,
                // A number or a word.
                Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.') => {
                    while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')) {
                        self.at += 1;
                    }
                }
                Some(_) | None => return Err(self.here()),
            }
            if depth == 0 {
                return self.text.get(start..self.at).ok_or(NotJsonAt { at: start });
            }
        }
    }

    fn end(&mut self) -> Result<(), NotJsonAt> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.here()) }
    }

    /// What stands between brackets, separated by commas.
    fn list(
        &mut self,
        brackets: (u8, u8),
        mut each: impl FnMut(&mut Self) -> Result<(), NotJsonAt>,
    ) -> Result<(), NotJsonAt> {
        self.space();
        self.take(brackets.0)?;
        self.space();
        if self.peek() != Some(brackets.1) {
            loop {
                self.space();
                each(self)?;
                self.space();
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.take(brackets.1)?;
        self.end()
    }
}

/// The members of the object that `text` is: their names, and their values as they are written.
pub fn json_members(text: &str) -> Result<Vec<(Cow<'_, str>, &str)>, NotJsonAt> {
    let mut members = Vec::new();
    Scan { text, at: 0 }.list((b'{', b'}'), |scan| {
        let at = scan.here();
        let written = scan.string()?;
        let name = match written.get(1..written.len() - 1) {
            Some(bare) if !bare.contains('\\') => Cow::Borrowed(bare),
            _ => Cow::Owned(serde_json::from_str(written).map_err(|_| at)?),
        };
        scan.space();
        scan.take(b':')?;
        members.push((name, scan.value()?));
        Ok(())
    })?;
    Ok(members)
}

/// The elements of the list that `text` is, as they are written.
pub fn json_elements(text: &str) -> Result<Vec<&str>, NotJsonAt> {
    let mut elements = Vec::new();
    Scan { text, at: 0 }.list((b'[', b']'), |scan| {
        elements.push(scan.value()?);
        Ok(())
    })?;
    Ok(elements)
}
