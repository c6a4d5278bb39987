//! Where a query's result goes: what it asks for, what its workgroup says, or the account's own bucket. Knows no result.

use tarn_audit::Caller;
use tarn_catalog::S3Location;
use tarn_objects::{BucketName, CreateBucket, ObjectsError};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Scope};

use super::records::ResultSettings;
use super::workgroups::WorkGroupConfiguration;
use super::{Queries, QueriesError};

/// Who makes the account's result bucket.
const SERVICE: &str = "athena.amazonaws.com";

/// The bucket of results that nobody has said a place for, as AWS's own clients name it.
fn default_bucket(scope: &Scope) -> String {
    format!("aws-athena-query-results-{}-{}", scope.account, scope.region)
}

/// Says yes to the server's own work.
struct OwnAuthority;

impl Authorizer for OwnAuthority {
    fn authorize(&self, principal: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        Ok(Authorized::internal(SERVICE, principal.account.clone()))
    }
}

/// Checks a location that somebody names.
pub(super) fn check_location(text: &str) -> Result<S3Location, QueriesError> {
    let refused = |reason: String| QueriesError::invalid(format!("outputLocation is not a valid S3 path: {reason}"));
    let location = S3Location::parse(text).map_err(|error| refused(error.to_string()))?;
    BucketName::new(location.bucket.as_str()).map_err(|error| refused(error.to_string()))?;
    Ok(location.folder())
}

/// Checks the rest of what somebody says of results.
pub(super) fn check_settings(settings: &ResultSettings) -> Result<(), QueriesError> {
    if let Some(location) = &settings.output_location {
        check_location(location)?;
    }
    match settings.encryption.as_ref().map(|encryption| encryption.option.as_str()) {
        None | Some("SSE_S3") => {}
        Some("SSE_KMS") => return Err(QueriesError::NotBuilt { what: "EncryptionOption SSE_KMS" }),
        Some(_) => return Err(QueriesError::NotBuilt { what: "EncryptionOption CSE_KMS" }),
    }
    if let Some(owner) = &settings.expected_bucket_owner {
        AccountId::new(owner.as_str()).map_err(|error| QueriesError::invalid(error.to_string()))?;
    }
    Ok(())
}

impl Queries {
    /// The folder of the result, and the settings it is told with. The folder's bucket is there when this answers.
    pub(super) async fn output_of(
        &self,
        caller: &Caller,
        group: &WorkGroupConfiguration,
        asked: &ResultSettings,
    ) -> Result<(S3Location, ResultSettings), QueriesError> {
        check_settings(asked)?;
        let mut settings = match (group.enforce, asked.output_location.is_some()) {
            (true, _) => group.results.clone(),
            (false, true) => asked.clone(),
            (false, false) => ResultSettings {
                output_location: group.results.output_location.clone(),
                encryption: asked.encryption.clone().or_else(|| group.results.encryption.clone()),
                expected_bucket_owner: asked
                    .expected_bucket_owner
                    .clone()
                    .or_else(|| group.results.expected_bucket_owner.clone()),
                acl: asked.acl.clone().or_else(|| group.results.acl.clone()),
            },
        };
        let default = default_bucket(caller.scope());
        let folder = match &settings.output_location {
            Some(location) => check_location(location)?,
            None => S3Location { bucket: default.clone(), prefix: String::new() },
        };
        let unusable = |reason: String| QueriesError::OutputBucket { bucket: folder.bucket.clone(), reason };
        let name = BucketName::new(folder.bucket.as_str()).map_err(|error| unusable(error.to_string()))?;
        let found = self.objects.bucket_owner(&name).map_err(|source| QueriesError::Objects { source })?;
        let owner = match found {
            Some(owner) => owner,
            None if folder.bucket == default => {
                self.make_bucket(caller.scope(), name).await.map_err(|error| unusable(error.to_string()))?;
                caller.scope().account.clone()
            }
            None => return Err(unusable("it does not exist; create it, or name another output location".to_owned())),
        };
        if settings.expected_bucket_owner.as_deref().is_some_and(|expected| expected != owner.as_str()) {
            return Err(unusable("it does not belong to the expected bucket owner".to_owned()));
        }
        settings.output_location = Some(folder.to_string());
        Ok((folder, settings))
    }

    /// The account's result bucket is the service's to make, whoever runs the first query; writing to it is the caller's.
    async fn make_bucket(&self, scope: &Scope, name: BucketName) -> Result<(), ObjectsError> {
        let authorized = Authorized::internal(SERVICE, scope.account.clone());
        let principal = authorized.principal().clone();
        let event = tarn_audit::EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.now_ms(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: "CreateBucket".to_owned(),
            read_only: false,
            management: true,
            scope: scope.clone(),
            principal: principal.clone(),
            source_ip: SERVICE.to_owned(),
            user_agent: SERVICE.to_owned(),
            request_parameters: serde_json::json!({ "bucketName": name.as_str() }).to_string(),
            resources: vec![name.arn().to_string()],
        };
        let bound = BoundAuthorizer::new(std::sync::Arc::new(OwnAuthority), principal, Context::new());
        let request = CreateBucket::new(name, scope.region.clone());
        match self.objects.create_bucket(&Caller::new(authorized, bound, event), request).await {
            // two first queries at once
            Ok(_) | Err(ObjectsError::BucketAlreadyOwnedByYou { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
