//! An XML answer as a tree of elements. Knows no shape; bounded by the answer's size and by depth.

use quick_xml::Reader;
use quick_xml::events::Event;

const DEPTH_COUNT_MAX: usize = 32;

/// An element: its name without prefix, its own text, its children.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    /// Without namespace.
    pub(crate) name: String,
    /// Text directly within it.
    pub(crate) text: String,
    /// Elements directly within it.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first child called `name`.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children called `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child called `name`.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.child(name).map(|child| child.text.clone())
    }
}

/// Reads a document.
pub(crate) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    // The bottom is the document; its only child is the root.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                if open.len() > DEPTH_COUNT_MAX {
                    return Err("the answer's elements are too deep".to_owned());
                }
                let name: &str = start.local_name().into_inner();
                open.push(Element { name: name.to_owned(), ..Element::default() });
            }
            Event::Empty(start) => {
                let name: &str = start.local_name().into_inner();
                let child = Element { name: name.to_owned(), ..Element::default() };
                if let Some(parent) = open.last_mut() {
                    parent.children.push(child);
                }
            }
            Event::End(_) => {
                let (Some(ended), Some(parent)) = (open.pop(), open.last_mut()) else {
                    return Err("an element ends that did not begin".to_owned());
                };
                parent.children.push(ended);
            }
            Event::Text(piece) => push(&mut open, &piece.xml10_content()),
            Event::CData(piece) => push(&mut open, &piece),
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(character) => character,
                    None => match &*reference {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        other => return Err(format!("the answer names an unknown entity {other}")),
                    },
                };
                push(&mut open, character.encode_utf8(&mut [0; 4]));
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    match (open.len(), open.pop().and_then(|mut document| document.children.pop())) {
        (1, Some(root)) => Ok(root),
        _ => Err("the answer's XML ends too early".to_owned()),
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_and_rubbish_is_refused() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = parse(text).ok().map(|root| (root.name.clone(), root.text("a").unwrap_or_default()));
            assert_eq!(found, expected.map(|(name, a)| (name.to_owned(), a.to_owned())), "{text}");
        };
        check("<?xml version=\"1.0\"?><r xmlns=\"u\"><a>x&amp;y&#x41;&lt;</a><b/></r>", Some(("r", "x&yA<")));
        check("<n:r xmlns:n=\"u\"><n:a> 1 </n:a></n:r>", Some(("r", " 1 ")));
        check("<r><a><![CDATA[<&>]]></a></r>", Some(("r", "<&>")));
        check("<r/>", Some(("r", "")));
        check("<r><a>", None);
        check("<r></a>", None);
        check("", None);
        check("<r>&bomb;</r>", None);
        check(&"<r>".repeat(100), None);
    }
}
