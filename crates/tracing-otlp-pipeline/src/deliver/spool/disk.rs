//! The few things the spool asks of a file system.
//!
//! Bottom of `spool`. Everything that touches a file goes through [`Disk`], so that the tests can
//! put a disk below it that tears writes, forgets what was not synced, flips bits and is full.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File, OpenOptions},
    hash::{BuildHasher as _, Hasher as _},
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
};

/// One directory of flat files.
///
/// What an operation did is certain to outlast a crash only after the sync of the file (content)
/// and of the directory (names).
pub(super) trait Disk: Send + 'static {
    /// An open file.
    type File: DiskFile;
    /// Held as long as the directory is ours.
    type Lock: Send;

    /// Creates the directory where it is missing, for its owner only.
    fn prepare(&self) -> io::Result<()>;
    /// Takes the directory, `None` when somebody else has it.
    fn lock(&self) -> io::Result<Option<Self::Lock>>;
    /// The names and lengths of its files.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;
    /// Makes a file that does not exist yet, for its owner only.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file for appending, and makes it where it is missing.
    fn append(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file for reading.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Cuts a file.
    fn truncate(&self, name: &str, len: u64) -> io::Result<()>;
    /// Deletes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync(&self) -> io::Result<()>;
    /// A number that nobody can guess.
    fn random(&self) -> u64;
}

/// An open file.
pub(super) trait DiskFile: Send {
    /// Appends all of it; after an error, any part of it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content durable; an error too where the file has no name any more.
    fn sync(&mut self) -> io::Result<()>;
    /// Reads from a position until the buffer or the file ends; says how much.
    fn read(&mut self, position: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// A directory of the file system.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Nothing happens yet.
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
    }
}

impl Disk for Directory {
    type File = File;
    type Lock = File;

    fn prepare(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path)?;
        match self.path.parent() {
            // Without it a crash may take the directory back, with all that is durable in it.
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> io::Result<Option<File>> {
        // Never deleted: whoever deletes a lock file lets two processes lock two files.
        let file = Self::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.join("spool.lock"))?;
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => Ok(Some(file)),
            Err(fs4::TryLockError::WouldBlock) => Ok(None),
            Err(fs4::TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => names.push((name, metadata.len())),
                _ => {}
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = Self::options();
        options.append(true).create_new(true);
        options.open(self.path.join(name))
    }

    fn append(&self, name: &str) -> io::Result<File> {
        let mut options = Self::options();
        options.append(true).create(true);
        options.open(self.path.join(name))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        File::open(self.path.join(name))
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path.join(name))?;
        file.set_len(len)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        sync_directory(&self.path)
    }

    fn random(&self) -> u64 {
        // Keyed by the operating system's randomness; no crate needed for one number a segment.
        RandomState::new().build_hasher().finish()
    }
}

impl DiskFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()?;
        // Who cleans up temporary files, say, leaves us a file that nobody will find again.
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::nlink(&self.metadata()?) == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "somebody has deleted the file",
            ));
        }
        Ok(())
    }

    fn read(&mut self, position: u64, into: &mut [u8]) -> io::Result<usize> {
        self.seek(SeekFrom::Start(position))?;
        let mut filled = 0;
        while filled < into.len() {
            match Read::read(self, &mut into[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

#[cfg(unix)]
fn sync_directory(path: &std::path::Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a directory cannot be opened as a file; NTFS journals its names by itself.
#[cfg(not(unix))]
fn sync_directory(_path: &std::path::Path) -> io::Result<()> {
    Ok(())
}
