//! Each operation through its row: who is refused, what is answered, which errors.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tarn_audit::{Caller, EventDraft};
use tarn_aws_model::firehose::{self as wire, operations as op};
use tarn_aws_protocol::{AwsError, Bytes, Operation, WireValue};
use tarn_blobs::MemoryBlobs;
use tarn_catalog::{Catalog, Column, DatabaseInput, StorageDescriptor, TableInput};
use tarn_identity::{AccountConfig, EntityKind, Identity, NewUser};
use tarn_keys::Keys;
use tarn_metadata::{MemoryStore, Store};
use tarn_objects::{Objects, ObjectsOptions};
use tarn_operation::{Kind, Service};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, LakeAuthorizer, Principal};
use tarn_runtime::{EntropyExt, FixedClock, Runtime, Timestamp};
use tarn_streams::{Streams, StreamsOptions};
use tarn_types::{AccountId, Region, Scope};

const ROLE: &str = "arn:aws:iam::000000000000:role/lake-ingest";

struct Lake {
    streams: Arc<Streams>,
    catalog: Catalog,
    identity: Arc<Identity>,
    authorizer: Arc<LakeAuthorizer>,
    runtime: Runtime,
    clock: Arc<FixedClock>,
}

impl Lake {
    async fn new() -> Self {
        let (runtime, clock) = Runtime::fixed("2013-01-02T03:04:05Z".parse::<Timestamp>().unwrap(), 7);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let identity = Arc::new(Identity::new(store.clone(), (*keys).clone(), runtime.clone()));
        let account = AccountConfig {
            id: AccountId::first(),
            name: "first".to_owned(),
            email: "root@example.com".to_owned(),
            canonical_user_id: None,
            root: None,
            users: Vec::new(),
        };
        identity.bootstrap(&Region::us_east_1(), vec![account]).await.unwrap();
        let authorizer = Arc::new(LakeAuthorizer::new(identity.clone(), Vec::new()));
        let objects = Objects::new(
            store.clone(),
            Arc::new(MemoryBlobs::new()),
            keys.clone(),
            runtime.clone(),
            ObjectsOptions::default(),
        );
        let catalog = Catalog::new(store.clone(), runtime.clone());
        let streams = Streams::open(
            store,
            Arc::new(MemoryBlobs::new()),
            keys,
            Arc::new(objects),
            Arc::new(catalog.clone()),
            authorizer.clone(),
            runtime.clone(),
            StreamsOptions { backlog_bytes_max: 1 << 20, ..StreamsOptions::default() },
        );
        let streams = Arc::new(streams.await.unwrap());
        Self { streams, catalog, identity, authorizer, runtime, clock }
    }

    fn caller(&self, authorized: Authorized, event_name: &str, read_only: bool) -> Caller {
        let principal = authorized.principal().clone();
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "r".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "firehose.amazonaws.com".to_owned(),
            event_name: event_name.to_owned(),
            read_only,
            management: true,
            scope: scope(),
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        let bound = BoundAuthorizer::new(self.authorizer.clone(), principal, Context::new());
        Caller::new(authorized, bound, draft)
    }

