//! What probes of fuzzers are given without a fuzzer: their seeds, whole and mangled. Knows no format.
#![allow(clippy::expect_used)]

use proptest::prelude::*;
use proptest::sample::Index;

/// The seeds of the probe `name`: the files of its folder in `fuzz/seeds`, in the order of their names.
///
/// # Panics
///
/// If there are none.
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
    let files = std::fs::read_dir(folder).expect("seeds");
    let mut paths: Vec<_> = files.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no seeds");
    paths.into_iter().map(|path| std::fs::read(path).expect("read")).collect()
}

/// Which of some seeds is mangled, and how: bytes that become others, are left out, and come in between.
#[derive(Debug, Clone)]
pub struct Mangling {
    seed: Index,
    changes: Vec<(Index, u8, u8)>,
}

impl Mangling {
    /// What it makes of one of `seeds`.
    pub fn of(&self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.seed.get(seeds).clone();
        for (at, byte, how) in &self.changes {
            let at = at.index(bytes.len() + 1);
            match how {
                0 if at < bytes.len() => bytes[at] = *byte,
                1 if at < bytes.len() => {
                    bytes.remove(at);
                }
                _ => bytes.insert(at, byte % 0x80),
            }
        }
        bytes
    }
}

/// Any mangling of one to four changes.
pub fn mangling() -> impl Strategy<Value = Mangling> {
    let changes = proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..5);
    (any::<Index>(), changes).prop_map(|(seed, changes)| Mangling { seed, changes })
}
