//! Bytes of any number, written once from front to back: in memory while they are few, in a temporary file beyond.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes that a store holds in memory.
const IN_MEMORY: usize = 32 << 20;

#[derive(Default)]
pub struct Store {
    /// What was written last; the file holds what came before.
    tail: Vec<u8>,
    file: Option<File>,
    in_file: u64,
}

impl Store {
    /// Appends bytes; they are read back within what was pushed at once.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > IN_MEMORY { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(temporary_file()?),
        };
        file.seek(SeekFrom::Start(self.in_file))?;
        file.write_all(&self.tail)?;
        self.in_file += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    /// Reads what begins at an offset.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match (&self.file, offset.checked_sub(self.in_file)) {
            (Some(file), None) => {
                let mut file: &File = file;
                file.seek(SeekFrom::Start(offset))?;
                file.read_exact(out)
            }
            (_, inside) => {
                let start = inside.unwrap_or(0) as usize;
                let bytes = self.tail.get(start..start + out.len());
                out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

/// A file that goes away with its handle.
fn temporary_file() -> io::Result<File> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("nnc-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    // Where an open file cannot be removed, the system clears its folder of temporary files.
    let _ = std::fs::remove_file(&path);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_reads_back_from_memory_and_from_the_file() {
        let mut store = Store::default();
        let chunk: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
        let chunks = 2 * IN_MEMORY / chunk.len() + 3;
        (0..chunks).for_each(|_| store.push(&chunk).unwrap());
        assert!(store.file.is_some() && !store.tail.is_empty());
        let len = (chunks * chunk.len()) as u64;
        for at in [0, 1, 17, chunks / 2, chunks - 1] {
            let mut out = vec![0; 1000];
            store.read((at * chunk.len() + 5) as u64, &mut out).unwrap();
            assert_eq!(out, chunk[5..1005]);
        }
        assert!(store.read(len, &mut [0]).is_err());
        assert!(store.read(len, &mut []).is_ok());
    }
}
