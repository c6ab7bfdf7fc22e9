//! What to do about an error: whole commands that can be pasted.
//!
//! Promises: no hint destroys work that is nowhere else; a path in a hint is meant from the
//! current directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Credential, Error, Refusal};
use crate::policy::content::exception;

/// Where an error was met: the command line and the directory it was typed in.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The arguments after the program's name.
    pub arguments: Vec<OsString>,
    /// How deep below the work tree's top the current directory is.
    pub below_top: PathBuf,
}

impl Place {
    /// The object of an error, a path from the work tree's top, as it is typed here.
    fn path(&self, object: &str) -> String {
        let object = Path::new(object);
        if object.is_absolute() {
            return quote(&object.to_string_lossy());
        }
        let shared =
            self.below_top.components().zip(object.components()).take_while(|(a, b)| a == b);
        let shared = shared.count();
        let up = self.below_top.components().skip(shared).map(|_| "..");
        let up: PathBuf = up.collect();
        let down: PathBuf = object.components().skip(shared).collect();
        quote(&up.join(down).to_string_lossy())
    }

    /// The same command line less `option`.
    fn without(&self, option: &str) -> String {
        let arguments = self.arguments.iter().filter(|it| *it != option).cloned().collect();
        Self { arguments, below_top: PathBuf::new() }.again(None, "")
    }

    /// The same command line with `extra` behind it, and `replaced` in it.
    fn again(&self, replaced: Option<(&str, &str)>, extra: &str) -> String {
        let mut out = String::from("git codex-archive");
        // Behind `--` it would be a path.
        let mut extra = extra;
        for argument in &self.arguments {
            if argument == "--" && !extra.is_empty() {
                out.push(' ');
                out.push_str(std::mem::take(&mut extra));
            }
            let argument = argument.to_string_lossy();
            let argument = match replaced {
                Some((from, to)) if argument == from => to.into(),
                _ => argument,
            };
            out.push(' ');
            out.push_str(&quote(&argument));
        }
        if !extra.is_empty() {
            out.push(' ');
            out.push_str(extra);
        }
        out
    }
}

/// `text` as one word of a shell.
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:@%+=^".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What to do about `error`.
pub fn hints(error: &Error, place: &Place) -> Vec<String> {
    let one = |hint: String| vec![hint];
    match error {
        Error::Refused { action, object, refusal } => {
            refused(action, object, refusal, place).into_iter().collect()
        }
        Error::NotFound { action, object, why } => {
            not_found(action, object, why, place).into_iter().collect()
        }
        Error::Ambiguous { candidates, .. } => {
            candidates.iter().take(5).map(|id| format!("git codex-archive show {id}")).collect()
        }
        Error::Missing { what } if what.contains("--by") => {
            one("git config user.email you@example.com".to_owned())
        }
        Error::Invalid { what: "actor", .. } => {
            one("git config user.email you@example.com".to_owned())
        }
        Error::Invalid { .. } | Error::Missing { .. } => one(help(place)),
        Error::Damaged { what, .. } => one(damaged(what)),
        Error::UnsafeOwner { path } => {
            let path = quote(&path.to_string_lossy());
            one(format!("git config --global --add safe.directory {path}"))
        }
        Error::NoWorkTree { path, .. } => {
            let path = quote(&path.to_string_lossy());
            one(format!("git -C {path} worktree add --detach work-tree"))
        }
        Error::NoRepository { action: "archive", .. } => one(place.again(None, "--commit COMMIT")),
        Error::NoRepository { .. } => one("git init && git codex-archive init".to_owned()),
        Error::NoArchive { .. } => one("git codex-archive init".to_owned()),
        Error::TwoArchives { path, .. } => {
            let name = path.to_string_lossy();
            let aside = format!("mv {} {}", quote(&name), quote(&format!("{name}.foreign")));
            let is_archive = path.is_file() && path.extension().is_some_and(|it| it == "sqlite");
            let adopt = format!("git codex-archive import --adopt {}", quote(&name));
            if is_archive { vec![adopt, aside] } else { vec![aside] }
        }
        Error::Migration { .. } => one("git codex-archive migrate --status".to_owned()),
        Error::OlderSchema { .. } => one("git codex-archive migrate".to_owned()),
        Error::NewerSchema { .. } => one("git codex-archive --version".to_owned()),
        Error::Config { origin, nearest, .. } => configuration(origin, nearest.as_deref()),
        Error::Untrusted { .. } => one("git codex-archive init --trust".to_owned()),
        Error::Locked { path } if path.ends_with("index.lock") => {
            one(format!("ls -l {}", quote(&path.to_string_lossy())))
        }
        Error::Locked { .. } => one(place.again(None, "")),
        Error::Backend { .. } | Error::Unreachable { .. } => {
            let asked = place.arguments.iter().any(|word| word == "health-check");
            let next = if asked { "config-show --origin" } else { "health-check" };
            one(format!("git codex-archive {next}"))
        }
        Error::CannotSign { .. } => {
            let key = "git config user.signingKey ~/.ssh/id_ed25519.pub";
            let mut hints = one(format!("git config gpg.format ssh && {key}"));
            if place.arguments.iter().any(|word| word == "checkpoint") {
                hints.push(place.again(None, "--unsigned"));
            }
            hints
        }
        Error::Signing { .. } => one("ssh-add -l".to_owned()),
        Error::Gpg { .. } => one("gpg --list-secret-keys".to_owned()),
        Error::Docker { .. } => one("docker image ls".to_owned()),
        Error::Credentials { found, .. } => credentials(found, place),
        Error::EntryCredentials { .. } => {
            let file = place.path(".codex/archive.toml");
            one(format!(
                "${{EDITOR:-vi}} {file}  # to save it without them: [policy] credentials = \"redact\""
            ))
        }
        Error::Item { source, .. } => hints(source, place),
        Error::Io { .. } | Error::Git { .. } | Error::TooSlow { .. } | Error::Interrupted => {
            Vec::new()
        }
    }
}

