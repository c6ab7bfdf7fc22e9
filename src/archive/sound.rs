//! Which artifacts are whole: decoded and hashed on all cores.

use crate::backend::{Member, Place};
use crate::blob::{RunDecoder, RunReader};
use crate::error::Result;
use crate::model::Digest;

use super::Archive;
use super::cores::{Cores, on_all_cores};

/// Artifacts are read in portions of this many.
const PORTION: u64 = 1000;

/// A run's stored bytes, the digest they should have, and those of its members that are to be checked.
struct Task {
    stored: Vec<u8>,
    sha256: Digest,
    members: Vec<Member>,
}

/// What is known of the members of a run.
#[derive(Default)]
struct Checked {
    sound: u64,
    content_bytes: u64,
    /// Those that are not sound, or of which it is not known yet.
    doubtful: Vec<Member>,
}

/// What is known of all artifacts.
#[derive(Default)]
pub(super) struct Soundness {
    /// Those whose every byte is true.
    pub sound: u64,
    /// Bytes of their content.
    pub content_bytes: u64,
    /// Those that were purged.
    pub purged: Vec<i64>,
    /// The others, in the order of their rows: what is wrong with one of them, if it is not just too
    /// large for this, is for [`Archive::check_artifact`] to say.
    pub doubtful: Vec<Member>,
}

impl Soundness {
    fn add(&mut self, checked: Checked) {
        self.sound += checked.sound;
        self.content_bytes = self.content_bytes.saturating_add(checked.content_bytes);
        self.doubtful.extend(checked.doubtful);
    }
}

/// Checks all artifacts, and does `meanwhile` when the last is on its way; `step` hears how many are
/// sound so far.
pub(super) fn check_all(
    archive: &mut Archive,
    step: &dyn Fn(u64),
    meanwhile: impl FnOnce(&mut Archive) -> Result<()>,
) -> Result<Soundness> {
    let mut known = Soundness::default();
    on_all_cores(RunDecoder::new, check, |cores| {
        give_all(archive, cores, &mut known, step)?;
        meanwhile(archive)?;
        cores.finish(&mut |checked| {
            known.add(checked);
            step(known.sound);
        });
        Ok(())
    })?;
    known.doubtful.sort_by_key(|member| member.artifact);
    Ok(known)
}

fn give_all(
    archive: &mut Archive,
    cores: &mut Cores<Task, Checked>,
    known: &mut Soundness,
    step: &dyn Fn(u64),
) -> Result<()> {
    let mut after = 0;
    // The members of a run may stand in two portions.
    let mut open: (Option<i64>, Vec<Member>) = (None, Vec::new());
    loop {
        let portion = archive.catalog().members_after(after, PORTION)?;
        let Some((last, _)) = portion.last() else { break };
        after = last.artifact;
        for (member, place) in portion {
            let Some(place) = place else {
                known.purged.push(member.artifact);
                continue;
            };
            let Some(run) = run_in_memory(&place) else {
                known.doubtful.push(member);
                continue;
            };
            if open.0 != Some(run) {
                let (before, members) = std::mem::replace(&mut open, (Some(run), Vec::new()));
                give(archive, cores, known, step, before, members);
            }
            open.1.push(member);
        }
    }
    let (run, members) = open;
    give(archive, cores, known, step, run, members);
    Ok(())
}

/// The run of an artifact, if that is in one piece.
fn run_in_memory(place: &Place) -> Option<i64> {
    (place.pieces == 1 && place.members > 0).then_some(place.run)
}

fn give(
    archive: &mut Archive,
    cores: &mut Cores<Task, Checked>,
    known: &mut Soundness,
    step: &dyn Fn(u64),
    run: Option<i64>,
    members: Vec<Member>,
) {
    let Some(run) = run else { return };
    let mut catalog = archive.catalog();
    let stored = catalog.piece(run, 0).and_then(|it| Ok((it, catalog.stored_sha256(run)?)));
    // One that is gone has nothing whole.
    let Ok((stored, sha256)) = stored else {
        known.doubtful.extend(members);
        return;
    };
    let bytes = stored.len();
    cores.give(Task { stored, sha256, members }, bytes, &mut |checked| {
        known.add(checked);
        step(known.sound);
    });
}

fn check(decoder: &mut RunDecoder, task: Task) -> Checked {
    let Task { stored, sha256, mut members } = task;
    if Digest::of(&stored) != sha256 {
        return Checked { doubtful: members, ..Checked::default() };
    }
    members.sort_by_key(|member| (member.offset, member.artifact));
    if let Some(checked) = check_whole(decoder, &stored, &members) {
        return checked;
    }
    let Ok(mut run) = RunReader::new(stored) else {
        return Checked { doubtful: members, ..Checked::default() };
    };
    let mut checked = Checked::default();
    for member in members {
        let place = (member.offset, member.length);
        match run.member(place, member.size_bytes, &member.sha256) {
            Ok(_) => {
                checked.sound += 1;
                checked.content_bytes += member.size_bytes;
            }
            Err(_) => checked.doubtful.push(member),
        }
    }
    checked
}

/// Decodes a run in one piece; `None` unless these are all of its members and all of them are sound.
fn check_whole(decoder: &mut RunDecoder, stored: &[u8], members: &[Member]) -> Option<Checked> {
    let (mut end, mut content_bytes) = (0_u64, 0_u64);
    for member in members {
        if member.offset != end {
            return None;
        }
        end = end.checked_add(member.length)?;
        content_bytes = content_bytes.checked_add(member.size_bytes)?;
    }
    if end != stored.len() as u64 {
        return None;
    }
    let mut rest = decoder.decode(stored, content_bytes)?;
    for member in members {
        let (content, behind) = rest.split_at_checked(usize::try_from(member.size_bytes).ok()?)?;
        if Digest::of(content) != member.sha256 {
            return None;
        }
        rest = behind;
    }
    Some(Checked { sound: members.len() as u64, content_bytes, doubtful: Vec::new() })
}
