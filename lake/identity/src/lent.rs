//! Credentials that a service of the lake gives for data of an account, which it was configured to give: narrowed, and never more than the
//! configured role, or the account itself, may.

use tarn_audit::Caller;
use tarn_metadata::StoreExt;
use tarn_policy::{Context, Principal, PrincipalKind, Requirement};
use tarn_types::Arn;

use crate::session_tokens::{Claims, Holder};
use crate::sessions::{AssumeRole, Narrowing};
use crate::{Identity, IdentityError, SESSION_SECONDS_DEFAULT, SessionCredentials};

/// Credentials that a service is to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lend {
    /// Which service: `lakeformation.amazonaws.com`. A role must trust it.
    pub service: &'static str,
    /// The role that the data is read as; the account itself if there is none.
    pub role_arn: Option<String>,
    /// What the session is called.
    pub session_name: String,
    /// For how long; an hour if it is not said.
    pub duration_seconds: Option<u32>,
    /// What the session may at most.
    pub policy: String,
}

impl Identity {
    /// Gives what `asked` says. That the caller may have it is for the service to know.
    pub async fn lend(&self, caller: &Caller, asked: Lend) -> Result<SessionCredentials, IdentityError> {
        let snapshot = self.store.read()?;
        let account = caller.scope().account.clone();
        let narrowing = Narrowing { policy: Some(asked.policy), policy_arns: Vec::new() };
        let Some(role_arn) = asked.role_arn else {
            self.check_narrowing(&snapshot, &account, &narrowing)?;
            let seconds = asked.duration_seconds.unwrap_or(SESSION_SECONDS_DEFAULT);
            let now_ms = caller.time_ms();
            let claims = Claims {
                account,
                // As root makes them for whom it knows: by no policy but the session's.
                holder: Holder::Federated { name: asked.session_name, user_id: None },
                issued_ms: now_ms,
                expires_ms: now_ms.saturating_add(i64::from(seconds) * 1_000),
                policy: narrowing.policy,
                policy_arns: Vec::new(),
                tags: Vec::new(),
                transitive_tag_keys: Vec::new(),
                source_identity: None,
                federated_provider: None,
            };
            return self.give(caller, claims).await;
        };
        let (owner, role) = self.role_to_assume(&snapshot, &role_arn)?;
        if owner != account {
            return Err(IdentityError::Refused { reason: format!("{role_arn} is not of account {account}.") });
        }
        let arn = Arn::parse(&role_arn)
            .map_err(|_| IdentityError::InvalidInput { reason: format!("{role_arn} is invalid") })?;
        let kind = PrincipalKind::Service { name: asked.service.to_owned() };
        let service = Principal::new(kind, account, asked.service);
        caller
            .authorizer()
            .of_service(service, Context::new())
            .authorize(vec![Requirement::new("sts:AssumeRole", arn)])
            .map_err(|source| IdentityError::Denied { source: Box::new(source) })?;
        let session = AssumeRole {
            role_arn,
            session_name: asked.session_name,
            duration_seconds: asked.duration_seconds,
            narrowing,
            ..AssumeRole::default()
        };
        let nothing = (Vec::new(), Vec::new(), None, None);
        let claims = self.role_claims(&snapshot, (&owner, &role), &session, caller.time_ms(), nothing)?;
        self.give(caller, claims).await
    }
}
