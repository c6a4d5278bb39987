//! A disk in memory that loses, tears, refuses and flips on demand, from a printed seed. Knows no file format.
//!
//! **Model.** Contents are durable after `sync_data`, names after `sync_dir`; nothing else is. When the machine crashes,
//! each unsynced write survives, vanishes or is torn at 512-byte sectors, in any combination; so does each change of a name.
//! A failed `sync_data` follows Linux (<https://lwn.net/Articles/752063/>): the page cache goes on showing the data, a later
//! sync of the file succeeds, and yet the data may never reach the disk.
//!
//! **Crash points.** Every changing call (create, write, set_len, sync, rename, remove, sync_dir) is one numbered operation.
//! Two ways to crash at each:
//!
//! * live: `crash_at(k)`: operation `k` is interrupted, and from then on every call fails; `reopen(seed)` is the disk after the reboot;
//! * recorded: `keep_history()`, run the workload once to its end, then `survivor_at(k, seed)` for every `k` and as many seeds as wanted.
//!   What was acknowledged when `operations()` was at most `k` must be there.
//!
//! ```ignore
//! let disk = SimulatedDisk::new(7);
//! disk.keep_history();
//! let acknowledged = run_workload(&disk); // with disk.operations() at each acknowledgement
//! for k in 0..disk.operations() {
//!     for seed in 0..8 {
//!         check(disk.survivor_at(k, seed), &acknowledged, k);
//!     }
//! }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tarn_disk::{Disk, DiskFile, OpenMode};
use tarn_runtime::{EntropyExt, SeededEntropy};

use crate::simulated_content::Content;

/// What a drive writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// What goes wrong with one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// EIO. A write may have reached the disk in part; a sync loses what it should have made durable.
    Io,
    /// ENOSPC. A write may have reached the disk in part.
    NoSpace,
}

impl DiskFault {
    fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::other("simulated EIO"),
            Self::NoSpace => io::ErrorKind::StorageFull.into(),
        }
    }
}

/// One changing call, for messages about a crash point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskOperation {
    /// `create`, `write`, `set_len`, `sync_data`, `rename`, `remove`, `sync_dir`, `create_dir`.
    pub kind: &'static str,
    /// Its path.
    pub path: String,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    SetLen(u64),
}

#[derive(Debug, Clone, Default)]
struct FileState {
    path: String,
    durable: Content,
    current: Content,
    /// Since the last sync, each with its operation's number.
    pending: Vec<(u64, Change)>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link { path: String, file: u64 },
    Unlink { path: String },
    Rename { from: String, to: String, file: u64 },
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Link { path, file } => {
                names.insert(path.clone(), *file);
            }
            Self::Unlink { path } => {
                names.remove(path);
            }
            Self::Rename { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }

    fn directories(&self) -> Vec<String> {
        match self {
            Self::Link { path, .. } | Self::Unlink { path } => vec![parent(path).to_owned()],
            Self::Rename { from, to, .. } => vec![parent(from).to_owned(), parent(to).to_owned()],
        }
    }
}

#[derive(Debug, Clone)]
struct PendingName {
    operation: u64,
    change: NameChange,
    /// Directories that must still be synced before it is durable.
    unsynced: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Tree {
    files: BTreeMap<u64, Arc<FileState>>,
    directories: Arc<BTreeSet<String>>,
    durable: Arc<BTreeMap<String, u64>>,
    current: Arc<BTreeMap<String, u64>>,
    pending: Vec<PendingName>,
}

/// What a crash does to everything that was not synced.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Lost,
    Kept,
    /// What came before this operation is kept.
    Until(u64),
    /// Each is kept with this chance in 256.
    Some(u64),
    /// Each sector is kept with this chance in 256.
    Torn(u64),
}

impl Fate {
    fn draw(random: &SeededEntropy, operations: u64) -> Self {
        match random.u64() % 8 {
            0 => Self::Lost,
            1 => Self::Kept,
            2 => Self::Until(operations.saturating_sub(random.u64() % 4)),
            3 | 4 => Self::Some(random.u64() % 256),
            _ => Self::Torn(random.u64() % 256),
        }
    }

