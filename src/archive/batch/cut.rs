//! The jobs of a batch in the order in which their content is stored, cut into what one worker does at
//! a time.

use super::plan::Job;
use crate::archive::Archive;
use crate::backend::Place;
use crate::fs::folder_of;

/// So many jobs of one run one worker does at a time.
const MOST_JOBS: usize = 512;

/// In so many folders at most: each is open as long as its files have no names.
const MOST_FOLDERS: usize = 96;

/// Jobs that are done one after the other.
pub struct Cut<'a> {
    /// The run that all of their bytes stand in, if it has several members.
    pub run: Option<i64>,
    /// The jobs, and where the bytes of each stand; nowhere if it is a single one.
    pub jobs: Vec<(&'a Job, Place)>,
    /// Folders that are open for them.
    pub folders: usize,
}

/// Cuts `jobs`, so that no part needs more than so many folders.
pub fn cut<'a>(archive: &mut Archive, jobs: &'a [Job], most_folders: usize) -> Vec<Cut<'a>> {
    let most_folders = most_folders.min(MOST_FOLDERS);
    let mut artifacts: Vec<i64> = jobs.iter().map(|job| job.found.item.artifact_row_id).collect();
    artifacts.sort_unstable();
    artifacts.dedup();
    // Of what cannot be read all at once each is asked for by itself.
    let places = archive.catalog().places(&artifacts).unwrap_or_default();
    let nowhere = Place { run: 0, pieces: 0, members: 0, offset: 0, length: 0 };
    let shared = |place: &&Place| place.members > 1 && place.pieces == 1;
    let place = |job: &Job| places.get(&job.found.item.artifact_row_id).filter(shared).copied();
    let mut order: Vec<(&Job, Place)> =
        jobs.iter().map(|job| (job, place(job).unwrap_or(nowhere))).collect();
    order.sort_by_key(|(job, place)| (place.run, place.offset, job.at));
    let mut cuts: Vec<Cut<'a>> = Vec::new();
    for (job, place) in order {
        let run = (place.members > 1).then_some(place.run);
        let folder = folder_of(&job.target.file);
        if let Some(last) = cuts.last_mut()
            && let Some((before, _)) = last.jobs.last()
            && (last.run.is_some() && last.run == run && last.jobs.len() < MOST_JOBS)
        {
            let is_other = folder_of(&before.target.file) != folder;
            if !is_other || last.folders < most_folders {
                last.folders += usize::from(is_other);
                last.jobs.push((job, place));
                continue;
            }
        }
        cuts.push(Cut { run, jobs: vec![(job, place)], folders: 1 });
    }
    cuts
}
