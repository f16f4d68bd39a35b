//! Files one after the other, as one text.

use super::glob;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

pub struct Files {
    files: Vec<(PathBuf, File)>,
    /// Where each file begins, and where the last ends.
    starts: Vec<u64>,
}

/// Bytes that are read at once.
const BLOCK: usize = 1 << 18;

impl Files {
    pub fn open(path: &Path) -> io::Result<Files> {
        let (mut files, mut starts) = (vec![], vec![0]);
        for path in glob(path)? {
            let file = File::open(&path)?;
            starts.push(starts[starts.len() - 1] + file.metadata()?.len());
            files.push((path, file));
        }
        Ok(Files { files, starts })
    }

    pub fn bytes(&self) -> u64 {
        self.starts[self.files.len()]
    }

    /// Where each file is, with its size and the time of its last change.
    pub fn describe(&self) -> impl Iterator<Item = (PathBuf, String)> {
        self.files.iter().map(|(path, file)| {
            let metadata = file.metadata();
            let changed = metadata.as_ref().ok().and_then(|m| m.modified().ok());
            let size = metadata.map_or(0, |m| m.len());
            let place = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            (place, format!("{size} {changed:?}"))
        })
    }

    /// Gives the text to `f` in pieces of `size` bytes at most, cut behind a line break, or else behind a blank.
    pub fn each_piece(
        &self,
        size: usize,
        mut f: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), (PathBuf, io::Error)> {
        self.each_pieces((size, 1), |pieces| pieces.iter().try_for_each(|piece| f(piece)))
    }

    /// The same for so many pieces at once.
    pub fn each_pieces(
        &self,
        (size, count): (usize, usize),
        mut f: impl FnMut(&[String]) -> io::Result<()>,
    ) -> Result<(), (PathBuf, io::Error)> {
        let mut start = 0;
        while start < self.bytes() {
            let first = start;
            let blame = |at, e| (self.path_at(at), e);
            let mut pieces = vec![];
            while pieces.len() < count && start < self.bytes() {
                let piece = self.piece(start, size).map_err(|e| blame(start, e))?;
                start += piece.len() as u64;
                pieces.push(piece);
            }
            f(&pieces).map_err(|e| blame(first, e))?;
        }
        Ok(())
    }

    /// The piece that begins at an offset.
    fn piece(&self, start: u64, size: usize) -> io::Result<String> {
        let mut block = vec![0; size.min((self.bytes() - start) as usize)];
        let last = start + block.len() as u64 == self.bytes();
        self.read(start, &mut block)?;
        let text = valid(&block, last).map_err(|at| not_utf8(start + at))?;
        let end = if last { text.len() } else { cut(text) };
        Ok(text[..end].to_string())
    }

    /// The file that has this place.
    fn path_at(&self, offset: u64) -> PathBuf {
        let at = self.starts.partition_point(|&s| s <= offset) - 1;
        self.files.get(at).map_or_else(PathBuf::new, |(path, _)| path.clone())
    }

    /// Reads what begins at an offset, over the ends of files.
    pub fn read(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            let at = self.starts.partition_point(|&s| s <= offset) - 1;
            let Some((_, file)) = self.files.get(at) else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let here = out.len().min((self.starts[at + 1] - offset) as usize);
            let (now, later) = out.split_at_mut(here);
            let mut file: &File = file;
            file.seek(SeekFrom::Start(offset - self.starts[at]))?;
            file.read_exact(now)?;
            (out, offset) = (later, offset + here as u64);
        }
        Ok(())
    }

    /// Gives every character with its offset to `f`, until that says false. A character lies within one file.
    pub fn each_character(&self, mut f: impl FnMut(u64, char) -> bool) -> Result<(), (PathBuf, io::Error)> {
        for ((path, file), &start) in self.files.iter().zip(&self.starts) {
            let done = characters_of(file, start, &mut f).map_err(|e| (path.clone(), e))?;
            if done {
                break;
            }
        }
        Ok(())
    }
}

/// `true` where `f` has had enough.
fn characters_of(mut file: &File, start: u64, f: &mut impl FnMut(u64, char) -> bool) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; BLOCK];
    // Bytes of a character that the block before cut.
    let (mut kept, mut offset) = (0, 0u64);
    loop {
        let read = file.read(&mut block[kept..])?;
        let filled = kept + read;
        let (valid, rest) = match std::str::from_utf8(&block[..filled]) {
            Ok(text) => (text, 0),
            Err(e) if e.error_len().is_none() && read > 0 => {
                let valid = std::str::from_utf8(&block[..e.valid_up_to()]).unwrap_or_default();
                (valid, filled - e.valid_up_to())
            }
            Err(e) => return Err(not_utf8(offset + e.valid_up_to() as u64)),
        };
        for (at, c) in valid.char_indices() {
            if !f(start + offset + at as u64, c) {
                return Ok(true);
            }
        }
        if read == 0 {
            return Ok(false);
        }
        offset += valid.len() as u64;
        block.copy_within(filled - rest..filled, 0);
        kept = rest;
    }
}

/// The text of a block, without a character that its end cuts; the place of what is none.
fn valid(block: &[u8], last: bool) -> Result<&str, u64> {
    match std::str::from_utf8(block) {
        Ok(text) => Ok(text),
        Err(e) if e.error_len().is_none() && !last && e.valid_up_to() > 0 => {
            Ok(std::str::from_utf8(&block[..e.valid_up_to()]).unwrap_or_default())
        }
        Err(e) => Err(e.valid_up_to() as u64),
    }
}

/// Where to cut a text: behind its last line break, else behind its last blank, else at its end.
fn cut(text: &str) -> usize {
    let blank = || text.rfind(char::is_whitespace).map(|at| text.ceil_char_boundary(at + 1));
    text.rfind('\n').map(|at| at + 1).or_else(blank).unwrap_or(text.len())
}

fn not_utf8(offset: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("byte {offset} is not UTF-8; `unit: bytes` reads any file"))
}
