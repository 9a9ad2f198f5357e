//! What is on a disk after a power cut? Files in memory that remember what was synced.
//!
//! Of what was not synced a cut leaves any part: each sector of 512 bytes is the old or the new
//! one, a file that grew has any length in between with zeros where nothing was written, and each
//! name in a directory is as before or after. After a sync that failed, the sectors that did not
//! reach the disk count as clean, as Linux has it: a later sync does not write them, and the next
//! process reads what the disk has (that Linux may also go on showing what it could not write, to
//! that process too, nobody can defend against without writing everything twice).
//! One level of directories is enough: names are whole paths.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Fate, Leaves, World};
use crate::disk::{Disk, DiskFile};

const SECTOR_BYTES: usize = 512;

/// A file without its name.
#[derive(Clone, Debug, Default)]
struct Inode {
    /// What readers see.
    now: Vec<u8>,
    /// What is on the medium.
    durable: Vec<u8>,
    /// Sectors that a sync would write.
    dirty: BTreeSet<usize>,
}

impl Inode {
    fn append(&mut self, bytes: &[u8]) {
        let from = self.now.len();
        self.now.extend_from_slice(bytes);
        self.dirty.extend(from / SECTOR_BYTES..self.now.len().div_ceil(SECTOR_BYTES));
    }

