//! What is kept, what is found, what is removed, and that nobody waits.

use std::sync::Arc;
use std::time::Duration;

use tarn_metadata::{Key, MemoryStore, Read, Store, StoreError, StoreExt};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_runtime::{EntropyExt, FixedClock, Runtime, Timestamp, Worker, WorkerOutcome};
use tarn_types::{AccountId, Region, Scope};

use crate::*;

struct Lake {
    store: Arc<MemoryStore>,
    log: Arc<AuditLog>,
    runtime: Runtime,
    clock: Arc<FixedClock>,
}

fn scope(account: &str) -> Scope {
    Scope { account: AccountId::new(account).expect("account"), region: Region::us_east_1() }
}

const FIRST: &str = "000000000000";

fn lake() -> Lake {
    let (runtime, clock) = Runtime::fixed(Timestamp::from_second(1_000_000_000).expect("time"), 3);
    let store = Arc::new(MemoryStore::new());
    let log = Arc::new(AuditLog::open(store.clone(), runtime.clone(), scope(FIRST)).expect("log"));
    Lake { store, log, runtime, clock }
}

impl Lake {
    fn draft_of(&self, name: &str, principal: Principal, account: &str) -> EventDraft {
        EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "r".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: name.to_owned(),
            read_only: name.starts_with("Get"),
            management: !name.ends_with("Object"),
            scope: scope(account),
            principal,
            source_ip: "127.0.0.1".to_owned(),
            user_agent: "ä".repeat(2_000),
            request_parameters: "null".to_owned(),
            resources: vec!["arn:aws:s3:::b".to_owned()],
        }
    }

    fn draft(&self, name: &str) -> EventDraft {
        self.draft_of(name, Principal::user(AccountId::first(), "ada", "AIDA"), FIRST)
    }

    fn refuse(&self, name: &str) {
        self.log.record_refusal(self.draft(name), "AccessDenied", "no");
    }

    fn find(&self, filter: &EventFilter, marker: Option<&str>, limit: usize) -> EventPage {
        let proof = Authorized::internal("cloudtrail.amazonaws.com", AccountId::first());
        search(&*self.store, &proof, filter, marker, limit).expect("search")
    }

    fn names(&self) -> Vec<String> {
        self.find(&EventFilter::default(), None, 1_000).events.into_iter().map(|event| event.event_name).collect()
    }

    fn caller(&self) -> Caller {
        struct Never;
        impl Authorizer for Never {
            fn authorize(&self, principal: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
                let because = DeniedBecause::NothingAllows;
                Err(Denied { principal: principal.clone(), action: "none", resource: None, because })
            }
        }
        let bound = BoundAuthorizer::new(Arc::new(Never), Principal::root(AccountId::first()), Context::new());
        Caller::new(
            Authorized::internal("cloudtrail.amazonaws.com", AccountId::first()),
            bound,
            self.draft("PutEventSelectors"),
        )
    }
}

#[tokio::test]
async fn what_is_written_beside_a_record_is_written_once_and_with_it() {
    let lake = lake();
    let written = |lake: &Lake| lake.store.read().expect("snapshot").prefix(EVENTS, &Key::new()).count();
    let beside = lake.draft("Beside").into_event(Outcome::Success);
    let caller = lake.caller().beside(move |tx| tx.put(EVENTS, &beside.key(), &beside));
    let refused = caller.commit(&*lake.store, |_| Err::<(), _>(StoreError::Closed)).await;
    assert!(refused.is_err());
    assert_eq!((written(&lake), caller.is_recorded()), (0, false));
    for _ in 0..2 {
        caller.commit(&*lake.store, |_| Ok::<_, StoreError>(())).await.expect("a commit");
        assert_eq!((written(&lake), caller.is_recorded()), (2, true));
    }
}

#[tokio::test]
async fn refusals_are_kept_and_reads_when_asked() {
    let lake = lake();
    lake.refuse("GetObject");
    lake.log.record_read(lake.draft("GetObject"));
    lake.log.record_read(lake.draft("GetTable"));
    lake.log.record_read(lake.draft("PutTable"));
    lake.log.flush().await.expect("flush");
    let mut names = lake.names();
    names.sort();
    assert_eq!(names, ["GetObject", "PutTable"], "a refusal, and a write that changed nothing");

    let settings = AuditSettings { management_reads: true, ..AuditSettings::default() };
    lake.log.change_settings(&lake.caller(), settings).await.expect("settings");
    lake.log.record_read(lake.draft("GetObject"));
    lake.log.record_read(lake.draft("GetTable"));
    lake.log.flush().await.expect("flush");
    let mut names = lake.names();
    names.sort();
    assert_eq!(names, ["GetObject", "GetTable", "PutEventSelectors", "PutTable"]);
    let reopened = AuditLog::open(lake.store.clone(), lake.runtime.clone(), scope(FIRST)).expect("log");
    assert_eq!(reopened.settings(), settings);
    let none = AuditSettings { retention_days: 0, ..settings };
    assert!(lake.log.change_settings(&lake.caller(), none).await.is_err());
}