/// Where the first one stands, and where it is let pass.
fn credentials(found: &[Credential], place: &Place) -> Vec<String> {
    let Some(Credential { path, rule, line, .. }) = found.first() else { return Vec::new() };
    let (file, configuration) = (place.path(path), place.path(".codex/archive.toml"));
    let entry = format!("[policy] allow_paths = [\"{}\"]", exception(rule, path));
    vec![
        format!(
            "${{EDITOR:-vi}} +{line} {file}  # take it out; it stays in git's history: revoke it"
        ),
        format!("${{EDITOR:-vi}} {configuration}  # if it may stay: {entry}"),
    ]
}

/// How to learn what the command takes.
fn help(place: &Place) -> String {
    let words = place.arguments.iter().map(|word| word.to_string_lossy());
    let command = words.take(1).find(|word| !word.starts_with('-'));
    command.map_or_else(
        || "git codex-archive -h".to_owned(),
        |command| format!("git codex-archive {} -h", quote(&command)),
    )
}

fn damaged(what: &str) -> String {
    match what {
        "artifact" | "item" | "row" | "intent" => "git codex-archive fsck --repair".to_owned(),
        "segment" => "git codex-archive reconcile".to_owned(),
        "commit" | "tree" | "blob" | "link" => "git fsck".to_owned(),
        "tombstone" => "git codex-archive verify --all".to_owned(),
        "tarball" | "lock" => "git codex-archive bundle list".to_owned(),
        _ => "git codex-archive evidence verify".to_owned(),
    }
}

fn refused(action: &str, object: &str, refusal: &Refusal, place: &Place) -> Option<String> {
    let path = || place.path(object);
    Some(match refusal {
        Refusal::Dirty if action == "undo" => format!("git diff -- {}", path()),
        Refusal::Dirty => format!("git commit -- {}", path()),
        Refusal::Staged { commit } if commit == "HEAD" => format!("git commit -- {}", path()),
        Refusal::Staged { commit } => place.again(Some((commit, "HEAD")), ""),
        Refusal::Missing => format!("git restore -- {}", path()),
        Refusal::Unmerged => format!("git mergetool {}", path()),
        Refusal::Flagged { flag: "assume-unchanged" } => {
            format!("git update-index --no-assume-unchanged {}", path())
        }
        Refusal::Flagged { flag: "skip-worktree" } => {
            format!("git update-index --no-skip-worktree {}", path())
        }
        Refusal::Flagged { .. } => format!("git add {0} && git commit -- {0}", path()),
        Refusal::Filtered { .. } => place.again(None, "--detach-attributes"),
        Refusal::NotFreed { .. } | Refusal::NotConverted { .. } => {
            format!("git check-attr --all -- {}", path())
        }
        Refusal::PointerOnly => format!("git lfs pull --include {}", quote(object)),
        Refusal::OtherLabel { label } => place.again(Some((object, label)), ""),
        Refusal::NotRegular { .. } => format!("git ls-files --stage -- {}", path()),
        Refusal::Exists if action == "restore" => place.again(None, "--force"),
        Refusal::Exists if action.starts_with("save") => place.again(None, "--force"),
        Refusal::Exists if action == "bundle" => place.again(None, "--stamp now"),
        Refusal::Exists => format!("git diff HEAD -- {}", path()),
        Refusal::Outside if matches!(action, "restore" | "save the plan to") => {
            place.again(None, "--allow-outside")
        }
        Refusal::ThroughLink { link } => format!("ls -l {}", quote(link)),
        Refusal::NotRequested => {
            format!("git codex-archive prune-request {} --reason '…'", quote(object))
        }
        Refusal::Approvals { .. } | Refusal::OnePerson { .. } => {
            "git codex-archive request list".to_owned()
        }
        Refusal::Held { .. } => "git codex-archive hold list".to_owned(),
        Refusal::Shared { .. } => place.again(None, "--all-items"),
        Refusal::InLedger => {
            format!("git codex-archive approve {} --action readmit", quote(object))
        }
        Refusal::Looser { .. } => "git codex-archive policy diff".to_owned(),
        Refusal::Restricted => format!("git codex-archive show {}", quote(object)),
        Refusal::Purged => format!("git codex-archive log {}", quote(object)),
        Refusal::TooLargeForJson { .. } => place.without("--json"),
        Refusal::StubTooLong { .. } => place.again(None, "--no-stub"),
        Refusal::PlanMismatch { scope, .. } => {
            format!("git codex-archive retention plan --of {scope} --output {} --force", path())
        }
        Refusal::Older { .. } => place.again(None, "--allow-older"),
        // Whoever switched it on says when it is over.
        Refusal::Maintenance { .. } => "git codex-archive status".to_owned(),
        Refusal::OtherMount { .. } => format!("findmnt --target {}", quote(object)),
        Refusal::Spike { .. } => place.again(None, "--allow-spike"),
        Refusal::ChangedMeanwhile => place.again(None, ""),
        Refusal::Committed => "git log -1".to_owned(),
        Refusal::Outside | Refusal::Forbidden { .. } | Refusal::Policy { .. } => return None,
    })
}