    /// As the gateway does it: decode, authorize, run.
    async fn call_as<O: Operation + 'static>(
        &self,
        principal: &Principal,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        let service = crate::service(self.streams.clone());
        let row = service.row(O::MODEL.name).unwrap_or_else(|| panic!("{} has no row", O::MODEL.name));
        let decoded = row.decode(input.into_value())?;
        let requirements = decoded.requirements(&scope())?;
        let first = requirements.first().map(|requirement| requirement.action);
        assert_eq!(first, row.access().iam_action, "{}", O::MODEL.name);
        let authorized =
            self.authorizer.authorize(principal, requirements, &Context::new()).map_err(crate::errors::denied)?;
        let caller = self.caller(authorized, O::MODEL.name, row.access().kind == Kind::Read);
        let value = decoded.run(caller).await?;
        Ok(O::Output::from_value(value).unwrap())
    }

    async fn call<O: Operation + 'static>(&self, input: O::Input) -> Result<O::Output, AwsError> {
        self.call_as::<O>(&Principal::root(AccountId::first()), input).await
    }

    async fn create(&self, name: &str, destination: wire::ExtendedS3DestinationConfiguration) -> Result<(), AwsError> {
        self.call::<op::CreateDeliveryStream>(creation(name, destination)).await.map(drop)
    }

    async fn describe(&self, name: &str) -> Result<wire::DeliveryStreamDescription, AwsError> {
        let input = wire::DescribeDeliveryStreamInput { delivery_stream_name: text(name), ..Default::default() };
        let answer = self.call::<op::DescribeDeliveryStream>(input).await?;
        Ok(answer.delivery_stream_description.unwrap())
    }

    /// A user with an inline policy of these statements.
    async fn user(&self, name: &str, statements: &str) -> Principal {
        let caller = self.caller(internal(), "CreateUser", false);
        let user =
            self.identity.create_user(&caller, NewUser { name: name.to_owned(), ..NewUser::default() }).await.unwrap();
        if !statements.is_empty() {
            let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
            let caller = self.caller(internal(), "PutUserPolicy", false);
            self.identity.put_inline_policy(&caller, EntityKind::User, name, "p", &document).await.unwrap();
        }
        Principal::user(AccountId::first(), name, user.id)
    }

    async fn table(&self) {
        let caller = self.caller(internal(), "CreateTable", false);
        let database = DatabaseInput { name: "raw".to_owned(), ..DatabaseInput::default() };
        self.catalog.create_database(&caller, database, BTreeMap::default()).await.unwrap();
        let storage = StorageDescriptor {
            columns: vec![Column::new("id", "bigint")],
            location: Some("s3://lake-raw/weather/".to_owned()),
            ..StorageDescriptor::default()
        };
        let input =
            TableInput { name: "weather".to_owned(), storage_descriptor: Some(storage), ..TableInput::default() };
        self.catalog.create_table(&caller, "raw", input, Vec::new()).await.unwrap();
    }
}

fn internal() -> Authorized {
    Authorized::internal("test.amazonaws.com", AccountId::first())
}

