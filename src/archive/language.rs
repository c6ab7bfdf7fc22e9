//! What sort of file a path names, guessed from its extension; the command line can say better.

use crate::model::{ItemKind, RepoPath};

const CODE: &[(&str, &[&str])] = &[
    ("c", &["c", "h"]),
    ("cpp", &["cc", "cpp", "cxx", "hpp", "hh"]),
    ("csharp", &["cs"]),
    ("css", &["css", "scss", "less"]),
    ("go", &["go"]),
    ("html", &["html", "htm"]),
    ("java", &["java"]),
    ("javascript", &["js", "mjs", "cjs", "jsx"]),
    ("kotlin", &["kt", "kts"]),
    ("lua", &["lua"]),
    ("perl", &["pl", "pm"]),
    ("php", &["php"]),
    ("python", &["py", "pyi"]),
    ("ruby", &["rb"]),
    ("rust", &["rs"]),
    ("scala", &["scala"]),
    ("shell", &["sh", "bash", "zsh"]),
    ("sql", &["sql"]),
    ("swift", &["swift"]),
    ("toml", &["toml"]),
    ("typescript", &["ts", "tsx"]),
    ("yaml", &["yaml", "yml"]),
];

const DOCUMENTS: &[&str] = &["md", "rst", "txt", "adoc", "org", "tex", "pdf", "docx", "odt"];

const ASSETS: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "ico", "svg", "ttf", "otf", "woff", "woff2", "mp3", "mp4",
    "wav", "zip", "gz", "xz", "bin", "dat",
];

/// The kind of the file at `path` and, for code, its language.
pub fn guess(path: &RepoPath) -> (ItemKind, Option<&'static str>) {
    let extension = path.extension().map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
    let is = |known: &str| known.as_bytes() == extension;
    if DOCUMENTS.iter().any(|known| is(known)) {
        return (ItemKind::Doc, None);
    }
    if ASSETS.iter().any(|known| is(known)) {
        return (ItemKind::Asset, None);
    }
    let language = CODE.iter().find(|(_, known)| known.iter().any(|it| is(it)));
    (ItemKind::Code, language.map(|(name, _)| *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        let of = |path: &str| guess(&RepoPath::new(path.as_bytes()).unwrap());
        assert_eq!(of("a/B.PY"), (ItemKind::Code, Some("python")));
        assert_eq!(of("README.md"), (ItemKind::Doc, None));
        assert_eq!(of("x.png"), (ItemKind::Asset, None));
        assert_eq!(of("Makefile"), (ItemKind::Code, None));
    }
}
