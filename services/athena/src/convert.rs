//! Between the wire's shapes and the domain's: dates, pages, settings, executions.

use std::collections::BTreeMap;

use tarn_aws_model::athena as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_query::queries::{
    Encryption, ExecutionStatus, QueryExecution, QueryStatistics, ResultSettings, Submission, WorkGroupConfiguration,
};

use crate::errors::refuse_unbuilt;

/// The engine that runs everything.
pub(crate) const ENGINE_VERSION: &str = "Athena engine version 3";
const ENGINE_VERSION_AUTO: &str = "AUTO";

pub(crate) fn date(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

/// A page size; the model has checked what was given.
pub(crate) fn limit(asked: Option<i32>) -> Option<usize> {
    asked.and_then(|asked| usize::try_from(asked).ok())
}

pub(crate) fn engine_version(selected: Option<&str>) -> wire::EngineVersion {
    wire::EngineVersion {
        selected_engine_version: Some(selected.unwrap_or(ENGINE_VERSION_AUTO).to_owned()),
        effective_engine_version: Some(ENGINE_VERSION.to_owned()),
    }
}

pub(crate) fn tags(tags: Option<Vec<wire::Tag>>) -> BTreeMap<String, String> {
    let pairs = tags.unwrap_or_default().into_iter();
    pairs.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect()
}

fn encryption(encryption: wire::EncryptionConfiguration) -> Encryption {
    Encryption { option: encryption.encryption_option.unwrap_or_default(), kms_key: encryption.kms_key }
}

pub(crate) fn result_settings(configuration: Option<wire::ResultConfiguration>) -> ResultSettings {
    let wire::ResultConfiguration {
        output_location,
        encryption_configuration,
        expected_bucket_owner,
        acl_configuration,
    } = configuration.unwrap_or_default();
    ResultSettings {
        output_location: output_location.filter(|location| !location.is_empty()),
        encryption: encryption_configuration.map(encryption),
        expected_bucket_owner,
        acl: acl_configuration.and_then(|acl| acl.s3_acl_option),
    }
}

pub(crate) fn result_configuration(settings: ResultSettings) -> wire::ResultConfiguration {
    wire::ResultConfiguration {
        output_location: settings.output_location,
        encryption_configuration: settings.encryption.map(|encryption| wire::EncryptionConfiguration {
            encryption_option: Some(encryption.option),
            kms_key: encryption.kms_key,
        }),
        expected_bucket_owner: settings.expected_bucket_owner,
        acl_configuration: settings.acl.map(|option| wire::AclConfiguration { s3_acl_option: Some(option) }),
    }
}

/// Managed results are somewhere that no bucket is; they are refused unless they are off.
fn refuse_managed_results(configuration: Option<bool>) -> Result<(), AwsError> {
    refuse_unbuilt("ManagedQueryResultsConfiguration", configuration.filter(|enabled| *enabled).as_ref())
}

pub(crate) fn work_group_configuration(
    configuration: Option<wire::WorkGroupConfiguration>,
) -> Result<WorkGroupConfiguration, AwsError> {
    let configuration = configuration.unwrap_or_default();
    refuse_managed_results(configuration.managed_query_results_configuration.and_then(|managed| managed.enabled))?;
    refuse_unbuilt("AdditionalConfiguration", configuration.additional_configuration.as_ref())?;
    refuse_unbuilt("ExecutionRole", configuration.execution_role.as_ref())?;
    refuse_unbuilt("MonitoringConfiguration", configuration.monitoring_configuration.as_ref())?;
    refuse_unbuilt("EngineConfiguration", configuration.engine_configuration.as_ref())?;
    let customer = configuration.customer_content_encryption_configuration;
    refuse_unbuilt("CustomerContentEncryptionConfiguration", customer.as_ref())?;
    let identity = configuration.identity_center_configuration.and_then(|identity| identity.enable_identity_center);
    refuse_unbuilt("IdentityCenterConfiguration", identity.filter(|enabled| *enabled).as_ref())?;
    let grants = configuration.query_results_s3_access_grants_configuration;
    let grants = grants.and_then(|grants| grants.enable_s3_access_grants).filter(|enabled| *enabled);
    refuse_unbuilt("QueryResultsS3AccessGrantsConfiguration", grants.as_ref())?;
    let system_tables = configuration.system_table_statuses.filter(|tables| !tables.is_empty());
    refuse_unbuilt("SystemTableStatuses", system_tables.as_ref())?;
    Ok(WorkGroupConfiguration {
        results: result_settings(configuration.result_configuration),
        enforce: configuration.enforce_work_group_configuration.unwrap_or(false),
        publish_metrics: configuration.publish_cloud_watch_metrics_enabled.unwrap_or(false),
        bytes_scanned_cutoff: configuration.bytes_scanned_cutoff_per_query,
        requester_pays: configuration.requester_pays_enabled.unwrap_or(false),
        engine_version: configuration.engine_version.and_then(|version| version.selected_engine_version),
        minimum_encryption: configuration.enable_minimum_encryption_configuration.unwrap_or(false),
    })
}

/// What changes a configuration so.
pub(crate) fn configuration_updates(
    updates: Option<wire::WorkGroupConfigurationUpdates>,
) -> Result<Box<dyn FnOnce(&mut WorkGroupConfiguration) + Send>, AwsError> {
    let updates = updates.unwrap_or_default();
    let managed = updates.managed_query_results_configuration_updates.as_ref();
    refuse_managed_results(managed.and_then(|managed| managed.enabled))?;
    refuse_unbuilt("AdditionalConfiguration", updates.additional_configuration.as_ref())?;
    refuse_unbuilt("ExecutionRole", updates.execution_role.as_ref())?;
    refuse_unbuilt("MonitoringConfiguration", updates.monitoring_configuration.as_ref())?;
    refuse_unbuilt("EngineConfiguration", updates.engine_configuration.as_ref())?;
    let customer = updates.customer_content_encryption_configuration.as_ref();
    refuse_unbuilt("CustomerContentEncryptionConfiguration", customer)?;
    let grants = updates.query_results_s3_access_grants_configuration.as_ref();
    let grants = grants.and_then(|grants| grants.enable_s3_access_grants).filter(|enabled| *enabled);
    refuse_unbuilt("QueryResultsS3AccessGrantsConfiguration", grants.as_ref())?;
    Ok(Box::new(move |configuration| {
        let set = |flag: &mut bool, value: Option<bool>| *flag = value.unwrap_or(*flag);
        set(&mut configuration.enforce, updates.enforce_work_group_configuration);
        set(&mut configuration.publish_metrics, updates.publish_cloud_watch_metrics_enabled);
        set(&mut configuration.requester_pays, updates.requester_pays_enabled);
        set(&mut configuration.minimum_encryption, updates.enable_minimum_encryption_configuration);
        if updates.remove_bytes_scanned_cutoff_per_query == Some(true) {
            configuration.bytes_scanned_cutoff = None;
        }
        if updates.bytes_scanned_cutoff_per_query.is_some() {
            configuration.bytes_scanned_cutoff = updates.bytes_scanned_cutoff_per_query;
        }
        if let Some(version) = updates.engine_version {
            configuration.engine_version = version.selected_engine_version;
        }
        let Some(results) = updates.result_configuration_updates else { return };
        let kept = &mut configuration.results;
        update(&mut kept.output_location, results.output_location, results.remove_output_location);
        let wanted = results.encryption_configuration.map(encryption);
        update(&mut kept.encryption, wanted, results.remove_encryption_configuration);
        update(&mut kept.expected_bucket_owner, results.expected_bucket_owner, results.remove_expected_bucket_owner);
        let acl = results.acl_configuration.and_then(|acl| acl.s3_acl_option);
        update(&mut kept.acl, acl, results.remove_acl_configuration);
    }))
}

fn update<T>(kept: &mut Option<T>, wanted: Option<T>, remove: Option<bool>) {
    if remove == Some(true) {
        *kept = None;
    }
    if wanted.is_some() {
        *kept = wanted;
    }
}

pub(crate) fn query_execution(execution: QueryExecution) -> wire::QueryExecution {
    let QueryExecution { submission, status } = execution;
    let Submission { catalog, database, parameters, results, reuse_max_age_minutes, .. } = submission;
    let ExecutionStatus { state, reason, error, completed_ms, statistics, manifest, .. } = status;
    wire::QueryExecution {
        query_execution_id: Some(submission.id),
        query: Some(submission.query),
        statement_type: Some(submission.statement_type),
        substatement_type: Some(submission.substatement_type),
        result_configuration: Some(result_configuration(results)),
        result_reuse_configuration: Some(wire::ResultReuseConfiguration {
            result_reuse_by_age_configuration: Some(wire::ResultReuseByAgeConfiguration {
                enabled: Some(reuse_max_age_minutes.is_some()),
                max_age_in_minutes: reuse_max_age_minutes,
            }),
        }),
        query_execution_context: Some(wire::QueryExecutionContext { database, catalog }),
        status: Some(wire::QueryExecutionStatus {
            state: Some(state.as_str().to_owned()),
            state_change_reason: reason,
            submission_date_time: date(submission.submitted_ms),
            completion_date_time: completed_ms.and_then(date),
            athena_error: error.map(|error| wire::AthenaError {
                error_category: Some(error.category),
                error_type: Some(error.error_type),
                retryable: Some(error.is_retryable),
                error_message: Some(error.message),
            }),
        }),
        statistics: Some(execution_statistics(&statistics, manifest)),
        work_group: Some(submission.work_group),
        engine_version: Some(engine_version(None)),
        execution_parameters: Some(parameters).filter(|parameters| !parameters.is_empty()),
        ..wire::QueryExecution::default()
    }
}

fn long(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

fn execution_statistics(statistics: &QueryStatistics, manifest: Option<String>) -> wire::QueryExecutionStatistics {
    wire::QueryExecutionStatistics {
        engine_execution_time_in_millis: Some(statistics.engine_ms),
        data_scanned_in_bytes: long(statistics.scanned_bytes),
        data_manifest_location: manifest,
        total_execution_time_in_millis: Some(statistics.total_ms),
        query_queue_time_in_millis: Some(statistics.queue_ms),
        service_pre_processing_time_in_millis: Some(0),
        query_planning_time_in_millis: Some(statistics.planning_ms),
        service_processing_time_in_millis: Some(after_engine(statistics)),
        result_reuse_information: Some(wire::ResultReuseInformation { reused_previous_result: Some(false) }),
        dpu_count: None,
    }
}

/// What of the whole was neither the queue's nor the engine's.
fn after_engine(statistics: &QueryStatistics) -> i64 {
    (statistics.total_ms - statistics.queue_ms - statistics.engine_ms).max(0)
}

/// One stage: the engine runs a statement in one process.
pub(crate) fn runtime_statistics(execution: &QueryExecution) -> wire::QueryRuntimeStatistics {
    let status = &execution.status;
    let statistics = &status.statistics;
    let (output_rows, output_bytes) = (long(statistics.output_rows), long(statistics.output_bytes));
    let input_bytes = long(statistics.scanned_bytes);
    wire::QueryRuntimeStatistics {
        timeline: Some(wire::QueryRuntimeStatisticsTimeline {
            query_queue_time_in_millis: Some(statistics.queue_ms),
            service_pre_processing_time_in_millis: Some(0),
            query_planning_time_in_millis: Some(statistics.planning_ms),
            engine_execution_time_in_millis: Some(statistics.engine_ms),
            service_processing_time_in_millis: Some(after_engine(statistics)),
            total_execution_time_in_millis: Some(statistics.total_ms),
        }),
        rows: status.state.is_final().then_some(wire::QueryRuntimeStatisticsRows {
            input_rows: None,
            input_bytes,
            output_bytes,
            output_rows,
        }),
        output_stage: status.state.is_final().then(|| wire::QueryStage {
            stage_id: Some(0),
            state: Some(
                if status.state.as_str() == "SUCCEEDED" { "FINISHED" } else { status.state.as_str() }.to_owned(),
            ),
            output_bytes,
            output_rows,
            input_bytes,
            execution_time: Some(statistics.engine_ms),
            ..wire::QueryStage::default()
        }),
    }
}
