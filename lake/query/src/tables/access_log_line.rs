//! A line of S3's access logs, and rows of them. Knows no bucket.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::error::Result as DataFusionResult;

/// When the request came in.
pub(crate) const TIME: &str = "time";
/// Whose request it was.
pub(crate) const BUCKET: &str = "bucket";
/// How lines tell the time, in seconds.
const TIME_FORM: &str = "%d/%b/%Y:%H:%M:%S %z";
/// Where the time is in a line.
const TIME_AT: usize = 2;
const BUCKET_AT: usize = 1;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Time,
    Status,
    Number,
}

/// The fields of a line, in order.
const FIELDS: [(&str, Kind); 27] = [
    ("bucket_owner", Kind::Text),
    (BUCKET, Kind::Text),
    (TIME, Kind::Time),
    ("remote_ip", Kind::Text),
    ("requester", Kind::Text),
    ("request_id", Kind::Text),
    ("operation", Kind::Text),
    ("key", Kind::Text),
    ("request_uri", Kind::Text),
    ("http_status", Kind::Status),
    ("error_code", Kind::Text),
    ("bytes_sent", Kind::Number),
    ("object_size", Kind::Number),
    ("total_time", Kind::Number),
    ("turn_around_time", Kind::Number),
    ("referer", Kind::Text),
    ("user_agent", Kind::Text),
    ("version_id", Kind::Text),
    ("host_id", Kind::Text),
    ("signature_version", Kind::Text),
    ("cipher_suite", Kind::Text),
    ("authentication_type", Kind::Text),
    ("host_header", Kind::Text),
    ("tls_version", Kind::Text),
    ("access_point_arn", Kind::Text),
    ("acl_required", Kind::Text),
    ("source_region", Kind::Text),
];

pub(crate) fn schema() -> SchemaRef {
    let field = |(name, kind): &(&str, Kind)| {
        let data_type = match kind {
            Kind::Text => DataType::Utf8,
            Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
            Kind::Status => DataType::Int32,
            Kind::Number => DataType::Int64,
        };
        Field::new(*name, data_type, true)
    };
    Arc::new(Schema::new(FIELDS.iter().map(field).collect::<Vec<_>>()))
}

/// A line in its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'l> {
    pub time_ms: i64,
    /// As they are written, without brackets and quotes.
    fields: Vec<&'l str>,
}

/// The first field and what is behind it.
fn field(text: &str) -> (&str, &str) {
    // Quotes within are escaped, but not by everybody: a quote that ends a field is before a blank or the end.
    let closed = |text: &'_ str, close: char| {
        text.match_indices(close)
            .map(|(at, _)| at)
            .find(|at| text.get(at + close.len_utf8()..).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
    };
    let brackets = [('[', ']'), ('"', '"')];
    for (open, close) in brackets {
        if let Some(inner) = text.strip_prefix(open)
            && let Some(at) = closed(inner, close)
        {
            let rest = inner.get(at + close.len_utf8()..).unwrap_or_default();
            return (inner.get(..at).unwrap_or_default(), rest.strip_prefix(' ').unwrap_or(rest));
        }
    }
    text.split_once(' ').unwrap_or((text, ""))
}

impl<'l> Line<'l> {
    /// `None` for what is no line of an access log.
    pub fn parse(text: &'l str) -> Option<Self> {
        let mut fields = Vec::with_capacity(FIELDS.len());
        let mut rest = text;
        while !rest.is_empty() && fields.len() < FIELDS.len() {
            let (found, behind) = field(rest);
            fields.push(found);
            rest = behind;
        }
        let time = jiff::fmt::strtime::parse(TIME_FORM, fields.get(TIME_AT)?).ok()?.to_timestamp().ok()?;
        Some(Self { time_ms: time.as_millisecond(), fields })
    }

    pub fn bucket(&self) -> &'l str {
        self.fields.get(BUCKET_AT).copied().unwrap_or_default()
    }

    /// What a field says; `None` for a dash.
    fn said(&self, at: usize) -> Option<&'l str> {
        self.fields.get(at).copied().filter(|said| *said != "-")
    }
}

enum Column {
    Text(StringBuilder),
    Time(TimestampMillisecondBuilder),
    Status(Int32Builder),
    Number(Int64Builder),
}

/// Rows that are being collected.
pub(crate) struct Rows {
    columns: Vec<Column>,
    pub count: usize,
}

impl Rows {
    pub fn new() -> Self {
        let column = |(_, kind): &(&str, Kind)| match kind {
            Kind::Text => Column::Text(StringBuilder::new()),
            Kind::Time => Column::Time(TimestampMillisecondBuilder::new()),
            Kind::Status => Column::Status(Int32Builder::new()),
            Kind::Number => Column::Number(Int64Builder::new()),
        };
        Self { columns: FIELDS.iter().map(column).collect(), count: 0 }
    }

    pub fn push(&mut self, line: &Line<'_>) {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let said = line.said(at);
            match column {
                Column::Text(column) => column.append_option(said),
                Column::Time(column) => column.append_value(line.time_ms),
                Column::Status(column) => column.append_option(said.and_then(|said| said.parse().ok())),
                Column::Number(column) => column.append_option(said.and_then(|said| said.parse().ok())),
            }
        }
        self.count += 1;
    }

    /// What was collected; the next rows begin anew.
    pub fn take(&mut self, schema: SchemaRef) -> DataFusionResult<RecordBatch> {
        let finish = |column: &mut Column| -> ArrayRef {
            match column {
                Column::Text(column) => Arc::new(column.finish()),
                Column::Time(column) => Arc::new(column.finish()),
                Column::Status(column) => Arc::new(column.finish()),
                Column::Number(column) => Arc::new(column.finish()),
            }
        };
        self.count = 0;
        Ok(RecordBatch::try_new(schema, self.columns.iter_mut().map(finish).collect())?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::util::pretty::pretty_format_batches;

    use super::*;

    #[test]
    fn lines_become_rows() {
        let check = |line: &str, expected: &str| {
            let found = Line::parse(line).map(|line| {
                let mut rows = Rows::new();
                rows.push(&line);
                let batch = rows.take(schema()).unwrap();
                let cells = pretty_format_batches(&[batch]).unwrap().to_string();
                let cells = cells.lines().nth(3).unwrap_or_default().to_owned();
                cells.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|")
            });
            assert_eq!(found.as_deref().unwrap_or("none"), expected);
        };
        // AWS's own example, and one of this server
        check(
            r#"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be amzn-s3-demo-bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2 arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes us-east-1"#,
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be|amzn-s3-demo-bucket1|2019-02-06T00:00:38|192.0.2.3|79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be|3E57427F3EXAMPLE|REST.GET.VERSIONING|GET /amzn-s3-demo-bucket1?versioning HTTP/1.1|200|113|7|S3Console/0.4|s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=|SigV4|ECDHE-RSA-AES128-GCM-SHA256|AuthHeader|amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com|TLSV1.2|arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP|Yes|us-east-1",
        );
        // quotes and brackets within
        check(
            r#"o b [06/Feb/2019:00:00:38 +0100] - - r OP a[b]"c "GET /b/a"b HTTP/1.1" 404 NoSuchKey - x 1 2 "say "hi"" "a b" v"#,
            r#"o|b|2019-02-05T23:00:38|r|OP|a[b]"c|GET /b/a"b HTTP/1.1|404|NoSuchKey|1|2|say "hi"|a b|v"#,
        );
        check("o b [06/Feb/2019:00:00:38 +0000", "none");
        check("o b [yesterday] x", "none");
        check("{\"a\": 1}", "none");
        check("", "none");
    }
}
