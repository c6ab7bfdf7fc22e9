//! The lock of a bundle: what it was made of and what its bytes are, as one JSON document.
//!
//! Refuses unknown versions and keys, and whatever could not have been written here: names that lead
//! elsewhere, digests that are none. docs/formats.md has the keys.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{Digest, GitOid, RepoPath, escape_line};

use super::exclude::Exclusion;
use super::name::{SIGNATURE, Stamp, TARBALL, check_env, check_word, stem};

/// The version of the format.
const VERSION: u32 = 1;

/// The longest lock that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// What becomes of tombstones in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StubPolicy {
    /// They stay as they are.
    Leave,
    /// They are left out.
    Drop,
    /// The archived content takes their place.
    Fill,
}

impl StubPolicy {
    /// The policy of this word, as options and the configuration have it.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "leave" => Some(Self::Leave),
            "drop" => Some(Self::Drop),
            "fill" => Some(Self::Fill),
            _ => None,
        }
    }
}

/// A submodule of the commit, whose files are not in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submodule {
    /// Its path.
    pub path: String,
    /// The commit that belongs there.
    pub commit: String,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The version of the format.
    pub v: u32,
    /// What is bundled.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is meant for.
    pub env: String,
    /// The commit.
    pub git_sha: String,
    /// The commit's tree.
    pub git_tree: String,
    /// Whether the work tree had changes that are not in the bundle.
    pub dirty: bool,
    /// The time in the file's name.
    pub created_at: String,
    /// The time of every file in the tar, in seconds after 1970-01-01T00:00:00Z.
    pub mtime: u64,
    /// The tarball's file; `None` where none was written.
    pub tarball: Option<String>,
    /// SHA-256 of the tarball.
    pub tarball_sha256: Option<String>,
    /// SHA-256 of the tar before it was compressed.
    pub tar_sha256: String,
    /// How many files and symbolic links are in the tar.
    pub file_count: u64,
    /// The patterns of what was left out.
    pub exclude: Vec<String>,
    /// What became of tombstones.
    pub stubs: StubPolicy,
    /// How many tombstones stand among what was not left out.
    pub stub_count: u64,
    /// The submodules, which are not in the tar.
    pub submodules: Vec<Submodule>,
    /// The tag that docker's image got.
    pub docker_tag: Option<String>,
    /// Where it was published.
    pub release_url: Option<String>,
    /// How many bundles were to be kept.
    pub keep: u64,
    /// The signature's file.
    pub signature: Option<String>,
    /// The version of the program that made it.
    pub tool_version: String,
    /// The digest of the newest record of evidence then.
    pub evidence_head: Option<String>,
}

impl Lock {
    /// The version that new locks have.
    pub(super) const VERSION: u32 = VERSION;

    /// The lock that `text` is, which messages call `object`.
    pub(super) fn parse(object: &str, text: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            v: Option<u32>,
        }
        let damaged = |why: String| Error::damaged("lock", object, why);
        let said: Version = serde_json::from_slice(text)
            .map_err(|error| damaged(format!("it is no lock of a bundle: {}", words(&error))))?;
        match said.v {
            Some(VERSION) => {}
            Some(v) => return Err(damaged(format!("it has version {v}, and 1 is known here"))),
            None => return Err(damaged("it does not say its version".to_owned())),
        }
        let lock: Self = serde_json::from_slice(text).map_err(|error| damaged(words(&error)))?;
        lock.check().map_err(|why| damaged(escape_line(&why)))?;
        Ok(lock)
    }

    /// Its text.
    pub(super) fn render(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("its keys are texts");
        text.push(b'\n');
        text
    }

    /// What its files begin with.
    pub(super) fn stem(&self) -> String {
        let stamp = self.stamp().expect("a lock is checked when it is read");
        stem(&self.name, &self.version, stamp)
    }

    /// The time in its files' names.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        Stamp::parse_time(&self.created_at)
    }

    /// The patterns of what is left out.
    pub(super) fn exclusion(&self) -> Result<Exclusion> {
        Exclusion::of(&self.exclude)
    }

    /// The commit.
    pub(super) fn commit(&self) -> GitOid {
        self.git_sha.parse().expect("a lock is checked when it is read")
    }

    fn check(&self) -> std::result::Result<(), String> {
        let said = |error: Error| error.to_string();
        check_word("name", &self.name).map_err(said)?;
        check_word("version", &self.version).map_err(said)?;
        check_env(&self.env).map_err(said)?;
        let stamp = self.stamp().ok_or("`created_at` is no time in UTC, to the second")?;
        Stamp::of_seconds(i64::try_from(self.mtime).unwrap_or(-1)).map_err(said)?;
        for (key, oid) in [("git_sha", &self.git_sha), ("git_tree", &self.git_tree)] {
            oid.parse::<GitOid>().map_err(|()| format!("`{key}` is no id of an object"))?;
        }
        let digests = [
            ("tar_sha256", Some(&self.tar_sha256)),
            ("tarball_sha256", self.tarball_sha256.as_ref()),
            ("evidence_head", self.evidence_head.as_ref()),
        ];
        for (key, digest) in digests {
            if digest.is_some_and(|it| it.parse::<Digest>().is_err()) {
                return Err(format!("`{key}` is no SHA-256"));
            }
        }
        let stem = stem(&self.name, &self.version, stamp);
        for (key, file, end) in
            [("tarball", &self.tarball, TARBALL), ("signature", &self.signature, SIGNATURE)]
        {
            let own = format!("{stem}{end}");
            if file.as_ref().is_some_and(|file| *file != own) {
                return Err(format!("`{key}` is not `{own}`"));
            }
        }
        if self.tarball.is_some() != self.tarball_sha256.is_some() {
            return Err("it names a tarball without its digest, or the other way round".to_owned());
        }
        if self.signature.is_some() && self.tarball.is_none() {
            return Err("it names the signature of no tarball".to_owned());
        }
        for Submodule { path, commit } in &self.submodules {
            if RepoPath::parse(path).is_none() || commit.parse::<GitOid>().is_err() {
                return Err("`submodules` has one without a path or a commit".to_owned());
            }
        }
        if let Some(url) = &self.release_url {
            super::set_url::check_url(url).map_err(said)?;
        }
        self.exclusion().map(drop).map_err(said)
    }
}

