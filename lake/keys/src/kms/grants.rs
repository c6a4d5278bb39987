//! Grants: what somebody may do with a key beside its policy, for certain encryption contexts, until it is retired or revoked.
//!
//! A grant works from the moment it is made, so that its token, which AWS needs until all of it knows the grant, only names it here.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/grants.html>

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tarn_audit::Caller;
use tarn_metadata::{Key, Read, Tx, decode_record, encode_record};
use tarn_policy::{Authorized, Granted, GrantedTo, Principal, Requirement, id_of_named};
use tarn_runtime::EntropyExt as _;
use tarn_types::{AccountId, Arn, Scope};

use super::keyspaces::{
    KMS_GRANT_COUNTS, KMS_GRANT_ENTITIES, KMS_GRANT_NAMES, KMS_GRANTEES, KMS_GRANTS, KMS_RETIRABLE,
};
use super::kinds::{GrantOperation, KeySpec};
use super::records::{GrantConstraint, GrantCount, GrantRef, GrantedEntity, KmsGrant, KmsKey, kms_key};
use super::resolve::{find_in, key_in, require_proven};
use super::{EncryptionContext, KeyState, Kms, KmsError, KmsPage, KmsPageRequest};

/// The most grants of a key: <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>
pub(crate) const GRANTS_PER_KEY_MAX: u32 = 50_000;
/// How many grants of a key that is deleted go in one transaction.
pub(crate) const STEP_GRANTS_MAX: usize = 1_000;
/// The condition key by which a requirement to retire a grant says which.
const GRANT_ID: &str = "tarn:GrantId";

/// A grant to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateGrant {
    /// Who may: an ARN.
    pub grantee: String,
    /// Who can retire it: an ARN.
    pub retiring: Option<String>,
    /// What.
    pub operations: BTreeSet<GrantOperation>,
    /// For which encryption contexts.
    pub constraint: Option<GrantConstraint>,
    /// What keeps a repeated request from making another.
    pub name: Option<String>,
}

/// How a request names a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantName {
    /// By the token that came with it.
    Token(String),
    /// By its key and its id.
    Id {
        /// As the request names the key.
        key: String,
        /// The grant's id.
        id: String,
    },
}

impl GrantConstraint {
    /// Its name, as conditions call it, and its pairs.
    fn parts(&self) -> (&'static str, &EncryptionContext) {
        match self {
            Self::EncryptionContextEquals(pairs) => ("EncryptionContextEquals", pairs),
            Self::EncryptionContextSubset(pairs) => ("EncryptionContextSubset", pairs),
        }
    }

    fn admits(&self, context: &EncryptionContext) -> bool {
        match self {
            Self::EncryptionContextEquals(pairs) => pairs == context,
            Self::EncryptionContextSubset(pairs) => context.contains(pairs),
        }
    }

    /// Whether what `other` admits, this admits.
    fn covers(&self, other: Option<&Self>) -> bool {
        match (self, other) {
            (_, None) => false,
            (Self::EncryptionContextEquals(own), Some(Self::EncryptionContextEquals(theirs))) => own == theirs,
            (Self::EncryptionContextEquals(_), Some(Self::EncryptionContextSubset(_))) => false,
            (
                Self::EncryptionContextSubset(own),
                Some(Self::EncryptionContextEquals(theirs) | Self::EncryptionContextSubset(theirs)),
            ) => theirs.contains(own),
        }
    }
}

impl CreateGrant {
    /// Sets the condition keys by which policies speak of it.
    pub fn describe(&self, requirement: &mut Requirement) {
        let context = &mut requirement.context;
        context.set_all("kms:GrantOperations", self.operations.iter().map(|operation| operation.name().to_owned()));
        context.set("kms:GranteePrincipal", self.grantee.clone());
        if let Some(retiring) = &self.retiring {
            context.set("kms:RetiringPrincipal", retiring.clone());
        }
        // Callers are never services of AWS here.
        context.set("kms:GrantIsForAWSResource", "false");
        if let Some(constraint) = &self.constraint {
            let (name, pairs) = constraint.parts();
            context.set("kms:GrantConstraintType", name);
            pairs.describe(requirement);
        }
    }

