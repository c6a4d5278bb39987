//! What fuzzers and property tests feed bytes to: each probe reads arbitrary bytes as one thing that callers bring, and panics where what
//! comes of them breaks a rule; it tells whether they were such a thing at all. The targets are in `fuzz/`.

use std::sync::{Arc, OnceLock};

use futures::executor::block_on;
use tarn_metadata::MemoryStore;
use tarn_policy::Authorized;
use tarn_runtime::{Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};

use crate::Keys;
use crate::kms::{Cipher, DAY_MS, EncryptionContext, Kms, KmsError};

/// Probes by their names, which their targets and folders of seeds have, too.
pub const ALL: [(&str, fn(&[u8]) -> bool); 2] = [("kms_blob", kms_blob), ("grant_token", grant_token)];

const PLAIN: &[u8] = b"what nobody else reads";

/// A lake with one key, and what was encrypted under it.
struct Lake {
    kms: Kms,
    proof: Authorized,
    scope: Scope,
    blob: Vec<u8>,
}

fn lake() -> Option<&'static Lake> {
    static LAKE: OnceLock<Option<Lake>> = OnceLock::new();
    LAKE.get_or_init(|| {
        let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 7);
        let keys = Arc::new(Keys::ephemeral(&runtime).ok()?);
        let kms = Kms::new(Arc::new(MemoryStore::new()), keys, runtime, DAY_MS, None, None);
        let scope = Scope { account: AccountId::first(), region: Region::us_east_1() };
        let key = block_on(kms.managed_key(&scope, "s3")).ok()?.arn().to_string();
        let proof = Authorized::internal("fuzz", AccountId::first());
        let context = EncryptionContext::default();
        let sealed = kms.encrypt(&proof, &scope, &key, PLAIN, Cipher::symmetric(&context)).ok()?;
        Some(Lake { kms, proof, scope, blob: sealed.blob })
    })
    .as_ref()
}

/// A ciphertext: the bytes as they are, and laid over one that opens. What opens is what was encrypted, and only where nothing was changed.
pub fn kms_blob(bytes: &[u8]) -> bool {
    let Some(lake) = lake() else { return false };
    let context = EncryptionContext::default();
    let open = |blob: &[u8]| lake.kms.decrypt(&lake.proof, &lake.scope, None, blob, Cipher::symmetric(&context));
    let mut laid = lake.blob.clone();
    laid.iter_mut().zip(bytes).for_each(|(byte, over)| *byte ^= over);
    let cut = laid.len().min(bytes.len());
    for blob in [bytes, &laid, &laid[..cut]] {
        match open(blob) {
            Ok(opened) => assert!(blob == lake.blob && opened.plaintext.expose() == PLAIN, "{blob:?} opened"),
            Err(KmsError::Keys(error)) => panic!("{blob:?}: {error}"),
            Err(_) => assert!(blob != lake.blob, "what was encrypted does not open"),
        }
    }
    lake.kms.key_of(&lake.scope, bytes).is_some()
}

/// A grant's token: one that is taken is written again as it was.
pub fn grant_token(bytes: &[u8]) -> bool {
    let (Some(lake), Ok(text)) = (lake(), std::str::from_utf8(bytes)) else { return false };
    lake.kms.check_grant_tokens(&[text.to_owned()]).is_ok()
}