fn scope() -> Scope {
    Scope { account: AccountId::first(), region: Region::us_east_1() }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn destination() -> wire::ExtendedS3DestinationConfiguration {
    wire::ExtendedS3DestinationConfiguration {
        role_arn: text(ROLE),
        bucket_arn: text("arn:aws:s3:::lake-raw"),
        ..Default::default()
    }
}

fn creation(name: &str, destination: wire::ExtendedS3DestinationConfiguration) -> wire::CreateDeliveryStreamInput {
    wire::CreateDeliveryStreamInput {
        delivery_stream_name: text(name),
        extended_s3_destination_configuration: Some(destination),
        ..Default::default()
    }
}

fn conversion() -> wire::DataFormatConversionConfiguration {
    wire::DataFormatConversionConfiguration {
        schema_configuration: Some(wire::SchemaConfiguration {
            role_arn: text(ROLE),
            database_name: text("raw"),
            table_name: text("weather"),
            ..Default::default()
        }),
        input_format_configuration: Some(wire::InputFormatConfiguration {
            deserializer: Some(wire::Deserializer {
                open_x_json_ser_de: Some(wire::OpenXJsonSerDe::default()),
                ..Default::default()
            }),
        }),
        output_format_configuration: Some(wire::OutputFormatConfiguration {
            serializer: Some(wire::Serializer {
                parquet_ser_de: Some(wire::ParquetSerDe::default()),
                ..Default::default()
            }),
        }),
        enabled: None,
    }
}

fn processing(kind: &str, name: &str, value: &str) -> Option<wire::ProcessingConfiguration> {
    let parameter = wire::ProcessorParameter { parameter_name: text(name), parameter_value: text(value) };
    let processor = wire::Processor { r#type: text(kind), parameters: Some(vec![parameter]) };
    Some(wire::ProcessingConfiguration { enabled: Some(true), processors: Some(vec![processor]) })
}

fn record(bytes: usize) -> wire::Record {
    wire::Record { data: Some(Bytes::from(vec![b'x'; bytes])) }
}

fn put(name: &str, bytes: usize) -> wire::PutRecordInput {
    wire::PutRecordInput { delivery_stream_name: text(name), record: Some(record(bytes)) }
}

fn update(version: &str, update: wire::ExtendedS3DestinationUpdate) -> wire::UpdateDestinationInput {
    wire::UpdateDestinationInput {
        delivery_stream_name: text("weather"),
        current_delivery_stream_version_id: text(version),
        destination_id: text("destinationId-000000000001"),
        extended_s3_destination_update: Some(update),
        ..Default::default()
    }
}

/// Code, and a part of the message, of a refusal.
#[track_caller]
fn check<T: std::fmt::Debug>(found: Result<T, AwsError>, code: &str, part: &str) {
    match found {
        Err(error) if error.code == code && error.message.contains(part) => {}
        other => panic!("{other:?}, expected {code} with {part}"),
    }
}

#[tokio::test]
async fn a_stream_is_described_as_it_was_made() {
    let lake = Lake::new().await;
    lake.table().await;
    let made = wire::ExtendedS3DestinationConfiguration {
        prefix: text("weather/day=!{timestamp:yyyy-MM-dd}/"),
        error_output_prefix: text("errors/"),
        data_format_conversion_configuration: Some(conversion()),
        processing_configuration: processing("AppendDelimiterToRecord", "Delimiter", "\\n"),
        custom_time_zone: text("America/New_York"),
        file_extension: text(".parq"),
        ..destination()
    };
    lake.create("weather", made).await.unwrap();
    let stream = lake.describe("weather").await.unwrap();
    assert_eq!(stream.delivery_stream_arn, text("arn:aws:firehose:us-east-1:000000000000:deliverystream/weather"));
    assert_eq!(stream.delivery_stream_status, text("ACTIVE"));
    assert_eq!(stream.version_id, text("1"));
    let destination = stream.destinations.unwrap().remove(0);
    let found = destination.extended_s3_destination_description.unwrap();
    let hints = found.buffering_hints.unwrap();
    assert_eq!((hints.size_in_mbs, hints.interval_in_seconds), (Some(128), Some(300)));
    assert_eq!(found.custom_time_zone, text("America/New_York"));
    assert_eq!(found.file_extension, text(".parq"));
    let processor = found.processing_configuration.unwrap().processors.unwrap().remove(0);
    assert_eq!(processor.parameters.unwrap()[0].parameter_value, text("\\n"));
    let schema = found.data_format_conversion_configuration.unwrap().schema_configuration.unwrap();
    assert_eq!((schema.table_name, schema.version_id), (text("weather"), text("LATEST")));

    lake.create("plain", self::destination()).await.unwrap();
    let found = lake.describe("plain").await.unwrap().destinations.unwrap().remove(0);
    let hints = found.s3_destination_description.unwrap().buffering_hints.unwrap();
    assert_eq!((hints.size_in_mbs, hints.interval_in_seconds), (Some(5), Some(300)));

    let page = |after: Option<&str>| wire::ListDeliveryStreamsInput {
        limit: Some(1),
        exclusive_start_delivery_stream_name: after.map(str::to_owned),
        ..Default::default()
    };
    let first = lake.call::<op::ListDeliveryStreams>(page(None)).await.unwrap();
    assert_eq!(
        (first.delivery_stream_names.unwrap(), first.has_more_delivery_streams),
        (vec!["plain".into()], Some(true))
    );
    let rest = lake.call::<op::ListDeliveryStreams>(page(Some("plain"))).await.unwrap();
    assert_eq!(
        (rest.delivery_stream_names.unwrap(), rest.has_more_delivery_streams),
        (vec!["weather".into()], Some(false))
    );
}

#[tokio::test]
async fn what_is_not_built_is_refused_and_nothing_is_made() {
    let lake = Lake::new().await;
    let refused = async |destination, part: &str| {
        check(lake.create("bad", destination).await, "InvalidArgumentException", part);
    };
    let base = destination;
    type Destination = wire::ExtendedS3DestinationConfiguration;
    refused(Destination { compression_format: text("Snappy"), ..base() }, "CompressionFormat Snappy").await;
    refused(Destination { bucket_arn: text("arn:aws-cn:s3:::b"), ..base() }, "BucketARN").await;
    refused(Destination { prefix: text("!{partitionKeyFromQuery:k}"), ..base() }, "Prefix").await;
    refused(Destination { s3_backup_mode: text("Enabled"), ..base() }, "S3BackupMode").await;
    refused(Destination { custom_time_zone: text("Middle/Earth"), ..base() }, "time zone").await;
    refused(Destination { processing_configuration: processing("Lambda", "LambdaArn", "x"), ..base() }, "Lambda").await;
    let hints = wire::BufferingHints { size_in_mbs: Some(1), interval_in_seconds: None };
    refused(Destination { buffering_hints: Some(hints), ..base() }, "needed both").await;
    let logs = wire::CloudWatchLoggingOptions { enabled: Some(true), ..Default::default() };
    refused(Destination { cloud_watch_logging_options: Some(logs), ..base() }, "CloudWatchLoggingOptions").await;
    let kms = wire::KMSEncryptionConfig { awskms_key_arn: text("arn:aws:kms:us-east-1:000000000000:key/k") };
    let kms = wire::EncryptionConfiguration { kms_encryption_config: Some(kms), ..Default::default() };
    refused(Destination { encryption_configuration: Some(kms), ..base() }, "KMSEncryptionConfig").await;
    let dynamic = wire::DynamicPartitioningConfiguration { enabled: Some(true), ..Default::default() };
    refused(Destination { dynamic_partitioning_configuration: Some(dynamic), ..base() }, "DynamicPartitioning").await;
    let converted = |conversion| Destination { data_format_conversion_configuration: Some(conversion), ..base() };
    refused(converted(conversion()), "not found").await;
    let mut orc = conversion();
    orc.output_format_configuration = Some(wire::OutputFormatConfiguration {
        serializer: Some(wire::Serializer { orc_ser_de: Some(wire::OrcSerDe::default()), ..Default::default() }),
    });
    refused(converted(orc), "OrcSerDe").await;

    let splunk = wire::CreateDeliveryStreamInput {
        delivery_stream_name: text("bad"),
        splunk_destination_configuration: Some(wire::SplunkDestinationConfiguration::default()),
        ..Default::default()
    };
    check(lake.call::<op::CreateDeliveryStream>(splunk).await, "InvalidArgumentException", "Splunk");
    let kinesis = wire::CreateDeliveryStreamInput {
        delivery_stream_type: text("KinesisStreamAsSource"),
        ..creation("bad", destination())
    };
    check(lake.call::<op::CreateDeliveryStream>(kinesis).await, "InvalidArgumentException", "DirectPut");
    let nowhere = wire::CreateDeliveryStreamInput { delivery_stream_name: text("bad"), ..Default::default() };
    check(lake.call::<op::CreateDeliveryStream>(nowhere).await, "InvalidArgumentException", "Exactly one");
    check(
        lake.describe("bad").await,
        "ResourceNotFoundException",
        "Firehose bad under account 000000000000 not found.",
    );
}

#[tokio::test]
async fn records_are_taken_while_there_is_room() {
    let lake = Lake::new().await;
    check(lake.call::<op::PutRecord>(put("weather", 1)).await, "ResourceNotFoundException", "weather");
    lake.create("weather", destination()).await.unwrap();
    let one = lake.call::<op::PutRecord>(put("weather", 1_000)).await.unwrap();
    assert!(one.record_id.is_some_and(|id| !id.is_empty()));
    let batch = |sizes: &[usize]| wire::PutRecordBatchInput {
        delivery_stream_name: text("weather"),
        records: Some(sizes.iter().map(|bytes| record(*bytes)).collect()),
    };
    let taken = lake.call::<op::PutRecordBatch>(batch(&[1, 0, 3])).await.unwrap();
    assert_eq!(taken.failed_put_count, Some(0));
    let ids: Vec<_> = taken.request_responses.unwrap().into_iter().map(|entry| entry.record_id.unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    let too_much = batch(&[1_000_000; 5]);
    check(lake.call::<op::PutRecordBatch>(too_much).await, "InvalidArgumentException", "a batch");
    check(lake.call::<op::PutRecord>(put("weather", 1_024_001)).await, "InvalidArgumentException", "a record");
    // Nothing is delivered (the bucket is not there), so that what waits grows beyond its limit.
    let taken = lake.call::<op::PutRecordBatch>(batch(&[1_000_000, 100_000, 5])).await.unwrap();
    assert_eq!(taken.failed_put_count, Some(1));
    let entries = taken.request_responses.unwrap();
    assert!(entries[..2].iter().all(|entry| entry.record_id.is_some() && entry.error_code.is_none()), "{entries:?}");
    assert_eq!((entries[2].error_code.as_deref(), &entries[2].record_id), (Some("ServiceUnavailableException"), &None));
    check(lake.call::<op::PutRecord>(put("weather", 1)).await, "ServiceUnavailableException", "slow down");

    let delete = |force| wire::DeleteDeliveryStreamInput {
        delivery_stream_name: text("weather"),
        allow_force_delete: Some(force),
    };
    lake.call::<op::DeleteDeliveryStream>(delete(false)).await.unwrap();
    assert_eq!(lake.describe("weather").await.unwrap().delivery_stream_status, text("DELETING"));
    check(lake.call::<op::PutRecord>(put("weather", 1)).await, "ResourceNotFoundException", "being deleted");
    check(lake.call::<op::DeleteDeliveryStream>(delete(false)).await, "ResourceInUseException", "being deleted");
}

#[tokio::test]
async fn a_destination_changes_where_it_is_told_and_keeps_the_rest() {
    let lake = Lake::new().await;
    let hints = wire::BufferingHints { size_in_mbs: Some(1), interval_in_seconds: Some(60) };
    let made = wire::ExtendedS3DestinationConfiguration {
        prefix: text("weather/"),
        buffering_hints: Some(hints),
        compression_format: text("GZIP"),
        ..destination()
    };
    lake.create("weather", made.clone()).await.unwrap();
    check(lake.create("weather", made).await, "ResourceInUseException", "already exists");
    lake.clock.advance(Duration::from_secs(5));
    let change = || wire::ExtendedS3DestinationUpdate { compression_format: text("ZSTD"), ..Default::default() };
    let elsewhere = wire::UpdateDestinationInput { destination_id: text("other"), ..update("1", change()) };
    check(lake.call::<op::UpdateDestination>(elsewhere).await, "InvalidArgumentException", "other not found");
    lake.call::<op::UpdateDestination>(update("1", change())).await.unwrap();
    let stale = lake.call::<op::UpdateDestination>(update("1", change())).await;
    check(stale, "ConcurrentModificationException", "version");
    let stream = lake.describe("weather").await.unwrap();
    assert_eq!(stream.version_id, text("2"));
    assert!(stream.last_update_timestamp > stream.create_timestamp);
    let found = stream.destinations.unwrap().remove(0).extended_s3_destination_description.unwrap();
    assert_eq!((found.prefix, found.compression_format), (text("weather/"), text("ZSTD")));
    assert_eq!(found.buffering_hints.unwrap().size_in_mbs, Some(1));
}

#[tokio::test]
async fn tags_are_kept_in_pages() {
    let lake = Lake::new().await;
    let tag = |key: &str, value: &str| wire::Tag { key: text(key), value: text(value) };
    let made =
        wire::CreateDeliveryStreamInput { tags: Some(vec![tag("team", "lake")]), ..creation("weather", destination()) };
    lake.call::<op::CreateDeliveryStream>(made).await.unwrap();
    let put = |tags| wire::TagDeliveryStreamInput { delivery_stream_name: text("weather"), tags: Some(tags) };
    lake.call::<op::TagDeliveryStream>(put(vec![tag("team", "air"), tag("cost", "7")])).await.unwrap();
    check(lake.call::<op::TagDeliveryStream>(put(vec![tag("aws:x", "1")])).await, "InvalidArgumentException", "aws:");
    check(
        lake.call::<op::TagDeliveryStream>(put(vec![tag("a", "1"), tag("a", "2")])).await,
        "InvalidArgumentException",
        "twice",
    );
    let page = |after: Option<&str>, limit| wire::ListTagsForDeliveryStreamInput {
        delivery_stream_name: text("weather"),
        exclusive_start_tag_key: after.map(str::to_owned),
        limit: Some(limit),
    };
    let first = lake.call::<op::ListTagsForDeliveryStream>(page(None, 1)).await.unwrap();
    assert_eq!((first.tags.unwrap(), first.has_more_tags), (vec![tag("cost", "7")], Some(true)));
    let rest = lake.call::<op::ListTagsForDeliveryStream>(page(Some("cost"), 1)).await.unwrap();
    assert_eq!((rest.tags.unwrap(), rest.has_more_tags), (vec![tag("team", "air")], Some(false)));
    let remove = wire::UntagDeliveryStreamInput {
        delivery_stream_name: text("weather"),
        tag_keys: Some(vec!["team".to_owned(), "cost".to_owned()]),
    };
    lake.call::<op::UntagDeliveryStream>(remove).await.unwrap();
    let none = lake.call::<op::ListTagsForDeliveryStream>(page(None, 10)).await.unwrap();
    assert_eq!(none.tags.unwrap(), []);
}

#[tokio::test]
async fn nobody_writes_through_a_stream_what_they_may_not_write() {
    let lake = Lake::new().await;
    lake.table().await;
    let firehose = r#"{"Effect":"Allow","Action":"firehose:*","Resource":"*"}"#;
    let bucket = r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::lake-raw/*"}"#;
    let glue = r#"{"Effect":"Allow","Action":"glue:GetTable","Resource":"*"}"#;
    let pass = format!(
        r#"{{"Effect":"Allow","Action":"iam:PassRole","Resource":"{ROLE}","Condition":{{"StringEquals":{{"iam:PassedToService":"firehose.amazonaws.com"}}}}}}"#
    );
    let secret = r#"{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::lake-raw/secret/*"}"#;
    let nobody = lake.user("nobody", "").await;
    let producer = lake.user("producer", firehose).await;
    let passer = lake.user("passer", &format!("{firehose},{pass}")).await;
    let writer = lake.user("writer", &format!("{firehose},{pass},{bucket}")).await;
    let kept_out = lake.user("kept-out", &format!("{firehose},{pass},{bucket},{glue},{secret}")).await;
    let prefixed = |prefix: &str| wire::ExtendedS3DestinationConfiguration { prefix: text(prefix), ..destination() };
    let converted = || wire::ExtendedS3DestinationConfiguration {
        data_format_conversion_configuration: Some(conversion()),
        ..destination()
    };
    let create = async |who: &Principal, name: &str, destination| {
        lake.call_as::<op::CreateDeliveryStream>(who, creation(name, destination)).await
    };
    let denied = "AccessDeniedException";
    check(create(&nobody, "a", destination()).await, denied, "firehose:CreateDeliveryStream");
    check(create(&producer, "a", destination()).await, denied, "iam:PassRole");
    check(create(&passer, "a", destination()).await, denied, "s3:PutObject");
    check(create(&writer, "a", converted()).await, denied, "glue:GetTable");
    check(create(&kept_out, "a", prefixed("secret/")).await, denied, "explicit deny");
    check(create(&kept_out, "a", prefixed("!{timestamp:'secret'/}")).await, denied, "explicit deny");
    create(&kept_out, "weather", converted()).await.unwrap();
    // Whoever changes a stream must be allowed what it goes on doing.
    let further = || wire::ExtendedS3DestinationUpdate { file_extension: text(".x"), ..Default::default() };
    let change = lake.call_as::<op::UpdateDestination>(&producer, update("1", further())).await;
    check(change, denied, "s3:PutObject");
    let change = lake.call_as::<op::UpdateDestination>(&writer, update("1", further())).await;
    check(change, denied, "glue:GetTable");
    let role = || wire::ExtendedS3DestinationUpdate {
        role_arn: text(&ROLE.replace("role/", "role/other-")),
        ..Default::default()
    };
    check(lake.call_as::<op::UpdateDestination>(&kept_out, update("1", role())).await, denied, "iam:PassRole");
    let secret = wire::ExtendedS3DestinationUpdate { prefix: text("secret/"), ..Default::default() };
    check(lake.call_as::<op::UpdateDestination>(&kept_out, update("1", secret)).await, denied, "explicit deny");
    lake.call_as::<op::UpdateDestination>(&kept_out, update("1", further())).await.unwrap();
    // Producers need no more than the stream.
    check(lake.call_as::<op::PutRecord>(&nobody, put("weather", 1)).await, denied, "deliverystream/weather");
    lake.call_as::<op::PutRecord>(&producer, put("weather", 1)).await.unwrap();
}
