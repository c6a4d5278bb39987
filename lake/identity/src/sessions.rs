//! Who gets temporary credentials, for how long, and narrowed to what. The right to them was asked for by the gateway, or, for whom a
//! provider vouches for, is asked for in `web_identity`.

use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt, WriteError};
use tarn_policy::PrincipalKind;
use tarn_types::{AccountId, Arn};

use crate::entity_policies::parse;
use crate::managed_policies::find_policy;
use crate::records::{ACCESS_KEYS, RoleRecord};
use crate::roles::role_by_arn;
use crate::session_tokens::{Claims, Holder};
use crate::tags::check_tags;
use crate::{
    Identity, IdentityError, SESSION_POLICIES_SIZE_CHARS_MAX, SESSION_POLICY_ARNS_MAX, SESSION_SECONDS_DEFAULT,
    SessionCredentials, Tag,
};

/// A session of a role that another session's role takes: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining>
const CHAINED_SESSION_SECONDS_MAX: u32 = 3_600;
/// Sessions of users, where nothing else is asked for.
const USER_SESSION_SECONDS_DEFAULT: u32 = 43_200;
/// The longest that root's can be.
const ROOT_SESSION_SECONDS_MAX: u32 = 3_600;

/// By what a session is narrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// A policy.
    pub policy: Option<String>,
    /// Managed policies.
    pub policy_arns: Vec<String>,
}

/// A session of a role that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssumeRole {
    /// The role.
    pub role_arn: String,
    /// What the session is called.
    pub session_name: String,
    /// For how long; an hour if it is not said.
    pub duration_seconds: Option<u32>,
    /// By what it is narrowed.
    pub narrowing: Narrowing,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Those of its tags that go with it into the next role.
    pub transitive_tag_keys: Vec<String>,
    /// For whom the caller acts.
    pub source_identity: Option<String>,
}

/// A session that is asked for for somebody whom the caller knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FederationToken {
    /// What the caller calls them.
    pub name: String,
    /// For how long; twelve hours if it is not said.
    pub duration_seconds: Option<u32>,
    /// By what it is narrowed; without it, only policies of resources let it do anything.
    pub narrowing: Narrowing,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A session that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its credentials.
    pub credentials: SessionCredentials,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub arn: Arn,
    /// `AROA...:SESSION`.
    pub id: String,
    /// How much of the space for policies and tags it takes; `None` if it has neither.
    pub packed_percent: Option<u32>,
    /// For whom the caller acts.
    pub source_identity: Option<String>,
}

fn invalid(reason: impl Into<String>) -> IdentityError {
    IdentityError::InvalidInput { reason: reason.into() }
}

fn refused(reason: &str) -> IdentityError {
    IdentityError::Refused { reason: reason.to_owned() }
}

