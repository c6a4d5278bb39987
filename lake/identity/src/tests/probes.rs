//! The probes that fuzzers run, here without one.

use proptest::prelude::*;

/// Every probe over its seeds, over mangled seeds and over arbitrary bytes. A fuzzer goes further with the same probes: see CONTRIBUTING.md.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let files = std::fs::read_dir(folder).expect("seeds");
    let mut paths: Vec<_> = files.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no seeds");
    paths.into_iter().map(|path| std::fs::read(path).expect("read")).collect()
}

#[test]
fn seeds_keep_the_rules_of_the_probes() {
    for (name, probe) in crate::probes::ALL {
        for seed in seeds(name) {
            assert!(probe(&seed), "a seed of {name} is refused: {}", String::from_utf8_lossy(&seed));
        }
    }
}

/// What is not JSON throughout, in a claim that nobody looks at.
#[test]
fn claims_that_are_not_json_are_nobodys() {
    let start = br#"{"iss":"https://id.example.com/realms/lake","sub":"ada","aud":"lake","exp":600,"zoneinfo":"#;
    for odd in [b"\"\xff\"".as_slice(), b"1e999", br#""\ud800""#, b"01"] {
        assert!(!crate::probes::oidc_token(&[start, odd, b"}"].concat()), "{}", odd.escape_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mangled_seeds_break_no_rule(
        mangling in tarn_testkit::mangling(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for (name, probe) in crate::probes::ALL {
            probe(&mangling.of(&seeds(name)));
            probe(&bytes);
        }
    }
}
