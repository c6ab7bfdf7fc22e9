//! Configuration, stubs, segments, journals and intents with bytes changed by chance.

use super::harness::{Fence, archived, readers, tries};
use crate::common::TestRepo;
use crate::score::{Score, whole};

/// Numbers by chance, the same ones at every run.
pub struct Chance(pub u64);

impl Chance {
    /// One of the numbers below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    /// One to four changes: a byte turned, put in, taken out; a part doubled, moved or cut off.
    pub fn mutated(&mut self, whole: &[u8]) -> Vec<u8> {
        const BYTES: &[u8] = b"\0\n\r\t \"'\\{}[]:,=#-%/.0919azAZ\x1b\x7f\x80\x9b\xff";
        let mut bytes = whole.to_vec();
        for _ in 0..=self.below(4) {
            let (at, end) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
            let (at, end) = (at.min(end), at.max(end));
            let byte = BYTES[self.below(BYTES.len())];
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = byte,
                2 => bytes.insert(at, byte),
                3 => drop(bytes.drain(at..end.min(at + 8))),
                4 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                5 => bytes.truncate(at),
                _ => bytes.splice(at..at, vec![byte; 1 << self.below(12)]).for_each(drop),
            }
        }
        bytes
    }
}

fn intent(repo: &TestRepo, id: &str) -> String {
    let top: String = repo.top.to_str().unwrap().bytes().map(|it| format!("{it:02x}")).collect();
    let digest = crate::common::sha256(b"print('old')\n");
    format!(
        "{{\"action\":\"ARCHIVE\",\"deed\":\"0198c0de-0000-4000-8000-000000000000\",\"steps\":[{{\
         \"after\":\"{digest}\",\"before\":\"\",\"path\":\"src/x.py\",\"source\":\"content\",\
         \"tombstone\":\"{id}\"}}],\"v\":1,\"work_tree\":\"{top}\"}}"
    )
}

#[test]
fn whatever_the_bytes_the_program_stays_civil() {
    let mut score = Score::of("attack: mutated files");
    let (repo, id) = archived();
    let segment = repo.segments().remove(0);
    let intent_file = ".git/codex-archive/intents/0198c0de-0000-4000-8000-000000000000";
    repo.file(intent_file, intent(&repo, &id));
    let config = "# all keys\n[repo]\nlabel = \"_codex_\"\n[backend]\nurl = \
                  \"sqlite:///./.codex/archive.sqlite\"\n[retry]\nenabled = true\nmax_attempts = 3\n\
                  [batch]\nconcurrent = 2\n";
    let files: Vec<(String, Vec<u8>)> = vec![
        (".codex/archive.toml".to_owned(), config.into()),
        ("src/old.py".to_owned(), repo.bytes("src/old.py")),
        (segment.clone(), repo.bytes(&segment)),
        (
            ".git/codex-archive/archive_ops.jsonl".to_owned(),
            repo.bytes(".git/codex-archive/archive_ops.jsonl"),
        ),
        (intent_file.to_owned(), repo.bytes(intent_file)),
        (".git/hooks/pre-commit".to_owned(), repo.bytes(".git/hooks/pre-commit")),
        (".codex/.gitattributes".to_owned(), repo.bytes(".codex/.gitattributes")),
    ];
    let mut lines: Vec<Vec<String>> = readers(&id);
    for line in [
        "init",
        "restore ID out.py",
        "restore ID --stage",
        "reconcile",
        "undo",
        "drop ID --reason x",
        "store _codex_ src/live.py --reason dead",
        "hooks install",
        "hook pre-push",
        "fsck --repair",
        "evidence new-log",
    ] {
        lines.push(line.split(' ').map(|word| word.replace("ID", &id)).collect());
    }
    let fence = Fence::around(&repo.world, &["repo"]);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let archive = repo.bytes(".git/codex-archive/archive.sqlite");
    for round in 0..if whole() { 2000 } else { 100 } {
        let (name, good) = &files[round % files.len()];
        let bytes = chance.mutated(good);
        repo.file(name, &bytes);
        if chance.below(2) == 0 {
            let _ = repo.git(["add", "-A"]);
        }
        let line = &lines[chance.below(lines.len())];
        let held = tries(&repo, line).is_civil().and_then(|()| fence.holds());
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(300).collect();
        score.note(format!("round {round}, {name}, {line:?}, {shown:?}"), held);
        if round % 7 == 6 {
            let _ = repo
                .types("rm -f .git/index.lock; git reset -q --hard; git clean -fdq; rm -rf out.py");
            repo.file(".git/codex-archive/archive.sqlite", &archive);
            let _ = repo.types("rm -f .git/codex-archive/archive.sqlite-*");
        }
        for (name, good) in &files {
            repo.file(name, good);
        }
    }
    score.finish(100);
}