    fn keeps(self, operation: u64, random: &SeededEntropy) -> bool {
        match self {
            Self::Lost => false,
            Self::Kept => true,
            Self::Until(first_lost) => operation < first_lost,
            Self::Some(chance) | Self::Torn(chance) => random.u64() % 256 < chance,
        }
    }

    fn apply(self, operation: u64, change: &Change, content: &mut Content, random: &SeededEntropy) {
        match change {
            Change::SetLen(len) => {
                if self.keeps(operation, random) {
                    content.set_len(*len);
                }
            }
            Change::Write { offset, bytes } => match self {
                Self::Torn(chance) => {
                    apply_torn(bytes, *offset, content, |_| random.u64() % 256 < chance, random.u64().is_multiple_of(4))
                }
                _ => {
                    if self.keeps(operation, random) {
                        content.write(bytes, *offset);
                    }
                }
            },
        }
    }
}

/// Writes the sectors that `keep` says; with `grow` the file has its new length even where the bytes did not arrive.
fn apply_torn(bytes: &[u8], offset: u64, content: &mut Content, mut keep: impl FnMut(u64) -> bool, grow: bool) {
    let mut at = 0;
    while at < bytes.len() {
        let position = offset + at as u64;
        let take = ((SECTOR_BYTES - position % SECTOR_BYTES) as usize).min(bytes.len() - at);
        if keep(position / SECTOR_BYTES) {
            content.write(&bytes[at..at + take], position);
        }
        at += take;
    }
    if grow && content.len() < offset + bytes.len() as u64 {
        content.set_len(offset + bytes.len() as u64);
    }
}

#[derive(Debug)]
struct State {
    tree: Tree,
    files_made: u64,
    operations: Vec<DiskOperation>,
    reads: u64,
    crash_at: Option<u64>,
    crashed: bool,
    faults: BTreeMap<u64, DiskFault>,
    faults_from: Option<(u64, DiskFault)>,
    read_faults: BTreeSet<u64>,
    capacity_bytes: Option<u64>,
    /// The state in which each operation would be interrupted.
    history: Option<Vec<Tree>>,
    random: SeededEntropy,
}

/// What an operation does next.
enum Step {
    Go,
    Fault(DiskFault),
    Crash,
}

