//! The tag that docker's image of a release gets, by running `docker`.

use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::model::escape_line;

use super::name::Stamp;

/// An image, and the repository of the tag that it gets.
#[derive(Debug, Clone)]
pub(super) struct Image {
    reference: String,
    tag: String,
}

impl Image {
    /// The image `reference` with the tag `<prefix>:<env>-<YYYYMMDD-HHMMSSZ>`.
    pub fn new(reference: &str, prefix: &str, env: &str, stamp: Stamp) -> Result<Self> {
        check("docker image", reference, |c| c.is_ascii_uppercase() || c == '@')?;
        check("docker tag prefix", prefix, |_| false)?;
        let last = prefix.rsplit('/').next().unwrap_or(prefix);
        if last.contains(':') {
            let why = "a tag is put behind it, and it has one";
            return Err(Error::invalid("docker tag prefix", escape_line(prefix), why));
        }
        let tag = format!("{prefix}:{env}-{}", stamp.for_docker());
        Ok(Self { reference: reference.to_owned(), tag })
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Fails unless docker has the image.
    pub fn check(&self) -> Result<()> {
        let line = ["image", "inspect", "--format", "{{.Id}}", &self.reference];
        docker("look at an image", &line)
    }

    /// Gives the image its tag.
    pub fn put_tag(&self) -> Result<()> {
        docker("tag an image", &["image", "tag", &self.reference, &self.tag])
    }
}

/// Refuses what docker could take for an option, or is no name of an image.
fn check(what: &'static str, text: &str, also: impl Fn(char) -> bool) -> Result<()> {
    let is_fine = |c: char| {
        c.is_ascii_lowercase()
            || c.is_ascii_digit()
            || matches!(c, '.' | '_' | '-' | '/' | ':')
            || also(c)
    };
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && text.len() <= 255 && text.chars().all(is_fine) {
        return Ok(());
    }
    Err(Error::invalid(what, escape_line(text), "it is no name of an image"))
}

fn docker(action: &'static str, line: &[&str]) -> Result<()> {
    let mut command = Command::new("docker");
    command.args(line).stdin(Stdio::null());
    let failed = |detail: String| Error::Docker { action, detail };
    let output = command
        .output()
        .map_err(|error| failed(format!("the `docker` program does not run: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    let said = messages.lines().find(|line| !line.trim().is_empty());
    Err(failed(said.map_or_else(|| format!("it ended with {}", output.status), escape_line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        let stamp = Stamp::of_seconds(0).unwrap();
        let image = |reference, prefix| Image::new(reference, prefix, "prod", stamp);
        let good = image("Host:5000/app@sha256:00", "host:5000/codex/app").unwrap();
        assert_eq!(good.tag(), "host:5000/codex/app:prod-19700101-000000Z");
        for bad in ["", "-f", "a b", "a;b", "a\n", "é"] {
            assert!(image(bad, "app").is_err() && image("app", bad).is_err(), "{bad:?}");
        }
        assert!(image("app", "app:latest").is_err() && image("app", "App").is_err());
    }
}