    /// What a requirement says of the grant to be made: its operations and its constraint; the reverse of `describe`.
    fn described(requirement: &Requirement) -> Option<(BTreeSet<GrantOperation>, Option<GrantConstraint>)> {
        let operations = requirement.context.get("kms:GrantOperations")?;
        let operations = operations.iter().map(|name| GrantOperation::of(name)).collect::<Option<_>>()?;
        let constraint = match requirement.context.get("kms:GrantConstraintType") {
            None => None,
            Some([name]) if name == "EncryptionContextEquals" => {
                Some(GrantConstraint::EncryptionContextEquals(EncryptionContext::described(requirement)?))
            }
            Some([name]) if name == "EncryptionContextSubset" => {
                Some(GrantConstraint::EncryptionContextSubset(EncryptionContext::described(requirement)?))
            }
            Some(_) => return None,
        };
        Some((operations, constraint))
    }

    fn check(&self, key: &KmsKey) -> Result<(), KmsError> {
        for arn in std::iter::once(&self.grantee).chain(&self.retiring) {
            GrantedTo::named(arn).ok_or_else(|| KmsError::InvalidGrantPrincipal { arn: arn.clone() })?;
        }
        if let Some(unfit) = self.operations.iter().find(|operation| !operation.fits(key.spec, key.usage)) {
            let reason = format!("Operation {} is not one of keys of KeySpec {}.", unfit.name(), key.spec.name());
            return Err(KmsError::Validation { reason });
        }
        let refused = |reason: &str| Err(KmsError::Validation { reason: reason.to_owned() });
        match &self.constraint {
            None => Ok(()),
            Some(_) if key.spec != KeySpec::SymmetricDefault => {
                refused("Only grants of symmetric encryption keys can be bound to an encryption context.")
            }
            Some(constraint) if constraint.parts().1.is_empty() => refused("The encryption context is empty."),
            Some(_) => Ok(()),
        }
    }
}

impl KmsGrant {
    fn at(&self) -> GrantRef {
        GrantRef { account: self.account.clone(), key_id: self.key_id.clone(), id: self.id.clone() }
    }

    /// Whether it is what `request` asks for.
    fn is_of(&self, request: &CreateGrant) -> bool {
        let CreateGrant { grantee, retiring, operations, constraint, name } = request;
        (&self.grantee, &self.retiring, &self.operations, &self.constraint, &self.name)
            == (grantee, retiring, operations, constraint, name)
    }

    /// The token that names it.
    pub fn token(&self) -> Result<String, KmsError> {
        Ok(BASE64.encode(encode_record(&self.at()).map_err(|_| KmsError::InvalidGrantToken)?))
    }

    fn index_keys(&self) -> (Key, Option<Key>, Option<Key>) {
        let key = || kms_key(&self.account, &self.key_id);
        (
            key().text(&self.grantee).text(&self.id),
            self.retiring
                .as_ref()
                .map(|arn| Key::new().text(arn).text(self.account.as_str()).text(&self.key_id).text(&self.id)),
            self.name.as_ref().map(|name| key().text(name).text(&self.id)),
        )
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>) -> Result<(), KmsError> {
        let at = self.at();
        let (grantee, retiring, name) = self.index_keys();
        tx.put(KMS_GRANTEES, &grantee, &at)?;
        if let Some(retiring) = retiring {
            tx.put(KMS_RETIRABLE, &retiring, &at)?;
        }
        if let Some(name) = name {
            tx.put(KMS_GRANT_NAMES, &name, &at)?;
        }
        Ok(tx.put(KMS_GRANTS, &at.key(), self)?)
    }

    fn delete(&self, tx: &mut Tx<'_>) -> Result<(), KmsError> {
        let (grantee, retiring, name) = self.index_keys();
        tx.delete(KMS_GRANTEES, &grantee)?;
        if let Some(retiring) = retiring {
            tx.delete(KMS_RETIRABLE, &retiring)?;
        }
        if let Some(name) = name {
            tx.delete(KMS_GRANT_NAMES, &name)?;
        }
        tx.delete(KMS_GRANT_ENTITIES, &self.at().key())?;
        Ok(tx.delete(KMS_GRANTS, &self.at().key())?)
    }

