//! Parameters, saved buffers and optimizer state by name, shared by all executables of a session.

use super::{Arena, Memory, Slab, errors, layout};
use crate::diag::Diagnostic;
use crate::ops::{DType, Type};
use crate::schedule::Buffer;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Named tensors in the layouts that the programs want. Reading and writing is in row-major order.
#[derive(Default)]
pub struct StateStore {
    entries: BTreeMap<String, Entry>,
    slab: Slab,
    arena: Rc<Arena>,
}

struct Entry {
    memory: Rc<Memory>,
    buffer: Buffer,
}

impl StateStore {
    pub fn new() -> Self {
        StateStore::default()
    }

    /// The memory of a state, zeros where it is new. All programs must agree on type and layout.
    pub fn memory(&mut self, name: &str, buffer: &Buffer) -> Result<Rc<Memory>, Diagnostic> {
        if let Some(entry) = self.entries.get(name) {
            let same = entry.buffer.ty == buffer.ty && entry.buffer.layout == buffer.layout;
            let text = |b: &Buffer| format!("{} {:?}", b.ty, b.layout);
            let error = || errors::state_differs(name, &text(&entry.buffer), &text(buffer));
            return same.then(|| entry.memory.clone()).ok_or_else(error);
        }
        let memory = Rc::new(self.slab.zeroed(buffer.bytes())?);
        self.entries.insert(name.into(), Entry { memory: memory.clone(), buffer: buffer.clone() });
        Ok(memory)
    }

    /// Makes room for a state that no program has had yet, with zeros.
    pub fn reserve(&mut self, name: &str, ty: &Type) -> Result<(), Diagnostic> {
        self.memory(name, &Buffer::of_input(name, ty, 0)).map(drop)
    }

    /// The arena of all executables that share this state.
    pub fn arena(&self) -> Rc<Arena> {
        self.arena.clone()
    }

    /// Names and types in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.entries.iter().map(|(name, e)| (name.as_str(), &e.buffer.ty))
    }

    pub fn ty(&self, name: &str) -> Option<&Type> {
        self.entries.get(name).map(|e| &e.buffer.ty)
    }

    /// The row-major bytes of a state.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let entry = self.entries.get(name)?;
        let mut bytes = vec![0; entry.buffer.bytes()];
        entry.memory.read(0, &mut bytes);
        Some(layout::unpack(&bytes, &entry.buffer))
    }

    /// The elements of an f32 state in row-major order.
    pub fn read_f32(&self, name: &str) -> Option<Vec<f32>> {
        let float = self.ty(name)?.dtype == DType::F32;
        self.read(name).filter(|_| float).map(|b| layout::floats(&b))
    }

    /// Sets a state from its row-major bytes.
    pub fn write(&mut self, name: &str, data: &[u8]) -> Result<(), Diagnostic> {
        let entry = self.entries.get(name).ok_or_else(|| errors::no_input(name))?;
        let expected = entry.buffer.ty.bytes();
        if data.len() != expected {
            return Err(errors::wrong_size(name, expected, data.len()));
        }
        entry.memory.write(0, &layout::pack(data, &entry.buffer));
        Ok(())
    }

    pub fn write_f32(&mut self, name: &str, data: &[f32]) -> Result<(), Diagnostic> {
        self.write(name, &layout::float_bytes(data))
    }
}
