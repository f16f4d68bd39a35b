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

    pub fn len(&self) -> u64 {
        self.starts[self.files.len()]
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

fn not_utf8(offset: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("byte {offset} is not UTF-8; `unit: bytes` reads any file"))
}
