//! Why a version was not replicated, in AWS's words, and whether it may be later.

use tarn_policy::{Denied, DeniedBecause};

use crate::errors::ObjectsError;
use crate::replication::remote::RemoteError;

/// Why a copy was not made.
pub(super) enum Failure {
    /// It never will be: AWS's word for why, and a sentence where there is more to say.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html>
    Final(&'static str, String),
    /// It may be, later.
    ForNow(String),
}

impl Failure {
    pub(super) fn of(reason: &'static str) -> Self {
        Self::Final(reason, String::new())
    }

    /// A no of the policies; where they could not be read, they may be later.
    pub(super) fn denied(reason: &'static str, denied: &Denied) -> Self {
        match denied.because {
            DeniedBecause::PoliciesUnreadable => Self::ForNow(denied.to_string()),
            _ => Self::Final(reason, denied.to_string()),
        }
    }
}

impl From<ObjectsError> for Failure {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::Kms(_) | ObjectsError::KmsKeyNotAsked { .. } => {
                Self::Final("DstKmsKeyInvalidState", error.to_string())
            }
            ObjectsError::Denied(denied) => Self::denied("DstPutObjNotPermitted", &denied),
            ObjectsError::CustomerKeysBlocked { .. } => Self::Final("DstPutObjNotPermitted", error.to_string()),
            ObjectsError::NoSuchBucket { .. } => Self::of("DstBucketNotFound"),
            other => Self::ForNow(other.to_string()),
        }
    }
}

pub(super) fn remote_failure(error: RemoteError, refused: &'static str) -> Failure {
    match error {
        RemoteError::Refused(reason) => Failure::Final(refused, reason),
        RemoteError::Unreachable(reason) => Failure::ForNow(reason),
        RemoteError::Gone => Failure::Final(refused, "it is not there any more".to_owned()),
    }
}
