//! Loads and stores. Exactly the elements of an access are touched: whole quads where the count allows, single lanes
//! at the edge. u8 widens to i32; bool is a byte, 0 or 1, and becomes a mask.

use super::{Emitter, Known, parts};
use crate::lane::{Access, Address, Store, Type, Value};
use crate::ops::DType;
use cranelift::codegen::ir::{self, StackSlotData, StackSlotKind, types};
use cranelift::prelude::{InstBuilder, IntCC, MemFlagsData};

const I32X4: ir::Type = types::I32X4;

/// A place in memory: pointer and byte offset.
#[derive(Clone, Copy)]
struct Place {
    pointer: ir::Value,
    offset: i64,
}

impl Place {
    fn plus(self, bytes: i64) -> Place {
        Place { offset: self.offset + bytes, ..self }
    }
}

/// How elements of one buffer are read.
#[derive(Clone, Copy)]
struct Source {
    dtype: DType,
    flags: MemFlagsData,
}

fn is_byte(dtype: DType) -> bool {
    dtype.size() == 1
}

// ── addresses ──
impl Emitter<'_, '_> {
    fn dtype(&self, address: &Address) -> DType {
        self.kernel.buffers[address.buffer as usize]
    }

    fn place(&mut self, address: &Address) -> Place {
        let dtype = self.dtype(address);
        let base = self.buffers[address.buffer as usize];
        let scaled = self.scale(self.scalar(address.index), dtype);
        let pointer = self.b.ins().iadd(base, scaled);
        Place { pointer, offset: address.offset * dtype.size() as i64 }
    }

    /// An index in elements as bytes.
    fn scale(&mut self, index: ir::Value, dtype: DType) -> ir::Value {
        let bits = dtype.size().trailing_zeros();
        if bits == 0 {
            return index;
        }
        let bits = self.int(bits.into());
        self.b.ins().ishl(index, bits)
    }

    /// Pointer and offset as an instruction takes them: offsets that do not fit are added.
    fn fit(&mut self, place: Place) -> (ir::Value, i32) {
        match i32::try_from(place.offset) {
            Ok(offset) => (place.pointer, offset),
            Err(_) => {
                let offset = self.int(place.offset);
                (self.b.ins().iadd(place.pointer, offset), 0)
            }
        }
    }

    fn source(&self, address: &Address) -> Source {
        let readonly = !self.stored[address.buffer as usize];
        let mut flags = MemFlagsData::new().with_notrap();
        if readonly && self.unconditional {
            flags = flags.with_readonly().with_can_move();
        }
        Source { dtype: self.dtype(address), flags }
    }

    /// Places of the four lanes of a quad at `base + offsets[l]`; where a lane is not set, `safe`.
    fn lane_places(
        &mut self,
        base: Place,
        dtype: DType,
        offsets: ir::Value,
        mask: Option<(ir::Value, ir::Value)>,
    ) -> [Place; 4] {
        let (pointer, rest) = self.fit(base);
        std::array::from_fn(|l| {
            let index = self.b.ins().extractlane(offsets, l as u8);
            let index = self.b.ins().sextend(types::I64, index);
            let scaled = self.scale(index, dtype);
            let at = self.b.ins().iadd(pointer, scaled);
            let Some((mask, safe)) = mask else { return Place { pointer: at, offset: rest.into() } };
            let at = self.b.ins().iadd_imm_s(at, i64::from(rest));
            let set = self.b.ins().extractlane(mask, l as u8);
            Place { pointer: self.b.ins().select(set, at, safe), offset: 0 }
        })
    }
}

