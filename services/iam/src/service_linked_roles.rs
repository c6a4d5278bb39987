//! Roles of services on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::Identity;

use crate::convert::{self, required};
use crate::errors::to_aws;

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateServiceLinkedRoleRequest,
) -> Result<wire::CreateServiceLinkedRoleResponse, AwsError> {
    let service = required(input.aws_service_name, "AWSServiceName")?;
    let suffix = input.custom_suffix.as_deref();
    let made =
        identity.create_service_linked_role(&caller, &service, input.description, suffix).await.map_err(to_aws)?;
    Ok(wire::CreateServiceLinkedRoleResponse { role: Some(convert::role(made)) })
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteServiceLinkedRoleRequest,
) -> Result<wire::DeleteServiceLinkedRoleResponse, AwsError> {
    let name = required(input.role_name, "RoleName")?;
    let task = identity.delete_service_linked_role(&caller, &name).await.map_err(to_aws)?;
    Ok(wire::DeleteServiceLinkedRoleResponse { deletion_task_id: Some(task) })
}

pub(crate) async fn deletion_status(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetServiceLinkedRoleDeletionStatusRequest,
) -> Result<wire::GetServiceLinkedRoleDeletionStatusResponse, AwsError> {
    let task = required(input.deletion_task_id, "DeletionTaskId")?;
    identity.get_role_deletion(&caller, &task).map_err(to_aws)?;
    Ok(wire::GetServiceLinkedRoleDeletionStatusResponse { status: Some("SUCCEEDED".to_owned()), reason: None })
}
