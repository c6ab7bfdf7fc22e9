//! Every key of every answer in JSON, held against the section of the document that tells of it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::World;

/// What is typed, in order: a section of the document (empty for none), and a command.
const TYPED: &[(&str, &str)] = &[
    ("", "git init -q . && mkdir src && echo a >src/a.py && echo b >src/b.py && ln -s a.py src/c"),
    ("", "git add . && git commit -qm first"),
    ("init", "git codex-archive --json init --hooks"),
    ("hooks status", "git codex-archive --json hooks status"),
    ("hooks install", "git codex-archive --json hooks install"),
    ("store", "git codex-archive store r src --reason dead --tag t --metadata k=v --dry-run"),
    ("store", "git codex-archive store r src --reason dead --tag t --metadata k=v"),
    ("store", "git codex-archive store r src/a.py --reason dead"),
    ("undo", "git codex-archive --json undo"),
    ("", "git codex-archive --text store r src --reason dead --delete-after 2099-01-01"),
    ("status", "git codex-archive --json status"),
    ("", "git commit -qm second"),
    ("list", "git codex-archive --json list"),
    ("list", "git codex-archive --json list --limit 1"),
    ("show", "git codex-archive --json show src/a.py"),
    ("cat", "git codex-archive --json cat src/a.py"),
    ("export", "git codex-archive -q export"),
    ("copy", "git codex-archive --json copy --to sqlite:///copied.sqlite"),
    ("copy", "git codex-archive --json import copied.sqlite && rm copied.sqlite"),
    ("trust", "git codex-archive --json trust --show"),
    ("migrate", "git codex-archive --json migrate --status"),
    ("log", "git codex-archive --json log"),
    ("evidence log", "git codex-archive --json evidence log"),
    ("evidence log", "git codex-archive --json evidence digest"),
    ("evidence verify", "git codex-archive --json evidence verify"),
    ("evidence cite", "git codex-archive --json evidence cite --range HEAD~1..HEAD"),
    ("verify", "git codex-archive --json verify --range HEAD~1..HEAD"),
    ("restore", "git codex-archive --json restore --stage src/a.py"),
    (
        "batch-store",
        "printf 'path,reason\nsrc/d.py,dead\n' | git codex-archive --json batch-store - --continue-on-error",
    ),
    (
        "batch-restore",
        "printf 'tombstone,output\nsrc/b.py,out\nnone,x\n' | \
         git codex-archive --json batch-restore - --continue-on-error --results ../r.json",
    ),
    (
        "batch-restore",
        "printf 'tombstone,output\nsrc/b.py,out2\nsrc/b.py,out\n' | \
         git codex-archive --json batch-restore - --dry-run",
    ),
    ("drop", "git codex-archive --json drop src/b.py --reason old"),
    ("prune-request", "git codex-archive --json prune-request src/b.py --reason x --by ann"),
    ("approve", "git codex-archive --json approve src/b.py --action purge --by ann"),
    ("request list", "git codex-archive --json request list"),
    ("hold set", "git codex-archive --json hold set --path 'src/**' --case c --reason x"),
    ("hold list", "git codex-archive --json hold list"),
    (
        "hold release",
        "git codex-archive --json hold release --case c --by ann --second ben --reason x",
    ),
    ("purge", "git codex-archive --json purge src/b.py --by ann --second ben --reason x --apply"),
    ("purge", "git codex-archive --json purge src/b.py --report"),
    ("prune-request", "git codex-archive --json prune-request src/a.py --reason x"),
    ("request cancel", "git codex-archive --json request cancel src/a.py --reason x"),
    ("policy show", "git codex-archive --json policy show"),
    ("policy diff", "git codex-archive --json policy diff"),
    ("policy adopt", "git codex-archive --json policy adopt --by ann --reason x"),
    ("", "git commit -qm third && git revert --no-edit HEAD >/dev/null"),
    ("verify", "git codex-archive --json verify --range HEAD~1..HEAD"),
    ("reconcile", "git codex-archive --json reconcile"),
    (
        "",
        "echo e >src/e.py && echo f >src/f.py && git add src && git commit -qm more && \
         git codex-archive --text store r src/e.py src/f.py --reason dead --delete-after 2020-01-01 && \
         git commit -qm fourth && git codex-archive --text drop src/e.py --reason old && \
         git commit -qm fifth",
    ),
    (
        "retention plan",
        "git codex-archive --json retention plan --of items --output ../plan.json --allow-outside",
    ),
    (
        "retention plan",
        "RETENTION_MAX_AGE_DAYS=30 git codex-archive --json retention plan --project p",
    ),
    ("retention apply", "git codex-archive --json retention apply ../plan.json --by a --reason x"),
    ("retention apply", "git codex-archive --json retention apply ../plan.json --by b --reason x"),
    (
        "memory save",
        "git codex-archive --json memory save x --title t --source s --tag t --metadata k=v",
    ),
    (
        "memory save",
        "printf '[policy]\ncredentials = \"redact\"\n' >>.codex/archive.toml && \
         git codex-archive --json memory save \"the key is AKIA\"Z7QXN3WJ5KDRT4MB 2>/dev/null",
    ),
    (
        "memory get",
        "git codex-archive --json memory save x | sed -n 's/.*\"id\": \"\\(.*\\)\",/\\1/p' | \
         xargs git codex-archive --json memory get",
    ),
    (
        "memory forget",
        "git codex-archive --json memory save x | sed -n 's/.*\"id\": \"\\(.*\\)\",/\\1/p' | \
         xargs git codex-archive --json memory forget --by a --second b --reason x",
    ),
    ("backup create", "git codex-archive --json backup create --dest ../backups"),
    ("backup list", "git codex-archive --json backup list --dest ../backups"),
    ("backup prune", "git codex-archive --json backup prune --dest ../backups --keep 1"),
    ("backup verify", "git codex-archive --json backup verify ../backups/*/*/*.gz"),
    ("backup restore", "git codex-archive --json backup restore ../backups/*/*/*.gz --dry-run"),
    (
        "backup drill",
        "git codex-archive --json backup drill --full --dest ../backups --checklist drills.md",
    ),
    ("maintenance", "git codex-archive --json maintenance on --reason x"),
    ("status", "git codex-archive --json status"),
    ("backup restore", "git codex-archive --json backup restore ../backups/*/*/*.gz"),
    ("maintenance", "git codex-archive --json maintenance off"),
    ("", "mkdir ../data && ln -s none ../data/link && echo x >../data/file"),
    ("backup create", "git codex-archive --json backup create --source ../data --dest ../others"),
    (
        "backup restore",
        "git codex-archive --json backup restore ../others/*/*/*.gz --output ../back",
    ),
    ("bundle create", "git codex-archive --json bundle create --dry-run"),
    ("bundle create", "git codex-archive --json bundle create"),
    ("bundle verify", "git codex-archive --json bundle verify"),
    ("bundle list", "git codex-archive --json bundle list"),
    ("bundle prune", "git codex-archive --json bundle prune"),
    (
        "bundle set-url",
        "git codex-archive --json bundle set-url releases/*.json https://a.example/",
    ),
    ("bundle rebuild", "git codex-archive --json bundle rebuild releases/*.json"),
    ("fsck", "git codex-archive --json fsck"),
    ("health-check", "git codex-archive --json health-check"),
    ("config-show", "git codex-archive --json config-show"),
    ("schema", "git codex-archive --json schema --dialect sqlite"),
    ("Errors", "git codex-archive --json show none.py"),
    ("hooks install", "git codex-archive --json hooks uninstall"),
];

