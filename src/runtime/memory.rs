//! Memory for machine code: aligned, zeroed, and touched through raw pointers only.

use super::errors;
use crate::diag::Diagnostic;
use std::alloc::{self, Layout};
use std::ptr::NonNull;
use std::rc::Rc;

/// Alignment of all memory: a cache line, and a whole vector.
const LINE: usize = 64;
/// Alignment of large blocks: a huge page.
const PAGE: usize = 2 << 20;

/// Zeroed memory that machine code may write while its owner waits. There are no references into it.
pub struct Memory {
    block: Rc<Block>,
    offset: usize,
    len: usize,
}

/// What is asked of the system at once.
struct Block {
    allocated: NonNull<u8>,
    layout: Layout,
    /// Where the first aligned byte is, and how many bytes follow it.
    skipped: usize,
    size: usize,
}

/// Gives memory for what lives as long as the slab, side by side in large blocks: then small tensors lie in huge pages too.
#[derive(Default)]
pub struct Slab {
    block: Option<Rc<Block>>,
    used: usize,
}

/// Bytes of a slab's block. Nothing of it takes room before it is touched.
const SLAB: usize = 64 << 20;
/// Between two tensors of a slab, so that equal places of equally large ones are in different sets of a cache, and no store
/// looks like one to what is loaded from another.
const SKEW: usize = 5 * LINE;

impl Memory {
    /// `len` zero bytes; they are aligned to a cache line, and whole lines may be touched.
    pub fn zeroed(len: usize) -> Result<Memory, Diagnostic> {
        let block = Rc::new(Block::zeroed(len)?);
        Ok(Memory { block, offset: 0, len })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn pointer(&self) -> *mut u8 {
        // SAFETY: the offset is inside the block, or at its end.
        unsafe { self.block.pointer().add(self.offset) }
    }

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
        // SAFETY: `len` bytes from the pointer on are this memory; no worker runs while the owning thread is here.
        unsafe { self.pointer().write_bytes(byte, self.len) };
    }

    fn check(&self, offset: usize, len: usize) {
        let end = offset.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.len.next_multiple_of(LINE)),
            "{len} bytes at {offset} of {}",
            self.len
        );
    }
}

impl Slab {
    /// The next `len` zero bytes of the slab.
    pub fn zeroed(&mut self, len: usize) -> Result<Memory, Diagnostic> {
        let block = match self.block.take().filter(|block| self.used + len <= block.size) {
            Some(block) => block,
            None => {
                self.used = 0;
                Rc::new(Block::zeroed(len.max(SLAB))?)
            }
        };
        let memory = Memory { block: block.clone(), offset: self.used, len };
        self.used = (self.used + len).next_multiple_of(LINE) + SKEW;
        self.block = Some(block);
        Ok(memory)
    }
}

impl Block {
    /// Whole lines, at least one. The system's zeros are not touched: huge pages are for what is touched after the advice.
    fn zeroed(len: usize) -> Result<Block, Diagnostic> {
        let fail = || errors::out_of_memory(len);
        let align = if len >= PAGE { PAGE } else { LINE };
        let size = len.max(1).checked_next_multiple_of(LINE).ok_or_else(fail)?;
        // A larger alignment than that of all memory would make `alloc_zeroed` write the zeros itself.
        let room = size.checked_add(align).ok_or_else(fail)?;
        let layout = Layout::from_size_align(room, 16).map_err(|_| fail())?;
        // SAFETY: the layout's size is not zero.
        let allocated = NonNull::new(unsafe { alloc::alloc_zeroed(layout) }).ok_or_else(fail)?;
        let skipped = allocated.as_ptr().align_offset(align);
        let block = Block { allocated, layout, skipped, size };
        if align == PAGE {
            block.ask_for_huge_pages();
        }
        Ok(block)
    }

    fn pointer(&self) -> *mut u8 {
        // SAFETY: less than the alignment is skipped, and so much more was allocated.
        unsafe { self.allocated.as_ptr().add(self.skipped) }
    }

    #[cfg(target_os = "linux")]
    fn ask_for_huge_pages(&self) {
        // SAFETY: the range is inside this allocation; the advice changes no contents, and its failure does no harm.
        unsafe { libc::madvise(self.pointer().cast(), self.size, libc::MADV_HUGEPAGE) };
    }

    #[cfg(not(target_os = "linux"))]
    fn ask_for_huge_pages(&self) {}
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it came from `alloc_zeroed` with this layout and is freed once.
        unsafe { alloc::dealloc(self.allocated.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first line, or what there is of it.
    fn is_zero(memory: &Memory) -> bool {
        let mut bytes = vec![1; memory.len().min(LINE)];
        memory.read(0, &mut bytes);
        bytes.iter().all(|b| *b == 0)
    }

    #[test]
    fn zeros_begin_at_lines_and_huge_pages() {
        for (len, align) in [(0, LINE), (1, LINE), (100, LINE), (PAGE + 1, PAGE)] {
            let memory = Memory::zeroed(len).expect("memory");
            assert!(is_zero(&memory) && memory.pointer().addr().is_multiple_of(align), "{len}");
        }
    }

    #[test]
    fn tensors_of_a_slab_lie_apart() {
        let mut slab = Slab::default();
        let all: Vec<Memory> = [1, SLAB - 1, 0, 3 * LINE, 2 * SLAB, 7].map(|n| slab.zeroed(n).expect("memory")).into();
        for (n, memory) in all.iter().enumerate() {
            assert!(is_zero(memory) && memory.pointer().addr().is_multiple_of(LINE), "{n}");
            memory.fill(n as u8 + 1);
        }
        let mut first = [0; 3 * LINE];
        all[3].read(0, &mut first);
        assert_eq!((first, all[3].len()), ([4; 3 * LINE], 3 * LINE));
        let kept = |n: usize| {
            let mut byte = [0];
            all[n].read(0, &mut byte);
            byte[0] as usize
        };
        assert_eq!([kept(0), kept(1), kept(4), kept(5)], [1, 2, 5, 6]);
    }
}