    /// Whether it lets its grantee do what `requirement` asks.
    fn allows(&self, operation: GrantOperation, requirement: &Requirement) -> bool {
        if !self.operations.contains(&operation) {
            return false;
        }
        match (&self.constraint, operation) {
            // It can be passed on, but not more of it.
            (own, GrantOperation::CreateGrant) => {
                CreateGrant::described(requirement).is_some_and(|(operations, theirs)| {
                    operations.is_subset(&self.operations) && own.as_ref().is_none_or(|own| own.covers(theirs.as_ref()))
                })
            }
            (Some(constraint), operation) if operation.has_context() => {
                EncryptionContext::described(requirement).is_some_and(|context| constraint.admits(&context))
            }
            _ => true,
        }
    }
}

fn grant_in(read: &impl Read, at: &GrantRef) -> Result<KmsGrant, KmsError> {
    read.get(KMS_GRANTS, &at.key())?.ok_or_else(|| KmsError::NoSuchGrant { id: at.id.clone() })
}

/// Whether the user or role that `principal` is, or has a session of, is the one whose name the grant has. One that was made before that was
/// kept is to whoever has the name; so is one to a session, or to an account.
fn is_to(read: &impl Read, at: &GrantRef, principal: &Principal) -> Result<bool, KmsError> {
    let entity = read.get(KMS_GRANT_ENTITIES, &at.key())?;
    Ok(entity.is_none_or(|entity| principal.id.split(':').next() == Some(&entity.id)))
}

/// Removes grants of a key that is deleted, so many as one transaction takes; says whether none are left.
pub(crate) fn delete_some_grants(tx: &mut Tx<'_>, key: &KmsKey) -> Result<bool, KmsError> {
    let at = kms_key(&key.account, &key.id);
    let grants: Result<Vec<KmsGrant>, KmsError> =
        tx.prefix(KMS_GRANTS, &at).take(STEP_GRANTS_MAX).map(|item| Ok(item?.1)).collect();
    let grants = grants?;
    grants.iter().try_for_each(|grant| grant.delete(tx))?;
    // The key takes no grants any more, so that nobody counts them.
    tx.delete(KMS_GRANT_COUNTS, &at)?;
    Ok(grants.len() < STEP_GRANTS_MAX)
}

/// How many grants a key has. They are walked through only where they are older than their count.
fn grant_count(tx: &Tx<'_>, at: &Key) -> Result<u32, KmsError> {
    match tx.get(KMS_GRANT_COUNTS, at)? {
        Some(GrantCount { count }) => Ok(count),
        None => Ok(u32::try_from(tx.prefix(KMS_GRANTS, at).count()).unwrap_or(u32::MAX)),
    }
}

fn parse_token(token: &str) -> Result<GrantRef, KmsError> {
    let bytes = BASE64.decode(token).map_err(|_| KmsError::InvalidGrantToken)?;
    decode_record(&bytes).map_err(|_| KmsError::InvalidGrantToken)
}

/// The names that a principal is granted things by: its own, its role's, its account's.
fn names_of(principal: &Principal) -> Vec<String> {
    if principal.is_anonymous() {
        return Vec::new();
    }
    let account = principal.account.to_string();
    let arns = [principal.arn(), principal.role_arn(), Some(Arn::iam(&principal.account, "root"))];
    let mut names: Vec<String> = arns.into_iter().flatten().map(|arn| arn.to_string()).collect();
    names.push(account);
    names.dedup();
    names
}

impl Kms {
    /// Refuses what is no token. Grants work at once, so that a token has nothing to add, and is not looked up.
    pub fn check_grant_tokens(&self, tokens: &[String]) -> Result<(), KmsError> {
        tokens.iter().try_for_each(|token| parse_token(token).map(|_| ()))
    }

    /// What a caller must be allowed to retire a grant: the grant itself says who may.
    pub fn retire_requirement(&self, scope: &Scope, name: &GrantName) -> Result<Requirement, KmsError> {
        let (requirement, id) = match name {
            GrantName::Id { key, id } => (self.requirement("kms:RetireGrant", scope, key)?, id.clone()),
            GrantName::Token(token) => {
                let at = parse_token(token)?;
                let arn = Arn::regional("kms", &scope.region, &at.account, format!("key/{}", at.key_id)).to_string();
                (self.requirement("kms:RetireGrant", scope, &arn)?, at.id)
            }
        };
        Ok(requirement.with(GRANT_ID, id))
    }

