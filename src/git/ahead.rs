//! Where a few new commits in a row leave what a remote has, found in this process.
//!
//! That is the common push: some commits without a merge on top of what the remote is known to have.
//! Anything else is left to git. An error in what is found here can only be that more is judged than
//! must be, never less.

use std::collections::{HashMap, HashSet};
use std::fs;

use git2::ErrorCode;

use super::Repository;
use super::plumbing;
use crate::model::GitOid;

/// Commits read before git is asked: far beyond these git is quicker, for it has a commit graph.
const MOST_COMMITS: usize = 500;

/// Bytes of `packed-refs` that libgit2, which parses all of it, reads quicker than a git starts.
const MOST_PACKED_BYTES: u64 = 256 << 10;

/// What of a commit a walk needs.
#[derive(Debug, Clone)]
struct Node {
    parents: Vec<GitOid>,
    /// When it was committed, in seconds after 1970-01-01T00:00:00Z.
    time: i64,
}

impl Repository {
    /// The commit at which `tip` leaves what is `known` and what the tracking branches of `remote`
    /// have; none when all is new, `tip` itself when nothing is.
    ///
    /// `None` where git must be asked: a merge or too many commits on the way, histories that are
    /// cut or grafted, a tracking branch that has some of the commits and stands on none of them.
    pub(super) fn base_of_few(
        &self,
        tip: &GitOid,
        known: Option<GitOid>,
        remote: Option<&str>,
    ) -> Option<Vec<GitOid>> {
        let is_altered = ["shallow", "info/grafts"].iter().any(|name| {
            // What cannot be looked at may be there.
            self.common_dir.join(name).try_exists().unwrap_or(true)
        });
        if is_altered {
            return None;
        }
        let mut known: HashSet<GitOid> = known.into_iter().collect();
        if let Some(remote) = remote {
            known.extend(self.tracked(remote)?);
        }
        let mut walk = Walk { repository: self, read: HashMap::new() };
        let mut oldest = None;
        let mut at = *tip;
        let base = loop {
            if known.contains(&at) {
                break Some(at);
            }
            let node = walk.node(at)?;
            oldest = Some((at, node.time));
            match node.parents.as_slice() {
                [] => break None,
                [parent] => at = *parent,
                _ => return None,
            }
        };
        match oldest {
            // A known commit that has the oldest of the new ones makes it, and maybe others, known.
            Some((oldest, time)) if walk.reaches(&known, oldest, time)? => None,
            _ => Some(base.into_iter().collect()),
        }
    }

    /// The commits of the tracking branches of `remote`.
    fn tracked(&self, remote: &str) -> Option<HashSet<GitOid>> {
        let packed = fs::metadata(self.common_dir.join("packed-refs"));
        if packed.is_ok_and(|packed| packed.len() > MOST_PACKED_BYTES) {
            return None;
        }
        let mut tips = HashSet::new();
        let glob = format!("refs/remotes/{}/*", remote.trim_end_matches('/'));
        for reference in self.library()?.references_glob(&glob).ok()? {
            // git passes over a symbolic ref to nothing, too.
            let target = match reference.ok()?.resolve() {
                Ok(reference) => GitOid::from_slice(reference.target()?.as_bytes())?,
                Err(error) if error.code() == ErrorCode::NotFound => continue,
                Err(_) => return None,
            };
            tips.insert(target);
        }
        Some(tips)
    }
}

/// A walk through commits that ends in time.
struct Walk<'a> {
    repository: &'a Repository,
    read: HashMap<GitOid, Node>,
}

impl Walk<'_> {
    /// The commit `oid`; `None` when it is none that can be read here, or one too many.
    fn node(&mut self, oid: GitOid) -> Option<Node> {
        if let Some(node) = self.read.get(&oid) {
            return Some(node.clone());
        }
        if self.read.len() >= MOST_COMMITS {
            return None;
        }
        let ("commit", bytes) = self.repository.object_at_hand(&oid)? else { return None };
        let node = parse(&bytes, self.repository.oid_len)?;
        self.read.insert(oid, node.clone());
        Some(node)
    }

    /// Whether one of `from` is `wanted`, committed at `time`, or descends from it. A commit that is
    /// older than its parent hides it, as it may from git.
    fn reaches(&mut self, from: &HashSet<GitOid>, wanted: GitOid, time: i64) -> Option<bool> {
        let mut seen = from.clone();
        let mut waiting: Vec<GitOid> = from.iter().copied().collect();
        while let Some(oid) = waiting.pop() {
            if oid == wanted {
                return Some(true);
            }
            let node = self.node(oid)?;
            if node.time >= time {
                waiting.extend(node.parents.into_iter().filter(|parent| seen.insert(*parent)));
            }
        }
        Some(false)
    }
}

/// The parents and the time in the bytes of a commit; `None` unless they stand where git writes them.
fn parse(bytes: &[u8], oid_len: usize) -> Option<Node> {
    let mut lines = bytes.split(|byte| *byte == b'\n').skip(1).peekable();
    let mut parents = Vec::new();
    while let Some(hex) = lines.peek()?.strip_prefix(b"parent ") {
        parents.push(plumbing::parse_oid(hex, oid_len)?);
        lines.next();
    }
    lines.next()?.strip_prefix(b"author ")?;
    let committer = lines.next()?.strip_prefix(b"committer ")?;
    let time = committer.rsplit(|byte| *byte == b' ').nth(1)?;
    let time = std::str::from_utf8(time).ok()?.parse().ok()?;
    Some(Node { parents, time })
}
