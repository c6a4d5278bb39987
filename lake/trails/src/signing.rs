//! The keys that digests are signed with: RSA of 2,048 bits, made when one is needed, sealed under the lake's root key, in use for a
//! while and listed for ever. Knows nothing of digests.

use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use sha2::{Digest, Sha256};
use tarn_audit::{EventDraft, Outcome, TRAIL_SERVICE};
use tarn_keys::{KeyContext, Secret};
use tarn_metadata::{Key, Read, StoreExt};
use tarn_policy::{Authorized, Principal};
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Scope};

use crate::records::{SIGNING_KEYS, SigningKeyRecord};
use crate::{Trails, TrailsError};

/// How long a key signs, milliseconds: a month.
const VALID_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// Keys of one page.
pub const PUBLIC_KEYS_PAGE_COUNT_MAX: usize = 100;
/// Bytes of a fingerprint, as long as AWS's.
const FINGERPRINT_BYTES: usize = 16;

/// A key that digests can be checked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Names it.
    pub fingerprint: String,
    /// DER, PKCS #1.
    pub value: Vec<u8>,
    /// Signs from here, milliseconds since 1970.
    pub from_ms: i64,
    /// Signs until here, milliseconds since 1970.
    pub to_ms: i64,
}

/// An opened key.
pub(crate) struct Signer {
    pub(crate) fingerprint: String,
    to_ms: i64,
    pair: KeyPair,
}

impl Signer {
    /// The signature of `text` in hexadecimal: PKCS #1 v1.5 over SHA-256.
    pub(crate) fn sign(&self, text: &str) -> Result<String, TrailsError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| TrailsError::Cryptography { doing: "signing a digest" })?;
        Ok(hex::encode(signature))
    }
}

fn at(record: &SigningKeyRecord) -> Key {
    Key::new().u64(u64::try_from(record.from_ms).unwrap_or(0)).text(&record.fingerprint)
}

fn context(fingerprint: &str) -> KeyContext {
    KeyContext::new("trails.signing-key").part(fingerprint.as_bytes())
}

impl Trails {
    /// The key that signs now; made if there is none, or if the last one's time is over.
    pub(crate) async fn signer(&self) -> Result<Arc<Signer>, TrailsError> {
        let now_ms = self.now_ms();
        if let Some(signer) = self.0.signer.lock().as_ref()
            && now_ms < signer.to_ms
        {
            return Ok(signer.clone());
        }
        let newest = self.snapshot()?.prefix_reverse(SIGNING_KEYS, &Key::new()).next().transpose()?;
        let record = match newest.map(|(_, record)| record).filter(|record| now_ms < record.to_ms) {
            Some(record) => record,
            None => self.make_key(now_ms).await?,
        };
        let SigningKeyRecord { fingerprint, private, to_ms, .. } = record;
        let private = self.parts().keys.open_secret(&private, &context(&fingerprint))?;
        let pair = KeyPair::from_pkcs8(private.expose())
            .map_err(|_| TrailsError::Cryptography { doing: "reading the key of the digests" })?;
        let signer = Arc::new(Signer { fingerprint, to_ms, pair });
        *self.0.signer.lock() = Some(signer.clone());
        Ok(signer)
    }

    async fn make_key(&self, now_ms: i64) -> Result<SigningKeyRecord, TrailsError> {
        let failed = || TrailsError::Cryptography { doing: "making a key for the digests" };
        let make = || {
            let pair = KeyPair::generate(KeySize::Rsa2048)?;
            let private = Secret::new(pair.as_der()?.as_ref());
            Ok::<_, aws_lc_rs::error::Unspecified>((pair.public_key().as_ref().to_vec(), private))
        };
        // Looking for primes takes its time.
        let made = tokio::task::spawn_blocking(make).await.map_err(|_| TrailsError::Stopping)?;
        let (public, private) = made.map_err(|_| failed())?;
        let digest = Sha256::digest(&public);
        let fingerprint = hex::encode(digest.get(..FINGERPRINT_BYTES).unwrap_or_default());
        let private = self.parts().keys.seal_secret(private.expose(), &context(&fingerprint))?;
        let record = SigningKeyRecord { fingerprint, public, private, from_ms: now_ms, to_ms: now_ms + VALID_MS };
        let (kept, event) = (record.clone(), self.key_event(&record).into_event(Outcome::Success));
        let written = self.parts().store.write(move |tx| {
            tx.put(SIGNING_KEYS, &at(&kept), &kept)?;
            event.record(tx)?;
            Ok::<_, TrailsError>(())
        });
        written.await?;
        Ok(record)
    }

    /// The audit record of a new key: the server's own work.
    fn key_event(&self, record: &SigningKeyRecord) -> EventDraft {
        let parts = self.parts();
        let scope = Scope { account: AccountId::first(), region: parts.region.clone() };
        EventDraft {
            id: parts.runtime.entropy.bytes(),
            request_id: parts.runtime.entropy.uuid().to_string(),
            time_ms: self.now_ms(),
            event_source: TRAIL_SERVICE.to_owned(),
            event_name: "CreateDigestKey".to_owned(),
            read_only: false,
            management: true,
            principal: Principal::service(scope.account.clone(), TRAIL_SERVICE),
            scope,
            source_ip: TRAIL_SERVICE.to_owned(),
            user_agent: TRAIL_SERVICE.to_owned(),
            request_parameters: serde_json::json!({ "fingerprint": record.fingerprint }).to_string(),
            resources: Vec::new(),
        }
    }

    /// The keys that signed at some moment of a time range, oldest first: after the fingerprint `after`, at most a page; and whether that
    /// was all. Without a beginning or an end, now.
    pub fn public_keys(
        &self,
        _proof: &Authorized,
        from_ms: Option<i64>,
        to_ms: Option<i64>,
        after: Option<&str>,
    ) -> Result<(Vec<PublicKey>, bool), TrailsError> {
        let now_ms = self.now_ms();
        let (from_ms, to_ms) = (from_ms.unwrap_or(now_ms), to_ms.unwrap_or(now_ms));
        if from_ms > to_ms {
            return Err(TrailsError::InvalidTimeRange);
        }
        let mut keys = Vec::new();
        for item in self.snapshot()?.prefix(SIGNING_KEYS, &Key::new()) {
            let SigningKeyRecord { fingerprint, public, from_ms: valid_from, to_ms: valid_to, .. } = item?.1;
            if valid_from <= to_ms && from_ms <= valid_to {
                keys.push(PublicKey { fingerprint, value: public, from_ms: valid_from, to_ms: valid_to });
            }
        }
        let begin = match after {
            None => 0,
            Some(after) => keys.iter().position(|key| key.fingerprint == after).ok_or(TrailsError::InvalidToken)? + 1,
        };
        let page: Vec<_> = keys.iter().skip(begin).take(PUBLIC_KEYS_PAGE_COUNT_MAX).cloned().collect();
        let is_all = begin + page.len() == keys.len();
        Ok((page, is_all))
    }
}
