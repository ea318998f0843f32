//! The names of one simulated disk: folders, and which of their changes would survive a power cut. Pure.
//!
//! Invariant: a change of a folder is durable only after `sync` of that folder. A power cut keeps, per folder, some
//! first part of the changes since (a journalling file system keeps their order, and promises nothing across folders).

use super::random::Random;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    path::{Component, Path},
};

/// A file's contents, under whatever name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inode(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(Inode),
    /// Index into `Names::folders`.
    Folder(usize),
}

#[derive(Default)]
struct Folder {
    entries: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Put(String, Entry),
    Remove(String),
    Rename { from: String, to: String },
}

fn apply(entries: &mut BTreeMap<String, Entry>, change: Change) {
    match change {
        Change::Put(name, entry) => drop(entries.insert(name, entry)),
        Change::Remove(name) => drop(entries.remove(&name)),
        Change::Rename { from, to } => {
            if let Some(entry) = entries.remove(&from) {
                entries.insert(to, entry);
            }
        }
    }
}

impl Folder {
    fn change(&mut self, change: Change) {
        apply(&mut self.entries, change.clone());
        self.changes.push(change);
    }
}

pub struct Names {
    /// The first is the root. Folders are never removed.
    folders: Vec<Folder>,
}

impl Names {
    pub fn new() -> Names {
        Names { folders: vec![Folder::default()] }
    }

    pub fn file(&self, path: &Path) -> io::Result<Inode> {
        let (folder, name) = self.place(path)?;
        match self.folders[folder].entries.get(&name) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Folder(_)) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.file(path).is_ok() || self.folder(path).is_ok()
    }

    pub fn create(&mut self, path: &Path, inode: Inode) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        if self.folders[folder].entries.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.folders[folder].change(Change::Put(name, Entry::File(inode)));
        Ok(())
    }

    pub fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut folder = 0;
        for name in parts(path)? {
            folder = match self.folders[folder].entries.get(&name) {
                Some(Entry::Folder(next)) => *next,
                Some(Entry::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                None => {
                    let next = self.folders.len();
                    self.folders.push(Folder::default());
                    self.folders[folder].change(Change::Put(name, Entry::Folder(next)));
                    next
                }
            };
        }
        Ok(())
    }

    pub fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.folders[self.folder(path)?].entries.keys().cloned().collect())
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.file(from)?;
        let (folder, from) = self.place(from)?;
        let (target, to) = self.place(to)?;
        if folder != target {
            return Err(io::Error::new(ErrorKind::Unsupported, "the simulation renames within one folder only"));
        }
        if from != to {
            self.folders[folder].change(Change::Rename { from, to });
        }
        Ok(())
    }

    pub fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        let (folder, name) = self.place(path)?;
        self.folders[folder].change(Change::Remove(name));
        Ok(())
    }

    pub fn sync(&mut self, path: &Path) -> io::Result<()> {
        let folder = self.folder(path)?;
        let folder = &mut self.folders[folder];
        folder.changes.clear();
        folder.durable = folder.entries.clone();
        Ok(())
    }

    pub fn cut(&mut self, random: &mut Random) {
        for folder in &mut self.folders {
            let kept = random.index(folder.changes.len() + 1);
            for change in folder.changes.drain(..).take(kept) {
                apply(&mut folder.durable, change);
            }
            folder.entries = folder.durable.clone();
        }
    }

    /// The files that have a name, or may have one again after a power cut.
    pub fn inodes(&self) -> BTreeSet<Inode> {
        let changed = self.folders.iter().flat_map(|folder| &folder.changes).filter_map(|change| match change {
            Change::Put(_, entry) => Some(entry),
            Change::Remove(_) | Change::Rename { .. } => None,
        });
        let named = self.folders.iter().flat_map(|folder| folder.entries.values().chain(folder.durable.values()));
        let files = named.chain(changed).filter_map(|entry| match entry {
            Entry::File(inode) => Some(*inode),
            Entry::Folder(_) => None,
        });
        files.collect()
    }

    fn folder(&self, path: &Path) -> io::Result<usize> {
        self.walk(&parts(path)?)
    }

    /// The folder that a name is in, and the name within.
    fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let mut parts = parts(path)?;
        let name = parts.pop().ok_or(ErrorKind::IsADirectory)?;
        Ok((self.walk(&parts)?, name))
    }

    fn walk(&self, parts: &[String]) -> io::Result<usize> {
        let mut folder = 0;
        for name in parts {
            folder = match self.folders[folder].entries.get(name) {
                Some(Entry::Folder(next)) => *next,
                Some(Entry::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                None => return Err(ErrorKind::NotFound.into()),
            };
        }
        Ok(folder)
    }
}

/// The names on the way; a relative path starts at the root too, since every simulated process works there.
fn parts(path: &Path) -> io::Result<Vec<String>> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str().ok_or(ErrorKind::InvalidFilename)?.to_owned()),
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> &Path {
        Path::new(text)
    }

    #[test]
    fn names_survive_a_cut_only_after_a_sync_of_their_folder() {
        let mut lost = false;
        for seed in 0..20 {
            let mut names = Names::new();
            names.create_dir_all(path("/a/b")).unwrap();
            names.sync(path("/")).unwrap();
            names.sync(path("/a")).unwrap();
            names.create(path("/a/b/one"), Inode(1)).unwrap();
            names.sync(path("/a/b")).unwrap();
            names.create(path("/a/b/two"), Inode(2)).unwrap();
            names.cut(&mut Random::new(seed));
            assert_eq!(names.file(path("/a/b/one")).unwrap(), Inode(1));
            lost |= !names.exists(path("/a/b/two"));
        }
        assert!(lost);
    }

    #[test]
    fn a_cut_keeps_the_order_of_changes() {
        for seed in 0..50 {
            let mut names = Names::new();
            names.create(path("/new"), Inode(1)).unwrap();
            names.rename(path("/new"), path("/final")).unwrap();
            names.create(path("/new"), Inode(2)).unwrap();
            names.cut(&mut Random::new(seed));
            let found = (names.file(path("/new")).ok(), names.file(path("/final")).ok());
            let possible = [(None, None), (Some(Inode(1)), None), (None, Some(Inode(1))), (Some(Inode(2)), Some(Inode(1)))];
            assert!(possible.contains(&found), "{found:?}");
        }
    }

    #[test]
    fn a_removed_file_may_come_back_until_the_folder_is_synced() {
        let mut names = Names::new();
        names.create(path("/x"), Inode(1)).unwrap();
        names.sync(path("/")).unwrap();
        names.remove(path("/x")).unwrap();
        assert!(!names.exists(path("/x")));
        assert!(names.inodes().contains(&Inode(1)));
        names.sync(path("/")).unwrap();
        assert!(names.inodes().is_empty());
    }
}
