//! What holds of every parser, whatever it is given: it does not panic, what it takes has one
//! spelling, and what is too large it refuses.

use codex_archive::archive::check;
use codex_archive::blob;
use codex_archive::config::{self, Config};
use codex_archive::evidence::{
    Checkpoint, MAX_LINE_BYTES, Note, Record, SEGMENT_FOLDER, Segment, SegmentFault, cited_digests,
    read_citations,
};
use codex_archive::hook::{pushed, received};
use codex_archive::manifest::{self, MAX_BYTES, MAX_ITEMS};
use codex_archive::model::{Digest, RepoLabel, RepoPath};
use codex_archive::policy::signature::{armor_of, blob_of, key_of, made_by};
use codex_archive::policy::{NAMESPACE, Signers};
use codex_archive::tombstone::{self, MAX_STUB_BYTES};

/// A stub that is read is written with the same bytes.
pub fn stub(bytes: &[u8]) {
    let looks = tombstone::looks_like_stub(bytes);
    let Ok((stub, wrapping)) = tombstone::parse(bytes) else { return };
    assert!(looks && bytes.len() <= MAX_STUB_BYTES);
    assert_eq!(stub.render(wrapping).unwrap(), bytes);
}

/// A record that is read is written with the same bytes, from its line and from its row; in
/// another spelling it is the same record.
pub fn record(bytes: &[u8]) {
    let other = Record::parse_respelled(bytes);
    if let Ok(record) = &other
        && let Ok(line) = record.render()
    {
        assert_eq!(Record::parse(line.as_bytes()).as_ref(), Ok(record));
    }
    let Ok(record) = Record::parse(bytes) else { return };
    assert!(bytes.len() <= MAX_LINE_BYTES);
    assert_eq!(record.render().unwrap().as_bytes(), bytes);
    assert_eq!(record.digest().unwrap(), Digest::of(bytes));
    assert_eq!(other.as_ref(), Ok(&record));
    let body = record.render_body().unwrap();
    let row = Record::from_body(record.log, record.seq, record.prev, record.deed, body.as_bytes());
    assert_eq!(row, Ok(record));
}

/// A segment has one name, and is written with the same bytes.
pub fn segment(bytes: &[u8]) {
    let anywhere = RepoPath::new(format!("{SEGMENT_FOLDER}/x.jsonl").as_bytes()).unwrap();
    let Err(SegmentFault::Name { expected }) = Segment::parse(&anywhere, bytes) else { return };
    let segment = Segment::parse(&expected, bytes).unwrap();
    assert_eq!(segment.render().unwrap(), bytes);
    assert!(!segment.lines.is_empty());
}

/// A configuration that is read can be shown, and has one label.
pub fn configuration(bytes: &[u8]) {
    let label = config::label_of(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return assert_eq!(label, None) };
    let Ok(config) = Config::from_text("fuzz", text) else { return };
    assert_eq!(config.label(), label.as_ref());
    for value in config.values() {
        assert!(value.shown.is_none_or(|shown| !shown.contains('\n')));
    }
    let again = RepoLabel::new("again").unwrap();
    let _ = config::with_label(text, &again);
}

/// The lines that git gives to pre-push and pre-receive name commits, or are refused.
pub fn push(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(updates) = pushed(text) {
        assert!(updates.len() <= text.lines().count());
        let line = |update: &codex_archive::hook::Update| {
            let had = update.had.map_or_else(|| "0".repeat(40), |had| had.to_string());
            format!("refs/heads/a {} refs/heads/a {had}\n", update.tip)
        };
        let again: String = updates.iter().map(line).collect();
        assert_eq!(pushed(&again).unwrap(), updates);
        assert!(updates.iter().all(|update| !update.tip.is_zero()));
    }
    if let Ok(updates) = received(text) {
        assert!(updates.len() <= text.lines().count());
    }
}

/// Citations are read out of any text.
pub fn citations(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = read_citations(&text);
    for digest in cited_digests(&text) {
        assert!(text.to_ascii_lowercase().contains(&digest.to_string()));
    }
}

