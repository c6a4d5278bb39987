//! Every probe over its seeds, over mangled seeds and over arbitrary bytes. A fuzzer goes further with the same probes: see CONTRIBUTING.md.

use std::path::Path;

use crate::probes::{ALL, Probe};
use proptest::prelude::*;

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).expect("seeds").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no seeds");
    paths.into_iter().map(|path| std::fs::read(path).expect("read")).collect()
}

#[test]
fn seeds_are_read() {
    for (name, probe) in ALL {
        for seed in seeds(name) {
            assert!(probe(&seed), "a seed of {name} is refused: {}", String::from_utf8_lossy(&seed));
        }
    }
}

fn mangled() -> impl Strategy<Value = (Probe, Vec<u8>)> {
    (
        0..ALL.len(),
        any::<prop::sample::Index>(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..5),
    )
        .prop_map(|(which, seed, changes)| {
            let (name, probe) = ALL[which];
            let seeds = seeds(name);
            let mut bytes = seed.get(&seeds).clone();
            for (at, byte, how) in changes {
                let at = at.index(bytes.len() + 1);
                match how {
                    0 if at < bytes.len() => bytes[at] = byte,
                    1 if at < bytes.len() => {
                        bytes.remove(at);
                    }
                    _ => bytes.insert(at, byte % 0x80),
                }
            }
            (probe, bytes)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn mangled_seeds_break_no_rule((probe, bytes) in mangled()) {
        probe(&bytes);
    }

    #[test]
    fn arbitrary_bytes_break_no_rule(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, probe) in ALL {
            probe(&bytes);
        }
    }
}
