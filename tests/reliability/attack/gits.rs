//! Settings and attributes by which git runs programs: what only reads runs none of them.

use std::fs;

use super::harness::{archived, readers, tries};
use crate::common::TestRepo;
use crate::score::Score;

/// Settings of a repository that came as an archive file, with its `.git/config`.
fn settings(evil: &str) -> Vec<(&'static str, String)> {
    let plain = |section: &str, key: &str| format!("[{section}]\n\t{key} = {evil}\n");
    vec![
        ("fsmonitor", plain("core", "fsmonitor")),
        (
            "pager",
            format!(
                "[core]\n\tpager = {evil}\n[pager]\n\tlog = true\n\tshow = {evil}\n\
                           \tconfig = {evil}\n\tdiff = {evil}\n\tcodex-archive = {evil}\n"
            ),
        ),
        ("editor", format!("[core]\n\teditor = {evil}\n[sequence]\n\teditor = {evil}\n")),
        ("external diff", plain("diff", "external")),
        (
            "a driver",
            format!(
                "[diff \"x\"]\n\tcommand = {evil}\n\ttextconv = {evil}\n\tcachetextconv = true\n"
            ),
        ),
        ("a merge driver", format!("[merge \"x\"]\n\tdriver = {evil}\n")),
        (
            "ssh",
            format!(
                "{}[remote \"origin\"]\n\turl = ssh://example.invalid/x\n",
                plain("core", "sshCommand")
            ),
        ),
        ("git proxy", plain("core", "gitProxy")),
        ("askpass", plain("core", "askPass")),
        ("credentials", plain("credential", "helper")),
        (
            "gpg",
            format!(
                "[gpg]\n\tprogram = {evil}\n[log]\n\tshowSignature = true\n[commit]\n\tgpgSign = true\n"
            ),
        ),
        (
            "an alias",
            format!(
                "[alias]\n\tcodex-archive = !{evil}\n\tls-files = !{evil}\n\trev-parse = !{evil}\n\
                              \tconfig = !{evil}\n\tdiff = !{evil}\n\tcat-file = !{evil}\n"
            ),
        ),
        ("alternates", plain("core", "alternateRefsCommand")),
        ("packs", format!("[uploadpack]\n\tpackObjectsHook = {evil}\n")),
        ("trailers", format!("[trailer \"x\"]\n\tcommand = {evil}\n\tcmd = {evil}\n")),
        ("an interactive filter", format!("[interactive]\n\tdiffFilter = {evil}\n")),
        (
            "a browser",
            format!(
                "[web]\n\tbrowser = {evil}\n[help]\n\tbrowser = {evil}\n\tautoCorrect = immediate\n"
            ),
        ),
        (
            "submodules",
            format!("[submodule \"x\"]\n\tupdate = !{evil}\n\turl = .\n\tactive = true\n"),
        ),
        ("a mailer", plain("sendemail", "sendmailCmd")),
        ("a hook", format!("[hook \"x\"]\n\tevent = pre-commit\n\tcommand = {evil}\n")),
    ]
}

#[test]
fn what_only_reads_runs_no_program_of_the_repository() {
    let mut score = Score::of("attack: git configuration");
    let (repo, id) = archived();
    let marker = repo.world.path("pwned");
    repo.script("evil.sh", &format!("#!/bin/sh\necho \"$0 $@\" >> '{}'\ncat\n", marker.display()));
    let evil = repo.top.join("evil.sh").display().to_string();
    let config = repo.common_dir().join("config");
    let whole = fs::read_to_string(&config).unwrap();
    let attributes = repo.common_dir().join("info/attributes");
    let mut cases = settings(&evil);
    let included = repo.top.join("more.config");
    fs::write(&included, settings(&evil).concat_texts()).unwrap();
    cases.push(("an include", format!("[include]\n\tpath = {}\n", included.display())));
    cases.push((
        "a conditional include",
        format!("[includeIf \"gitdir:/\"]\n\tpath = {}\n", included.display()),
    ));
    cases.push(("hooks", {
        let folder = repo.top.join("theirs");
        fs::create_dir(&folder).unwrap();
        for name in ["pre-commit", "post-index-change", "reference-transaction", "pre-auto-gc"] {
            repo.script(&format!("theirs/{name}"), &fs::read_to_string(&evil).unwrap());
        }
        format!("[core]\n\thooksPath = {}\n", folder.display())
    }));
    cases.push(("everything", settings(&evil).concat_texts()));
    for attribute in ["", "* diff=x merge=x text=auto\n"] {
        fs::create_dir_all(attributes.parent().unwrap()).unwrap();
        fs::write(&attributes, attribute).unwrap();
        for (n, (name, text)) in super::harness::some(&cases) {
            fs::write(&config, format!("{whole}{text}")).unwrap();
            for line in super::harness::portion(readers(&id), n) {
                let held = tries(&repo, &line).is_civil().and_then(|()| unmarked(&marker));
                score.note(format!("{name} {attribute:?}, {line:?}"), held);
            }
        }
    }
    filters(&repo, &id, &evil, &whole, &mut score);
    score.finish(100);
}

fn unmarked(marker: &std::path::Path) -> Result<(), String> {
    match fs::read_to_string(marker) {
        Err(_) => Ok(()),
        Ok(text) => {
            let _ = fs::remove_file(marker);
            Err(format!("ran {text}"))
        }
    }
}

trait ConcatTexts {
    fn concat_texts(&self) -> String;
}

impl ConcatTexts for Vec<(&'static str, String)> {
    fn concat_texts(&self) -> String {
        self.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// A filter is what git itself runs whenever it adds such a file; what only reads does not.
fn filters(repo: &TestRepo, id: &str, evil: &str, whole: &str, score: &mut Score) {
    let marker = repo.world.path("pwned");
    let config = repo.common_dir().join("config");
    fs::write(repo.common_dir().join("info/attributes"), "* filter=x\n").unwrap();
    for text in [
        format!("[filter \"x\"]\n\tclean = {evil}\n\tsmudge = {evil}\n\trequired = true\n"),
        format!("[filter \"x\"]\n\tprocess = {evil}\n"),
    ] {
        fs::write(&config, format!("{whole}{text}")).unwrap();
        for line in readers(id) {
            let held = tries(repo, &line).is_civil().and_then(|()| unmarked(&marker));
            score.note(format!("{text:?}, {line:?}"), held);
        }
        // Neither does a `store` that is refused for it.
        let line = ["store", "_codex_", "src/live.py", "--reason", "dead"];
        let held = tries(repo, line).exits(6).and_then(|()| unmarked(&marker));
        score.note(format!("{text:?}, store"), held);
    }
    fs::write(&config, whole).unwrap();
}
