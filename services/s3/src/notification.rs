//! Notification configurations on the wire.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html>

use s3s::dto::{
    Event, EventBridgeConfiguration, FilterRule, FilterRuleName, GetBucketNotificationConfigurationInput,
    GetBucketNotificationConfigurationOutput, LambdaFunctionConfiguration, NotificationConfigurationFilter,
    PutBucketNotificationConfigurationInput, PutBucketNotificationConfigurationOutput, QueueConfiguration, S3KeyFilter,
    TopicConfiguration,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{DestinationKind, EventPattern, NotificationConfiguration, NotificationRule, ObjectsError};

use crate::convert::bucket_name;
use crate::errors::objects_error;
use crate::operations::Call;

pub(crate) async fn get_bucket_notification_configuration(
    call: &Call,
    request: S3Request<GetBucketNotificationConfigurationInput>,
) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    let NotificationConfiguration { rules, event_bridge } =
        call.objects().bucket_notifications(call.proof(), &bucket).map_err(objects_error)?;
    let mut output = GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: event_bridge.then_some(EventBridgeConfiguration {}),
        ..GetBucketNotificationConfigurationOutput::default()
    };
    for rule in rules {
        let events = rule.events.iter().map(|event| Event::from(event.as_str().to_owned())).collect();
        let (filter, id) = (filter_to_wire(&rule), Some(rule.id));
        match rule.kind {
            DestinationKind::Queue => output.queue_configurations.get_or_insert_default().push(QueueConfiguration {
                events,
                filter,
                id,
                queue_arn: rule.destination,
            }),
            DestinationKind::Topic => output.topic_configurations.get_or_insert_default().push(TopicConfiguration {
                events,
                filter,
                id,
                topic_arn: rule.destination,
            }),
            DestinationKind::Function => output
                .lambda_function_configurations
                .get_or_insert_default()
                .push(LambdaFunctionConfiguration { events, filter, id, lambda_function_arn: rule.destination }),
        }
    }
    Ok(S3Response::new(output))
}

pub(crate) async fn put_bucket_notification_configuration(
    call: &Call,
    request: S3Request<PutBucketNotificationConfigurationInput>,
) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
    let PutBucketNotificationConfigurationInput {
        bucket, notification_configuration, skip_destination_validation, ..
    } = request.input;
    let rules = rules_of_wire(
        notification_configuration.queue_configurations.unwrap_or_default(),
        notification_configuration.topic_configurations.unwrap_or_default(),
        notification_configuration.lambda_function_configurations.unwrap_or_default(),
    );
    let event_bridge = notification_configuration.event_bridge_configuration.is_some();
    let configuration = NotificationConfiguration { rules: rules?, event_bridge };
    let skips_test = skip_destination_validation == Some(true);
    let bucket = bucket_name(&bucket)?;
    let sink = call.inner.events.as_deref();
    let put = call.objects().put_bucket_notifications(&call.caller, &bucket, configuration, sink, skips_test).await;
    put.map_err(refused)?;
    Ok(S3Response::new(PutBucketNotificationConfigurationOutput {}))
}

/// The sentences are AWS's, and clients look for them: nothing stands before them.
fn refused(error: ObjectsError) -> S3Error {
    match error {
        ObjectsError::InvalidArgument { reason, .. } => S3Error::with_message(S3ErrorCode::InvalidArgument, reason),
        other => objects_error(other),
    }
}

fn rules_of_wire(
    queues: Vec<QueueConfiguration>,
    topics: Vec<TopicConfiguration>,
    functions: Vec<LambdaFunctionConfiguration>,
) -> S3Result<Vec<NotificationRule>> {
    let queues = queues.into_iter().map(|QueueConfiguration { events, filter, id, queue_arn }| {
        rule_of_wire(DestinationKind::Queue, queue_arn, id, events, filter)
    });
    let topics = topics.into_iter().map(|TopicConfiguration { events, filter, id, topic_arn }| {
        rule_of_wire(DestinationKind::Topic, topic_arn, id, events, filter)
    });
    let functions =
        functions.into_iter().map(|LambdaFunctionConfiguration { events, filter, id, lambda_function_arn }| {
            rule_of_wire(DestinationKind::Function, lambda_function_arn, id, events, filter)
        });
    queues.chain(topics).chain(functions).collect()
}

fn rule_of_wire(
    kind: DestinationKind,
    destination: String,
    id: Option<String>,
    events: Vec<Event>,
    filter: Option<NotificationConfigurationFilter>,
) -> S3Result<NotificationRule> {
    let events = events.iter().map(|event| EventPattern::parse(event.as_ref())).collect::<Result<_, _>>();
    let mut rule = NotificationRule {
        id: id.unwrap_or_default(),
        kind,
        destination,
        events: events.map_err(refused)?,
        prefix: None,
        suffix: None,
    };
    let filters = filter.and_then(|filter| filter.key).and_then(|key| key.filter_rules).unwrap_or_default();
    for FilterRule { name, value } in filters {
        let name = name.as_ref().map(FilterRuleName::as_str).unwrap_or_default();
        let place = match name.to_ascii_lowercase().as_str() {
            FilterRuleName::PREFIX => &mut rule.prefix,
            FilterRuleName::SUFFIX => &mut rule.suffix,
            _ => return Err(s3_error!(InvalidArgument, "filter rule name must be either prefix or suffix")),
        };
        if place.is_some() {
            let twice = format!("Cannot specify more than one {} rule in a filter.", name.to_ascii_lowercase());
            return Err(S3Error::with_message(S3ErrorCode::InvalidArgument, twice));
        }
        *place = Some(value.unwrap_or_default());
    }
    Ok(rule)
}

/// S3 answers the names of filters with a capital letter.
fn filter_to_wire(rule: &NotificationRule) -> Option<NotificationConfigurationFilter> {
    let part = |name: &'static str, value: &Option<String>| {
        let value = value.clone()?;
        Some(FilterRule { name: Some(FilterRuleName::from_static(name)), value: Some(value) })
    };
    let rules: Vec<FilterRule> =
        [part("Prefix", &rule.prefix), part("Suffix", &rule.suffix)].into_iter().flatten().collect();
    (!rules.is_empty())
        .then_some(NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules: Some(rules) }) })
}
