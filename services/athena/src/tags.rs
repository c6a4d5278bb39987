//! Tags of what is named by its ARN: workgroups, and the data catalog, which has none.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::athena::{self as wire, SERVICE};
use tarn_aws_protocol::AwsError;
use tarn_query::queries::work_group_arn;
use tarn_types::{Arn, Scope};

use crate::Athena;
use crate::convert;
use crate::errors::{invalid, not_found, of_queries};
use crate::metadata::{CATALOG, is_catalog};
use crate::resources::data_catalog_arn;

/// What can have tags.
pub(crate) enum Tagged {
    WorkGroup(String),
    DataCatalog,
}

impl Tagged {
    /// What `text` names, if it is of this account and region.
    pub(crate) fn of(text: &str, scope: &Scope) -> Result<Self, AwsError> {
        let unknown = || not_found(text, format!("{text} is neither a workgroup nor a data catalog of this account."));
        let arn = Arn::parse(text).map_err(|_| unknown())?;
        if arn.service != "athena" || arn.region != scope.region.as_str() {
            return Err(unknown());
        }
        if arn.account != scope.account.as_str() {
            return Err(AwsError::access_denied(&SERVICE, format!("{text} is not of account {}.", scope.account)));
        }
        match arn.resource.split_once('/') {
            Some(("workgroup", name)) if !name.is_empty() => Ok(Self::WorkGroup(name.to_owned())),
            Some(("datacatalog", name)) if is_catalog(name) => Ok(Self::DataCatalog),
            _ => Err(unknown()),
        }
    }

    pub(crate) fn arn(&self, scope: &Scope) -> Arn {
        match self {
            Self::WorkGroup(name) => work_group_arn(scope, name),
            Self::DataCatalog => data_catalog_arn(scope, CATALOG),
        }
    }

    fn work_group(self) -> Result<String, AwsError> {
        match self {
            Self::WorkGroup(name) => Ok(name),
            Self::DataCatalog => Err(invalid(format!("{CATALOG} cannot have tags; tag its databases by Glue."))),
        }
    }
}

pub(crate) async fn tag(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::TagResourceInput,
) -> Result<wire::TagResourceOutput, AwsError> {
    let name = Tagged::of(&input.resource_arn.unwrap_or_default(), caller.scope())?.work_group()?;
    athena.queries.tag_work_group(&caller, &name, convert::tags(input.tags), Vec::new()).await.map_err(of_queries)?;
    Ok(wire::TagResourceOutput {})
}

pub(crate) async fn untag(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::UntagResourceInput,
) -> Result<wire::UntagResourceOutput, AwsError> {
    let name = Tagged::of(&input.resource_arn.unwrap_or_default(), caller.scope())?.work_group()?;
    let keys = input.tag_keys.unwrap_or_default();
    athena.queries.tag_work_group(&caller, &name, Default::default(), keys).await.map_err(of_queries)?;
    Ok(wire::UntagResourceOutput {})
}

/// One page: there are few.
pub(crate) async fn list(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::ListTagsForResourceInput,
) -> Result<wire::ListTagsForResourceOutput, AwsError> {
    let tags = match Tagged::of(&input.resource_arn.unwrap_or_default(), caller.scope())? {
        Tagged::WorkGroup(name) => athena.queries.work_group_tags(caller.authorized(), &name).map_err(of_queries)?,
        Tagged::DataCatalog => Default::default(),
    };
    let tags = tags.into_iter().map(|(key, value)| wire::Tag { key: Some(key), value: Some(value) }).collect();
    Ok(wire::ListTagsForResourceOutput { tags: Some(tags), next_token: None })
}
