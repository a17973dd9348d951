//! Signed links: an HMAC-SHA256 over the key and the end, under a key of the directory's own.
//! What a link looks like, and whether it has expired, is others' business.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::temp::TempFile;
use super::{commit, random};
use crate::store::ObjectKey;

/// The key's file in `DATA_DIR`. Deleting it, and restarting, ends every link.
const FILE: &str = "share.key";

/// As long as what the hash gives (RFC 2104 section 3).
const KEY_BYTES: usize = 32;

/// So that nothing else signed with this key could ever be taken for a link.
const PURPOSE: &str = "cloud-portfolio share 1";

/// Signs links and knows its own again.
pub(super) struct Signer(hmac::Key);

impl Signer {
    /// With the directory's key, which is made where there is none. Blocking.
    ///
    /// Fails with [`io::ErrorKind::InvalidData`] for a key file that is not of our making.
    pub(super) fn open(data_dir: &Path, tmp: &Path) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path, tmp)?,
            bytes => bytes?,
        };
        if bytes.len() != KEY_BYTES {
            let text = format!("{} does not hold {KEY_BYTES} bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    pub(super) fn sign(&self, key: &ObjectKey, expires: i64) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &message(key, expires)))
    }

    /// In a time that does not depend on how much of it is right.
    pub(super) fn has_signed(&self, key: &ObjectKey, expires: i64, signature: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|tag| hmac::verify(&self.0, &message(key, expires), &tag).is_ok())
    }
}

fn create(path: &Path, tmp: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; KEY_BYTES];
    random(&mut bytes)?;
    let mut new = TempFile::for_put(tmp)?;
    // Before there is anything to read in it.
    new.file.set_permissions(Permissions::from_mode(0o600))?;
    new.file.write_all(&bytes)?;
    new.file.sync_all()?;
    if let Some(from) = new.path.path() {
        fs::rename(from, path)?;
    }
    new.path.renamed();
    path.parent().map_or(Ok(()), commit::sync)?;
    Ok(bytes)
}

/// A key may hold any character, so that it comes last.
fn message(key: &ObjectKey, expires: i64) -> Vec<u8> {
    format!("{PURPOSE}\n{expires}\n{key}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyRules;

    fn key(text: &str) -> ObjectKey {
        KeyRules::default().readable(text).unwrap()
    }

    #[test]
    fn a_signature_is_good_for_one_key_and_one_end_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let signature = Signer::open(dir.path(), dir.path())
            .unwrap()
            .sign(&key("a"), 5);
        let signer = Signer::open(dir.path(), dir.path()).unwrap();
        assert!(signer.has_signed(&key("a"), 5, &signature));
        assert!(!signer.has_signed(&key("b"), 5, &signature));
        assert!(!signer.has_signed(&key("a"), 6, &signature));
        for odd in ["", "AA", "!", &signature[1..], &format!("{signature}A")] {
            assert!(!signer.has_signed(&key("a"), 5, odd), "{odd}");
        }
        let other = tempfile::tempdir().unwrap();
        let other = Signer::open(other.path(), other.path()).unwrap();
        assert!(!other.has_signed(&key("a"), 5, &signature));
    }

    #[test]
    fn the_key_is_for_its_owner_only_and_a_broken_one_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        Signer::open(dir.path(), dir.path()).unwrap();
        let path = dir.path().join(FILE);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&path, b"short").unwrap();
        assert!(Signer::open(dir.path(), dir.path()).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
