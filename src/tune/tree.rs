//! The files below the root, by their path inside it. The one place here that reads and writes.
//!
//! A root other than `/` has no kernel behind it, so two things are done as the kernel would: a choice moves its
//! brackets, and a link that leads out of the root is refused, lest a trial reaches the machine itself.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::rule;

pub(super) struct Tree {
    root: PathBuf,
    is_machine: bool,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Result<Tree, String> {
        let found = root.canonicalize().map_err(|error| format!("--root {}: {error}; name a folder", root.display()))?;
        Ok(Tree { is_machine: found == Path::new("/"), root: found })
    }

    /// For people: as it would be typed.
    pub(super) fn shown(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }

    /// One run at a time changes a tree. The root itself is locked: no lock file stays behind, and the kernel lets go of
    /// it whatever becomes of the run.
    pub(super) fn lock(&self) -> Result<fs::File, String> {
        let failed = |error: io::Error| format!("{}: cannot be locked: {error}", self.root.display());
        let root = fs::File::open(&self.root).map_err(failed)?;
        match root.try_lock() {
            Ok(()) => Ok(root),
            Err(TryLockError::WouldBlock) => {
                Err(format!("another 'ringmq tune' is changing {}; try again when it is done", self.root.display()))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok()
    }

    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        let bytes = fs::read(self.inside(path)?)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a folder, in order; none if there is no folder.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = self.inside(folder).and_then(fs::read_dir);
        let mut names: Vec<String> =
            entries.into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The paths that a pattern with `*` in its steps stands for, in order; a path without is its own answer.
    pub(super) fn expand(&self, pattern: &str) -> Vec<String> {
        let Some(star) = pattern.find('*') else {
            return vec![pattern.to_string()];
        };
        let start = pattern[..star].rfind('/').map_or(0, |slash| slash + 1);
        let end = pattern[star..].find('/').map_or(pattern.len(), |slash| star + slash);
        let (head, tail) = (&pattern[start..star], &pattern[star + 1..end]);
        let fits = |name: &String| name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail);
        let names = self.names(&pattern[..start]).into_iter().filter(fits);
        let paths = names.flat_map(|name| self.expand(&format!("{}{name}{}", &pattern[..start], &pattern[end..])));
        paths.filter(|path| self.exists(path)).collect()
    }

    /// Why a key could not be written, if that can be seen without writing.
    pub(super) fn obstacle(&self, path: &str) -> Option<String> {
        self.open(path, false).err().map(|error| explain(&error))
    }

    /// One write, as the kernel wants it; the file must be there.
    pub(super) fn write_key(&self, path: &str, value: &str) -> Result<(), String> {
        let text = if self.is_machine { value.to_string() } else { self.as_kernel_would(path, value) };
        let written = self.open(path, true).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| explain(&error))
    }

    /// What was there before, as it was read.
    pub(super) fn restore_key(&self, path: &str, before: &str) -> Result<(), String> {
        let is_choice = rule::chosen(before) != before.trim();
        let text = if self.is_machine && is_choice { rule::chosen(before) } else { before };
        let written = self.open(path, true).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| explain(&error))
    }

    /// What a key reads after this value is written to it.
    pub(super) fn as_kernel_would(&self, path: &str, value: &str) -> String {
        let before = self.read(path).unwrap_or_default();
        let offered: Vec<&str> = before.split_whitespace().map(|word| word.trim_matches(['[', ']'])).collect();
        if rule::chosen(&before) == before.trim() || !offered.contains(&value.trim()) {
            return format!("{}\n", value.trim_end_matches('\n'));
        }
        let mark = |word: &&str| if *word == value.trim() { format!("[{word}]") } else { word.to_string() };
        offered.iter().map(mark).collect::<Vec<_>>().join(" ") + &before[before.trim_end().len()..]
    }

    /// The folders that a file needs and that are not there, outermost first.
    pub(super) fn missing_folders(&self, path: &str) -> Vec<String> {
        let folders = path.match_indices('/').map(|(slash, _)| path[..slash].to_string());
        folders.filter(|folder| !self.exists(folder)).collect()
    }

    /// Whole or not at all, with the folders it needs. Everyone may read it: `check` is for ordinary users too.
    pub(super) fn write_file(&self, path: &str, text: &str) -> io::Result<()> {
        self.make_folders(path)?;
        let (new, file) = (self.inside(&unfinished(path))?, self.inside(path)?);
        fs::write(&new, text)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
        fs::File::open(&new)?.sync_all()?;
        fs::rename(&new, &file)?;
        fs::File::open(file.parent().unwrap_or(&self.root))?.sync_all()
    }

    pub(super) fn write_link(&self, path: &str, target: &str) -> io::Result<()> {
        self.make_folders(path)?;
        std::os::unix::fs::symlink(target, self.inside(path)?)
    }

    pub(super) fn link(&self, path: &str) -> Option<String> {
        fs::read_link(self.root.join(path)).ok().map(|target| target.to_string_lossy().into_owned())
    }

    /// The file, and what a run that was killed while it wrote it left of it.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        for path in [path, &unfinished(path)] {
            match fs::remove_file(self.root.join(path)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// If it is empty: what others put there keeps it.
    pub(super) fn remove_folder(&self, path: &str) {
        _ = fs::remove_dir(self.root.join(path));
    }

    fn make_folders(&self, path: &str) -> io::Result<()> {
        self.missing_folders(path).iter().try_for_each(|folder| fs::create_dir(self.inside(folder)?))
    }

    fn open(&self, path: &str, truncate: bool) -> io::Result<fs::File> {
        let path = self.inside(path)?;
        // Root may open what has no write bit, and would then hear of it from the write alone.
        if path.metadata()?.permissions().mode() & 0o222 == 0 {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        OpenOptions::new().write(true).truncate(truncate).open(path)
    }

    fn inside(&self, path: &str) -> io::Result<PathBuf> {
        let full = self.root.join(path);
        if self.is_machine {
            return Ok(full);
        }
        let parent = if full.symlink_metadata().is_ok() { full.as_path() } else { full.parent().unwrap_or(&self.root) };
        match parent.canonicalize() {
            Ok(real) if !real.starts_with(&self.root) => Err(io::Error::other("leads out of the root")),
            _ => Ok(full),
        }
    }
}

fn unfinished(path: &str) -> String {
    format!("{path}.new")
}

/// The few reasons that people meet, in words.
pub(super) fn explain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".to_string(),
        ErrorKind::PermissionDenied => "no permission: run it with sudo".to_string(),
        ErrorKind::ReadOnlyFilesystem => "read-only here: run it on the host".to_string(),
        ErrorKind::InvalidInput => "the kernel refuses the value".to_string(),
        _ => error.to_string(),
    }
}