/// A path has one spelling as text, and none of its bytes is lost.
pub fn path(bytes: &[u8]) {
    if let Ok(path) = RepoPath::new(bytes) {
        assert_eq!(path.as_bytes(), bytes);
        let text = path.to_string();
        assert!(!text.contains("--") && !text.contains("*/") && !text.contains(char::is_control));
        assert_eq!(RepoPath::parse(&text), Some(path));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(path) = RepoPath::parse(text) {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(label) = RepoLabel::new(text) {
        assert!(label.as_str().len() <= 128);
        assert_eq!(RepoLabel::new(label.as_str()).ok(), Some(label));
    }
}

/// A frame gives the bytes of its digest and size, or none; the first two bytes are the size.
pub fn frame(bytes: &[u8]) {
    let Some((size, frame)) = bytes.split_at_checked(2) else { return };
    let size = u64::from(u16::from_le_bytes([size[0], size[1]]));
    let sha256 = Digest::of(b"nothing has this digest by chance");
    assert!(blob::decode(&blob::Frame::alone(frame.to_vec()), size, &sha256).is_err());
    // The same bytes as a run, whose members are read in any order.
    let Ok(mut run) = blob::RunReader::new(frame.to_vec()) else { return };
    for place in [(size, 9), (0, size), (size / 2, size)] {
        assert!(run.member(place, size, &sha256).is_err());
    }
}

/// A manifest that is read names no file twice, and written as JSON it means the same.
pub fn manifest(bytes: &[u8]) {
    if let Ok(entries) = manifest::restores("fuzz", bytes) {
        assert!(entries.len() <= MAX_ITEMS && bytes.len() <= MAX_BYTES);
        let files: Vec<_> = entries.iter().map(|entry| manifest::lexical(&entry.output)).collect();
        assert_eq!(manifest::clash(&files), None);
        let told =
            entries.iter().map(|entry| &entry.tombstone).chain(entries.iter().map(|it| &it.output));
        assert!(told.into_iter().all(|text| !text.is_empty() && !text.contains(char::is_control)));
        let again = serde_json::json!({ "items": entries }).to_string();
        assert_eq!(manifest::restores("fuzz", again.as_bytes()).unwrap(), entries);
    }
    if let Ok(entries) = manifest::stores("fuzz", bytes) {
        let files: Vec<_> = entries.iter().map(|entry| manifest::lexical(&entry.path)).collect();
        assert_eq!(manifest::clash(&files), None);
        let again = serde_json::json!(entries).to_string();
        assert_eq!(manifest::stores("fuzz", again.as_bytes()).unwrap(), entries);
        let lines: String =
            entries.iter().map(|it| serde_json::json!(it).to_string() + "\n").collect();
        let of_lines = manifest::stores("fuzz", lines.as_bytes());
        assert!(entries.is_empty() || of_lines.unwrap() == entries);
    }
}

/// Signers that are read have one spelling, which reads back as the same set.
pub fn signers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(signers) = Signers::parse(text) else { return };
    let canonical = signers.render();
    let again = Signers::parse(&canonical).unwrap();
    assert_eq!(again, signers);
    assert_eq!(again.render(), canonical);
    assert!(signers.without(&again).is_empty());
}

/// A signature is of none of these bytes, or it is read and its binary form is kept.
pub fn signature(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(made_by(b"nobody signed this", text, NAMESPACE).is_err());
    if let (Ok(key), Ok(blob)) = (key_of(text), blob_of(text)) {
        assert!(!key.is_empty());
        assert_eq!(blob_of(&armor_of(&blob)).unwrap(), blob);
        assert_eq!(key_of(&armor_of(&blob)).unwrap(), key);
    }
    // The same bytes without the armor.
    assert!(made_by(b"nobody signed this", &armor_of(bytes), NAMESPACE).is_err());
}

/// A note, a checkpoint and a proof are written with the bytes they were read from; none proves
/// anything to signers who are nobody.
pub fn proof(bytes: &[u8]) {
    assert!(!check(bytes, Some(&Signers::default())).ok);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.render(), text);
    }
    if let Some(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.render(), text);
    }
}
