//! Where events of buckets go: the lake's own delivery streams, queues that are webhooks, and rules of the bus, as the configuration
//! names them. Knows who takes events; when, in which order and how often is for `tarn-objects`.

mod pattern;
mod settings;
mod webhook;

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tarn_audit::{Caller, EventDraft};
use tarn_identity::Identity;
use tarn_objects::{Event, EventSink, TestEvent};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Principal, Requirement};
use tarn_runtime::{EntropyExt, Runtime};
use tarn_service_s3::{event_bridge_record, event_record, test_event_record};
use tarn_streams::Streams;
use tarn_types::{AccountId, Arn, Region, Scope};

pub(crate) use settings::url_of;
pub use settings::{EVENT_RULE_KEYS, EventRuleSetting, QUEUE_KEYS, QueueSetting};
pub(crate) use webhook::Webhooks;

/// Who delivers.
const SERVICE: &str = "s3.amazonaws.com";
/// What the name of a rule's queue begins with: no ARN does.
const RULE: &str = "rule:";

/// Who takes events.
pub(crate) struct EventTargets {
    pub(crate) streams: Arc<Streams>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) runtime: Runtime,
    pub(crate) region: Region,
    pub(crate) queues: Vec<QueueSetting>,
    pub(crate) rules: Vec<EventRuleSetting>,
    pub(crate) webhooks: Webhooks,
}

/// A destination, found.
enum Target<'a> {
    /// A delivery stream, by its name.
    Stream { arn: Arn, scope: Scope, name: String },
    /// A queue.
    Queue(&'a QueueSetting),
}

fn stream_context(event_bucket: &str, owner: &AccountId) -> Context {
    Context::new()
        .with("aws:SourceArn", Arn::s3_bucket(event_bucket).to_string())
        .with("aws:SourceAccount", owner.as_str())
}

impl EventTargets {
    fn target(&self, destination: &str) -> Result<Target<'_>, String> {
        if let Some(queue) = self.queues.iter().find(|queue| queue.arn == destination) {
            return Ok(Target::Queue(queue));
        }
        let unknown = || format!("no delivery stream and none of [[queues]] has the ARN {destination}");
        let arn = Arn::parse(destination).map_err(|error| error.to_string())?;
        let name = arn.resource.strip_prefix("deliverystream/").filter(|_| arn.service == "firehose");
        let name = name.ok_or_else(unknown)?.to_owned();
        let account = AccountId::new(arn.account.clone()).map_err(|error| error.to_string())?;
        if arn.region != self.region.as_str() {
            return Err(unknown());
        }
        Ok(Target::Stream { arn, scope: Scope { account, region: self.region.clone() }, name })
    }

    /// Whether events of `owner`'s buckets may go to a target, by the policies of now.
    fn authorize(&self, target: &Target<'_>, owner: &AccountId, context: &Context) -> Result<Authorized, String> {
        match target {
            Target::Queue(queue) if queue.takes_from(owner) => Ok(Authorized::internal(SERVICE, owner.clone())),
            Target::Queue(queue) => Err(format!("the queue {} takes no events of account {owner}", queue.arn)),
            Target::Stream { arn, .. } => {
                let principal = Principal::service(owner.clone(), SERVICE);
                let put = Requirement::new("firehose:PutRecordBatch", arn.clone());
                self.authorizer.authorize(&principal, vec![put], context).map_err(|denied| denied.to_string())
            }
        }
    }

    fn canonical_id(&self, owner: &AccountId) -> String {
        let account = self.identity.account(owner).ok().flatten();
        account.map(|account| account.canonical_user_id).unwrap_or_default()
    }

    /// Hands records to a target, in their order.
    async fn send(&self, target: &Target<'_>, owner: &AccountId, bucket: &str, records: Sent) -> Result<(), String> {
        let context = stream_context(bucket, owner);
        let authorized = self.authorize(target, owner, &context)?;
        match target {
            Target::Queue(queue) => match records {
                // One message, as a queue has it.
                Sent::Records(records) => self.webhooks.post(&queue.url, &json!({ "Records": records })).await,
                Sent::Whole(messages) => {
                    for message in messages {
                        self.webhooks.post(&queue.url, &message).await?;
                    }
                    Ok(())
                }
            },
            Target::Stream { arn, scope, name } => {
                let (Sent::Records(records) | Sent::Whole(records)) = records;
                // A line each, so that a table can be read from what is delivered.
                let lines = records.iter().map(|record| Bytes::from(format!("{record}\n"))).collect();
                let caller = self.caller(authorized, scope, arn, name, context);
                let taken = self.streams.put_records(&caller, name, lines).await.map_err(|error| error.to_string())?;
                taken.into_iter().find_map(Result::err).map_or(Ok(()), |error| Err(error.to_string()))
            }
        }
    }

    fn caller(&self, authorized: Authorized, scope: &Scope, arn: &Arn, name: &str, context: Context) -> Caller {
        let principal = authorized.principal().clone();
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "firehose.amazonaws.com".to_owned(),
            event_name: "PutRecordBatch".to_owned(),
            read_only: false,
            management: false,
            scope: scope.clone(),
            principal: principal.clone(),
            source_ip: SERVICE.to_owned(),
            user_agent: SERVICE.to_owned(),
            request_parameters: json!({ "deliveryStreamName": name }).to_string(),
            resources: vec![arn.to_string()],
        };
        Caller::new(authorized, BoundAuthorizer::new(self.authorizer.clone(), principal, context), draft)
    }

    fn rule(&self, queue: &str) -> Option<&EventRuleSetting> {
        let name = queue.strip_prefix(RULE)?;
        self.rules.iter().find(|rule| rule.name == name)
    }
}

