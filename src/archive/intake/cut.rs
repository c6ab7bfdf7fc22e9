//! Which files share a run.

use std::cmp::Ordering;

use super::super::selection::Candidate;
use super::large::LARGE_BYTES;

/// Bytes of content that a run holds: see docs/decisions/0036-runs.md.
pub const RUN_BYTES: u64 = 2 << 20;

/// Files as they are taken in, by their places in the list.
#[derive(Debug, Default)]
pub struct Cut {
    /// Those that share a run, run by run.
    pub runs: Vec<Vec<usize>>,
    /// Those that are taken in by themselves, in parts.
    pub large: Vec<usize>,
}

/// Cuts the candidates into runs. What is alike stands together: files of one kind, by folder.
pub fn cut(candidates: &[Candidate]) -> Cut {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| alike(&candidates[*a], &candidates[*b]));
    let mut cut = Cut::default();
    let mut room = 0;
    for at in order {
        let bytes = candidates[at].size_bytes;
        match cut.runs.last_mut() {
            _ if bytes > LARGE_BYTES => cut.large.push(at),
            Some(run) if bytes <= room => {
                run.push(at);
                room -= bytes;
            }
            _ => {
                cut.runs.push(vec![at]);
                room = RUN_BYTES.saturating_sub(bytes);
            }
        }
    }
    cut
}

fn alike(a: &Candidate, b: &Candidate) -> Ordering {
    a.path
        .as_path()
        .extension()
        .cmp(&b.path.as_path().extension())
        .then_with(|| a.path.cmp(&b.path))
}
