//! Delivery waits for what a call is answered, and not for ever.

use tarn_audit::Answering;

use super::*;

/// A call that has left its record and goes on.
async fn begun(lake: &Lake, name: &str) -> (Caller, Answering) {
    let caller = lake.caller(name);
    let answering = lake.audit.answering(caller.event().id);
    caller.commit(&*lake.store, |_| Ok::<_, tarn_metadata::StoreError>(())).await.unwrap();
    (caller, answering)
}

/// What is in each file, oldest first: the event's name and what it was answered.
async fn files(lake: &Lake) -> Vec<Vec<(String, Json)>> {
    let mut files = Vec::new();
    for key in lake.keys("CloudTrail") {
        let (mut file, ..) = lake.read(&key).await;
        let records = file["Records"].as_array_mut().unwrap().iter_mut();
        files
            .push(records.map(|record| (record["eventName"].to_string(), record["responseElements"].take())).collect());
    }
    files
}

fn file(records: &[(&str, Json)]) -> Vec<(String, Json)> {
    records.iter().map(|(name, answer)| (format!("{name:?}"), answer.clone())).collect()
}

async fn logging() -> Lake {
    let lake = Lake::new().await;
    lake.create("main", true).await.unwrap();
    lake.start("main").await;
    lake.after(30).await;
    lake
}

#[tokio::test]
async fn a_call_that_goes_on_is_waited_for() {
    let lake = logging().await;
    lake.done("Before").await;
    let (caller, answering) = begun(&lake, "CreateUser").await;
    lake.done("After").await;
    lake.after(30).await;
    let first = file(&[("Before", Json::Null)]);
    assert_eq!((files(&lake).await, lake.waiting()), (vec![first.clone()], 2), "those behind it wait as well");
    answering.answered(&caller, r#"{"user":{"userName":"ada"}}"#.to_owned());
    lake.after(60).await;
    let second = file(&[("CreateUser", serde_json::json!({ "user": { "userName": "ada" } })), ("After", Json::Null)]);
    let found = files(&lake).await;
    assert!(found.len() == 2 && found.contains(&first) && found.contains(&second), "{found:?}");
    assert_eq!(lake.waiting(), 0);
}

#[tokio::test]
async fn what_is_never_answered_is_delivered_without() {
    let expected = vec![file(&[("CreateUser", Json::Null), ("After", Json::Null)])];
    // The call ends without an answer; the server crashes; the call does not end.
    let ended = logging().await;
    drop(begun(&ended, "CreateUser").await);
    ended.done("After").await;
    ended.after(30).await;
    assert_eq!(files(&ended).await, expected);

    let mut crashed = logging().await;
    let _begun = begun(&crashed, "CreateUser").await;
    crashed.done("After").await;
    crashed.restart();
    crashed.after(60).await;
    assert_eq!(files(&crashed).await, expected);

    let endless = logging().await;
    let _begun = begun(&endless, "CreateUser").await;
    endless.done("After").await;
    endless.after(30).await;
    assert_eq!(files(&endless).await, Vec::<Vec<_>>::new());
    endless.after(60).await;
    assert_eq!(files(&endless).await, expected);

    let set_back = logging().await;
    let _begun = begun(&set_back, "CreateUser").await;
    set_back.done("After").await;
    set_back.clock.set(set_back.runtime.now() - Duration::from_secs(3_600));
    set_back.after(0).await;
    assert_eq!(files(&set_back).await, expected);
}

#[tokio::test]
async fn a_trail_that_ends_waits_for_the_call_that_ended_it() {
    let lake = logging().await;
    let caller = lake.caller("DeleteTrail");
    let answering = lake.audit.answering(caller.event().id);
    lake.trails.delete_trail(&caller, "main").await.unwrap();
    let left = || lake.store.read().unwrap().prefix(LEAVING, &Key::new()).count();
    lake.after(1).await;
    assert_eq!((lake.keys("CloudTrail-Digest").len(), lake.waiting(), left()), (0, 1, 1));
    answering.answered(&caller, "{}".to_owned());
    lake.after(1).await;
    assert_eq!((lake.keys("CloudTrail-Digest").len(), lake.waiting(), left()), (1, 0, 0));
    assert_eq!(files(&lake).await, [file(&[("DeleteTrail", serde_json::json!({}))])]);
}
