//! Deletes on the wire: one object, or up to a thousand named in a body, each asked for by itself.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{BucketName, DELETE_OBJECTS_COUNT_MAX, DeleteObject, EtagCondition, ObjectsError};

use crate::convert::{bucket_name, check_version, if_match, not_implemented, object_key};
use crate::errors::objects_error;
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
    // A version that never was is deleted already.
    if check_version(input.version_id.as_deref()).is_ok() {
        let delete = DeleteObject { key, if_match: if_match(input.if_match.as_ref()) };
        call.objects()
            .delete_object(&call.caller, &bucket, delete)
            .await
            .map_err(|error| call.hide_missing(&bucket, error))?;
    }
    let output = DeleteObjectOutput { version_id: input.version_id, ..DeleteObjectOutput::default() };
    Ok(S3Response::with_status(output, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn delete_objects(
    call: &Call,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let DeleteObjectsInput { bucket, delete, .. } = request.input;
    let bucket = bucket_name(&bucket)?;
    let quiet = delete.quiet.unwrap_or(false);
    if delete.objects.is_empty() || delete.objects.len() > DELETE_OBJECTS_COUNT_MAX {
        return Err(s3_error!(MalformedXML, "A delete names 1 to {DELETE_OBJECTS_COUNT_MAX} objects"));
    }
    let (mut deletes, mut deleted, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for object in delete.objects {
        let named = object.key.clone();
        match allowed(call, &bucket, object) {
            Ok(Some(delete)) => deletes.push(delete),
            Ok(None) => deleted.push(DeletedObject { key: Some(named), ..DeletedObject::default() }),
            Err(error) => errors.push(error_entry(named, &error)),
        }
    }
    if deletes.is_empty() {
        // Whoever may delete nothing here must not learn from this answer whether the bucket is there.
        if errors.is_empty() {
            call.objects().bucket(call.proof(), &bucket).map_err(objects_error)?;
        }
    } else {
        let single = (deletes.len() == 1).then(|| deletes.first().map(|delete| delete.key.to_string())).flatten();
        match call.objects().delete_objects(&call.caller, &bucket, deletes).await {
            Ok(outcomes) => {
                for (key, outcome) in outcomes {
                    match outcome {
                        Ok(()) => deleted.push(DeletedObject { key: Some(key.into()), ..DeletedObject::default() }),
                        Err(error) => errors.push(error_entry(key.into(), &call.hide_missing(&bucket, error))),
                    }
                }
            }
            // The domain refuses a single condition as a whole.
            Err(error @ (ObjectsError::PreconditionFailed { .. } | ObjectsError::NoSuchKey { .. })) => {
                errors.push(error_entry(single.unwrap_or_default(), &call.hide_missing(&bucket, error)));
            }
            Err(error) => return Err(objects_error(error)),
        }
    }
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        request_charged: None,
    }))
}

/// Asks for one object of a body. `None`: a version that never was, which is deleted already.
fn allowed(call: &Call, bucket: &BucketName, object: ObjectIdentifier) -> S3Result<Option<DeleteObject>> {
    let action = if object.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    let requirement = on_existing(call.objects(), action, bucket.as_str(), &object.key)?;
    call.caller
        .authorizer()
        .authorize(vec![requirement])
        .map_err(|denied| objects_error(ObjectsError::Denied(denied)))?;
    if object.size.is_some() || object.last_modified_time.is_some() {
        return Err(not_implemented("Size and LastModifiedTime of an object to delete"));
    }
    let key = object_key(&object.key)?;
    if check_version(object.version_id.as_deref()).is_err() {
        return Ok(None);
    }
    let if_match = object.e_tag.map(|etag| EtagCondition::parse(etag.value()));
    Ok(Some(DeleteObject { key, if_match }))
}

fn error_entry(key: String, error: &s3s::S3Error) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(key),
        message: error.message().map(str::to_owned),
        version_id: None,
    }
}
