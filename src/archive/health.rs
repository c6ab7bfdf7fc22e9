//! `health-check`: whether the archive is well, check by check.
//!
//! Promises: only reads (the smoke test, which is asked for, leaves nothing); one check that fails
//! keeps no other from being made.

mod around;
mod drills;

use std::error::Error as _;

use serde::Serialize;

use crate::clock::Stopwatch;
use crate::config::BackendKind;
use crate::error::{Error, ErrorKind, Failure, Result};
use crate::evidence::LastLine;
use crate::logging::About;

use super::chains::check_evidence;
use super::fsck::FsckReport;
use super::journaled::record_of;
use super::smoke::smoke;
use super::{Archive, Workspace};

/// Items of which a sample is decoded and hashed.
const SAMPLE: u64 = 16;

/// Clocks of several machines may differ by this much, in milliseconds.
const CLOCK_TOLERANCE_MS: i64 = 1000;

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It is well.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
}

/// What a check saw.
#[derive(Debug)]
pub enum Seen {
    /// What is well.
    Fine(String),
    /// What somebody should look at.
    Odd(String),
    /// What does not work.
    Bad(String),
}

/// One check of health.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was checked: one word for a monitor.
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// How well.
    pub level: Level,
    /// What was seen.
    pub detail: String,
    /// How long it took, unless durations are not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
}

/// Whether the archive is well.
#[derive(Debug, Serialize)]
pub struct HealthReport {
    /// Whether no check failed.
    pub ok: bool,
    /// The worst level of all checks.
    pub status: Level,
    /// The backend.
    pub backend: String,
    /// Its URL, redacted.
    pub url: String,
    /// Items that can be retrieved.
    pub items_retrievable: u64,
    /// The checks.
    pub checks: Vec<Check>,
    /// What kept the archive from being opened, or the server from answering on.
    #[serde(skip)]
    pub trouble: Option<Error>,
    #[serde(skip)]
    measures: bool,
}

/// What to check beside the rest.
#[derive(Debug, Clone, Copy, Default)]
pub struct HealthOptions {
    /// Whether to store, show, restore and purge something made up.
    pub smoke: bool,
    /// Whether to ask when backups were tried out last, where there is a rule for that.
    pub drills: bool,
}

/// Checks connection, schema, integrity, a sample of artifacts, evidence, and what is around.
pub fn health(workspace: &Workspace, options: HealthOptions) -> Result<HealthReport> {
    let log = workspace.use_case("HEALTH_CHECK", None);
    let mut report = HealthReport::new(workspace);
    let mut opened = None;
    report.check("connection", || {
        let place = workspace.archive_place()?.to_string();
        opened = Some(Archive::open(workspace)?);
        Ok(Seen::Fine(place))
    });
    if let Some(archive) = &mut opened {
        of_archive(workspace, archive, &mut report);
        if options.drills {
            drills::check(workspace, archive, &mut report);
        }
    }
    around::check(workspace, &mut report);
    if options.smoke && opened.is_some() {
        drop(opened);
        smoke(workspace, &mut report);
    }
    let about = |report: &HealthReport| About {
        is_odd: report.status != Level::Ok,
        ..About::many(report.checks.len())
    };
    log.end(Ok(report), about)
}

impl HealthReport {
    /// A report of no check yet.
    pub(super) fn new(workspace: &Workspace) -> Self {
        Self {
            ok: true,
            status: Level::Ok,
            backend: workspace.config.backend().to_string(),
            url: workspace.config.url().to_string(),
            items_retrievable: 0,
            checks: Vec::new(),
            trouble: None,
            measures: workspace.config.measures(),
        }
    }

    /// Makes a check; an error is one that failed. Whether it did not.
    pub fn check(&mut self, name: &'static str, look: impl FnOnce() -> Result<Seen>) -> bool {
        let since = Stopwatch::start();
        let seen = look();
        let took = since.elapsed_ms();
        match seen {
            Ok(seen) => self.add(name, seen),
            Err(error) => {
                self.add(name, Seen::Bad(words(&error)));
                // What a server refuses later, such as to write, is the check's own failure.
                let gone =
                    error.kind() == ErrorKind::Unreachable && error.failure() != Failure::Lasting;
                if gone || name == "connection" {
                    self.trouble.get_or_insert(error);
                }
            }
        }
        let check = self.checks.last_mut();
        if let Some(check) = check.filter(|_| self.measures) {
            check.duration_ms = Some(took);
        }
        self.checks.last().is_some_and(|check| check.ok)
    }

    /// Adds what was seen otherwise.
    pub fn add(&mut self, name: &'static str, seen: Seen) {
        let (level, detail) = match seen {
            Seen::Fine(detail) => (Level::Ok, detail),
            Seen::Odd(detail) => (Level::Warning, detail),
            Seen::Bad(detail) => (Level::Failed, detail),
        };
        let ok = level != Level::Failed;
        self.ok &= ok;
        self.status = self.status.max(level);
        self.checks.push(Check { name, ok, level, detail, duration_ms: None });
    }

    /// How many checks have this level.
    pub fn count(&self, level: Level) -> usize {
        self.checks.iter().filter(|check| check.level == level).count()
    }
}

