//! A large file that is made piece by piece and stands under its name only when it is complete and durable.
//!
//! It is written directly, with one write under way: through the page cache, 60 MB of it stop a core for a third of a
//! second, because clearing the cache's pages, copying into them and writing them back all fall on that core.
//!
//! Invariant: a crash at any moment leaves the old file or none under the name, and perhaps a temporary one beside it,
//! which the next attempt removes.
//!
//! Next to it: `fs::write_durable` for small files.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::fs::{self, temporary_name};
use super::{Buffer, File, Open};

pub struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    len: u64,
}

impl NewFile {
    pub async fn create(path: &Path) -> io::Result<NewFile> {
        let temporary = temporary_name(path);
        if fs::exists(&temporary) {
            fs::remove_large(&temporary).await?;
        }
        let file = File::open(&temporary, Open::CreateNew).await?;
        Ok(NewFile { path: path.to_owned(), temporary, file, len: 0 })
    }

    /// Writes what comes next. The length is a multiple of what the device writes at once.
    pub async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(&Rc::new(Buffer::copy_of(bytes)), self.len).await?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its name. It is durable when this returns.
    pub async fn publish(self) -> io::Result<()> {
        self.file.sync().await?;
        self.file.close().await?;
        fs::publish(&self.temporary, &self.path).await
    }
}
