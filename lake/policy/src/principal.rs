//! Who asks. Knows nothing of credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tarn_types::{AccountId, Arn};

/// What kind of identity asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PrincipalKind {
    /// The account itself.
    Root,
    /// An IAM user.
    User {
        /// Its name, without path.
        name: String,
        /// Its path; `/` unless it was made with another. It is part of the user's ARN.
        path: String,
    },
    /// A session of a role.
    AssumedRole {
        /// The role's name.
        role: String,
        /// The session's name.
        session: String,
    },
    /// A service of the lake, acting for an account by the account's own configuration: a crawler, a delivery stream.
    Service {
        /// `glue.amazonaws.com`.
        name: String,
    },
    /// Nobody: an unsigned request.
    Anonymous,
    /// A session that a user made for somebody it knows (sts:GetFederationToken).
    FederatedUser {
        /// The name that the user gave it.
        name: String,
    },
    /// Whoever an OIDC provider vouches for, while it asks for a role's session.
    WebIdentity {
        /// The provider's ARN.
        provider: String,
        /// Its token's subject.
        subject: String,
    },
}

/// The role that a session is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionIssuer {
    /// `AROA...`.
    pub id: String,
    /// With the role's path, which the session's own ARN lacks.
    pub arn: Arn,
}

/// What temporary credentials say beside who has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Session {
    /// When they were given, milliseconds since 1970: `aws:TokenIssueTime`.
    pub issued_ms: i64,
    /// When they end, milliseconds since 1970.
    pub expires_ms: i64,
    /// The role, of a role's session.
    pub issuer: Option<SessionIssuer>,
    /// The policy they were narrowed by, if any.
    pub policy: Option<String>,
    /// The managed policies they were narrowed by.
    pub policy_arns: Vec<String>,
    /// `aws:SourceIdentity`.
    pub source_identity: Option<String>,
    /// Tags that go with the session into the next role.
    pub transitive_tag_keys: Vec<String>,
    /// The OIDC provider that vouched for whom they were given: `aws:FederatedProvider`.
    pub federated_provider: Option<String>,
}

/// What decisions need to know of a principal besides who it is. It is looked up for every request, and not kept with the principal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// `aws:PrincipalTag/...`: those of the user or role, and of the session over them.
    pub tags: Arc<BTreeMap<String, String>>,
    /// Set where it asks with temporary credentials.
    pub session: Option<Arc<Session>>,
}

/// Who asks: an identity of an account, or nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// What kind.
    pub kind: PrincipalKind,
    /// The account it belongs to; for `Anonymous` the first account, which gives it nothing.
    pub account: AccountId,
    /// `aws:userid`: `AIDA...` of a user, the account's id for root, `AROA...:session`.
    pub id: String,
    /// The access key the request was signed with.
    pub access_key_id: Option<String>,
    /// What else decisions need to know of it.
    #[serde(skip)]
    pub standing: Standing,
}

impl Principal {
    /// An identity of `account` that nothing else is known of.
    pub fn new(kind: PrincipalKind, account: AccountId, id: impl Into<String>) -> Self {
        Self { kind, account, id: id.into(), access_key_id: None, standing: Standing::default() }
    }

    /// An unsigned request.
    pub fn anonymous() -> Self {
        Self::new(PrincipalKind::Anonymous, AccountId::first(), "anonymous")
    }

    /// The account's root.
    pub fn root(account: AccountId) -> Self {
        let id = account.to_string();
        Self::new(PrincipalKind::Root, account, id)
    }

    /// A user at the path `/`.
    pub fn user(account: AccountId, name: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(PrincipalKind::User { name: name.into(), path: "/".to_owned() }, account, id)
    }

    /// A service of the lake that acts for `account`.
    pub fn service(account: AccountId, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(PrincipalKind::Service { name: name.clone() }, account, name)
    }

    /// The principal's ARN as it stands in policies and audit records; `None` for nobody.
    pub fn arn(&self) -> Option<Arn> {
        match &self.kind {
            PrincipalKind::Root => Some(Arn::iam(&self.account, "root")),
            PrincipalKind::User { name, path } => Some(Arn::iam(&self.account, format!("user{path}{name}"))),
            PrincipalKind::AssumedRole { role, session } => {
                Some(Arn::new("sts", "", self.account.as_str(), format!("assumed-role/{role}/{session}")))
            }
            PrincipalKind::FederatedUser { name } => {
                Some(Arn::new("sts", "", self.account.as_str(), format!("federated-user/{name}")))
            }
            PrincipalKind::Service { .. } | PrincipalKind::Anonymous | PrincipalKind::WebIdentity { .. } => None,
        }
    }

    /// Whether it may less than the user or role that it is kept as, since policies narrow its session: what goes on after the session must
    /// not be done as it.
    pub fn is_narrowed(&self) -> bool {
        let session = self.standing.session.as_ref();
        let has_policies = |session: &Arc<Session>| session.policy.is_some() || !session.policy_arns.is_empty();
        matches!(self.kind, PrincipalKind::FederatedUser { .. }) || session.is_some_and(has_policies)
    }

    /// The ARN of the role whose session this is.
    pub fn role_arn(&self) -> Option<Arn> {
        let PrincipalKind::AssumedRole { role, .. } = &self.kind else { return None };
        let issuer = self.standing.session.as_ref().and_then(|session| session.issuer.as_ref());
        Some(issuer.map_or_else(|| Arn::iam(&self.account, format!("role/{role}")), |issuer| issuer.arn.clone()))
    }

    /// Whether nobody asks.
    pub fn is_anonymous(&self) -> bool {
        self.kind == PrincipalKind::Anonymous
    }
}
