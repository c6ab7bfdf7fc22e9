//! What is typed on the tour, and what must come of it.

use crate::fs::Executable;

/// A file that is retired.
pub const CLIENT: &str = "\
\"\"\"Talks to version 1 of the Zendesk interface, which was switched off.\"\"\"


def tickets(session):
    return [row[\"id\"] for row in session.get(\"/api/v1/tickets\").json()]
";

/// A file that is retired and comes back; executable.
pub const SCRIPT: &str = "\
#!/bin/sh
# Sends the weekly report of tickets.
exec python3 -m shop.report --weekly \"$@\"
";

const NOTES: &str = "# Zendesk, version 1\n\nHow the first client was set up. Nobody needs this.\n";

/// The shop's files.
pub const FILES: &[(&str, &str, Executable)] = &[
    ("src/app.py", "print(\"shop\")\n", Executable::No),
    ("src/legacy/zendesk_v1.py", CLIENT, Executable::No),
    ("src/legacy/report.sh", SCRIPT, Executable::Yes),
    ("docs/zendesk.md", NOTES, Executable::No),
];

const TAMPER: &str = "s/^size: .*/size: 1/";

/// One command of the tour.
pub struct Step {
    /// Where it is typed: the shop's repository or the colleague's.
    pub place: &'static str,
    pub words: &'static [&'static str],
    /// The exit code it must have.
    pub code: i32,
    /// What it must say.
    pub says: &'static str,
    /// A file of the tour's folder that takes its output, too.
    pub save: Option<&'static str>,
}

const fn step(words: &'static [&'static str], says: &'static str) -> Step {
    Step { place: "shop", words, code: 0, says, save: None }
}

/// A part of the tour: a line of explanation and the commands that belong to it.
pub type Part = (&'static str, &'static [Step]);

/// The tour.
pub const PARTS: &[Part] = &[
    (
        "A shop's repository gets an archive and the hooks.",
        &[
            step(
                &["git", "codex-archive", "init", "--hooks", "--repo", "_codex_"],
                "Made the archive",
            ),
            step(&["git", "commit", "-q", "-m", "Set up the archive"], ""),
            step(&["git", "push", "-q", "-u", "origin", "main"], ""),
        ],
    ),
    (
        "Three files that nobody uses are retired in one deed: archived, read back, replaced by tombstones.",
        &[
            step(&["git", "switch", "-q", "-c", "retire-zendesk"], ""),
            step(
                &[
                    "git",
                    "codex-archive",
                    "store",
                    "_codex_",
                    "src/legacy",
                    "docs/zendesk.md",
                    "--by",
                    "marc",
                    "--reason",
                    "pruned",
                    "--tag",
                    "zendesk",
                    "--metadata",
                    "ticket=OPS-1234",
                ],
                "Archived 3 files",
            ),
            step(&["cat", "src/legacy/zendesk_v1.py"], "codex-tombstone v1"),
            step(&["git", "commit", "-q", "-m", "Retire the first Zendesk client"], ""),
            step(&["git", "push", "-q", "-u", "origin", "retire-zendesk"], ""),
        ],
    ),
    (
        "What is in the archive, and what happened to it.",
        &[
            step(&["git", "codex-archive", "list"], "src/legacy/report.sh"),
            step(&["git", "codex-archive", "show", "src/legacy/zendesk_v1.py"], "ARCHIVE"),
        ],
    ),
    (
        "The pull request cites its evidence, and anyone can check it.",
        &[
            Step {
                save: Some("body.md"),
                ..step(
                    &["git", "codex-archive", "evidence", "cite", "--range", "origin/main..HEAD"],
                    "Codex-Evidence: ",
                )
            },
            step(
                &[
                    "git",
                    "codex-archive",
                    "verify",
                    "--range",
                    "origin/main..HEAD",
                    "--citations",
                    "../body.md",
                ],
                "ok: 3 tombstones",
            ),
        ],
    ),
    (
        "A colleague has a fresh clone and no archive: the check passes, and the bytes come out of git's history.",
        &[
            step(
                &["git", "clone", "-q", "-b", "retire-zendesk", "file://ORIGIN", "../colleague"],
                "",
            ),
            Step {
                place: "colleague",
                ..step(
                    &[
                        "git",
                        "codex-archive",
                        "verify",
                        "--range",
                        "origin/main..HEAD",
                        "--citations",
                        "../body.md",
                    ],
                    "ok: 3 tombstones",
                )
            },
            Step {
                place: "colleague",
                ..step(
                    &["git", "codex-archive", "restore", "src/legacy/zendesk_v1.py", "out.py"],
                    "from git history",
                )
            },
        ],
    ),
    (
        "The script is needed after all, and comes back with its bytes and mode.",
        &[
            step(
                &["git", "codex-archive", "restore", "--stage", "src/legacy/report.sh"],
                "mode 100755",
            ),
            step(&["git", "commit", "-q", "-m", "Bring the weekly report back"], ""),
        ],
    ),
    (
        "The client's tombstone goes for good; the item stays archived.",
        &[
            step(
                &[
                    "git",
                    "codex-archive",
                    "drop",
                    "src/legacy/zendesk_v1.py",
                    "--reason",
                    "the folder is tidied up",
                ],
                "stays archived",
            ),
            step(&["git", "commit", "-q", "-m", "Drop the client's tombstone"], ""),
            step(&["git", "codex-archive", "status"], "hooks:        live"),
        ],
    ),
    (
        "Somebody edits a tombstone: the commit is refused, with the command that mends it.",
        &[
            step(&["sed", "-i.bak", TAMPER, "docs/zendesk.md"], ""),
            step(&["git", "add", "docs/zendesk.md"], ""),
            Step { code: 1, ..step(&["git", "commit", "-m", "Tidy up"], "docs/zendesk.md") },
        ],
    ),
];
