//! Jobs as resources: tokens, limits, confirmation, cancellation, priorities, lists, and how long they are kept.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::keyspaces::{EXPIRIES, JOBS, TIMES, TOKENS};

const TAGS: fn() -> JobOperation = || JobOperation::DeleteObjectTagging;

#[tokio::test]
async fn a_token_stands_for_one_request() {
    let lake = Lake::new().await;
    let definition = lake.definition(TAGS(), lake.keys_manifest(&["a"]).await);
    let request = |definition: &JobDefinition, token: &str| CreateJob {
        definition: definition.clone(),
        tags: vec![("team".to_owned(), "lake".to_owned())],
        token: token.to_owned(),
    };
    let id = lake.jobs.create_job(&lake.caller(), request(&definition, "t")).await.unwrap();
    let again = lake.jobs.create_job(&lake.caller(), request(&definition, "t")).await.unwrap();
    assert_eq!(id, again);
    let other = JobDefinition { priority: 11, ..definition.clone() };
    let refused = lake.jobs.create_job(&lake.caller(), request(&other, "t")).await;
    assert!(matches!(refused, Err(JobsError::TokenReused { .. })), "{refused:?}");
    assert_ne!(lake.jobs.create_job(&lake.caller(), request(&other, "u")).await.unwrap(), id);
}

