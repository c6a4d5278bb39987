//! How many requests without a right signature one source may send: a bucket of tokens for each. Nobody whose signature is right is slowed.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use tarn_runtime::Timestamp;

/// Sources that are remembered; beyond it, those longest without a failure are forgotten.
pub(crate) const SOURCES_COUNT_MAX: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
/// Failures that a second gives back.
const REFILL_PER_SECOND: f64 = 1.0;

/// Tokens that are taken at once, and come back one by one.
pub(crate) struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(count_max: u32, now: Timestamp) -> Self {
        Self { tokens: f64::from(count_max), filled: now }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, count_max: u32, now: Timestamp) -> bool {
        let passed = now.duration_since(self.filled).as_secs_f64().max(0.0);
        self.tokens = (self.tokens + passed * REFILL_PER_SECOND).min(f64::from(count_max));
        self.filled = now;
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

/// The failures of all sources.
pub(crate) struct SignatureFailures {
    count_max: u32,
    sources: Mutex<LruCache<IpAddr, Bucket>>,
}

/// Who a source is: an IPv6 network of 64 bits is one customer's.
pub(crate) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl SignatureFailures {
    /// At most `count_max` at once, and one more each second.
    pub(crate) fn new(count_max: u32) -> Self {
        Self { count_max, sources: Mutex::new(LruCache::new(SOURCES_COUNT_MAX)) }
    }

    /// Counts a failure; whether it is within the limit.
    pub(crate) fn count(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut sources = self.sources.lock();
        let bucket = sources.get_or_insert_mut(source_of(address), || Bucket::new(self.count_max, now));
        bucket.take(self.count_max, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_source_has_its_own_limit_and_time_gives_it_back() {
        let failures = SignatureFailures::new(3);
        let start = Timestamp::UNIX_EPOCH;
        let check = |address: &str, after: u64, expected: bool| {
            let now = start + Duration::from_secs(after);
            assert_eq!(failures.count(address.parse().expect("an address"), now), expected, "{address} after {after}");
        };
        for _ in 0..3 {
            check("192.0.2.1", 0, true);
        }
        check("192.0.2.1", 0, false);
        check("::ffff:192.0.2.1", 0, false);
        check("192.0.2.2", 0, true);
        check("192.0.2.1", 1, true);
        check("192.0.2.1", 1, false);
        // A clock that goes back gives nothing.
        check("192.0.2.1", 0, false);
        for _ in 0..3 {
            check("2001:db8::1", 2, true);
        }
        check("2001:db8::2", 2, false);
        check("2001:db8:0:1::1", 2, true);
    }
}
