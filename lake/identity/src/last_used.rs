//! When, where and for what each access key was last used. Noted in memory with every signed request and written now and then, so that a
//! request costs no write; a crash loses at most what was noted since. Knows nothing of signatures.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreExt, WriteError};
use tarn_runtime::{Worker, WorkerOutcome};
use tarn_types::AccountId;
use tokio::sync::Notify;

use crate::records::{ACCESS_KEYS, AccessKeyRecord, KeyOwner, LAST_USES, LastUseRecord, USERS, UserRecord, in_account};
use crate::{Identity, IdentityError};

/// Access keys whose use waits to be written. Only keys that exist are noted.
const NOTED_MAX: usize = 65_536;
/// Uses written in one transaction.
const BATCH_MAX: usize = 1_024;
/// From one writing to the next.
const WRITE_PERIOD: Duration = Duration::from_secs(60);

/// One use of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// The service, by its signing name: `s3`.
    pub service: String,
    /// The region that the request was signed for.
    pub region: String,
}

/// Whose an access key is, and its last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeyUse {
    /// The user's name and path; `None` for a key of the account's root.
    pub user: Option<(String, String)>,
    /// `None` if it was never used.
    pub last: Option<LastUse>,
}

/// What was noted since the last writing.
#[derive(Default)]
pub(crate) struct Noted {
    uses: Mutex<HashMap<String, LastUse>>,
    is_full: Notify,
}

impl Noted {
    pub(crate) fn forget(&self, id: &str) {
        self.uses.lock().remove(id);
    }
}

fn at(id: &str) -> Key {
    Key::new().text(id)
}

impl Identity {
    /// Notes a use of the access key `id`, which exists and whose signature was right. Never waits.
    pub fn note_use(&self, id: &str, at_ms: i64, service: &str, region: &str) {
        let mut uses = self.noted.uses.lock();
        if let Some(known) = uses.get_mut(id) {
            known.at_ms = known.at_ms.max(at_ms);
            for (kept, now) in [(&mut known.service, service), (&mut known.region, region)] {
                if kept != now {
                    now.clone_into(kept);
                }
            }
            return;
        }
        if uses.len() >= NOTED_MAX {
            // More keys than that in one period: the writer makes room, and this key's next use is noted.
            self.noted.is_full.notify_one();
            return;
        }
        let last = LastUse { at_ms, service: service.to_owned(), region: region.to_owned() };
        uses.insert(id.to_owned(), last);
    }

    /// Whose the access key `id` of `account` is and when it was last used; `None` if the account has no such key.
    pub fn access_key_use(&self, account: &AccountId, id: &str) -> Result<Option<AccessKeyUse>, IdentityError> {
        let snapshot = self.store.read()?;
        let Some(AccessKeyRecord { account: owner_account, owner, .. }) = snapshot.get(ACCESS_KEYS, &at(id))? else {
            return Ok(None);
        };
        if owner_account != *account {
            return Ok(None);
        }
        let user = match owner {
            KeyOwner::Root => None,
            KeyOwner::User { user_id } => {
                let Some(UserRecord { name, path, .. }) = snapshot.get(USERS, &in_account(account, &user_id))? else {
                    return Ok(None);
                };
                Some((name, path))
            }
        };
        let noted = self.noted.uses.lock().get(id).cloned();
        let last = match noted {
            Some(noted) => Some(noted),
            None => snapshot.get(LAST_USES, &at(id))?.map(|LastUseRecord { at_ms, service, region }| LastUse {
                at_ms,
                service,
                region,
            }),
        };
        Ok(Some(AccessKeyUse { user, last }))
    }

    /// `access_key_use` in the caller's account.
    pub fn get_access_key_last_used(&self, caller: &Caller, id: &str) -> Result<AccessKeyUse, IdentityError> {
        self.access_key_use(&caller.scope().account, id)?
            .ok_or_else(|| IdentityError::NoSuchAccessKey { id: id.to_owned() })
    }

    /// Writes all that was noted: now and then, and before the server stops.
    pub async fn write_last_uses(&self) -> Result<(), IdentityError> {
        loop {
            let batch: Vec<(String, LastUse)> = {
                let uses = self.noted.uses.lock();
                uses.iter().take(BATCH_MAX).map(|(id, last)| (id.clone(), last.clone())).collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            let written = batch.clone();
            self.store
                .write(move |tx| {
                    for (id, LastUse { at_ms, service, region }) in written {
                        // A key that was removed meanwhile leaves nothing behind.
                        if tx.contains(ACCESS_KEYS, &at(&id))? {
                            tx.put(LAST_USES, &at(&id), &LastUseRecord { at_ms, service, region })?;
                        }
                    }
                    Ok::<_, IdentityError>(())
                })
                .await
                .map_err(|error| match error {
                    WriteError::Refused(error) => error,
                    WriteError::Store(source) => IdentityError::Store { source },
                })?;
            let mut uses = self.noted.uses.lock();
            for (id, last) in batch {
                // Used again meanwhile: that is for the next writing.
                if uses.get(&id) == Some(&last) {
                    uses.remove(&id);
                }
            }
            if uses.len() < BATCH_MAX {
                return Ok(());
            }
        }
    }

    /// Writes in the background what was noted.
    pub fn last_use_writer(self: &Arc<Self>) -> Arc<dyn Worker> {
        Arc::new(LastUseWriter(self.clone()))
    }
}

struct LastUseWriter(Arc<Identity>);

impl fmt::Debug for LastUseWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastUseWriter")
    }
}

impl Worker for LastUseWriter {
    fn name(&self) -> String {
        "access-key-use-writer".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.0.write_last_uses().await {
                Ok(()) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            let full = self.0.noted.is_full.notified();
            tokio::select! { () = full => {}, () = tokio::time::sleep(WRITE_PERIOD) => {} }
        }
        .boxed()
    }
}
