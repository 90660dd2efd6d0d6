//! The agent's file on disk: read once, replaced at once, with what was there kept beside it.

use crate::failure::Failure;
use mcp_telemetry::reason;
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

/// What a file of an agent may be at most; beyond it, it is something else.
const MOST: u64 = 64 << 20;

/// Whose a file is, and what others may do with it.
#[derive(Clone, Copy)]
struct Access {
    mode: u32,
    /// User and group; ours without.
    owner: Option<(u32, u32)>,
}

/// What a file gets that was not there.
const NEW: Access = Access { mode: 0o600, owner: None };

/// A file as it was found.
pub(super) struct Found {
    /// Where it is, links followed.
    pub(super) path: PathBuf,
    /// What is in it and whose it is; `None` if it is not there.
    content: Option<(String, Access)>,
}

impl Found {
    /// Reads it.
    pub(super) fn read(named: &Path) -> Result<Self, Failure> {
        let path = named.canonicalize().unwrap_or_else(|_| named.to_owned());
        let failed = |error: &dyn std::fmt::Display| {
            Failure::run(format!("{} cannot be read: {error}", path.display()))
        };
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A file in the place of the link would be lost to whoever keeps the one it names.
                if named.is_symlink() {
                    return Err(failed(&"it is a link to a file that is not there"));
                }
                return Ok(Self { path, content: None });
            }
            Err(error) => return Err(failed(&reason(&error))),
        };
        if !metadata.is_file() || metadata.len() > MOST {
            return Err(failed(&"it is no file of an agent"));
        }
        let text = fs::read_to_string(&path).map_err(|error| failed(&reason(&error)))?;
        let owner = Some((metadata.uid(), metadata.gid()));
        let access = Access { mode: metadata.permissions().mode() & 0o7777, owner };
        Ok(Self { path, content: Some((text, access)) })
    }

    /// What is in it.
    pub(super) fn text(&self) -> &str {
        self.content.as_ref().map_or("", |(text, _)| text)
    }

    /// Puts another text in its place, of the same mode and owner; gives the copy of what was there. A reader
    /// sees the old one or the new one.
    pub(super) fn replace(&self, text: &str) -> Result<Option<PathBuf>, Failure> {
        let failed = |error: io::Error| {
            Failure::run(format!("{} cannot be changed: {}", self.path.display(), reason(&error)))
        };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let backup = match &self.content {
            Some((before, access)) => {
                let backup = self.beside("bak");
                write(&backup, before, *access).map_err(failed)?;
                Some(backup)
            }
            None => None,
        };
        let draft = self.beside(&std::process::id().to_string());
        let access = self.content.as_ref().map_or(NEW, |(_, access)| *access);
        let put = write(&draft, text, access).and_then(|()| self.put(&draft));
        put.inspect_err(|_| drop(fs::remove_file(&draft))).map_err(failed)?;
        Ok(backup)
    }

    /// An agent that runs writes to its file, too: what it wrote meanwhile is not thrown away.
    fn put(&self, draft: &Path) -> io::Result<()> {
        let now = match fs::read_to_string(&self.path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if now.as_deref() != self.content.as_ref().map(|(text, _)| text.as_str()) {
            return Err(io::Error::other("somebody else has changed it meanwhile; try again"));
        }
        fs::rename(draft, &self.path)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".mcp-orchestrator.{ending}"));
        name.into()
    }
}

/// Writes a file of that mode and owner, never open to more, safe on disk.
fn write(path: &Path, text: &str, access: Access) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    let given = give(&file, access);
    given.inspect_err(|_| drop(fs::remove_file(path)))?;
    file.sync_all()
}

/// Makes it that user's; under sudo a file of ours would be one that the agent cannot write to.
fn give(file: &File, access: Access) -> io::Result<()> {
    let made = file.metadata()?;
    if let Some((user, group)) = access.owner.filter(|owner| *owner != (made.uid(), made.gid())) {
        fchown(file, Some(user), Some(group)).map_err(|error| {
            io::Error::other(format!(
                "it is of user {user} and group {group}, and would not be afterwards ({error}); do \
                 this as that user"
            ))
        })?;
    }
    file.set_permissions(Permissions::from_mode(access.mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nowhere_is_refused_and_stays() {
        let scratch = tempfile::tempdir().expect("a directory");
        let link = scratch.path().join("mcp.json");
        std::os::unix::fs::symlink(scratch.path().join("gone"), &link).expect("made");
        let refused = Found::read(&link).err().expect("there is no file").to_string();
        assert!(refused.contains("a link to a file that is not there"), "{refused}");
        assert!(link.is_symlink());
    }

    #[test]
    fn whose_it_is_it_stays_and_so_its_copy() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("mcp.json");
        fs::write(&path, "{}").expect("written");
        // Only root may give a file away; for others, it is theirs before and after.
        let given = std::os::unix::fs::chown(&path, Some(12_345), Some(12_346));
        let owner = |path: &Path| fs::metadata(path).map(|file| (file.uid(), file.gid())).ok();
        let before = owner(&path);
        assert!(given.is_err() || before == Some((12_345, 12_346)));
        let backup = Found::read(&path).expect("read").replace("{ }").expect("replaced");
        assert_eq!((owner(&path), owner(&backup.expect("a copy"))), (before, before));
    }

    #[test]
    fn what_an_agent_wrote_meanwhile_is_not_thrown_away() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("mcp.json");
        fs::write(&path, "{}").expect("written");
        let found = Found::read(&path).expect("read");
        fs::write(&path, "{\"new\": 1}").expect("written");
        let refused = found.replace("{\"ours\": 1}").expect_err("it has changed");
        assert!(refused.to_string().contains("meanwhile"), "{refused}");
        assert_eq!(fs::read_to_string(&path).expect("text"), "{\"new\": 1}");
        let names = fs::read_dir(scratch.path()).expect("listed").count();
        assert_eq!(names, 2, "the file and the copy, no draft");
    }
}