fn crashed() -> io::Error {
    io::Error::other("the simulated machine has crashed")
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(crashed()) } else { Ok(()) }
    }

    fn read(&mut self) -> io::Result<()> {
        self.alive()?;
        self.reads += 1;
        if self.read_faults.remove(&(self.reads - 1)) { Err(DiskFault::Io.error()) } else { Ok(()) }
    }

    /// Numbers an operation and tells what becomes of it.
    fn begin(&mut self, kind: &'static str, path: &str) -> io::Result<(u64, Step)> {
        self.alive()?;
        let number = self.operations.len() as u64;
        self.operations.push(DiskOperation { kind, path: path.to_owned() });
        if self.crash_at.is_some_and(|at| number >= at) {
            self.crashed = true;
            return Ok((number, Step::Crash));
        }
        let fault = match (self.faults.remove(&number), self.faults_from) {
            (Some(fault), _) => Some(fault),
            (None, Some((from, fault))) if number >= from => Some(fault),
            _ => None,
        };
        Ok((number, fault.map_or(Step::Go, Step::Fault)))
    }

    /// Keeps the state in which the machine would be if it crashed in the operation just begun.
    fn remember(&mut self) {
        if let Some(history) = &mut self.history {
            history.push(self.tree.clone());
        }
    }

    fn change_file(&mut self, id: u64, kind: &'static str, change: Change) -> io::Result<()> {
        let path = self.file(id)?.path.clone();
        let (number, step) = self.begin(kind, &path)?;
        let step = match (step, &change, self.capacity_bytes) {
            (Step::Go, Change::Write { offset, bytes }, Some(capacity)) => {
                let mut grown = self.file(id)?.current.clone();
                let before = grown.allocated_bytes();
                grown.write(bytes, *offset);
                if self.allocated_bytes() + grown.allocated_bytes() - before > capacity {
                    Step::Fault(DiskFault::NoSpace)
                } else {
                    Step::Go
                }
            }
            (step, _, _) => step,
        };
        let part = match (&step, &change) {
            // A failed write may have got as far as any sector.
            (Step::Fault(_), Change::Write { offset, bytes }) => {
                let sectors = (bytes.len() as u64).div_ceil(SECTOR_BYTES);
                let upto = (self.random.u64() % (sectors + 1) * SECTOR_BYTES).min(bytes.len() as u64) as usize;
                (upto > 0).then(|| Change::Write { offset: *offset, bytes: bytes[..upto].into() })
            }
            (Step::Fault(_), Change::SetLen(_)) => None,
            _ => Some(change),
        };
        if let (Some(part), Some(file)) = (part, self.tree.files.get_mut(&id)) {
            let file = Arc::make_mut(file);
            match &part {
                Change::Write { offset, bytes } => file.current.write(bytes, *offset),
                Change::SetLen(len) => file.current.set_len(*len),
            }
            file.pending.push((number, part));
        }
        self.remember();
        match step {
            Step::Go => Ok(()),
            Step::Fault(fault) => Err(fault.error()),
            Step::Crash => Err(crashed()),
        }
    }

    fn sync_file(&mut self, id: u64) -> io::Result<()> {
        let path = self.file(id)?.path.clone();
        let (_, step) = self.begin("sync_data", &path)?;
        self.remember();
        if matches!(step, Step::Crash) {
            return Err(crashed());
        }
        let Some(file) = self.tree.files.get_mut(&id) else { return Err(crashed()) };
        let file = Arc::make_mut(file);
        match step {
            Step::Fault(fault) => {
                let fate = Fate::draw(&self.random, u64::MAX);
                for (number, change) in std::mem::take(&mut file.pending) {
                    fate.apply(number, &change, &mut file.durable, &self.random);
                }
                Err(fault.error())
            }
            _ => {
                for (_, change) in std::mem::take(&mut file.pending) {
                    match change {
                        Change::Write { offset, bytes } => file.durable.write(&bytes, offset),
                        Change::SetLen(len) => file.durable.set_len(len),
                    }
                }
                Ok(())
            }
        }
    }

    fn change_name(&mut self, kind: &'static str, path: &str, change: NameChange) -> io::Result<()> {
        let (operation, step) = self.begin(kind, path)?;
        if let Step::Fault(fault) = step {
            self.remember();
            return Err(fault.error());
        }
        change.apply(Arc::make_mut(&mut self.tree.current));
        let mut unsynced = change.directories();
        unsynced.dedup();
        self.tree.pending.push(PendingName { operation, change, unsynced });
        self.remember();
        if matches!(step, Step::Crash) { Err(crashed()) } else { Ok(()) }
    }

    fn file(&self, id: u64) -> io::Result<&FileState> {
        self.tree.files.get(&id).map(|file| &**file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn named(&self, path: &str) -> io::Result<u64> {
        self.tree
            .current
            .get(path)
            .copied()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no file `{path}`")))
    }

    fn directory(&self, path: &str) -> io::Result<()> {
        if path.is_empty() || self.tree.directories.contains(path) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, format!("no directory `{path}`")))
        }
    }

    fn allocated_bytes(&self) -> u64 {
        let named: BTreeSet<&u64> = self.tree.current.values().collect();
        named.into_iter().filter_map(|id| self.tree.files.get(id)).map(|file| file.current.allocated_bytes()).sum()
    }
}

/// What is on the disk after a crash in the state `tree`.
fn survive(tree: &Tree, operations: u64, seed: u64) -> Tree {
    let random = SeededEntropy::new(seed ^ 0x7461_726e_6469_736b);
    let fate = Fate::draw(&random, operations);
    let mut names = (*tree.durable).clone();
    for pending in &tree.pending {
        if fate.keeps(pending.operation, &random) {
            pending.change.apply(&mut names);
        }
    }
    let mut files = BTreeMap::new();
    for (path, id) in &names {
        let Some(file) = tree.files.get(id) else { continue };
        let mut durable = file.durable.clone();
        for (number, change) in &file.pending {
            fate.apply(*number, change, &mut durable, &random);
        }
        files.insert(
            *id,
            Arc::new(FileState { path: path.clone(), current: durable.clone(), durable, pending: Vec::new() }),
        );
    }
    let names = Arc::new(names);
    Tree { files, directories: tree.directories.clone(), durable: names.clone(), current: names, pending: Vec::new() }
}

