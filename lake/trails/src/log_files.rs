//! Log files: what waits for a trail, as files in its bucket.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html>

use std::collections::BTreeMap;

use tarn_audit::{Waiting, take, waiting};
use tarn_metadata::{Key, Read, Sequence, StoreError, StoreExt, Tx};
use tarn_runtime::EntropyExt;

use crate::bundle::{File, code_of, encryption_of, hash, time};
use crate::record;
use crate::records::{CHAINS, DeliveryRecord, LOG_FILES, LogFile, STATUSES, Trail, of_trail};
use crate::{Trails, TrailsError};

/// Events of one file.
const FILE_EVENTS_MAX: usize = 1_000;
/// Bytes of the text of one file, about: one record is at most some tens of KiB.
const FILE_SIZE_BYTES_MAX: usize = 8 << 20;
/// Characters by which files of one minute are told apart.
const UNIQUE_LENGTH: usize = 16;

/// What came of a try to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// There may be more.
    Some,
    /// Nothing waits, or the first that waits is of a call that goes on.
    Nothing,
}

/// The status as it is in `tx`, changed by `with`.
pub(crate) fn change_status(
    tx: &mut Tx<'_>,
    trail: &Trail,
    with: impl FnOnce(&mut DeliveryRecord),
) -> Result<(), StoreError> {
    let mut status = tx.get(STATUSES, &of_trail(&trail.id))?.unwrap_or_default();
    with(&mut status);
    tx.put(STATUSES, &of_trail(&trail.id), &status)
}

/// What goes into one file: its text, and what of the queue is in it.
struct Contents {
    text: String,
    places: Vec<Key>,
    /// Of the oldest and the newest event; `None` if there are no events.
    times_ms: Option<(i64, i64)>,
}

/// As much of what waits as one file takes; at least one event.
fn contents(waiting: Vec<Waiting>) -> Contents {
    let (mut text, mut places, mut times_ms) = (String::from(r#"{"Records":["#), Vec::new(), None);
    for Waiting { place, event } in waiting {
        if let Some(event) = event {
            let record = record::of(&event).to_string();
            let (oldest, newest) = times_ms.unwrap_or((event.time_ms, event.time_ms));
            if times_ms.is_some() {
                if text.len() + record.len() > FILE_SIZE_BYTES_MAX {
                    break;
                }
                text.push(',');
            }
            text.push_str(&record);
            times_ms = Some((oldest.min(event.time_ms), newest.max(event.time_ms)));
        }
        places.push(place);
    }
    text.push_str("]}");
    Contents { text, places, times_ms }
}

impl Trails {
    fn log_key(&self, trail: &Trail, now_ms: i64) -> String {
        const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let random: [u8; UNIQUE_LENGTH] = self.parts().runtime.entropy.bytes();
        let letter = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied().map_or('0', char::from);
        let unique: String = random.into_iter().map(letter).collect();
        let Trail { account, region, .. } = trail;
        let (day, minute) = (time(now_ms, "%Y/%m/%d"), time(now_ms, "%Y%m%dT%H%MZ"));
        trail.file_key("CloudTrail", &format!("{day}/{account}_CloudTrail_{region}_{minute}_{unique}.json.gz"))
    }

    /// Delivers one file of what was queued for the trail by the transaction `until`. A file's own put may be an event for the trail: it
    /// is for another file.
    pub(crate) async fn deliver(&self, trail: &Trail, until: Sequence) -> Result<Delivered, TrailsError> {
        let found = self.parts().audit.answered(&trail.account, &trail.id, until, FILE_EVENTS_MAX).await?;
        if found.is_empty() {
            return Ok(Delivered::Nothing);
        }
        let Contents { text, places, times_ms } = contents(found);
        let Some((oldest_ms, newest_ms)) = times_ms else {
            // All of them are older than the audit keeps events.
            self.drop_places(places).await?;
            return Ok(Delivered::Some);
        };
        let now_ms = self.now_ms();
        let key = self.log_key(trail, now_ms);
        let (bucket, hash) = (trail.bucket.to_string(), hash(&text));
        let log = LogFile { bucket, key: key.clone(), hash, newest_ms, oldest_ms };
        let (kept, id) = (trail.clone(), trail.id);
        let beside = move |tx: &mut Tx<'_>| {
            take(tx, &places)?;
            // Only what was delivered while files are digested is signed for.
            if tx.contains(CHAINS, &of_trail(&id))? {
                tx.put(LOG_FILES, &of_trail(&id).u64(tx.sequence().0), &log)?;
            }
            change_status(tx, &kept, |status| {
                (status.delivered_ms, status.attempted_ms, status.error) = (Some(now_ms), Some(now_ms), None);
            })
        };
        let file = File { key, text, metadata: BTreeMap::new(), encryption: encryption_of(trail) };
        match self.put(trail, file, beside).await {
            Ok(()) => Ok(Delivered::Some),
            Err(error) => {
                let (kept, code) = (trail.clone(), code_of(&error));
                let noted = self.parts().store.write(move |tx| {
                    change_status(tx, &kept, |status| {
                        (status.attempted_ms, status.error) = (Some(now_ms), Some(code.to_owned()));
                    })?;
                    Ok::<_, TrailsError>(())
                });
                noted.await?;
                Err(error)
            }
        }
    }

    async fn drop_places(&self, places: Vec<Key>) -> Result<(), TrailsError> {
        let dropped = self.parts().store.write(move |tx| Ok::<_, TrailsError>(take(tx, &places)?));
        Ok(dropped.await?)
    }

    /// Drops one batch of what waits for a trail that is gone, and whose bucket takes no more.
    pub(crate) async fn discard(&self, trail: &Trail) -> Result<Delivered, TrailsError> {
        let snapshot = self.snapshot()?;
        let found = waiting(&snapshot, &trail.account, &trail.id, snapshot.sequence(), FILE_EVENTS_MAX)?;
        if found.is_empty() {
            return Ok(Delivered::Nothing);
        }
        self.drop_places(found.into_iter().map(|waiting| waiting.place).collect()).await?;
        Ok(Delivered::Some)
    }
}
