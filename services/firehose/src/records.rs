//! Records on the wire. A batch is taken as a whole or not at all: an answer that was given counts no failures, and a batch that could
//! not be taken is an error that clients try again.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::firehose as wire;
use tarn_aws_protocol::AwsError;
use tarn_streams::{RecordId, Streams};

use crate::convert::required;
use crate::errors::to_producer;

pub(crate) async fn put(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::PutRecordInput,
) -> Result<wire::PutRecordOutput, AwsError> {
    let name = required(input.delivery_stream_name, "DeliveryStreamName")?;
    let data = required(input.record.and_then(|record| record.data), "Record.Data")?;
    let taken = streams.put_records(&caller, &name, vec![data]).await.map_err(to_producer)?;
    let RecordId(record_id) = required(taken.into_iter().next(), "Record")?;
    Ok(wire::PutRecordOutput { record_id: Some(record_id), encrypted: Some(false) })
}

pub(crate) async fn put_batch(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::PutRecordBatchInput,
) -> Result<wire::PutRecordBatchOutput, AwsError> {
    let name = required(input.delivery_stream_name, "DeliveryStreamName")?;
    let records = required(input.records, "Records")?
        .into_iter()
        .map(|record| required(record.data, "Record.Data"))
        .collect::<Result<Vec<_>, _>>()?;
    let taken = streams.put_records(&caller, &name, records).await.map_err(to_producer)?;
    let entry = |RecordId(id)| wire::PutRecordBatchResponseEntry { record_id: Some(id), ..Default::default() };
    Ok(wire::PutRecordBatchOutput {
        failed_put_count: Some(0),
        encrypted: Some(false),
        request_responses: Some(taken.into_iter().map(entry).collect()),
    })
}
