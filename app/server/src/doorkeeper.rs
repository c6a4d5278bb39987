//! What the gateway asks, answered by the lake: access keys by identity, records by audit. Owns no decision.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_audit::{AuditError, Caller, EventDraft, EventFilter};
use tarn_gateway::{AccessKey, AuditLog, Credentials, CredentialsError, RecordPage, Secret};
use tarn_identity::{AccessKeyStatus, Identity};
use tarn_runtime::Timestamp;

/// Access keys as identity keeps them.
pub(crate) struct IdentityCredentials(pub(crate) Arc<Identity>);

impl Credentials for IdentityCredentials {
    fn access_key(&self, access_key_id: &str) -> Result<Option<AccessKey>, CredentialsError> {
        let found = self.0.access_key(access_key_id).map_err(|error| CredentialsError { reason: error.to_string() })?;
        found
            .map(|key| {
                let secret = key
                    .secret
                    .expose_text()
                    .ok_or_else(|| CredentialsError { reason: format!("the secret of {access_key_id} is not text") })?;
                Ok(AccessKey {
                    secret: Secret::new(secret),
                    is_active: key.status == AccessKeyStatus::Active,
                    principal: key.principal,
                    session_token: None,
                })
            })
            .transpose()
    }

    fn used(&self, access_key_id: &str, time: Timestamp, service: &str, region: &str) {
        self.0.note_use(access_key_id, time.as_millisecond(), service, region);
    }
}

/// Refusals and reads as the audit keeps them.
pub(crate) struct RecordedCalls(pub(crate) Arc<tarn_audit::AuditLog>);

impl AuditLog for RecordedCalls {
    fn failed(&self, draft: &EventDraft, code: &str, message: &str) {
        tracing::info!(request_id = %draft.request_id, event = %draft.event_name, code, "refused");
        self.0.record_refusal(draft.clone(), code, message);
    }

    fn done(&self, draft: &EventDraft) {
        self.0.record_read(draft.clone());
    }

    fn search(
        &self,
        caller: Caller,
        filter: EventFilter,
        marker: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<RecordPage, AuditError>> {
        async move {
            let page = self.0.search(caller.authorized(), &filter, marker.as_deref(), limit).await?;
            let records = page.events.iter().map(|event| tarn_service_cloudtrail::record(event).to_string()).collect();
            Ok(RecordPage { records, marker: page.marker })
        }
        .boxed()
    }
}
