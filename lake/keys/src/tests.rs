//! The promises of keys: what is sealed opens only whole, only in its place, only for its context, only with its root key.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use proptest::prelude::*;
use tarn_metadata::{Key, MemoryStore, StoreError, StoreExt};
use tarn_runtime::{Runtime, SystemEntropy, Timestamp};

use crate::*;

fn runtime(seed: u64) -> Runtime {
    Runtime::fixed(Timestamp::UNIX_EPOCH, seed).0
}

fn keys() -> Keys {
    Keys::ephemeral(&runtime(1)).expect("keys")
}

fn part_key() -> PartKey {
    let (key, _) = keys().data_key(&KeyContext::new("test")).expect("data key");
    key.part(1, [7; 16]).expect("part key")
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn seal(key: &PartKey, plain: &[u8], piece: usize) -> Vec<u8> {
    let mut writer = SealWriter::new(key.clone());
    let mut out = Vec::new();
    for piece in plain.chunks(piece.max(1)) {
        out.extend_from_slice(&writer.push(piece).expect("push"));
    }
    out.extend_from_slice(&writer.finish().expect("finish"));
    out
}

fn open(key: &PartKey, sealed: &[u8], range: Range<u64>, piece: usize) -> Result<Vec<u8>, KeysError> {
    open_fetched(key, sealed, sealed.len() as u64, range, piece)
}

/// Opens what a store gives back, which may be shorter than it should be.
fn open_fetched(
    key: &PartKey,
    stored: &[u8],
    sealed_bytes: u64,
    range: Range<u64>,
    piece: usize,
) -> Result<Vec<u8>, KeysError> {
    let (fetch, mut opener) = open_range(key.clone(), sealed_bytes, range)?;
    let end = (fetch.end as usize).min(stored.len());
    let mut out = Vec::new();
    for piece in stored[(fetch.start as usize).min(end)..end].chunks(piece.max(1)) {
        out.extend_from_slice(&opener.push(piece)?);
    }
    opener.finish()?;
    Ok(out)
}

#[test]
fn lengths_are_known() {
    fn check(plain_bytes: u64, sealed_bytes: u64) {
        assert_eq!(sealed_len(plain_bytes), sealed_bytes, "{plain_bytes}");
        assert_eq!(plain_len(sealed_bytes).ok(), Some(plain_bytes), "{sealed_bytes}");
    }
    check(0, 16);
    check(1, 17);
    check(65_535, 65_551);
    check(65_536, 65_552);
    check(65_537, 65_569);
    check(131_072, 131_104);
    check(5 << 40, (5 << 40) + 83_886_080 * 16);
    for bad in [0, 15, 65_553, 65_567, 65_568, 131_105] {
        assert!(plain_len(bad).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_range_opens_to_its_bytes(len in prop_oneof![0usize..300, 65_500..65_600usize, 131_000..131_200usize, 0..400_000usize], a: u32, b: u32, pieces in (1usize..200_000, 1usize..200_000)) {
        let key = part_key();
        let plain = plain(len);
        let sealed = seal(&key, &plain, pieces.0);
        prop_assert_eq!(sealed.len() as u64, sealed_len(len as u64));
        let (a, b) = (a as usize % (len + 1), b as usize % (len + 1));
        let (a, b) = (a.min(b), a.max(b));
        prop_assert_eq!(open(&key, &sealed, a as u64..b as u64, pieces.1).expect("open"), &plain[a..b]);
        prop_assert_eq!(open(&key, &sealed, 0..len as u64, pieces.1).expect("open"), plain);
    }

    #[test]
    fn a_cut_is_seen(len in 0usize..200_000, cut in 1usize..200_000) {
        let key = part_key();
        let sealed = seal(&key, &plain(len), usize::MAX);
        let left = sealed.len().saturating_sub(cut);
        // The length of the cut bytes tells it, or the chunk that is now last.
        if let Ok(now) = plain_len(left as u64) {
            prop_assert!(open(&key, &sealed[..left], 0..now, usize::MAX).is_err());
        }
        prop_assert!(open_fetched(&key, &sealed[..left], sealed.len() as u64, 0..len as u64, 1000).is_err());
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let key = part_key();
    let sealed = seal(&key, &plain(40), 7);
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&key, &flipped, 0..40, 64).is_err(), "bit {bit}");
    }
}

#[test]
fn chunks_do_not_move_nor_end_early() {
    let key = part_key();
    let sealed = seal(&key, &plain(3 * CHUNK_BYTES), usize::MAX);
    let chunk = |n: usize| &sealed[n * SEALED_CHUNK_BYTES..(n + 1) * SEALED_CHUNK_BYTES];
    let whole = |chunks: &[&[u8]]| {
        let bytes = chunks.concat();
        let len = plain_len(bytes.len() as u64).expect("a legal length");
        open(&key, &bytes, 0..len, usize::MAX).is_ok()
    };
    assert!(whole(&[chunk(0), chunk(1), chunk(2)]));
    assert!(!whole(&[chunk(1), chunk(0), chunk(2)]), "reordered");
    assert!(!whole(&[chunk(0), chunk(0), chunk(2)]), "repeated");
    assert!(!whole(&[chunk(0), chunk(1)]), "cut at a chunk's border");
    assert!(!whole(&[chunk(0), chunk(1), chunk(2), chunk(2)]), "extended");
    assert!(key.open_chunk(2, false, chunk(2)).is_err(), "the last taken for another");
    assert!(key.open_chunk(0, false, &chunk(0)[..10]).is_err(), "shorter than a tag");
    assert!(key.seal_chunk(0, true, &plain(CHUNK_BYTES + 1)).is_err());
}

#[test]
fn a_part_opens_with_its_own_key_only() {
    let context = KeyContext::new("test").part(b"v");
    let keys = keys();
    let (key, sealed_key) = keys.data_key(&context).expect("data key");
    let sealed = seal(&key.part(1, [7; 16]).expect("part"), b"zone", 1);
    let opened = keys.open_data_key(&sealed_key, &context).expect("open");
    let check = |key: &DataKey, part, version, good: bool| {
        assert_eq!(
            open(&key.part(part, version).expect("part"), &sealed, 0..4, 9).ok(),
            good.then(|| b"zone".to_vec())
        );
    };
    check(&opened, 1, [7; 16], true);
    check(&opened, 2, [7; 16], false);
    check(&opened, 1, [8; 16], false);
    check(&keys.data_key(&context).expect("another").0, 1, [7; 16], false);

    let tag = key.authenticate("parts", b"3 parts").expect("tag");
    assert!(opened.verify("parts", b"3 parts", &tag).is_ok());
    assert!(opened.verify("parts", b"4 parts", &tag).is_err());
    assert!(opened.verify("other", b"3 parts", &tag).is_err());
}

#[test]
fn sealed_keys_open_for_their_context_and_root_only() {
    let keys = keys();
    let context = KeyContext::new("iam").part(b"ab").part(b"c");
    let (_, data_key) = keys.data_key(&context).expect("data key");
    let secret = keys.seal_secret(b"wJalrXUtnFEMI", &context).expect("secret");
    assert_eq!(keys.open_secret(&secret, &context).expect("open").expose(), b"wJalrXUtnFEMI");
    for other in [
        KeyContext::new("iam").part(b"a").part(b"bc"),
        KeyContext::new("iam"),
        KeyContext::new("sts").part(b"ab").part(b"c"),
    ] {
        assert!(matches!(keys.open_secret(&secret, &other), Err(KeysError::NotAuthentic { .. })));
        assert!(matches!(keys.open_data_key(&data_key, &other), Err(KeysError::NotAuthentic { .. })));
    }
    let other = Keys::ephemeral(&runtime(2)).expect("keys");
    assert!(matches!(other.open_secret(&secret, &context), Err(KeysError::RootKeyUnknown { .. })));

    let (before, mut bytes) = (tarn_bytes(&secret), tarn_bytes(&secret));
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(flipped) = serde_json::from_slice::<SealedSecret>(&bytes) {
            assert!(flipped == secret || keys.open_secret(&flipped, &context).is_err(), "bit {bit}");
        }
        bytes[bit / 8] = before[bit / 8];
    }
}

