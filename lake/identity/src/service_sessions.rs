//! Sessions of roles that services of the lake have while they work for an account: a job's, a replication's. There are no credentials to
//! be given; the service acts as the session in process. Whether the role trusts the service is asked by whoever begins the session.

use tarn_metadata::StoreExt;
use tarn_policy::{PoliciesUnreadable, Principal, RoleSessions};
use tarn_types::Arn;

use crate::roles::role_by_arn;
use crate::session_tokens::{Claims, Holder};
use crate::{Identity, IdentityError, SESSION_SECONDS_DEFAULT};

impl Identity {
    fn service_session(&self, role: &Arn, session_name: &str) -> Result<Option<Principal>, IdentityError> {
        let snapshot = self.store.read()?;
        let Some((account, role)) = role_by_arn(&snapshot, role)? else { return Ok(None) };
        let issued_ms = self.runtime.now().as_millisecond();
        let claims = Claims {
            account,
            holder: Holder::Role { role_id: role.id, session_name: session_name.to_owned() },
            issued_ms,
            expires_ms: issued_ms.saturating_add(i64::from(SESSION_SECONDS_DEFAULT) * 1_000),
            policy: None,
            policy_arns: Vec::new(),
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            federated_provider: None,
        };
        claims.principal(&snapshot)
    }
}

impl RoleSessions for Identity {
    fn role_session(&self, role: &Arn, session_name: &str) -> Result<Option<Principal>, PoliciesUnreadable> {
        self.service_session(role, session_name).map_err(|error| PoliciesUnreadable { reason: error.to_string() })
    }
}
