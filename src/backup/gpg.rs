//! gpg itself, which decrypts with the keys and the agent that it has.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::error::{Error, Result};
use crate::model::escape_line;

/// How much of gpg's messages is kept, in bytes.
const MESSAGES: u64 = 64 << 10;

/// Lets gpg decrypt `source`, and gives the plain content to `then`. What `then` did counts only if gpg
/// was content to the end.
pub(super) fn unseal<T>(
    object: &str,
    source: impl Read + Send,
    then: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    let failed = |detail: String| Error::Gpg { object: object.to_owned(), detail };
    let mut command = Command::new("gpg");
    command.args(["--batch", "--quiet", "--decrypt"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| failed(format!("the `gpg` program does not run: {error}")))?;
    let (done, given, messages) = talk(&mut child, source, then);
    let status = child.wait().map_err(Error::io("wait for", "gpg"))?;
    if let Err(error) = &done
        && !matches!(error, Error::Damaged { .. })
    {
        // It was left alone in the middle, and complains of that.
        return done;
    }
    if status.success() {
        return done;
    }
    let said = messages.lines().rfind(|line| !line.trim().is_empty());
    let said = said.map_or_else(|| format!("it ended with {status}"), escape_line);
    match given {
        0 => Err(failed(said)),
        _ => Err(Error::damaged("backup", object, format!("gpg says: {said}"))),
    }
}

/// Feeds gpg, and reads what it answers: what `then` made of that, how many bytes it gave, and its
/// messages.
fn talk<T>(
    child: &mut Child,
    mut source: impl Read + Send,
    then: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> (Result<T>, u64, String) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // gpg that has seen enough closes it.
                let _ = io::copy(&mut source, &mut stdin);
            }
        });
        let messages = scope.spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stderr) = stderr {
                let _ = stderr.by_ref().take(MESSAGES).read_to_end(&mut bytes);
                let _ = io::copy(&mut stderr, &mut io::sink());
            }
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let mut plain = Counting { source: stdout, count: 0 };
        let done = then(&mut plain);
        if matches!(done, Ok(_) | Err(Error::Damaged { .. })) {
            // What it says at the end of the message counts.
            let _ = io::copy(&mut plain, &mut io::sink());
        }
        let given = plain.count;
        drop(plain);
        (done, given, messages.join().unwrap_or_default())
    })
}

/// Counts what is read.
struct Counting<R> {
    source: Option<R>,
    count: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(source) = &mut self.source else { return Ok(0) };
        let len = source.read(buffer)?;
        self.count += len as u64;
        Ok(len)
    }
}
