//! Reading the members of one run, each decoded once.

use std::collections::BTreeMap;

use zstd::stream::raw::{self, Operation as _};
use zstd::zstd_safe::{InBuffer, OutBuffer};

use super::decoder::{BEFORE_BYTES, BUFFER_BYTES};
use crate::error::{Error, Result};
use crate::model::Digest;

/// What was decoded, or why it could not be.
type Decoded<T> = std::result::Result<T, String>;

/// A run that is open for reading. Whoever reads its members in their order decodes it once.
pub struct RunReader {
    stored: Vec<u8>,
    raw: raw::Decoder<'static>,
    /// Stored bytes that are decoded.
    fed: usize,
    content: Vec<u8>,
    /// Where the content ends that the stored bytes up to here decode to.
    ends: BTreeMap<usize, usize>,
    /// Why it does not decode any further.
    fault: Option<String>,
}

impl RunReader {
    /// A reader of the run with these stored bytes.
    pub fn new(stored: Vec<u8>) -> Result<Self> {
        let raw = raw::Decoder::new().map_err(Error::io("prepare to decode", "content"))?;
        let (content, ends) = (Vec::new(), BTreeMap::from([(0, 0)]));
        Ok(Self { stored, raw, fed: 0, content, ends, fault: None })
    }

    /// The stored bytes of the run.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// The member with `length` stored bytes behind `offset`, if it has the size and digest.
    pub fn member(
        &mut self,
        (offset, length): (u64, u64),
        size_bytes: u64,
        sha256: &Digest,
    ) -> Result<&[u8]> {
        let damaged =
            |why: String| -> Error { Error::damaged("artifact", sha256.to_string(), why) };
        let outside = || damaged("it does not say where in its run it stands".to_owned());
        let end = offset.checked_add(length).and_then(|it| usize::try_from(it).ok());
        let end = end.filter(|end| *end <= self.stored.len()).ok_or_else(outside)?;
        let start = end - usize::try_from(length).map_err(|_| outside())?;
        let from = self.end_at(start).map_err(damaged)?;
        let to = self.end_at(end).map_err(damaged)?;
        let content = &self.content[from..to];
        if content.len() as u64 != size_bytes {
            return Err(damaged(format!("it does not decode to {size_bytes} bytes")));
        }
        let found = Digest::of(content);
        if found != *sha256 {
            return Err(damaged(format!("its content has SHA-256 {found}")));
        }
        Ok(content)
    }

    /// Where the content ends that the first `stored` bytes decode to.
    fn end_at(&mut self, stored: usize) -> Decoded<usize> {
        if let Some(end) = self.ends.get(&stored) {
            return Ok(*end);
        }
        if stored < self.fed {
            self.begin_again()?;
        }
        self.decode_until(stored)?;
        self.ends.insert(stored, self.content.len());
        Ok(self.content.len())
    }

    fn begin_again(&mut self) -> Decoded<()> {
        self.raw.reinit().map_err(|error| error.to_string())?;
        self.content.clear();
        self.ends = BTreeMap::from([(0, 0)]);
        (self.fed, self.fault) = (0, None);
        Ok(())
    }

    fn decode_until(&mut self, until: usize) -> Decoded<()> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let done = self.decode(until);
        self.fault = done.as_ref().err().cloned();
        done
    }

    fn decode(&mut self, until: usize) -> Decoded<()> {
        let mut input = InBuffer::around(&self.stored[self.fed..until]);
        let mut is_full = false;
        while input.pos() < input.src.len() || is_full {
            self.content.reserve(BUFFER_BYTES);
            let (before, capacity) = (self.content.len(), self.content.capacity());
            let decoded = {
                let mut output = OutBuffer::around_pos(&mut self.content, before);
                self.raw.run(&mut input, &mut output)
            };
            decoded.map_err(|error| format!("it does not decode: {error}").to_lowercase())?;
            is_full = self.content.len() == capacity;
            if self.content.len() as u64 > BEFORE_BYTES {
                return Err("its run holds more than a run may".to_owned());
            }
        }
        self.fed = until;
        Ok(())
    }
}
