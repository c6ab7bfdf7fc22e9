//! Which backups go, and where they may go to.

use std::fs;

use crate::common::TestRepo;

use super::{backed_up, backup, dest, files_at, with_items};

#[test]
fn only_pairs_of_its_own_name_and_suffix_go() {
    let repo = with_items();
    let at = dest(&repo);
    let first = backup(&repo, &[]);
    let prod = backup(&repo, &["--suffix", "prod"]);
    let name = first.file_name().unwrap().to_str().unwrap();
    let stem = name.rsplit_once('-').unwrap().0;
    // What looks like one, and is none of ours to remove.
    let folder = first.parent().unwrap();
    let strange = [
        at.join("my-photos.tar.gz"),
        folder.join("my-photos.tar.gz"),
        folder.join(format!("{stem}-20200101T000000Z.tar.gz")),
        folder.join("codex-00000000-20200101T000000Z.tar.gz"),
        at.join(format!("{stem}-20200101T000000Z.tar.gz")),
    ];
    for path in &strange {
        fs::write(path, "x").unwrap();
    }
    for _ in 0..2 {
        backup(&repo, &[]);
    }
    let last = backed_up(&repo, &["--prune", "--keep", "2"]);
    assert_eq!(last["pruned"].as_array().unwrap().len(), 2);
    assert_eq!(last["pruned"][0], first.to_str().unwrap());
    assert!(!first.exists() && !first.with_extension("gz.sha256").exists());
    assert!(prod.exists() && strange.iter().all(|path| path.exists()));
    let own = files_at(&at).into_iter().filter(|it| {
        it.starts_with(&format!("{stem}-2026"))
            || it.starts_with(&format!("{stem}-20")) && !it.contains("20200101")
    });
    assert_eq!(own.count(), 4);
    let line = ["--json", "backup", "prune", "--dest", at.to_str().unwrap(), "--keep", "1"];
    let dry = repo.archive(line.into_iter().chain(["--dry-run"])).ok().json();
    assert_eq!((&dry["kept"], dry["pruned"].as_array().unwrap().len()), (&1.into(), 1));
    let done = repo.archive(line).ok().json();
    assert_eq!(done["pruned"], dry["pruned"]);
    repo.archive(line).ok().says("\"pruned\": []");
    let listed =
        repo.archive(["--json", "backup", "list", "--dest", at.to_str().unwrap()]).ok().json();
    let own: Vec<_> =
        listed["items"].as_array().unwrap().iter().filter(|it| it["own"] == true).collect();
    assert_eq!((own.len(), &own[0]["file"]), (1, &last["file"]));
}

#[test]
fn nothing_goes_while_the_newest_is_damaged() {
    let repo = with_items();
    let at = dest(&repo);
    backup(&repo, &[]);
    let newest = backup(&repo, &[]);
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    let before = files_at(&at);
    repo.archive(["backup", "prune", "--dest", at.to_str().unwrap(), "--keep", "1"]).fails(1);
    assert_eq!(files_at(&at), before);
}

#[test]
fn two_archives_share_a_destination() {
    let repo = with_items();
    let at = dest(&repo);
    let own = backup(&repo, &[]);
    let other = repo.clone_to("other");
    other.archive(["init"]).ok();
    let dest = at.to_str().unwrap();
    for _ in 0..2 {
        other.archive(["backup", "create", "--dest", dest, "--prune", "--keep", "1"]).ok();
    }
    if crate::common::is_embedded() {
        assert!(own.exists());
        assert_eq!(files_at(&at).len(), 4);
    }
}

#[test]
fn the_configuration_says_how() {
    let repo = with_items();
    let text = repo.read(".codex/archive.toml");
    let section = "\n[backup]\ndest = 'kept'\nkeep = 1\nprune = true\nsuffix = 'ci'\n";
    repo.file(".codex/archive.toml", format!("{text}{section}")).commit("backups");
    repo.archive(["backup", "create"]).ok();
    repo.archive(["backup", "create"]).ok().says("removed");
    let files = files_at(&repo.top.join("kept"));
    assert!(files.len() == 2 && files[0].contains("-ci-"), "{files:?}");
    // A place outside the repository that a tracked file names has to be trusted.
    let outside = section.replace("'kept'", "'../outside'");
    repo.file(".codex/archive.toml", format!("{text}{outside}"));
    repo.archive(["backup", "create"]).fails(8);
    assert!(!repo.world.path("outside").exists());
    repo.archive(["init", "--trust"]).ok();
    repo.archive(["backup", "create"]).ok();
    assert_eq!(files_at(&repo.world.path("outside")).len(), 2);
}

#[test]
fn a_destination_must_be_the_mount_that_it_was() {
    let shm = std::path::Path::new("/dev/shm");
    let device =
        |path: &std::path::Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).unwrap());
    let repo = with_items();
    if !shm.is_dir() || device(shm) == device(std::path::Path::new("/")) {
        crate::common::skipped("mounts (no file system but one)");
        return;
    }
    let mounted = tempfile::tempdir_in(shm).unwrap();
    let at = mounted.path().join("b");
    let create = |repo: &TestRepo, at: &std::path::Path| {
        repo.archive(["backup", "create", "--mount-check", "--dest", at.to_str().unwrap()])
    };
    // Not on a mounted file system at all.
    if device(&repo.top) == device(std::path::Path::new("/")) {
        let none = repo.world.path("unmounted");
        create(&repo, &none).fails(6).says("it is not on a mounted file system");
        assert!(!none.exists());
    }
    create(&repo, &at).ok();
    create(&repo, &at).ok();
    // Another file system at the same place, and none.
    let away = mounted.path().join("away");
    fs::rename(&at, &away).unwrap();
    create(&repo, &at).fails(6).says("it is not mounted, or not what it was");
    assert!(!at.exists());
    fs::create_dir(&at).unwrap();
    fs::write(at.join(".codex-backup-destination"), "another\n").unwrap();
    create(&repo, &at).fails(6).says("another destination is mounted there");
    fs::remove_dir_all(&at).unwrap();
    fs::rename(&away, &at).unwrap();
    create(&repo, &at).ok();
}
