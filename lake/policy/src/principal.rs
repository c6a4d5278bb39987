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
        /// The role's name; with its path where the role itself is supposed to ask, whose sessions have no name then.
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

    /// Who is supposed to ask, of whom nothing is known but the ARN: of a user, a role or a session of one, a federated user, an account's
    /// root, an identity provider. A service is called by its name, and `*` or `anonymous` is nobody.
    pub fn supposed(text: &str) -> Option<Self> {
        if matches!(text, "*" | "anonymous" | "Anonymous") {
            return Some(Self::anonymous());
        }
        let is_host = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if text.ends_with(".amazonaws.com") && text.chars().all(is_host) {
            return Some(Self::service(AccountId::first(), text));
        }
        let arn = Arn::parse(text).ok().filter(|arn| arn.partition == tarn_types::PARTITION)?;
        let account = AccountId::new(arn.account.clone()).ok()?;
        let (kind, name) = arn.resource.split_once('/').unwrap_or((&arn.resource, ""));
        let kind = match (arn.service.as_str(), kind) {
            ("iam", "root") if name.is_empty() => return Some(Self::root(account)),
            (_, _) if name.is_empty() || name.starts_with('/') || name.ends_with('/') => return None,
            ("iam", "user") => match name.rsplit_once('/') {
                Some((path, name)) => PrincipalKind::User { name: name.to_owned(), path: format!("/{path}/") },
                None => PrincipalKind::User { name: name.to_owned(), path: "/".to_owned() },
            },
            ("iam", "role") => PrincipalKind::AssumedRole { role: name.to_owned(), session: String::new() },
            ("iam", "oidc-provider" | "saml-provider") => {
                PrincipalKind::WebIdentity { provider: text.to_owned(), subject: String::new() }
            }
            ("sts", "assumed-role") => {
                let (role, session) = name.split_once('/')?;
                PrincipalKind::AssumedRole { role: role.to_owned(), session: session.to_owned() }
            }
            ("sts", "federated-user") => PrincipalKind::FederatedUser { name: name.to_owned() },
            _ => return None,
        };
        Some(Self::new(kind, account, ""))
    }

    /// The principal's ARN as it stands in policies and audit records; `None` for nobody.
    pub fn arn(&self) -> Option<Arn> {
        match &self.kind {
            PrincipalKind::Root => Some(Arn::iam(&self.account, "root")),
            PrincipalKind::User { name, path } => Some(Arn::iam(&self.account, format!("user{path}{name}"))),
            // A role is asked about for whichever session of it.
            PrincipalKind::AssumedRole { session, .. } if session.is_empty() => self.role_arn(),
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

    /// Whether it is a session of a role that a service of AWS made for itself: organisations' policies do not bear on it.
    pub fn is_service_linked(&self) -> bool {
        let PrincipalKind::AssumedRole { role, .. } = &self.kind else { return false };
        // Names that begin so are kept for such roles, so that a session's ARN without path shows it too.
        role.starts_with("AWSServiceRoleFor")
            || self.role_arn().is_some_and(|arn| arn.resource.starts_with("role/aws-service-role/"))
    }

    /// Whether it is of an account, so that the policies above the account bear on it: on its root too, and not on services.
    pub(crate) fn is_under_service_control(&self) -> bool {
        match self.kind {
            PrincipalKind::Root | PrincipalKind::User { .. } | PrincipalKind::FederatedUser { .. } => true,
            PrincipalKind::AssumedRole { .. } => !self.is_service_linked(),
            PrincipalKind::Service { .. } | PrincipalKind::Anonymous | PrincipalKind::WebIdentity { .. } => false,
        }
    }

    /// Whether it is a session of the role that `arn` names. Where the role's path is not known its name is enough, as it is unique.
    pub(crate) fn is_session_of(&self, arn: &Arn) -> bool {
        let PrincipalKind::AssumedRole { role, .. } = &self.kind else { return false };
        match self.standing.session.as_ref().and_then(|session| session.issuer.as_ref()) {
            Some(issuer) => issuer.arn == *arn,
            None => {
                let named = arn.resource.strip_prefix("role/").filter(|_| arn.service == "iam");
                let same = |named: &str| named == role || named.rsplit('/').next() == Some(role);
                arn.account == self.account.as_str() && named.is_some_and(same)
            }
        }
    }

    /// Whether nobody asks.
    pub fn is_anonymous(&self) -> bool {
        self.kind == PrincipalKind::Anonymous
    }
}