    /// Grants something. The same request of the same name finds the grant that the first one made.
    pub async fn create_grant(
        &self,
        caller: &Caller,
        name: &str,
        request: CreateGrant,
        dry_run: bool,
    ) -> Result<KmsGrant, KmsError> {
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        let (id, created_ms) = (hex::encode(self.0.runtime.entropy.bytes::<32>()), self.now_ms());
        let entity = match Arn::parse(&request.grantee) {
            Ok(arn) => id_of_named(&arn, self.0.entity_ids.as_deref(), &proof).map_err(KmsError::Denied)?,
            // Refused below, unless it is an account.
            Err(_) => None,
        };
        self.commit(caller, move |tx| {
            let key = find_in(tx, &scope.account, &scope.region, &name)?;
            require_proven(&proof, &key, &name)?;
            key.require_usable()?;
            request.check(&key)?;
            let at = kms_key(&key.account, &key.id);
            if let Some(name) = &request.name {
                let named: Vec<GrantRef> = tx
                    .prefix(KMS_GRANT_NAMES, &at.clone().text(name))
                    .map(|item| Ok::<_, KmsError>(item?.1))
                    .collect::<Result<_, _>>()?;
                for at in named {
                    let grant = grant_in(tx, &at)?;
                    if grant.is_of(&request) {
                        return if dry_run { Err(KmsError::DryRun) } else { Ok(grant) };
                    }
                }
            }
            let count = grant_count(tx, &at)?;
            if count >= GRANTS_PER_KEY_MAX {
                return Err(KmsError::LimitExceeded {
                    quota: "grants of a key",
                    count_max: GRANTS_PER_KEY_MAX as usize,
                });
            }
            if dry_run {
                return Err(KmsError::DryRun);
            }
            let grant = KmsGrant {
                id,
                account: key.account,
                region: key.region,
                key_id: key.id,
                name: request.name,
                issuing_account: scope.account,
                grantee: request.grantee,
                retiring: request.retiring,
                operations: request.operations,
                constraint: request.constraint,
                created_ms,
            };
            grant.put(tx)?;
            if let Some(id) = entity {
                tx.put(KMS_GRANT_ENTITIES, &grant.at().key(), &GrantedEntity { id })?;
            }
            tx.put(KMS_GRANT_COUNTS, &at, &GrantCount { count: count + 1 })?;
            Ok(grant)
        })
        .await
    }

    /// The grants of a key: all, the one of an id, or those of a grantee.
    pub fn list_grants(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        id: Option<&str>,
        grantee: Option<&str>,
        page: &KmsPageRequest,
    ) -> Result<KmsPage<KmsGrant>, KmsError> {
        let snapshot = self.snapshot()?;
        let key = find_in(&snapshot, &scope.account, &scope.region, name)?;
        require_proven(proof, &key, name)?;
        if let KeyState::PendingDeletion { .. } = key.state {
            return Err(KmsError::PendingDeletion { arn: key.arn().to_string() });
        }
        let asked = |_: &Key, grant: KmsGrant| {
            let is_it = id.is_none_or(|id| grant.id == id) && grantee.is_none_or(|grantee| grant.grantee == grantee);
            is_it.then_some(grant)
        };
        page.of(snapshot.prefix(KMS_GRANTS, &kms_key(&key.account, &key.id)), asked)
    }

    /// The grants that somebody of the caller's account can retire, of keys of whichever account.
    pub fn list_retirable_grants(
        &self,
        _proof: &Authorized,
        scope: &Scope,
        retiring: &str,
        page: &KmsPageRequest,
    ) -> Result<KmsPage<KmsGrant>, KmsError> {
        let is_own = Arn::parse(retiring).is_ok_and(|arn| arn.account == scope.account.as_str());
        if GrantedTo::named(retiring).is_none() || !is_own {
            return Err(KmsError::InvalidGrantPrincipal { arn: retiring.to_owned() });
        }
        let snapshot = self.snapshot()?;
        let found = page.of(snapshot.prefix(KMS_RETIRABLE, &Key::new().text(retiring)), |_, at| Some(at))?;
        let items = found.items.iter().map(|at| grant_in(&snapshot, at)).collect::<Result<_, _>>()?;
        Ok(KmsPage { items, marker: found.marker })
    }

