//! Records of older versions, kept as the bytes that were written, and how they are read.

use tarn_metadata::{
    Key, Keyspace, MemoryStore, Read, Record, RecordError, StoreError, StoreExt, WriteError, decode_record,
    encode_record,
};

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct BookV1 {
    title: String,
}

impl Record for BookV1 {
    const VERSION: u16 = 1;
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Book {
    title: String,
    pages: Option<u32>,
}

impl Record for Book {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        match version {
            1 => {
                let old: BookV1 = postcard::from_bytes(bytes)
                    .map_err(|error| RecordError::Malformed { reason: error.to_string() })?;
                Ok(Self { title: old.title, pages: None })
            }
            found => Err(RecordError::Version { found, known: Self::VERSION }),
        }
    }
}

/// As version 1 wrote `Moby-Dick`.
const VERSION_1: &[u8] = b"\x00\x01\x09Moby-Dick";
/// As version 2 writes it.
const VERSION_2: &[u8] = b"\x00\x02\x09Moby-Dick\x01\xcb\x04";

#[test]
fn old_records_are_read_and_newer_ones_are_refused() {
    let check = |bytes: &[u8], expected: Result<Book, RecordError>| {
        assert_eq!(decode_record::<Book>(bytes), expected, "{bytes:?}")
    };
    check(VERSION_1, Ok(Book { title: "Moby-Dick".to_owned(), pages: None }));
    check(VERSION_2, Ok(Book { title: "Moby-Dick".to_owned(), pages: Some(587) }));
    check(b"\x00\x03\x00", Err(RecordError::Version { found: 3, known: 2 }));
    check(b"\x00\x00\x00", Err(RecordError::Version { found: 0, known: 2 }));
    check(b"\x00", Err(RecordError::Malformed { reason: "shorter than its version".to_owned() }));
    assert!(matches!(decode_record::<Book>(b"\x00\x02\x09Moby"), Err(RecordError::Malformed { .. })));
    assert_eq!(encode_record(&Book { title: "Moby-Dick".to_owned(), pages: Some(587) }).unwrap(), VERSION_2);
    assert_eq!(encode_record(&BookV1 { title: "Moby-Dick".to_owned() }).unwrap(), VERSION_1);
}

#[tokio::test]
async fn a_store_written_by_version_1_is_read_and_rewritten_by_version_2() {
    const OLD: Keyspace<BookV1> = Keyspace::new(0xffd0, "tests.books");
    const NEW: Keyspace<Book> = Keyspace::new(0xffd0, "tests.books");
    let store = MemoryStore::new();
    let key = Key::new().text("a");
    let at = key.clone();
    store.write(move |tx| tx.put(OLD, &at, &BookV1 { title: "Moby-Dick".to_owned() })).await.unwrap();
    let at = key.clone();
    store
        .write(move |tx| {
            let book = tx.get(NEW, &at)?.unwrap();
            tx.put(NEW, &at, &Book { pages: Some(587), ..book })
        })
        .await
        .unwrap();
    assert_eq!(store.read().unwrap().get(NEW, &key).unwrap().unwrap().pages, Some(587));
    let downgraded = store.write(move |tx| tx.get(OLD, &key)).await;
    assert!(matches!(
        downgraded,
        Err(WriteError::Refused(StoreError::Record { source: RecordError::Version { found: 2, known: 1 }, .. }))
    ));
}
