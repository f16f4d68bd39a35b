//! Blocks of memory for machine code: aligned, zeroed, and touched through raw pointers only.

use super::errors;
use crate::diag::Diagnostic;
use std::alloc::{self, Layout};
use std::ptr::NonNull;

/// Alignment of every block: a cache line, and a whole vector.
const LINE: usize = 64;
/// Alignment of large blocks: a huge page.
const PAGE: usize = 2 << 20;

/// A block of zeroed memory that machine code may write while its owner waits. There are no references into it.
pub struct Memory {
    start: NonNull<u8>,
    layout: Layout,
    len: usize,
}

impl Memory {
    /// `len` zero bytes; the block is a multiple of 64 bytes long and never empty.
    pub fn zeroed(len: usize) -> Result<Memory, Diagnostic> {
        let align = if len >= PAGE { PAGE } else { LINE };
        let size = len.max(1).checked_next_multiple_of(LINE).ok_or_else(|| errors::out_of_memory(len))?;
        let layout = Layout::from_size_align(size, align).map_err(|_| errors::out_of_memory(len))?;
        // SAFETY: the layout's size is not zero.
        let start = NonNull::new(unsafe { alloc::alloc_zeroed(layout) }).ok_or_else(|| errors::out_of_memory(len))?;
        let memory = Memory { start, layout, len };
        memory.ask_for_huge_pages();
        Ok(memory)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn pointer(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    #[cfg(target_os = "linux")]
    fn ask_for_huge_pages(&self) {
        if self.layout.align() == PAGE {
            // SAFETY: the range is this allocation; the advice changes no contents, and its failure does no harm.
            unsafe { libc::madvise(self.pointer().cast(), self.layout.size(), libc::MADV_HUGEPAGE) };
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn ask_for_huge_pages(&self) {}

    /// Copies `out.len()` bytes from `offset` on. Panics where they are not all inside.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        self.check(offset, out.len());
        // SAFETY: the range is inside the block; `out` is an exclusive borrow of other memory, since no reference into
        // a block exists; no worker runs while the owning thread is here.
        unsafe { self.pointer().add(offset).copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
    }

    /// Copies `data` to `offset`. Panics where it does not fit.
    pub fn write(&self, offset: usize, data: &[u8]) {
        self.check(offset, data.len());
        // SAFETY: as in `read`.
        unsafe { self.pointer().add(offset).copy_from_nonoverlapping(data.as_ptr(), data.len()) };
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        // SAFETY: `len` bytes from the start are this block; no worker runs while the owning thread is here.
        unsafe { self.pointer().write_bytes(byte, self.len) };
    }

    fn check(&self, offset: usize, len: usize) {
        let end = offset.checked_add(len);
        assert!(end.is_some_and(|end| end <= self.layout.size()), "{len} bytes at {offset} of {}", self.len);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: `start` came from `alloc_zeroed` with this layout and is freed once.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}
