//! The rules of docs/architecture.md that a machine can check: who may import whom, and which part
//! alone touches git's library, SQL, the environment, the clock, the terminal and the disk.
//!
//! Each rule carries a snippet that breaks it and one that does not, so a rule that went blind
//! fails too. Parts under `#[cfg(test)]` are exempt.

#![expect(clippy::unwrap_used, reason = "a test that cannot read src/ has failed")]

#[path = "architecture/rooms.rs"]
mod rooms;
#[path = "architecture/source.rs"]
mod source;

use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

use rooms::may_name;
use source::Source;

/// Who may call what yields content or destroys it: `(function, files below src/)`.
const GATES: &[(&str, &[&str])] =
    &[("may_release", &["archive/lookup.rs"]), ("may_destroy", &["archive/governance/purge.rs"])];

/// One rule: gives what is wrong in a file, each with its line.
struct Rule {
    name: &'static str,
    check: fn(&Source) -> Vec<(usize, String)>,
    /// A file and a text that break it.
    bad: &'static [(&'static str, &'static str)],
    /// A file and a text that do not.
    good: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        name: "modules name only what stands below them",
        check: edges,
        bad: &[
            ("git/mod.rs", "use crate::backend::Row;"),
            ("git/stage.rs", "use crate::{error::Error, config::Config};"),
            ("policy/gate.rs", "fn f() { crate::archive::open() }"),
            ("archive/mod.rs", "use super::verify;"),
            ("archive/store.rs", "use super::super::cli::ui;"),
            ("hook/checks.rs", "use crate as all; fn f() { all::cli::run() }"),
            ("error.rs", "use crate::model::Digest;"),
            ("main.rs", "use codex_archive::archive::Archive;"),
            ("newroom/mod.rs", "use crate::error::Error;"),
            ("blob.rs", "use crate::*;"),
        ],
        good: &[
            (
                "git/stage.rs",
                "use crate::{error::Error, fs}; use super::Repository; use crate::Result;",
            ),
            (
                "hook/checks.rs",
                "use crate::verify; use crate::config; use crate::archive::Archive;",
            ),
            ("blob.rs", "//! [`crate::cli`]\n#[cfg(test)] mod tests { use crate::cli; }"),
            ("blob.rs", "const T: &str = \"crate::cli\"; use super::error::Error;"),
        ],
    },
    Rule {
        name: "git2 and gix only in git/",
        check: |it| outside(it, &["git/"], |path| path[0] == "git2" || path[0].starts_with("gix_")),
        bad: &[
            ("archive/store.rs", "use git2::Oid;"),
            ("cli/ui.rs", "fn f(_: git2::Oid) {}"),
            ("hook/checks.rs", "fn f(_: gix_index::State) {}"),
        ],
        good: &[("git/mod.rs", "use git2::Oid;"), ("blob.rs", "// git2::Oid")],
    },
    Rule {
        name: "events become lines only in logging/",
        check: |it| outside(it, &["logging/"], |path| path[0] == "tracing_subscriber"),
        bad: &[("archive/store.rs", "use tracing_subscriber::registry;")],
        good: &[
            ("logging/mod.rs", "use tracing_subscriber::registry;"),
            ("archive/store.rs", "fn f() { tracing::info!(x = 1); }"),
        ],
    },
    Rule {
        name: "rusqlite only in backend/sqlite.rs",
        check: |it| outside(it, &["backend/sqlite.rs"], |path| path[0] == "rusqlite"),
        bad: &[("backend/catalog.rs", "use rusqlite::Row;")],
        good: &[("backend/sqlite.rs", "use rusqlite::Row;")],
    },
    Rule {
        name: "drivers of servers only in their own files",
        check: |it| {
            let mut wrong = outside(it, &["backend/postgres.rs", "backend/mod.rs"], |path| {
                path[0] == "postgres" || path[0] == "tokio_postgres_rustls"
            });
            wrong.extend(outside(it, &["backend/mariadb.rs"], |path| path[0] == "mysql"));
            wrong.extend(outside(it, &["backend/tls.rs"], |path| path[0].starts_with("rustls")));
            wrong
        },
        bad: &[
            ("backend/catalog.rs", "use postgres::Client;"),
            ("backend/postgres.rs", "use mysql::Conn;"),
            ("backend/postgres.rs", "use rustls::ClientConfig;"),
        ],
        good: &[
            ("backend/postgres.rs", "use postgres::Client;"),
            ("backend/mariadb.rs", "use mysql::Conn;"),
            ("backend/tls.rs", "use rustls::ClientConfig;"),
        ],
    },
    Rule {
        name: "SQL only in backend/",
        check: sql,
        bad: &[
            ("archive/search.rs", "fn f() { q(\"SELECT id FROM item_row\") }"),
            ("archive/search.rs", "fn f() { q(r#\"\n  UPDATE item_row\n SET x = 1\"#) }"),
            ("cli/mod.rs", "const Q: &str = \"INSERT INTO tag VALUES (?)\";"),
            ("cli/mod.rs", "const Q: &str = \"DELETE FROM tag\";"),
            ("cli/mod.rs", "const Q: &str = \"CREATE TABLE tag (id)\";"),
        ],
        good: &[
            ("backend/catalog.rs", "const Q: &str = \"DELETE FROM tag\";"),
            ("cli/mod.rs", "const HELP: &str = \"select what to delete from the archive\";"),
            ("archive/store.rs", "#[cfg(test)] mod tests { const Q: &str = \"DELETE FROM tag\"; }"),
        ],
    },
    Rule {
        name: "the environment only in config/layers.rs and cli/",
        check: |it| outside(it, &["config/layers.rs", "cli/"], |path| starts(path, "std::env")),
        bad: &[
            ("git/mod.rs", "fn f() { std::env::var_os(\"X\"); }"),
            ("config/mod.rs", "use std::{env, fmt};"),
            ("blob.rs", "use std as s; fn f() { s::env::args(); }"),
        ],
        good: &[("cli/mod.rs", "use std::env;"), ("blob.rs", "const V: &str = env!(\"V\");")],
    },
    Rule {
        name: "the clock only in clock.rs",
        check: |it| outside(it, &["clock.rs"], is_clock),
        bad: &[
            ("blob.rs", "use std::time::Instant;"),
            ("blob.rs", "use std::time::{Duration, SystemTime};"),
            ("archive/mod.rs", "fn f() { jiff::Timestamp::now(); }"),
            ("archive/mod.rs", "use jiff::Zoned as Z; fn f() { Z::now(); }"),
        ],
        good: &[("blob.rs", "use std::time::Duration; fn f(c: &dyn Clock) { c.now(); }")],
    },
    Rule {
        name: "printing only in cli/ui.rs",
        check: printing,
        bad: &[
            ("cli/mod.rs", "fn f() { println!(\"x\"); }"),
            ("hook/checks.rs", "fn f() { std::eprint!(\"x\"); }"),
            ("archive/mod.rs", "use std::io::stdout;"),
            ("cli/tour.rs", "use std::io; fn f() { io::stderr(); }"),
        ],
        good: &[
            ("cli/ui.rs", "fn f() { println!(\"x\"); }"),
            ("git/plumbing.rs", "fn f(c: Command) { c.stdout(Stdio::piped()).output().stderr; }"),
        ],
    },
    Rule {
        name: "files are written only in fs.rs",
        check: |it| outside(it, &["fs.rs"], is_write),
        bad: &[
            ("blob.rs", "fn f() { std::fs::write(\"x\", \"y\"); }"),
            ("archive/mod.rs", "use std::fs; fn f() { fs::rename(\"x\", \"y\"); }"),
            ("archive/mod.rs", "use std::fs::File; fn f() { File::create(\"x\"); }"),
            ("archive/mod.rs", "use std::fs::{self, OpenOptions};"),
            ("archive/mod.rs", "use std::os::unix::fs::symlink as s;"),
            ("hook/install.rs", "use std::fs as disk; fn f() { disk::create_dir_all(\"x\"); }"),
        ],
        good: &[
            ("archive/mod.rs", "use crate::fs; fn f() { fs::rename(\"x\", \"y\"); }"),
            ("archive/mod.rs", "use std::fs; fn f() { fs::read(\"x\"); fs::File::open(\"x\"); }"),
        ],
    },
    Rule {
        name: "system calls on files only in fs",
        check: |it| outside(it, &["fs.rs", "fs/"], |path| path[0] == "rustix"),
        bad: &[("archive/tree.rs", "use rustix::fs::renameat;")],
        good: &[("fs/folder.rs", "use rustix::fs::renameat;")],
    },
    Rule {
        name: "nothing ends the process",
        check: |it| {
            outside(it, &[], |path| ends(path, "process::exit") || ends(path, "process::abort"))
        },
        bad: &[
            ("cli/mod.rs", "fn f() { std::process::exit(1) }"),
            ("cli/mod.rs", "use std::process; fn f() { process::exit(1) }"),
        ],
        good: &[("cli/mod.rs", "use std::process::ExitCode;")],
    },
    Rule {
        name: "nothing is unsafe",
        check: |it| outside(it, &[], |path| path[0] == "unsafe"),
        bad: &[("fs.rs", "fn f() { unsafe { g() } }")],
        good: &[("fs.rs", "// unsafe\nfn unsafe_owner() {}")],
    },
    Rule {
        name: "every file opens with //!",
        check: |it| {
            let opens = it.text.starts_with("//! ");
            if opens { Vec::new() } else { vec![(1, "it opens with something else".to_owned())] }
        },
        bad: &[("blob.rs", "use std::fmt;\n//! late"), ("blob.rs", "// plain")],
        good: &[("blob.rs", "//! What it is.\n")],
    },
    Rule {
        name: "gates have the listed callers",
        check: gates,
        bad: &[
            ("archive/leak.rs", "use crate::policy::gate; fn f() { gate::may_release(&item); }"),
            ("archive/leak.rs", "use crate::policy::may_destroy as ok; fn f() { ok(&item); }"),
        ],
        good: &[("policy/gate.rs", "pub fn may_release() {}")],
    },
];

