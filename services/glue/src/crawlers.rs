//! Crawlers on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::glue as wire;
use tarn_aws_protocol::AwsError;
use tarn_crawlers::{CrawlerInput, CrawlerUpdate, CrawlersError};

use crate::Glue;
use crate::crawler_convert::{behaviors, crawler, refuse_options, targets};
use crate::errors::of_crawlers;
use crate::paging;

/// The most crawlers of a page.
const PAGE_SIZE_MAX: usize = 1_000;

pub(crate) async fn create(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::CreateCrawlerRequest,
) -> Result<wire::CreateCrawlerResponse, AwsError> {
    refuse_options(
        input.classifiers.as_ref(),
        input.recrawl_policy.as_ref(),
        input.lineage_configuration.as_ref(),
        input.lake_formation_configuration.as_ref(),
        input.crawler_security_configuration.as_ref(),
    )?;
    let (update_behavior, delete_behavior) = behaviors(input.schema_change_policy)?.unwrap_or_default();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let definition = CrawlerInput {
        name: input.name.unwrap_or_default(),
        role: input.role.unwrap_or_default(),
        database_name: input.database_name.unwrap_or_default(),
        description: given(input.description),
        s3_targets: targets(input.targets.unwrap_or_default())?,
        schedule: given(input.schedule),
        table_prefix: given(input.table_prefix),
        update_behavior,
        delete_behavior,
        configuration: given(input.configuration),
    };
    let tags = input.tags.unwrap_or_default();
    glue.crawlers.create_crawler(&caller, definition, tags).await.map_err(of_crawlers)?;
    Ok(wire::CreateCrawlerResponse {})
}

pub(crate) async fn update(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::UpdateCrawlerRequest,
) -> Result<wire::UpdateCrawlerResponse, AwsError> {
    refuse_options(
        input.classifiers.as_ref(),
        input.recrawl_policy.as_ref(),
        input.lineage_configuration.as_ref(),
        input.lake_formation_configuration.as_ref(),
        input.crawler_security_configuration.as_ref(),
    )?;
    let update = CrawlerUpdate {
        role: input.role,
        database_name: input.database_name,
        description: input.description,
        s3_targets: input.targets.map(targets).transpose()?,
        schedule: input.schedule,
        table_prefix: input.table_prefix,
        behaviors: behaviors(input.schema_change_policy)?,
        configuration: input.configuration,
    };
    glue.crawlers.update_crawler(&caller, &input.name.unwrap_or_default(), update).await.map_err(of_crawlers)?;
    Ok(wire::UpdateCrawlerResponse {})
}

pub(crate) async fn get(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetCrawlerRequest,
) -> Result<wire::GetCrawlerResponse, AwsError> {
    let found = glue.crawlers.crawler(caller.authorized(), &input.name.unwrap_or_default()).map_err(of_crawlers)?;
    Ok(wire::GetCrawlerResponse { crawler: Some(crawler(found, caller.time_ms())) })
}

pub(crate) async fn list(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetCrawlersRequest,
) -> Result<wire::GetCrawlersResponse, AwsError> {
    let after = paging::part(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, PAGE_SIZE_MAX);
    let page =
        glue.crawlers.crawlers(caller.authorized(), &BTreeMap::new(), after.as_deref(), limit).map_err(of_crawlers)?;
    Ok(wire::GetCrawlersResponse {
        crawlers: Some(page.crawlers.into_iter().map(|found| crawler(found, caller.time_ms())).collect()),
        next_token: page.next.map(|next| paging::token(&[next])),
    })
}

pub(crate) async fn list_names(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::ListCrawlersRequest,
) -> Result<wire::ListCrawlersResponse, AwsError> {
    let after = paging::part(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, PAGE_SIZE_MAX);
    let tags = input.tags.unwrap_or_default();
    let page = glue.crawlers.crawlers(caller.authorized(), &tags, after.as_deref(), limit).map_err(of_crawlers)?;
    Ok(wire::ListCrawlersResponse {
        crawler_names: Some(page.crawlers.into_iter().map(|crawler| crawler.definition.name).collect()),
        next_token: page.next.map(|next| paging::token(&[next])),
    })
}

pub(crate) async fn batch_get(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::BatchGetCrawlersRequest,
) -> Result<wire::BatchGetCrawlersResponse, AwsError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in input.crawler_names.unwrap_or_default() {
        match glue.crawlers.crawler(caller.authorized(), &name) {
            Ok(one) => found.push(crawler(one, caller.time_ms())),
            Err(CrawlersError::NotFound { .. }) => missing.push(name),
            Err(error) => return Err(of_crawlers(error)),
        }
    }
    Ok(wire::BatchGetCrawlersResponse { crawlers: Some(found), crawlers_not_found: Some(missing) })
}

pub(crate) async fn delete(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::DeleteCrawlerRequest,
) -> Result<wire::DeleteCrawlerResponse, AwsError> {
    glue.crawlers.delete_crawler(&caller, &input.name.unwrap_or_default()).await.map_err(of_crawlers)?;
    Ok(wire::DeleteCrawlerResponse {})
}

pub(crate) async fn start(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::StartCrawlerRequest,
) -> Result<wire::StartCrawlerResponse, AwsError> {
    glue.crawlers.start_crawler(&caller, &input.name.unwrap_or_default()).await.map_err(of_crawlers)?;
    Ok(wire::StartCrawlerResponse {})
}

pub(crate) async fn stop(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::StopCrawlerRequest,
) -> Result<wire::StopCrawlerResponse, AwsError> {
    glue.crawlers.stop_crawler(&caller, &input.name.unwrap_or_default()).await.map_err(of_crawlers)?;
    Ok(wire::StopCrawlerResponse {})
}
