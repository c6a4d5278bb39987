//! OIDC providers: who vouches for whom a role trusts. Knows nothing of tokens; `web_identity` reads those.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html>

use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreExt};
use tarn_types::{AccountId, Arn};

use crate::paging::count;
use crate::records::{OIDC_PROVIDERS, OidcProviderRecord, account_key, in_account};
use crate::tags::{check_tags, put_tags, tags_of};
use crate::{
    CLIENT_IDS_PER_PROVIDER_MAX, Identity, IdentityError, OIDC_PROVIDERS_PER_ACCOUNT_MAX, THUMBPRINTS_PER_PROVIDER_MAX,
    Tag,
};

const ARN_KIND: &str = "oidc-provider/";
const URL_SIZE_BYTES_MAX: usize = 255;
const THUMBPRINT_CHARS: usize = 40;

/// An OIDC provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcProvider {
    /// `arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH`.
    pub arn: Arn,
    /// Its issuer.
    pub url: String,
    /// Whom its tokens may be for.
    pub client_ids: Vec<String>,
    /// Of its certificates: they count, as on AWS, where no root that is known here vouches for its certificate.
    pub thumbprints: Vec<String>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// In the order of their keys.
    pub tags: Vec<Tag>,
}

/// An OIDC provider to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewOidcProvider {
    /// Its issuer.
    pub url: String,
    /// Whom its tokens may be for.
    pub client_ids: Vec<String>,
    /// Of its certificates.
    pub thumbprints: Vec<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A URL without its scheme: what names a provider.
pub(crate) fn without_scheme(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    Some(rest.trim_end_matches('/'))
}

/// The provider that `arn` names in `account`, with the id that its tags are kept under.
pub(crate) fn find_oidc_provider(
    read: &impl Read,
    account: &AccountId,
    arn: &str,
) -> Result<(String, OidcProviderRecord), IdentityError> {
    let missing = || IdentityError::NoSuchOidcProvider { arn: arn.to_owned() };
    let parsed = Arn::parse(arn).map_err(|_| missing())?;
    let is_here = parsed.service == "iam" && parsed.account == account.as_str();
    let name = parsed.resource.strip_prefix(ARN_KIND).filter(|_| is_here).ok_or_else(missing)?;
    let record = read.get(OIDC_PROVIDERS, &in_account(account, name))?.ok_or_else(missing)?;
    Ok((tags_id(name), record))
}

fn tags_id(name: &str) -> String {
    format!("{ARN_KIND}{name}")
}

pub(crate) fn provider_arn(account: &AccountId, name: &str) -> Arn {
    Arn::iam(account, format!("{ARN_KIND}{name}"))
}

fn check_lists(client_ids: &[String], thumbprints: &[String]) -> Result<(), IdentityError> {
    let invalid = |reason: String| Err(IdentityError::InvalidInput { reason });
    if client_ids.len() > CLIENT_IDS_PER_PROVIDER_MAX {
        let max = CLIENT_IDS_PER_PROVIDER_MAX;
        return Err(IdentityError::LimitExceeded { quota: "ClientIdsPerOpenIdConnectProvider", max });
    }
    if thumbprints.len() > THUMBPRINTS_PER_PROVIDER_MAX {
        return invalid(format!(
            "Thumbprint list must contain fewer than {} entries.",
            THUMBPRINTS_PER_PROVIDER_MAX + 1
        ));
    }
    if let Some(found) = client_ids.iter().find(|id| id.is_empty() || id.len() > 255) {
        return invalid(format!("A client id has 1 to 255 characters; `{found}` has not."));
    }
    match thumbprints.iter().find(|text| text.len() != THUMBPRINT_CHARS) {
        Some(found) => invalid(format!("A thumbprint has {THUMBPRINT_CHARS} characters; `{found}` has not.")),
        None => Ok(()),
    }
}

fn check_url(url: &str) -> Result<String, IdentityError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:%".contains(&byte);
    let name = without_scheme(url).filter(|name| {
        !name.is_empty() && !name.starts_with('/') && url.len() <= URL_SIZE_BYTES_MAX && name.bytes().all(legal)
    });
    name.map(str::to_owned).ok_or_else(|| IdentityError::InvalidInput {
        reason: "Invalid Open ID Connect Provider URL: it begins with https:// and has neither query nor fragment."
            .to_owned(),
    })
}

