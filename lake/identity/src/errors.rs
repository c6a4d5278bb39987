//! Why a question about identities, or a change of them, was refused. Knows no service's error codes.

use tarn_keys::KeysError;
use tarn_metadata::StoreError;
use tarn_policy::{Denied, PolicyError};
use tarn_types::AccountId;

use crate::EntityKind;

/// Why not.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IdentityError {
    /// No such user, group or role.
    #[error("The {kind} with name {name} cannot be found.")]
    NoSuchEntity {
        /// What was asked for.
        kind: EntityKind,
        /// As asked.
        name: String,
    },
    /// No such access key of that user.
    #[error("The Access Key with id {id} cannot be found.")]
    NoSuchAccessKey {
        /// As asked.
        id: String,
    },
    /// The user, group or role has no such inline policy.
    #[error("The {kind} policy with name {policy} cannot be found.")]
    NoSuchInlinePolicy {
        /// What it was looked for in.
        kind: EntityKind,
        /// As asked.
        policy: String,
    },
    /// No such managed policy, or not one of this account.
    #[error("Policy {arn} does not exist or is not attachable.")]
    NoSuchPolicy {
        /// As asked.
        arn: String,
    },
    /// The policy has no such version.
    #[error("Policy {arn} version {version} does not exist or is not attachable.")]
    NoSuchPolicyVersion {
        /// The policy.
        arn: String,
        /// As asked.
        version: String,
    },
    /// The policy is not attached to the user, group or role.
    #[error("Policy {arn} was not found.")]
    NotAttached {
        /// The policy.
        arn: String,
    },
    /// The user or role has no permissions boundary.
    #[error("The {kind} {name} has no permissions boundary.")]
    NoBoundary {
        /// What was asked for.
        kind: EntityKind,
        /// As asked.
        name: String,
    },
    /// The user is not in the group.
    #[error("The user with name {user} is not in the group with name {group}.")]
    NotInGroup {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// No such instance profile.
    #[error("Instance Profile {name} cannot be found.")]
    NoSuchInstanceProfile {
        /// As asked.
        name: String,
    },
    /// No such OIDC provider in the account.
    #[error("OpenIDConnect Provider not found for arn {arn}")]
    NoSuchOidcProvider {
        /// As asked.
        arn: String,
    },
    /// Something of that name exists; names differ by more than case.
    #[error("{what} with name {name} already exists.")]
    Exists {
        /// `User`, `Group`, `Role`, `Instance Profile`, `Provider`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A policy of that name exists; names differ by more than case.
    #[error("A policy called {name} already exists. Duplicate names are not allowed.")]
    PolicyExists {
        /// The name.
        name: String,
    },
    /// Something has to go first.
    #[error("Cannot delete entity, must {first} first.")]
    DeleteConflict {
        /// `delete access keys`, `delete policies`, `detach all policies`.
        first: &'static str,
    },
    /// The policy is in use.
    #[error("Cannot delete a policy attached to entities.")]
    PolicyAttached,
    /// The policy has other versions than the one in force.
    #[error(
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."
    )]
    PolicyHasVersions,
    /// The version in force cannot go before its policy.
    #[error("Cannot delete the default version of a policy.")]
    DefaultVersion,
    /// A quota is used up.
    #[error("Cannot exceed quota for {quota}: {max}")]
    LimitExceeded {
        /// Its name at AWS.
        quota: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// The policy has as many versions as it may.
    #[error(
        "A managed policy can have up to {max} versions. Before you create a new version, you must delete an existing version."
    )]
    TooManyVersions {
        /// How many there may be.
        max: usize,
    },
    /// The inline policies of a user, group or role would be too large together.
    #[error("Maximum policy size of {size_chars_max} bytes exceeded for {kind} {name}")]
    InlinePoliciesTooLarge {
        /// Of what.
        kind: EntityKind,
        /// Whose.
        name: String,
        /// The limit, characters without white space.
        size_chars_max: usize,
    },
    /// Not a policy.
    #[error("{source}")]
    MalformedPolicy {
        /// What is wrong with it.
        source: PolicyError,
    },
    /// A policy that AWS defines cannot be changed.
    #[error("The policy {arn} is managed by AWS and cannot be changed.")]
    ManagedByAws {
        /// Which.
        arn: String,
    },
    /// The user has no password.
    #[error("Login Profile for User {user} cannot be found.")]
    NoSuchLoginProfile {
        /// The user.
        user: String,
    },
    /// The user has a password.
    #[error("Login Profile for user {user} already exists.")]
    LoginProfileExists {
        /// The user.
        user: String,
    },
    /// The password is not what the account asks for.
    #[error("{reason}")]
    PasswordPolicyViolation {
        /// What to do about it.
        reason: String,
    },
    /// The old password is another.
    #[error("The old password was incorrect.")]
    WrongPassword,
    /// Somebody else changed it at the same time.
    #[error("The password of {user} was changed meanwhile: try again.")]
    PasswordChangedMeanwhile {
        /// The user.
        user: String,
    },
    /// A password could not be hashed.
    #[error("a password could not be hashed: {reason}")]
    Hash {
        /// Why.
        reason: String,
    },
    /// The account asks for nothing.
    #[error("The Password Policy with domain name {account} cannot be found.")]
    NoPasswordPolicy {
        /// The account.
        account: AccountId,
    },
    /// The alias is another account's.
    #[error("The account alias {alias} already exists.")]
    AliasExists {
        /// The alias.
        alias: String,
    },
    /// The account has no such alias.
    #[error("The account alias {alias} cannot be found.")]
    NoSuchAlias {
        /// As asked.
        alias: String,
    },
    /// No report was made.
    #[error("No credential report is present; generate one first.")]
    NoCredentialReport,
    /// The report is too old.
    #[error("The credential report has expired; generate another.")]
    CredentialReportExpired,
    /// The service cannot have such a role.
    #[error("{reason}")]
    InvalidServiceRole {
        /// What to do about it.
        reason: String,
    },
    /// The role is a service's.
    #[error("Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS")]
    ProtectedRole {
        /// The role.
        name: String,
    },
    /// The text is no authorization message, was altered, or was made for another account.
    #[error("Invalid authorization message: it is not one of this account's, or was altered.")]
    InvalidAuthorizationMessage,
    /// No such task has removed a role.
    #[error("The deletion task {task} cannot be found.")]
    NoSuchDeletion {
        /// As asked.
        task: String,
    },
    /// The tags cannot be taken.
    #[error("{reason}")]
    InvalidTags {
        /// What to do about it.
        reason: String,
    },
    /// The input cannot be taken.
    #[error("{reason}")]
    InvalidInput {
        /// What to do about it.
        reason: String,
    },
    /// Only a user or the account's root can be meant.
    #[error("The caller is neither a user nor the root of an account: give a UserName.")]
    NotAUser,
    /// Root's configured access key is the way back into the account.
    #[error("The access key {id} is the one that the server's configuration gives root: change it there.")]
    ConfiguredKey {
        /// Its id.
        id: String,
    },
    /// Policies refuse it.
    #[error("{source}")]
    Denied {
        /// What and why.
        source: Box<Denied>,
    },
    /// It is refused whatever policies say.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The policies and tags of a session are too large together.
    #[error(
        "Packed size of session tags consumes {percent}% of allotted space. Give fewer or shorter policies and tags."
    )]
    PackedPolicyTooLarge {
        /// How much of the space they need.
        percent: u32,
    },
    /// A session's token is over.
    #[error("The security token included in the request is expired")]
    TokenExpired,
    /// A session's token is none of this lake's, or its user or role is gone.
    #[error("The security token included in the request is invalid")]
    TokenInvalid,
    /// A provider's token is not its, or not for whom it should be.
    #[error("{reason}")]
    WebTokenInvalid {
        /// What is wrong with it.
        reason: String,
    },
    /// A provider's token is over.
    #[error(
        "Token expired: current date/time {now} must be before the expiration date/time {expires} (seconds since 1970)"
    )]
    WebTokenExpired {
        /// Seconds since 1970.
        now: i64,
        /// Seconds since 1970.
        expires: i64,
    },
    /// A provider's token says what cannot be.
    #[error("{reason}")]
    ClaimRejected {
        /// What.
        reason: String,
    },
    /// A provider's keys could not be had.
    #[error("The identity provider {issuer} could not be asked for its keys: {reason}. Try again later.")]
    IssuerUnreachable {
        /// Its URL.
        issuer: String,
        /// Why.
        reason: String,
    },
    /// Configured credentials contradict each other.
    #[error("the access key {id} is configured for {wanted} but belongs to {owner}: give each its own")]
    AccessKeyTaken {
        /// The access key's id.
        id: String,
        /// For whom it is configured.
        wanted: String,
        /// Whose it is.
        owner: String,
    },
    /// A secret could not be sealed or opened.
    #[error("{source}")]
    Keys {
        /// Why.
        source: KeysError,
    },
    /// The store could not.
    #[error("{source}")]
    Store {
        /// Why.
        source: StoreError,
    },
}

impl From<StoreError> for IdentityError {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}
