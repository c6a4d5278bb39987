//! Where a job's objects come from and where it tells of them, between the wire and the domain.

use tarn_aws_model::s3control as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_jobs::{
    EncryptionFilter, GeneratorFilter, JobReport, Manifest, ManifestField, ManifestFormat, ManifestGenerator,
    ManifestLocation, ManifestOutput, OutputEncryption, TaskSource,
};
use tarn_objects::{ReplicationStatus, StorageClass};
use tarn_types::{AccountId, Arn};

use crate::convert::{account_of, bucket_arn, bucket_of, object_of, required, time};
use crate::errors::bad_request;

const CSV: &str = "S3BatchOperations_CSV_20180820";
const INVENTORY: &str = "S3InventoryReport_CSV_20161130";
const GENERATED: &str = "S3InventoryReport_CSV_20211130";
const REPORT: &str = "Report_CSV_20180820";

const FIELDS: [(&str, ManifestField); 4] = [
    ("Ignore", ManifestField::Ignore),
    ("Bucket", ManifestField::Bucket),
    ("Key", ManifestField::Key),
    ("VersionId", ManifestField::VersionId),
];

/// How versions stand with replication, where a list may ask for it. `NONE`: no rule was ever for it.
const STATUSES: [(&str, Option<ReplicationStatus>); 4] = [
    ("COMPLETED", Some(ReplicationStatus::Completed)),
    ("FAILED", Some(ReplicationStatus::Failed)),
    ("REPLICA", Some(ReplicationStatus::Replica)),
    ("NONE", None),
];

/// The one source that is given.
pub(crate) fn source(
    manifest: Option<wire::JobManifest>,
    generator: Option<wire::JobManifestGenerator>,
) -> Result<TaskSource, AwsError> {
    match (manifest, generator) {
        (Some(manifest), None) => Ok(TaskSource::Manifest(of_manifest(manifest)?)),
        (None, Some(generator)) => {
            let generator = required(generator.s3_job_manifest_generator, "S3JobManifestGenerator")?;
            Ok(TaskSource::Generator(of_generator(generator)?))
        }
        (Some(_), Some(_)) | (None, None) => Err(bad_request("a job has one of Manifest and ManifestGenerator")),
    }
}

fn of_manifest(manifest: wire::JobManifest) -> Result<Manifest, AwsError> {
    let (spec, location) = (required(manifest.spec, "Spec")?, required(manifest.location, "Location")?);
    let format = match (spec.format.as_deref(), spec.fields) {
        (Some(CSV), Some(fields)) => {
            let field = |name: String| {
                let found = FIELDS.iter().find(|(other, _)| *other == name);
                found.map(|(_, field)| *field).ok_or_else(|| bad_request(format!("Fields: `{name}` is no field")))
            };
            ManifestFormat::Csv(fields.into_iter().map(field).collect::<Result<_, _>>()?)
        }
        (Some(CSV), None) => return Err(bad_request(format!("Fields must be given with {CSV}"))),
        (Some(INVENTORY), None) => ManifestFormat::Inventory,
        (Some(INVENTORY), Some(fields)) if fields.is_empty() => ManifestFormat::Inventory,
        (Some(INVENTORY), Some(_)) => {
            return Err(bad_request(format!("Fields must not be given with {INVENTORY}: its manifest names them")));
        }
        (_, _) => return Err(bad_request(format!("Format is {CSV} or {INVENTORY}"))),
    };
    let (bucket, key) = object_of(&required(location.object_arn, "ObjectArn")?, "ObjectArn")?;
    let location =
        ManifestLocation { bucket, key, version: location.object_version_id, etag: required(location.e_tag, "ETag")? };
    Ok(Manifest { format, location })
}

fn of_generator(generator: wire::S3JobManifestGenerator) -> Result<ManifestGenerator, AwsError> {
    let is_put = required(generator.enable_manifest_output, "EnableManifestOutput")?;
    let output = match (is_put, generator.manifest_output_location) {
        (true, Some(output)) => Some(of_output(output)?),
        (true, None) => return Err(bad_request("EnableManifestOutput needs a ManifestOutputLocation")),
        (false, None) => None,
        (false, Some(_)) => return Err(bad_request("ManifestOutputLocation needs EnableManifestOutput")),
    };
    Ok(ManifestGenerator {
        bucket: bucket_of(&required(generator.source_bucket, "SourceBucket")?, "SourceBucket")?,
        expected_owner: account_of(generator.expected_bucket_owner, "ExpectedBucketOwner")?,
        filter: of_filter(generator.filter.unwrap_or_default())?,
        output,
    })
}

fn of_output(output: wire::S3ManifestOutputLocation) -> Result<ManifestOutput, AwsError> {
    let encryption = match output.manifest_encryption {
        None => None,
        Some(wire::GeneratedManifestEncryption { sses3: Some(_), ssekms: None }) => Some(OutputEncryption::Lake),
        Some(wire::GeneratedManifestEncryption { sses3: None, ssekms: Some(kms) }) => {
            Some(OutputEncryption::Kms { key: kms.key_id })
        }
        Some(_) => return Err(bad_request("ManifestEncryption has one of SSE-S3 and SSE-KMS")),
    };
    Ok(ManifestOutput {
        bucket: bucket_of(&required(output.bucket, "Bucket")?, "Bucket")?,
        expected_owner: account_of(output.expected_manifest_bucket_owner, "ExpectedManifestBucketOwner")?,
        prefix: output.manifest_prefix,
        encryption,
    })
}

