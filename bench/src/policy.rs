//! How long a policy decision takes: `cargo run --release --bin tarn-policy-bench`. Prints nanoseconds a decision, the best of several rounds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use tarn_policy::{Context, Policy, PolicyKind, PolicySets, Principal, Question, decide};
use tarn_types::{AccountId, Arn};

const ROUNDS: usize = 7;
const DECISIONS: u32 = 200_000;

/// Policies of ten statements each, as a team's are: reads of some prefixes, writes of its own, denials with conditions; the last allows.
fn policies(count: usize) -> Result<Vec<Arc<Policy>>, tarn_policy::PolicyError> {
    let statement = |at: usize| {
        match at % 5 {
        0 => format!(r#"{{"Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketLocation"],"Resource":"arn:aws:s3:::zone-{at}"}}"#),
        1 => format!(r#"{{"Effect":"Allow","Action":["s3:Get*","s3:PutObject"],"Resource":"arn:aws:s3:::zone-{at}/${{aws:username}}/*"}}"#),
        2 => format!(r#"{{"Effect":"Allow","Action":"glue:*","Resource":"arn:aws:glue:*:*:table/zone{at}/*"}}"#),
        3 => r#"{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#.to_owned(),
        _ => r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lake-raw/*","Condition":{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/8"]}}}"#.to_owned(),
    }
    };
    let text = |policy: usize| {
        let statements: Vec<_> = (0..10).map(|at| statement(policy * 10 + at)).collect();
        format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
    };
    (0..count).map(|policy| Policy::parse(&text(policy), PolicyKind::Identity).map(Arc::new)).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let principal = Principal::user(AccountId::first(), "ada", "AIDAEXAMPLE");
    let resource = Arn::s3_object("lake-raw", "sales/2026/11/26/part-0001.parquet");
    let request = Context::new().with("aws:SourceIp", "10.1.2.3").with("aws:SecureTransport", "true");
    let own = Context::new();
    for (statements, count) in [(10, 1), (100, 10)] {
        let identity = policies(count)?;
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..DECISIONS {
                let question = Question {
                    principal: &principal,
                    action: "s3:GetObject",
                    resource: Some(&resource),
                    resource_owner: Some(&principal.account),
                    own: &own,
                    request: &request,
                    of_callers_own: false,
                    is_supposed: false,
                };
                let sets = PolicySets { identity: &identity, ..PolicySets::default() };
                let decision = black_box(decide(black_box(&question), black_box(&sets)));
                if !decision.is_allowed() {
                    return Err("the question must be allowed, or it is another measurement".into());
                }
            }
            best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS));
        }
        println!("{statements} statements: {best:.0} ns a decision");
    }
    Ok(())
}
