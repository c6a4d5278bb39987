//! Pages of lists: an opaque marker that says after which item the next page begins.

use tarn_metadata::{Key, Read, Record, StoreError};

use crate::IdentityError;

/// Items of a page if none are asked for: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// The most items of a page.
pub const PAGE_ITEMS_MAX: usize = 1_000;

/// Which page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// What the page before gave; `None` for the first.
    pub marker: Option<String>,
    /// At most so many items.
    pub items_max: Option<usize>,
}

/// Some items, and how to get the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of their names.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub marker: Option<String>,
}

impl PageRequest {
    fn limit(&self) -> usize {
        self.items_max.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, PAGE_ITEMS_MAX)
    }

    /// The key after which the page begins. The marker is that key, in hexadecimal.
    fn after(&self) -> Result<Option<Vec<u8>>, IdentityError> {
        let refused = || IdentityError::InvalidInput { reason: "Invalid Marker.".to_owned() };
        let Some(marker) = &self.marker else {
            return Ok(None);
        };
        let digits = marker.as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() || !digits.is_ascii() {
            return Err(refused());
        }
        let byte = |pair: &[u8; 2]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        pairs.iter().map(byte).collect::<Option<Vec<u8>>>().map(Some).ok_or_else(refused)
    }

    /// The page of a list that is in memory whole. The marker is the place of the next item.
    pub(crate) fn of_list<T>(&self, items: Vec<T>) -> Result<Page<T>, IdentityError> {
        let refused = || IdentityError::InvalidInput { reason: "Invalid Marker.".to_owned() };
        let from = self.marker.as_ref().map_or(Ok(0), |marker| marker.parse::<usize>().map_err(|_| refused()))?;
        let next = from.saturating_add(self.limit());
        let marker = (next < items.len()).then(|| next.to_string());
        Ok(Page { items: items.into_iter().skip(from).take(self.limit()).collect(), marker })
    }

    /// The page of the ordered `items` that `take` makes something of.
    pub(crate) fn of<R, T>(
        &self,
        items: impl Iterator<Item = Result<(Key, R), StoreError>>,
        take: impl FnMut(&Key, R) -> Result<Option<T>, IdentityError>,
    ) -> Result<Page<T>, IdentityError> {
        self.of_fitting(items, take, |_| true)
    }

    /// As `of`; the page ends before the first item but one that does not fit.
    pub(crate) fn of_fitting<R, T>(
        &self,
        items: impl Iterator<Item = Result<(Key, R), StoreError>>,
        mut take: impl FnMut(&Key, R) -> Result<Option<T>, IdentityError>,
        mut fits: impl FnMut(&T) -> bool,
    ) -> Result<Page<T>, IdentityError> {
        let after = self.after()?;
        let limit = self.limit();
        let mut page: Page<T> = Page { items: Vec::new(), marker: None };
        let mut last: Option<Key> = None;
        for item in items {
            let (key, record) = item?;
            if after.as_ref().is_some_and(|after| key.as_bytes() <= after.as_slice()) {
                continue;
            }
            let Some(item) = take(&key, record)? else { continue };
            let has_room = fits(&item) || page.items.is_empty();
            if page.items.len() == limit || !has_room {
                page.marker = last.map(|last| last.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect());
                return Ok(page);
            }
            page.items.push(item);
            last = Some(key);
        }
        Ok(page)
    }
}

/// How many records begin with `prefix`, up to `limit`.
pub(crate) fn count<R: Record>(
    read: &impl Read,
    keyspace: tarn_metadata::Keyspace<R>,
    prefix: &Key,
    limit: usize,
) -> Result<usize, StoreError> {
    let mut found = 0;
    for item in read.prefix(keyspace, prefix).take(limit) {
        item?;
        found += 1;
    }
    Ok(found)
}
