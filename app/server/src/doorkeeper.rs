//! What the gateway asks, answered by the lake: access keys by identity, records by audit. Owns no decision.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_audit::{AuditError, Caller, EventDetails, EventDraft, EventFilter};
use tarn_gateway::{AccessKey, AuditLog, Credentials, CredentialsError, RecordPage, Secret};
use tarn_identity::{AccessKeyStatus, Identity, IdentityError};
use tarn_runtime::Timestamp;

/// Access keys as identity keeps them.
pub(crate) struct IdentityCredentials(pub(crate) Arc<Identity>);

/// The gateway's words for identity's.
fn of_identity(error: IdentityError) -> CredentialsError {
    match error {
        IdentityError::TokenExpired => CredentialsError::TokenExpired,
        IdentityError::TokenInvalid => CredentialsError::TokenInvalid,
        error => CredentialsError::Unreadable { reason: error.to_string() },
    }
}

fn text_of(access_key_id: &str, secret: &tarn_identity::Secret) -> Result<Secret, CredentialsError> {
    let unreadable = || CredentialsError::Unreadable { reason: format!("the secret of {access_key_id} is not text") };
    secret.expose_text().map(Secret::new).ok_or_else(unreadable)
}

impl Credentials for IdentityCredentials {
    fn access_key(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<AccessKey>, CredentialsError> {
        let found = self.0.access_key(access_key_id).map_err(of_identity)?;
        let found = match (found, session_token) {
            (Some(_), Some(_)) => return Err(CredentialsError::TokenInvalid),
            (None, Some(token)) => Some(self.0.session(access_key_id, token, now).map_err(of_identity)?),
            (found, None) => found,
        };
        found
            .map(|key| {
                Ok(AccessKey {
                    secret: text_of(access_key_id, &key.secret)?,
                    is_active: key.status == AccessKeyStatus::Active,
                    principal: key.principal,
                })
            })
            .transpose()
    }

    fn secret(&self, access_key_id: &str) -> Result<Option<Secret>, CredentialsError> {
        let found = self.0.secret_of(access_key_id).map_err(of_identity)?;
        found.map(|secret| text_of(access_key_id, &secret)).transpose()
    }

    fn used(&self, access_key_id: &str, time: Timestamp, service: &str, region: &str) {
        self.0.note_use(access_key_id, time.as_millisecond(), service, region);
    }
}

/// Refusals and reads as the audit keeps them.
pub(crate) struct RecordedCalls(pub(crate) Arc<tarn_audit::AuditLog>);

impl AuditLog for RecordedCalls {
    fn failed(&self, draft: &EventDraft, details: &EventDetails, code: &str, message: &str) {
        tracing::info!(request_id = %draft.request_id, event = %draft.event_name, code, "refused");
        self.0.record_refusal_with(draft.clone(), details.clone(), code, message);
    }

    fn done(&self, draft: &EventDraft, details: &EventDetails) {
        self.0.record_read_with(draft.clone(), details);
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
            let records = page.events.iter().map(|event| tarn_trails::record::of(event).to_string()).collect();
            Ok(RecordPage { records, marker: page.marker })
        }
        .boxed()
    }
}