#[tokio::test]
async fn long_texts_are_cut_at_a_character() {
    let lake = lake();
    lake.log.record_refusal(lake.draft("PutObject"), "AccessDenied", &"é".repeat(5_000));
    lake.log.flush().await.expect("flush");
    let event = lake.find(&EventFilter::default(), None, 1).events.remove(0);
    assert_eq!(event.user_agent.len(), 1_024);
    assert!(matches!(event.outcome, Outcome::Failure { message, .. } if message.len() == 1_024));
}

#[tokio::test]
async fn what_does_not_fit_is_itself_on_record() {
    let lake = lake();
    for _ in 0..8_192 + 7 {
        lake.refuse("PutObject");
    }
    let writer = AuditWriter::new(lake.log.clone());
    let mut rounds = 0;
    while writer.work().await == WorkerOutcome::Busy {
        rounds += 1;
    }
    assert_eq!(rounds, 15, "in batches");
    writer.wait().await;
    let lost =
        lake.find(&EventFilter { event_name: Some(EVENTS_LOST.to_owned()), ..EventFilter::default() }, None, 10).events;
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].request_parameters, r#"{"events":7}"#);
    let snapshot = lake.store.read().expect("snapshot");
    assert_eq!(snapshot.prefix(EVENTS, &Key::new()).count(), 8_193);
}

