//! Crawlers and crawls between the wire and the domain. What a crawler cannot do is refused.

use tarn_aws_model::glue as wire;
use tarn_aws_protocol::AwsError;
use tarn_crawlers::{Crawl, CrawlState, Crawler, CrawlerState, DeleteBehavior, S3Target, UpdateBehavior};

use crate::convert::time;
use crate::errors::{invalid, refuse_unbuilt, refuse_unbuilt_list};

/// The longest text of a message on the wire, characters.
const MESSAGE_CHARACTERS_MAX: usize = 2048;

pub(crate) fn targets(targets: wire::CrawlerTargets) -> Result<Vec<S3Target>, AwsError> {
    let wire::CrawlerTargets {
        s3_targets,
        jdbc_targets,
        mongo_db_targets,
        dynamo_db_targets,
        catalog_targets,
        delta_targets,
        iceberg_targets,
        hudi_targets,
    } = targets;
    refuse_unbuilt_list("Targets.JdbcTargets", jdbc_targets.as_ref())?;
    refuse_unbuilt_list("Targets.MongoDBTargets", mongo_db_targets.as_ref())?;
    refuse_unbuilt_list("Targets.DynamoDBTargets", dynamo_db_targets.as_ref())?;
    refuse_unbuilt_list("Targets.CatalogTargets", catalog_targets.as_ref())?;
    refuse_unbuilt_list("Targets.DeltaTargets", delta_targets.as_ref())?;
    refuse_unbuilt_list("Targets.IcebergTargets", iceberg_targets.as_ref())?;
    refuse_unbuilt_list("Targets.HudiTargets", hudi_targets.as_ref())?;
    s3_targets.unwrap_or_default().into_iter().map(s3_target).collect()
}

fn s3_target(target: wire::S3Target) -> Result<S3Target, AwsError> {
    let wire::S3Target { path, exclusions, connection_name, sample_size, event_queue_arn, dlq_event_queue_arn } =
        target;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    refuse_unbuilt("S3Targets.ConnectionName", given(connection_name).as_ref())?;
    refuse_unbuilt("S3Targets.EventQueueArn", given(event_queue_arn).as_ref())?;
    refuse_unbuilt("S3Targets.DlqEventQueueArn", given(dlq_event_queue_arn).as_ref())?;
    let sample_size =
        sample_size.map(u32::try_from).transpose().map_err(|_| invalid("SampleSize is 1 to 249 files."))?;
    Ok(S3Target { path: path.unwrap_or_default(), exclusions: exclusions.unwrap_or_default(), sample_size })
}

pub(crate) fn behaviors(
    policy: Option<wire::SchemaChangePolicy>,
) -> Result<Option<(UpdateBehavior, DeleteBehavior)>, AwsError> {
    let Some(wire::SchemaChangePolicy { update_behavior, delete_behavior }) = policy else {
        return Ok(None);
    };
    let update = match update_behavior.as_deref() {
        Some("LOG") => UpdateBehavior::Log,
        Some("UPDATE_IN_DATABASE") | None => UpdateBehavior::UpdateInDatabase,
        Some(other) => return Err(invalid(format!("UpdateBehavior {other} is not LOG or UPDATE_IN_DATABASE."))),
    };
    let delete = match delete_behavior.as_deref() {
        Some("LOG") => DeleteBehavior::Log,
        Some("DELETE_FROM_DATABASE") => DeleteBehavior::DeleteFromDatabase,
        Some("DEPRECATE_IN_DATABASE") | None => DeleteBehavior::DeprecateInDatabase,
        Some(other) => {
            return Err(invalid(format!(
                "DeleteBehavior {other} is not LOG, DELETE_FROM_DATABASE or DEPRECATE_IN_DATABASE."
            )));
        }
    };
    Ok(Some((update, delete)))
}

/// Options that are taken only with the value that means what is done.
pub(crate) fn refuse_options(
    classifiers: Option<&Vec<String>>,
    recrawl: Option<&wire::RecrawlPolicy>,
    lineage: Option<&wire::LineageConfiguration>,
    lake_formation: Option<&wire::LakeFormationConfiguration>,
    security: Option<&String>,
) -> Result<(), AwsError> {
    refuse_unbuilt_list("Classifiers", classifiers)?;
    let recrawl = recrawl.and_then(|policy| policy.recrawl_behavior.as_ref());
    if let Some(behavior) = recrawl.filter(|behavior| *behavior != "CRAWL_EVERYTHING") {
        return Err(invalid(format!(
            "RecrawlBehavior {behavior} is not built into this server; use CRAWL_EVERYTHING."
        )));
    }
    let lineage = lineage.and_then(|lineage| lineage.crawler_lineage_settings.as_ref());
    refuse_unbuilt("CrawlerLineageSettings ENABLE", lineage.filter(|setting| *setting != "DISABLE"))?;
    let lake_formation = lake_formation.and_then(|configuration| configuration.use_lake_formation_credentials);
    refuse_unbuilt("UseLakeFormationCredentials", lake_formation.filter(|used| *used).as_ref())?;
    refuse_unbuilt("CrawlerSecurityConfiguration", security.filter(|name| !name.is_empty()))
}

fn cut(text: String) -> String {
    text.chars().take(MESSAGE_CHARACTERS_MAX).collect()
}