/// An error and its causes on one line.
fn words(error: &Error) -> String {
    let first: Option<&dyn std::error::Error> = error.source();
    let causes = std::iter::successors(first, |cause: &&dyn std::error::Error| (*cause).source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

fn of_archive(workspace: &Workspace, archive: &mut Archive, report: &mut HealthReport) {
    let mut items = 0;
    report.check("round-trip", || {
        let id = archive.catalog().meta("archive")?.unwrap_or_default();
        items = archive.catalog().totals()?[0];
        Ok(Seen::Fine(format!("archive {id} answers")))
    });
    report.items_retrievable = items;
    report.check("schema", || {
        let (found, known) = (archive.schema_version()?, Archive::LATEST_SCHEMA);
        Ok(if found < known {
            Seen::Odd(format!("version {found}; this version of the program makes {known}"))
        } else {
            Seen::Fine(format!("version {found}"))
        })
    });
    report.check("maintenance", || {
        Ok(match archive.maintenance()? {
            None => Seen::Fine("off".to_owned()),
            Some(maintenance) => Seen::Odd(maintenance.to_string()),
        })
    });
    report.check("integrity", || {
        let words = if workspace.config.backend() == BackendKind::Sqlite {
            "the database is whole"
        } else {
            "the server has checksums of its own"
        };
        Ok(none_of(&archive.integrity()?, words))
    });
    report.check("sample", || check_sample(archive));
    report.check("evidence", || {
        let mut evidence = FsckReport::default();
        check_evidence(archive, &mut evidence)?;
        let words = format!("{} records, every chain reaches its head", evidence.records);
        Ok(none_of(&evidence.complaints, &words))
    });
    report.check("journal", || check_journal(archive));
    report.check("clock", || check_clock(workspace, archive));
}

/// Fine, unless there are complaints.
fn none_of(complaints: &[String], well: &str) -> Seen {
    match complaints.first() {
        None => Seen::Fine(well.to_owned()),
        Some(first) => Seen::Bad(format!("{first} ({} in all)", complaints.len())),
    }
}

fn check_sample(archive: &mut Archive) -> Result<Seen> {
    let artifacts = archive.catalog().artifacts(0, SAMPLE)?;
    let mut count = 0;
    for (row, sha256, size_bytes, purged) in artifacts {
        if !purged {
            archive.check_artifact(row, size_bytes, &sha256)?;
            count += 1;
        }
    }
    Ok(Seen::Fine(format!("{count} artifacts decoded and hashed")))
}

fn check_journal(archive: &mut Archive) -> Result<Seen> {
    Ok(match archive.journal().tail()?.last {
        LastLine::Absent => Seen::Fine("absent; the next change writes it again".to_owned()),
        LastLine::Empty => Seen::Fine("empty".to_owned()),
        LastLine::Line { record: Err(fault), .. } => {
            Seen::Bad(format!("its last line is no record: {fault}"))
        }
        LastLine::Line { record: Ok(record), digest } => {
            match archive.ledger().digest_at(&record.log, record.seq)? {
                Some((_, known)) if known == digest => {
                    Seen::Fine(format!("ends with record {} of its log", record.seq))
                }
                _ => Seen::Bad("its last line is not in the archive".to_owned()),
            }
        }
    })
}

/// A record whose time is still to come: either clock was wrong.
fn check_clock(workspace: &Workspace, archive: &mut Archive) -> Result<Seen> {
    let newest = archive.ledger().newest(1)?;
    let Some(stored) = newest.first() else {
        return Ok(Seen::Fine("no record to compare with".to_owned()));
    };
    let ahead_ms = record_of(stored)?.ts.unix_ms() - workspace.now().unix_ms();
    Ok(if ahead_ms > CLOCK_TOLERANCE_MS {
        let seconds = ahead_ms / 1000;
        Seen::Odd(format!("{seconds} s behind the last record: this clock or another is wrong"))
    } else {
        Seen::Fine("not behind the last record".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::super::Opening;
    use super::*;
    use crate::clock::{Clock, Timestamp};
    use crate::config::Environment;
    use crate::evidence::{Action, Event};
    use crate::model::DeedId;

    struct At(i64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_ms(1_795_253_290_000 + self.0)
        }
    }

    fn workspace(folder: &Path, ms: i64) -> Workspace {
        let environment = Environment::default();
        let opening = Opening { cwd: folder, file: None, flags: &[], environment };
        Workspace::open(opening).unwrap().with_clock(Arc::new(At(ms)))
    }

    #[test]
    fn a_record_of_the_future_is_odd() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".codex")).unwrap();
        let mut archive = Archive::create(&workspace(dir.path(), 0)).unwrap();
        let event = Event::new(Action::Skip, "ann");
        archive
            .journaled("r", DeedId::random(), |_| Ok(((), vec![(event.clone(), None)])))
            .unwrap();
        let mut seen = |ms| check_clock(&workspace(dir.path(), ms), &mut archive).unwrap();
        assert!(matches!(seen(1), Seen::Fine(_)));
        assert!(matches!(seen(-CLOCK_TOLERANCE_MS), Seen::Fine(_)));
        let Seen::Odd(words) = seen(-7_200_000) else { panic!("it is well") };
        assert!(words.starts_with("7200 s behind the last record"), "{words}");
    }
}
