//! What callers must be allowed by IAM: the operation, which has no resource to name. Grants are asked by the domain.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslakeformation.html>

use tarn_aws_model::lakeformation as wire;
use tarn_aws_protocol::AwsError;
use tarn_policy::Requirement;
use tarn_types::{Arn, Scope};

use crate::LakeFormation;
use crate::convert::own_catalog;
use crate::locations::service_role;

type Needs = Result<Vec<Requirement>, AwsError>;

/// Whom a location's role is passed to.
const LAKE_FORMATION: &str = "lakeformation.amazonaws.com";

macro_rules! of_own_catalog {
    ($($function:ident $input:ident $action:literal;)*) => {
        $(pub(crate) fn $function(_: &LakeFormation, input: &wire::$input, scope: &Scope) -> Needs {
            own_catalog(input.catalog_id.as_ref(), scope)?;
            Ok(vec![Requirement::any($action)])
        })*
    };
}

of_own_catalog! {
    get_data_lake_settings GetDataLakeSettingsRequest "lakeformation:GetDataLakeSettings";
    put_data_lake_settings PutDataLakeSettingsRequest "lakeformation:PutDataLakeSettings";
    grant_permissions GrantPermissionsRequest "lakeformation:GrantPermissions";
    revoke_permissions RevokePermissionsRequest "lakeformation:RevokePermissions";
    batch_grant_permissions BatchGrantPermissionsRequest "lakeformation:BatchGrantPermissions";
    batch_revoke_permissions BatchRevokePermissionsRequest "lakeformation:BatchRevokePermissions";
    list_permissions ListPermissionsRequest "lakeformation:ListPermissions";
    create_lf_tag CreateLFTagRequest "lakeformation:CreateLFTag";
    update_lf_tag UpdateLFTagRequest "lakeformation:UpdateLFTag";
    delete_lf_tag DeleteLFTagRequest "lakeformation:DeleteLFTag";
    get_lf_tag GetLFTagRequest "lakeformation:GetLFTag";
    list_lf_tags ListLFTagsRequest "lakeformation:ListLFTags";
    add_lf_tags_to_resource AddLFTagsToResourceRequest "lakeformation:AddLFTagsToResource";
    remove_lf_tags_from_resource RemoveLFTagsFromResourceRequest "lakeformation:RemoveLFTagsFromResource";
    get_resource_lf_tags GetResourceLFTagsRequest "lakeformation:GetResourceLFTags";
    search_tables_by_lf_tags SearchTablesByLFTagsRequest "lakeformation:SearchTablesByLFTags";
    search_databases_by_lf_tags SearchDatabasesByLFTagsRequest "lakeformation:SearchDatabasesByLFTags";
}

macro_rules! plain {
    ($($function:ident $input:ident $action:literal;)*) => {
        $(pub(crate) fn $function(_: &LakeFormation, _: &wire::$input, _: &Scope) -> Needs {
            Ok(vec![Requirement::any($action)])
        })*
    };
}

plain! {
    get_data_lake_principal GetDataLakePrincipalRequest "lakeformation:GetDataLakePrincipal";
    create_data_cells_filter CreateDataCellsFilterRequest "lakeformation:CreateDataCellsFilter";
    update_data_cells_filter UpdateDataCellsFilterRequest "lakeformation:UpdateDataCellsFilter";
    deregister_resource DeregisterResourceRequest "lakeformation:DeregisterResource";
    describe_resource DescribeResourceRequest "lakeformation:DescribeResource";
    list_resources ListResourcesRequest "lakeformation:ListResources";
    get_temporary_glue_table_credentials GetTemporaryGlueTableCredentialsRequest
        "lakeformation:GetTemporaryGlueTableCredentials";
}

pub(crate) fn get_data_cells_filter(
    _: &LakeFormation,
    input: &wire::GetDataCellsFilterRequest,
    scope: &Scope,
) -> Needs {
    own_catalog(input.table_catalog_id.as_ref(), scope)?;
    Ok(vec![Requirement::any("lakeformation:GetDataCellsFilter")])
}

pub(crate) fn delete_data_cells_filter(
    _: &LakeFormation,
    input: &wire::DeleteDataCellsFilterRequest,
    scope: &Scope,
) -> Needs {
    own_catalog(input.table_catalog_id.as_ref(), scope)?;
    Ok(vec![Requirement::any("lakeformation:DeleteDataCellsFilter")])
}

pub(crate) fn list_data_cells_filter(
    _: &LakeFormation,
    input: &wire::ListDataCellsFilterRequest,
    scope: &Scope,
) -> Needs {
    own_catalog(input.table.as_ref().and_then(|table| table.catalog_id.as_ref()), scope)?;
    Ok(vec![Requirement::any("lakeformation:ListDataCellsFilter")])
}

/// Data will be read as the role, so that whoever names it must be allowed to pass it on.
fn with_role(action: &'static str, role: Option<&String>, scope: &Scope) -> Needs {
    let mut needs = vec![Requirement::any(action)];
    let role = role.filter(|role| **role != service_role(scope));
    // What is no ARN names no role that anything could be read as.
    if let Some(Ok(role)) = role.map(|role| Arn::parse(role)) {
        needs.push(Requirement::new("iam:PassRole", role).with("iam:PassedToService", LAKE_FORMATION));
    }
    Ok(needs)
}

pub(crate) fn register_resource(_: &LakeFormation, input: &wire::RegisterResourceRequest, scope: &Scope) -> Needs {
    with_role("lakeformation:RegisterResource", input.role_arn.as_ref(), scope)
}

pub(crate) fn update_resource(_: &LakeFormation, input: &wire::UpdateResourceRequest, scope: &Scope) -> Needs {
    with_role("lakeformation:UpdateResource", input.role_arn.as_ref(), scope)
}