fn starts(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<_> = prefix.split("::").collect();
    path.len() >= prefix.len() && prefix.iter().zip(path).all(|(a, b)| a == b)
}

fn ends(path: &[String], suffix: &str) -> bool {
    path.join("::") == suffix || path.join("::").ends_with(&format!("::{suffix}"))
}

/// The paths that are `wrong`, unless the file is one of `rooms` or in one that ends with `/`.
fn outside(source: &Source, rooms: &[&str], wrong: fn(&[String]) -> bool) -> Vec<(usize, String)> {
    let at_home = |room: &&str| match room.ends_with('/') {
        true => source.file.starts_with(*room),
        false => source.file == **room,
    };
    if rooms.iter().any(at_home) {
        return Vec::new();
    }
    let paths = source.paths.iter().filter(|(_, path)| wrong(path));
    paths.map(|(line, path)| (*line, path.join("::"))).collect()
}

fn edges(source: &Source) -> Vec<(usize, String)> {
    let from = source.module();
    let mut wrong = Vec::new();
    if may_name(from, "error").is_none() {
        wrong.push((1, format!("the module `{from}` has no row in the table")));
    }
    for (line, path) in source.paths.iter().filter(|(_, path)| path[0] == "crate") {
        // What lib.rs exports flatly stands in error.rs.
        let to = match path.get(1).map(String::as_str) {
            Some(name) if name.starts_with(char::is_uppercase) => "error",
            Some(name) => name,
            None => continue,
        };
        if to != from && may_name(from, to) == Some(false) {
            wrong.push((*line, format!("`{from}` may not name `{to}`")));
        }
    }
    wrong
}

