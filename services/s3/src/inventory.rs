//! Inventories on the wire.

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use tarn_objects::{
    InventoryConfiguration as Inventory, InventoryDestination as Destination, InventoryEncryption as ReportEncryption,
    InventoryField, InventoryFormat as Format, InventoryFrequency as Frequency, InventoryVersions, ObjectsError,
};
use tarn_policy::Requirement;
use tarn_types::Arn;

use crate::convert::{bucket_name, not_implemented};
use crate::errors::{custom, objects_error};
use crate::metrics::{after, next, other_id};
use crate::operations::Call;

/// What AWS can tell of objects, and no object here has.
const UNKNOWN_FIELDS: [&str; 3] =
    ["ObjectLockEventHoldStatus", "ObjectLockEventHoldDuration", "IntelligentTieringReferenceDate"];

fn malformed() -> S3Error {
    S3Error::new(S3ErrorCode::MalformedXML)
}

fn field_of_wire(field: &str) -> S3Result<InventoryField> {
    match InventoryField::parse(field) {
        Some(field) => Ok(field),
        None if UNKNOWN_FIELDS.contains(&field) => Err(not_implemented(field)),
        None => Err(malformed()),
    }
}

fn destination_of_wire(wire: InventoryS3BucketDestination) -> S3Result<Destination> {
    let refused = |reason: &str| {
        custom("InvalidS3DestinationBucket", StatusCode::BAD_REQUEST, format!("{reason}: {}", wire.bucket))
    };
    let arn = Arn::parse(&wire.bucket).map_err(|_| refused("Invalid bucket ARN"))?;
    if arn.service != "s3" {
        return Err(refused("Invalid bucket ARN"));
    }
    if !arn.region.is_empty() || !arn.account.is_empty() {
        return Err(refused("Bucket ARN should not specify a namespace"));
    }
    let bucket = bucket_name(&arn.resource).map_err(|_| refused("Invalid bucket ARN"))?;
    let account = wire.account_id.map(tarn_types::AccountId::new).transpose().map_err(|_| malformed())?;
    let encryption = match wire.encryption {
        None | Some(InventoryEncryption { ssekms: None, sses3: None }) => None,
        Some(InventoryEncryption { ssekms: None, sses3: Some(_) }) => Some(ReportEncryption::Lake),
        Some(InventoryEncryption { ssekms: Some(kms), sses3: None }) => Some(ReportEncryption::Kms { key: kms.key_id }),
        Some(InventoryEncryption { ssekms: Some(_), sses3: Some(_) }) => return Err(malformed()),
    };
    let format = Format::parse(wire.format.as_str()).ok_or_else(malformed)?;
    Ok(Destination { bucket, account, prefix: wire.prefix.filter(|prefix| !prefix.is_empty()), format, encryption })
}

