//! Which footers are kept, and where bytes are looked at.
#![allow(clippy::unwrap_used)]

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::*;

struct File(Bytes);

impl MetadataFetch for File {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        let bytes = self.0.slice(range.start as usize..range.end as usize);
        async move { Ok(bytes) }.boxed()
    }
}

/// Of a file of a hundred pages: without its page indexes, and with them.
fn footers() -> [Arc<Footer>; 2] {
    let column = Arc::new(Int64Array::from_iter_values(0..1000)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10)
        .build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let (size_bytes, file) = (file.len() as u64, Bytes::from(file));
    let without = futures::executor::block_on(read_footer(File(file.clone()), size_bytes, 64)).unwrap();
    let with = futures::executor::block_on(read_footer_with_indexes(File(file), size_bytes, 64)).unwrap();
    [without.without_indexes().unwrap(), with].map(Arc::new)
}

#[test]
fn footers_are_kept_as_they_were_read() {
    let [without, with] = footers();
    assert!(without.metadata().offset_index().is_none() && with.metadata().offset_index().is_some());
    assert!(with.memory_size() > without.memory_size());
    let size_bytes = |cache: &FooterCache| cache.inner.lock().size_bytes;
    let id = |number: u8| [number; 16];
    let cache = FooterCache::new(8 * with.memory_size());
    cache.put(id(1), &without, false);
    assert!(cache.get(&id(1), false).is_some() && cache.get(&id(1), true).is_none());
    // one with page indexes takes the place, and is as good for who wants none
    cache.put(id(1), &with, true);
    for with_indexes in [false, true] {
        assert!(Arc::ptr_eq(&cache.get(&id(1), with_indexes).unwrap(), &with));
    }
    assert_eq!(size_bytes(&cache), with.memory_size());
    // the least used one goes
    (2..=8).for_each(|number| cache.put(id(number), &with, true));
    assert!(cache.get(&id(1), true).is_some());
    cache.put(id(9), &with, true);
    assert!(cache.get(&id(2), false).is_none() && cache.get(&id(1), true).is_some());
    assert_eq!(size_bytes(&cache), 8 * with.memory_size());
}

#[test]
fn a_footer_that_is_too_large_is_not_kept() {
    let [without, with] = footers();
    let cache = FooterCache::new(8 * with.memory_size() - 1);
    let id = [1; 16];
    cache.put(id, &with, true);
    assert!(cache.get(&id, true).is_none());
    assert_eq!(cache.inner.lock().size_bytes, 0);
    cache.put(id, &without, false);
    assert!(cache.get(&id, false).is_some());
}

#[test]
fn bytes_are_looked_at_beside_other_tasks() {
    let [footer, _] = footers();
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        // the one thread that may be kept is, so nothing is looked at
        let (release, released) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || released.recv());
        let mut looking = Box::pin(check(footer, 4, Bytes::from_static(&[0; 20])));
        assert!(futures::poll!(&mut looking).is_pending());
        release.send(()).unwrap();
        busy.await.unwrap().unwrap();
        let refused = looking.await.unwrap_err().to_string();
        assert!(refused.contains("a page is told to have -1 bytes"), "{refused}");
    });
}
