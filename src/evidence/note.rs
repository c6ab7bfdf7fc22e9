//! A signed note (C2SP signed-note): text, and lines that say who signed it.
//!
//! Promises: what parses is written with the same bytes. It verifies nothing: the kind of signature
//! that this program makes is [`KIND`], and whoever knows keys verifies it.

use base64ct::{Base64, Encoding};

use crate::model::Digest;

/// The kind of our signatures: 0xff (no kind of the specification's own) and a longer name. The
/// signature is the binary form of SSH's signature format, the key that of SSH's public keys.
pub const KIND: &[u8] = b"\xffcodex-archive/sshsig";

const DASH: &str = "\u{2014} ";

/// The largest note that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 256 << 10;

/// The largest number of signatures that are read.
const MAX_SIGNATURES: usize = 64;

/// A text and its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text with its last line feed.
    pub text: String,
    /// The signatures, in order; none in a note that nobody signed.
    pub signatures: Vec<NoteSignature>,
}

/// One line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Whose key it claims to be.
    pub name: String,
    /// Which key of that name; see [`key_id`].
    pub key_id: [u8; 4],
    /// The signature.
    pub bytes: Vec<u8>,
}

/// The id of a key of ours in a note: the first bytes of SHA-256 of name, line feed, kind and key.
pub fn key_id(name: &str, key: &[u8]) -> [u8; 4] {
    let digest = Digest::of(&[name.as_bytes(), b"\n", KIND, key].concat());
    let mut id = [0; 4];
    id.copy_from_slice(&digest.as_bytes()[..4]);
    id
}

impl Note {
    /// The note's bytes.
    pub fn render(&self) -> String {
        let mut out = self.text.clone();
        if !self.signatures.is_empty() {
            out.push('\n');
        }
        for NoteSignature { name, key_id, bytes } in &self.signatures {
            let text = Base64::encode_string(&[&key_id[..], bytes].concat());
            out.push_str(&format!("{DASH}{name} {text}\n"));
        }
        out
    }

    /// Reads a note; why it is none, as a clause.
    pub fn parse(given: &str) -> Result<Self, &'static str> {
        if given.len() > MAX_NOTE_BYTES {
            return Err("it is too long");
        }
        if !given.ends_with('\n') || given.chars().any(|c| c.is_control() && c != '\n') {
            return Err("it does not end with a line feed, or has a control character");
        }
        let (text, lines) = match given.rsplit_once("\n\n") {
            Some((text, lines)) => (format!("{text}\n"), lines),
            None => (given.to_owned(), ""),
        };
        let signatures = lines.lines().map(signature).collect::<Option<Vec<_>>>();
        let signatures = signatures.ok_or("a line of its signatures is none")?;
        if signatures.len() > MAX_SIGNATURES {
            return Err("it has too many signatures");
        }
        let this = Self { text, signatures };
        if this.render() == given { Ok(this) } else { Err("it has another form than a note") }
    }
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, text) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = Base64::decode_vec(text).ok()?;
    let (key_id, bytes) = bytes.split_first_chunk::<4>()?;
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
    let (name, bytes) = (name.to_owned(), bytes.to_vec());
    is_name.then_some(NoteSignature { name, key_id: *key_id, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_reads_back() {
        let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\
                    ed \u{e8} subito sera.\n\n\u{2014} quasimodo.example/salvatore \
                    NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        let read = Note::parse(note).unwrap();
        assert!(read.text.ends_with("sera.\n") && read.text.contains("\n\n"));
        let [only] = read.signatures.as_slice() else { panic!("{read:?}") };
        assert_eq!(only.name, "quasimodo.example/salvatore");
        assert_eq!((only.key_id, only.bytes.len()), ([0x36, 0x7b, 0xa0, 0x4b], 64));
        assert_eq!(read.render(), note);
    }

    #[test]
    fn other_forms_are_refused() {
        let unsigned = Note::parse("a\n1\n").unwrap();
        assert!(unsigned.signatures.is_empty());
        for bad in [
            "",
            "a",
            "a\n\n",
            "a\r\n\n\u{2014} n AAAAAAAA\n",
            "a\n\n- n AAAAAAAA\n",
            "a\n\n\u{2014} n AAAAAAA\n",
            "a\n\n\u{2014} n AAAA\n",
            "a\n\n\u{2014} n+ AAAAAAAA\n",
            "a\n\n\u{2014}  AAAAAAAA\n",
            "a\n\n\u{2014} n AAAAAAAA\n\u{2014} n AAAAAAAA",
            "a\u{1b}[0m\n",
        ] {
            assert!(Note::parse(bad).is_err(), "{bad:?}");
        }
    }
}
