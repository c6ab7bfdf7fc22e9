//! `evidence checkpoint` and `evidence prove`: what can be kept outside, so that nothing that the
//! evidence said by then can be taken back unnoticed.
//!
//! Promises: a checkpoint is given out only if the tree of every earlier one is the beginning of
//! its own. Each is kept in the archive, and named by a CHECKPOINT record.

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::error::{Error, Result};
use crate::evidence::{
    Action, Checkpoint, Event, Note, NoteSignature, audit_path, key_id, leaf_hash, merkle_root,
};
use crate::model::{Actor, DeedId, Digest};
use crate::policy::signature::{blob_of, key_of};

use super::{Archive, Workspace, record_of, recovery, sign};

/// Why a record cannot be proved yet.
const NOT_COVERED: &str = "no checkpoint covers this record yet";

/// Records that are read at once.
const PAGE: u64 = 1000;

/// Whether a checkpoint is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// With git's key.
    Signed,
    /// By nobody.
    Unsigned,
}

/// A checkpoint that was given out.
#[derive(Debug, Serialize)]
pub struct CheckpointReport {
    /// Its first line.
    pub origin: String,
    /// How many records it covers.
    pub tree_size: u64,
    /// The Merkle root over them, as 64 hex digits.
    pub root: String,
    /// The key that signed it, as `SHA256:…`; `None` where nobody did.
    pub key_fingerprint: Option<String>,
    /// Digest of its CHECKPOINT record.
    pub evidence: String,
    /// The note.
    pub note: String,
}

/// Everything that shows a record to be one that a checkpoint covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// 1.
    pub v: u64,
    /// The record's line, without its line feed.
    pub record: String,
    /// Which leaf of the tree it is, from 0.
    pub leaf_index: u64,
    /// How many leaves the tree has.
    pub tree_size: u64,
    /// The hashes beside the way to the root, the nearest first, as 64 hex digits.
    pub audit_path: Vec<String>,
    /// The checkpoint's note.
    pub checkpoint: String,
}

