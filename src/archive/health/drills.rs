//! Whether backups are tried out as often as the configuration says.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::evidence::Action;

use super::super::journaled::record_of;
use super::super::{Archive, Workspace};
use super::{HealthReport, Seen};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Fails where the last good drill is older than it may be; without a rule there is no such check.
pub fn check(workspace: &Workspace, archive: &mut Archive, report: &mut HealthReport) {
    let config = &workspace.config;
    let rules = [
        ("drill-spot", config.drill_spot_days(), false),
        ("drill-full", config.drill_full_days(), true),
    ];
    for (name, days, is_full) in rules {
        let Some(days) = days else { continue };
        report.check(name, || {
            let last = last_good(archive, is_full)?;
            Ok(judge(workspace.now(), last, days, is_full))
        });
    }
}

/// When the last drill of this archive's backup found nothing wrong; a full one is a spot drill too.
fn last_good(archive: &mut Archive, is_full: bool) -> Result<Option<Timestamp>> {
    let id = archive.catalog().meta("archive")?.unwrap_or_default();
    let mut last = None;
    for stored in archive.ledger().records_with(Action::Drill.as_str())? {
        // A damaged record is told of elsewhere, and proves nothing.
        let Ok(record) = record_of(&stored) else { continue };
        let detail = record.event.detail.unwrap_or_default();
        let text = |key: &str| detail.get(key).and_then(Value::as_str);
        let is_good = detail.get("ok").and_then(Value::as_u64) == Some(1);
        let counts = !is_full || text("kind") == Some("full");
        if is_good && counts && text("archive") == Some(id.as_str()) {
            last = last.max(Some(record.ts));
        }
    }
    Ok(last)
}

fn judge(now: Timestamp, last: Option<Timestamp>, days: u64, is_full: bool) -> Seen {
    let kind = if is_full { "full drill" } else { "drill" };
    let again = if is_full { "--full" } else { "--spot" };
    let command = format!("git codex-archive backup drill {again}");
    let Some(last) = last else {
        return Seen::Bad(format!(
            "no good {kind} yet, and one is due every {days} days ({command})"
        ));
    };
    let age = (now.unix_ms() - last.unix_ms()).max(0) / DAY_MS;
    if last < now.days_before(days) {
        Seen::Bad(format!(
            "the last good {kind} was {age} days ago, at {last}; it may be {days} ({command})"
        ))
    } else {
        Seen::Fine(format!("the last good {kind} was {age} days ago, at {last}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_counts_to_the_last_moment_of_its_days() {
        let now = Timestamp::from_unix_ms(1_795_253_290_000);
        let ago = |ms: i64| Some(Timestamp::from_unix_ms(now.unix_ms() - ms));
        assert!(matches!(judge(now, ago(30 * DAY_MS), 30, false), Seen::Fine(_)));
        assert!(matches!(judge(now, ago(30 * DAY_MS + 1), 30, false), Seen::Bad(_)));
        assert!(matches!(judge(now, ago(-5), 1, true), Seen::Fine(_)));
        let Seen::Bad(words) = judge(now, None, 92, true) else { panic!("none is enough") };
        assert!(words.starts_with("no good full drill yet") && words.contains("--full"), "{words}");
    }
}
