//! Which lines of access logs are delivered where.

use std::time::Duration;

use super::*;
use crate::keyspaces::ACCESS_LINES;

/// A bucket of the name, of the account, whose requests are written down in another of its buckets.
async fn logged(lake: &Lake, account: &AccountId, name: &str, logs: &str) {
    let caller = lake.caller_of(account.clone());
    for name in [name, logs] {
        let request = CreateBucket::new(bucket(name), Region::us_east_1());
        lake.objects.create_bucket(&caller, request).await.unwrap();
    }
    let logging = LoggingConfiguration { target_bucket: bucket(logs), target_prefix: String::new(), key_format: None };
    lake.objects.put_bucket_logging(&caller, &bucket(name), Some(logging)).await.unwrap();
}

#[tokio::test]
async fn lines_of_a_bucket_are_not_told_to_who_has_its_name_next() {
    let lake = Lake::new();
    let (first, second) = (AccountId::first(), AccountId::new("111111111111").unwrap());
    let line = |text: &str| {
        let time_ms = lake.runtime.now().as_millisecond();
        lake.objects.record_access(AccessLine { bucket: bucket("lake-raw"), time_ms, text: text.to_owned() });
    };
    logged(&lake, &first, "lake-raw", "logs").await;
    line("of the first");
    lake.objects.flush_access_lines().await.unwrap();
    lake.objects.delete_bucket(&lake.caller(), &bucket("lake-raw")).await.unwrap();
    line("of nobody");
    lake.clock.advance(Duration::from_secs(1));
    logged(&lake, &second, "lake-raw", "logs-of-the-second").await;
    line("of the second");
    lake.objects.flush_access_lines().await.unwrap();
    let delivery = lake.objects.log_delivery(Arc::new(Everyone), Region::us_east_1(), Duration::from_secs(1));
    delivery.deliver().await.unwrap();
    let (keys, _) = lake.list(&bucket("logs-of-the-second"), "", None);
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(lake.get(&bucket("logs-of-the-second"), &keys[0]).await.unwrap(), "of the second\n");
    assert_eq!(lake.list(&bucket("logs"), "", None).0.len(), 0);
    assert_eq!(lake.store.read().unwrap().prefix(ACCESS_LINES, &Key::new()).count(), 0);
}