/// What is sent.
enum Sent {
    /// Records that may travel in one message.
    Records(Vec<Value>),
    /// Messages of their own.
    Whole(Vec<Value>),
}

impl EventSink for EventTargets {
    fn check(&self, owner: &AccountId, destination: &str) -> Result<(), String> {
        let target = self.target(destination)?;
        let authorized = self.authorize(&target, owner, &stream_context("*", owner))?;
        match &target {
            Target::Queue(_) => Ok(()),
            Target::Stream { scope, name, .. } => {
                self.streams.delivery_stream(&authorized, scope, name).map(drop).map_err(|error| error.to_string())
            }
        }
    }

    fn test<'a>(&'a self, destination: &'a str, test: &'a TestEvent) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let target = self.target(destination)?;
            let records = Sent::Whole(vec![test_event_record(test)]);
            self.send(&target, &test.owner, test.bucket.as_str(), records).await
        }
        .boxed()
    }

    fn routes(&self, event: &Event) -> Vec<String> {
        let Some(record) = event_bridge_record(event) else { return Vec::new() };
        let context = stream_context(event.bucket.as_str(), &event.owner);
        let is_for = |rule: &&EventRuleSetting| {
            rule.pattern.matches(&record)
                && self
                    .target(&rule.target)
                    .and_then(|target| self.authorize(&target, &event.owner, &context))
                    .inspect_err(|reason| tracing::debug!(rule = rule.name, reason, "a rule's target takes no events"))
                    .is_ok()
        };
        self.rules.iter().filter(is_for).map(|rule| format!("{RULE}{}", rule.name)).collect()
    }

    fn deliver<'a>(&'a self, queue: &'a str, events: &'a [Event]) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let Some(first) = events.first() else { return Ok(()) };
            let (destination, records) = match self.rule(queue) {
                Some(rule) => {
                    (rule.target.as_str(), Sent::Whole(events.iter().filter_map(event_bridge_record).collect()))
                }
                None if queue.starts_with(RULE) => return Err(format!("there is no [[event_rules]] for {queue}")),
                None => {
                    let owner = self.canonical_id(&first.owner);
                    (queue, Sent::Records(events.iter().map(|event| event_record(event, &owner)).collect()))
                }
            };
            let target = self.target(destination)?;
            self.send(&target, &first.owner, first.bucket.as_str(), records).await
        }
        .boxed()
    }
}
