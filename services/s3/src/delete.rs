//! Deletes on the wire: one object or version, or up to a thousand named in a body, each asked for by itself.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{BucketName, DELETE_OBJECTS_COUNT_MAX, DeleteObject, Deleted, EtagCondition, ObjectsError};

use crate::convert::{bucket_name, if_match, not_implemented, object_key, shown_version, version_id as parse_version};
use crate::errors::objects_error;
use crate::lock::bypass;
use crate::operations::Call;
use crate::resources::on_existing;

pub(crate) async fn delete_object(
    call: &Call,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = request.input;
    if input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
        return Err(not_implemented("x-amz-if-match-size and x-amz-if-match-last-modified-time"));
    }
    let (bucket, key) = (bucket_name(&input.bucket)?, object_key(&input.key)?);
    let named = input.version_id.as_deref();
    let delete = DeleteObject {
        version: parse_version(named)?,
        if_match: if_match(input.if_match.as_ref()),
        bypass: bypass(call, input.bypass_governance_retention, &input.bucket, &input.key, named),
        ..DeleteObject::new(key)
    };
    let deleted = call.objects().delete_object(&call.caller, &bucket, delete).await;
    let (marker, version) = match deleted.map_err(|error| call.hide_missing(&bucket, error))? {
        Deleted::Object => (None, None),
        Deleted::Marked { marker } => (Some(true), Some(marker)),
        Deleted::Version { version, was_delete_marker } => (was_delete_marker.then_some(true), Some(version)),
    };
    let output = DeleteObjectOutput {
        delete_marker: marker,
        version_id: shown_version(version),
        ..DeleteObjectOutput::default()
    };
    Ok(S3Response::with_status(output, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn delete_objects(
    call: &Call,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let DeleteObjectsInput { bucket, delete, bypass_governance_retention, .. } = request.input;
    let bucket = bucket_name(&bucket)?;
    let quiet = delete.quiet.unwrap_or(false);
    if delete.objects.is_empty() || delete.objects.len() > DELETE_OBJECTS_COUNT_MAX {
        return Err(s3_error!(MalformedXML, "A delete names 1 to {DELETE_OBJECTS_COUNT_MAX} objects"));
    }
    let (mut deletes, mut deleted, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for object in delete.objects {
        let (key, version) = (object.key.clone(), object.version_id.clone());
        match allowed(call, &bucket, object, bypass_governance_retention) {
            Ok(delete) => deletes.push(delete),
            Err(error) => errors.push(error_entry(key, version, &error)),
        }
    }
    // Whoever may delete nothing here must not learn from this answer whether the bucket is there.
    if !deletes.is_empty() {
        let single = match deletes.as_slice() {
            [single] => Some(single.clone()),
            _ => None,
        };
        match (call.objects().delete_objects(&call.caller, &bucket, deletes).await, single) {
            (Ok(outcomes), _) => {
                for (delete, outcome) in outcomes {
                    match outcome {
                        Ok(outcome) => deleted.push(deleted_entry(delete, outcome)),
                        Err(error) => errors.push(refused_entry(call, &bucket, delete, error)),
                    }
                }
            }
            // The domain refuses a single one as a whole.
            (
                Err(
                    error @ (ObjectsError::PreconditionFailed { .. }
                    | ObjectsError::NoSuchKey { .. }
                    | ObjectsError::NoSuchVersion { .. }
                    | ObjectsError::Locked { .. }),
                ),
                Some(single),
            ) => errors.push(refused_entry(call, &bucket, single, error)),
            (Err(error), _) => return Err(objects_error(error)),
        }
    }
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        request_charged: None,
    }))
}

/// Asks for one object of a body.
fn allowed(
    call: &Call,
    bucket: &BucketName,
    object: ObjectIdentifier,
    asked_bypass: Option<bool>,
) -> S3Result<DeleteObject> {
    let named = object.version_id.as_deref();
    let action = if named.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    let requirement = on_existing(call.objects(), action, bucket.as_str(), &object.key, named)?;
    call.caller
        .authorizer()
        .authorize(vec![requirement])
        .map_err(|denied| objects_error(ObjectsError::Denied(denied)))?;
    if object.size.is_some() || object.last_modified_time.is_some() {
        return Err(not_implemented("Size and LastModifiedTime of an object to delete"));
    }
    Ok(DeleteObject {
        version: parse_version(named)?,
        if_match: object.e_tag.map(|etag| EtagCondition::parse(etag.value())),
        bypass: bypass(call, asked_bypass, bucket.as_str(), &object.key, named),
        ..DeleteObject::new(object_key(&object.key)?)
    })
}

fn deleted_entry(delete: DeleteObject, outcome: Deleted) -> DeletedObject {
    let key = Some(delete.key.into());
    match outcome {
        Deleted::Object => DeletedObject { key, ..DeletedObject::default() },
        Deleted::Marked { marker } => DeletedObject {
            key,
            delete_marker: Some(true),
            delete_marker_version_id: Some(marker.to_string()),
            version_id: None,
        },
        Deleted::Version { version, was_delete_marker } => DeletedObject {
            key,
            delete_marker: was_delete_marker.then_some(true),
            delete_marker_version_id: was_delete_marker.then(|| version.to_string()),
            version_id: Some(version.to_string()),
        },
    }
}

fn refused_entry(call: &Call, bucket: &BucketName, delete: DeleteObject, error: ObjectsError) -> Error {
    let version = delete.version.map(|version| version.to_string());
    error_entry(delete.key.into(), version, &call.hide_missing(bucket, error))
}

fn error_entry(key: String, version_id: Option<String>, error: &s3s::S3Error) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(key),
        message: error.message().map(str::to_owned),
        version_id,
    }
}
