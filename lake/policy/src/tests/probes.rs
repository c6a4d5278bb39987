//! Every probe over its seeds, over mangled seeds and over arbitrary bytes. A fuzzer goes further with the same probes: see CONTRIBUTING.md.

use proptest::prelude::*;
use tarn_testkit::{mangling, seeds};

use crate::probes::ALL;

#[test]
fn seeds_are_read() {
    for (name, probe) in ALL {
        for seed in seeds(name) {
            assert!(probe(&seed), "a seed of {name} is refused: {}", String::from_utf8_lossy(&seed));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn mangled_seeds_break_no_rule(mangling in mangling()) {
        for (name, probe) in ALL {
            probe(&mangling.of(&seeds(name)));
        }
    }

    #[test]
    fn arbitrary_bytes_break_no_rule(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, probe) in ALL {
            probe(&bytes);
        }
    }
}
