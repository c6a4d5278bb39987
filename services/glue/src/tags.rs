//! Tags of databases and crawlers, which are named by their ARN.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::glue::{self as wire, SERVICE};
use tarn_aws_protocol::AwsError;
use tarn_types::{Arn, Scope};

use crate::Glue;
use crate::errors::{not_found, of_catalog, of_crawlers};

/// What can have tags.
pub(crate) enum Tagged {
    Database(String),
    Crawler(String),
}

impl Tagged {
    /// What `text` names, if it is of this account and region.
    pub(crate) fn of(text: &str, scope: &Scope) -> Result<Self, AwsError> {
        let unknown = || not_found(format!("{text} is neither a database nor a crawler of this catalog."));
        let arn = Arn::parse(text).map_err(|_| unknown())?;
        if arn.service != "glue" || arn.region != scope.region.as_str() {
            return Err(unknown());
        }
        if arn.account != scope.account.as_str() {
            return Err(AwsError::access_denied(&SERVICE, format!("{text} is not of account {}.", scope.account)));
        }
        match arn.resource.split_once('/') {
            Some(("database", name)) if !name.is_empty() => Ok(Self::Database(name.to_owned())),
            Some(("crawler", name)) if !name.is_empty() => Ok(Self::Crawler(name.to_owned())),
            _ => Err(unknown()),
        }
    }

    async fn change(
        self,
        glue: &Glue,
        caller: &Caller,
        add: std::collections::BTreeMap<String, String>,
        remove: Vec<String>,
    ) -> Result<(), AwsError> {
        match self {
            Self::Database(name) => glue.catalog.tag_database(caller, &name, add, remove).await.map_err(of_catalog),
            Self::Crawler(name) => glue.crawlers.tag_crawler(caller, &name, add, remove).await.map_err(of_crawlers),
        }
    }
}

pub(crate) async fn tag(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::TagResourceRequest,
) -> Result<wire::TagResourceResponse, AwsError> {
    let tagged = Tagged::of(&input.resource_arn.unwrap_or_default(), caller.scope())?;
    tagged.change(&glue, &caller, input.tags_to_add.unwrap_or_default(), Vec::new()).await?;
    Ok(wire::TagResourceResponse {})
}

pub(crate) async fn untag(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::UntagResourceRequest,
) -> Result<wire::UntagResourceResponse, AwsError> {
    let tagged = Tagged::of(&input.resource_arn.unwrap_or_default(), caller.scope())?;
    tagged.change(&glue, &caller, Default::default(), input.tags_to_remove.unwrap_or_default()).await?;
    Ok(wire::UntagResourceResponse {})
}

pub(crate) async fn get(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetTagsRequest,
) -> Result<wire::GetTagsResponse, AwsError> {
    let tags = match Tagged::of(&input.resource_arn.unwrap_or_default(), caller.scope())? {
        Tagged::Database(name) => glue.catalog.database(caller.authorized(), &name).map_err(of_catalog)?.tags,
        Tagged::Crawler(name) => glue.crawlers.crawler(caller.authorized(), &name).map_err(of_crawlers)?.tags,
    };
    Ok(wire::GetTagsResponse { tags: Some(tags) })
}
