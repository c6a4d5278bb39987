//! Registered locations: data that the lake reads for those who were granted its tables, who need no right on the objects themselves.
//! <https://docs.aws.amazon.com/lake-formation/latest/dg/register-data-lake.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record};
use tarn_policy::Authorized;
use tarn_types::{AccountId, Arn};

use crate::grants::page;
use crate::keyspaces::{LOCATIONS, account_key};
use crate::settings::settings_in;
use crate::{Formation, FormationError, Page};

/// What is said of a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationInput {
    /// `arn:aws:s3:::bucket/prefix`.
    pub arn: String,
    /// The role that data is read as; the lake's own if there is none.
    pub role_arn: Option<String>,
}

/// A registered location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// `arn:aws:s3:::bucket/prefix`, without a slash at its end.
    pub arn: String,
    /// What else was said.
    pub input: LocationInput,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
}

impl Record for Location {
    const VERSION: u16 = 1;
}

/// Refuses what is no location of data.
pub(crate) fn check(arn: &str) -> Result<(), FormationError> {
    let invalid = || FormationError::invalid(format!("{arn:?} must be the ARN of a bucket or of a prefix in it."));
    let found = Arn::parse(arn).map_err(|_| invalid())?;
    let bucket = found.resource.split('/').next().unwrap_or_default();
    if found.service != "s3" || bucket.is_empty() || bucket.contains(['*', ':']) { Err(invalid()) } else { Ok(()) }
}

fn trimmed(arn: &str) -> String {
    arn.trim_end_matches('/').to_owned()
}

/// A location and all those above it, the nearest first.
pub(crate) fn above(arn: &str) -> impl Iterator<Item = String> {
    let mut left = Some(trimmed(arn));
    std::iter::from_fn(move || {
        let here = left.take()?;
        left = here.rsplit_once('/').map(|(front, _)| front.to_owned());
        Some(here)
    })
}

/// The registered location that `location`, an S3 URL, is in.
pub(crate) fn covering(
    read: &impl Read,
    account: &AccountId,
    location: &str,
) -> Result<Option<Location>, FormationError> {
    let Ok(place) = tarn_catalog::S3Location::parse(location) else { return Ok(None) };
    for arn in above(&format!("arn:aws:s3:::{}/{}", place.bucket, place.prefix)) {
        if let Some(found) = read.get(LOCATIONS, &account_key(account).text(&arn))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

impl Formation {
    /// Registers a location.
    pub async fn register(&self, caller: &Caller, input: LocationInput) -> Result<(), FormationError> {
        self.put_location(caller, input, false).await
    }

    /// Says something else of a registered location.
    pub async fn update_location(&self, caller: &Caller, input: LocationInput) -> Result<(), FormationError> {
        self.put_location(caller, input, true).await
    }

    async fn put_location(&self, caller: &Caller, input: LocationInput, is_there: bool) -> Result<(), FormationError> {
        check(&input.arn)?;
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        let modified_ms = self.now_ms();
        self.commit(caller, move |tx| {
            require_administrator(tx, &account, &principal, &input.arn)?;
            let arn = trimmed(&input.arn);
            let key = account_key(&account).text(&arn);
            match (tx.contains(LOCATIONS, &key)?, is_there) {
                (true, false) => return Err(FormationError::AlreadyExists { what: format!("Location {arn}") }),
                (false, true) => return Err(FormationError::not_found(format!("Location {arn}"))),
                (true, true) | (false, false) => {}
            }
            Ok(tx.put(LOCATIONS, &key, &Location { arn, input, modified_ms })?)
        })
        .await
    }

    /// Forgets a location: its data is read as whoever asks.
    pub async fn deregister(&self, caller: &Caller, arn: &str) -> Result<(), FormationError> {
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        let arn = trimmed(arn);
        self.commit(caller, move |tx| {
            require_administrator(tx, &account, &principal, &arn)?;
            let key = account_key(&account).text(&arn);
            if !tx.contains(LOCATIONS, &key)? {
                return Err(FormationError::not_found(format!("Location {arn}")));
            }
            tx.delete(LOCATIONS, &key)?;
            Ok(())
        })
        .await
    }

    /// A registered location.
    pub fn location(&self, proof: &Authorized, arn: &str) -> Result<Location, FormationError> {
        let arn = trimmed(arn);
        let found = self.snapshot()?.get(LOCATIONS, &account_key(&proof.principal().account).text(&arn))?;
        found.ok_or_else(|| FormationError::not_found(format!("Location {arn}")))
    }

    /// Up to `limit` registered locations, those behind `after`.
    pub fn locations(
        &self,
        proof: &Authorized,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Location>, FormationError> {
        page(&self.snapshot()?, LOCATIONS, &account_key(&proof.principal().account), after, limit, |_| Ok(true))
    }
}

fn require_administrator(
    read: &impl Read,
    account: &AccountId,
    principal: &tarn_policy::Principal,
    arn: &str,
) -> Result<(), FormationError> {
    match settings_in(read, account)?.is_administered_by(principal) {
        true => Ok(()),
        false => Err(FormationError::Insufficient {
            required: "data lake administrator".to_owned(),
            on: format!("location {arn}"),
        }),
    }
}
