//! From SQLite's errors to [`StoreError`].

use crate::StoreError;
use rusqlite::{Error, ErrorCode, ffi};
use std::{
    fmt,
    io::{self, ErrorKind},
    path::Path,
};

pub(super) type Result<T> = std::result::Result<T, StoreError>;

/// How the store is called in errors: the path of its file.
#[derive(Debug, Clone)]
pub(super) struct Place(String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Place {
    pub(super) fn of(file: &Path) -> Self {
        Self(file.display().to_string())
    }

    fn name(&self) -> String {
        self.0.clone()
    }

    pub(super) fn corrupt(&self, detail: &str) -> StoreError {
        StoreError::Corrupt { place: self.name(), detail: detail.to_owned() }
    }

    pub(super) fn newer(&self, found: i64, known: i64) -> StoreError {
        StoreError::Newer { place: self.name(), found, known }
    }

    pub(super) fn in_use(&self) -> StoreError {
        StoreError::InUse { place: self.name() }
    }

    pub(super) fn missing(&self) -> StoreError {
        StoreError::Missing { place: self.name() }
    }

    pub(super) fn failed(&self, detail: &str) -> StoreError {
        StoreError::Failed { place: self.name(), detail: detail.to_owned() }
    }

    /// What an error of the file system means.
    pub(super) fn io(&self, error: &io::Error) -> StoreError {
        let (place, detail) = (self.name(), error.to_string());
        let kind = error.kind();
        if matches!(kind, ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) {
            StoreError::ReadOnly { place, detail }
        } else if matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            StoreError::Full { place }
        } else {
            StoreError::Failed { place, detail }
        }
    }

    /// What an error of SQLite means.
    pub(super) fn error(&self, error: &Error) -> StoreError {
        let (place, detail) = (self.name(), error.to_string());
        let Error::SqliteFailure(ffi::Error { code, extended_code }, _) = error else {
            // A value that cannot be what we wrote.
            return StoreError::Corrupt { place, detail };
        };
        let no_room = *extended_code == ffi::SQLITE_IOERR_SHMSIZE;
        if matches!(code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) {
            StoreError::Corrupt { place, detail }
        } else if *code == ErrorCode::DiskFull || no_room {
            StoreError::Full { place }
        } else if matches!(code, ErrorCode::ReadOnly | ErrorCode::PermissionDenied) {
            StoreError::ReadOnly { place, detail }
        } else {
            StoreError::Failed { place, detail }
        }
    }
}

/// Whether the same write may succeed later: the cause is the disk and not what was written.
pub(super) fn may_pass(error: &Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        None | Some(
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::ApiMisuse
                | ErrorCode::ParameterOutOfRange
                | ErrorCode::Unknown
        )
    )
}
