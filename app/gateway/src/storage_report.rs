//! `GET /-/storage/report`: what the caller's buckets hold, by bucket, prefix and storage class; JSON lines. Signed as every call, with the
//! service name `tarn`. Knows not how it is counted.
//!
//! Parameters: `bucket`, `depth` (of the prefixes that are told apart: 0, the default, is none).

use futures::future::BoxFuture;
use http::Response;
use http::request::Parts;
use tarn_audit::Caller;

use crate::body::Body;
use crate::gate::{Gate, RequestMeta};
use crate::signed::{Refusal, SignedCall, parameters, respond};

pub(crate) const PATH: &str = "/-/storage/report";
/// Deeper is a listing.
const DEPTH_MAX: usize = 8;

/// What a report is to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageReportRequest {
    /// Of this bucket only.
    pub bucket: Option<String>,
    /// Prefixes of so many slashes are told apart.
    pub depth: usize,
}

/// Who counts.
pub trait StorageReports: Send + Sync {
    /// A JSON object for each line of the report; of buckets that `caller` may not list, none. The error is for the caller.
    fn storage_report(
        &self,
        caller: Caller,
        request: StorageReportRequest,
    ) -> BoxFuture<'_, Result<Vec<String>, String>>;
}

/// Answers a request to `PATH`.
pub(crate) async fn answer(
    gate: &Gate,
    reports: &dyn StorageReports,
    parts: &Parts,
    meta: &RequestMeta,
) -> Response<Body> {
    let call = SignedCall {
        gate,
        parts,
        meta,
        event_source: "s3.amazonaws.com",
        event_name: "GetStorageReport",
        action: "s3:ListAllMyBuckets",
    };
    respond(meta, steps(&call, reports).await)
}

fn asked(query: &str) -> Result<StorageReportRequest, Refusal> {
    let mut asked = StorageReportRequest::default();
    for parameter in parameters(query) {
        let (name, value) = parameter?;
        match name {
            "bucket" => asked.bucket = Some(value),
            "depth" => {
                let depth = value.parse().ok().filter(|depth| (0..=DEPTH_MAX).contains(depth));
                asked.depth = depth.ok_or_else(|| Refusal::bad(format!("depth is 0 to {DEPTH_MAX}")))?;
            }
            _ => return Err(Refusal::bad(format!("there is no parameter {name:?}; there are bucket and depth"))),
        }
    }
    Ok(asked)
}

async fn steps(
    call: &SignedCall<'_>,
    reports: &dyn StorageReports,
) -> Result<(String, Option<(&'static str, String)>), Refusal> {
    let caller = call.caller()?;
    let refused = |refusal| call.refused(caller.principal(), refusal);
    let request = asked(call.parts.uri.query().unwrap_or("")).map_err(refused)?;
    let lines = reports.storage_report(caller.clone(), request).await;
    let lines = lines.map_err(|message| refused(Refusal::failed(&message)))?;
    call.gate.done(&caller);
    Ok((lines.into_iter().map(|line| line + "\n").collect(), None))
}
