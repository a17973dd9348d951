//! What a file's errors mean.

use std::io;

use crate::store::StoreError;

/// A file's error by meaning. `NotFound` is no meaning of its own here: where a missing file says
/// that an object is missing, the caller has seen to it.
pub(super) fn fault(error: io::Error) -> StoreError {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            StoreError::Full(error.into())
        }
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => StoreError::Refused(error.into()),
        Kind::InvalidFilename => StoreError::InvalidKey(error.into()),
        _ => StoreError::Unavailable(error.into()),
    }
}

/// Whether a path names nothing: it, or a directory on the way to it, is not there.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
