//! What the system says when a file or an address cannot be had, in words for people: without the
//! number, and as a part of a sentence that goes on with what to do.

use std::io::{self, ErrorKind};

/// Why it cannot be had.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "for the rest the system's words do")]
    let words = match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::IsADirectory => "it is a folder, not a file",
        ErrorKind::NotADirectory => "there is a file where a folder should be",
        ErrorKind::AlreadyExists => "there is a file of that name",
        ErrorKind::PermissionDenied => "this user has no right to it",
        ErrorKind::ReadOnlyFilesystem => "nothing can be written to that file system",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::AddrInUse => "something else listens there",
        ErrorKind::AddrNotAvailable => "this machine has no such address",
        ErrorKind::ConnectionRefused => "nothing listens there",
        ErrorKind::TimedOut => "there is no answer in time",
        ErrorKind::InvalidData if error.raw_os_error().is_none() && is_of_text(error) => {
            "it is not text (UTF-8)"
        }
        _ => return without_number(error),
    };
    words.to_owned()
}

/// Whether bytes were no text: other readers tell better what is wrong.
fn is_of_text(error: &io::Error) -> bool {
    error.to_string().contains("UTF-8")
}

fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.rfind(" (os error")) {
        (Some(_), Some(at)) => text[..at].to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_in_words_and_without_a_number() {
        for (kind, expected) in [
            (ErrorKind::NotFound, "there is no such file or folder"),
            (ErrorKind::AddrInUse, "something else listens there"),
        ] {
            assert_eq!(reason(&kind.into()), expected);
        }
        let folder = std::fs::read_to_string(std::env::temp_dir()).expect_err("it is a folder");
        assert_eq!(reason(&folder), "it is a folder, not a file");
        let no_text = io::read_to_string(&[0xff][..]).expect_err("no text");
        assert_eq!(reason(&no_text), "it is not text (UTF-8)");
        let other = io::Error::from_raw_os_error(40);
        assert!(other.to_string().contains("os error"), "{other}");
        assert!(!reason(&other).contains("os error"), "{}", reason(&other));
        let ours = io::Error::other("7 bytes are too many (os error of ours)");
        assert_eq!(reason(&ours), "7 bytes are too many (os error of ours)");
    }
}