#[tokio::test]
async fn what_could_never_be_done_is_refused() {
    let lake = Lake::new().await;
    let good = lake.definition(TAGS(), lake.keys_manifest(&["a"]).await);
    let check = async |change: &dyn Fn(&mut JobDefinition)| {
        let mut definition = good.clone();
        change(&mut definition);
        let request = CreateJob { definition, tags: Vec::new(), token: "t".to_owned() };
        let refused = lake.jobs.create_job(&lake.caller(), request).await;
        assert!(matches!(refused, Err(JobsError::Invalid { .. })), "{refused:?}");
    };
    check(&|definition| definition.role_arn = Arn::s3_bucket("lake")).await;
    check(&|definition| definition.report.as_mut().unwrap().bucket = "No".to_owned()).await;
    let fields = |fields: &[ManifestField]| {
        let fields = fields.to_vec();
        move |definition: &mut JobDefinition| {
            if let TaskSource::Manifest(manifest) = &mut definition.source {
                manifest.format = ManifestFormat::Csv(fields.clone());
            }
        }
    };
    check(&fields(&[ManifestField::Bucket])).await;
    check(&fields(&[ManifestField::Key, ManifestField::Ignore])).await;
    check(&fields(&[ManifestField::Bucket, ManifestField::Key, ManifestField::Key])).await;
    let tags = (0..51).map(|n| (n.to_string(), String::new())).collect();
    let request = CreateJob { definition: good, tags, token: "t".to_owned() };
    let refused = lake.jobs.create_job(&lake.caller(), request).await;
    assert!(matches!(refused, Err(JobsError::TooManyTags { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_job_waits_for_its_users_word() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    let mut definition = lake.definition(TAGS(), lake.keys_manifest(&["a"]).await);
    definition.confirmation_required = Some(true);
    let id = lake.create(definition.clone()).await;
    lake.work().await;
    let job = lake.job(&id);
    assert_eq!((job.run.status, job.run.total), (JobStatus::Suspended, 1));
    assert!(job.run.suspended_ms.is_some());
    let update = async |id: &JobId, request, reason: &str| {
        lake.jobs.update_job_status(&lake.caller(), id, request, Some(reason.to_owned())).await
    };
    assert_eq!(update(&id, RequestedStatus::Ready, "go").await.unwrap(), JobStatus::Ready);
    lake.work().await;
    let job = lake.job(&id);
    assert_eq!((job.run.status, job.run.status_reason.as_deref()), (JobStatus::Complete, Some("go")));
    let refused = update(&id, RequestedStatus::Cancelled, "late").await;
    assert!(matches!(refused, Err(JobsError::Status { status: JobStatus::Complete, .. })), "{refused:?}");

    let id = lake.create(definition).await;
    lake.work().await;
    assert_eq!(update(&id, RequestedStatus::Cancelled, "no").await.unwrap(), JobStatus::Cancelling);
    lake.work().await;
    let job = lake.job(&id);
    assert_eq!((job.run.status, job.run.next()), (JobStatus::Cancelled, 0));
    assert!(job.run.terminated_ms.is_some());
    assert_eq!(lake.left_over(), 0);
    let missing = JobId([7; 16]);
    assert!(matches!(update(&missing, RequestedStatus::Ready, "").await, Err(JobsError::JobNotFound { .. })));
}

#[tokio::test]
async fn a_cancelled_job_tells_of_what_it_did() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    let source = lake.manifest(&"lake-raw,a\n".repeat(1_200)).await;
    let id = lake.create(lake.definition(TAGS(), source)).await;
    assert!(lake.jobs.step().await.unwrap());
    assert!(lake.jobs.step().await.unwrap());
    assert_eq!(lake.job(&id).run.status, JobStatus::Active);
    let done = lake.job(&id).run.next();
    assert!((1..=500).contains(&done));
    lake.jobs.update_job_status(&lake.caller(), &id, RequestedStatus::Cancelled, None).await.unwrap();
    lake.work().await;
    let job = lake.job(&id);
    assert_eq!((job.run.status, job.run.next()), (JobStatus::Cancelled, done));
    assert_eq!(lake.report(&job).await.1.lines().count() as u64, done);
    assert_eq!(lake.left_over(), 0);
}

#[tokio::test]
async fn higher_priorities_go_first_and_make_others_wait() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    let long = lake.manifest(&"lake-raw,a\n".repeat(1_200)).await;
    let make = async |priority: u32, source: &TaskSource| {
        let definition = lake.definition(TAGS(), source.clone());
        lake.create(JobDefinition { priority, ..definition }).await
    };
    let low = make(1, &long).await;
    lake.jobs.step().await.unwrap();
    lake.jobs.step().await.unwrap();
    assert_eq!(lake.job(&low).run.status, JobStatus::Active);
    let high = make(5, &long).await;
    lake.jobs.step().await.unwrap();
    assert_eq!((lake.job(&low).run.status, lake.job(&high).run.status), (JobStatus::Active, JobStatus::Ready));
    lake.jobs.step().await.unwrap();
    assert_eq!((lake.job(&low).run.status, lake.job(&high).run.status), (JobStatus::Paused, JobStatus::Active));
    // The one that waits is given a higher priority: now the other waits.
    lake.jobs.update_job_priority(&lake.caller(), &low, 9).await.unwrap();
    lake.jobs.step().await.unwrap();
    assert_eq!((lake.job(&low).run.status, lake.job(&high).run.status), (JobStatus::Active, JobStatus::Paused));
    lake.work().await;
    let (low, high) = (lake.job(&low), lake.job(&high));
    assert_eq!((low.run.status, low.run.succeeded), (JobStatus::Complete, 1_200));
    assert_eq!((high.run.status, high.run.succeeded), (JobStatus::Complete, 1_200));
    let refused = lake.jobs.update_job_priority(&lake.caller(), &low.id, 1).await;
    assert!(matches!(refused, Err(JobsError::Status { .. })), "{refused:?}");
}

#[tokio::test]
async fn jobs_are_listed_in_pages_and_by_status() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    let source = lake.keys_manifest(&["a"]).await;
    let mut made = Vec::new();
    for n in 0..5 {
        let mut definition = lake.definition(TAGS(), source.clone());
        definition.confirmation_required = Some(n % 2 == 0);
        made.push(lake.create(definition).await);
        lake.clock.advance(Duration::from_secs(1));
    }
    lake.work().await;
    made.reverse();
    let list = |statuses: &[JobStatus], after: Option<String>, count_max: usize| {
        let request = ListJobs { statuses: statuses.to_vec(), after, count_max };
        lake.jobs.list_jobs(&proof(), &scope(), &request)
    };
    let ids = |page: &JobPage| page.jobs.iter().map(|job| job.id).collect::<Vec<_>>();
    let all = list(&[], None, 100).unwrap();
    assert_eq!((ids(&all), all.next), (made.clone(), None));
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = list(&[], after, 2).unwrap();
        assert!(page.jobs.len() <= 2);
        found.extend(ids(&page));
        match page.next {
            None => break,
            next => after = next,
        }
    }
    assert_eq!(found, made);
    assert_eq!(list(&[JobStatus::Suspended], None, 100).unwrap().jobs.len(), 3);
    assert_eq!(list(&[JobStatus::Complete, JobStatus::Failed], None, 100).unwrap().jobs.len(), 2);
    for token in ["", "zz", "00", "g0"] {
        assert!(matches!(list(&[], Some(token.to_owned()), 2), Err(JobsError::InvalidToken)), "{token}");
    }
}

#[tokio::test]
async fn jobs_that_ended_are_forgotten_after_ninety_days() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    let job = lake.run(TAGS(), lake.keys_manifest(&["a"]).await).await;
    lake.clock.advance(Duration::from_millis(RETENTION_MS as u64));
    lake.work().await;
    assert_eq!(lake.job(&job.id).id, job.id);
    lake.clock.advance(Duration::from_millis(1));
    lake.work().await;
    assert!(matches!(lake.jobs.job(&proof(), &scope(), &job.id), Err(JobsError::JobNotFound { .. })));
    let snapshot = lake.store.read().unwrap();
    let left = snapshot.prefix(JOBS, &Key::new()).count()
        + snapshot.prefix(TOKENS, &Key::new()).count()
        + snapshot.prefix(TIMES, &Key::new()).count()
        + snapshot.prefix(EXPIRIES, &Key::new()).count();
    assert_eq!(left, 0);
}

