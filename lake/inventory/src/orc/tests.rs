//! What is written is read; what is damaged is refused.
#![allow(clippy::unwrap_used)]

use std::io::Result;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::numbers::Numbers;
use super::*;
use crate::read::FileBytes;

impl FileBytes for Bytes {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, from: u64, size_bytes: u64) -> Result<Bytes> {
        let from = usize::try_from(from).unwrap();
        Ok(self.slice(from..from + usize::try_from(size_bytes).unwrap()))
    }
}

type Row = (String, Option<String>, Option<bool>, Option<i64>, Option<i64>);

fn written(rows: &[Row], stripe_size_bytes_max: usize) -> Bytes {
    let column = |name: &str, kind| OrcColumn { name: name.to_owned(), kind };
    let columns = vec![
        column("key", OrcKind::Text),
        column("flag", OrcKind::Flag),
        column("version_id", OrcKind::Text),
        column("size", OrcKind::Number),
        column("time", OrcKind::Time),
    ];
    let mut writer = OrcWriter::new(columns, stripe_size_bytes_max);
    let mut file = Vec::new();
    for (key, version, flag, number, time) in rows {
        let row = [
            OrcValue::Text(key),
            flag.map_or(OrcValue::Null, OrcValue::Flag),
            version.as_deref().map_or(OrcValue::Null, OrcValue::Text),
            number.map_or(OrcValue::Null, OrcValue::Number),
            time.map_or(OrcValue::Null, OrcValue::Time),
        ];
        writer.push(row).unwrap();
        file.extend_from_slice(&writer.take());
    }
    file.extend_from_slice(&writer.finish().unwrap());
    Bytes::from(file)
}

fn read(file: Bytes) -> Result<Vec<Vec<Option<String>>>> {
    let mut texts = OrcTexts::open(Arc::new(file), &["key", "VERSION_ID", "no-such-column"])?;
    let mut rows = Vec::new();
    while let Some(row) = texts.next()? {
        rows.push(row);
    }
    Ok(rows)
}

fn row() -> impl Strategy<Value = Row> {
    let times = prop::option::of(1_420_000_000_000..2_000_000_000_000_i64);
    ("\\PC{0,12}", prop::option::of("[ab]{0,3}"), any::<Option<bool>>(), any::<Option<i64>>(), times)
}

proptest! {
    #[test]
    fn texts_come_back(
        rows in prop::collection::vec(row(), 0..300),
        repeated in 1..4_usize,
        stripe_size_bytes_max in 100..20_000_usize,
    ) {
        let rows: Vec<Row> = rows.into_iter().flat_map(|row| vec![row; repeated]).collect();
        let found = read(written(&rows, stripe_size_bytes_max)).unwrap();
        let expected: Vec<_> =
            rows.into_iter().map(|(key, version, ..)| vec![Some(key), version, None]).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn damage_is_an_error_or_other_texts(
        rows in prop::collection::vec(row(), 1..50),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = written(&rows, 500).to_vec();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        // It must end, and take no more memory than the file's own size is a reason for.
        if let Ok(rows) = read_some(Bytes::from(file)) {
            prop_assert!(rows <= 10_000);
        }
    }
}

/// A damaged count of rows may be any; a row without bytes costs nothing.
fn read_some(file: Bytes) -> Result<usize> {
    let mut texts = OrcTexts::open(Arc::new(file), &["key", "version_id"])?;
    let mut rows = 0;
    while rows < 10_000 && texts.next()?.is_some() {
        rows += 1;
    }
    Ok(rows)
}

/// The examples of the specification.
#[test]
fn the_second_version_of_numbers_is_read() {
    let check = |bytes: &[u8], expected: &[u64]| {
        let mut numbers = Numbers::new(bytes, true);
        let found: Vec<u64> = expected.iter().map(|_| numbers.next().unwrap()).collect();
        assert_eq!(found, expected);
        assert!(numbers.next().is_err(), "more than there is");
    };
    check(&[0x0a, 0x27, 0x10], &[10_000; 5]);
    check(&[0x5e, 0x03, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef], &[23_713, 43_806, 57_005, 48_879]);
    check(
        &[0x8e, 0x09, 0x2b, 0x21, 0x07, 0xd0, 0x1e, 0x00, 0x14, 0x70, 0x28, 0x32, 0x3c, 0x46, 0x50, 0x5a, 0xfc, 0xe8],
        &[2030, 2000, 2020, 1_000_000, 2040, 2050, 2060, 2070, 2080, 2090],
    );
    check(&[0xc6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46], &[2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
}

#[test]
fn the_first_version_of_numbers_is_read() {
    let check = |bytes: &[u8], expected: &[u64]| {
        let mut numbers = Numbers::new(bytes, false);
        let found: Vec<u64> = expected.iter().map(|_| numbers.next().unwrap()).collect();
        assert_eq!(found, expected);
    };
    check(&[0x61, 0x00, 0x07], &[7; 100]);
    check(&[0x61, 0xff, 0x64], &(1..=100).rev().collect::<Vec<_>>());
    check(&[0xfb, 0x02, 0x03, 0x06, 0x07, 0x0b], &[2, 3, 6, 7, 11]);
}
