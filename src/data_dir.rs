//! The directory that outlives the process: the token and the state key, readable by their
//! owner only. A running server holds its lock, so that two never share one.

use crate::failure::Failure;
use mcp_telemetry::reason;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

const LOCK: &str = "orchestrator.lock";

/// An open data dir.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// What was put right on the way, one sentence each.
    pub(crate) mended: Vec<String>,
}

/// The lock of a data dir, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl DataDir {
    /// Opens the named directory, or the platform's own, and makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or others may write into it.
    pub(crate) fn open(named: Option<&Path>) -> Result<Self, Failure> {
        let path = place(named)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|error| {
            Failure::run(format!(
                "the data dir {} cannot be made: {}; choose another with --data-dir",
                path.display(),
                reason(&error)
            ))
        })?;
        let mut dir = Self { path, mended: Vec::new() };
        dir.close_to_others()?;
        Ok(dir)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// When another server holds it.
    pub(crate) fn lock(&self) -> Result<Lock, Failure> {
        let path = self.file(LOCK);
        let open =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(|error| self.failed(LOCK, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(Failure::run(format!(
                "another server uses the data dir {}; stop it, or give this one its own with --data-dir",
                self.path.display()
            ))),
            Err(fs::TryLockError::Error(error)) => Err(self.failed(LOCK, &error)),
        }
    }

    /// Whether a running server holds the lock.
    pub(crate) fn is_in_use(&self) -> bool {
        File::open(self.file(LOCK))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// The bytes of a private file, if it is there. One that others could read is closed to
    /// them, and that is said.
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.file(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(name, &error)),
        };
        let mode =
            fs::metadata(&path).map_err(|error| self.failed(name, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            self.set_mode(&path, 0o600)?;
            self.mended.push(format!(
                "{} could be read by others and is now closed to them; if somebody may have, \
                 run `mcp-orchestrator token rotate`",
                path.display()
            ));
        }
        Ok(Some(bytes))
    }

    /// Writes a private file if it is not there yet, and gives what it then holds: of two
    /// processes that do this at once, both get the same.
    pub(crate) fn read_or_make(&mut self, name: &str, fresh: &[u8]) -> Result<Vec<u8>, Failure> {
        if let Some(bytes) = self.read(name)? {
            return Ok(bytes);
        }
        let draft = self.draft(name, fresh)?;
        let linked = fs::hard_link(&draft, self.file(name));
        let removed = fs::remove_file(&draft);
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(self.failed(name, &error)),
        }
        removed.map_err(|error| self.failed(name, &error))?;
        Ok(self.read(name)?.unwrap_or_else(|| fresh.to_vec()))
    }

    /// Replaces a private file at once: a reader sees the old bytes or the new ones.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let draft = self.draft(name, bytes)?;
        fs::rename(&draft, self.file(name)).map_err(|error| self.failed(name, &error))
    }

    /// A file beside `name` that holds `bytes`, never readable by others, safe on disk.
    fn draft(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.file(&format!(".{name}.{}", std::process::id()));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| self.failed(name, &error))?;
        Ok(path)
    }

    /// Only a directory that is empty or already ours is closed; another one (`/tmp`, a home)
    /// is left as it is, and refused.
    fn close_to_others(&mut self) -> Result<(), Failure> {
        let path = self.path.clone();
        let metadata = fs::metadata(&path).map_err(|error| self.failed("", &error))?;
        if metadata.permissions().mode() & 0o077 == 0 {
            return Ok(());
        }
        let is_ours = path.join(LOCK).exists()
            || fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
        if !is_ours {
            return Err(Failure::run(format!(
                "the data dir {0} is open to other users and holds other files; choose an empty one \
                 with --data-dir, or run `chmod 700 {0}` if it is for us alone",
                path.display()
            )));
        }
        self.set_mode(&path, 0o700)?;
        self.mended.push(format!("the data dir {} is now closed to other users", path.display()));
        Ok(())
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), Failure> {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| {
            Failure::run(format!(
                "{} is open to other users and cannot be closed: {error}; run `chmod {mode:o}` on it as its owner",
                path.display()
            ))
        })
    }

    fn failed(&self, name: &str, error: &io::Error) -> Failure {
        let path = self.file(name);
        Failure::run(format!(
            "{} cannot be used: {}; check who owns it, or choose another data dir with --data-dir",
            path.display(),
            reason(error)
        ))
    }
}

/// Where the data dir is: as named, or the platform's own. Nothing is made.
pub(crate) fn place(named: Option<&Path>) -> Result<PathBuf, Failure> {
    named.map_or_else(platform_dir, |path| Ok(path.to_owned()))
}

fn platform_dir() -> Result<PathBuf, Failure> {
    let dirs = directories::ProjectDirs::from("", "", env!("CARGO_PKG_NAME"));
    dirs.map(|dirs| dirs.data_dir().to_owned()).ok_or_else(|| {
        Failure::usage(
            "there is no home directory to keep the token in; name a place with --data-dir",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_belongs_to_its_owner_alone() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("a/b");
        let mut dir = DataDir::open(Some(&path)).expect("made");
        assert_eq!(dir.read_or_make("token", b"one").expect("made"), b"one");
        assert_eq!(dir.read_or_make("token", b"two").expect("read"), b"one");
        dir.replace("token", b"three").expect("replaced");
        assert_eq!(dir.read("token").expect("read"), Some(b"three".to_vec()));
        assert_eq!((mode(&path), mode(&path.join("token"))), (0o700, 0o600));
        let names: Vec<_> =
            fs::read_dir(&path).expect("listed").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["token"], "no draft is left behind");
        assert!(dir.mended.is_empty());
    }

    #[test]
    fn wrong_modes_are_mended_with_a_word_but_a_strange_directory_is_refused() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("data");
        DirBuilder::new().mode(0o755).create(&path).expect("made");
        let mut dir = DataDir::open(Some(&path)).expect("empty, so ours");
        assert_eq!((mode(&path), dir.mended.len()), (0o700, 1));
        dir.replace("token", b"one").expect("written");
        fs::set_permissions(path.join("token"), Permissions::from_mode(0o644)).expect("opened");
        dir.read("token").expect("read");
        assert_eq!((mode(&path.join("token")), dir.mended.len()), (0o600, 2));
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("opened");
        let refused = DataDir::open(Some(&path)).expect_err("not empty, no lock");
        assert!(refused.to_string().contains("chmod 700"), "{refused}");
        assert_eq!(mode(&path), 0o755, "left as it was");
    }

    #[test]
    fn a_second_server_is_refused_by_name() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("data");
        let dir = DataDir::open(Some(&path)).expect("made");
        let lock = dir.lock().expect("free");
        assert!(dir.is_in_use());
        let refused = DataDir::open(Some(&path)).expect("open").lock().expect_err("held");
        assert!(refused.to_string().contains(path.to_str().expect("text")), "{refused}");
        drop(lock);
        assert!(!dir.is_in_use());
        dir.lock().expect("free again");
    }
}
