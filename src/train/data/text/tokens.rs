//! The ids of a text by a tokenizer file. A text goes through it once: the ids stand in a file of the user's cache, under
//! a name that says which texts and which tokenizer made them.

use super::files::Files;
use crate::train::split::fnv1a;
use crate::train::tokenizer::Tokenizer;
use crate::train::vocabulary::Encoder;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ids in a file, two bytes each where all ids of the tokenizer fit, else four, little-endian.
pub struct Ids {
    file: File,
    width: usize,
    count: u64,
}

/// What a file begins with; its width and count follow. Another number for other pieces, whose ids may differ where they are cut.
const MAGIC: &[u8; 8] = b"nncids\x02\0";

/// Bytes of the head of a file: magic, width and count.
const HEAD: u64 = 24;

/// Bytes of a text that go through a tokenizer at once. A text is cut behind a line break, or else behind a blank; each
/// piece is encoded by itself, a shorter text as a whole. A tokenizer takes some forty bytes for each byte of a piece.
const PIECE: usize = 1 << 18;

/// Pieces that are encoded side by side: as many as keep the memory small.
const AT_ONCE: usize = 8;

/// Why there are no ids: the file that is to blame, and what is wrong with it.
pub type Fault = (PathBuf, io::Error);

/// The ids of a text: those of the cache, or new ones, which are kept there. Where nothing can be kept, a temporary file
/// has them.
pub fn open(files: &Files, tokenizer: &Arc<Tokenizer>, mark: &str) -> Result<Ids, Fault> {
    let cached = cache().map(|folder| folder.join(name(files, mark)));
    if let Some(ids) = cached.as_ref().and_then(|path| Ids::open(File::open(path).ok()?)) {
        return Ok(ids);
    }
    let (file, temporary) = create(cached.as_deref()).map_err(|e| (std::env::temp_dir(), e))?;
    let written = write(file, files, tokenizer).inspect_err(|_| {
        // The error of the text is the one to report.
        let _ = std::fs::remove_file(&temporary);
    })?;
    let kept = cached.is_some_and(|path| std::fs::rename(&temporary, path).is_ok());
    if !kept {
        // Where an open file cannot be removed, the system clears its folder of temporary files.
        let _ = std::fs::remove_file(&temporary);
    }
    Ok(written)
}

impl Ids {
    pub fn len(&self) -> u64 {
        self.count
    }

    /// A file that was written to its end.
    fn open(mut file: File) -> Option<Ids> {
        let mut head = [0; HEAD as usize];
        file.read_exact(&mut head).ok()?;
        let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (width, count) = (word(8), word(16));
        let whole = file.metadata().ok()?.len() == count.checked_mul(width)?.checked_add(HEAD)?;
        (head[..8] == *MAGIC && matches!(width, 2 | 4) && whole).then_some(Ids { file, width: width as usize, count })
    }

    /// Ids from `start` on as little-endian i32; `bytes` is memory to use again.
    pub fn read(&self, start: u64, bytes: &mut Vec<u8>, out: &mut [u8]) -> io::Result<()> {
        bytes.resize(out.len() / 4 * self.width, 0);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(HEAD + start * self.width as u64))?;
        file.read_exact(bytes)?;
        out.fill(0);
        let ids = bytes.chunks_exact(self.width).zip(out.chunks_exact_mut(4));
        ids.for_each(|(id, out)| out[..id.len()].copy_from_slice(id));
        Ok(())
    }
}

/// The folder of the user's cache: `$NNC_CACHE`, or `nnc/ids` where the system keeps caches.
fn cache() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let shared = || given("XDG_CACHE_HOME").or_else(|| Some(given("HOME")?.join(".cache")));
    given("NNC_CACHE").or_else(|| Some(shared()?.join("nnc"))).map(|folder| folder.join("ids"))
}

/// The name of the file for these texts and this tokenizer: a text is known by its path, size and time.
fn name(files: &Files, mark: &str) -> String {
    let mut all = String::new();
    for (path, metadata) in files.describe() {
        all += &format!("{}\0{metadata}\0", path.display());
    }
    format!("{mark}-{:016x}", fnv1a(all.as_bytes()))
}

/// A new file beside what it will replace, or else among the temporary ones.
fn create(target: Option<&Path>) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("nnc-{}-{}.ids", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let new = |folder: &Path| {
        let path = folder.join(&name);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok((file, path))
    };
    let beside = target.and_then(Path::parent).and_then(|folder| {
        std::fs::create_dir_all(folder).ok()?;
        new(folder).ok()
    });
    beside.map_or_else(|| new(&std::env::temp_dir()), Ok)
}

/// Writes the ids of a text, and last of all the head, so that a file is whole or is not taken for one.
fn write(file: File, files: &Files, tokenizer: &Arc<Tokenizer>) -> Result<Ids, Fault> {
    let width = if tokenizer.size() <= 1 << 16 { 2 } else { 4 };
    let encoder = Encoder::tokens(tokenizer.clone(), false, None);
    let mut out = BufWriter::new(file);
    let mut count = 0u64;
    let unwritable = |e| (std::env::temp_dir(), e);
    out.write_all(&[0; HEAD as usize]).map_err(unwritable)?;
    files.each_pieces((PIECE, AT_ONCE), |pieces| {
        for ids in encoder.encode_all(pieces) {
            let ids = ids.map_err(io::Error::other)?;
            count += ids.len() as u64;
            ids.iter().try_for_each(|id| out.write_all(&id.to_le_bytes()[..width]))?;
        }
        Ok(())
    })?;
    let mut file = out.into_inner().map_err(|e| unwritable(e.into_error()))?;
    let head = [*MAGIC, (width as u64).to_le_bytes(), count.to_le_bytes()].concat();
    let ended = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&head)).and_then(|()| file.sync_all());
    ended.map_err(unwritable)?;
    Ok(Ids { file, width, count })
}