fn sql(source: &Source) -> Vec<(usize, String)> {
    let is_sql = |text: &str| {
        let words: Vec<_> = text.split_whitespace().collect();
        let pair = |one: &str, two: &str| words.windows(2).any(|it| it == [one, two]);
        let both = |one: &str, two: &str| {
            let first = words.iter().position(|word| *word == one);
            first.is_some_and(|first| words[first..].contains(&two))
        };
        both("SELECT", "FROM")
            || words.first() == Some(&"SELECT")
            || both("UPDATE", "SET")
            || pair("INSERT", "INTO")
            || pair("DELETE", "FROM")
            || pair("CREATE", "TABLE")
            || pair("DROP", "TABLE")
    };
    if source.file.starts_with("backend/") {
        return Vec::new();
    }
    source.strings.iter().filter(|(_, text)| is_sql(text)).cloned().collect()
}

fn is_clock(path: &[String]) -> bool {
    let named = ["std::time::Instant", "std::time::SystemTime", "std::time::UNIX_EPOCH"];
    let asked = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
    named.iter().any(|it| starts(path, it)) || asked.iter().any(|it| ends(path, it))
}

fn printing(source: &Source) -> Vec<(usize, String)> {
    outside(source, &["cli/ui.rs"], |path| {
        let last = path.last().map_or("", String::as_str);
        let stream = path.len() > 1 && matches!(last, "stdout" | "stderr");
        stream || matches!(last, "println" | "eprintln" | "print" | "eprint" | "dbg")
    })
}

fn is_write(path: &[String]) -> bool {
    const FUNCTIONS: &[&str] = &[
        "write",
        "remove_file",
        "remove_dir",
        "remove_dir_all",
        "rename",
        "create_dir",
        "create_dir_all",
        "hard_link",
        "copy",
        "set_permissions",
        "soft_link",
        "OpenOptions",
        "DirBuilder",
    ];
    const ON_FILES: &[&str] = &["create", "create_new", "create_buffered", "options"];
    let last = path.get(2).map_or("", String::as_str);
    if starts(path, "std::os::unix::fs") {
        return matches!(path.get(4).map(String::as_str), Some("symlink" | "chown" | "fchown"));
    }
    let on_file = path.get(3).is_some_and(|it| ON_FILES.contains(&it.as_str()));
    starts(path, "std::fs") && (FUNCTIONS.contains(&last) || (last == "File" && on_file))
}

