//! An upload as it was found: how far its parts and tails reach. Where they are read is `resume`'s,
//! what is added to them `append`'s.

use super::id::{UploadHash, UploadId};
use super::state::{State, Stored};
use super::tails::Tail;
use crate::store::{Multipart, ObjectMeta, Part};

/// Where an upload is.
pub enum Found {
    /// Not complete.
    Open(Box<Open>),
    /// Complete: this is its object.
    Done(Box<ObjectMeta>),
}

/// An upload that is not complete, as it was found.
pub struct Open {
    /// Its name.
    pub id: UploadId,
    pub(super) hash: UploadHash,
    pub(super) multipart: Multipart,
    pub(super) stored: Stored,
    /// The contiguous run of full parts.
    pub(super) parts: Vec<Part>,
    /// All tails that there are, also those that something covers.
    pub(super) tails: Vec<Tail>,
    /// Bytes of the longest tail after the run.
    pub(super) tail: u64,
    /// Bytes that are durable from the first on.
    pub offset: u64,
}

impl Open {
    pub(super) fn new(
        id: UploadId,
        multipart: Multipart,
        stored: Stored,
        listed: Vec<Part>,
        tails: Vec<Tail>,
    ) -> Self {
        let hash = id.hash();
        let mut parts: Vec<Part> = Vec::new();
        let mut offset = 0;
        for part in listed {
            let full = part.size == id.part_size;
            let last = stored.state.length == Some(offset + part.size);
            if part.number as usize != parts.len() + 1 || !(full || last) {
                break;
            }
            offset += part.size;
            parts.push(part);
            if !full {
                break;
            }
        }
        let run = parts.len() as u64;
        let at_boundary = offset == run * id.part_size;
        let tail = tails
            .iter()
            .filter(|tail| tail.part == run && tail.length < id.part_size && at_boundary)
            .map(|tail| tail.length)
            .max()
            .unwrap_or(0);
        Self {
            hash,
            multipart,
            stored,
            parts,
            tails,
            tail,
            offset: offset + tail,
            id,
        }
    }

    /// What must be given back to the client.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.stored.state
    }

    /// Bytes in all, once that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.stored.state.length
    }

    /// Whether every byte is here.
    #[must_use]
    pub fn has_all(&self) -> bool {
        self.length() == Some(self.offset)
    }
}
