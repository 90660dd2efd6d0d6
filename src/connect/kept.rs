//! What is known of a server, on disk: one small file for each URL and principal, readable by its
//! owner alone. Losing it costs nothing but an empty first list.

use super::{known::Known, say};
use crate::{data_dir::DataDir, failure::Failure};
use mcp_client::Secret;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// Largest file that is written or read.
const MOST_BYTES: usize = 16 << 20;
/// Most files that are kept; those not written for longest go first.
const MOST_FILES: usize = 64;
const PREFIX: &str = "connect-";

/// A place on disk for what is known of one server.
pub(super) struct Kept {
    /// `None` when there is no place: then nothing outlives the process.
    dir: Option<DataDir>,
    name: String,
    /// Held while it is written.
    saving: Mutex<()>,
}

impl Kept {
    /// The place for that URL and those headers, which say who we are. Without one, a word on
    /// stderr has to do.
    pub(super) fn at(dir: Option<&Path>, url: &str, headers: &BTreeMap<String, Secret>) -> Self {
        let name = format!("{PREFIX}{}.json", digest(url, headers));
        match DataDir::open(dir) {
            Ok(dir) => {
                dir.mended.iter().for_each(|text| say(text));
                Self { dir: Some(dir), name, saving: Mutex::default() }
            }
            Err(why) => {
                say(&format!("nothing is kept for the next time: {}", why.text()));
                Self { dir: None, name, saving: Mutex::default() }
            }
        }
    }

    /// What was known last; nothing where there is no file, or one that cannot be read.
    pub(super) fn load(&mut self) -> Known {
        let Some(dir) = &mut self.dir else { return Known::default() };
        let bytes = match dir.read(&self.name) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(why) => return forgotten(&why.text()),
        };
        if bytes.is_empty() {
            return Known::default();
        }
        if bytes.len() > MOST_BYTES {
            return forgotten("its file is too large");
        }
        let damaged = || format!("{} is damaged", dir.file(&self.name).display());
        serde_json::from_slice(&bytes).unwrap_or_else(|_| forgotten(&damaged()))
    }

    /// Keeps what is known once its turn has come: of several that save at once, the last one
    /// writes the newest.
    pub(super) fn save(&self, known: impl FnOnce() -> Known) {
        let Some(dir) = &self.dir else { return };
        let _turn = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = serde_json::to_vec(&known()).unwrap_or_default();
        if bytes.is_empty() || bytes.len() > MOST_BYTES {
            return say("the server's lists are too large to be kept for the next time");
        }
        if let Err(why) = dir.replace(&self.name, &bytes).and_then(|()| make_room(dir)) {
            say(&format!("nothing is kept for the next time: {}", why.text()));
        }
    }
}

fn forgotten(why: &str) -> Known {
    say(&format!("what was known of the server is ignored: {why}"));
    Known::default()
}

/// A name that tells URLs and principals apart and gives neither away.
fn digest(url: &str, headers: &BTreeMap<String, Secret>) -> String {
    let mut hash = Sha256::new();
    let headers = headers.iter().flat_map(|(name, value)| [name.as_str(), value.expose()]);
    for part in std::iter::once(url).chain(headers) {
        hash.update(part.as_bytes());
        // None of them holds one.
        hash.update([0]);
    }
    let mut text = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        // Writing to a String cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

fn make_room(dir: &DataDir) -> Result<(), Failure> {
    let entries = fs::read_dir(dir.path()).map_err(anyhow::Error::from)?;
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| {
            let written = entry.metadata().and_then(|data| data.modified());
            (written.unwrap_or(SystemTime::UNIX_EPOCH), entry.path())
        })
        .collect();
    files.sort();
    for (_, path) in files.iter().rev().skip(MOST_FILES) {
        fs::remove_file(path).map_err(anyhow::Error::from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::known::List, *};
    use mcp_protocol::raw_value;
    use serde_json::json;
    use std::{
        os::unix::fs::PermissionsExt as _,
        sync::atomic::{AtomicUsize, Ordering},
    };

    fn known() -> Known {
        let mut known = Known::default();
        known.learn(List::Tools, vec![raw_value(&json!({ "name": "a" }))], false);
        known
    }

    #[test]
    fn each_url_and_principal_has_its_own_file_that_gives_neither_away() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("data");
        let open = |url, token: &str| {
            let headers = BTreeMap::from([("authorization".to_owned(), Secret::from(token))]);
            Kept::at(Some(&path), url, &headers)
        };
        open("http://a.test/mcp", "hunter2").save(known);
        for (url, token, is_known) in [
            ("http://a.test/mcp", "hunter2", true),
            ("http://a.test/mcp", "hunter3", false),
            ("http://b.test/mcp", "hunter2", false),
        ] {
            let loaded = open(url, token).load();
            assert_eq!(loaded.list(List::Tools).is_some(), is_known, "{url} {token}");
        }
        let file = fs::read_dir(&path).expect("listed").flatten().next().expect("one file");
        let text = fs::read_to_string(file.path()).expect("text");
        let shown = format!("{:?} {text}", file.file_name());
        assert!(!shown.contains("hunter2") && !shown.contains("a.test"), "{shown}");
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_damaged_or_too_large_is_ignored() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("data");
        let mut kept = Kept::at(Some(&path), "http://a.test/mcp", &BTreeMap::new());
        kept.save(known);
        for bytes in [b"{\"lists\":{\"tools".to_vec(), vec![b' '; MOST_BYTES + 1], vec![0xff]] {
            fs::write(path.join(&kept.name), bytes).expect("written");
            assert!(kept.load().list(List::Tools).is_none());
        }
        kept.save(known);
        assert!(kept.load().list(List::Tools).is_some());
    }

    #[test]
    fn of_several_that_save_at_once_the_newest_is_kept() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("data");
        let mut kept = Kept::at(Some(&path), "http://a.test/mcp", &BTreeMap::new());
        let states = AtomicUsize::new(0);
        // The more, the longer the file: a mixture of two would be damaged.
        let newer = || {
            let entries = 0..=states.fetch_add(1, Ordering::SeqCst);
            let entries = entries.map(|name| raw_value(&json!({ "name": name.to_string() })));
            let mut known = Known::default();
            known.learn(List::Tools, entries.collect(), false);
            known
        };
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| (0..8).for_each(|_| kept.save(newer)));
            }
        });
        assert_eq!(kept.load().list(List::Tools).map(<[_]>::len), Some(64));
    }

    #[test]
    fn there_are_only_so_many_files() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("data");
        for number in 0..MOST_FILES + 3 {
            Kept::at(Some(&path), &format!("http://a.test/{number}"), &BTreeMap::new()).save(known);
        }
        assert_eq!(fs::read_dir(&path).expect("listed").count(), MOST_FILES);
    }
}
