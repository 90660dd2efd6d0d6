//! A file of lines that is put aside before it grows too large. What is put aside is called
//! `FILE.1`, the newest, to `FILE.N`; older ones go. A file that somebody else moved away is made
//! anew, as tools that rotate files expect it.

use crate::LogFileConfig;
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Its owner's alone: lines name upstreams, sessions and addresses.
const MODE: u32 = 0o600;

/// An open file.
pub(crate) struct Rotating {
    config: LogFileConfig,
    file: File,
    size: u64,
    /// Device and number of the file.
    identity: (u64, u64),
    /// Whether it grows beyond its size, since it cannot be put aside.
    is_stuck: bool,
    /// Why, until it is told.
    untold: Option<io::Error>,
}

/// Lines that could not be written.
pub(crate) struct Lost {
    pub(crate) lines: u64,
    pub(crate) error: io::Error,
}

impl Rotating {
    /// Opens the file, or makes it; one that is there keeps its mode.
    pub(crate) fn open(config: LogFileConfig) -> io::Result<Self> {
        // A pipe would wait for a reader, and no pipe can be put aside.
        if fs::metadata(&config.path).is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::other("it is not a file"));
        }
        Self::open_as(config, MODE)
    }

    /// Why the file cannot be put aside, once each time that begins.
    pub(crate) fn not_put_aside(&mut self) -> Option<io::Error> {
        self.untold.take()
    }

    /// Writes whole lines, as many as it can.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), Lost> {
        let mut rest = lines;
        while !rest.is_empty() {
            rest = self.append_some(rest).map_err(|(rest, error)| Lost {
                lines: rest.split_inclusive(|byte| *byte == b'\n').count() as u64,
                error,
            })?;
        }
        Ok(())
    }

    /// Writes what the file has room for, at least a line; gives what is left.
    fn append_some<'a>(&mut self, lines: &'a [u8]) -> Result<&'a [u8], (&'a [u8], io::Error)> {
        if self.was_moved() {
            self.reopen().map_err(|error| (lines, error))?;
        }
        if self.fits(lines) == 0 {
            self.put_aside()
                .or_else(|error| self.goes_on(error))
                .map_err(|error| (lines, error))?;
        }
        let fits = self.fits(lines).max(first_line(lines));
        let written = write(&mut self.file, &lines[..fits]);
        let whole = match &written {
            Ok(()) => fits,
            Err((bytes, _)) => end_of_last(&lines[..*bytes]),
        };
        self.size += whole as u64;
        match written {
            Ok(()) => Ok(&lines[whole..]),
            Err((bytes, error)) => {
                let cut = self.cut(bytes - whole);
                Err((&lines[whole..], cut.err().unwrap_or(error)))
            }
        }
    }

    /// Takes half a line from the end: it would spoil the next one. What the file has counts, not
    /// what we wrote: others may write to it or shorten it.
    fn cut(&self, half: usize) -> io::Result<()> {
        if half == 0 {
            return Ok(());
        }
        self.file.set_len(self.file.metadata()?.len().saturating_sub(half as u64))
    }

    /// Where the file is still ours, one that is too large is better than none.
    fn goes_on(&mut self, error: io::Error) -> io::Result<()> {
        if self.was_moved() {
            return Err(error);
        }
        if !std::mem::replace(&mut self.is_stuck, true) {
            self.untold = Some(error);
        }
        Ok(())
    }

    /// How many bytes of these lines there is room for. A line that is longer than a file has one
    /// for itself.
    fn fits(&self, lines: &[u8]) -> usize {
        let room = match self.config.max_size {
            0 => u64::MAX,
            max => max.saturating_sub(self.size),
        };
        let whole = end_of_last(&lines[..clamp(room, lines.len())]);
        if self.size == 0 { whole.max(first_line(lines)) } else { whole }
    }

    /// Puts the file aside, and what was put aside before it, and makes a new one.
    fn put_aside(&mut self) -> io::Result<()> {
        // It is gone already where the new one could not be made the last time.
        if self.config.path.exists() {
            let keep = self.config.keep;
            for number in (0..keep).rev() {
                fs::rename(self.aside(number), self.aside(number + 1)).or_else(unless_gone)?;
            }
            if keep == 0 {
                fs::remove_file(&self.config.path).or_else(unless_gone)?;
            }
        }
        self.reopen()
    }

    /// The name after it was put aside so many times.
    fn aside(&self, times: usize) -> PathBuf {
        let mut path = self.config.path.clone().into_os_string();
        if times > 0 {
            path.push(format!(".{times}"));
        }
        path.into()
    }

    /// Whether another file, or none, is where ours was. If it is ours, its size is what it is.
    fn was_moved(&mut self) -> bool {
        match fs::metadata(&self.config.path) {
            Ok(there) if (there.dev(), there.ino()) == self.identity => {
                self.size = there.len();
                false
            }
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mode = self.file.metadata()?.permissions().mode() & 0o777;
        *self = Self::open_as(self.config.clone(), mode)?;
        Ok(())
    }

    fn open_as(config: LogFileConfig, mode: u32) -> io::Result<Self> {
        let (file, is_new) = append_to(&config.path, mode)?;
        let there = file.metadata()?;
        let untold = if is_new || config.max_size == 0 { None } else { try_beside(&config.path) };
        Ok(Self {
            config,
            file,
            size: there.len(),
            identity: (there.dev(), there.ino()),
            is_stuck: untold.is_some(),
            untold,
        })
    }
}

/// Why no file can be made beside that one; then it cannot be put aside either.
fn try_beside(path: &Path) -> Option<io::Error> {
    let mut trial = path.to_owned().into_os_string();
    trial.push(format!(".{}.trial", std::process::id()));
    match OpenOptions::new().write(true).create_new(true).open(&trial) {
        Ok(_) => fs::remove_file(&trial).err(),
        Err(error) => Some(error),
    }
}

/// Opens a file to add to it, and tells whether it made it; then it has that mode.
fn append_to(path: &Path, mode: u32) -> io::Result<(File, bool)> {
    let open = |is_new| {
        let mut how = OpenOptions::new();
        how.append(true).create(true).create_new(is_new).mode(mode).open(path)
    };
    match open(true) {
        Ok(file) => {
            // The umask may have taken something away.
            file.set_permissions(Permissions::from_mode(mode))?;
            Ok((file, true))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((open(false)?, false)),
        Err(error) => Err(error),
    }
}

/// Writes all of it, or says how many bytes were written before it failed.
fn write(file: &mut File, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

fn clamp(room: u64, most: usize) -> usize {
    usize::try_from(room).map_or(most, |room| room.min(most))
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1)
}

fn end_of_last(lines: &[u8]) -> usize {
    lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn unless_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
