//! Crawls and their figures on the wire.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tarn_audit::Caller;
use tarn_aws_model::glue as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_crawlers::Crawl;

use crate::Glue;
use crate::crawler_convert::{history, state_name};
use crate::errors::{invalid, of_crawlers};
use crate::paging;

/// The most crawls of a page where the caller does not say.
const PAGE_SIZE: usize = 20;
/// The most crawls of a page.
const PAGE_SIZE_MAX: usize = 1_000;

/// One condition on crawls.
enum Filter {
    Text { state: bool, value: String, equal: bool },
    Time { start: bool, value_ms: i64, holds: fn(Ordering) -> bool },
}

fn filter(filter: wire::CrawlsFilter) -> Result<Filter, AwsError> {
    let wire::CrawlsFilter { field_name, filter_operator, field_value } = filter;
    let (field, operator) = (field_name.unwrap_or_default(), filter_operator.unwrap_or_default());
    let value = field_value.unwrap_or_default();
    match field.as_str() {
        "CRAWL_ID" | "STATE" => match operator.as_str() {
            "EQ" | "NE" => Ok(Filter::Text { state: field == "STATE", value, equal: operator == "EQ" }),
            _ => Err(invalid(format!("{field} can be compared with EQ and NE only."))),
        },
        "START_TIME" | "END_TIME" => {
            let milliseconds = value.parse::<i64>().ok();
            let value_ms = milliseconds.or_else(|| value.parse::<Timestamp>().ok().map(Timestamp::as_millisecond));
            let value_ms = value_ms.ok_or_else(|| {
                invalid(format!("{field} is compared to milliseconds since 1970 or an ISO 8601 time, got {value:?}."))
            })?;
            let holds = match operator.as_str() {
                "GT" => Ordering::is_gt,
                "GE" => Ordering::is_ge,
                "LT" => Ordering::is_lt,
                "LE" => Ordering::is_le,
                "EQ" => Ordering::is_eq,
                "NE" => Ordering::is_ne,
                _ => return Err(invalid(format!("{operator:?} is not a FilterOperator."))),
            };
            Ok(Filter::Time { start: field == "START_TIME", value_ms, holds })
        }
        _ => Err(invalid(format!(
            "Crawls can be filtered by CRAWL_ID, STATE, START_TIME and END_TIME, not by {field:?}."
        ))),
    }
}

impl Filter {
    fn passes(&self, crawl: &Crawl) -> bool {
        match self {
            Self::Text { state: true, value, equal } => (state_name(crawl.state) == value) == *equal,
            Self::Text { state: false, value, equal } => (crawl.crawl_id() == *value) == *equal,
            Self::Time { start, value_ms, holds } => {
                let time_ms = if *start { Some(crawl.start_time_ms) } else { crawl.end_time_ms };
                time_ms.is_some_and(|time_ms| holds(time_ms.cmp(value_ms)))
            }
        }
    }
}

pub(crate) async fn list(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::ListCrawlsRequest,
) -> Result<wire::ListCrawlsResponse, AwsError> {
    let filters = input.filters.unwrap_or_default().into_iter().map(filter).collect::<Result<Vec<_>, _>>()?;
    let after = paging::part(input.next_token.as_ref())?
        .map(|text| STANDARD.decode(text).map_err(|_| invalid("The NextToken is not one of a list of crawls.")))
        .transpose()?;
    let limit = if input.max_results.is_none() { PAGE_SIZE } else { paging::limit(input.max_results, PAGE_SIZE_MAX) };
    let name = input.crawler_name.unwrap_or_default();
    let wanted = |crawl: &Crawl| filters.iter().all(|filter| filter.passes(crawl));
    let page = glue.crawlers.crawls(caller.authorized(), &name, after, limit, wanted).map_err(of_crawlers)?;
    Ok(wire::ListCrawlsResponse {
        crawls: Some(page.crawls.into_iter().map(history).collect()),
        next_token: page.next.map(|next| paging::token(&[STANDARD.encode(next)])),
    })
}

pub(crate) async fn metrics(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetCrawlerMetricsRequest,
) -> Result<wire::GetCrawlerMetricsResponse, AwsError> {
    let after = paging::part(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, PAGE_SIZE_MAX);
    let asked = input.crawler_name_list.filter(|names| !names.is_empty());
    let (names, next) = match asked {
        Some(names) => (names, None),
        None => {
            let page = glue
                .crawlers
                .crawlers(caller.authorized(), &BTreeMap::new(), after.as_deref(), limit)
                .map_err(of_crawlers)?;
            (page.crawlers.into_iter().map(|crawler| crawler.definition.name).collect(), page.next)
        }
    };
    let count = |count: usize| i32::try_from(count).ok();
    let mut all = Vec::new();
    for name in names {
        let metrics = glue.crawlers.crawl_metrics(caller.authorized(), &name).map_err(of_crawlers)?;
        all.push(wire::CrawlerMetrics {
            crawler_name: Some(name),
            // How long a crawl will take is not known before it has ended.
            time_left_seconds: Some(0.0),
            still_estimating: Some(metrics.running),
            last_runtime_seconds: Some(metrics.last_runtime_seconds),
            median_runtime_seconds: Some(metrics.median_runtime_seconds),
            tables_created: count(metrics.tables_created),
            tables_updated: count(metrics.tables_updated),
            tables_deleted: count(metrics.tables_deleted),
        });
    }
    Ok(wire::GetCrawlerMetricsResponse {
        crawler_metrics_list: Some(all),
        next_token: next.map(|next| paging::token(&[next])),
    })
}
