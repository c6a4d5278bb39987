//! Random bytes and the ids made of them. Knows nothing of what the ids name.

use std::sync::Mutex;

/// Gives random bytes. The system's is fit for keys; a seeded one is for tests only.
pub trait Entropy: Send + Sync {
    /// Fills `into`.
    fn fill(&self, into: &mut [u8]);
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, into: &mut [u8]) {
        if let Err(error) = getrandom::fill(into) {
            // Without entropy no key may be made; going on would make guessable secrets.
            tracing::error!(%error, "the operating system gives no random bytes");
            std::process::abort();
        }
    }
}

/// SplitMix64 from a printed seed: repeatable, and no secret.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, into: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for chunk in into.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Ids and numbers out of random bytes.
pub trait EntropyExt: Entropy {
    /// `N` random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random number.
    fn u64(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A version 4 UUID, such as request and query ids.
    fn uuid(&self) -> uuid::Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// `len` characters drawn from `alphabet` (at most 256 ASCII characters), without modulo bias.
    fn text(&self, alphabet: &[u8], len: usize) -> String {
        let n = alphabet.len().clamp(1, 256);
        let limit = 256 - 256 % n;
        let mut text = String::with_capacity(len);
        while text.len() < len {
            for byte in self.bytes::<32>() {
                if usize::from(byte) < limit && text.len() < len {
                    text.push(char::from(alphabet[usize::from(byte) % n]));
                }
            }
        }
        text
    }
}

impl<E: Entropy + ?Sized> EntropyExt for E {}