fn tarn_bytes(secret: &SealedSecret) -> Vec<u8> {
    serde_json::to_vec(secret).expect("json")
}

#[test]
fn nothing_secret_is_printed_or_repeated() {
    let keys = Keys::ephemeral(&Runtime { entropy: std::sync::Arc::new(SystemEntropy), ..runtime(1) }).expect("keys");
    let context = KeyContext::new("iam");
    let (one, two) =
        (keys.seal_secret(b"planted", &context).expect("one"), keys.seal_secret(b"planted", &context).expect("two"));
    assert!(one != two, "every sealing differs");
    let (data_key, sealed) = keys.data_key(&context).expect("data key");
    let shown = format!(
        "{keys:?} {one:?} {data_key:?} {sealed:?} {:?} {:?}",
        keys.open_secret(&one, &context),
        data_key.part(0, [0; 16])
    );
    assert!(!shown.contains("planted") && !shown.contains(&format!("{:?}", b"planted")), "{shown}");
    assert!(!tarn_bytes(&one).windows(7).any(|bytes| bytes == b"planted"));
}

#[tokio::test]
async fn streams_seal_and_open() {
    let key = part_key();
    let plain = plain(200_000);
    let pieces = stream::iter(
        plain.chunks(777).map(|piece| Ok::<_, KeysError>(Bytes::copy_from_slice(piece))).collect::<Vec<_>>(),
    );
    let sealed: Vec<Bytes> = seal_stream(key.clone(), pieces).map(|piece| piece.expect("sealed")).collect().await;
    let sealed = sealed.concat();
    let (fetch, opener) = open_range(key.clone(), sealed.len() as u64, 70_000..190_000).expect("range");
    let fetched = Bytes::copy_from_slice(&sealed[fetch.start as usize..fetch.end as usize]);
    let halves = [fetched.slice(..100), fetched.slice(100..)];
    let opened: Vec<Bytes> = open_stream(opener, stream::iter(halves.clone().map(Ok::<_, KeysError>)))
        .map(|piece| piece.expect("opened"))
        .collect()
        .await;
    assert_eq!(opened.concat(), &plain[70_000..190_000]);

    let (_, opener) = open_range(key, sealed.len() as u64, 70_000..190_000).expect("range");
    let [first, _] = halves;
    let cut: Vec<_> = open_stream(opener, stream::iter([Ok::<_, KeysError>(first)])).collect().await;
    assert!(matches!(cut.last(), Some(Err(KeysError::NotAuthentic { .. }))), "a stream that ends early is an error");
}

