//! Sessions of roles for whom an OIDC provider vouches: its token is checked, then the role's trust policy is asked with what it says.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Number, Value};
use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt};
use tarn_policy::{Principal, PrincipalKind, Requirement};
use tarn_types::{AccountId, Arn, Scope};

use crate::issuers::{Issuer, unproven_issuer};
use crate::oidc_providers::{provider_arn, without_scheme};
use crate::records::{OIDC_PROVIDERS, OidcProviderRecord, RoleRecord, in_account};
use crate::tags::{check_tags, tags_of};
use crate::{AssumeRole, Identity, IdentityError, Narrowing, NewSession, Tag};

/// How far the clocks of an issuer and of this server may be apart: a token may be of a time so little ahead.
const CLOCK_SKEW_SECONDS_MAX: i64 = 5 * 60;
const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";

/// A session that is asked for with a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssumeRoleWithWebIdentity {
    /// The role.
    pub role_arn: String,
    /// What the session is called.
    pub session_name: String,
    /// The provider's token, a JWT.
    pub token: String,
    /// For how long; an hour if it is not said.
    pub duration_seconds: Option<u32>,
    /// By what it is narrowed.
    pub narrowing: Narrowing,
}

/// A session that a token got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentitySession {
    /// The session.
    pub session: NewSession,
    /// Whom the token is about.
    pub subject: String,
    /// Whom it is for.
    pub audience: String,
    /// The ARN of the provider.
    pub provider: String,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    fn all(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

/// What a token says. What is not looked at is read, too: claims that are not JSON throughout are none
/// (<https://www.rfc-editor.org/rfc/rfc7519#section-7.2>).
#[derive(Debug, Clone, Deserialize)]
struct Token {
    iss: String,
    sub: String,
    aud: Texts,
    azp: Option<String>,
    exp: Number,
    nbf: Option<Number>,
    iat: Option<Number>,
    amr: Option<Texts>,
    #[serde(rename = "https://aws.amazon.com/tags")]
    tags: Option<Value>,
    #[serde(rename = "https://aws.amazon.com/source_identity")]
    source_identity: Option<String>,
    #[serde(flatten)]
    _others: Map<String, Value>,
}

/// The claim by which a token tags its session:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp>
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TagsClaim {
    principal_tags: BTreeMap<String, Texts>,
    #[serde(default)]
    transitive_tag_keys: Vec<String>,
}

fn invalid(reason: impl Into<String>) -> IdentityError {
    IdentityError::WebTokenInvalid { reason: reason.into() }
}

fn rejected(reason: impl Into<String>) -> IdentityError {
    IdentityError::ClaimRejected { reason: reason.into() }
}

/// As AWS words it: who is refused is not told what the role would take.
fn not_authorized() -> IdentityError {
    IdentityError::Refused { reason: format!("Not authorized to perform {ASSUME}") }
}

/// Seconds since 1970; a fraction is cut off.
fn seconds(number: &Number) -> Result<i64, IdentityError> {
    let whole = number.as_i64().or_else(|| {
        let number = number.as_f64().filter(|number| number.abs() < 1e15)?;
        Some(number as i64)
    });
    whole.ok_or_else(|| rejected(format!("{number} is no time.")))
}

impl Token {
    fn check_times(&self, now_ms: i64) -> Result<(), IdentityError> {
        let now = now_ms.div_euclid(1_000);
        let expires = seconds(&self.exp)?;
        if expires <= now {
            return Err(IdentityError::WebTokenExpired { now, expires });
        }
        for (name, time) in [("nbf", &self.nbf), ("iat", &self.iat)] {
            if let Some(time) = time
                && seconds(time)? > now.saturating_add(CLOCK_SKEW_SECONDS_MAX)
            {
                return Err(rejected(format!(
                    "The token is of the future: its {name} is {time}, and it is {now} now."
                )));
            }
        }
        Ok(())
    }

    /// Whom it is for: who asked for it, if it says, otherwise the one of its audiences that the provider is known to serve.
    fn audience(&self, client_ids: &[String]) -> Result<String, IdentityError> {
        let said = match &self.azp {
            Some(azp) => std::slice::from_ref(azp),
            None => self.aud.all(),
        };
        said.iter().find(|said| client_ids.contains(said)).cloned().ok_or_else(|| invalid("Incorrect token audience"))
    }

    fn tags(&self) -> Result<(Vec<Tag>, Vec<String>), IdentityError> {
        let Some(claim) = &self.tags else { return Ok((Vec::new(), Vec::new())) };
        let claim = TagsClaim::deserialize(claim)
            .map_err(|error| rejected(format!("The claim https://aws.amazon.com/tags cannot be read: {error}")))?;
        let mut tags = Vec::new();
        for (key, values) in claim.principal_tags {
            let [value] = values.all() else {
                return Err(rejected(format!("The tag {key} of the token has not one value.")));
            };
            tags.push(Tag { key, value: value.clone() });
        }
        if let Some(key) = claim.transitive_tag_keys.iter().find(|key| !tags.iter().any(|tag| tag.key == **key)) {
            return Err(rejected(format!("The transitive tag {key} is not among the tags of the token.")));
        }
        check_tags(&tags).map_err(|error| rejected(error.to_string()))?;
        Ok((tags, claim.transitive_tag_keys))
    }
}

/// What the role's trust policy is asked.
fn requirements(
    role: (&Arn, Vec<Tag>),
    session_name: &str,
    token: &Token,
    audience: &str,
    (tags, transitive): (&[Tag], &[String]),
) -> Vec<Requirement> {
    let (role, role_tags) = role;
    // Keys are named after the issuer, without its scheme.
    let issuer = without_scheme(&token.iss).unwrap_or_default();
    let mut needs = Requirement::new(ASSUME, role.clone()).with("sts:RoleSessionName", session_name);
    let context = &mut needs.context;
    context.set(&format!("{issuer}:aud"), audience);
    context.set_all(&format!("{issuer}:oaud"), token.aud.all().iter().cloned());
    context.set(&format!("{issuer}:sub"), token.sub.clone());
    if let Some(azp) = &token.azp {
        context.set(&format!("{issuer}:azp"), azp.clone());
    }
    if let Some(amr) = &token.amr {
        context.set_all(&format!("{issuer}:amr"), amr.all().iter().cloned());
    }
    for Tag { key, value } in role_tags {
        for vendor in ["aws", "iam"] {
            context.set(&format!("{vendor}:ResourceTag/{key}"), value.clone());
        }
    }
    for Tag { key, value } in tags {
        context.set(&format!("aws:RequestTag/{key}"), value.clone());
    }
    if !tags.is_empty() {
        context.set_all("aws:TagKeys", tags.iter().map(|tag| tag.key.clone()));
    }
    if !transitive.is_empty() {
        context.set_all("sts:TransitiveTagKeys", transitive.iter().cloned());
    }
    if let Some(source) = &token.source_identity {
        context.set("sts:SourceIdentity", source.clone());
    }
    let beside = |action| Requirement { action, ..needs.clone() };
    let mut all = vec![needs.clone()];
    if !tags.is_empty() {
        all.push(beside("sts:TagSession"));
    }
    if token.source_identity.is_some() {
        all.push(beside("sts:SetSourceIdentity"));
    }
    all
}

impl Identity {
    /// The provider of `account` whose issuer is `issuer`.
    fn provider_of(
        &self,
        read: &impl Read,
        account: &AccountId,
        issuer: &str,
    ) -> Result<(String, OidcProviderRecord), IdentityError> {
        let missing = || invalid(format!("No OpenIDConnect provider found in your account for {issuer}"));
        let name = without_scheme(issuer).ok_or_else(missing)?;
        let found = read.get(OIDC_PROVIDERS, &in_account(account, name))?;
        let is_it = |record: &OidcProviderRecord| record.url.trim_end_matches('/') == issuer.trim_end_matches('/');
        let record = found.filter(is_it).ok_or_else(missing)?;
        Ok((provider_arn(account, name).to_string(), record))
    }

    /// A session of a role for whom a provider of the role's account vouches, if the role trusts it with them. `caller` is nobody; what it
    /// turns out to be is on record.
    pub async fn assume_role_with_web_identity(
        &self,
        caller: &Caller,
        asked: AssumeRoleWithWebIdentity,
    ) -> Result<WebIdentitySession, IdentityError> {
        let AssumeRoleWithWebIdentity { role_arn, session_name, token, duration_seconds, narrowing } = asked;
        let invalid_arn = || IdentityError::InvalidInput { reason: format!("{role_arn} is invalid") };
        let arn = Arn::parse(&role_arn).map_err(|_| invalid_arn())?;
        let account = AccountId::new(arn.account.clone()).map_err(|_| invalid_arn())?;
        let issuer = unproven_issuer(&token)?;
        let (provider, record) = self.provider_of(&self.store.read()?, &account, &issuer)?;
        let known = Issuer { url: &record.url, thumbprints: &record.thumbprints };
        let now_ms = caller.time_ms();
        let token: Token = self.issuers.verify(&known, &token, now_ms).await?;
        token.check_times(now_ms)?;
        let audience = token.audience(&record.client_ids)?;
        let (tags, transitive) = token.tags()?;

        let snapshot = self.store.read()?;
        let (account, role): (AccountId, RoleRecord) =
            self.role_to_assume(&snapshot, &role_arn).map_err(|_| not_authorized())?;
        let role_tags = tags_of(&snapshot, &account, &role.id)?;
        let needs = requirements((&arn, role_tags), &session_name, &token, &audience, (&tags, &transitive));
        let kind = PrincipalKind::WebIdentity { provider: provider.clone(), subject: token.sub.clone() };
        let id = format!("{provider}:{audience}:{}", token.sub);
        let asking = caller.authorizer().as_principal(Principal::new(kind, account.clone(), id));
        let authorized = asking.authorize(needs).map_err(|_| not_authorized())?;
        let scope = Scope { account: account.clone(), region: caller.scope().region.clone() };
        let caller = caller.turned_out(authorized, asking, scope);

        let assume = AssumeRole {
            role_arn,
            session_name,
            duration_seconds,
            narrowing,
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
        };
        let of_token = (tags, transitive, token.source_identity, Some(provider.clone()));
        let claims = self.role_claims(&snapshot, (&account, &role), &assume, now_ms, of_token)?;
        let session = self.give_of_role(&caller, &account, &role, claims).await?;
        Ok(WebIdentitySession { session, subject: token.sub, audience, provider })
    }
}
