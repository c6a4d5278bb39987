//! Selecting from one object by SQL, on the wire: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_SelectObjectContent.html>

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use tarn_objects::select::{
    Compression, CsvFormat, Header, InputFormat, OutputFormat, ScanRange as Range, SelectError, SelectErrorName,
    SelectRequest, SelectUsage, Selected,
};

use crate::convert::{bucket_name, object_key};
use crate::encryption::customer_key;
use crate::errors::{custom, objects_error};
use crate::operations::Call;

pub(crate) async fn select_object_content(
    call: &Call,
    request: S3Request<SelectObjectContentInput>,
) -> S3Result<S3Response<SelectObjectContentOutput>> {
    let customer = customer_key(&request.headers)?;
    let input = request.input;
    let (bucket, key) = (bucket_name(&input.bucket)?, object_key(&input.key)?);
    let progress = input.request.request_progress.as_ref().is_some_and(|progress| progress.enabled == Some(true));
    let asked = asked(input.request)?;
    let found = call.objects().head_object(call.proof(), &bucket, &key);
    let version = found.map_err(|error| call.hide_missing(&bucket, error))?;
    call.objects().check_readable(&version).map_err(objects_error)?;
    let version =
        call.objects().unlock(call.caller.authorizer(), &version, customer.as_ref()).map_err(objects_error)?;
    let Some(selector) = &call.inner.selector else {
        return Err(s3_error!(NotImplemented, "This server does not select from objects"));
    };
    let selecting = selector.select(call.proof(), &version, asked).map_err(select_error)?;
    let events = selecting.flat_map(move |selected| {
        futures::stream::iter(match selected {
            Ok(selected) => events(selected, progress).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(select_error(error))],
        })
    });
    let payload = Some(SelectObjectContentEventStream::new(Events { stream: Mutex::new(events.boxed()) }));
    Ok(S3Response::new(SelectObjectContentOutput { payload }))
}

/// Events on their way to the caller.
struct Events {
    stream: Mutex<BoxStream<'static, S3Result<SelectObjectContentEvent>>>,
}

impl Stream for Events {
    type Item = S3Result<SelectObjectContentEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx)
    }
}

