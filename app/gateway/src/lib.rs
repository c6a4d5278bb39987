//! The one door to the lake: every request of every service takes the same ordered steps here, and no other way in exists.
//!
//! accept, limits -> request id -> identify service and operation -> authenticate -> decode -> authorize -> dispatch -> audit ->
//! encode -> metrics, access log. `pipeline.rs` holds the steps in this order. Knows no service's meaning: services are tables of
//! rows, S3 is an endpoint that calls the same `Gate`.

mod audit_events;
mod body;
mod conditions;
mod credentials;
mod denials;
mod gate;
mod identify;
mod limits;
mod metrics;
mod own;
mod parameters;
mod pipeline;
mod refusal;
mod refusal_records;
mod serve;
mod signature_failures;
mod signed;
mod source;
mod storage_report;
#[cfg(test)]
mod tests;
mod tls;

pub use body::{Body, BoxError, empty_body, full_body};
pub use credentials::{AccessKey, AuditLog, Credentials, CredentialsError, RecordPage, Secret};
pub use denials::{AuthorizationMessages, Denial};
pub use gate::{Gate, GateError, GateParts, RequestMeta};
pub use limits::Limits;
pub use metrics::Metrics;
pub use pipeline::{Gateway, GatewayParts, S3Endpoint, S3Operation};
pub use refusal_records::RefusalSummaries;
pub use serve::serve;
pub use source::{Source, TrustedProxies};
pub use storage_report::{StorageReportRequest, StorageReports};
pub use tls::{Tls, TlsError, TlsFiles};
