//! `tour`: the whole cycle in a throw-away repository, with real git and this very program.
//!
//! Promises: touches nothing but its own temporary folder; every step is held against what it
//! should do, and the first that does otherwise ends the tour with exit code 1.

mod script;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use script::{CLIENT, FILES, PARTS, SCRIPT, Step};

use super::hints::quote;
use super::report::Report;
use super::text::{BAD, FAINT, GOOD, PLAIN, STRONG, Text};
use super::ui::Ui;
use crate::error::{Error, Result};
use crate::fs::{self as files, Executable};
use crate::model::DeedId;

const EXAMPLES: &str = "Examples:
  git codex-archive tour
  git codex-archive tour --keep";

/// The options of `tour`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Leave the repositories there, to look around in
    #[arg(long)]
    keep: bool,
}

/// What came of one command.
#[derive(Debug, Serialize)]
struct Done {
    command: String,
    exit: Option<i32>,
    output: String,
    ok: bool,
}

/// The whole tour.
#[derive(Debug, Serialize)]
struct Toured {
    ok: bool,
    steps: Vec<Done>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    #[serde(skip)]
    trouble: Option<String>,
}

/// Goes through the tour; returns the exit code.
pub fn run(ui: &Ui, args: &Args) -> Result<u8> {
    let world = World::create(args.keep)?;
    let mut toured = Toured { ok: true, steps: Vec::new(), kept: None, trouble: None };
    toured.kept = args.keep.then(|| world.folder.display().to_string());
    let mut place = "shop";
    'tour: for (number, (words, steps)) in PARTS.iter().enumerate() {
        let mut text = Text::default();
        text.parts(&[(STRONG, &format!("{}. {words}", number + 1))]);
        tell(ui, &text)?;
        for step in *steps {
            let done = world.take(step, std::mem::replace(&mut place, step.place))?;
            tell(ui, &told(&done))?;
            let trouble =
                (!done.ok).then(|| format!("expected exit code {} and `{}`", step.code, step.says));
            toured.steps.push(done);
            if trouble.is_some() {
                toured.trouble = trouble;
                break 'tour;
            }
        }
        if let Some(trouble) = world.check(number)? {
            toured.trouble = Some(trouble);
            break;
        }
    }
    toured.ok = toured.trouble.is_none();
    Ok(ui.show(&toured))
}

fn tell(ui: &Ui, text: &Text) -> Result<()> {
    if ui.is_json() { Ok(()) } else { ui.answer(text).map_err(Error::io("write", "output")) }
}

fn told(done: &Done) -> Text {
    let mut text = Text::default();
    text.parts(&[(FAINT, "$ "), (STRONG, &done.command)]);
    text.block(&done.output);
    if done.exit != Some(0) {
        let code = done.exit.map_or("none".to_owned(), |code| code.to_string());
        text.parts(&[(FAINT, &format!("(exit code {code})"))]);
    }
    text.gap();
    text
}

impl Report for Toured {
    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 1 }
    }

    fn write_human(&self, out: &mut Text) {
        match &self.trouble {
            None => out.parts(&[
                (GOOD, "Every step did what it should."),
                (PLAIN, " Start with: git codex-archive init --hooks"),
            ]),
            Some(trouble) => out.parts(&[(BAD, "The tour failed: "), (PLAIN, trouble)]),
        }
        if let Some(folder) = &self.kept {
            out.field("kept", folder);
        }
    }
}

/// The temporary folder, with an origin, the shop's repository and a home of its own.
struct World {
    folder: PathBuf,
    keep: bool,
    path: OsString,
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.keep {
            let _ = files::remove_tree(&self.folder);
        }
    }
}

impl World {
    fn create(keep: bool) -> Result<Self> {
        let name = format!("codex-archive-tour-{}", DeedId::random());
        let folder = std::env::temp_dir().join(name);
        let bin = folder.join("bin");
        files::create_folders(&bin)?;
        let binary = std::env::current_exe().map_err(Error::io("find", "git-codex-archive"))?;
        files::replace_link(&binary, &bin.join("git-codex-archive"))?;
        let mut path = bin.into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        let world = Self { folder, keep, path };
        files::create_folders(&world.folder.join("home"))?;
        for words in [
            ["init", "-q", "--bare", "-b", "main", "origin.git"].as_slice(),
            &["init", "-q", "-b", "main", "shop"],
        ] {
            world.git("", words)?;
        }
        for (name, text, executable) in FILES {
            let file = world.folder.join("shop").join(name);
            files::create_folders(files::folder_of(&file))?;
            files::write_atomic(&file, text.as_bytes(), *executable)?;
        }
        for words in [
            ["remote", "add", "origin", "../origin.git"].as_slice(),
            &["add", "."],
            &["commit", "-q", "-m", "Open the shop"],
        ] {
            world.git("shop", words)?;
        }
        Ok(world)
    }

    /// Runs git without showing it.
    fn git(&self, place: &str, words: &[&str]) -> Result<()> {
        let output = self.command("git", place).args(words).output();
        let output = output.map_err(Error::io("run", "git"))?;
        if output.status.success() {
            return Ok(());
        }
        let detail = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        Err(Error::Git { action: "set up the tour's repository", detail })
    }

    /// A child in a world of its own: no setting of this machine or user gets in.
    fn command(&self, program: &str, place: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.join(place)).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let ours = text.starts_with("GIT_") || text.starts_with("CODEX_");
            if (ours && text != "GIT_EXEC_PATH") || text == "GITHUB_ACTIONS" {
                command.env_remove(&name);
            }
        }
        let settings = [
            ("user.name", "Tour"),
            ("user.email", "tour@example.com"),
            ("commit.gpgSign", "false"),
            ("core.autocrlf", "false"),
        ];
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (n, (key, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{n}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        command
            .env("PATH", &self.path)
            .env("HOME", self.folder.join("home"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    fn take(&self, step: &Step, before: &str) -> Result<Done> {
        let origin = self.folder.join("origin.git").display().to_string();
        let words: Vec<String> =
            step.words.iter().map(|word| word.replace("ORIGIN", &origin)).collect();
        let mut command = self.command(&words[0], step.place);
        command.args(&words[1..]);
        if words.get(1).is_some_and(|word| word == "codex-archive") {
            // What a person sees on a terminal.
            command.arg("--text");
        }
        let output = command.output().map_err(Error::io("run", &words[0]))?;
        if let Some(name) = step.save {
            files::write_atomic(&self.folder.join(name), &output.stdout, Executable::No)?;
        }
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        let ok = output.status.code() == Some(step.code) && said.contains(step.says);
        let mut typed: Vec<String> = words.iter().map(|word| quote(word)).collect();
        if step.place != before {
            typed.insert(0, format!("cd ../{} &&", step.place));
        }
        if let Some(name) = step.save {
            typed.push(format!("| tee ../{name}"));
        }
        Ok(Done { command: typed.join(" "), exit: output.status.code(), output: said, ok })
    }

    /// What must be true after the part `number`, beside what its commands said.
    fn check(&self, number: usize) -> Result<Option<String>> {
        let (file, text) = match number {
            4 => ("colleague/out.py", CLIENT),
            5 => ("shop/src/legacy/report.sh", SCRIPT),
            _ => return Ok(None),
        };
        let path: &Path = &self.folder.join(file);
        let found = fs::read(path).map_err(Error::io("read", path))?;
        let same = found == text.as_bytes();
        Ok((!same).then(|| format!("{file} is not what was archived")))
    }
}