/// Makes, records and keeps a checkpoint of everything that the archive has.
pub fn checkpoint(
    workspace: &Workspace,
    actor: &Actor,
    sealed: Sealed,
) -> Result<CheckpointReport> {
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    Archive::open(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let (made, leaves) = archive.at_one_moment(|archive| {
        let leaves = leaves(archive)?;
        Ok((describe(workspace, archive, &leaves)?, leaves))
    })?;
    check_earlier(&mut archive, &leaves)?;
    let mut note = Note { text: made.render(), signatures: Vec::new() };
    let mut key_fingerprint = None;
    if sealed == Sealed::Signed {
        let signed = sign(workspace, note.text.as_bytes())?;
        note.signatures.push(line_of(&made, &signed.armored)?);
        key_fingerprint = Some(signed.key_fingerprint);
    }
    let note = note.render();
    let repo = workspace.label().map_or_else(String::new, ToString::to_string);
    let mut event = Event::new(Action::Checkpoint, actor.as_str());
    event.repo = (!repo.is_empty()).then(|| repo.clone());
    let mut detail = Map::new();
    detail.insert("origin".to_owned(), json!(made.origin()));
    detail.insert("tree_size".to_owned(), json!(made.size));
    detail.insert("root".to_owned(), json!(made.root.to_string()));
    event.detail = Some(detail);
    let ((), records) = archive.journaled(&repo, DeedId::random(), |transaction| {
        transaction.ledger().keep_checkpoint(made.size, &note)?;
        Ok(((), vec![(event.clone(), None)]))
    })?;
    drop(lock);
    Ok(CheckpointReport {
        origin: made.origin(),
        tree_size: made.size,
        root: made.root.to_string(),
        key_fingerprint,
        evidence: records[records.len() - 1].1.to_string(),
        note,
    })
}

/// Proves that the first kept checkpoint that covers it covers the record with this digest.
pub fn prove_record(workspace: &Workspace, digest: &Digest) -> Result<Proof> {
    let mut archive = Archive::open(workspace)?;
    let (leaves, index, record) = archive.at_one_moment(|archive| {
        let (mut leaves, mut found) = (Vec::new(), None);
        each_line(archive, |line, of| {
            if of == *digest {
                found = Some((leaves.len(), line.to_owned()));
            }
            leaves.push(leaf_hash(line.as_bytes()));
        })?;
        let (index, record) = found.ok_or_else(|| Error::NotFound {
            action: "prove",
            object: digest.to_string(),
            why: "no record of the archive has this digest".to_owned(),
        })?;
        Ok((leaves, index, record))
    })?;
    let kept = first_over(&mut archive, index as u64 + 1)?;
    let (size, note) = kept.ok_or_else(|| Error::NotFound {
        action: "prove",
        object: digest.to_string(),
        why: NOT_COVERED.to_owned(),
    })?;
    let covered = covered(&leaves, size, &note)?;
    let path = audit_path(covered, index).unwrap_or_default();
    Ok(Proof {
        v: 1,
        record,
        leaf_index: index as u64,
        tree_size: size,
        audit_path: path.iter().map(ToString::to_string).collect(),
        checkpoint: note,
    })
}

/// The first kept checkpoint over at least `size` records: a signed one, if there is one.
fn first_over(archive: &mut Archive, size: u64) -> Result<Option<(u64, String)>> {
    let (mut first, mut from) = (None, size);
    while let Some((size, note)) = archive.ledger().checkpoint_from(from)? {
        if Note::parse(&note).is_ok_and(|note| !note.signatures.is_empty()) {
            return Ok(Some((size, note)));
        }
        from = size + 1;
        first = first.or(Some((size, note)));
    }
    Ok(first)
}

/// What is wrong with the checkpoints that the archive keeps: each must be the beginning of what the
/// archive has now.
pub(super) fn checkpoint_faults(archive: &mut Archive) -> Result<(u64, Vec<String>)> {
    let (mut after, mut count, mut faults) = (0, 0, Vec::new());
    let mut known: Option<Vec<Digest>> = None;
    while let Some((size, note)) = archive.ledger().checkpoint_from(after)? {
        let leaves = match &known {
            Some(leaves) => leaves,
            None => known.insert(leaves(archive)?),
        };
        if let Err(error) = covered(leaves, size, &note) {
            faults.push(error.to_string());
        }
        (after, count) = (size + 1, count + 1);
    }
    Ok((count, faults))
}

fn check_earlier(archive: &mut Archive, leaves: &[Digest]) -> Result<()> {
    match archive.ledger().last_checkpoint()? {
        Some((size, note)) => covered(leaves, size, &note).map(|_| ()),
        None => Ok(()),
    }
}

/// The leaves that the kept checkpoint over `size` records covers, if they are what it says.
fn covered<'a>(leaves: &'a [Digest], size: u64, note: &str) -> Result<&'a [Digest]> {
    let damaged = |why: &str| Error::damaged("checkpoint", format!("over {size} records"), why);
    let note = Note::parse(note).map_err(damaged)?;
    let kept = Checkpoint::parse(&note.text).ok_or_else(|| damaged("it is no checkpoint"))?;
    let covered = usize::try_from(size).ok().and_then(|size| leaves.get(..size));
    let covered = covered.ok_or_else(|| damaged("the archive has fewer records now"))?;
    if kept.size != size || merkle_root(covered) != kept.root {
        return Err(damaged("the archive's records are not the ones that it was made of"));
    }
    Ok(covered)
}

fn describe(workspace: &Workspace, archive: &mut Archive, leaves: &[Digest]) -> Result<Checkpoint> {
    let id = archive.catalog().meta("archive")?.unwrap_or_default();
    let unknown = |()| Error::damaged("archive", id.clone(), "it has no id");
    let mut heads: Vec<_> = archive
        .ledger()
        .logs()?
        .into_iter()
        .map(|head| (head.log, head.seq, head.digest))
        .collect();
    heads.sort();
    Ok(Checkpoint {
        archive: id.parse().map_err(unknown)?,
        size: leaves.len() as u64,
        root: merkle_root(leaves),
        at: workspace.now(),
        heads,
    })
}

fn line_of(checkpoint: &Checkpoint, armored: &str) -> Result<NoteSignature> {
    let odd = |fault| Error::CannotSign { why: format!("the signature cannot be read: {fault}") };
    let (name, key) = (checkpoint.origin(), key_of(armored).map_err(odd)?);
    let bytes = blob_of(armored).map_err(odd)?;
    Ok(NoteSignature { key_id: key_id(&name, &key), name, bytes })
}

fn leaves(archive: &mut Archive) -> Result<Vec<Digest>> {
    let mut leaves = Vec::new();
    each_line(archive, |line, _| leaves.push(leaf_hash(line.as_bytes())))?;
    Ok(leaves)
}

/// Calls `with` on the line and digest of every record, in the order of their rows.
fn each_line(archive: &mut Archive, mut with: impl FnMut(&str, Digest)) -> Result<()> {
    let mut after = 0;
    loop {
        let page = archive.ledger().records_after(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.row_id;
        for stored in &page {
            with(&record_of(stored)?.render()?, stored.digest);
        }
    }
}
