//! Pages of lists: an opaque marker that says after which item the next page begins.

use tarn_metadata::{Key, Record, StoreError};

use super::KmsError;

/// Items of a page if none are asked for: <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html>
const PAGE_ITEMS_DEFAULT: usize = 100;
/// The most items of a page.
const PAGE_ITEMS_MAX: usize = 1_000;

/// Which page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KmsPageRequest {
    /// What the page before gave; `None` for the first.
    pub marker: Option<String>,
    /// At most so many items.
    pub items_max: Option<usize>,
}

/// Some items, and how to get the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsPage<T> {
    /// In order.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub marker: Option<String>,
}

impl KmsPageRequest {
    /// The page of the ordered `items` that `take` makes something of. The marker is the last item's key, in hexadecimal.
    pub(crate) fn of<R: Record, T>(
        &self,
        items: impl Iterator<Item = Result<(Key, R), StoreError>>,
        mut take: impl FnMut(&Key, R) -> Option<T>,
    ) -> Result<KmsPage<T>, KmsError> {
        let after = match &self.marker {
            None => None,
            Some(marker) => Some(hex::decode(marker).map_err(|_| KmsError::InvalidMarker)?),
        };
        let items_max = self.items_max.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, PAGE_ITEMS_MAX);
        let mut page = KmsPage { items: Vec::new(), marker: None };
        let mut last: Option<Key> = None;
        for item in items {
            let (key, record) = item?;
            if after.as_ref().is_some_and(|after| key.as_bytes() <= after.as_slice()) {
                continue;
            }
            let Some(item) = take(&key, record) else { continue };
            if page.items.len() == items_max {
                page.marker = last.map(|last| hex::encode(last.as_bytes()));
                break;
            }
            page.items.push(item);
            last = Some(key);
        }
        Ok(page)
    }
}
