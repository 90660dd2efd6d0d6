//! Files that may change while the server runs. They are looked at every second: asking is what
//! works everywhere, also where an editor puts a new file in place of the old one, and where a
//! container mounts files by links that are swapped.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// By which a change of a file is known: device, inode, change time, and size. `None` if it is
/// not there.
type Stamp = Option<(u64, u64, (i64, i64), u64)>;

/// Files, and how they were when they were read.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    known: Vec<Stamp>,
    /// How they were at the last look, if that was otherwise than known.
    seen: Option<Vec<Stamp>>,
}

impl Watch {
    /// Takes these files as they are now: they are about to be read.
    pub(crate) fn over(files: Vec<PathBuf>) -> Self {
        Self { known: stamps(&files), files, seen: None }
    }

    /// Waits until the files have changed, and not again for as long as between two looks: who
    /// writes several of them, or one in several steps, is done then. Never, without files.
    pub(crate) async fn changed(&mut self) {
        if self.files.is_empty() {
            std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(EVERY).await;
            let files = self.files.clone();
            // A slow disk must not hold up the signals.
            let looked = tokio::task::spawn_blocking(move || stamps(&files)).await;
            if looked.is_ok_and(|now| self.is_settled(now)) {
                return;
            }
        }
    }

    /// Whether the files are otherwise than known, and as they were at the last look.
    fn is_settled(&mut self, now: Vec<Stamp>) -> bool {
        if now == self.known {
            self.seen = None;
            return false;
        }
        if self.seen.as_ref() != Some(&now) {
            self.seen = Some(now);
            return false;
        }
        (self.known, self.seen) = (now, None);
        true
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), (file.ctime(), file.ctime_nsec()), file.len()))
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(size: u64) -> Vec<Stamp> {
        vec![Some((1, 1, (0, 0), size)), None]
    }

    #[test]
    fn a_change_counts_once_it_has_settled_and_only_once() {
        let mut watch = Watch { files: vec![], known: stamp(1), seen: None };
        let looks = [1, 2, 3, 3, 3, 1, 3, 1, 1, 1];
        let told: Vec<bool> = looks.iter().map(|size| watch.is_settled(stamp(*size))).collect();
        let expected = [false, false, false, true, false, false, false, false, true, false];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_file_that_is_replaced_or_goes_has_changed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&file, "same").expect("written");
        let files = vec![file.clone()];
        let before = stamps(&files);
        assert_eq!(stamps(&files), before);
        fs::write(&other, "same").expect("written");
        fs::rename(&other, &file).expect("renamed");
        let replaced = stamps(&files);
        assert_ne!(replaced, before);
        fs::remove_file(&file).expect("removed");
        assert_eq!(stamps(&files), [None]);
    }
}
