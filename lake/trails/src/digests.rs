//! Digests: what log files were delivered since the digest before, signed together with that digest's own signature.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tarn_metadata::{Key, Read, StoreExt, Tx};
use tarn_objects::EncryptionRequest;

use crate::bundle::{File, code_of, hash, iso, time};
use crate::log_files::change_status;
use crate::records::{CHAINS, Chain, ChainLink, LOG_FILES, LogFile, Trail, of_trail};
use crate::{Trails, TrailsError};

/// Log files that one digest names; more wait for the next.
const DIGEST_FILES_MAX: usize = 10_000;
const SIGNATURE_ALGORITHM: &str = "SHA256withRSA";
const HASH_ALGORITHM: &str = "SHA-256";

/// One digest's text, all but its place in the chain.
fn text_of(trail: &Trail, chain: &Chain, end_ms: i64, key: &str, fingerprint: &str, files: &[LogFile]) -> String {
    let previous = chain.previous.as_ref();
    let logs = files.iter().map(|file| {
        json!({
            "s3Bucket": file.bucket, "s3Object": file.key, "hashValue": file.hash, "hashAlgorithm": HASH_ALGORITHM,
            "newestEventTime": iso(file.newest_ms), "oldestEventTime": iso(file.oldest_ms),
        })
    });
    json!({
        "awsAccountId": trail.account.as_str(),
        "digestStartTime": iso(chain.start_ms),
        "digestEndTime": iso(end_ms),
        "digestS3Bucket": trail.bucket.as_str(),
        "digestS3Object": key,
        "digestPublicKeyFingerprint": fingerprint,
        "digestSignatureAlgorithm": SIGNATURE_ALGORITHM,
        "newestEventTime": files.iter().map(|file| file.newest_ms).max().map(iso),
        "oldestEventTime": files.iter().map(|file| file.oldest_ms).min().map(iso),
        "previousDigestS3Bucket": previous.map(|link| &link.bucket),
        "previousDigestS3Object": previous.map(|link| &link.key),
        "previousDigestHashValue": previous.map(|link| &link.hash),
        "previousDigestHashAlgorithm": previous.map(|_| HASH_ALGORITHM),
        "previousDigestSignature": previous.map(|link| &link.signature),
        "logFiles": logs.collect::<Vec<Json>>(),
    })
    .to_string()
}

fn digest_key(trail: &Trail, end_ms: i64) -> String {
    let Trail { account, region, name, .. } = trail;
    let (day, second) = (time(end_ms, "%Y/%m/%d"), time(end_ms, "%Y%m%dT%H%M%SZ"));
    // The region of the events and the region of the trail: here they are one.
    let file = format!("{day}/{account}_CloudTrail-Digest_{region}_{name}_{region}_{second}.json.gz");
    trail.file_key("CloudTrail-Digest", &file)
}

impl Trails {
    /// Where the trail's next digest ends, if it is due. A digest ends a whole number of periods after it begins: what was missed while
    /// the server was down is one digest. The last digest of a chain ends now.
    pub(crate) fn due_digest(&self, trail: &Trail) -> Result<Option<(Chain, i64)>, TrailsError> {
        let Some(chain) = self.snapshot()?.get(CHAINS, &of_trail(&trail.id))? else { return Ok(None) };
        let now_ms = self.now_ms().div_euclid(1_000) * 1_000;
        let period_ms = i64::try_from(self.parts().options.digest_period.as_millis()).unwrap_or(i64::MAX).max(1_000);
        let periods = (now_ms - chain.start_ms).div_euclid(period_ms);
        let end_ms = if chain.is_ending { now_ms } else { chain.start_ms + periods.saturating_mul(period_ms) };
        Ok((end_ms > chain.start_ms).then_some((chain, end_ms)))
    }

    /// Delivers the trail's next digest, from the chain's place to `end_ms`.
    pub(crate) async fn digest(&self, trail: &Trail, chain: Chain, end_ms: i64) -> Result<(), TrailsError> {
        let signer = self.signer().await?;
        let snapshot = self.snapshot()?;
        let files = snapshot.prefix(LOG_FILES, &of_trail(&trail.id)).take(DIGEST_FILES_MAX);
        let files: Vec<(Key, LogFile)> = files.collect::<Result<_, _>>()?;
        let (places, files): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let key = digest_key(trail, end_ms);
        let text = text_of(trail, &chain, end_ms, &key, &signer.fingerprint, &files);
        let hash = hash(&text);
        let before = chain.previous.as_ref().map_or("null", |link| &link.signature);
        let signature = signer.sign(&format!("{}\n{}/{key}\n{hash}\n{before}", iso(end_ms), trail.bucket))?;
        let metadata = BTreeMap::from([
            ("signature".to_owned(), signature.clone()),
            ("signature-algorithm".to_owned(), SIGNATURE_ALGORITHM.to_owned()),
        ]);
        let link = ChainLink { bucket: trail.bucket.to_string(), key: key.clone(), hash, signature };
        let (kept, now_ms, was_ending) = (trail.clone(), self.now_ms(), chain.is_ending);
        let beside = move |tx: &mut Tx<'_>| {
            places.iter().try_for_each(|place| tx.delete(LOG_FILES, place))?;
            let at = of_trail(&kept.id);
            // It may have been told to end, or to begin anew, since.
            if let Some(chain) = tx.get(CHAINS, &at)? {
                // Only a digest that was made as the last one ends it: one of a period does not reach to the end.
                match (was_ending && chain.is_ending, chain.restart_ms) {
                    (false, _) => {
                        tx.put(CHAINS, &at, &Chain { start_ms: end_ms, previous: Some(link.clone()), ..chain })?;
                    }
                    (true, None) => tx.delete(CHAINS, &at)?,
                    (true, Some(restart_ms)) => {
                        // Two digests of one second would have one key.
                        let start_ms = restart_ms.max(end_ms);
                        let next = Chain { start_ms, previous: None, is_ending: false, restart_ms: None };
                        tx.put(CHAINS, &at, &next)?;
                    }
                }
            }
            change_status(tx, &kept, |status| (status.digested_ms, status.digest_error) = (Some(now_ms), None))
        };
        let file = File { key, text, metadata, encryption: EncryptionRequest::Lake };
        let Err(error) = self.put(trail, file, beside).await else { return Ok(()) };
        let (kept, code) = (trail.clone(), code_of(&error));
        let noted = self.parts().store.write(move |tx| {
            change_status(tx, &kept, |status| status.digest_error = Some(code.to_owned()))?;
            Ok::<_, TrailsError>(())
        });
        noted.await?;
        Err(error)
    }
}
