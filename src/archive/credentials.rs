//! Credentials in what `store` takes in: what becomes of the files, what is said, and what is recorded.
//!
//! Promises: where the policy refuses them nothing was archived; no word, report or record has a
//! credential's text.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::{Credential, Error, Result};
use crate::evidence::{Action, Event};
use crate::git::Repository;
use crate::model::{DeedId, RepoPath};
use crate::policy::ContentPolicy;
use crate::policy::content::{Match, OnCredential, rule};
use crate::progress::Progress;

use super::intake::{Pace, large};
use super::journaled::Archive;
use super::selection::Candidate;
use super::store::StoreOptions;
use super::upload::{self, Measured};
use super::{Workspace, intake};

/// A record tells of so many files.
const FILES: usize = 100;
/// A record's paths have so many bytes together: a line has 64 KiB.
const PATH_BYTES: usize = 16 << 10;
/// So many warnings are given one by one.
const WARNINGS: usize = 20;

/// A credential that was archived with its file.
#[derive(Debug, Clone, Serialize)]
pub struct CredentialSeen {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// The byte of the line, from 1.
    pub column: u64,
    /// By which rule.
    pub rule: &'static str,
}

/// What is found in the files of one command.
#[derive(Debug)]
pub struct Screen {
    policy: ContentPolicy,
    found: BTreeMap<RepoPath, Vec<Match>>,
    /// Whether anything was found that is not excepted.
    is_open: bool,
    /// Whether all files were looked at.
    is_done: bool,
}

/// The content policy in force.
pub fn content_policy(workspace: &Workspace) -> Result<ContentPolicy> {
    let config = &workspace.config;
    let on_credential = OnCredential::of_word(config.on_credential());
    let (rules, paths) = (config.list("policy.allow"), config.list("policy.allow_paths"));
    ContentPolicy::new(on_credential, rules, paths, config.credential_marker()).map_err(|it| {
        let what = format!("`{}` is wrong: {}", it.key, it.why);
        Error::Config { what, origin: config.origin(it.key).to_string(), nearest: None }
    })
}

impl Screen {
    /// Nothing has been looked at yet.
    pub fn new(workspace: &Workspace) -> Result<Self> {
        let policy = content_policy(workspace)?;
        Ok(Self { policy, found: BTreeMap::new(), is_open: false, is_done: false })
    }

    /// What the files are held against that are still to be looked at; `None` when none is.
    pub fn policy(&self) -> Option<ContentPolicy> {
        (!self.is_done).then(|| self.policy.clone())
    }

    /// Takes down what was found in a file.
    pub fn note(&mut self, path: &RepoPath, matches: Vec<Match>) {
        self.is_open |= matches.iter().any(|it| !it.is_allowed);
        if !matches.is_empty() {
            self.found.insert(path.clone(), matches);
        }
    }

    /// Forgets what was found in a file that stays out.
    pub fn forget(&mut self, path: &RepoPath) {
        self.found.remove(path);
    }

    /// Whether something was found that keeps its file out.
    pub fn refuses(&self) -> bool {
        self.policy.refuses_content() && self.is_open
    }

    /// Refuses what was found, unless the policy lets it pass.
    pub fn check(&self) -> Result<()> {
        if self.refuses() { Err(self.error(self.open().collect())) } else { Ok(()) }
    }

    /// Looks at `candidates` before anything else is done with them.
    pub fn look_ahead(
        &mut self,
        workspace: &Workspace,
        repository: &Repository,
        candidates: &[Candidate],
        pace: Pace,
    ) -> Result<()> {
        let Some(policy) = self.policy() else { return Ok(()) };
        if policy.on_credential != OnCredential::Ignore {
            let top = &workspace.top;
            let large =
                intake::scan_all(top, repository, candidates, &policy, pace, |at, matches| {
                    self.note(&candidates[at].path, matches);
                    Ok(())
                })?;
            for candidate in large.into_iter().map(|at| &candidates[at]) {
                let path = candidate.path.to_string();
                let seen = upload::judge(workspace, repository, candidate, &mut |content| {
                    let hasher = repository.blob_hasher(content.size_bytes());
                    let nowhere = &mut Measured::default();
                    let content = &pace.of(content, &candidate.path);
                    large::take_in(content, Some(hasher), Some(&policy), &path, nowhere)
                })?;
                self.note(&candidate.path, seen.credentials);
            }
        }
        self.is_done = true;
        Ok(())
    }

