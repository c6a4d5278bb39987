//! The engine's own id, made once with the data directory and written in every frame. Knows nothing of blobs.
//!
//! The id is kept twice in its file, so that one damaged sector does not make the whole store unreadable.

use tarn_disk::{Disk, OpenMode};
use tarn_runtime::{EntropyExt, Runtime};

use crate::BlobError;
use crate::frame::crc64;
use crate::handles::io_error;

const PATH: &str = "blobs.id";
const PATH_NEW: &str = "blobs.id.new";
const MAGIC: [u8; 8] = *b"TARNBLB\x01";
const RECORD_BYTES: usize = 32;
/// Copies stand in different sectors, also on drives of 4 KiB sectors.
const COPY_DISTANCE_BYTES: usize = 4096;

fn record(id: [u8; 16]) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[..8].copy_from_slice(&MAGIC);
    record[8..24].copy_from_slice(&id);
    let crc = crc64(&record[..24]);
    record[24..].copy_from_slice(&crc.to_le_bytes());
    record
}

/// Reads the id, or makes it if `is_new`.
pub(crate) fn open_or_create(disk: &dyn Disk, runtime: &Runtime, is_new: bool) -> Result<[u8; 16], BlobError> {
    if disk.exists(PATH).map_err(|error| io_error("looking for", PATH, &error))? {
        return read(disk);
    }
    if !is_new {
        return Err(BlobError::Corrupt {
            place: PATH.to_owned(),
            reason: "it is missing, but there are blobs, which cannot be checked without it: restore it from a backup"
                .to_owned(),
        });
    }
    let id = runtime.entropy.bytes::<16>();
    let mut bytes = vec![0; COPY_DISTANCE_BYTES + RECORD_BYTES];
    bytes[..RECORD_BYTES].copy_from_slice(&record(id));
    bytes[COPY_DISTANCE_BYTES..].copy_from_slice(&record(id));
    let file = disk.open(PATH_NEW, OpenMode::CreateOrOpen).map_err(|error| io_error("making", PATH_NEW, &error))?;
    file.write_all_at(&bytes, 0).map_err(|error| io_error("writing", PATH_NEW, &error))?;
    file.set_len(bytes.len() as u64).map_err(|error| io_error("writing", PATH_NEW, &error))?;
    file.sync_data().map_err(|error| io_error("syncing", PATH_NEW, &error))?;
    disk.rename(PATH_NEW, PATH).map_err(|error| io_error("renaming", PATH_NEW, &error))?;
    Ok(id)
}

fn read(disk: &dyn Disk) -> Result<[u8; 16], BlobError> {
    let file = disk.open(PATH, OpenMode::Read).map_err(|error| io_error("opening", PATH, &error))?;
    let mut failure = None;
    for offset in [0, COPY_DISTANCE_BYTES as u64] {
        let mut found = [0; RECORD_BYTES];
        if let Err(error) = file.read_exact_at(&mut found, offset) {
            failure = Some(io_error("reading", PATH, &error));
            continue;
        }
        let mut id = [0; 16];
        id.copy_from_slice(&found[8..24]);
        if found == record(id) {
            return Ok(id);
        }
    }
    Err(failure.unwrap_or_else(|| BlobError::Corrupt {
        place: PATH.to_owned(),
        reason: "neither copy of the store's id is whole: restore it from a backup".to_owned(),
    }))
}
