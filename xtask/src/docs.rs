//! The documentation as `cargo xtask tidy` sees it: every page is in the book's summary, and every link leads somewhere. Reads text; needs
//! no mdBook.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::tools::{Result, files, root};

const BOOK: &str = "docs";
const SUMMARY: &str = "docs/SUMMARY.md";

/// Adds what is wrong to `breaches`.
pub fn check(breaches: &mut Vec<String>) -> Result {
    let pages: Vec<PathBuf> =
        files()?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    let mut in_summary = BTreeSet::new();
    for page in &pages {
        let shown = page.to_string_lossy().into_owned();
        let text = fs::read_to_string(root().join(page))?;
        for (line, target) in links(&text) {
            let Some(path) = resolved(page, &target) else {
                breaches.push(format!("{shown}:{line}: the link {target} leads out of the repository"));
                continue;
            };
            if !root().join(&path).exists() {
                breaches
                    .push(format!("{shown}:{line}: the link {target} leads to {}, which is not there", path.display()));
                continue;
            }
            if let Some((_, anchor)) = target.split_once('#')
                && path.extension().is_some_and(|extension| extension == "md")
                && !anchors(&fs::read_to_string(root().join(&path))?).contains(anchor)
            {
                breaches.push(format!("{shown}:{line}: {} has no heading #{anchor}", path.display()));
            }
            if shown == SUMMARY && !in_summary.insert(path.clone()) {
                breaches.push(format!("{shown}:{line}: {} stands in the summary twice", path.display()));
            }
        }
    }
    for page in pages.iter().filter(|page| page.starts_with(BOOK) && page != &Path::new(SUMMARY)) {
        if !in_summary.contains(page) {
            breaches.push(format!("{}: the page is not in {SUMMARY}", page.display()));
        }
    }
    Ok(())
}

/// The targets of links to files, each with its line; links to other hosts are theirs.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // What stands between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let (target, behind) = after.split_once(')').unwrap_or((after, ""));
            let target = target.split_whitespace().next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") && !target.is_empty() {
                found.push((number + 1, target.to_owned()));
            }
            rest = behind;
        }
    }
    found
}

/// The path, from the root, that `target` names on `page`; `None` if it is outside of the repository.
fn resolved(page: &Path, target: &str) -> Option<PathBuf> {
    let file = target.split('#').next().unwrap_or_default();
    if file.is_empty() {
        return Some(page.to_owned());
    }
    let mut path = PathBuf::new();
    for part in page.parent()?.join(file).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir if !path.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// The anchors of a page's headings, as mdBook and code hosts make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len() && heading.starts_with(' ')).then(|| heading.trim().to_lowercase())
    });
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    headings.map(|heading| heading.chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text =
            "see [a](b.md#c) and `[no](no.md)`, [x](https://example.com/)\n```\n[no](no.md)\n```\n![i](../d.png \"t\")";
        assert_eq!(links(text), [(1, "b.md#c".to_owned()), (5, "../d.png".to_owned())]);
    }

    #[test]
    fn targets_are_resolved_from_their_page() {
        let check = |page: &str, target: &str, expected: Option<&str>| {
            assert_eq!(resolved(Path::new(page), target), expected.map(PathBuf::from), "{page} {target}");
        };
        check("docs/adr/1.md", "../build.md", Some("docs/build.md"));
        check("docs/a.md", "#here", Some("docs/a.md"));
        check("README.md", "docs/a.md#b", Some("docs/a.md"));
        check("README.md", "../a.md", None);
        check("README.md", "/etc/passwd", None);
    }

    #[test]
    fn headings_make_anchors() {
        assert_eq!(anchors("# One log\n## What `x` is!\n#no"), ["one-log", "what-x-is"].map(str::to_owned).into());
    }
}