/// Types everything, and compares with `document`.
pub fn check(document: &str) {
    let world = World::new();
    let mut folder = world.work();
    let mut missing = BTreeSet::new();
    for (section, command) in TYPED {
        let (exit, output) = world.type_in(&mut folder, command);
        if section.is_empty() {
            assert_eq!(exit, 0, "$ {command}\n{output}");
            continue;
        }
        let answer: Value = serde_json::from_str(&output)
            .unwrap_or_else(|error| panic!("$ {command}: {error}\n{output}"));
        let mut keys = BTreeSet::new();
        collect(&answer, &mut keys);
        let told = told(document, section);
        missing.extend(
            keys.iter()
                .filter(|key| !told.contains(&format!("`{key}`")))
                .map(|key| format!("{section}: {key}")),
        );
    }
    assert!(missing.is_empty(), "docs/json.md does not tell of: {missing:#?}");
}

/// The text of a section and of those it points to.
fn told(document: &str, section: &str) -> String {
    let own = |name: &str| {
        let found = document.split("\n## ").find(|part| part.lines().next() == Some(name));
        found.unwrap_or_else(|| panic!("docs/json.md has no section {name}")).to_owned()
    };
    let mut text = own(section);
    for (mark, name) in [
        ("(#an-item)", "An item"),
        ("(#a-record)", "A record"),
        ("(#a-finding)", "A finding"),
        ("as of `hooks install`", "hooks install"),
        ("as of `hooks status`", "hooks status"),
        ("(#batch-restore)", "batch-restore"),
    ] {
        if text.contains(mark) {
            text.push_str(&own(name));
        }
    }
    text
}

/// Keys at any depth, but for those that people choose.
fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                keys.insert(key.clone());
                if !matches!(key.as_str(), "metadata" | "detail") {
                    collect(value, keys);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}