/// See the module's description. Cheap to clone; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

impl SimulatedDisk {
    /// An empty disk; what goes wrong by chance follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self::of(Tree::default(), seed)
    }

    fn of(tree: Tree, seed: u64) -> Self {
        let files_made = tree.files.keys().next_back().map_or(0, |last| last + 1);
        Self(Arc::new(Mutex::new(State {
            tree,
            files_made,
            operations: Vec::new(),
            reads: 0,
            crash_at: None,
            crashed: false,
            faults: BTreeMap::new(),
            faults_from: None,
            read_faults: BTreeSet::new(),
            capacity_bytes: None,
            history: None,
            random: SeededEntropy::new(seed),
        })))
    }

    /// How many changing operations were begun so far; the next has this number.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations.len() as u64
    }

    /// How many reads were done so far; the next has this number.
    pub fn reads(&self) -> u64 {
        self.0.lock().reads
    }

    /// The operations so far, for messages.
    pub fn trace(&self) -> Vec<DiskOperation> {
        self.0.lock().operations.clone()
    }

    /// Crashes within operation `operation`: it and every later call, reads too, fail.
    pub fn crash_at(&self, operation: u64) {
        self.0.lock().crash_at = Some(operation);
    }

    /// Crashes now: every later call fails.
    pub fn crash(&self) {
        self.0.lock().crashed = true;
    }

    /// Whether it has crashed.
    pub fn has_crashed(&self) -> bool {
        self.0.lock().crashed
    }

    /// The disk after a crash now and a reboot: another disk, whose operations count from 0. `seed` decides what of the unsynced survived.
    pub fn reopen(&self, seed: u64) -> SimulatedDisk {
        let mut state = self.0.lock();
        state.crashed = true;
        Self::of(survive(&state.tree, state.operations.len() as u64, seed), seed)
    }

    /// From now on keeps the state in which each operation would be interrupted. Call it before the first operation.
    pub fn keep_history(&self) {
        self.0.lock().history.get_or_insert_with(Vec::new);
    }

    /// The disk after a crash within operation `operation` and a reboot; at `operations()`, a crash after the last one.
    /// Needs `keep_history`. The disk itself is left as it is.
    pub fn survivor_at(&self, operation: u64, seed: u64) -> SimulatedDisk {
        let state = self.0.lock();
        let tree = state.history.as_ref().and_then(|history| history.get(operation as usize)).unwrap_or(&state.tree);
        Self::of(survive(tree, (operation + 1).min(state.operations.len() as u64), seed), seed)
    }

    /// Operation `operation` fails once.
    pub fn fail_at(&self, operation: u64, fault: DiskFault) {
        self.0.lock().faults.insert(operation, fault);
    }

    /// The next operation fails once.
    pub fn fail_next(&self, fault: DiskFault) {
        self.fail_at(self.operations(), fault);
    }

    /// Operation `operation` and all after it fail, until `heal`.
    pub fn fail_from(&self, operation: u64, fault: DiskFault) {
        self.0.lock().faults_from = Some((operation, fault));
    }

    /// Read number `read` fails once with EIO.
    pub fn fail_read_at(&self, read: u64) {
        self.0.lock().read_faults.insert(read);
    }

    /// No more faults; a crash stays.
    pub fn heal(&self) {
        let mut state = self.0.lock();
        state.faults.clear();
        state.read_faults.clear();
        state.faults_from = None;
    }

    /// Limits what the files may take; writes beyond it fail with ENOSPC. `None` lifts the limit.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.0.lock().capacity_bytes = capacity_bytes;
    }

    /// Bytes that take room now.
    pub fn allocated_bytes(&self) -> u64 {
        self.0.lock().allocated_bytes()
    }

    /// All files' paths.
    pub fn paths(&self) -> Vec<String> {
        self.0.lock().tree.current.keys().cloned().collect()
    }

    /// A file's bytes as programs see them; `None` if there is no such file.
    pub fn contents(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        let id = state.tree.current.get(path)?;
        Some(state.tree.files.get(id)?.current.to_vec())
    }

    /// Flips one bit of a file, as rot does: durable and unseen. Bits count from the file's start; beyond the end nothing happens.
    pub fn flip_bit(&self, path: &str, bit: u64) {
        let mut state = self.0.lock();
        if let Some(id) = state.tree.current.get(path).copied()
            && let Some(file) = state.tree.files.get_mut(&id)
        {
            let file = Arc::make_mut(file);
            file.durable.flip_bit(bit);
            file.current.flip_bit(bit);
        }
    }

    /// An independent disk with the same contents, all of it durable and without faults.
    pub fn fork(&self, seed: u64) -> SimulatedDisk {
        let state = self.0.lock();
        let mut tree = state.tree.clone();
        tree.durable = tree.current.clone();
        tree.pending.clear();
        for file in tree.files.values_mut() {
            let file = Arc::make_mut(file);
            file.durable = file.current.clone();
            file.pending.clear();
        }
        Self::of(tree, seed)
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.alive()?;
        state.directory(parent(path))?;
        let id = match (state.tree.current.get(path).copied(), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(id), _) => id,
            (None, OpenMode::Read | OpenMode::ReadWrite) => state.named(path)?,
            (None, OpenMode::CreateNew | OpenMode::CreateOrOpen) => {
                let id = state.files_made;
                state.files_made += 1;
                state.tree.files.insert(id, Arc::new(FileState { path: path.to_owned(), ..FileState::default() }));
                state.change_name("create", path, NameChange::Link { path: path.to_owned(), file: id })?;
                id
            }
        };
        Ok(Arc::new(SimulatedFile { disk: self.clone(), id, writable: mode != OpenMode::Read }))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        state.read()?;
        state.directory(dir)?;
        let files = state.tree.current.keys();
        let mut names: Vec<String> = files
            .chain(state.tree.directories.iter())
            .filter(|path| !path.is_empty() && parent(path) == dir)
            .map(|path| path.rsplit('/').next().unwrap_or(path).to_owned())
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.alive()?;
        if state.directory(dir).is_ok() {
            return Ok(());
        }
        let (_, step) = state.begin("create_dir", dir)?;
        state.remember();
        match step {
            Step::Fault(fault) => return Err(fault.error()),
            Step::Crash => return Err(crashed()),
            Step::Go => {}
        }
        let directories = Arc::make_mut(&mut state.tree.directories);
        let mut path = dir;
        while !path.is_empty() {
            directories.insert(path.to_owned());
            path = parent(path);
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.alive()?;
        state.named(path)?;
        state.change_name("remove", path, NameChange::Unlink { path: path.to_owned() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.alive()?;
        let file = state.named(from)?;
        state.directory(parent(to))?;
        state.change_name("rename", to, NameChange::Rename { from: from.to_owned(), to: to.to_owned(), file })
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.alive()?;
        state.directory(dir)?;
        let (_, step) = state.begin("sync_dir", dir)?;
        state.remember();
        match step {
            Step::Crash => return Err(crashed()),
            Step::Fault(fault) => return Err(fault.error()),
            Step::Go => {}
        }
        let tree = &mut state.tree;
        let durable = Arc::make_mut(&mut tree.durable);
        tree.pending.retain_mut(|pending| {
            pending.unsynced.retain(|unsynced| unsynced != dir);
            if pending.unsynced.is_empty() {
                pending.change.apply(durable);
            }
            !pending.unsynced.is_empty()
        });
        Ok(())
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        let state = self.0.lock();
        state.alive()?;
        Ok(state.tree.current.contains_key(path))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.0.lock();
        state.alive()?;
        Ok(state.capacity_bytes.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.allocated_bytes())))
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
    writable: bool,
}

impl SimulatedFile {
    fn writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is open for reading"))
        }
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.0.lock();
        state.read()?;
        Ok(state.file(self.id)?.current.read(into, offset))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.writable()?;
        self.disk.0.lock().change_file(self.id, "write", Change::Write { offset, bytes: bytes.into() })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.0.lock().sync_file(self.id)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        self.disk.0.lock().change_file(self.id, "set_len", Change::SetLen(len))
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.0.lock();
        state.alive()?;
        Ok(state.file(self.id)?.current.len())
    }
}

#[cfg(test)]
mod tests;
