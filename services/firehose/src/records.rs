//! Records on the wire. Of a batch, records are taken in their order while the stream has room; each of the others fails in its place of
//! the answer, to be put again. What is wrong with the request itself is an error, and takes nothing.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::firehose as wire;
use tarn_aws_protocol::AwsError;
use tarn_streams::{RecordId, Streams, StreamsError};

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
    let RecordId(record_id) = required(taken.into_iter().next(), "Record")?.map_err(to_producer)?;
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
    let failed = taken.iter().filter(|taken| taken.is_err()).count();
    Ok(wire::PutRecordBatchOutput {
        failed_put_count: i32::try_from(failed).ok(),
        encrypted: Some(false),
        request_responses: Some(taken.into_iter().map(entry).collect()),
    })
}

fn entry(taken: Result<RecordId, StreamsError>) -> wire::PutRecordBatchResponseEntry {
    match taken {
        Ok(RecordId(id)) => wire::PutRecordBatchResponseEntry { record_id: Some(id), ..Default::default() },
        Err(error) => {
            let AwsError { code, message, .. } = to_producer(error);
            let (error_code, error_message) = (Some(code), Some(message));
            wire::PutRecordBatchResponseEntry { error_code, error_message, ..Default::default() }
        }
    }
}
