//! How long it takes to know who asks and whether they may: `cargo run --release --bin tarn-access-bench`. The gateway's own gate over
//! identity's own store, for a signed request of a user with ten statements. Prints microseconds a request, the best of several rounds.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use http::request::Parts;
use tarn_audit::{Answering, AuditError, Caller, EventDetails, EventDraft, EventFilter, EventId};
use tarn_gateway::{
    AccessKey, AuditLog, AuthorizationMessages, Credentials, CredentialsError, Denial, Gate, GateParts, RecordPage,
    Secret, Source,
};
use tarn_identity::{AccessKeyStatus, EntityKind, Identity, IdentityError, KeyHolder, NewUser};
use tarn_keys::Keys;
use tarn_metadata::MemoryStore;
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, LakeAuthorizer, Principal, Requirement};
use tarn_runtime::{EntropyExt, Runtime, Timestamp};
use tarn_sigv4::{Payload, Presented, Signer};
use tarn_types::{AccountId, Arn, Region, Scope};

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 7;
const REQUESTS: u32 = 50_000;
const SERVICE: &str = "glue";

struct Keyring(Arc<Identity>);

fn unreadable(error: IdentityError) -> CredentialsError {
    CredentialsError::Unreadable { reason: error.to_string() }
}

impl Credentials for Keyring {
    fn access_key(&self, id: &str, _: Option<&str>, _: Timestamp) -> Result<Option<AccessKey>, CredentialsError> {
        let found = self.0.access_key(id).map_err(unreadable)?;
        Ok(found.map(|key| AccessKey {
            secret: Secret::new(key.secret.expose_text().unwrap_or_default()),
            is_active: key.status == AccessKeyStatus::Active,
            principal: key.principal,
        }))
    }

    fn secret(&self, id: &str) -> Result<Option<Secret>, CredentialsError> {
        let found = self.0.secret_of(id).map_err(unreadable)?;
        Ok(found.map(|secret| Secret::new(secret.expose_text().unwrap_or_default())))
    }

    fn used(&self, id: &str, time: Timestamp, service: &str, region: &str) {
        self.0.note_use(id, time.as_millisecond(), service, region);
    }
}

/// No request of this measurement is refused, and reads are kept only where a trail wants them.
struct Nothing;

impl AuditLog for Nothing {
    fn failed(&self, _: &EventDraft, _: &EventDetails, _: &str, _: &str) {}

    fn done(&self, _: &EventDraft, _: &EventDetails) {}

    fn answering(&self, _: EventId) -> Option<Answering> {
        None
    }

    fn search(
        &self,
        _: Caller,
        _: EventFilter,
        _: Option<String>,
        _: usize,
    ) -> BoxFuture<'_, Result<RecordPage, AuditError>> {
        async { Ok(RecordPage::default()) }.boxed()
    }
}

impl AuthorizationMessages for Nothing {
    fn message(&self, _: &Denial) -> Option<String> {
        None
    }
}

/// Ten statements, as a team's are; the last allows.
fn policy() -> String {
    let others = (0..9).map(|at| match at % 3 {
        0 => format!(r#"{{"Effect":"Allow","Action":["s3:Get*","s3:PutObject"],"Resource":"arn:aws:s3:::zone-{at}/${{aws:username}}/*"}}"#),
        1 => format!(r#"{{"Effect":"Allow","Action":"glue:Get*","Resource":"arn:aws:glue:*:*:table/zone{at}/*"}}"#),
        _ => r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}"#.to_owned(),
    });
    let last = r#"{"Effect":"Allow","Action":"glue:GetTable","Resource":"*"}"#.to_owned();
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, others.chain([last]).collect::<Vec<_>>().join(","))
}

fn administrator(runtime: &Runtime, authorizer: Arc<dyn Authorizer>) -> Caller {
    let principal = Principal::root(AccountId::first());
    let draft = EventDraft {
        id: runtime.entropy.bytes(),
        request_id: runtime.entropy.uuid().to_string(),
        time_ms: runtime.now().as_millisecond(),
        event_source: "iam.amazonaws.com".to_owned(),
        event_name: "CreateUser".to_owned(),
        read_only: false,
        management: true,
        scope: Scope { account: AccountId::first(), region: Region::us_east_1() },
        principal: principal.clone(),
        source_ip: "127.0.0.1".to_owned(),
        user_agent: String::new(),
        request_parameters: "null".to_owned(),
        resources: vec![],
    };
    let bound = BoundAuthorizer::new(authorizer, principal, Context::new());
    Caller::new(Authorized::internal("iam.amazonaws.com", AccountId::first()), bound, draft)
}

/// What the gateway asks of one request: who, whether the signature is theirs, whether they may.
fn admit(gate: &Gate, parts: &Parts, body_sha256: [u8; 32]) -> Result<Caller, Failure> {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
    let meta = gate.meta(Source { peer, is_secure: true, tls: None });
    let presented = Presented::of(parts)?.ok_or("the request is not signed")?;
    let key = gate.access_key(&presented.access_key_id, presented.session_token.as_deref())?;
    gate.check_signature(parts, &presented, &key, SERVICE, body_sha256)?;
    let context = gate.context(&meta, &parts.headers, &key.principal, Some(&presented));
    let draft = gate.draft(&meta, &parts.headers, &key.principal, "glue.amazonaws.com".to_owned());
    let details = gate.details(&meta, &parts.headers);
    let table = Arn::new("glue", "us-east-1", AccountId::first().as_str(), "table/sales/orders");
    let caller = gate.authorize(&key.principal, vec![Requirement::new("glue:GetTable", table)], context, draft)?;
    Ok(caller.with_details(details))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let runtime = Runtime::system();
    let keys = Keys::ephemeral(&runtime)?;
    let identity = Arc::new(Identity::new(Arc::new(MemoryStore::new()), keys, runtime.clone()));
    let authorizer = Arc::new(LakeAuthorizer::new(identity.clone(), vec![]));
    let root = || administrator(&runtime, authorizer.clone());
    identity.create_user(&root(), NewUser { name: "ada".to_owned(), ..NewUser::default() }).await?;
    identity.put_inline_policy(&root(), EntityKind::User, "ada", "ten", &policy()).await?;
    let made = identity.create_access_key(&root(), &KeyHolder::User("ada".to_owned())).await?;
    let signer = Signer {
        access_key_id: made.key.id.clone(),
        secret_access_key: made.secret.expose_text().unwrap_or_default().to_owned(),
        session_token: None,
        region: Region::us_east_1().as_str().to_owned(),
        service: SERVICE.to_owned(),
    };
    let gate = Gate::new(GateParts {
        credentials: Arc::new(Keyring(identity)),
        authorizer,
        audit: Arc::new(Nothing),
        runtime: runtime.clone(),
        region: Region::us_east_1(),
        signature_failures_count_max: 100,
        refusal_records_count_max: 100,
        messages: Arc::new(Nothing),
    });
    let body = br#"{"DatabaseName":"sales","Name":"orders"}"#;
    let body_sha256 = tarn_sigv4::sha256(body);
    let request = Request::post("http://127.0.0.1:9000/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AWSGlue.GetTable")
        .header(
            "user-agent",
            "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux lang/python#3.13 cfg/retry-mode#standard",
        )
        .body(())?;
    let (mut parts, ()) = request.into_parts();
    signer.sign(&mut parts, Payload::Sha256(body_sha256), runtime.now())?;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..REQUESTS {
            black_box(admit(&gate, black_box(&parts), body_sha256)?);
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS));
    }
    println!("authenticate and authorize: {best:.1} us a request");
    Ok(())
}