fn not_found(action: &str, object: &str, why: &str, place: &Place) -> Option<String> {
    let path = place.path(object);
    Some(match action {
        "archive" if why.starts_with("it is not in commit") && !Path::new(&path).exists() => {
            format!("git log --oneline --all -- {path}")
        }
        "archive" if why.starts_with("it is not in commit") && !why.ends_with(" HEAD") => {
            format!("git log --oneline -- {path}")
        }
        "archive" if why.starts_with("it is not in commit") => {
            format!("git add -f -- {path} && git commit -- {path}")
        }
        "archive" if why.starts_with("it belongs to another repository") => {
            format!("cd {}", place.path(why.split('`').nth(1).unwrap_or(".")))
        }
        "archive" => "git ls-files".to_owned(),
        "resolve" if why.contains("no commit yet") => "git commit".to_owned(),
        "resolve" => "git log --oneline --all -20".to_owned(),
        "undo" => "git codex-archive log".to_owned(),
        "prove" if why.starts_with("no checkpoint") => {
            "git codex-archive evidence checkpoint".to_owned()
        }
        "prove" => "git codex-archive evidence log".to_owned(),
        "drop" | "restore" => format!("git codex-archive show {}", quote(object)),
        "find" => "git codex-archive list".to_owned(),
        _ => return None,
    })
}

/// How to get at a setting: an editor at its line, or the shell.
fn configuration(origin: &str, nearest: Option<&str>) -> Vec<String> {
    let mut hints = Vec::new();
    if let Some(nearest) = nearest {
        hints.push(format!("`{nearest}` exists"));
    }
    match origin.rsplit_once(':') {
        Some((file, line)) if line.parse::<u64>().is_ok() => {
            hints.push(format!("${{EDITOR:-vi}} +{line} {}", quote(file)));
        }
        _ if is_variable(origin) => {
            hints.push(format!("unset {origin}"));
        }
        _ => {}
    }
    hints
}

fn is_variable(origin: &str) -> bool {
    let ours = ["CODEX_", "RETENTION_"].iter().any(|it| origin.starts_with(it));
    ours && !origin.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(below: &str, words: &[&str]) -> Place {
        let arguments = words.iter().map(OsString::from).collect();
        Place { arguments, below_top: PathBuf::from(below) }
    }

    #[test]
    fn paths_are_meant_from_here() {
        let at = |below, object| place(below, &[]).path(object);
        assert_eq!(at("", "src/a.py"), "src/a.py");
        assert_eq!(at("src", "src/a.py"), "a.py");
        assert_eq!(at("src/x", "src/a b.py"), "'../a b.py'");
        assert_eq!(at("docs", "src/a.py"), "../src/a.py");
    }

    #[test]
    fn the_command_is_given_again_with_what_it_lacked() {
        let typed = place("", &["restore", "8f0c", "it's.py"]);
        let refusal = Refusal::Exists;
        let error = Error::refused("restore", "it's.py", refusal);
        let expected = "git codex-archive restore 8f0c 'it'\\''s.py' --force";
        assert_eq!(hints(&error, &typed), [expected]);
        let error =
            Error::refused("archive", "other", Refusal::OtherLabel { label: "mine".to_owned() });
        let typed = place("", &["store", "other", "a.py"]);
        assert_eq!(hints(&error, &typed), ["git codex-archive store mine a.py"]);
    }
}
