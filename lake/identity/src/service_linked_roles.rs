//! Roles that belong to a service: at a path and by a name of its own, trusted by it alone, and removed by a task of their own.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html>

use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt};
use tarn_runtime::EntropyExt;

use crate::records::{ROLE_DELETIONS, RoleDeletionRecord, in_account};
use crate::roles::find_role;
use crate::{EntityKind, Identity, IdentityError, NewRole, Role};

/// What their paths begin with; no other role is there.
pub(crate) const PATH: &str = "/aws-service-role/";

/// Services that have such roles, what the role is called, and whether a suffix can be chosen.
const SERVICES: &[(&str, &str, bool)] = &[
    ("autoscaling.amazonaws.com", "AutoScaling", true),
    ("batch.amazonaws.com", "Batch", false),
    ("cloudtrail.amazonaws.com", "CloudTrail", false),
    ("elasticmapreduce.amazonaws.com", "EMRCleanup", true),
    ("lakeformation.amazonaws.com", "LakeFormationDataAccess", false),
    ("mrk.kms.amazonaws.com", "KeyManagementServiceMultiRegionKeys", false),
    ("ops.emr-serverless.amazonaws.com", "AmazonEMRServerless", false),
    ("redshift.amazonaws.com", "Redshift", false),
    ("replication.s3.amazonaws.com", "S3Replication", false),
    ("sagemaker.amazonaws.com", "AmazonSageMakerNotebooks", false),
];

fn invalid(reason: String) -> IdentityError {
    IdentityError::InvalidServiceRole { reason }
}

impl Identity {
    /// Makes the role of `service`.
    pub async fn create_service_linked_role(
        &self,
        caller: &Caller,
        service: &str,
        description: Option<String>,
        suffix: Option<&str>,
    ) -> Result<Role, IdentityError> {
        let Some((service, name, with_suffix)) = SERVICES.iter().find(|(known, _, _)| *known == service) else {
            let known: Vec<_> = SERVICES.iter().map(|(service, _, _)| *service).collect();
            return Err(invalid(format!(
                "The service {service} has no service-linked role here; those that have one: {}.",
                known.join(", ")
            )));
        };
        let name = match suffix {
            None => format!("AWSServiceRoleFor{name}"),
            Some(suffix) if *with_suffix => format!("AWSServiceRoleFor{name}_{suffix}"),
            Some(_) => return Err(invalid(format!("Custom suffix is not allowed for {service}"))),
        };
        let trust = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]
        });
        let new = NewRole {
            path: Some(format!("{PATH}{service}/")),
            description,
            trust_policy: trust.to_string(),
            session_seconds_max: None,
            boundary: None,
            tags: Vec::new(),
            name: name.clone(),
        };
        match self.insert_role(caller, new).await {
            Err(IdentityError::Exists { .. }) => Err(invalid(format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            ))),
            made => made,
        }
    }

    /// Removes a service's role; the id of the task that did.
    pub async fn delete_service_linked_role(&self, caller: &Caller, name: &str) -> Result<String, IdentityError> {
        let (account, name) = (caller.scope().account.clone(), name.to_owned());
        let (task, now_ms) = (self.runtime.entropy.uuid(), caller.time_ms());
        self.commit(caller, move |tx| {
            let role = find_role(tx, &account, &name)?;
            let Some(service) = role.path.strip_prefix(PATH).map(|rest| rest.trim_end_matches('/').to_owned()) else {
                return Err(IdentityError::NoSuchEntity { kind: EntityKind::Role, name });
            };
            let id = format!("task/aws-service-role/{service}/{}/{task}", role.name);
            let record = RoleDeletionRecord { role: role.name.clone(), ended_ms: now_ms };
            tx.put(ROLE_DELETIONS, &in_account(&account, &id), &record)?;
            crate::roles::remove(tx, &account, &role)?;
            Ok(id)
        })
        .await
    }

    /// Whether a task has removed its role: each has by the time that its id is known.
    pub fn get_role_deletion(&self, caller: &Caller, task: &str) -> Result<(), IdentityError> {
        let found = self.store.read()?.get(ROLE_DELETIONS, &in_account(&caller.scope().account, task))?;
        found.map(|_| ()).ok_or_else(|| IdentityError::NoSuchDeletion { task: task.to_owned() })
    }
}
