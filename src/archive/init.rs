//! `init`: the archive, `.codex/`, and what git needs to know of them. Safe to repeat.
//!
//! What it writes is constant bytes and never rewritten where present, so that two branches that
//! both ran it merge.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::config::{self, Config};
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::fs::{self as files, Executable, Folder, There};
use crate::git::IndexScope;
use crate::logging::About;
use crate::model::{DeedId, RepoLabel, RepoPath, TombstoneId};
use crate::policy::trust;
use crate::secret::DatabaseUrl;

use super::find::stub_at;
use super::lookup;
use super::workspace::ArchivePlace;
use super::workspace::TRUST_SETTING;
use super::{Archive, Workspace, recovery, segments};

const GITIGNORE: &[&str] =
    &["/archive.sqlite", "/archive.sqlite-*", "/evidence/archive_ops.jsonl", ".codex-tmp-*"];

const GITATTRIBUTES: &str = "evidence/segments/** -text -diff linguist-generated\n";

/// What to set up.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The repo label to write, if none is there.
    pub label: Option<RepoLabel>,
    /// Backend and URL to write into a new configuration file.
    pub backend: Option<(String, String)>,
    /// Whether to accept the places that the tracked configuration names.
    pub trust: bool,
}

/// What was set up.
#[derive(Debug, Default, Serialize)]
pub struct InitReport {
    /// Files that were written and staged.
    pub written: Vec<String>,
    /// Where the archive stands.
    pub archive: String,
    /// Whether the archive was made now.
    pub archive_created: bool,
    /// The label, if one is set.
    pub label: Option<String>,
    /// Places accepted for this clone.
    pub trusted: Vec<String>,
    /// Stubs that stand in the tree.
    pub stubs: StubCounts,
}

/// Stubs in the tree, by where their bytes may come from.
#[derive(Debug, Default, Serialize)]
pub struct StubCounts {
    /// All of them.
    pub total: u64,
    /// Bytes are in this archive.
    pub in_archive: u64,
    /// Bytes are in git's history here.
    pub in_git_history: u64,
    /// Bytes are somewhere else.
    pub elsewhere: u64,
}

/// Sets up the repository (or folder) of `workspace`.
pub fn init(workspace: &Workspace, options: &InitOptions) -> Result<InitReport> {
    let log = workspace.use_case("INIT", None);
    log.end(set_up(workspace, options), |report| {
        let done = report.archive_created || !report.written.is_empty();
        About::many(report.written.len()).if_done(done)
    })
}

fn set_up(workspace: &Workspace, options: &InitOptions) -> Result<InitReport> {
    let mut report = InitReport::default();
    workspace.check_links()?;
    check_same(workspace, options)?;
    check_url(workspace, options)?;
    if options.trust {
        report.trusted = trust_places(workspace)?;
    }
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    // What cannot be reached is told before anything is written.
    Archive::check_reachable(workspace)?;
    report.written = write_files(workspace, options.label.as_ref(), options.backend.as_ref())?;
    let (mut archive, created) = Archive::init(workspace)?;
    report.archive = workspace.archive_place()?.to_string();
    report.archive_created = created;
    report.label = options.label.as_ref().or(workspace.label()).map(RepoLabel::to_string);
    report.stubs = count_stubs(workspace, &mut archive)?;
    if !report.trusted.is_empty() {
        record_trust(workspace, &mut archive, &report.trusted)?;
    }
    drop(lock);
    Ok(report)
}

/// What is set already is not rewritten: another label or URL is refused, not passed over.
fn check_same(workspace: &Workspace, options: &InitOptions) -> Result<()> {
    let Some(text) = read_text(workspace, config::TRACKED_FILE)? else { return Ok(()) };
    let known = config::label_of(text.as_bytes());
    if let (Some(given), Some(label)) = (&options.label, known)
        && *given != label
    {
        let label = label.to_string();
        return Err(Error::refused("label", given.to_string(), Refusal::OtherLabel { label }));
    }
    if let Some((_, url)) = &options.backend {
        let tracked = Config::from_text(config::TRACKED_FILE, &text)?;
        if tracked.url().expose() != url {
            return Err(Error::Config {
                what: "`backend.url` must be set by hand, since the file is there already"
                    .to_owned(),
                origin: format!("{}:1", config::TRACKED_FILE),
                nearest: None,
            });
        }
    }
    Ok(())
}