pub(crate) fn of_wire(wire: InventoryConfiguration) -> S3Result<Inventory> {
    let frequency = match wire.schedule.frequency.as_str() {
        InventoryFrequency::DAILY => Frequency::Daily,
        InventoryFrequency::WEEKLY => Frequency::Weekly,
        _ => return Err(malformed()),
    };
    let versions = match wire.included_object_versions.as_str() {
        InventoryIncludedObjectVersions::ALL => InventoryVersions::All,
        InventoryIncludedObjectVersions::CURRENT => InventoryVersions::Current,
        _ => return Err(malformed()),
    };
    let mut fields = Vec::new();
    for field in wire.optional_fields.unwrap_or_default() {
        let field = field_of_wire(field.as_str())?;
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Ok(Inventory {
        id: wire.id,
        is_enabled: wire.is_enabled,
        frequency,
        versions,
        prefix: wire.filter.map(|filter| filter.prefix),
        fields,
        destination: destination_of_wire(wire.destination.s3_bucket_destination)?,
    })
}

pub(crate) fn to_wire(inventory: Inventory) -> InventoryConfiguration {
    let Inventory { id, is_enabled, frequency, versions, prefix, fields, destination } = inventory;
    let encryption = destination.encryption.map(|encryption| match encryption {
        ReportEncryption::Lake => InventoryEncryption { ssekms: None, sses3: Some(SSES3 {}) },
        ReportEncryption::Kms { key } => InventoryEncryption { ssekms: Some(SSEKMS { key_id: key }), sses3: None },
    });
    let fields: Vec<_> = fields.into_iter().map(|field| InventoryOptionalField::from_static(field.name())).collect();
    InventoryConfiguration {
        destination: InventoryDestination {
            s3_bucket_destination: InventoryS3BucketDestination {
                account_id: destination.account.map(|account| account.to_string()),
                bucket: destination.bucket.arn().to_string(),
                encryption,
                format: InventoryFormat::from_static(destination.format.name()),
                prefix: destination.prefix,
            },
        },
        filter: prefix.map(|prefix| InventoryFilter { prefix }),
        id,
        included_object_versions: InventoryIncludedObjectVersions::from_static(match versions {
            InventoryVersions::All => InventoryIncludedObjectVersions::ALL,
            InventoryVersions::Current => InventoryIncludedObjectVersions::CURRENT,
        }),
        is_enabled,
        optional_fields: (!fields.is_empty()).then_some(fields),
        schedule: InventorySchedule {
            frequency: InventoryFrequency::from_static(match frequency {
                Frequency::Daily => InventoryFrequency::DAILY,
                Frequency::Weekly => InventoryFrequency::WEEKLY,
            }),
        },
    }
}

pub(crate) async fn get_bucket_inventory_configuration(
    call: &Call,
    request: S3Request<GetBucketInventoryConfigurationInput>,
) -> S3Result<S3Response<GetBucketInventoryConfigurationOutput>> {
    let input = request.input;
    let found = call.objects().bucket_inventory(call.proof(), &bucket_name(&input.bucket)?, &input.id);
    let inventory_configuration = Some(to_wire(found.map_err(objects_error)?));
    Ok(S3Response::new(GetBucketInventoryConfigurationOutput { inventory_configuration }))
}

pub(crate) async fn put_bucket_inventory_configuration(
    call: &Call,
    request: S3Request<PutBucketInventoryConfigurationInput>,
) -> S3Result<S3Response<PutBucketInventoryConfigurationOutput>> {
    let input = request.input;
    let bucket = bucket_name(&input.bucket)?;
    let wanted = input.inventory_configuration.optional_fields.iter().flatten();
    let wanted: Vec<String> = wanted.map(|field| field.as_str().to_owned()).collect();
    // Policies may speak of the fields, which are in the body.
    let mut needs = Requirement::new("s3:PutInventoryConfiguration", bucket.arn());
    needs.context.set_all("s3:InventoryAccessibleOptionalFields", wanted);
    let asked = call.caller.authorizer().authorize(vec![needs]);
    asked.map_err(|denied| objects_error(ObjectsError::Denied(denied)))?;
    let inventory = of_wire(input.inventory_configuration)?;
    if inventory.id != input.id {
        return Err(other_id());
    }
    call.objects().put_bucket_inventory(&call.caller, &bucket, inventory).await.map_err(objects_error)?;
    Ok(S3Response::with_status(PutBucketInventoryConfigurationOutput {}, StatusCode::NO_CONTENT))
}

pub(crate) async fn delete_bucket_inventory_configuration(
    call: &Call,
    request: S3Request<DeleteBucketInventoryConfigurationInput>,
) -> S3Result<S3Response<DeleteBucketInventoryConfigurationOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    let id = &request.input.id;
    call.objects().delete_bucket_inventory(&call.caller, &bucket, id).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketInventoryConfigurationOutput {}, StatusCode::NO_CONTENT))
}

pub(crate) async fn list_bucket_inventory_configurations(
    call: &Call,
    request: S3Request<ListBucketInventoryConfigurationsInput>,
) -> S3Result<S3Response<ListBucketInventoryConfigurationsOutput>> {
    let ListBucketInventoryConfigurationsInput { bucket, continuation_token, .. } = request.input;
    let after = after(continuation_token.as_deref())?;
    let page = call.objects().list_bucket_inventories(call.proof(), &bucket_name(&bucket)?, after.as_deref());
    let page = page.map_err(objects_error)?;
    Ok(S3Response::new(ListBucketInventoryConfigurationsOutput {
        continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: next(&page),
        inventory_configuration_list: Some(page.configurations.into_iter().map(to_wire).collect()),
    }))
}