fn of_filter(filter: wire::JobManifestGeneratorFilter) -> Result<GeneratorFilter, AwsError> {
    let bytes = |bytes: Option<i64>, member: &str| {
        bytes
            .map(|bytes| u64::try_from(bytes).map_err(|_| bad_request(format!("{member} is not negative"))))
            .transpose()
    };
    let class = |name: String| StorageClass::parse(&name).map_err(|error| bad_request(error.to_string()));
    let names = filter.key_name_constraint.unwrap_or_default();
    Ok(GeneratorFilter {
        created_after_ms: filter.created_after.map(Timestamp::as_millisecond),
        created_before_ms: filter.created_before.map(Timestamp::as_millisecond),
        prefixes: names.match_any_prefix.unwrap_or_default(),
        suffixes: names.match_any_suffix.unwrap_or_default(),
        substrings: names.match_any_substring.unwrap_or_default(),
        larger_than_bytes: bytes(filter.object_size_greater_than_bytes, "ObjectSizeGreaterThanBytes")?,
        smaller_than_bytes: bytes(filter.object_size_less_than_bytes, "ObjectSizeLessThanBytes")?,
        classes: filter.match_any_storage_class.unwrap_or_default().into_iter().map(class).collect::<Result<_, _>>()?,
        encryption: filter
            .match_any_object_encryption
            .unwrap_or_default()
            .into_iter()
            .next()
            .map(of_encryption)
            .transpose()?,
        eligible_for_replication: filter.eligible_for_replication,
        replication_statuses: filter
            .object_replication_statuses
            .unwrap_or_default()
            .into_iter()
            .map(of_status)
            .collect::<Result<_, _>>()?,
    })
}

fn of_status(name: String) -> Result<Option<ReplicationStatus>, AwsError> {
    let found = STATUSES.iter().find(|(other, _)| *other == name);
    let names = "ObjectReplicationStatuses are COMPLETED, FAILED, REPLICA and NONE";
    found.map(|(_, status)| *status).ok_or_else(|| bad_request(format!("{names}, and not `{name}`")))
}

fn of_encryption(filter: wire::ObjectEncryptionFilter) -> Result<EncryptionFilter, AwsError> {
    let wire::ObjectEncryptionFilter { sses3, ssekms, dssekms, ssec, notsse } = filter;
    let none = |name: &str| EncryptionFilter::None { name: name.to_owned() };
    match (sses3, ssekms, dssekms, ssec, notsse) {
        (Some(_), None, None, None, None) => Ok(EncryptionFilter::Lake),
        (None, Some(kms), None, None, None) => {
            Ok(EncryptionFilter::Kms { key: kms.kms_key_arn, bucket_key: kms.bucket_key_enabled })
        }
        // Nothing here is encrypted twice, whatever the key: there is no need to keep it.
        (None, None, Some(_), None, None) => Ok(none("DSSE-KMS")),
        (None, None, None, Some(_), None) => Ok(EncryptionFilter::Customer),
        (None, None, None, None, Some(_)) => Ok(none("NOT-SSE")),
        (_, _, _, _, _) => Err(bad_request("MatchAnyObjectEncryption names one kind of encryption")),
    }
}

/// The report, if one is wanted.
pub(crate) fn report(report: Option<wire::JobReport>) -> Result<Option<JobReport>, AwsError> {
    let report = required(report, "Report")?;
    if !required(report.enabled, "Report.Enabled")? {
        return Ok(None);
    }
    if report.format.as_deref() != Some(REPORT) {
        return Err(bad_request(format!("Report.Format must be {REPORT}")));
    }
    let failed_only = match report.report_scope.as_deref() {
        Some("AllTasks") => false,
        Some("FailedTasksOnly") => true,
        Some(_) | None => return Err(bad_request("Report.ReportScope is AllTasks or FailedTasksOnly")),
    };
    Ok(Some(JobReport {
        bucket: bucket_of(&required(report.bucket, "Report.Bucket")?, "Report.Bucket")?,
        expected_owner: account_of(report.expected_bucket_owner, "ExpectedBucketOwner")?,
        prefix: report.prefix,
        failed_only,
    }))
}

pub(crate) fn report_out(report: Option<&JobReport>) -> wire::JobReport {
    let Some(report) = report else {
        return wire::JobReport { enabled: Some(false), ..wire::JobReport::default() };
    };
    wire::JobReport {
        bucket: bucket_arn(&report.bucket),
        format: Some(REPORT.to_owned()),
        enabled: Some(true),
        prefix: report.prefix.clone(),
        report_scope: Some(if report.failed_only { "FailedTasksOnly" } else { "AllTasks" }.to_owned()),
        expected_bucket_owner: account_out(&report.expected_owner),
    }
}

