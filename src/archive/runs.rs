//! Runs of artifacts: a member leaves without taking its neighbours along.
//!
//! Promises: when a member has left, no stored bytes of the others stand beside its own; the others
//! were decoded and hashed on their way. A neighbour that is damaged stays as damaged as it was.

use std::collections::BTreeSet;

use crate::backend::{Catalog, Member, NewMember, NewRun};
use crate::blob::{Encoder, Run, RunReader};
use crate::error::{Error, Result};
use crate::model::Digest;

/// Writes a run and its members; returns their rows. The members learn how long each is in it.
pub(super) fn add(
    catalog: &mut Catalog<'_>,
    run: &Run,
    members: &mut [NewMember<'_>],
) -> Result<Vec<i64>> {
    for (member, length) in members.iter_mut().zip(&run.lengths) {
        member.length = *length;
    }
    let new = NewRun { bytes: &run.bytes, sha256: &run.sha256, members: members.len() };
    catalog.add_shared(&new, members)
}

/// Makes ready for `artifacts` to be erased: no run of theirs has anybody else's bytes, and no upload
/// that was interrupted has theirs. Whoever is still sending sends again: the file stands where it was.
pub(super) fn before_erasing(catalog: &mut Catalog<'_>, artifacts: &[i64]) -> Result<()> {
    for run in catalog.uploads()? {
        catalog.end_upload(run)?;
        catalog.remove_run(run)?;
    }
    isolate(catalog, artifacts)
}

/// Moves all that share a run with one of `artifacts`, and is none of them, into another one.
fn isolate(catalog: &mut Catalog<'_>, artifacts: &[i64]) -> Result<()> {
    let mut runs = BTreeSet::new();
    for artifact in artifacts {
        runs.extend(catalog.run_of(*artifact)?);
    }
    let leaving = artifacts.iter().copied().collect();
    runs.into_iter().try_for_each(|run| leave(catalog, run, &leaving))
}

/// Moves all members of `run` but those of `leaving` into another one.
fn leave(catalog: &mut Catalog<'_>, run: i64, leaving: &BTreeSet<i64>) -> Result<()> {
    let members = catalog.members_of(run)?;
    let stay = |it: &&Member| !leaving.contains(&it.artifact);
    let staying: Vec<Member> = members.iter().filter(stay).copied().collect();
    if staying.is_empty() {
        return Ok(());
    }
    let stored = match catalog.piece(run, 0) {
        Ok(stored) => stored,
        // What is gone stands beside nothing.
        Err(Error::Damaged { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut reader = RunReader::new(stored)?;
    let (mut whole, mut contents) = (Vec::new(), Vec::new());
    for member in staying {
        let at = (member.offset, member.length);
        match reader.member(at, member.size_bytes, &member.sha256) {
            Ok(content) => {
                contents.push(content.to_vec());
                whole.push(member);
            }
            Err(_) => keep_damaged(catalog, reader.stored(), &member)?,
        }
    }
    if whole.is_empty() {
        return Ok(());
    }
    let new = Encoder::new()?.encode_run(&contents)?;
    let members = contents.len();
    let row = catalog.add_run(&NewRun { bytes: &new.bytes, sha256: &new.sha256, members })?;
    let mut offset = 0;
    for (member, length) in whole.iter().zip(new.lengths) {
        catalog.move_to_run(member.artifact, row, offset, length)?;
        offset += length;
    }
    Ok(())
}

/// Gives a member that does not decode a run of its own, with nothing but its own bytes: they cannot
/// be read there either, and nobody else's stand beside them.
fn keep_damaged(catalog: &mut Catalog<'_>, stored: &[u8], member: &Member) -> Result<()> {
    let start = usize::try_from(member.offset).unwrap_or(usize::MAX).min(stored.len());
    let end = usize::try_from(member.offset.saturating_add(member.length)).unwrap_or(usize::MAX);
    let own = &stored[start..end.clamp(start, stored.len())];
    let row = catalog.add_run(&NewRun { bytes: own, sha256: &Digest::of(own), members: 1 })?;
    catalog.move_to_run(member.artifact, row, 0, own.len() as u64)
}

/// Puts `frame` in the place of an artifact's bytes, which were damaged or purged.
pub(super) fn replace(
    catalog: &mut Catalog<'_>,
    artifact: i64,
    frame: &[u8],
    frame_sha256: &Digest,
) -> Result<()> {
    let row = catalog.add_run(&NewRun { bytes: frame, sha256: frame_sha256, members: 1 })?;
    take_over(catalog, artifact, row, frame.len() as u64)
}

/// Makes a run that came in by itself the bytes of an artifact, which were damaged or purged.
pub(super) fn take_over(
    catalog: &mut Catalog<'_>,
    artifact: i64,
    run: i64,
    length: u64,
) -> Result<()> {
    let old = catalog.run_of(artifact)?;
    if let Some(old) = old {
        leave(catalog, old, &BTreeSet::from([artifact]))?;
    }
    catalog.move_to_run(artifact, run, 0, length)?;
    old.map_or(Ok(()), |old| catalog.remove_run(old))
}

/// Writes what is in a run anew, and nothing else: it may hold the bytes of what is gone.
pub(super) fn renew(catalog: &mut Catalog<'_>, run: i64) -> Result<()> {
    leave(catalog, run, &BTreeSet::new())?;
    catalog.remove_run(run)
}

/// Takes artifacts out that no item speaks of, and their bytes with them.
pub(super) fn remove_unused(catalog: &mut Catalog<'_>, artifacts: &[i64]) -> Result<()> {
    let mut runs = BTreeSet::new();
    for artifact in artifacts {
        let run = catalog.run_of(*artifact)?;
        if catalog.remove_unused(*artifact)? {
            runs.extend(run);
        }
    }
    runs.into_iter().try_for_each(|run| renew(catalog, run))
}