pub(crate) fn crawler(crawler: Crawler, now_ms: i64) -> wire::Crawler {
    let since_ms = crawler.running_since_ms();
    let definition = crawler.definition;
    let s3_targets = definition.s3_targets.into_iter().map(|target| wire::S3Target {
        path: Some(target.path),
        exclusions: Some(target.exclusions),
        sample_size: target.sample_size.and_then(|size| i32::try_from(size).ok()),
        ..wire::S3Target::default()
    });
    let update = match definition.update_behavior {
        UpdateBehavior::Log => "LOG",
        UpdateBehavior::UpdateInDatabase => "UPDATE_IN_DATABASE",
    };
    let delete = match definition.delete_behavior {
        DeleteBehavior::Log => "LOG",
        DeleteBehavior::DeleteFromDatabase => "DELETE_FROM_DATABASE",
        DeleteBehavior::DeprecateInDatabase => "DEPRECATE_IN_DATABASE",
    };
    let state = match crawler.state {
        CrawlerState::Ready => "READY",
        CrawlerState::Running => "RUNNING",
        CrawlerState::Stopping => "STOPPING",
    };
    wire::Crawler {
        name: Some(definition.name),
        role: Some(definition.role),
        targets: Some(wire::CrawlerTargets {
            s3_targets: Some(s3_targets.collect()),
            jdbc_targets: Some(Vec::new()),
            mongo_db_targets: Some(Vec::new()),
            dynamo_db_targets: Some(Vec::new()),
            catalog_targets: Some(Vec::new()),
            delta_targets: Some(Vec::new()),
            iceberg_targets: Some(Vec::new()),
            hudi_targets: Some(Vec::new()),
        }),
        database_name: Some(definition.database_name),
        description: definition.description,
        classifiers: Some(Vec::new()),
        recrawl_policy: Some(wire::RecrawlPolicy { recrawl_behavior: Some("CRAWL_EVERYTHING".to_owned()) }),
        schema_change_policy: Some(wire::SchemaChangePolicy {
            update_behavior: Some(update.to_owned()),
            delete_behavior: Some(delete.to_owned()),
        }),
        lineage_configuration: Some(wire::LineageConfiguration {
            crawler_lineage_settings: Some("DISABLE".to_owned()),
        }),
        state: Some(state.to_owned()),
        table_prefix: definition.table_prefix,
        schedule: definition.schedule.map(|expression| wire::Schedule {
            schedule_expression: Some(expression),
            state: Some("SCHEDULED".to_owned()),
        }),
        crawl_elapsed_time: Some(since_ms.map_or(0, |since_ms| (now_ms - since_ms).max(0))),
        creation_time: time(crawler.creation_time_ms),
        last_updated: time(crawler.last_updated_ms),
        last_crawl: crawler.last_crawl.map(last_crawl),
        version: i64::try_from(crawler.version).ok(),
        configuration: definition.configuration,
        lake_formation_configuration: Some(wire::LakeFormationConfiguration {
            use_lake_formation_credentials: Some(false),
            account_id: Some(String::new()),
        }),
        ..wire::Crawler::default()
    }
}

fn last_crawl(crawl: Crawl) -> wire::LastCrawlInfo {
    let status = match crawl.state {
        CrawlState::Completed => Some("SUCCEEDED"),
        CrawlState::Stopped => Some("CANCELLED"),
        CrawlState::Failed => Some("FAILED"),
        CrawlState::Running => None,
    };
    wire::LastCrawlInfo {
        status: status.map(str::to_owned),
        error_message: crawl.error_message().map(cut),
        start_time: time(crawl.start_time_ms),
        ..wire::LastCrawlInfo::default()
    }
}

pub(crate) fn state_name(state: CrawlState) -> &'static str {
    match state {
        CrawlState::Running => "RUNNING",
        CrawlState::Completed => "COMPLETED",
        CrawlState::Failed => "FAILED",
        CrawlState::Stopped => "STOPPED",
    }
}

/// What a crawl has done, as JSON in JSON, as Glue gives it.
fn summary(crawl: &Crawl) -> String {
    let summary = &crawl.summary;
    let tables = |names: &[String]| serde_json::json!({ "Ids": names, "Count": names.len() });
    let count = |count: u64| serde_json::json!({ "Count": count });
    let tables = serde_json::json!({ "Details": {
        "ADD": tables(&summary.tables_created),
        "UPDATE": tables(&summary.tables_updated),
        "DELETE": tables(&summary.tables_deleted),
    }});
    let partitions = serde_json::json!({ "Details": {
        "ADD": count(summary.partitions_created),
        "UPDATE": count(summary.partitions_updated),
        "DELETE": count(summary.partitions_deleted),
    }});
    serde_json::json!({ "TABLE": tables.to_string(), "PARTITION": partitions.to_string() }).to_string()
}

pub(crate) fn history(crawl: Crawl) -> wire::CrawlerHistory {
    wire::CrawlerHistory {
        crawl_id: Some(crawl.crawl_id()),
        state: Some(state_name(crawl.state).to_owned()),
        start_time: time(crawl.start_time_ms),
        end_time: crawl.end_time_ms.and_then(time),
        summary: Some(summary(&crawl)),
        error_message: crawl.error_message().map(cut),
        ..wire::CrawlerHistory::default()
    }
}