#[tokio::test]
async fn the_root_key_is_kept_and_checked() {
    let dir = tempfile::tempdir().expect("dir");
    let (custody, store, context) = (dir.path().join("data/custody"), MemoryStore::new(), KeyContext::new("iam"));
    let file = custody.join("root.key");
    let keys = Keys::open_or_create(&custody, &store, &runtime(1)).await.expect("first start");
    let secret = keys.seal_secret(b"kept", &context).expect("seal");
    assert_eq!(file.metadata().expect("file").permissions().mode() & 0o777, 0o600);

    let again = Keys::open_or_create(&custody, &store, &runtime(9)).await.expect("second start");
    assert_eq!(again.open_secret(&secret, &context).expect("open").expose(), b"kept");
    // A start cut short between file and store is completed by the next.
    let adopted = Keys::open_or_create(&custody, &MemoryStore::new(), &runtime(9)).await.expect("adopt");
    assert_eq!(adopted.root_key_id(), keys.root_key_id());

    let good = std::fs::read_to_string(&file).expect("read");
    let other =
        Keys::open_or_create(&dir.path().join("other"), &MemoryStore::new(), &runtime(2)).await.expect("other lake");
    assert_ne!(other.root_key_id(), keys.root_key_id());
    let other = std::fs::read_to_string(dir.path().join("other/root.key")).expect("read");
    for (text, expected) in [
        (other.as_str(), "is not the one that sealed this lake"),
        ("", "first word"),
        ("tarn-root-key-1 abc\n", "64 hexadecimal"),
    ] {
        std::fs::write(&file, text).expect("write");
        let error = Keys::open_or_create(&custody, &store, &runtime(1)).await.expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    std::fs::write(&file, good).expect("write");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let error = Keys::open_or_create(&custody, &store, &runtime(1)).await.expect_err("refused").to_string();
    assert!(error.contains("chmod 600"), "{error}");
    std::fs::remove_file(&file).expect("remove");
    let error = Keys::open_or_create(&custody, &store, &runtime(1)).await.expect_err("refused").to_string();
    assert!(error.contains("missing") && error.contains("backup"), "{error}");
    assert!(!file.exists(), "no new key in place of a lost one");
}

/// The seeds of a probe.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).expect("a seed")).collect()
}