/// Tags of the caller's session that go with it.
fn inherited(caller: &Caller) -> Vec<Tag> {
    let standing = &caller.principal().standing;
    let Some(session) = &standing.session else { return Vec::new() };
    let goes = |key: &&String| session.transitive_tag_keys.iter().any(|goes| goes.eq_ignore_ascii_case(key));
    let tags = standing.tags.iter().filter(|(key, _)| goes(key));
    tags.map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

impl Identity {
    /// Checks what a session is narrowed by.
    pub(crate) fn check_narrowing(
        &self,
        read: &impl Read,
        account: &AccountId,
        narrowing: &Narrowing,
    ) -> Result<(), IdentityError> {
        let Narrowing { policy, policy_arns } = narrowing;
        if policy_arns.len() > SESSION_POLICY_ARNS_MAX {
            return Err(invalid(format!(
                "A session is narrowed by at most {SESSION_POLICY_ARNS_MAX} managed policies."
            )));
        }
        let size_chars = policy.iter().chain(policy_arns).map(|text| text.chars().count()).sum::<usize>();
        if size_chars > SESSION_POLICIES_SIZE_CHARS_MAX {
            let percent = size_chars.saturating_mul(100).div_ceil(SESSION_POLICIES_SIZE_CHARS_MAX);
            return Err(IdentityError::PackedPolicyTooLarge { percent: u32::try_from(percent).unwrap_or(u32::MAX) });
        }
        if let Some(policy) = policy {
            parse(policy)?;
        }
        policy_arns.iter().try_for_each(|arn| find_policy(read, account, arn).map(|_| ()))
    }

    /// Gives credentials that say `claims`, once it is on record that they were given.
    pub(crate) async fn give(&self, caller: &Caller, claims: Claims) -> Result<SessionCredentials, IdentityError> {
        let credentials = self.issue(&claims)?;
        let recorded = caller.commit(&*self.store, |_| Ok::<_, IdentityError>(())).await;
        recorded.map_err(|error| match error {
            WriteError::Refused(error) => error,
            WriteError::Store(source) => IdentityError::Store { source },
        })?;
        Ok(credentials)
    }

    /// The role that `arn` names. One that is not there is refused as one that does not trust the caller, who cannot tell them apart.
    pub(crate) fn role_to_assume(&self, read: &impl Read, arn: &str) -> Result<(AccountId, RoleRecord), IdentityError> {
        let parsed = Arn::parse(arn).map_err(|_| invalid(format!("{arn} is invalid")))?;
        role_by_arn(read, &parsed)?.ok_or_else(|| refused("The role does not exist, or does not trust the caller."))
    }

    /// A session of a role for the caller, whom its trust policy and its own policies let have it.
    pub async fn assume_role(&self, caller: &Caller, asked: AssumeRole) -> Result<NewSession, IdentityError> {
        let principal = caller.principal();
        if principal.kind == PrincipalKind::Root {
            return Err(refused("Roles may not be assumed by root accounts."));
        }
        let snapshot = self.store.read()?;
        let (account, role) = self.role_to_assume(&snapshot, &asked.role_arn)?;
        let is_chained = matches!(principal.kind, PrincipalKind::AssumedRole { .. });
        if is_chained && asked.duration_seconds.is_some_and(|seconds| seconds > CHAINED_SESSION_SECONDS_MAX) {
            return Err(invalid(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            ));
        }
        let mut tags = inherited(caller);
        let mut transitive: Vec<String> = tags.iter().map(|tag| tag.key.clone()).collect();
        if let Some(tag) = asked.tags.iter().find(|tag| transitive.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)))
        {
            return Err(invalid(format!(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session: {}",
                tag.key
            )));
        }
        if let Some(key) = asked.transitive_tag_keys.iter().find(|key| !asked.tags.iter().any(|tag| tag.key == **key)) {
            return Err(invalid(format!(
                "The specified transitive tag key {key} must be included in the requested tags."
            )));
        }
        transitive.extend(asked.transitive_tag_keys.iter().cloned());
        tags.extend(asked.tags.iter().cloned());
        // Whom a session acts for goes with it, and cannot be changed on the way.
        let inherited_source = principal.standing.session.as_ref().and_then(|session| session.source_identity.clone());
        let source_identity = match (inherited_source, asked.source_identity.clone()) {
            (Some(before), Some(now)) if before != now => {
                return Err(refused("The source identity of the calling session cannot be changed."));
            }
            (before, now) => before.or(now),
        };
        let claims = self.role_claims(
            &snapshot,
            (&account, &role),
            &asked,
            caller.time_ms(),
            (tags, transitive, source_identity, None),
        )?;
        self.give_of_role(caller, &account, &role, claims).await
    }

    /// What a token for a session of `role` says.
    pub(crate) fn role_claims(
        &self,
        read: &impl Read,
        (account, role): (&AccountId, &RoleRecord),
        asked: &AssumeRole,
        now_ms: i64,
        (tags, transitive_tag_keys, source_identity, federated_provider): (
            Vec<Tag>,
            Vec<String>,
            Option<String>,
            Option<String>,
        ),
    ) -> Result<Claims, IdentityError> {
        let seconds = asked.duration_seconds.unwrap_or(SESSION_SECONDS_DEFAULT);
        if seconds > role.session_seconds_max {
            return Err(invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."));
        }
        check_tags(&tags)?;
        self.check_narrowing(read, account, &asked.narrowing)?;
        let Narrowing { policy, policy_arns } = asked.narrowing.clone();
        Ok(Claims {
            account: account.clone(),
            holder: Holder::Role { role_id: role.id.clone(), session_name: asked.session_name.clone() },
            issued_ms: now_ms,
            expires_ms: now_ms.saturating_add(i64::from(seconds) * 1_000),
            policy,
            policy_arns,
            tags,
            transitive_tag_keys,
            source_identity,
            federated_provider,
        })
    }

    pub(crate) async fn give_of_role(
        &self,
        caller: &Caller,
        account: &AccountId,
        role: &RoleRecord,
        claims: Claims,
    ) -> Result<NewSession, IdentityError> {
        let Holder::Role { session_name, .. } = &claims.holder else {
            return Err(refused("This is no session of a role."));
        };
        let arn = Arn::new("sts", "", account.as_str(), format!("assumed-role/{}/{session_name}", role.name));
        let id = format!("{}:{session_name}", role.id);
        let source_identity = claims.source_identity.clone();
        let packed_percent = packed_percent(&claims);
        let credentials = self.give(caller, claims).await?;
        Ok(NewSession { credentials, arn, id, packed_percent, source_identity })
    }

    /// Credentials for the caller itself, as which they can do the same, except in IAM and STS.
    pub async fn get_session_token(
        &self,
        caller: &Caller,
        duration_seconds: Option<u32>,
    ) -> Result<SessionCredentials, IdentityError> {
        let holder = match &caller.principal().kind {
            PrincipalKind::Root => Holder::Root,
            PrincipalKind::User { .. } => Holder::User { user_id: caller.principal().id.clone() },
            PrincipalKind::AssumedRole { .. }
            | PrincipalKind::FederatedUser { .. }
            | PrincipalKind::Service { .. }
            | PrincipalKind::WebIdentity { .. }
            | PrincipalKind::Anonymous => return Err(refused("Cannot call GetSessionToken with session credentials")),
        };
        if caller.principal().standing.session.is_some() {
            return Err(refused("Cannot call GetSessionToken with session credentials"));
        }
        let claims = self.user_claims(caller, holder, duration_seconds);
        self.give(caller, claims).await
    }

    /// Credentials for somebody whom the caller knows: at most what the caller may, narrowed.
    pub async fn get_federation_token(
        &self,
        caller: &Caller,
        asked: FederationToken,
    ) -> Result<NewSession, IdentityError> {
        let user_id = match &caller.principal().kind {
            PrincipalKind::Root => None,
            PrincipalKind::User { .. } => Some(caller.principal().id.clone()),
            PrincipalKind::AssumedRole { .. }
            | PrincipalKind::FederatedUser { .. }
            | PrincipalKind::Service { .. }
            | PrincipalKind::WebIdentity { .. }
            | PrincipalKind::Anonymous => {
                return Err(refused("Cannot call GetFederationToken with session credentials"));
            }
        };
        if caller.principal().standing.session.is_some() {
            return Err(refused("Cannot call GetFederationToken with session credentials"));
        }
        check_tags(&asked.tags)?;
        let account = caller.scope().account.clone();
        self.check_narrowing(&self.store.read()?, &account, &asked.narrowing)?;
        let holder = Holder::Federated { name: asked.name.clone(), user_id };
        let mut claims = self.user_claims(caller, holder, asked.duration_seconds);
        (claims.policy, claims.policy_arns) = (asked.narrowing.policy, asked.narrowing.policy_arns);
        claims.tags = asked.tags;
        let packed_percent = packed_percent(&claims);
        let credentials = self.give(caller, claims).await?;
        let arn = Arn::new("sts", "", account.as_str(), format!("federated-user/{}", asked.name));
        Ok(NewSession {
            credentials,
            arn,
            id: format!("{account}:{}", asked.name),
            packed_percent,
            source_identity: None,
        })
    }

    fn user_claims(&self, caller: &Caller, holder: Holder, duration_seconds: Option<u32>) -> Claims {
        let of_root = caller.principal().kind == PrincipalKind::Root;
        let seconds = duration_seconds.unwrap_or(USER_SESSION_SECONDS_DEFAULT);
        // As on AWS, root's sessions are cut to an hour without a word.
        let seconds = if of_root { seconds.min(ROOT_SESSION_SECONDS_MAX) } else { seconds };
        let now_ms = caller.time_ms();
        Claims {
            account: caller.scope().account.clone(),
            holder,
            issued_ms: now_ms,
            expires_ms: now_ms.saturating_add(i64::from(seconds) * 1_000),
            policy: None,
            policy_arns: Vec::new(),
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            federated_provider: None,
        }
    }

    /// The account that an access key belongs to: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html>
    pub fn account_of_access_key(&self, caller: &Caller, id: &str) -> Result<AccountId, IdentityError> {
        let record = self.store.read()?.get(ACCESS_KEYS, &tarn_metadata::Key::new().text(id))?;
        // The account of temporary keys is in their tokens alone; the caller's own is known.
        let own = caller.principal().access_key_id.as_deref() == Some(id);
        match record {
            Some(record) => Ok(record.account),
            None if own => Ok(caller.principal().account.clone()),
            None => Err(IdentityError::NoSuchAccessKey { id: id.to_owned() }),
        }
    }
}

/// AWS tells it only of sessions with policies or tags.
fn packed_percent(claims: &Claims) -> Option<u32> {
    let has = claims.policy.is_some() || !claims.policy_arns.is_empty() || !claims.tags.is_empty();
    has.then(|| claims.packed_percent())
}
