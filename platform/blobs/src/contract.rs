//! What every `BlobStore` must do, as functions that each implementation's tests call. Panics where a store does not.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures::TryStreamExt;

use crate::{BlobError, BlobOwner, BlobRef, BlobStore, PACKED_SIZE_BYTES_MAX};

/// Bytes that differ at every place and in every blob.
pub fn pattern(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

/// Stores `bytes` in chunks of `chunk`.
pub async fn put(store: &dyn BlobStore, owner: BlobOwner, bytes: &Bytes, chunk: usize, hint: bool) -> BlobRef {
    let mut writer = store.create(owner, hint.then_some(bytes.len() as u64)).await.unwrap();
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        writer.write(rest.split_to(rest.len().min(chunk))).await.unwrap();
    }
    writer.finish().await.unwrap()
}

/// Reads a range whole.
pub async fn get(store: &dyn BlobStore, blob: &BlobRef, start: u64, end: u64) -> Result<Bytes, BlobError> {
    let chunks: Vec<Bytes> = store.read(blob, start..end).try_collect().await?;
    Ok(chunks.concat().into())
}

fn owner(n: u8) -> BlobOwner {
    BlobOwner { version: [n; 16], part: u32::from(n) }
}

/// Runs all of it.
pub async fn all(store: &dyn BlobStore) {
    let packed = PACKED_SIZE_BYTES_MAX as usize;
    let sizes = [0, 1, 511, 4096, 65_535, 65_536, 65_537, packed - 1, packed, packed + 1, 1 << 20, (5 << 20) + 3];
    let mut kept = Vec::new();
    for (n, size) in sizes.into_iter().enumerate() {
        for (hint, chunk) in [(true, 64 << 10), (false, 7919)] {
            let owner = owner(2 * n as u8 + u8::from(hint));
            let bytes = pattern(n as u64, size);
            let blob = put(store, owner, &bytes, chunk, hint).await;
            assert_eq!((blob.len, blob.owner), (size as u64, owner));
            kept.push((blob, bytes));
        }
    }
    for (blob, bytes) in &kept {
        let len = blob.len;
        for (start, end) in [
            (0, len),
            (0, 0),
            (len, len),
            (len / 2, len),
            (len / 3, len / 2),
            (len.saturating_sub(1), len),
            (0, len.min(1)),
            (65_536.min(len), 65_537.min(len)),
        ] {
            let got = get(store, blob, start, end).await.unwrap();
            assert_eq!(got, bytes.slice(start as usize..end as usize), "{blob:?} {start}..{end}");
            let unchecked: Vec<Bytes> = store.read_unchecked(blob, start..end).try_collect().await.unwrap();
            assert_eq!(unchecked.concat(), got, "{blob:?} {start}..{end}, unchecked");
        }
        assert!(matches!(get(store, blob, 0, len + 1).await, Err(BlobError::Range { .. })));
    }
    // An abandoned writer leaves the others alone.
    let mut abandoned = store.create(owner(99), None).await.unwrap();
    abandoned.write(pattern(99, 300_000)).await.unwrap();
    drop(abandoned);
    let (gone, rest) = kept.split_at(kept.len() / 2);
    for (blob, _) in gone {
        store.delete(blob).await.unwrap();
        store.delete(blob).await.unwrap();
    }
    for (blob, bytes) in rest {
        assert_eq!(get(store, blob, 0, blob.len).await.unwrap(), bytes, "{blob:?}");
    }
    let (live, dead) = rest.split_at(rest.len() / 2);
    let is_live = |blob: &BlobRef| live.iter().any(|(kept, _)| kept == blob);
    let report = store.sweep(&is_live).await.unwrap();
    assert_eq!(report.removed, dead.iter().filter(|(blob, _)| blob.len > 0).count() as u64);
    for (blob, bytes) in live {
        assert_eq!(get(store, blob, 0, blob.len).await.unwrap(), bytes, "{blob:?}");
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        super::all(&crate::MemoryBlobs::new()).await;
    }
}