#[test]
fn seeds_keep_the_rules_of_the_probes() {
    for (name, probe) in crate::probes::ALL {
        let read = seeds(name).iter().filter(|seed| probe(seed)).count();
        // A probe that reads nothing proves nothing.
        assert!([("kms_blob", 1), ("grant_token", 1)].contains(&(name, read)), "{name}: {read}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_keep_the_rules_of_the_probes(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        for (name, probe) in crate::probes::ALL {
            probe(&bytes);
            let seeds = seeds(name);
            let mut mangled = which.get::<Vec<u8>>(&seeds).clone();
            let at = at.index(mangled.len());
            mangled.splice(at..at, bytes.iter().copied().take(4));
            probe(&mangled);
        }
    }
}

/// A keeper that can be told to refuse.
struct Keeper(std::sync::atomic::AtomicBool);

impl RootKeyKeeper for Keeper {
    fn name(&self) -> &'static str {
        "keeper"
    }

    fn wrap<'a>(&'a self, key: &'a Secret) -> futures::future::BoxFuture<'a, Result<Vec<u8>, String>> {
        let wrapped = key.expose().iter().map(|byte| byte ^ 0x5a).collect();
        Box::pin(async move { Ok(wrapped) })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> futures::future::BoxFuture<'a, Result<Secret, String>> {
        Box::pin(async move {
            match self.0.load(std::sync::atomic::Ordering::Relaxed) {
                true => Err("not today".to_owned()),
                false => Ok(Secret::new(wrapped.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>())),
            }
        })
    }
}

