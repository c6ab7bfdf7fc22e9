//! Artifacts on their way from one archive into another.
//!
//! Promises: every one was decoded and hashed before it goes in, and is read back after; small ones
//! share runs in the target, however they stood in the source.

use std::collections::BTreeMap;

use crate::archive::intake::large::LARGE_BYTES;
use crate::archive::intake::{MEMBER_BYTES, RUN_BYTES};
use crate::archive::ready::{LEDGER_BYTES, SHARE_BYTES};
use crate::archive::stored::check_stored;
use crate::archive::{Archive, Content, runs, upload};
use crate::backend::{ArtifactRow, Catalog, NewMember};
use crate::blob::Encoder;
use crate::error::{Error, Result};
use crate::fs::Spool;
use crate::model::Digest;
use crate::progress::Progress;

use super::{PAGE, TransferReport};

/// Moves all artifacts; returns their rows in the target by those in the source.
pub(super) fn move_artifacts(
    from: &mut Archive,
    to: &mut Archive,
    report: &mut TransferReport,
    progress: &dyn Progress,
) -> Result<BTreeMap<i64, i64>> {
    let total = from.catalog().totals()?[1] as usize;
    let mut rows = BTreeMap::new();
    let mut share: Vec<Moving> = Vec::new();
    let (mut after, mut bytes, mut done) = (0, 0_usize, 0);
    loop {
        let page = from.catalog().artifact_rows(after, PAGE)?;
        let is_last = page.is_empty();
        for artifact in page {
            after = artifact.row_id;
            let moving = Moving::of(from, artifact)?;
            bytes += moving.held_bytes();
            share.push(moving);
            if bytes >= SHARE_BYTES {
                write_artifacts(to, &share, &mut rows, report)?;
                share.clear();
                bytes = 0;
            }
            done += 1;
            progress.step(done, total.max(done));
        }
        if is_last {
            write_artifacts(to, &share, &mut rows, report)?;
            return Ok(rows);
        }
    }
}

/// An artifact on its way.
struct Moving {
    row: ArtifactRow,
    load: Load,
}

/// What was decoded and hashed of an artifact.
enum Load {
    /// Nothing: it was purged.
    Purged,
    /// Content that shares a run in the target.
    Content(Vec<u8>),
    /// Content that is too large for memory.
    Large(Content),
}

impl Moving {
    fn of(from: &mut Archive, row: ArtifactRow) -> Result<Self> {
        let (id, size, sha256) = (row.row_id, row.size_bytes, row.sha256);
        let load = if size > LARGE_BYTES {
            let spool = Spool::new(Vec::new());
            from.large_content(id, size, &sha256, &spool)?.map_or(Load::Purged, Load::Large)
        } else {
            from.artifact_content(id, size, &sha256)?.map_or(Load::Purged, Load::Content)
        };
        Ok(Self { row, load })
    }

    fn held_bytes(&self) -> usize {
        match &self.load {
            Load::Purged => 0,
            Load::Content(content) => content.len(),
            // It goes by itself, before anything is read behind it.
            Load::Large(_) => SHARE_BYTES,
        }
    }
}

fn write_artifacts(
    to: &mut Archive,
    share: &[Moving],
    rows: &mut BTreeMap<i64, i64>,
    report: &mut TransferReport,
) -> Result<()> {
    if share.is_empty() {
        return Ok(());
    }
    let written = to.add_artifacts(|catalog, now| write_share(catalog, share, &now.to_string()))?;
    let written = send_large(to, share, written)?;
    for (moving, (row, is_new)) in share.iter().zip(written) {
        let artifact = &moving.row;
        if !matches!(moving.load, Load::Purged) {
            to.check_artifact(row, artifact.size_bytes, &artifact.sha256)?;
        }
        rows.insert(artifact.row_id, row);
        report.artifacts.count(is_new);
        if is_new {
            report.copied_bytes += artifact.size_bytes;
        }
    }
    Ok(())
}