    /// Copies a sector as far as the medium's file reaches.
    fn write_sector(&mut self, sector: usize) {
        let from = sector * SECTOR_BYTES;
        let to = (from + SECTOR_BYTES).min(self.now.len()).min(self.durable.len());
        if from < to {
            self.durable[from..to].copy_from_slice(&self.now[from..to]);
        }
    }

    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.write_sector(sector);
        }
    }

    /// Reads the clean sectors from the medium again: those of a failed sync show what is there.
    fn evict(&mut self) {
        let now = std::mem::replace(&mut self.now, self.durable.clone());
        let len = now.len();
        self.now.resize(len, 0);
        for sector in &self.dirty {
            let from = (sector * SECTOR_BYTES).min(len);
            let to = (from + SECTOR_BYTES).min(len);
            self.now[from..to].copy_from_slice(&now[from..to]);
        }
    }

    fn some_sectors(&mut self, world: &World) {
        let (was, is) = (self.durable.len() as u64, self.now.len() as u64);
        let len = match world.below(3) {
            0 => was,
            1 => is,
            _ => was.min(is) + world.below(was.abs_diff(is) + 1),
        };
        self.durable.resize(len as usize, 0);
        for sector in std::mem::take(&mut self.dirty) {
            if world.one_in(2) {
                self.write_sector(sector);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Files {
    inodes: BTreeMap<u64, Inode>,
    next: u64,
    /// What readers see.
    names: BTreeMap<PathBuf, u64>,
    /// What is on the medium.
    durable: BTreeMap<PathBuf, u64>,
    /// Counts cuts: a file that was opened before one is no longer open.
    life: u64,
}

/// A disk in memory; cheap to clone.
#[derive(Clone, Debug)]
pub struct SimDisk {
    world: World,
    files: Arc<Mutex<Files>>,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
    life: u64,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(world: World) -> Self {
        Self { world, files: Arc::default() }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every open file, and leaves of what was not synced what `leaves` says.
    pub fn crash(&self, leaves: Leaves) {
        let mut files = self.files();
        files.life += 1;
        if leaves == Leaves::Everything {
            files.inodes.values_mut().for_each(Inode::evict);
            return;
        }
        let torn = leaves == Leaves::Some;
        let mut paths: BTreeSet<PathBuf> = files.names.keys().cloned().collect();
        paths.extend(files.durable.keys().cloned());
        for path in paths {
            if torn && self.world.one_in(2) {
                match files.names.get(&path).copied() {
                    Some(inode) => files.durable.insert(path, inode),
                    None => files.durable.remove(&path),
                };
            }
        }
        files.names = files.durable.clone();
        let used: BTreeSet<u64> = files.names.values().copied().collect();
        files.inodes.retain(|id, _| used.contains(id));
        for inode in files.inodes.values_mut() {
            if torn {
                inode.some_sectors(&self.world);
            }
            inode.dirty.clear();
            inode.now = inode.durable.clone();
        }
    }

    /// Number of files.
    pub fn file_count(&self) -> usize {
        self.files().names.len()
    }

    fn open(&self, inode: u64, life: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.clone(), inode, life })
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn failed(fate: Fate) -> io::Error {
    match fate {
        Fate::PowerOff => io::Error::other("the power is off"),
        _ => io::Error::other("simulated fault"),
    }
}

/// For operations that a disk either does or refuses.
fn refuse(fate: Fate) -> io::Result<()> {
    match fate {
        Fate::Works => Ok(()),
        fate => Err(failed(fate)),
    }
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("`{}` is not there", path.display()))
}

impl SimFile {
    fn with<T>(&self, work: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        let mut files = self.disk.files();
        let alive = files.life == self.life;
        let inode = files.inodes.get_mut(&self.inode).filter(|_| alive);
        inode.map(work).ok_or_else(|| io::Error::other("the file was open before the power cut"))
    }
}

impl DiskFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let world = self.disk.world.clone();
        match world.fate("append", &bytes.len().to_string()) {
            Fate::Works => self.with(|inode| inode.append(bytes)),
            Fate::PowerOff => Err(failed(Fate::PowerOff)),
            Fate::FailsBefore | Fate::FailsAfter => {
                let part = world.below(bytes.len() as u64 + 1) as usize;
                self.with(|inode| inode.append(&bytes[..part]))?;
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let world = self.disk.world.clone();
        match world.fate("sync", "") {
            Fate::Works => self.with(Inode::sync),
            Fate::PowerOff => Err(failed(Fate::PowerOff)),
            fate => {
                self.with(|inode| inode.some_sectors(&world))?;
                Err(failed(fate))
            }
        }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        refuse(self.disk.world.fate("truncate", &len.to_string()))?;
        self.with(|inode| inode.now.truncate(len as usize))
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        refuse(self.world.fate("create", &name(path)))?;
        let mut files = self.files();
        if files.names.contains_key(path) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        files.next += 1;
        let inode = files.next;
        files.inodes.insert(inode, Inode::default());
        files.names.insert(path.to_owned(), inode);
        Ok(self.open(inode, files.life))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        refuse(self.world.fate("open", &name(path)))?;
        let files = self.files();
        let inode = files.names.get(path).copied().ok_or_else(|| missing(path))?;
        Ok(self.open(inode, files.life))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        refuse(self.world.fate("read", &name(path)))?;
        let files = self.files();
        let inode = files.names.get(path).and_then(|i| files.inodes.get(i));
        inode.map(|i| i.now.clone()).ok_or_else(|| missing(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        refuse(self.world.fate("list", &name(dir)))?;
        let files = self.files();
        let here = files.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        let len = |inode| files.inodes.get(inode).map_or(0, |i| i.now.len() as u64);
        Ok(here.map(|(path, inode)| (name(path), len(inode))).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        refuse(self.world.fate("remove", &name(path)))?;
        self.files().names.remove(path).map(|_| ()).ok_or_else(|| missing(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        refuse(self.world.fate("sync directory", &name(dir)))?;
        let mut files = self.files();
        let here = |path: &Path| path.parent() == Some(dir);
        files.durable.retain(|path, _| !here(path));
        let now: Vec<_> =
            files.names.iter().filter(|(p, _)| here(p)).map(|(p, i)| (p.clone(), *i)).collect();
        files.durable.extend(now);
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(1 << 40)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> PathBuf {
        PathBuf::from("/d/file")
    }

    fn content(disk: &SimDisk) -> Option<Vec<u8>> {
        disk.read(&path()).ok()
    }

    #[test]
    fn only_what_was_synced_is_sure_to_be_there() {
        for (sync, sync_dir, want) in [
            (true, true, Some(b"abc".to_vec())),
            (false, true, Some(Vec::new())),
            (true, false, None),
        ] {
            let disk = SimDisk::new(World::new(1));
            let mut file = disk.create(&path()).unwrap();
            file.append(b"abc").unwrap();
            if sync {
                file.sync_data().unwrap();
            }
            if sync_dir {
                disk.sync_dir(Path::new("/d")).unwrap();
            }
            disk.crash(Leaves::Everything);
            assert_eq!(content(&disk), Some(b"abc".to_vec()));
            disk.crash(Leaves::Nothing);
            assert_eq!(content(&disk), want);
            assert!(file.append(b"d").is_err());
        }
    }

    #[test]
    fn a_torn_append_keeps_what_was_synced_and_has_any_length() {
        let mut lengths = BTreeSet::new();
        for seed in 0..200 {
            let disk = SimDisk::new(World::new(seed));
            let mut file = disk.create(&path()).unwrap();
            file.append(&[1; 700]).unwrap();
            file.sync_data().unwrap();
            disk.sync_dir(Path::new("/d")).unwrap();
            file.append(&[2; 1000]).unwrap();
            disk.crash(Leaves::Some);
            let content = content(&disk).unwrap();
            assert_eq!(content[..700], [1; 700]);
            assert!(content[700..].iter().all(|b| *b == 2 || *b == 0));
            lengths.insert(content.len());
        }
        assert!(lengths.len() > 20 && lengths.contains(&700) && lengths.contains(&1700));
    }

    #[test]
    fn what_a_failed_sync_lost_no_later_sync_writes() {
        let mut lost = 0;
        for seed in 0..50 {
            let world = World::new(seed);
            let disk = SimDisk::new(world.clone());
            let mut file = disk.create(&path()).unwrap();
            disk.sync_dir(Path::new("/d")).unwrap();
            file.append(&[1; 512]).unwrap();
            world.set_faults(1000);
            file.sync_data().unwrap_err();
            world.set_faults(0);
            file.append(&[2; 512]).unwrap();
            file.sync_data().unwrap();
            disk.crash(Leaves::Nothing);
            let content = content(&disk).unwrap();
            assert_eq!(content[512..], [2; 512]);
            lost += usize::from(content[0] == 0);
        }
        assert!((10..40).contains(&lost), "{lost}");
    }

    #[test]
    fn the_same_seed_leaves_the_same() {
        let run = |seed| {
            let disk = SimDisk::new(World::new(seed));
            let mut file = disk.create(&path()).unwrap();
            disk.sync_dir(Path::new("/d")).unwrap();
            file.append(&[3; 5000]).unwrap();
            disk.crash(Leaves::Some);
            (content(&disk), disk.world.trace())
        };
        assert_eq!(run(4), run(4));
        assert_ne!(run(4), run(5));
    }
}
