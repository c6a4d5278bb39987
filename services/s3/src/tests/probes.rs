//! The probes that fuzzers run, here without one: over the seeds, over what is left of seeds when they are mangled, and over any bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::probes;

/// The seeds of a probe.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One change: where, how long, and what comes there.
type Change = (prop::sample::Index, usize, Vec<u8>);

fn mangled(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (at, length, new) in changes {
        let at = at.index(bytes.len() + 1);
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, new.iter().copied());
    }
    bytes
}

fn change() -> impl Strategy<Value = Change> {
    let pieces = prop_oneof![
        vec(any::<u8>(), 0..4),
        prop::sample::select(
            &["<", "</Rule>", "&#0;", "&amp;", "\r\n", "--edge", ";", "-", ",", "%", "/", "0", "f", "?versionId="][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (any::<prop::sample::Index>(), 0_usize..6, pieces)
}

#[test]
fn seeds_keep_the_rules() {
    for (name, probe) in probes::ALL {
        let read = seeds(name).iter().filter(|seed| probe(seed)).count();
        // What all of them are that should be: a probe that reads nothing proves nothing.
        let expected = [("xml", 14), ("form", 4), ("chunks", 2), ("range", 4), ("copy_source", 6)];
        let texts: Vec<_> = seeds(name)
            .iter()
            .filter(|seed| !probe(seed))
            .map(|seed| String::from_utf8_lossy(seed).into_owned())
            .collect();
        assert!(expected.contains(&(name, read)), "{name}: {read}, but not {texts:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn mangled_seeds_keep_the_rules(which in any::<prop::sample::Index>(), changes in vec(change(), 1..5)) {
        for (name, probe) in probes::ALL {
            let seeds = seeds(name);
            probe(&mangled(which.get::<Vec<u8>>(&seeds), &changes));
        }
    }

    #[test]
    fn any_bytes_keep_the_rules(bytes in vec(any::<u8>(), 0..200)) {
        for (_, probe) in probes::ALL {
            probe(&bytes);
        }
    }
}
