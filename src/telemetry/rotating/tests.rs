//! On a disk of the machine.

use super::*;

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
fn where_it_cannot_be_put_aside_it_grows_and_says_so_once() {
    let (dir, path) = scratch();
    let mut file = open(config(&path, 4, 1));
    append(&mut file, "1\n");
    fs::create_dir(dir.path().join("log.1")).expect("made");
    append(&mut file, "22\n33\n");
    append(&mut file, "44\n");
    assert!(file.not_put_aside().is_some(), "a folder is in the way");
    append(&mut file, "55\n");
    assert!(file.not_put_aside().is_none());
    assert_eq!(fs::read_to_string(&path).expect("text"), "1\n22\n33\n44\n55\n");
    fs::remove_dir(dir.path().join("log.1")).expect("empty");
    append(&mut file, "66\n");
    assert_eq!(files(dir.path()), named(&[("log", "66\n"), ("log.1", "1\n22\n33\n44\n55\n")]));
}

#[test]
fn a_folder_where_nothing_can_be_made_is_told_at_the_start() {
    let (dir, path) = scratch();
    // A name so long that none fits beside it: root may write to any folder.
    let long = dir.path().join("l".repeat(255));
    for path in [&path, &long] {
        fs::write(path, "1\n").expect("made");
    }
    assert!(open(config(&path, 4, 1)).not_put_aside().is_none());
    assert!(open(config(&long, 0, 1)).not_put_aside().is_none(), "it is never put aside");
    let mut file = open(config(&long, 4, 1));
    assert!(file.not_put_aside().is_some());
    append(&mut file, "22\n33\n");
    assert!(file.not_put_aside().is_none(), "it was told");
    assert_eq!(fs::read_to_string(&long).expect("text"), "1\n22\n33\n");
}

#[test]
fn half_a_line_is_cut_from_what_the_file_has() {
    let (_dir, path) = scratch();
    let mut file = open(config(&path, 100, 1));
    append(&mut file, "1111\n2222\n");
    // Another writer; then somebody who copies the file and empties it.
    fs::write(&path, "1111\n2222\ntheirs\nha").expect("written");
    file.cut(2).expect("cut");
    file.cut(0).expect("nothing");
    assert_eq!(fs::read_to_string(&path).expect("text"), "1111\n2222\ntheirs\n");
    fs::write(&path, "").expect("emptied");
    append(&mut file, "3\n");
    file.cut(0).expect("nothing");
    assert_eq!((fs::read_to_string(&path).expect("text"), file.size), ("3\n".to_owned(), 2));
}

#[test]
fn what_is_no_file_is_refused() {
    for place in ["/dev/null", "/"] {
        let refused = Rotating::open(config(Path::new(place), 0, 0)).err();
        assert!(refused.is_some_and(|error| error.to_string() == "it is not a file"));
    }
}
