//! The promises of spilled files: what was written comes back, while it is written and after, or an error does; nothing is in the clear.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt;

use futures::{FutureExt, StreamExt};
use proptest::prelude::*;
use tarn_runtime::Timestamp;

use super::*;

fn spill(directory: &Path, size_bytes_max: u64) -> SealedSpill {
    let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 3);
    SealedSpill::new(directory, size_bytes_max, runtime).unwrap()
}

fn plain(len: usize) -> Vec<u8> {
    b"planted plaintext ".iter().copied().cycle().take(len).collect()
}

type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Reads until `bytes` have come.
async fn read(stream: &mut ByteStream, into: &mut Vec<u8>, bytes: usize) {
    while into.len() < bytes {
        into.extend_from_slice(&stream.next().await.unwrap().unwrap());
    }
}

/// Writes and reads as `steps` say: how many bytes are written, and whether a reader reads up to there before the next.
async fn round_trip(steps: &[(usize, bool)]) {
    let directory = tempfile::tempdir().unwrap();
    let spill = spill(directory.path(), u64::MAX);
    let file = spill.create_temp_file("test").unwrap();
    let mut writer = file.open_writer().unwrap();
    let mut beside = file.read_stream().unwrap();
    let (mut written, mut seen) = (Vec::new(), Vec::new());
    for (size, read_now) in steps {
        let bytes: Vec<u8> = (written.len()..written.len() + size).map(|at| (at % 251) as u8).collect();
        writer.write_all(&bytes).unwrap();
        writer.flush().unwrap();
        written.extend_from_slice(&bytes);
        if *read_now {
            read(&mut beside, &mut seen, written.len()).await;
            // no end is told while more may come
            assert!(beside.next().now_or_never().is_none());
        }
    }
    writer.finish().unwrap();
    drop(writer);
    read(&mut beside, &mut seen, written.len()).await;
    assert!(beside.next().await.is_none());
    assert_eq!(seen, written);
    let whole: Vec<Bytes> = file.read_stream().unwrap().map(Result::unwrap).collect().await;
    assert_eq!(whole.concat(), written);
    assert_eq!(file.size(), Some(written.len() as u64));
    assert_eq!(spill.usage().size_bytes, tarn_keys::sealed_len(written.len() as u64));
    drop((whole, beside, file));
    assert_eq!(spill.usage().size_bytes, 0);
}

fn in_runtime(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(steps in proptest::collection::vec((0_usize..200_000, any::<bool>()), 0..6)) {
        in_runtime(round_trip(&steps));
    }
}

#[test]
fn sizes_around_chunks_come_back() {
    let chunk = CHUNK_BYTES;
    for size in [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 5 * chunk, 5 * chunk + 1] {
        for pieces in [vec![(size, false)], vec![(size, true), (1, true)], vec![(1, true), (size, true), (0, true)]] {
            in_runtime(round_trip(&pieces));
        }
    }
}

#[tokio::test]
async fn a_changed_bit_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let spill = spill(directory.path(), u64::MAX);
    let size = 2 * CHUNK_BYTES + 100;
    for at in [0, CHUNK_BYTES as u64, SEALED_CHUNK + 5, 2 * SEALED_CHUNK + 50, 2 * SEALED_CHUNK + 100] {
        let sealed = spill.create().unwrap();
        let file = Spilled(sealed.clone());
        let mut writer = file.open_writer().unwrap();
        writer.write_all(&plain(size)).unwrap();
        writer.finish().unwrap();
        let mut byte = [0];
        sealed.file.read_exact_at(&mut byte, at).unwrap();
        sealed.file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        let read: Vec<Result<Bytes>> = file.read_stream().unwrap().collect().await;
        let error = read.last().unwrap().as_ref().unwrap_err().to_string();
        assert!(error.contains("authentication"), "{at}: {error}");
        // and a cut one
        sealed.file.set_len(at).unwrap();
        let read: Vec<Result<Bytes>> = file.read_stream().unwrap().collect().await;
        assert!(read.last().unwrap().is_err(), "{at}");
    }
}

#[tokio::test]
async fn a_file_without_its_end_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let spill = spill(directory.path(), u64::MAX);
    for size in [0, 10, CHUNK_BYTES, 3 * CHUNK_BYTES + 1] {
        let file = spill.create_temp_file("test").unwrap();
        let mut writer = file.open_writer().unwrap();
        writer.write_all(&plain(size)).unwrap();
        let mut stream = file.read_stream().unwrap();
        let waits = tokio::spawn(async move {
            let mut last = stream.next().await;
            while let Some(Ok(_)) = last {
                last = stream.next().await;
            }
            last.map(|last| last.map_err(|error| error.to_string()))
        });
        tokio::task::yield_now().await;
        drop(writer);
        let error = waits.await.unwrap().unwrap().unwrap_err();
        assert!(error.contains("not written whole"), "{size}: {error}");
    }
}

#[test]
fn a_full_quota_is_told_and_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let spill = spill(directory.path(), 3 * SEALED_CHUNK);
    let file = spill.create_temp_file("test").unwrap();
    let mut writer = file.open_writer().unwrap();
    writer.write_all(&plain(2 * CHUNK_BYTES + 1)).unwrap();
    let other = spill.create_temp_file("test").unwrap();
    let mut second = other.open_writer().unwrap();
    let error = second.write_all(&plain(3 * CHUNK_BYTES)).unwrap_err();
    let told = error.get_ref().and_then(|inner| inner.downcast_ref::<QueryError>()).and_then(QueryError::name);
    assert_eq!(told, Some(ErrorName::ExhaustedResources));
    assert_eq!(spill.usage().size_bytes, 3 * SEALED_CHUNK);
    drop((second, other));
    assert_eq!(spill.usage().size_bytes, 2 * SEALED_CHUNK);
    writer.write_all(&plain(CHUNK_BYTES - 1)).unwrap();
    writer.finish().unwrap();
    drop((writer, file));
    assert_eq!(spill.usage(), SpillUsage { size_bytes: 0, written_bytes: 4 * SEALED_CHUNK });
}

#[test]
fn nothing_is_on_disk_in_the_clear_or_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("spill");
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, Permissions::from_mode(0o777)).unwrap();
    let spill = spill(&place, u64::MAX);
    assert_eq!(std::fs::metadata(&place).unwrap().mode() & 0o777, 0o700);
    let (first, second) = (spill.create().unwrap(), spill.create().unwrap());
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
    let mut bytes = Vec::new();
    for sealed in [&first, &second] {
        let metadata = sealed.file.metadata().unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.nlink()), (0o600, 0));
        let mut writer = Spilled(sealed.clone()).open_writer().unwrap();
        writer.write_all(&plain(CHUNK_BYTES + 10)).unwrap();
        writer.finish().unwrap();
        let mut found = vec![0; usize::try_from(sealed.file.metadata().unwrap().len()).unwrap()];
        sealed.file.read_exact_at(&mut found, 0).unwrap();
        assert!(!found.windows(8).any(|window| window == b"planted "));
        bytes.push(found);
    }
    // the same bytes in two files are not the same on disk
    assert_ne!(bytes[0], bytes[1]);
}
