//! `system.audit`: the events of the caller's account as a table, newest first. A condition on `event_time` reads only that part of what
//! is kept. Knows no form of a trail.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, ListBuilder, RecordBatch, StringBuilder, TimestampMillisecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use tarn_audit::{Event, EventFilter, EventHistory, Outcome, SEARCH_EVENTS_MAX, user_kind, user_name};
use tarn_policy::{Authorized, Requirement};

use super::access::Access;
use super::time_range::TimeRange;
use crate::errors::QueryError;

/// The database of the lake's own tables.
pub(crate) const DATABASE: &str = "system";
/// The table of it that this is.
pub(crate) const TABLE: &str = "audit";
/// By what events are kept in order.
const TIME: &str = "event_time";
/// What is read only where it is asked for.
const RESPONSE_ELEMENTS: &str = "response_elements";

/// The events as a table, for one caller.
pub(crate) struct AuditTable {
    history: Arc<dyn EventHistory>,
    proof: Authorized,
    schema: SchemaRef,
}

impl fmt::Debug for AuditTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditTable")
    }
}

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    let element = Arc::new(Field::new_list_field(DataType::Utf8, true));
    Arc::new(Schema::new(vec![
        Field::new(TIME, DataType::Timestamp(TimeUnit::Millisecond, None), true),
        text("event_id"),
        text("event_source"),
        text("event_name"),
        text("aws_region"),
        text("account_id"),
        text("user_type"),
        text("user_name"),
        text("user_arn"),
        text("principal_id"),
        text("access_key_id"),
        text("source_ip_address"),
        text("user_agent"),
        text("request_id"),
        text("request_parameters"),
        text(RESPONSE_ELEMENTS),
        Field::new("resources", DataType::List(element), true),
        flag("read_only"),
        flag("management_event"),
        text("error_code"),
        text("error_message"),
    ]))
}

fn batch(events: &[Event], schema: SchemaRef) -> DataFusionResult<RecordBatch> {
    let text = |of: &dyn Fn(&Event) -> Option<String>| {
        let mut column = StringBuilder::new();
        events.iter().for_each(|event| column.append_option(of(event)));
        Arc::new(column.finish()) as ArrayRef
    };
    let flag = |of: fn(&Event) -> bool| {
        let mut column = BooleanBuilder::new();
        events.iter().for_each(|event| column.append_value(of(event)));
        Arc::new(column.finish()) as ArrayRef
    };
    let mut times = TimestampMillisecondBuilder::new();
    events.iter().for_each(|event| times.append_value(event.time_ms));
    let mut resources = ListBuilder::new(StringBuilder::new());
    for event in events {
        event.resources.iter().for_each(|arn| resources.values().append_value(arn));
        resources.append(true);
    }
    let failure = |event: &Event| match &event.outcome {
        Outcome::Success => None,
        Outcome::Failure { code, message } => Some((code.clone(), message.clone())),
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.finish()),
        text(&|event| Some(event.id_text())),
        text(&|event| Some(event.event_source.clone())),
        text(&|event| Some(event.event_name.clone())),
        text(&|event| Some(event.scope.region.to_string())),
        text(&|event| Some(event.scope.account.to_string())),
        text(&|event| Some(user_kind(&event.principal).to_owned())),
        text(&|event| user_name(&event.principal).map(str::to_owned)),
        text(&|event| event.principal.arn().map(|arn| arn.to_string())),
        text(&|event| Some(event.principal.id.clone())),
        text(&|event| event.principal.access_key_id.clone()),
        text(&|event| Some(event.source_ip.clone())),
        text(&|event| Some(event.user_agent.clone())),
        text(&|event| Some(event.request_id.clone())),
        text(&|event| Some(event.request_parameters.clone()).filter(|text| text != "null")),
        text(&|event| event.response_elements.clone()),
        Arc::new(resources.finish()),
        flag(|event| event.read_only),
        flag(|event| event.management),
        text(&|event| failure(event).map(|(code, _)| code)),
        text(&|event| failure(event).map(|(_, message)| message)),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}

impl AuditTable {
    /// For the caller of `access`, who must be allowed to look up events.
    pub fn open(access: &Access, history: Arc<dyn EventHistory>) -> Result<Self, QueryError> {
        let proof = access.authorize(vec![Requirement::any("cloudtrail:LookupEvents")])?;
        Ok(Self { history, proof, schema: schema() })
    }
}

/// The pages of one scan.
struct Pages {
    history: Arc<dyn EventHistory>,
    proof: Authorized,
    filter: EventFilter,
    schema: SchemaRef,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({:?} to {:?})", self.filter.from_ms, self.filter.to_ms)
    }
}

/// Where a scan is.
enum Place {
    Start,
    After(String),
    End,
}

impl PartitionStream for Pages {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let Self { history, proof, filter, schema } = self;
        let asked = (history.clone(), proof.clone(), filter.clone(), schema.clone());
        let pages = futures::stream::try_unfold((Place::Start, asked), |(place, asked)| async move {
            let marker = match &place {
                Place::Start => None,
                Place::After(marker) => Some(marker.as_str()),
                Place::End => return Ok(None),
            };
            let (history, proof, filter, schema) = &asked;
            let page = history.page(proof, filter, marker, SEARCH_EVENTS_MAX).await;
            let page = page.map_err(|error| DataFusionError::External(Box::new(error)))?;
            let rows = batch(&page.events, schema.clone())?;
            let next = page.marker.map_or(Place::End, Place::After);
            Ok::<_, DataFusionError>(Some((rows, (next, asked))))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema.clone(), pages))
    }
}

#[async_trait]
impl TableProvider for AuditTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let TimeRange { from_ms, to_ms } = TimeRange::of(TIME, filters);
        let Self { history, proof, schema } = self;
        let answers = schema.index_of(RESPONSE_ELEMENTS)?;
        let without_answers = projection.is_some_and(|columns| !columns.contains(&answers));
        let filter = EventFilter { from_ms, to_ms, without_answers, ..EventFilter::default() };
        let pages = Pages { history: history.clone(), proof: proof.clone(), filter, schema: schema.clone() };
        StreamingTable::try_new(schema.clone(), vec![Arc::new(pages)])?.scan(state, projection, &[], limit).await
    }
}