/// What a user or the controller may do next.
#[derive(Debug, Clone)]
enum Move {
    Step,
    Restart,
    Create { confirm: bool, priority: u32, missing: bool },
    Ready(usize),
    Cancel(usize),
    Priority(usize, u32),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => Just(Move::Step),
        1 => Just(Move::Restart),
        2 => (any::<bool>(), 0_u32..3, any::<bool>())
            .prop_map(|(confirm, priority, missing)| Move::Create { confirm, priority, missing }),
        1 => (0_usize..4).prop_map(Move::Ready),
        1 => (0_usize..4).prop_map(Move::Cancel),
        1 => ((0_usize..4), 0_u32..3).prop_map(|(at, priority)| Move::Priority(at, priority)),
    ];
    proptest::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever users and crashes do: statuses follow each other as they may, counts never go back, at most one job of an account is
    /// active, and in the end each job has ended or waits for a word, with nothing left of those that ended.
    #[test]
    fn lives_are_true(moves in moves()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(live(moves));
    }
}

async fn live(moves: Vec<Move>) {
    let mut lake = Lake::new().await;
    lake.put("a", "1").await;
    let source = lake.manifest(&"lake-raw,a\n".repeat(700)).await;
    let TaskSource::Manifest(mut missing) = source.clone() else { panic!() };
    missing.location.key = "missing".to_owned();
    let missing = TaskSource::Manifest(missing);
    let mut jobs: Vec<Job> = Vec::new();
    for one in moves {
        match one {
            Move::Step => drop(lake.jobs.step().await.unwrap()),
            Move::Restart => lake.restart(),
            Move::Create { confirm, priority, missing: is_missing } => {
                let source = if is_missing { missing.clone() } else { source.clone() };
                let definition = lake.definition(TAGS(), source);
                let confirmation_required = Some(confirm);
                let id = lake.create(JobDefinition { priority, confirmation_required, ..definition }).await;
                jobs.push(lake.job(&id));
            }
            Move::Ready(at) | Move::Cancel(at) => {
                let request = match one {
                    Move::Ready(_) => RequestedStatus::Ready,
                    _ => RequestedStatus::Cancelled,
                };
                if let Some(job) = jobs.get(at) {
                    let status = lake.job(&job.id).run.status;
                    let answer = lake.jobs.update_job_status(&lake.caller(), &job.id, request, None).await;
                    assert_eq!(answer.ok(), status.requested(request), "{status:?} {request:?}");
                }
            }
            Move::Priority(at, priority) => {
                if let Some(job) = jobs.get(at) {
                    let is_final = lake.job(&job.id).run.status.is_final();
                    let answer = lake.jobs.update_job_priority(&lake.caller(), &job.id, priority).await;
                    assert_eq!(answer.is_err(), is_final);
                }
            }
        }
        for seen in &mut jobs {
            let now = lake.job(&seen.id);
            assert!(now.run.next() >= seen.run.next() && now.run.next() <= now.run.total);
            assert!(reaches(seen.run.status, now.run.status), "{:?} {:?}", seen.run.status, now.run.status);
            *seen = now;
        }
        assert!(jobs.iter().filter(|job| job.run.status == JobStatus::Active).count() <= 1);
    }
    lake.work().await;
    for job in &jobs {
        let job = lake.job(&job.id);
        assert!(job.run.status.is_final() || job.run.status == JobStatus::Suspended, "{:?}", job.run);
        if job.run.status == JobStatus::Complete {
            assert_eq!(job.run.succeeded, 700);
        }
        if job.run.status == JobStatus::Suspended {
            lake.jobs.update_job_status(&lake.caller(), &job.id, RequestedStatus::Cancelled, None).await.unwrap();
        }
    }
    lake.work().await;
    assert_eq!(lake.left_over(), 0);
}

/// Whether `to` can follow `from`, in some steps.
fn reaches(from: JobStatus, to: JobStatus) -> bool {
    let mut reached = vec![from];
    let mut at = 0;
    while let Some(status) = reached.get(at).copied() {
        for next in JobStatus::ALL {
            if status.may_become(next) && !reached.contains(&next) {
                reached.push(next);
            }
        }
        at += 1;
    }
    reached.contains(&to)
}
