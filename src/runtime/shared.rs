//! Read-only data that executables keep alive: columns of data sets, mapped files.

use memmap2::Mmap;
use std::sync::Arc;

/// A range of bytes that several executables may read.
#[derive(Clone)]
pub struct SharedBytes {
    owner: Arc<Owner>,
    offset: usize,
    len: usize,
}

enum Owner {
    Map(Mmap),
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
    Ints(Vec<i32>),
}

impl Owner {
    fn start(&self) -> *const u8 {
        match self {
            Owner::Map(m) => m.as_ptr(),
            Owner::Bytes(v) => v.as_ptr(),
            Owner::Floats(v) => v.as_ptr().cast(),
            Owner::Ints(v) => v.as_ptr().cast(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Owner::Map(m) => m.len(),
            Owner::Bytes(v) => v.len(),
            Owner::Floats(v) => 4 * v.len(),
            Owner::Ints(v) => 4 * v.len(),
        }
    }
}

impl From<Owner> for SharedBytes {
    fn from(owner: Owner) -> Self {
        SharedBytes { len: owner.len(), offset: 0, owner: Arc::new(owner) }
    }
}

impl From<Mmap> for SharedBytes {
    fn from(map: Mmap) -> Self {
        Owner::Map(map).into()
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Owner::Bytes(bytes).into()
    }
}

impl From<Vec<f32>> for SharedBytes {
    fn from(floats: Vec<f32>) -> Self {
        Owner::Floats(floats).into()
    }
}

impl From<Vec<i32>> for SharedBytes {
    fn from(ints: Vec<i32>) -> Self {
        Owner::Ints(ints).into()
    }
}

impl SharedBytes {
    /// The bytes `offset..offset + len` of these; `None` where they are not all inside.
    pub fn slice(&self, offset: usize, len: usize) -> Option<SharedBytes> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len);
        inside.then(|| SharedBytes { owner: self.owner.clone(), offset: self.offset + offset, len })
    }

    /// Maps a file for reading. The file must not change while it is mapped.
    pub fn map(file: &std::fs::File) -> std::io::Result<SharedBytes> {
        if file.metadata()?.len() == 0 {
            return Ok(Vec::<u8>::new().into());
        }
        // SAFETY: a mapped file can change under us only if another process writes to it; data sets are read-only
        // inputs, and the documentation of `nnc train` says so.
        Ok(unsafe { Mmap::map(file)? }.into())
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `offset..offset + len` lies inside the owner's memory (every constructor keeps that), which is
        // initialised, lives as long as `self`, and is never written.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.len) }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the first `out.len()` bytes. Panics where there are fewer.
    pub fn read(&self, out: &mut [u8]) {
        assert!(out.len() <= self.len, "{} of {} bytes", out.len(), self.len);
        // SAFETY: the range is inside the owner's memory, which nothing writes; `out` is other memory.
        unsafe { self.pointer().copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
    }

    /// The first byte, for machine code that only reads. Valid as long as this value or a clone lives.
    pub fn pointer(&self) -> *const u8 {
        self.owner.start().wrapping_add(self.offset)
    }
}
