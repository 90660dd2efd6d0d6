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
            self.put_aside().map_err(|error| (lines, error))?;
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
            Err((_, error)) => {
                // Half a line would spoil the next one. If that fails, the size is wrong, too.
                let cut = self.file.set_len(self.size);
                Err((&lines[whole..], cut.err().unwrap_or(error)))
            }
        }
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

    /// Whether another file, or none, is where ours was.
    fn was_moved(&self) -> bool {
        match fs::metadata(&self.config.path) {
            Ok(there) => (there.dev(), there.ino()) != self.identity,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mode = self.file.metadata()?.permissions().mode() & 0o777;
        *self = Self::open_as(self.config.clone(), mode)?;
        Ok(())
    }

    fn open_as(config: LogFileConfig, mode: u32) -> io::Result<Self> {
        let file = append_to(&config.path, mode)?;
        let there = file.metadata()?;
        Ok(Self { config, file, size: there.len(), identity: (there.dev(), there.ino()) })
    }
}

/// Opens a file to add to it; one that is made here has that mode.
fn append_to(path: &Path, mode: u32) -> io::Result<File> {
    let open = |is_new| {
        let mut how = OpenOptions::new();
        how.append(true).create(true).create_new(is_new).mode(mode).open(path)
    };
    match open(true) {
        Ok(file) => {
            // The umask may have taken something away.
            file.set_permissions(Permissions::from_mode(mode))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(false),
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
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn config(path: &Path, max_size: u64, keep: usize) -> LogFileConfig {
        LogFileConfig { path: path.to_owned(), max_size, keep }
    }

    fn open(config: LogFileConfig) -> Rotating {
        Rotating::open(config).expect("it can be made")
    }

    fn append(file: &mut Rotating, lines: &str) {
        file.append(lines.as_bytes()).unwrap_or_else(|lost| panic!("{}", lost.error));
    }

    /// The files of a folder by name, with what is in them.
    fn files(dir: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(dir).expect("a folder").flatten();
        let mut files: Vec<(String, String)> = entries
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, fs::read_to_string(entry.path()).expect("text"))
            })
            .collect();
        files.sort();
        files
    }

    fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        (dir, path)
    }

    #[test]
    fn it_is_put_aside_before_it_grows_too_large_and_the_oldest_go() {
        let (dir, path) = scratch();
        let mut file = open(config(&path, 8, 2));
        append(&mut file, "1111\n2222\n3333\n");
        append(&mut file, "44\n");
        append(&mut file, "5555\n");
        append(&mut file, "a line that is longer\n6\n");
        let expected =
            named(&[("log", "6\n"), ("log.1", "a line that is longer\n"), ("log.2", "5555\n")]);
        assert_eq!(files(dir.path()), expected);
        drop(file);
        // What is there counts.
        append(&mut open(config(&path, 8, 0)), "777777\n");
        assert_eq!(files(dir.path())[0].1, "777777\n");
        append(&mut open(config(&path, 0, 0)), &"8\n".repeat(100));
        assert_eq!(files(dir.path())[0].1.len(), 207);
    }

    #[test]
    fn it_is_its_owners_alone_unless_somebody_made_it_otherwise() {
        let (_dir, path) = scratch();
        let mode = || fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        let mut file = open(config(&path, 4, 1));
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o664)).expect("ours");
        append(&mut file, "111\n222\n");
        assert_eq!(mode(), 0o664, "whoever may read it may read the next one");
    }

    #[test]
    fn one_that_was_moved_away_or_removed_is_made_anew() {
        let (dir, path) = scratch();
        let mut file = open(config(&path, 100, 1));
        append(&mut file, "1\n");
        fs::rename(&path, dir.path().join("old")).expect("moved");
        append(&mut file, "2\n");
        assert_eq!(files(dir.path()), named(&[("log", "2\n"), ("old", "1\n")]));
        fs::remove_file(&path).expect("removed");
        append(&mut file, "3\n");
        assert_eq!(files(dir.path()), named(&[("log", "3\n"), ("old", "1\n")]));
    }

    #[test]
    fn a_place_that_cannot_be_written_to_loses_what_comes_and_nothing_that_is_there() {
        let (dir, path) = scratch();
        let mut file = open(config(&path, 4, 1));
        append(&mut file, "1\n");
        fs::create_dir(dir.path().join("log.1")).expect("made");
        let lost = file.append(b"22\n33\n").expect_err("a folder is in the way");
        assert_eq!(lost.lines, 2);
        assert_eq!(fs::read_to_string(&path).expect("text"), "1\n");
        fs::remove_dir(dir.path().join("log.1")).expect("empty");
        append(&mut file, "44\n");
        assert_eq!(files(dir.path()), named(&[("log", "44\n"), ("log.1", "1\n")]));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for place in ["/dev/null", "/"] {
            let refused = Rotating::open(config(Path::new(place), 0, 0)).err();
            assert!(refused.is_some_and(|error| error.to_string() == "it is not a file"));
        }
    }
}