// ── loads ──
impl Emitter<'_, '_> {
    pub(super) fn load(&mut self, address: &Address, access: &Access, ty: Type) -> Vec<ir::Value> {
        let place = self.place(address);
        let source = self.source(address);
        let size = source.dtype.size() as i64;
        let quads = parts(ty).1;
        match *access {
            Access::Contiguous { count } => (0..quads)
                .map(|q| self.load_run(source, place.plus(4 * q as i64 * size), left(count, q), size))
                .collect(),
            Access::Strided { stride, count } => {
                let quad = |q: usize| place.plus(4 * q as i64 * stride * size);
                (0..quads).map(|q| self.load_lanes(source, strided(quad(q), stride * size, left(count, q)))).collect()
            }
            Access::Splat => vec![self.load_splat(source, place); quads],
            Access::Indexed { offsets, mask } => {
                let places = self.indexed_places(address, place, offsets, mask);
                let masks = self.get(mask);
                let all = self.known(mask) == Known::AllTrue;
                let quad = |(places, mask): ([Place; 4], ir::Value)| {
                    let loaded = self.load_lanes(source, places.map(Some));
                    if all { loaded } else { self.keep(mask, loaded) }
                };
                places.into_iter().zip(masks).map(quad).collect()
            }
        }
    }

    /// `loaded` where the mask is set, else zero.
    fn keep(&mut self, mask: ir::Value, loaded: ir::Value) -> ir::Value {
        let ty = self.b.func.dfg.value_type(loaded);
        let mask = self.as_type(ty, mask);
        self.b.ins().band(mask, loaded)
    }

    fn indexed_places(&mut self, address: &Address, place: Place, offsets: Value, mask: Value) -> Vec<[Place; 4]> {
        let dtype = self.dtype(address);
        let all = self.known(mask) == Known::AllTrue;
        let base = self.buffers[address.buffer as usize];
        let masks = self.get(mask).into_iter().map(|m| (!all).then_some((m, base)));
        self.get(offsets).into_iter().zip(masks).map(|(o, m)| self.lane_places(place, dtype, o, m)).collect()
    }

    /// The first `count` (up to 4) of consecutive elements.
    fn load_run(&mut self, source: Source, place: Place, count: u16, size: i64) -> ir::Value {
        if count < 4 {
            return self.load_lanes(source, strided(place, size, count));
        }
        let (pointer, offset) = self.fit(place);
        match source.dtype {
            DType::F32 => self.b.ins().load(types::F32X4, source.flags, pointer, offset),
            DType::I32 => self.b.ins().load(I32X4, source.flags, pointer, offset),
            _ => {
                let word = self.b.ins().load(types::I32, source.flags, pointer, offset);
                let bytes = self.b.ins().scalar_to_vector(I32X4, word);
                let bytes = self.as_type(types::I8X16, bytes);
                let halves = self.b.ins().uwiden_low(bytes);
                let words = self.b.ins().uwiden_low(halves);
                self.truth(source.dtype, words)
            }
        }
    }

    /// One element: f32 as F32, all others as I32.
    fn load_element(&mut self, source: Source, place: Place) -> ir::Value {
        let (pointer, offset) = self.fit(place);
        match source.dtype {
            DType::F32 => self.b.ins().load(types::F32, source.flags, pointer, offset),
            DType::I32 => self.b.ins().load(types::I32, source.flags, pointer, offset),
            _ => self.b.ins().uload8(types::I32, source.flags, pointer, offset),
        }
    }

    fn load_splat(&mut self, source: Source, place: Place) -> ir::Value {
        let element = self.load_element(source, place);
        let splat = self.b.ins().splat(quad_type(source.dtype), element);
        self.truth(source.dtype, splat)
    }

    fn load_lanes(&mut self, source: Source, places: [Option<Place>; 4]) -> ir::Value {
        let ty = quad_type(source.dtype);
        let mut quad = self.words(ty, [0; 4]);
        for (l, place) in places.into_iter().enumerate() {
            let Some(place) = place else { continue };
            let element = self.load_element(source, place);
            quad = match l {
                0 => self.b.ins().scalar_to_vector(ty, element),
                _ => self.b.ins().insertlane(quad, element, l as u8),
            };
        }
        self.truth(source.dtype, quad)
    }

    /// Bytes of a bool buffer as a mask; other types as they are.
    fn truth(&mut self, dtype: DType, words: ir::Value) -> ir::Value {
        if dtype != DType::Bool {
            return words;
        }
        let zero = self.words(I32X4, [0; 4]);
        self.b.ins().icmp(IntCC::NotEqual, words, zero)
    }
}

