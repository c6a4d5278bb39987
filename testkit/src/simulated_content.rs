//! A file's bytes in chunks that are shared between copies, so that keeping the state before every operation is cheap. Knows nothing of faults.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How many bytes share one copy-on-write chunk.
const CHUNK_BYTES: usize = 4096;

/// Bytes of a file; what was never written reads as zeros.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    len: u64,
    chunks: BTreeMap<u64, Arc<[u8; CHUNK_BYTES]>>,
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes that take room; holes do not.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        self.chunks.len() as u64 * CHUNK_BYTES as u64
    }

    pub(crate) fn read(&self, into: &mut [u8], offset: u64) -> usize {
        let n = (self.len.saturating_sub(offset)).min(into.len() as u64) as usize;
        let mut done = 0;
        while done < n {
            let at = offset + done as u64;
            let (chunk, within) = (at / CHUNK_BYTES as u64, (at % CHUNK_BYTES as u64) as usize);
            let take = (CHUNK_BYTES - within).min(n - done);
            match self.chunks.get(&chunk) {
                Some(bytes) => into[done..done + take].copy_from_slice(&bytes[within..within + take]),
                None => into[done..done + take].fill(0),
            }
            done += take;
        }
        n
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (chunk, within) = (at / CHUNK_BYTES as u64, (at % CHUNK_BYTES as u64) as usize);
            let take = (CHUNK_BYTES - within).min(bytes.len() - done);
            let target = self.chunks.entry(chunk).or_insert_with(|| Arc::new([0; CHUNK_BYTES]));
            Arc::make_mut(target)[within..within + take].copy_from_slice(&bytes[done..done + take]);
            done += take;
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let (chunk, within) = (len / CHUNK_BYTES as u64, (len % CHUNK_BYTES as u64) as usize);
            self.chunks.split_off(&(chunk + u64::from(within > 0)));
            if let (true, Some(last)) = (within > 0, self.chunks.get_mut(&chunk)) {
                Arc::make_mut(last)[within..].fill(0);
            }
        }
        self.len = len;
    }

    pub(crate) fn flip_bit(&mut self, bit: u64) {
        let mut byte = [0];
        if self.read(&mut byte, bit / 8) == 1 {
            byte[0] ^= 1 << (bit % 8);
            self.write(&byte, bit / 8);
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.read(&mut bytes, 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Content;

    proptest! {
        #[test]
        fn behaves_as_a_vector(steps in proptest::collection::vec((0u64..20_000, 0usize..9_000, any::<u8>(), any::<bool>()), 1..20)) {
            let (mut content, mut model) = (Content::default(), Vec::new());
            for (offset, len, byte, cut) in steps {
                if cut {
                    content.set_len(offset);
                    model.resize(offset as usize, 0);
                } else if len > 0 {
                    content.write(&vec![byte; len], offset);
                    model.resize(model.len().max(offset as usize + len), 0);
                    model[offset as usize..offset as usize + len].fill(byte);
                }
                prop_assert_eq!(content.to_vec(), model.clone());
            }
        }
    }
}
