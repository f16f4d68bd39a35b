//! The working memory that all executables of a session share.

use super::Memory;
use crate::diag::Diagnostic;
use std::cell::{Cell, RefCell};

/// Memory in which one executable at a time runs a step: as large as the largest of them needs. What a step leaves in it
/// can be read until another step begins.
#[derive(Default)]
pub struct Arena {
    block: RefCell<Option<Memory>>,
    turn: Cell<u64>,
}

impl Arena {
    /// At least so many bytes. What stood in the arena is gone where it grows.
    pub fn grow(&self, bytes: usize) -> Result<(), Diagnostic> {
        let mut block = self.block.borrow_mut();
        if block.as_ref().is_none_or(|b| b.len() < bytes) {
            // Before the new block is made: the two need not exist side by side.
            *block = None;
            *block = Some(Memory::zeroed(bytes)?);
            self.turn.set(self.turn.get() + 1);
        }
        Ok(())
    }

    /// Where it begins now; it moves when it grows.
    pub fn pointer(&self) -> *mut u8 {
        self.block.borrow().as_ref().map_or(std::ptr::null_mut(), Memory::pointer)
    }

    /// Begins a step, and gives its number: what was there before is no longer anybody's.
    pub fn begin(&self) -> u64 {
        self.turn.set(self.turn.get() + 1);
        self.turn.get()
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        self.block.borrow().iter().for_each(|b| b.fill(byte));
    }

    /// Copies what step number `turn` left behind. Panics where another step has begun since.
    pub fn read(&self, turn: u64, offset: usize, out: &mut [u8]) {
        assert_eq!(turn, self.turn.get(), "another step has used the arena");
        self.block.borrow().iter().for_each(|b| b.read(offset, out));
    }
}