impl Identity {
    /// Makes a provider known.
    pub async fn create_oidc_provider(
        &self,
        caller: &Caller,
        new: NewOidcProvider,
    ) -> Result<OidcProvider, IdentityError> {
        let NewOidcProvider { url, client_ids, thumbprints, tags } = new;
        let name = check_url(&url)?;
        check_lists(&client_ids, &thumbprints)?;
        check_tags(&tags)?;
        let account = caller.scope().account.clone();
        let record = OidcProviderRecord { url, client_ids, thumbprints, created_ms: caller.time_ms() };
        self.commit(caller, move |tx| {
            let at = in_account(&account, &name);
            if tx.contains(OIDC_PROVIDERS, &at)? {
                return Err(IdentityError::Exists { what: "Provider", name: record.url });
            }
            let max = OIDC_PROVIDERS_PER_ACCOUNT_MAX;
            if count(tx, OIDC_PROVIDERS, &account_key(&account), max)? >= max {
                return Err(IdentityError::LimitExceeded { quota: "OpenIdConnectProvidersPerAccount", max });
            }
            tx.put(OIDC_PROVIDERS, &at, &record)?;
            put_tags(tx, &account, &tags_id(&name), tags)?;
            complete(tx, &account, &name, record)
        })
        .await
    }

    /// The provider that `text` names.
    pub fn get_oidc_provider(&self, caller: &Caller, text: &str) -> Result<OidcProvider, IdentityError> {
        let (account, snapshot) = (&caller.scope().account, self.store.read()?);
        let (_, record) = find_oidc_provider(&snapshot, account, text)?;
        let name = without_scheme(&record.url).unwrap_or_default().to_owned();
        complete(&snapshot, account, &name, record)
    }

    /// The ARNs of all providers of the account.
    pub fn list_oidc_providers(&self, caller: &Caller) -> Result<Vec<Arn>, IdentityError> {
        let (account, snapshot) = (&caller.scope().account, self.store.read()?);
        let mut arns = Vec::new();
        for item in snapshot.prefix(OIDC_PROVIDERS, &account_key(account)) {
            let (_, record): (Key, OidcProviderRecord) = item?;
            arns.push(provider_arn(account, without_scheme(&record.url).unwrap_or_default()));
        }
        Ok(arns)
    }

    async fn change_oidc_provider<F>(&self, caller: &Caller, text: &str, change: F) -> Result<(), IdentityError>
    where
        F: FnOnce(&mut OidcProviderRecord) + Send + 'static,
    {
        let (account, text) = (caller.scope().account.clone(), text.to_owned());
        self.commit(caller, move |tx| {
            let (_, mut record) = find_oidc_provider(tx, &account, &text)?;
            change(&mut record);
            check_lists(&record.client_ids, &record.thumbprints)?;
            let at = in_account(&account, without_scheme(&record.url).unwrap_or_default());
            Ok(tx.put(OIDC_PROVIDERS, &at, &record)?)
        })
        .await
    }

    /// Lets tokens be for one more client; again is no error.
    pub async fn add_oidc_client_id(&self, caller: &Caller, text: &str, id: String) -> Result<(), IdentityError> {
        self.change_oidc_provider(caller, text, |record| {
            if !record.client_ids.contains(&id) {
                record.client_ids.push(id);
            }
        })
        .await
    }

    /// Lets tokens be for one client less; one that is not there is no error.
    pub async fn remove_oidc_client_id(&self, caller: &Caller, text: &str, id: String) -> Result<(), IdentityError> {
        self.change_oidc_provider(caller, text, move |record| record.client_ids.retain(|known| *known != id)).await
    }

    /// Puts other thumbprints in place of a provider's.
    pub async fn update_oidc_thumbprints(
        &self,
        caller: &Caller,
        text: &str,
        thumbprints: Vec<String>,
    ) -> Result<(), IdentityError> {
        self.change_oidc_provider(caller, text, |record| record.thumbprints = thumbprints).await
    }

    /// Forgets a provider.
    pub async fn delete_oidc_provider(&self, caller: &Caller, text: &str) -> Result<(), IdentityError> {
        let (account, text) = (caller.scope().account.clone(), text.to_owned());
        self.commit(caller, move |tx| {
            let (id, record) = find_oidc_provider(tx, &account, &text)?;
            put_tags(tx, &account, &id, Vec::new())?;
            Ok(tx.delete(OIDC_PROVIDERS, &in_account(&account, without_scheme(&record.url).unwrap_or_default()))?)
        })
        .await
    }
}

fn complete(
    read: &impl Read,
    account: &AccountId,
    name: &str,
    record: OidcProviderRecord,
) -> Result<OidcProvider, IdentityError> {
    let OidcProviderRecord { url, client_ids, thumbprints, created_ms } = record;
    let tags = tags_of(read, account, &tags_id(name))?;
    Ok(OidcProvider { arn: provider_arn(account, name), url, client_ids, thumbprints, created_ms, tags })
}