/// A password does not go into a tracked file: there `***` stands for it.
fn check_url(workspace: &Workspace, options: &InitOptions) -> Result<()> {
    let Some((_, url)) = &options.backend else { return Ok(()) };
    let url = DatabaseUrl::new(url.as_str());
    let problem = |what: &str| {
        Err(Error::Config { what: what.to_owned(), origin: "--url".to_owned(), nearest: None })
    };
    if config::has_password(&url) {
        return problem(
            "a password must not stand in a tracked file; write `***` for it, and give the whole \
             URL by CODEX_ARCHIVE_URL",
        );
    }
    let is_server = matches!(workspace.archive_place()?, ArchivePlace::Server(_));
    if config::lacks_password(&url) && !is_server {
        return problem("`***` stands for a password; give the whole URL by CODEX_ARCHIVE_URL");
    }
    Ok(())
}

/// That this clone accepted places is evidence; who did it is git's word for the user.
fn record_trust(workspace: &Workspace, archive: &mut Archive, places: &[String]) -> Result<()> {
    let email = workspace.repository("trust places")?.setting("user.email")?;
    let mut event = Event::new(Action::Trust, email.as_deref().unwrap_or("git-codex-archive"));
    let mut detail = serde_json::Map::new();
    detail.insert("places".to_owned(), places.into());
    event.detail = Some(detail);
    let label = workspace.label().map_or("", |label| label.as_str()).to_owned();
    event.repo = (!label.is_empty()).then(|| label.clone());
    archive.journaled(&label, DeedId::random(), |_| Ok(((), vec![(event.clone(), None)])))?;
    Ok(())
}

fn trust_places(workspace: &Workspace) -> Result<Vec<String>> {
    let places = workspace.foreign_places();
    let repository = workspace.repository("trust places")?;
    if !places.is_empty() {
        repository.set_setting(TRUST_SETTING, &trust::digest(&places).to_string())?;
    }
    Ok(places.iter().map(ToString::to_string).collect())
}

/// Writes what a first `store` needs; returns the paths written.
pub(super) fn ensure(workspace: &Workspace, label: &RepoLabel) -> Result<Vec<String>> {
    workspace.check_links()?;
    write_files(workspace, Some(label), None)
}

fn write_files(
    workspace: &Workspace,
    label: Option<&RepoLabel>,
    backend: Option<&(String, String)>,
) -> Result<Vec<String>> {
    let mut written = Vec::new();
    let mut put = |name: &str, text: Option<String>| -> Result<()> {
        if let Some(text) = text {
            let path = Path::new(name);
            let at = files::inner_folder_of(path);
            let folder = Arc::new(Folder::make_below("write", &workspace.top, at)?);
            let name_in_folder = path.file_name().unwrap_or_default();
            folder.write_atomic(name_in_folder, text.as_bytes(), Executable::No)?;
            written.push(name.to_owned());
        }
        Ok(())
    };
    let read = |name: &str| read_text(workspace, name);
    put(".codex/archive.toml", configuration(read(".codex/archive.toml")?, label, backend)?)?;
    if workspace.repository.is_some() {
        put(".codex/.gitignore", with_lines(read(".codex/.gitignore")?, GITIGNORE))?;
        let attributes = read(".codex/.gitattributes")?;
        let lines: Vec<&str> = GITATTRIBUTES.lines().collect();
        put(".codex/.gitattributes", with_lines(attributes, &lines))?;
    }
    stage(workspace, &written)?;
    Ok(written)
}