fn quad_type(dtype: DType) -> ir::Type {
    if dtype == DType::F32 { types::F32X4 } else { I32X4 }
}

/// How many of `count` elements are in quad q.
fn left(count: u16, q: usize) -> u16 {
    count.saturating_sub(4 * q as u16).min(4)
}

/// The first `count` of four places, `bytes` apart.
fn strided(first: Place, bytes: i64, count: u16) -> [Option<Place>; 4] {
    std::array::from_fn(|l| (l < count as usize).then(|| first.plus(l as i64 * bytes)))
}

// ── stores ──
impl Emitter<'_, '_> {
    pub(super) fn store(&mut self, s: &Store) {
        let place = self.place(&s.address);
        let dtype = self.dtype(&s.address);
        let size = dtype.size() as i64;
        let quads: Vec<_> = self.get(s.value).into_iter().map(|q| self.storable(self.ty(s.value), q)).collect();
        match s.access {
            Access::Contiguous { count } => {
                for (q, &quad) in quads.iter().enumerate() {
                    self.store_run(dtype, quad, place.plus(4 * q as i64 * size), left(count, q));
                }
            }
            Access::Strided { stride, count } => {
                for (q, &quad) in quads.iter().enumerate() {
                    let first = place.plus(4 * q as i64 * stride * size);
                    self.store_lanes(dtype, quad, strided(first, stride * size, left(count, q)));
                }
            }
            Access::Indexed { offsets, mask } => self.store_indexed(dtype, &quads, place, offsets, mask),
            Access::Splat => unreachable!("the verifier refuses splat stores"),
        }
    }

    /// Masks as 0 and 1, vectors as they are.
    fn storable(&mut self, ty: Type, quad: ir::Value) -> ir::Value {
        if !matches!(ty, Type::Mask(_)) {
            return quad;
        }
        let one = self.words(I32X4, [1; 4]);
        self.b.ins().band(quad, one)
    }

    fn store_run(&mut self, dtype: DType, quad: ir::Value, place: Place, count: u16) {
        if count < 4 {
            return self.store_lanes(dtype, quad, strided(place, dtype.size() as i64, count));
        }
        let quad = if is_byte(dtype) { self.narrow(quad) } else { quad };
        let (pointer, offset) = self.fit(place);
        self.b.ins().store(MemFlagsData::new().with_notrap(), quad, pointer, offset);
    }

    /// The low bytes of four words, as one word.
    fn narrow(&mut self, quad: ir::Value) -> ir::Value {
        let low = self.words(I32X4, [255; 4]);
        let low = self.b.ins().band(quad, low);
        let halves = self.b.ins().unarrow(low, low);
        let bytes = self.b.ins().unarrow(halves, halves);
        let words = self.as_type(I32X4, bytes);
        self.b.ins().extractlane(words, 0)
    }

    fn store_lanes(&mut self, dtype: DType, quad: ir::Value, places: [Option<Place>; 4]) {
        let flags = MemFlagsData::new().with_notrap();
        for (l, place) in places.into_iter().enumerate() {
            let Some(place) = place else { continue };
            let element = self.b.ins().extractlane(quad, l as u8);
            let (pointer, offset) = self.fit(place);
            match is_byte(dtype) {
                true => self.b.ins().istore8(flags, element, pointer, offset),
                false => self.b.ins().store(flags, element, pointer, offset),
            };
        }
    }

    /// Lanes that are not set are stored to a word of the stack.
    fn store_indexed(&mut self, dtype: DType, quads: &[ir::Value], place: Place, offsets: Value, mask: Value) {
        let slot = match self.sink {
            Some(slot) => slot,
            None => self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 8, 3)),
        };
        self.sink = Some(slot);
        let all = self.known(mask) == Known::AllTrue;
        let sink = self.b.ins().stack_addr(types::I64, slot, 0);
        let masks = self.get(mask).into_iter().map(|m| (!all).then_some((m, sink)));
        for ((&quad, offsets), mask) in quads.iter().zip(self.get(offsets)).zip(masks) {
            let places = self.lane_places(place, dtype, offsets, mask);
            self.store_lanes(dtype, quad, places.map(Some));
        }
    }
}