fn count(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

fn progress_event(usage: SelectUsage) -> SelectObjectContentEvent {
    let details = Some(Progress {
        bytes_processed: count(usage.processed_bytes),
        bytes_returned: count(usage.returned_bytes),
        bytes_scanned: count(usage.scanned_bytes),
    });
    SelectObjectContentEvent::Progress(ProgressEvent { details })
}

fn events(selected: Selected, progress: bool) -> Vec<SelectObjectContentEvent> {
    let (mut events, usage) = match selected {
        Selected::Records(bytes, usage) => {
            (vec![SelectObjectContentEvent::Records(RecordsEvent { payload: Some(bytes) })], usage)
        }
        Selected::End(usage) => {
            let details = Some(Stats {
                bytes_processed: count(usage.processed_bytes),
                bytes_returned: count(usage.returned_bytes),
                bytes_scanned: count(usage.scanned_bytes),
            });
            let stats = SelectObjectContentEvent::Stats(StatsEvent { details });
            (vec![stats, SelectObjectContentEvent::End(EndEvent {})], usage)
        }
    };
    if progress {
        events.insert(0, progress_event(usage));
    }
    events
}

/// The names of a selection's errors are S3's codes.
fn select_error(error: SelectError) -> S3Error {
    let status = match error.name {
        SelectErrorName::InternalError => {
            tracing::error!(%error, "a selection failed inside of the lake");
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    };
    custom(error.name.as_str(), status, error.message)
}

fn refused(code: &'static str, message: &str) -> S3Error {
    custom(code, StatusCode::BAD_REQUEST, message.to_owned())
}

fn one_char(text: Option<String>, default: Option<char>, what: &str) -> S3Result<Option<char>> {
    let Some(text) = text else { return Ok(default) };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => Err(refused("InvalidRequestParameter", &format!("{what} is more than one character"))),
    }
}

fn asked(request: SelectObjectContentRequest) -> S3Result<SelectRequest> {
    if request.expression_type.as_str() != ExpressionType::SQL {
        return Err(refused(
            "InvalidExpressionType",
            "The ExpressionType is invalid. Only SQL expressions are supported.",
        ));
    }
    let serialization = request.input_serialization;
    let compression = match serialization.compression_type.as_ref().map(CompressionType::as_str) {
        None | Some(CompressionType::NONE) => Compression::None,
        Some(CompressionType::GZIP) => Compression::Gzip,
        Some(CompressionType::BZIP2) => Compression::Bzip2,
        Some(_) => {
            return Err(refused("InvalidCompressionFormat", "The file is not in a supported compression format."));
        }
    };
    let input = match (serialization.csv, serialization.json, serialization.parquet) {
        (Some(csv), None, None) => csv_input(csv)?,
        (None, Some(json), None) => match json.type_.as_ref().map(JSONType::as_str) {
            Some(JSONType::LINES) => InputFormat::JsonLines,
            Some(JSONType::DOCUMENT) => InputFormat::JsonDocument,
            _ => {
                return Err(refused(
                    "InvalidJsonType",
                    "The JsonType is invalid. Only DOCUMENT and LINES are supported.",
                ));
            }
        },
        (None, None, Some(_)) if compression == Compression::None => InputFormat::Parquet,
        (None, None, Some(_)) => {
            return Err(refused("InvalidCompressionFormat", "A Parquet file is not compressed as a whole."));
        }
        _ => return Err(refused("InvalidDataSource", "Exactly one of CSV, JSON and Parquet must be given as input.")),
    };
    let range = request.scan_range.map(|range| {
        let place = |at: Option<i64>| {
            at.map(u64::try_from).transpose().map_err(|_| refused("InvalidScanRange", "A scan range is negative."))
        };
        Ok::<_, S3Error>(Range { start: place(range.start)?, end: place(range.end)? })
    });
    Ok(SelectRequest {
        expression: request.expression,
        input,
        compression,
        output: output(request.output_serialization)?,
        range: range.transpose()?,
    })
}

fn csv_input(csv: CSVInput) -> S3Result<InputFormat> {
    let default = CsvFormat::default();
    let header = match csv.file_header_info.as_ref().map(FileHeaderInfo::as_str) {
        None | Some(FileHeaderInfo::NONE) => Header::None,
        Some(FileHeaderInfo::IGNORE) => Header::Ignore,
        Some(FileHeaderInfo::USE) => Header::Use,
        Some(_) => {
            return Err(refused(
                "InvalidFileHeaderInfo",
                "The FileHeaderInfo is invalid. Only NONE, USE, and IGNORE are supported.",
            ));
        }
    };
    let format = CsvFormat {
        field_delimiter: csv.field_delimiter.unwrap_or(default.field_delimiter),
        record_delimiter: csv.record_delimiter.unwrap_or(default.record_delimiter),
        quote: one_char(csv.quote_character, default.quote, "QuoteCharacter")?,
        escape: one_char(csv.quote_escape_character, default.escape, "QuoteEscapeCharacter")?,
        comment: one_char(csv.comments, None, "Comments")?,
        quoted_record_delimiter: csv.allow_quoted_record_delimiter.unwrap_or(false),
    };
    Ok(InputFormat::Csv(format, header))
}

fn output(serialization: OutputSerialization) -> S3Result<OutputFormat> {
    let newline = || "\n".to_owned();
    match (serialization.csv, serialization.json) {
        (Some(csv), None) => {
            let always_quote = match csv.quote_fields.as_ref().map(QuoteFields::as_str) {
                None | Some(QuoteFields::ASNEEDED) => false,
                Some(QuoteFields::ALWAYS) => true,
                Some(_) => {
                    return Err(refused(
                        "InvalidQuoteFields",
                        "The QuoteFields is invalid. Only ALWAYS and ASNEEDED are supported.",
                    ));
                }
            };
            Ok(OutputFormat::Csv {
                field_delimiter: csv.field_delimiter.unwrap_or_else(|| ",".to_owned()),
                record_delimiter: csv.record_delimiter.unwrap_or_else(newline),
                quote: one_char(csv.quote_character, Some('"'), "QuoteCharacter")?.unwrap_or('"'),
                escape: one_char(csv.quote_escape_character, Some('"'), "QuoteEscapeCharacter")?.unwrap_or('"'),
                always_quote,
            })
        }
        (None, Some(json)) => {
            Ok(OutputFormat::Json { record_delimiter: json.record_delimiter.unwrap_or_else(newline) })
        }
        _ => Err(refused("InvalidRequest", "Exactly one of CSV and JSON must be given as output.")),
    }
}