/// Stages what was written; before there is an archive also what git does not know yet, which a
/// process that was killed may have written.
fn stage(workspace: &Workspace, written: &[String]) -> Result<()> {
    let Some(repository) = &workspace.repository else { return Ok(()) };
    let path = |name: &str| RepoPath::new(name.as_bytes());
    let mut paths = written.iter().map(|name| path(name)).collect::<Result<Vec<_>>>()?;
    if workspace.lacks_file().unwrap_or(true) {
        let names = [".codex/archive.toml", ".codex/.gitignore", ".codex/.gitattributes"];
        let own = names.into_iter().map(path).collect::<Result<Vec<_>>>()?;
        let known = repository.index(IndexScope::Paths(&own))?;
        let unknown = own.into_iter().filter(|path| known.iter().all(|it| it.path != *path));
        paths.extend(unknown);
        paths.sort();
        paths.dedup();
    }
    if paths.is_empty() { Ok(()) } else { repository.stage(&paths) }
}

/// The text of one of our files in the work tree. It is written again with more lines and staged,
/// so a link is refused: what it leads to would come into the repository.
fn read_text(workspace: &Workspace, name: &str) -> Result<Option<String>> {
    let path = Path::new(name);
    let at = files::inner_folder_of(path);
    let Some(folder) = Folder::below("read", &workspace.top, at)? else { return Ok(None) };
    match folder.look(path.file_name().unwrap_or_default())? {
        There::Nothing => Ok(None),
        There::File(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Error::damaged("file", name, "it is not UTF-8")),
        There::Other(what) => Err(Error::refused("read", name, Refusal::NotRegular { what })),
    }
}

/// The text with the lines it lacks; `None` when it lacks none.
fn with_lines(text: Option<String>, lines: &[&str]) -> Option<String> {
    let mut text = text.unwrap_or_default();
    let missing: Vec<&&str> =
        lines.iter().filter(|line| !text.lines().any(|known| known == **line)).collect();
    if missing.is_empty() {
        return None;
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in missing {
        text.push_str(line);
        text.push('\n');
    }
    Some(text)
}

/// The configuration's new text: the constant one where there is none, and a label where it has
/// none; `None` when nothing is to be written.
fn configuration(
    text: Option<String>,
    label: Option<&RepoLabel>,
    backend: Option<&(String, String)>,
) -> Result<Option<String>> {
    let Some(text) = text else {
        return Ok(Some(config::archive_toml(label, backend)));
    };
    let known = config::label_of(text.as_bytes());
    match (label, known) {
        (Some(label), None) => Ok(Some(config::with_label(&text, label))),
        _ => Ok(None),
    }
}

fn count_stubs(workspace: &Workspace, archive: &mut Archive) -> Result<StubCounts> {
    let mut counts = StubCounts::default();
    let Some(repository) = &workspace.repository else { return Ok(counts) };
    let (segments, _) = segments::in_index(repository)?;
    let mut seen: Vec<TombstoneId> = Vec::new();
    for (record, _) in segments.iter().flat_map(|segment| &segment.lines) {
        let Some(item) = lookup::item_of_record(record) else { continue };
        let stands = stub_at(repository, &item.path)?.is_some_and(|stub| stub.id == item.tombstone);
        if !stands || seen.contains(&item.tombstone) {
            continue;
        }
        seen.push(item.tombstone);
        counts.total += 1;
        if archive.catalog().item(&item.tombstone, false)?.is_some() {
            counts.in_archive += 1;
        } else if repository.blob_size(&item.git_blob)? == Some(item.size_bytes) {
            counts.in_git_history += 1;
        } else {
            counts.elsewhere += 1;
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_only_added() {
        let text = with_lines(Some("mine".to_owned()), &["a", "b"]).unwrap();
        assert_eq!(text, "mine\na\nb\n");
        assert_eq!(with_lines(Some(text), &["a", "b"]), None);
    }
}