#[tokio::test]
async fn the_root_key_has_keepers_and_moves_between_them() {
    let dir = tempfile::tempdir().expect("dir");
    let (folder, store, context) = (dir.path().join("keys"), MemoryStore::new(), KeyContext::new("iam"));
    let keeper = Arc::new(Keeper(false.into()));
    let passphrase = |text: &str| Custody::Passphrase(Secret::new(text));
    let custodies = [Custody::File, passphrase("twelve characters"), Custody::Keeper(keeper.clone()), Custody::File];
    let first = Keys::open_or_create_by(&custodies[0], &folder, &store, &runtime(1)).await.expect("first start");
    let (secret, derived) =
        (first.seal_secret(b"kept", &context).expect("seal"), first.derived_secret::<32>(&context).expect("derive"));
    let mut before = first.root_key_id();
    for (number, pair) in custodies.windows(2).enumerate() {
        let [from, to] = pair else { panic!("two") };
        let rotated =
            Keys::rotate_root(from, to, &folder, &store, &runtime(10 + number as u64)).await.expect("rotated");
        assert_eq!(rotated.before, before);
        before = rotated.after;
        let keys = Keys::open(to, &folder, &store, &runtime(2)).await.expect("opened");
        assert_eq!(keys.root_key_id(), rotated.after);
        assert_eq!(keys.open_secret(&secret, &context).expect("open").expose(), b"kept");
        assert_eq!(keys.derived_secret::<32>(&context).expect("derive"), derived);
        if from.name() != to.name() {
            let error = Keys::open(from, &folder, &store, &runtime(2)).await.expect_err("another custody").to_string();
            assert!(error.contains("custody"), "{error}");
        }
        let check = async |custody: &Custody, words: &str| {
            let error = Keys::open(custody, &folder, &store, &runtime(2)).await.expect_err("refused").to_string();
            assert!(error.contains(words), "{error}");
        };
        match to {
            Custody::File => {}
            Custody::Passphrase(_) => check(&passphrase("another passphrase"), "does not open").await,
            Custody::Keeper(_) => {
                keeper.0.store(true, std::sync::atomic::Ordering::Relaxed);
                check(to, "not today").await;
                keeper.0.store(false, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }
    let short = Keys::rotate_root(&Custody::File, &passphrase("short"), &folder, &store, &runtime(3)).await;
    assert!(matches!(short, Err(KeysError::PassphraseShort { chars: 5, .. })));
    assert_eq!(Keys::open(&Custody::File, &folder, &store, &runtime(2)).await.expect("opened").root_key_id(), before);
}

#[tokio::test]
async fn a_rotation_that_is_cut_short_is_ended_by_the_next_start() {
    let dir = tempfile::tempdir().expect("dir");
    let (folder, store) = (dir.path().join("keys"), MemoryStore::new());
    let (current, next) = (folder.join("root.key"), folder.join("root.key.next"));
    let keys = Keys::open_or_create(&folder, &store, &runtime(1)).await.expect("first start");
    let old = std::fs::read(&current).expect("read");
    let passphrase = Custody::Passphrase(Secret::new("twelve characters"));
    let file = Custody::File;
    // Before the commit: another key lies ready, which the store does not know.
    let other = dir.path().join("other");
    Keys::open_or_create_by(&passphrase, &other, &MemoryStore::new(), &runtime(2)).await.expect("another");
    std::fs::copy(other.join("root.key"), &next).expect("copy");
    let opened = Keys::open(&file, &folder, &store, &runtime(1)).await.expect("opened");
    assert_eq!(opened.root_key_id(), keys.root_key_id());
    assert!(!next.exists(), "what came to nothing is gone");
    // After the commit, before the file is in place.
    let rotated = Keys::rotate_root(&file, &passphrase, &folder, &store, &runtime(3)).await.expect("rotated");
    std::fs::rename(&current, &next).expect("rename");
    std::fs::write(&current, &old).expect("write");
    std::fs::set_permissions(&current, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    let error = Keys::open(&file, &folder, &store, &runtime(1)).await.expect_err("the old configuration").to_string();
    assert!(error.contains("was rotated"), "{error}");
    let opened = Keys::open(&passphrase, &folder, &store, &runtime(1)).await.expect("opened");
    assert_eq!(opened.root_key_id(), rotated.after);
    assert!(!next.exists() && std::fs::read(&current).expect("read") != old);
}

/// A lake that was made when its root key sealed everything itself.
#[tokio::test]
async fn a_lake_without_a_lakes_key_gets_one_by_rotation() {
    let dir = tempfile::tempdir().expect("dir");
    let (folder, store, context) = (dir.path().join("keys"), MemoryStore::new(), KeyContext::new("iam"));
    Keys::open_or_create(&folder, &store, &runtime(1)).await.expect("first start");
    let put = store.write(|tx| {
        let at = Key::new().text("current");
        let record = tarn_metadata::Read::get(tx, ROOT_KEYS, &at)?.expect("a record");
        tx.put(ROOT_KEYS, &at, &RootKeyRecord { lake_key: None, ..record })?;
        Ok::<_, StoreError>(())
    });
    put.await.expect("put");
    let keys = Keys::open_or_create(&folder, &store, &runtime(1)).await.expect("opened");
    let secret = keys.seal_secret(b"kept", &context).expect("seal");
    let rotated =
        Keys::rotate_root(&Custody::File, &Custody::File, &folder, &store, &runtime(2)).await.expect("rotated");
    assert_ne!(rotated.after, rotated.before);
    let keys = Keys::open_or_create(&folder, &store, &runtime(1)).await.expect("opened");
    assert_eq!(
        (keys.root_key_id(), keys.open_secret(&secret, &context).expect("open").expose()),
        (rotated.after, &b"kept"[..])
    );
}

#[test]
fn a_record_of_version_1_is_read() {
    let stored = [&[0, 1][..], &[7; 8], &[9; 32]].concat();
    let read = tarn_metadata::decode_record::<RootKeyRecord>(&stored).expect("read");
    assert_eq!(read, RootKeyRecord { id: [7; 8], check_value: [9; 32], lake_key: None });
    let written = tarn_metadata::encode_record(&read).expect("written");
    assert_eq!(written, [&[0, 2][..], &[7; 8], &[9; 32], &[0]].concat());
}
