//! Lake Formation: permissions on the catalog and its data over `tarn-formation`. Knows the wire's shapes and Lake Formation's errors; keeps
//! nothing itself.
//! <https://docs.aws.amazon.com/lake-formation/latest/APIReference/API_Operations.html>
//!
//! One file for each resource; `resources` says what each operation's callers must be allowed.

mod convert;
mod credentials;
mod data_cells_filters;
mod errors;
mod lf_tags;
mod locations;
mod paging;
mod permissions;
mod resource_tags;
mod resources;
mod settings;

use std::sync::Arc;

use tarn_aws_model::lakeformation::{SERVICE, operations as op};
use tarn_formation::Formation;
use tarn_identity::Identity;
use tarn_operation::{Access, Table};

/// What Lake Formation's operations work on.
pub struct LakeFormation {
    pub(crate) formation: Formation,
    pub(crate) identity: Arc<Identity>,
}

/// Lake Formation over `formation`; `identity` makes the credentials that it hands out.
pub fn service(formation: Formation, identity: Arc<Identity>) -> Table<LakeFormation> {
    let table = Table::new(&SERVICE, Arc::new(LakeFormation { formation, identity }));
    location_rows(filter_rows(tag_rows(permission_rows(table))))
}

macro_rules! rows {
    ($function:ident: $($operation:ident $access:ident $requirements:ident $handler:path;)*) => {
        fn $function(table: Table<LakeFormation>) -> Table<LakeFormation> {
            table $(.with::<op::$operation, _, _>(
                Access::$access(concat!("lakeformation:", stringify!($operation))),
                resources::$requirements,
                $handler,
            ))*
        }
    };
}

rows! { permission_rows:
    GetDataLakeSettings read get_data_lake_settings settings::get;
    PutDataLakeSettings write put_data_lake_settings settings::put;
    GetDataLakePrincipal read get_data_lake_principal settings::principal_of_caller;
    GrantPermissions write grant_permissions permissions::grant;
    RevokePermissions write revoke_permissions permissions::revoke;
    BatchGrantPermissions write batch_grant_permissions permissions::batch_grant;
    BatchRevokePermissions write batch_revoke_permissions permissions::batch_revoke;
    ListPermissions read list_permissions permissions::list;
}

rows! { tag_rows:
    CreateLFTag write create_lf_tag lf_tags::create;
    UpdateLFTag write update_lf_tag lf_tags::update;
    DeleteLFTag write delete_lf_tag lf_tags::delete;
    GetLFTag read get_lf_tag lf_tags::get;
    ListLFTags read list_lf_tags lf_tags::list;
    AddLFTagsToResource write add_lf_tags_to_resource resource_tags::add;
    RemoveLFTagsFromResource write remove_lf_tags_from_resource resource_tags::remove;
    GetResourceLFTags read get_resource_lf_tags resource_tags::get;
    SearchTablesByLFTags read search_tables_by_lf_tags resource_tags::search_tables;
    SearchDatabasesByLFTags read search_databases_by_lf_tags resource_tags::search_databases;
}

rows! { filter_rows:
    CreateDataCellsFilter write create_data_cells_filter data_cells_filters::create;
    UpdateDataCellsFilter write update_data_cells_filter data_cells_filters::update;
    DeleteDataCellsFilter write delete_data_cells_filter data_cells_filters::delete;
    GetDataCellsFilter read get_data_cells_filter data_cells_filters::get;
    ListDataCellsFilter read list_data_cells_filter data_cells_filters::list;
}

rows! { location_rows:
    RegisterResource write register_resource locations::register;
    DeregisterResource write deregister_resource locations::deregister;
    DescribeResource read describe_resource locations::describe;
    UpdateResource write update_resource locations::update;
    ListResources read list_resources locations::list;
    GetTemporaryGlueTableCredentials write get_temporary_glue_table_credentials credentials::of_table;
}
