//! What became of the content that retention destroyed: tidied up behind, looked for, and said.

use serde_json::json;

use crate::archive::governance::leftovers::in_files;
use crate::archive::governance::probe::Probes;
use crate::archive::governance::purge_report::{gone_from_tables, scrubbed};
use crate::archive::governance::{Spot, detail};
use crate::archive::stored::frame_of;
use crate::archive::{Archive, Content, Workspace, tree};
use crate::error::Result;
use crate::evidence::{Action, Event};
use crate::git::Bytes as _;
use crate::model::{DeedId, Digest, Item};

use super::apply::ApplyReport;

/// Items of whose content pieces are looked for: each costs a look through all files.
const PROBED_ITEMS: usize = 100;

/// Spots of one kind that are told of.
const MOST_SPOTS: usize = 20;

/// What was found once the bytes were gone.
#[derive(Debug, Default)]
pub struct Aftermath {
    /// Erased, and looked for since.
    pub erased: Vec<Spot>,
    /// Out of this program's reach.
    pub outside_reach: Vec<Spot>,
    /// Still there.
    pub still_present: Vec<Spot>,
}

/// What is looked for once the bytes are gone; nothing where they went before.
#[derive(Debug, Default)]
pub struct Search {
    probes: Probes,
    probed_items: usize,
}

impl Search {
    /// Takes pieces of the content of `items` while it is there.
    pub fn prepare(workspace: &Workspace, archive: &mut Archive, items: &[Item]) -> Result<Self> {
        let mut probes = Probes::default();
        let probed = &items[..items.len().min(PROBED_ITEMS)];
        for item in probed {
            let frame = frame_of(&mut archive.catalog(), item.artifact_row_id, &item.sha256)?;
            let Some(frame) = frame else { continue };
            probes.add(frame.own());
            let content =
                Content::of_frame(workspace.spool(), frame, item.size_bytes, item.sha256)?;
            if let Some(bytes) = content.in_memory() {
                probes.add(bytes);
            }
        }
        Ok(Self { probes, probed_items: probed.len() })
    }

    /// Tidies up behind the erased bytes, and looks for them.
    pub fn finish(
        &self,
        workspace: &Workspace,
        archive: &mut Archive,
        items: &[Item],
        again: &str,
    ) -> Result<Aftermath> {
        let [scrubbed, outside_reach, still_present] =
            scrubbed(workspace, again, archive.driver().scrub());
        let mut erased = vec![gone_from_tables(workspace)];
        erased.extend(scrubbed);
        let mut found = Aftermath { erased, outside_reach, still_present };
        if items.is_empty() {
            return Ok(found);
        }
        if workspace.is_embedded() && self.probed_items > 0 {
            let whose = format!("the content of {} of {} items", self.probed_items, items.len());
            let [erased, still_present] = in_files(workspace, archive, &self.probes, &whose)?;
            found.erased.extend(erased);
            found.still_present.extend(still_present);
        }
        in_repository(workspace, items, &mut found)?;
        Ok(found)
    }
}

/// What the work tree and git's own objects have of it.
fn in_repository(workspace: &Workspace, items: &[Item], found: &mut Aftermath) -> Result<()> {
    let Some(repository) = &workspace.repository else { return Ok(()) };
    let mut objects = Vec::new();
    for item in items {
        if repository.blob_size(&item.git_blob)?.is_some() {
            objects.push(item);
        }
        let stands = tree::digest_on_disk(&workspace.top, &item.path)? == Some(item.sha256);
        if stands && found.still_present.len() < MOST_SPOTS {
            found.still_present.push(Spot {
                place: "work tree".to_owned(),
                what: format!("{} has the content", item.path),
                command: Some(format!("git rm --force -- {}", item.path)),
            });
        }
    }
    if let Some(first) = objects.first() {
        found.outside_reach.push(Spot {
            place: "git history".to_owned(),
            what: format!(
                "{} of {} contents are objects of this repository",
                objects.len(),
                items.len()
            ),
            command: Some(format!("git codex-archive purge {} --report", first.tombstone)),
        });
    }
    found.outside_reach.push(Spot {
        place: "copies".to_owned(),
        what: "backups, bundles, other clones and forges are not looked into".to_owned(),
        command: None,
    });
    Ok(())
}

/// Records what was found, under the deed that destroyed the content.
pub fn record(
    archive: &mut Archive,
    actor: &str,
    of: DeedId,
    plan: Digest,
    report: &ApplyReport,
) -> Result<Digest> {
    let repo = report.repo.as_str();
    let mut event = Event::new(Action::RetentionApply, actor);
    event.repo = (!repo.is_empty()).then(|| repo.to_owned());
    event.reason = Some("what became of the content".to_owned());
    event.sha256 = Some(plan);
    event.of = Some(of);
    let spots = |spots: &[Spot]| json!(spots.iter().take(MOST_SPOTS).collect::<Vec<_>>());
    event.detail = Some(detail(&[
        ("erased", spots(&report.erased)),
        ("outside_reach", spots(&report.outside_reach)),
        ("still_present", spots(&report.still_present)),
    ]));
    let ((), records) =
        archive.journaled(repo, DeedId::random(), |_| Ok(((), vec![(event.clone(), None)])))?;
    Ok(records[0].1)
}
