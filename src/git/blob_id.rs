//! The id of a blob, computed as its bytes come in.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{Repository, SHA1_LEN};
use crate::model::GitOid;

/// Computes the id that bytes have as a blob, to be compared with one that git gave. Attacks on SHA-1
/// are not looked for: git did that when it wrote the object, and what is archived is known by its
/// SHA-256.
pub struct BlobHasher(Kind);

enum Kind {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl BlobHasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Kind::Sha1(hasher) => hasher.update(bytes),
            Kind::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// The id of all that came.
    pub fn finish(self) -> GitOid {
        let oid = match self.0 {
            Kind::Sha1(hasher) => GitOid::from_slice(&hasher.finalize()),
            Kind::Sha256(hasher) => GitOid::from_slice(&hasher.finalize()),
        };
        oid.expect("these hashes have the length of an id")
    }
}

impl Repository {
    /// A hasher for a blob of so many bytes in this repository.
    pub fn blob_hasher(&self, size_bytes: u64) -> BlobHasher {
        let mut hasher = match self.oid_len {
            SHA1_LEN => BlobHasher(Kind::Sha1(Sha1::new())),
            _ => BlobHasher(Kind::Sha256(Sha256::new())),
        };
        hasher.update(format!("blob {size_bytes}\0").as_bytes());
        hasher
    }

    /// The id that `bytes` have as a blob of this repository, computed in the same way.
    pub fn known_blob_id(&self, bytes: &[u8]) -> GitOid {
        let mut hasher = self.blob_hasher(bytes.len() as u64);
        hasher.update(bytes);
        hasher.finish()
    }
}
