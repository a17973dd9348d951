//! Errors by meaning. A backend translates its own into these and keeps the cause; statuses are
//! chosen elsewhere, in `crate::error`.

use std::fmt;

/// What a store's method returns.
pub type StoreResult<T> = Result<T, StoreError>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the store did not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// No such object, version or upload.
    NotFound,
    /// The condition does not hold: it exists already, changed meanwhile, or is not there.
    Precondition,
    /// Another writer was at the same key at the same time; the same call may succeed later.
    Conflict(Cause),
    /// The object is in an archive tier and cannot be read (S3 `InvalidObjectState`).
    Archived,
    /// The range covers no byte of an object of `size` bytes.
    Range {
        /// Size of the whole object in bytes.
        size: u64,
    },
    /// The listing's cursor was not given out by this store.
    InvalidCursor,
    /// The store cannot hold an object of this name.
    InvalidKey(Cause),
    /// The object or part is larger than the store takes.
    TooLarge(Cause),
    /// The store refuses us: no rights, no such bucket, bad credentials.
    Refused(Cause),
    /// There are no valid credentials to ask it with, or it takes them for expired.
    Credentials(Cause),
    /// The store does not know what was asked of it.
    Unsupported(Cause),
    /// The store takes the request for malformed.
    Malformed(Cause),
    /// The store cannot be reached, failed, or asks to slow down.
    Unavailable(Cause),
    /// The store was silent too long.
    Timeout(Cause),
    /// Disk or quota full.
    Full(Cause),
    /// The bytes to be stored did not come: their source failed before its end.
    Source(Cause),
    /// The store's answer or its files make no sense.
    Corrupt(Cause),
}

impl StoreError {
    /// Whether the store does not know what was asked of it, a condition or a checksum, rather than
    /// deny it (S3 `NotImplemented`).
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported(_))
    }

    /// Whether the same call, sent again unchanged, may well succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Timeout(_) | Self::Conflict(_)
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, cause) = match self {
            Self::NotFound => ("not found", None),
            Self::Precondition => ("the condition does not hold", None),
            Self::Conflict(cause) => ("another writer was faster", Some(cause)),
            Self::Archived => ("the object is archived", None),
            Self::Range { size } => {
                return write!(f, "the range covers no byte of an object of {size} bytes");
            }
            Self::InvalidCursor => ("the cursor is not one of ours", None),
            Self::InvalidKey(cause) => ("the store cannot hold this key", Some(cause)),
            Self::TooLarge(cause) => ("too large for the store", Some(cause)),
            Self::Refused(cause) => ("the store refuses us", Some(cause)),
            Self::Credentials(cause) => ("no valid credentials", Some(cause)),
            Self::Unsupported(cause) => ("the store does not know this", Some(cause)),
            Self::Malformed(cause) => ("the store takes our request for malformed", Some(cause)),
            Self::Unavailable(cause) => ("the store is unavailable", Some(cause)),
            Self::Timeout(cause) => ("the store was silent too long", Some(cause)),
            Self::Full(cause) => ("the store is full", Some(cause)),
            Self::Source(cause) => ("the source of the bytes failed", Some(cause)),
            Self::Corrupt(cause) => ("the store's answer makes no sense", Some(cause)),
        };
        match cause {
            Some(cause) => write!(f, "{text}: {cause}"),
            None => f.write_str(text),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Conflict(cause)
            | Self::InvalidKey(cause)
            | Self::TooLarge(cause)
            | Self::Refused(cause)
            | Self::Credentials(cause)
            | Self::Unsupported(cause)
            | Self::Malformed(cause)
            | Self::Unavailable(cause)
            | Self::Timeout(cause)
            | Self::Full(cause)
            | Self::Source(cause)
            | Self::Corrupt(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}
