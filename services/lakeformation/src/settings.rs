//! The settings of a data lake on the wire, and who asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::lakeformation as wire;
use tarn_aws_protocol::AwsError;
use tarn_formation::{DefaultPermissions, Settings};

use crate::LakeFormation;
use crate::convert::{permissions, permissions_out, principal, principal_out, required};
use crate::errors::{invalid, refuse_unbuilt_flag, refuse_unbuilt_list, to_aws};

pub(crate) async fn get(
    lake: Arc<LakeFormation>,
    caller: Caller,
    _: wire::GetDataLakeSettingsRequest,
) -> Result<wire::GetDataLakeSettingsResponse, AwsError> {
    let settings = lake.formation.settings(caller.authorized()).map_err(to_aws)?;
    let shown = |names: BTreeSet<String>| Some(names.into_iter().map(principal_out).collect::<Vec<_>>());
    Ok(wire::GetDataLakeSettingsResponse {
        data_lake_settings: Some(wire::DataLakeSettings {
            data_lake_admins: shown(settings.administrators),
            read_only_admins: shown(settings.read_only_administrators),
            create_database_default_permissions: defaults_out(settings.database_defaults),
            create_table_default_permissions: defaults_out(settings.table_defaults),
            parameters: Some(settings.parameters),
            trusted_resource_owners: Some(Vec::new()),
            allow_external_data_filtering: Some(false),
            allow_full_table_external_data_access: Some(settings.allow_full_table_external_data_access),
            external_data_filtering_allow_list: Some(Vec::new()),
            authorized_session_tag_value_list: Some(Vec::new()),
        }),
    })
}

/// All anew: what is left out is as if it were empty.
pub(crate) async fn put(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::PutDataLakeSettingsRequest,
) -> Result<wire::PutDataLakeSettingsResponse, AwsError> {
    let wire::DataLakeSettings {
        data_lake_admins,
        read_only_admins,
        create_database_default_permissions,
        create_table_default_permissions,
        parameters,
        trusted_resource_owners,
        allow_external_data_filtering,
        allow_full_table_external_data_access,
        external_data_filtering_allow_list,
        authorized_session_tag_value_list,
    } = required(input.data_lake_settings, "DataLakeSettings")?;
    refuse_unbuilt_list("TrustedResourceOwners", trusted_resource_owners.as_ref())?;
    refuse_unbuilt_flag("AllowExternalDataFiltering", allow_external_data_filtering)?;
    refuse_unbuilt_list("ExternalDataFilteringAllowList", external_data_filtering_allow_list.as_ref())?;
    refuse_unbuilt_list("AuthorizedSessionTagValueList", authorized_session_tag_value_list.as_ref())?;
    let mut settings = Settings::default();
    settings.administrators = principals(data_lake_admins)?;
    settings.read_only_administrators = principals(read_only_admins)?;
    settings.database_defaults = defaults(create_database_default_permissions)?;
    settings.table_defaults = defaults(create_table_default_permissions)?;
    settings.parameters = parameters.unwrap_or_default();
    settings.allow_full_table_external_data_access = allow_full_table_external_data_access.unwrap_or_default();
    lake.formation.put_settings(&caller, settings).await.map_err(to_aws)?;
    Ok(wire::PutDataLakeSettingsResponse {})
}

fn principals(list: Option<Vec<wire::DataLakePrincipal>>) -> Result<BTreeSet<String>, AwsError> {
    list.unwrap_or_default().into_iter().map(|one| principal(Some(one))).collect()
}

fn defaults(given: Option<Vec<wire::PrincipalPermissions>>) -> Result<DefaultPermissions, AwsError> {
    let mut defaults = DefaultPermissions::new();
    for one in given.unwrap_or_default() {
        let who = principal(one.principal)?;
        let what = permissions(one.permissions)?;
        // Somebody who is given nothing is not there.
        if !what.is_empty() && defaults.insert(who.clone(), what).is_some() {
            return Err(invalid(format!("{who} stands in the default permissions twice.")));
        }
    }
    Ok(defaults)
}

fn defaults_out(defaults: DefaultPermissions) -> Option<Vec<wire::PrincipalPermissions>> {
    let one = |(who, what)| wire::PrincipalPermissions {
        principal: Some(principal_out(who)),
        permissions: permissions_out(what),
    };
    Some(defaults.into_iter().map(one).collect())
}

pub(crate) async fn principal_of_caller(
    _: Arc<LakeFormation>,
    caller: Caller,
    _: wire::GetDataLakePrincipalRequest,
) -> Result<wire::GetDataLakePrincipalResponse, AwsError> {
    Ok(wire::GetDataLakePrincipalResponse { identity: caller.principal().arn().map(|arn| arn.to_string()) })
}