fn account_out(account: &Option<AccountId>) -> Option<String> {
    account.as_ref().map(|account| account.as_str().to_owned())
}

fn location_out(location: &ManifestLocation) -> wire::JobManifestLocation {
    wire::JobManifestLocation {
        object_arn: Some(Arn::s3_object(&location.bucket, &location.key).to_string()),
        object_version_id: location.version.clone(),
        e_tag: Some(location.etag.clone()),
    }
}

pub(crate) fn manifest_out(manifest: &Manifest) -> wire::JobManifest {
    let (format, fields) = match &manifest.format {
        ManifestFormat::Csv(fields) => {
            let name = |field: &ManifestField| FIELDS.iter().find(|(_, other)| other == field);
            let names = fields.iter().filter_map(name).map(|(name, _)| (*name).to_owned());
            (CSV, Some(names.collect()))
        }
        ManifestFormat::Inventory => (INVENTORY, None),
    };
    wire::JobManifest {
        spec: Some(wire::JobManifestSpec { format: Some(format.to_owned()), fields }),
        location: Some(location_out(&manifest.location)),
    }
}

pub(crate) fn generated_out(location: &ManifestLocation) -> wire::S3GeneratedManifestDescriptor {
    wire::S3GeneratedManifestDescriptor { format: Some(GENERATED.to_owned()), location: Some(location_out(location)) }
}

pub(crate) fn generator_out(generator: &ManifestGenerator) -> wire::JobManifestGenerator {
    let output = generator.output.as_ref().map(|output| wire::S3ManifestOutputLocation {
        expected_manifest_bucket_owner: account_out(&output.expected_owner),
        bucket: bucket_arn(&output.bucket),
        manifest_prefix: output.prefix.clone(),
        manifest_encryption: output.encryption.as_ref().map(|encryption| match encryption {
            OutputEncryption::Lake => {
                wire::GeneratedManifestEncryption { sses3: Some(wire::SSES3Encryption::default()), ssekms: None }
            }
            OutputEncryption::Kms { key } => wire::GeneratedManifestEncryption {
                sses3: None,
                ssekms: Some(wire::SSEKMSEncryption { key_id: key.clone() }),
            },
        }),
        manifest_format: Some(GENERATED.to_owned()),
    });
    let is_put = output.is_some();
    wire::JobManifestGenerator {
        s3_job_manifest_generator: Some(wire::S3JobManifestGenerator {
            expected_bucket_owner: account_out(&generator.expected_owner),
            source_bucket: bucket_arn(&generator.bucket),
            manifest_output_location: output,
            filter: Some(filter_out(&generator.filter)).filter(|_| generator.filter != GeneratorFilter::default()),
            enable_manifest_output: Some(is_put),
        }),
    }
}

fn filter_out(filter: &GeneratorFilter) -> wire::JobManifestGeneratorFilter {
    let texts = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    let names = wire::KeyNameConstraint {
        match_any_prefix: texts(&filter.prefixes),
        match_any_suffix: texts(&filter.suffixes),
        match_any_substring: texts(&filter.substrings),
    };
    let bytes = |bytes: Option<u64>| bytes.and_then(|bytes| i64::try_from(bytes).ok());
    let classes: Vec<String> = filter.classes.iter().map(|class| class.name().to_owned()).collect();
    let status = |status: &Option<ReplicationStatus>| STATUSES.iter().find(|(_, other)| other == status);
    let statuses = filter.replication_statuses.iter().filter_map(status);
    let statuses: Vec<String> = statuses.map(|(name, _)| (*name).to_owned()).collect();
    wire::JobManifestGeneratorFilter {
        created_after: filter.created_after_ms.and_then(time),
        created_before: filter.created_before_ms.and_then(time),
        key_name_constraint: Some(names).filter(|names| *names != wire::KeyNameConstraint::default()),
        object_size_greater_than_bytes: bytes(filter.larger_than_bytes),
        object_size_less_than_bytes: bytes(filter.smaller_than_bytes),
        match_any_storage_class: Some(classes).filter(|classes| !classes.is_empty()),
        match_any_object_encryption: filter.encryption.as_ref().map(|filter| vec![encryption_out(filter)]),
        eligible_for_replication: filter.eligible_for_replication,
        object_replication_statuses: Some(statuses).filter(|statuses| !statuses.is_empty()),
    }
}

fn encryption_out(filter: &EncryptionFilter) -> wire::ObjectEncryptionFilter {
    let mut out = wire::ObjectEncryptionFilter::default();
    match filter {
        EncryptionFilter::Lake => out.sses3 = Some(wire::SSES3Filter::default()),
        EncryptionFilter::Kms { key, bucket_key } => {
            out.ssekms = Some(wire::SSEKMSFilter { kms_key_arn: key.clone(), bucket_key_enabled: *bucket_key });
        }
        EncryptionFilter::Customer => out.ssec = Some(wire::SSECFilter::default()),
        EncryptionFilter::None { name } if name == "NOT-SSE" => out.notsse = Some(wire::NotSSEFilter::default()),
        EncryptionFilter::None { .. } => out.dssekms = Some(wire::DSSEKMSFilter::default()),
    }
    out
}