    /// The files that are refused, each with its error; they are forgotten here.
    pub fn take_refused(&mut self) -> Vec<(RepoPath, Error)> {
        if !self.refuses() {
            return Vec::new();
        }
        let is_refused = |matches: &[Match]| matches.iter().any(|it| !it.is_allowed);
        let all = std::mem::take(&mut self.found).into_iter();
        let (refused, passed) = all.partition::<BTreeMap<_, _>, _>(|(_, it)| is_refused(it));
        (self.found, self.is_open) = (passed, false);
        let refused = refused.into_iter().map(|(path, matches)| {
            let open = matches.iter().filter(|it| !it.is_allowed).map(|it| (&path, it));
            let error = self.error(open.collect());
            (path, error)
        });
        refused.collect()
    }

    /// What was found and not excepted.
    fn open(&self) -> impl Iterator<Item = (&RepoPath, &Match)> {
        let all =
            self.found.iter().flat_map(|(path, matches)| matches.iter().map(move |it| (path, it)));
        all.filter(|(_, it)| !it.is_allowed)
    }

    fn error(&self, open: Vec<(&RepoPath, &Match)>) -> Error {
        let found = open.into_iter().map(|(path, it)| Credential {
            path: path.to_string(),
            line: it.line,
            column: it.column,
            rule: it.rule,
            what: rule(it.rule).map_or("", |rule| rule.what),
        });
        let redacts = self.policy.on_credential == OnCredential::Redact;
        Error::Credentials { found: found.collect(), redacts }
    }

    /// What is archived although it was found, and warns of it.
    pub fn tell(&self, progress: &dyn Progress) -> Vec<CredentialSeen> {
        let seen = self.open().map(|(path, it)| {
            let (line, column, rule) = (it.line, it.column, it.rule);
            CredentialSeen { path: path.to_string(), line, column, rule }
        });
        let seen: Vec<CredentialSeen> = seen.collect();
        for it in seen.iter().take(WARNINGS) {
            let CredentialSeen { path, line, column, rule } = it;
            progress.warn(&format!("{path}:{line}:{column} holds a credential ({rule})"));
        }
        if let Some(more) = seen.len().checked_sub(WARNINGS).filter(|more| *more > 0) {
            progress.warn(&format!("and {more} more credentials"));
        }
        seen
    }

    /// What the record of a file says: how often each rule found something, and what let it pass.
    pub fn detail(&self, path: &RepoPath) -> Option<Value> {
        let matches = self.found.get(path)?;
        let counted = |allowed: bool| {
            count(matches.iter().filter(|it| it.is_allowed == allowed).map(|it| it.rule))
        };
        let mut detail = Map::new();
        for (word, rules) in [("allowed", counted(true)), ("warned", counted(false))] {
            if !rules.is_empty() {
                detail.insert(word.to_owned(), Value::Object(rules));
            }
        }
        Some(Value::Object(detail))
    }
}

fn count<'a>(rules: impl Iterator<Item = &'a str>) -> Map<String, Value> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    rules.for_each(|rule| *counts.entry(rule).or_default() += 1);
    counts.into_iter().map(|(rule, count)| (rule.to_owned(), json!(count))).collect()
}

/// Records that these credentials kept their files out of the archive.
pub fn record_block(archive: &mut Archive, options: &StoreOptions, found: &[Credential]) {
    let event = block(options, found);
    let label = options.label.as_str();
    // The refusal stands whether or not it can be recorded.
    let _ = archive.journaled(label, DeedId::random(), |_| Ok(((), vec![(event.clone(), None)])));
}

/// The same where no archive is open yet; where there is none, there is nothing to record in.
pub fn record_block_if_there(workspace: &Workspace, options: &StoreOptions, found: &[Credential]) {
    let is_set_up = workspace.repository.is_none() || workspace.label().is_some();
    if found.is_empty() || !is_set_up || workspace.lacks_file().unwrap_or(true) {
        return;
    }
    if let Ok(mut archive) = Archive::create(workspace) {
        record_block(&mut archive, options, found);
    }
}

fn block(options: &StoreOptions, found: &[Credential]) -> Event {
    let mut files: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    found.iter().for_each(|it| files.entry(&it.path).or_default().push(it.rule));
    let (total, mut bytes) = (files.len(), 0);
    let told = files.into_iter().take(FILES).take_while(|(path, _)| {
        bytes += path.len();
        bytes <= PATH_BYTES
    });
    let told: Vec<Value> = told
        .map(|(path, rules)| json!({"path": path, "rules": count(rules.into_iter())}))
        .collect();
    let mut detail = Map::new();
    if total > told.len() {
        detail.insert("more_files".to_owned(), json!(total - told.len()));
    }
    detail.insert("credentials".to_owned(), json!(found.len()));
    detail.insert("files".to_owned(), Value::Array(told));
    let mut event = Event::new(Action::PolicyBlock, options.actor.as_str());
    event.repo = Some(options.label.to_string());
    event.reason = Some("credentials in the content".to_owned());
    event.detail = Some(detail);
    event
}