    /// Takes a grant back.
    pub async fn revoke_grant(&self, caller: &Caller, name: &str, id: &str, dry_run: bool) -> Result<(), KmsError> {
        self.end_grant(caller, GrantName::Id { key: name.to_owned(), id: id.to_owned() }, dry_run).await
    }

    /// Gives a grant back.
    pub async fn retire_grant(&self, caller: &Caller, name: GrantName, dry_run: bool) -> Result<(), KmsError> {
        self.end_grant(caller, name, dry_run).await
    }

    async fn end_grant(&self, caller: &Caller, name: GrantName, dry_run: bool) -> Result<(), KmsError> {
        let (proof, scope) = (caller.authorized().clone(), caller.scope().clone());
        self.commit(caller, move |tx| {
            let (key, shown, id) = match name {
                GrantName::Id { key, id } => (find_in(tx, &scope.account, &scope.region, &key)?, key, id),
                GrantName::Token(token) => {
                    let at = parse_token(&token)?;
                    (key_in(tx, &at.account, &scope.region, &at.key_id)?, at.key_id, at.id)
                }
            };
            require_proven(&proof, &key, &shown)?;
            if let KeyState::PendingDeletion { .. } = key.state {
                return Err(KmsError::PendingDeletion { arn: key.arn().to_string() });
            }
            // That a grant may be retired was decided for the one grant.
            let of_grant = |requirement: &Requirement| {
                requirement.action != "kms:RetireGrant"
                    || requirement.context.get(GRANT_ID).is_some_and(|named| named == [id.as_str()])
            };
            if !proof.requirements().iter().all(of_grant) {
                return Err(KmsError::Moved { name: id });
            }
            let at = kms_key(&key.account, &key.id);
            let grant = grant_in(tx, &GrantRef { account: key.account, key_id: key.id, id })?;
            if dry_run {
                return Err(KmsError::DryRun);
            }
            let count = grant_count(tx, &at)?.saturating_sub(1);
            tx.put(KMS_GRANT_COUNTS, &at, &GrantCount { count })?;
            grant.delete(tx)
        })
        .await
    }

    /// What `principal` is granted of what `requirement` asks on a key.
    pub(crate) fn granted(
        &self,
        principal: &Principal,
        resource: &Arn,
        requirement: &Requirement,
    ) -> Result<Vec<Granted>, KmsError> {
        let Some(operation) = GrantOperation::of_action(requirement.action) else { return Ok(Vec::new()) };
        let Some(id) = resource.resource.strip_prefix("key/") else { return Ok(Vec::new()) };
        let Ok(account) = AccountId::new(resource.account.clone()) else { return Ok(Vec::new()) };
        let snapshot = self.snapshot()?;
        let to = |arn: &str| GrantedTo::named(arn).map(|to| Granted { to, actions: operation.actions() });
        if operation == GrantOperation::RetireGrant {
            let Some([grant]) = requirement.context.get(GRANT_ID) else { return Ok(Vec::new()) };
            let at = GrantRef { account: account.clone(), key_id: id.to_owned(), id: grant.clone() };
            return Ok(match grant_in(&snapshot, &at) {
                Ok(grant) => {
                    let may_grantee = grant.operations.contains(&operation) && is_to(&snapshot, &at, principal)?;
                    let by_grantee = may_grantee.then_some(&grant.grantee);
                    let issuer = Arn::iam(&grant.issuing_account, "root").to_string();
                    let own = Arn::iam(&account, "root").to_string();
                    grant.retiring.iter().chain(by_grantee).chain([&issuer, &own]).filter_map(|arn| to(arn)).collect()
                }
                // Whether it is there is for the key's account to know.
                Err(KmsError::NoSuchGrant { .. }) => to(&Arn::iam(&account, "root").to_string()).into_iter().collect(),
                Err(error) => return Err(error),
            });
        }
        let mut granted = Vec::new();
        for name in names_of(principal) {
            for item in snapshot.prefix(KMS_GRANTEES, &kms_key(&account, id).text(&name)) {
                let at = item?.1;
                let grant = grant_in(&snapshot, &at)?;
                if grant.allows(operation, requirement) && is_to(&snapshot, &at, principal)? {
                    granted.extend(to(&grant.grantee));
                    // One is enough of each name.
                    break;
                }
            }
        }
        Ok(granted)
    }
}