fn words(error: &serde_json::Error) -> String {
    escape_line(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn lock() -> Lock {
        let digest = "a".repeat(64);
        Lock {
            v: VERSION,
            name: "shop".to_owned(),
            version: "v1.0.0".to_owned(),
            env: "prod".to_owned(),
            git_sha: "1".repeat(40),
            git_tree: "2".repeat(40),
            dirty: false,
            created_at: "2026-11-21T09:28:10Z".to_owned(),
            mtime: 1_795_253_290,
            tarball: Some("shop-v1.0.0-2026-11-21T092810Z.tar.gz".to_owned()),
            tarball_sha256: Some(digest.clone()),
            tar_sha256: digest,
            file_count: 3,
            exclude: vec!["docs/internal".to_owned()],
            stubs: StubPolicy::Leave,
            stub_count: 0,
            submodules: Vec::new(),
            docker_tag: None,
            release_url: None,
            keep: 3,
            signature: None,
            tool_version: "0.1.0".to_owned(),
            evidence_head: None,
        }
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let lock = lock();
        assert_eq!(Lock::parse("x", &lock.render()).unwrap(), lock);
        assert_eq!(lock.stem(), "shop-v1.0.0-2026-11-21T092810Z");
    }

    #[test]
    fn what_could_not_be_written_is_refused() {
        let good = String::from_utf8(lock().render()).unwrap();
        for (from, to) in [
            ("\"v\": 1", "\"v\": 2"),
            ("\"v\": 1,", ""),
            ("\"v\": 1", "\"v\": 1, \"x\": 1"),
            ("\"name\": \"shop\"", "\"name\": \"../shop\""),
            ("\"version\": \"v1.0.0\"", "\"version\": \"v1/../..\""),
            ("\"env\": \"prod\"", "\"env\": \"\\u001b[2J\""),
            ("shop-v1.0.0-2026-11-21T092810Z.tar.gz", "../../etc/passwd"),
            ("shop-v1.0.0-2026-11-21T092810Z.tar.gz", "other-v1.0.0-2026-11-21T092810Z.tar.gz"),
            ("\"git_sha\": \"1111", "\"git_sha\": \"XYZ1"),
            ("\"tar_sha256\": \"aaaa", "\"tar_sha256\": \"AAAA"),
            ("2026-11-21T09:28:10Z", "yesterday"),
            ("\"mtime\": 1795253290", "\"mtime\": 18446744073709551615"),
            ("\"release_url\": null", "\"release_url\": \"javascript:alert(1)\""),
            ("\"exclude\": [", "\"exclude\": [\"!x\","),
            ("\"stubs\": \"leave\"", "\"stubs\": \"maybe\""),
            ("\"signature\": null", "\"signature\": \"x.sig\""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(Lock::parse("x", bad.as_bytes()).is_err(), "{to}");
        }
        for end in 0..good.len() - 2 {
            assert!(Lock::parse("x", &good.as_bytes()[..end]).is_err(), "{end}");
        }
    }
}
