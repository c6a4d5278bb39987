//! Who asks. Knows nothing of credentials.

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
}

impl Principal {
    /// An unsigned request.
    pub fn anonymous() -> Self {
        Self {
            kind: PrincipalKind::Anonymous,
            account: AccountId::first(),
            id: "anonymous".to_owned(),
            access_key_id: None,
        }
    }

    /// The account's root.
    pub fn root(account: AccountId) -> Self {
        Self { kind: PrincipalKind::Root, id: account.to_string(), account, access_key_id: None }
    }

    /// A user at the path `/`.
    pub fn user(account: AccountId, name: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            kind: PrincipalKind::User { name: name.into(), path: "/".to_owned() },
            account,
            id: id.into(),
            access_key_id: None,
        }
    }

    /// A service of the lake that acts for `account`.
    pub fn service(account: AccountId, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { id: name.clone(), kind: PrincipalKind::Service { name }, account, access_key_id: None }
    }

    /// The principal's ARN as it stands in policies and audit records; `None` for nobody.
    pub fn arn(&self) -> Option<Arn> {
        match &self.kind {
            PrincipalKind::Root => Some(Arn::iam(&self.account, "root")),
            PrincipalKind::User { name, path } => Some(Arn::iam(&self.account, format!("user{path}{name}"))),
            PrincipalKind::AssumedRole { role, session } => {
                Some(Arn::new("sts", "", self.account.as_str(), format!("assumed-role/{role}/{session}")))
            }
            PrincipalKind::Service { .. } | PrincipalKind::Anonymous => None,
        }
    }

    /// Whether nobody asks.
    pub fn is_anonymous(&self) -> bool {
        self.kind == PrincipalKind::Anonymous
    }
}