fn gates(source: &Source) -> Vec<(usize, String)> {
    if source.file.starts_with("policy/") {
        return Vec::new();
    }
    let calls = source.paths.iter().filter(|(_, path)| {
        let gate = GATES.iter().find(|(name, _)| path.last().is_some_and(|it| it == name));
        gate.is_some_and(|(_, callers)| !callers.contains(&source.file.as_str()))
    });
    calls.map(|(line, path)| (*line, format!("{} has a new caller", path.join("::")))).collect()
}

/// The files of src/ that are compiled into the program.
fn files() -> Vec<PathBuf> {
    let mut folders = vec![top()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                files.push(path);
            }
        }
    }
    files.retain(|path| !is_of_tests(path));
    files.sort();
    files
}

/// Whether a module above declares this file, or a folder it is in, as `#[cfg(test)] mod NAME;`.
fn is_of_tests(path: &Path) -> bool {
    path.ancestors().take_while(|it| **it != top()).any(is_declared_for_tests)
}

fn is_declared_for_tests(path: &Path) -> bool {
    let folder = path.parent().unwrap();
    let above = [folder.join("mod.rs"), folder.with_extension("rs"), folder.join("lib.rs")];
    let text: String = above.iter().filter_map(|it| fs::read_to_string(it).ok()).collect();
    let declared = format!("mod {};", path.file_stem().unwrap().to_str().unwrap());
    let mut items = text.split("#[cfg(test)]").skip(1);
    items.any(|item| {
        item.lines().map(str::trim).find(|it| !it.is_empty()).is_some_and(|line| {
            line == declared || line.starts_with("pub") && line.ends_with(&format!(" {declared}"))
        })
    })
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let source = |path: &PathBuf| {
        let name = path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned();
        Source::new(&name, &fs::read_to_string(path).unwrap())
    };
    files().iter().map(source).collect()
}

#[test]
fn the_rules_see_what_breaks_them() {
    for rule in RULES {
        for (file, text) in rule.bad {
            let found = (rule.check)(&Source::new(file, text));
            assert!(!found.is_empty(), "{}: not seen in {file}: {text}", rule.name);
        }
        for (file, text) in rule.good {
            let found = (rule.check)(&Source::new(file, text));
            assert!(found.is_empty(), "{}: seen in {file}: {text}: {found:?}", rule.name);
        }
    }
}

#[test]
fn the_rules_hold() {
    let sources = sources();
    assert!(sources.len() > 10, "src/ was not found");
    let mut wrong = Vec::new();
    for source in &sources {
        for rule in RULES {
            for (line, what) in (rule.check)(source) {
                wrong.push(format!("src/{}:{line}: {}: {what}", source.file, rule.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_listed_callers_call() {
    let sources = sources();
    for (gate, callers) in GATES {
        for caller in *callers {
            let source = sources.iter().find(|it| it.file == *caller);
            let calls = source.is_some_and(|it| it.paths.iter().any(|(_, path)| ends(path, gate)));
            assert!(calls, "{caller} is listed and does not call {gate}");
        }
    }
}

#[test]
fn files_are_short() {
    let lengths = sources().into_iter().map(|it| (it.text.lines().count(), it.file));
    let mut long: Vec<_> = lengths.filter(|(lines, _)| *lines > 400).collect();
    long.sort();
    for (lines, file) in &long {
        // Straight to the stream: what a passing test prints is not shown.
        let _ = writeln!(stderr(), "warning: src/{file} has {lines} lines; 400 is enough");
    }
    long.retain(|(lines, _)| *lines > 600);
    assert!(long.is_empty(), "over 600 lines: {long:?}");
}

#[test]
fn literals_comments_and_tests_are_told_apart() {
    let text = "fn a<'a>(x: &'a str) { let q = '\"'; let e = '\\''; /* \"no\" /* n */ */ g(\"yes\\\"s\"); }\n\
                #[cfg(test)]\nmod tests { const T: &str = \"test\"; }\nconst R: &str = r#\"raw \" x\"#;\n\
                #[cfg(test)]\nfn f() -> [u8; 3] { a::b() }\nconst L: &[u8] = b\"last\";";
    let source = Source::new("x.rs", text);
    let strings: Vec<_> = source.strings.iter().map(|(line, it)| (*line, it.as_str())).collect();
    assert_eq!(strings, [(1, "yes\\\"s"), (4, "raw \" x"), (7, "last")]);
    assert!(!source.paths.iter().any(|(_, path)| path.join("::") == "a::b"));
}