#[tokio::test]
async fn events_are_found_newest_first_and_in_pages() {
    let lake = lake();
    let start = lake.runtime.now().as_millisecond();
    for name in ["PutObject", "GetObject", "DeleteObject", "PutObject"] {
        lake.refuse(name);
        lake.clock.advance(Duration::from_secs(1));
    }
    let bob =
        Principal { access_key_id: Some("AKIABOB".to_owned()), ..Principal::user(AccountId::first(), "bob", "AIDB") };
    lake.log.record_read(lake.draft_of("PutTable", bob, FIRST));
    let eve = Principal::user(AccountId::new("111111111111").expect("account"), "eve", "AIDE");
    lake.log.record_refusal(lake.draft_of("PutObject", eve, "111111111111"), "AccessDenied", "no");
    lake.log.flush().await.expect("flush");
    assert_eq!(lake.names(), ["PutTable", "PutObject", "DeleteObject", "GetObject", "PutObject"]);

    let check = |filter: EventFilter, expected: &[&str]| {
        let names: Vec<_> = lake.find(&filter, None, 10).events.into_iter().map(|event| event.event_name).collect();
        assert_eq!(names, expected, "{filter:?}");
    };
    let any = EventFilter::default;
    check(EventFilter { event_name: Some("GetObject".to_owned()), ..any() }, &["GetObject"]);
    check(EventFilter { user: Some("bob".to_owned()), ..any() }, &["PutTable"]);
    check(EventFilter { user: Some("AKIABOB".to_owned()), ..any() }, &["PutTable"]);
    check(EventFilter { user: Some("arn:aws:iam::000000000000:user/bob".to_owned()), ..any() }, &["PutTable"]);
    check(EventFilter { outcome: Some(OutcomeFilter::Success), ..any() }, &["PutTable"]);
    check(
        EventFilter { from_ms: Some(start + 1_000), to_ms: Some(start + 3_000), ..any() },
        &["DeleteObject", "GetObject"],
    );
    check(EventFilter { from_ms: Some(start + 9_000), to_ms: Some(start), ..any() }, &[]);
    check(EventFilter { resource: Some("arn:aws:s3:::c".to_owned()), ..any() }, &[]);

    let (mut marker, mut pages) = (None, Vec::new());
    loop {
        let page = lake.find(&EventFilter { outcome: Some(OutcomeFilter::Failure), ..any() }, marker.as_deref(), 3);
        pages.push(page.events.len());
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(pages, [3, 1]);
    let proof = Authorized::internal("cloudtrail.amazonaws.com", AccountId::first());
    for bad in ["zz", "", "00"] {
        assert!(search(&*lake.store, &proof, &any(), Some(bad), 1).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn the_oldest_go_by_age_and_by_number() {
    let lake = lake();
    let retention = Retention::new(lake.log.clone(), lake.runtime.clone());
    let pass = || async { while retention.work().await == WorkerOutcome::Busy {} };
    for n in 0..4_500 {
        lake.refuse(if n < 100 { "Oldest" } else { "Older" });
        if n == 99 {
            lake.clock.advance(Duration::from_secs(3_600));
        }
    }
    let eve = Principal::user(AccountId::new("111111111111").expect("account"), "eve", "AIDE");
    lake.log.record_refusal(lake.draft_of("Older", eve, "111111111111"), "AccessDenied", "no");
    lake.log.flush().await.expect("flush");
    let count = || lake.store.snapshot().expect("snapshot").prefix(EVENTS, &Key::new()).count();
    pass().await;
    assert_eq!(count(), 4_501);

    lake.clock.advance(Duration::from_secs(90 * 86_400 - 1_800));
    pass().await;
    assert_eq!(count(), 4_401, "what is older than ninety days is gone");
    let settings = AuditSettings { events_per_account_max: 10, ..AuditSettings::default() };
    lake.log.change_settings(&lake.caller(), settings).await.expect("settings");
    pass().await;
    assert_eq!(count(), 11, "ten of one account, one of the other");
    lake.clock.advance(Duration::from_secs(100 * 86_400));
    pass().await;
    assert_eq!(count(), 0);
}

#[tokio::test]
async fn answers_are_read_back_with_their_events_and_go_with_them() {
    let lake = lake();
    let proof = Authorized::internal("cloudtrail.amazonaws.com", AccountId::first());
    let answered = async |name: &str, commits: bool| {
        let caller = Caller::new(proof.clone(), lake.caller().authorizer().clone(), lake.draft(name));
        let answering = lake.log.answering(caller.event().id);
        if commits {
            caller.commit(&*lake.store, |_| Ok::<_, StoreError>(())).await.expect("a commit");
        }
        answering.answered(&caller, format!("{{\"of\":\"{name}\"}}"));
        lake.clock.advance(Duration::from_secs(1));
    };
    answered("CreateUser", true).await;
    answered("NeverRecorded", false).await;
    lake.refuse("DeleteUser");
    lake.log.flush().await.expect("flush");
    let found = lake.find(&EventFilter::default(), None, 10).events;
    let found: Vec<_> = found.iter().map(|event| (&*event.event_name, event.response_elements.as_deref())).collect();
    assert_eq!(found, [("DeleteUser", None), ("CreateUser", Some(r#"{"of":"CreateUser"}"#))]);
    lake.clock.advance(Duration::from_secs(91 * 86_400));
    let retention = Retention::new(lake.log.clone(), lake.runtime.clone());
    while retention.work().await == WorkerOutcome::Busy {}
    let snapshot = lake.store.snapshot().expect("snapshot");
    let left = (snapshot.prefix(EVENTS, &Key::new()).count(), snapshot.prefix(ANSWERS, &Key::new()).count());
    assert_eq!(left, (0, 0));
}

#[tokio::test]
async fn the_answer_of_who_turned_out_to_be_of_another_account_is_with_the_record() {
    let lake = lake();
    let caller = lake.caller();
    let other = "111111111111";
    let (authorized, authorizer) = (caller.authorized().clone(), caller.authorizer().clone());
    let turned_out = caller.turned_out(authorized, authorizer, scope(other));
    let answering = lake.log.answering(caller.event().id);
    turned_out.commit(&*lake.store, |_| Ok::<_, StoreError>(())).await.expect("a commit");
    answering.answered(&caller, "{}".to_owned());
    let proof = Authorized::internal("cloudtrail.amazonaws.com", AccountId::new(other).expect("account"));
    let found = lake.log.search(&proof, &EventFilter::default(), None, 10).await.expect("search").events;
    assert_eq!(found.iter().map(|event| event.response_elements.as_deref()).collect::<Vec<_>>(), [Some("{}")]);
}

/// As a server before temporary credentials wrote it.
const EVENT_V1: &str = "0001070707070707070707070707070707070172904e1073332e616d617a6f6e6177732e636f6d095075744f626a65637400000c3030303030303030303030300975732d656173742d310103616461012f0c30303030303030303030303007414944414144410107414b49414144410831302e302e302e3105626f746f33046e756c6c011061726e3a6177733a73333a3a3a622f6b00";

#[test]
fn events_of_the_older_form_are_read() {
    let bytes: Vec<u8> = (0..EVENT_V1.len() / 2)
        .map(|at| u8::from_str_radix(&EVENT_V1[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect();
    let event: Event = tarn_metadata::decode_record(&bytes).expect("readable");
    assert_eq!((event.time_ms, event.event_name.as_str(), &event.session), (5_000, "PutObject", &None));
    let ada = Principal::user(AccountId::first(), "ada", "AIDAADA");
    assert_eq!(event.principal, Principal { access_key_id: Some("AKIAADA".to_owned()), ..ada });
    assert_eq!((&event.resources, &event.outcome), (&vec!["arn:aws:s3:::b/k".to_owned()], &Outcome::Success));
    // The second form is the first with a session behind it.
    let session = SessionContext { issued_ms: 7, issuer: None, federated_provider: None, source_identity: None };
    for (end, session) in [(vec![0], None), (vec![1, 14, 0, 0, 0], Some(session))] {
        let second: Vec<u8> = [0, 2].into_iter().chain(bytes.iter().skip(2).copied()).chain(end).collect();
        let found: Event = tarn_metadata::decode_record(&second).expect("readable");
        assert_eq!(found, Event { session, ..event.clone() });
    }
}
