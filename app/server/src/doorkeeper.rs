//! What the gateway asks, answered by the lake: access keys by identity, records by audit. Owns no decision.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_audit::{Answering, AuditError, Caller, EventDetails, EventDraft, EventFilter, EventId};
use tarn_gateway::{
    AccessKey, AuditLog, AuthorizationMessages, Credentials, CredentialsError, Denial, RecordPage, Secret,
};
use tarn_identity::{AccessKeyStatus, AuthorizationMessage, Identity, IdentityError};
use tarn_policy::{LakeAuthorizer, PolicySet, Requirement};
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

/// What was refused, sealed by identity; the statement that denied it is found by the policies.
pub(crate) struct SealedDenials {
    pub(crate) identity: Arc<Identity>,
    pub(crate) policies: Arc<LakeAuthorizer>,
}

impl AuthorizationMessages for SealedDenials {
    fn message(&self, denial: &Denial) -> Option<String> {
        let Denial { denied, own, request } = denial;
        let principal = &denied.principal;
        let requirement = Requirement {
            action: denied.action,
            resource: denied.resource.clone(),
            context: own.clone(),
            of_callers_own: false,
        };
        let explicit_deny = denied.because.is_explicit();
        let denying =
            explicit_deny.then(|| self.policies.denying_statement(principal, &requirement, request)).flatten();
        // Tags of another account's things, and the statements of its policies, are not for the caller's account to know.
        let is_own = self.policies.is_own(principal, &requirement);
        let denying =
            denying.filter(|by| is_own || !matches!(by.set, PolicySet::Resource | PolicySet::ResourceControl));
        let conditions = if is_own { own.over(request) } else { request.clone() };
        let message = AuthorizationMessage {
            explicit_deny,
            statements: denying.into_iter().map(|statement| statement.sid).collect(),
            principal_id: principal.id.clone(),
            principal_arn: principal.arn()?.to_string(),
            action: denied.action.to_owned(),
            resource: denied.resource.as_ref().map(ToString::to_string),
            conditions: conditions.iter().map(|(key, values)| (key.to_owned(), values.to_vec())).collect(),
        };
        let sealed = self.identity.authorization_message(&principal.account, message);
        sealed.inspect_err(|error| tracing::debug!(%error, "an authorization message cannot be made")).ok()
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

    fn answering(&self, id: EventId) -> Option<Answering> {
        Some(self.0.answering(id))
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