/// Sends what is too large to be written at once and is not there whole.
fn send_large(
    to: &mut Archive,
    share: &[Moving],
    mut written: Vec<(i64, bool)>,
) -> Result<Vec<(i64, bool)>> {
    for (moving, written) in share.iter().zip(&mut written) {
        let Load::Large(content) = &moving.load else { continue };
        let (sha256, size_bytes) = (moving.row.sha256, moving.row.size_bytes);
        let (row, is_known) = (written.0, written.0 != 0);
        if is_known
            && !matches!(to.check_artifact(row, size_bytes, &sha256), Err(Error::Damaged { .. }))
        {
            continue;
        }
        let sent = upload::send(to, content)?;
        let stored = sent.finish(to, sha256, size_bytes, Some(&moving.row.created_at))?;
        *written = (stored.row, !is_known);
    }
    Ok(written)
}

/// Writes artifacts that are not there whole; their rows, and whether each is new.
fn write_share(catalog: &mut Catalog<'_>, share: &[Moving], now: &str) -> Result<Vec<(i64, bool)>> {
    let digests: Vec<Digest> = share.iter().map(|it| it.row.sha256).collect();
    let known = catalog.artifacts_with(&digests)?;
    let mut written = vec![(0, false); share.len()];
    // What shares a run in the target, as places in `share`.
    let mut run: Vec<usize> = Vec::new();
    let mut run_bytes = 0;
    for (at, moving) in share.iter().enumerate() {
        let artifact = &moving.row;
        if let Some(row) = known.get(&artifact.sha256) {
            mend(catalog, *row, moving)?;
            written[at] = (*row, false);
            continue;
        }
        let is_long = artifact.size_bytes >= LEDGER_BYTES;
        let row = match &moving.load {
            Load::Purged => catalog.add_purged(artifact)?,
            // What was purged here does not come in again.
            _ if is_long && catalog.is_in_ledger(&artifact.sha256)? => {
                let purged_at = Some(now.to_owned());
                catalog.add_purged(&ArtifactRow { purged_at, ..artifact.clone() })?
            }
            // It is sent once this transaction is over.
            Load::Large(_) => continue,
            Load::Content(content) => {
                let bytes = content.len() as u64 + MEMBER_BYTES;
                if run_bytes + bytes > RUN_BYTES {
                    write_run(catalog, share, &run, &mut written)?;
                    run.clear();
                    run_bytes = 0;
                }
                run.push(at);
                run_bytes += bytes;
                continue;
            }
        };
        written[at] = (row, true);
    }
    write_run(catalog, share, &run, &mut written)?;
    Ok(written)
}

/// Writes the artifacts at these places of `share` as one run.
fn write_run(
    catalog: &mut Catalog<'_>,
    share: &[Moving],
    places: &[usize],
    written: &mut [(i64, bool)],
) -> Result<()> {
    let (mut contents, mut members) = (Vec::new(), Vec::new());
    for at in places {
        if let Moving { row, load: Load::Content(content) } = &share[*at] {
            contents.push(content);
            let (sha256, size_bytes, at) = (row.sha256, row.size_bytes, row.created_at.as_str());
            members.push(NewMember { sha256, size_bytes, length: 0, at });
        }
    }
    if contents.is_empty() {
        return Ok(());
    }
    let run = Encoder::new()?.encode_run(&contents)?;
    let rows = runs::add(catalog, &run, &mut members)?;
    for (at, row) in places.iter().zip(rows) {
        written[*at] = (row, true);
    }
    Ok(())
}

/// Puts true bytes in the place of damaged ones.
fn mend(catalog: &mut Catalog<'_>, row: i64, moving: &Moving) -> Result<()> {
    let artifact = &moving.row;
    let checked = check_stored(catalog, row, artifact.size_bytes, &artifact.sha256);
    let Err(Error::Damaged { .. }) = checked else { return Ok(()) };
    match &moving.load {
        // What is large is sent in its place.
        Load::Purged | Load::Large(_) => Ok(()),
        Load::Content(content) => {
            let encoded = Encoder::new()?.encode(content)?;
            runs::replace(catalog, row, &encoded.frame, &encoded.frame_sha256)
        }
    }
}
