//! Scans as loops: where carries, slices and results lie.
//!
//! - A carry whose new value can be written over the old one has one buffer (see [`groups`](crate::schedule::groups)).
//! - A carry that is also a y lives in its history: the ys, and one slice more for the first value.
//! - Any other carry has two slices: an iteration reads one and writes the other.
//!
//! Kernels before the loop write first carries to where the first iteration reads them. After the loop, last carries
//! that somebody reads are copied from where one more iteration would read them. The constants that a legal scan with
//! a condition begins with are zeros, one for each y: they are written to its place before the loop.

use super::Planner;
use crate::ops::{DType, Op, Type};
use crate::schedule::context::Context;
use crate::schedule::groups::Grouping;
use crate::schedule::kernels::{Spot, Storage};
use crate::schedule::legalize::{History, histories};
use crate::schedule::{Arg, Condition, Item, Loop, Pick, Step};
use crate::tensor::scan::Scan;
use crate::tensor::{Graph, InputRole, Inst, Origin, OutputRole, Value};
use std::collections::HashMap;

/// A scan whose body is grouped, and whose own buffers exist.
pub(super) struct Planned<'a> {
    scan: Scan<'a>,
    cx: Context<'a>,
    grouping: Grouping,
    /// Places of the body's carries and outputs.
    storage: Storage,
    /// Last carries that somebody reads: their type, from where, to where.
    finals: Vec<(Type, Spot, Spot)>,
}

/// Where a carry of `elements` elements in memory is: before the loop, and in an iteration before and after it is renewed.
struct Track {
    first: Arg,
    old: Arg,
    new: Arg,
}

impl Track {
    fn alternating(whole: &Arg, elements: usize, depth: usize) -> Track {
        let slice = |pick| whole.moved(0, Step { depth, pick, stride: elements });
        Track { first: whole.clone(), old: slice(Pick::Odd), new: slice(Pick::Even) }
    }

    fn history(whole: &Arg, elements: usize, depth: usize, scan: &Scan) -> Track {
        let (first, old, new) = if scan.reverse { (*scan.length, 1, 0) } else { (0, 0, 1) };
        let slice = |n: usize| whole.moved(n * elements, Step { depth, pick: Pick::Position, stride: elements });
        Track { first: whole.after(first * elements), old: slice(old), new: slice(new) }
    }
}

impl Planner {
    /// Groups the bodies of all scans of a graph, and places what they share with it.
    pub(super) fn scans<'a>(
        &mut self,
        cx: &Context<'a>,
        storage: &mut Storage,
        depth: usize,
    ) -> HashMap<Value, Planned<'a>> {
        let scans = cx.graph.insts.iter().filter_map(|inst| Scan::of(inst).map(|scan| (inst, scan)));
        scans.map(|(inst, scan)| (inst.results[0], self.scan(cx, inst, scan, storage, depth))).collect()
    }

    fn scan<'a>(
        &mut self,
        outer: &Context,
        inst: &Inst,
        scan: Scan<'a>,
        storage: &mut Storage,
        depth: usize,
    ) -> Planned<'a> {
        let histories = histories(&scan);
        let carries = scan.next().into_iter().zip(scan.carry_inputs()).zip(&histories);
        let updates = carries.filter(|(_, history)| !history.is_kept()).map(|(pair, _)| pair).collect();
        let cx = Context::body(scan.body, updates);
        let grouping = super::group(&cx);
        let mut planned = Planned { scan, cx, grouping, storage: Storage::new(), finals: vec![] };
        for (number, history) in histories.iter().enumerate() {
            let carry = Carry { number, history, name: super::of_layer(inst, format!("carry {number}")), depth };
            self.carry(outer, &mut planned, storage, carry);
        }
        for (number, (y, slice)) in scan.ys.iter().zip(scan.slices()).enumerate() {
            if !planned.storage.contains_key(&slice) {
                let new = || self.arena(outer.ty(*y).clone(), super::of_layer(inst, format!("y {number}")));
                let spot = *storage.entry(*y).or_insert_with(new);
                planned.storage.insert(slice, self.slice(spot, planned.cx.shape(slice), depth));
            }
            if scan.while_carry {
                storage.insert(scan.consts[number], storage[y]);
            }
        }
        planned
    }

    fn carry(&mut self, outer: &Context, planned: &mut Planned, storage: &mut Storage, carry: Carry) {
        let Carry { number, history, name, depth } = carry;
        let scan = planned.scan;
        let (old, new) = (scan.carry_inputs()[number], scan.next()[number]);
        let (first, last) = (scan.inits[number], scan.finals[number]);
        let ty = planned.cx.ty(old).clone();
        let is_read = outer.users(last).next().is_some() || outer.outputs().any(|v| v == last);
        if planned.grouping.in_place.contains_key(&new) {
            let spot = self.arena(ty.clone(), name);
            planned.storage.insert(old, spot);
            storage.insert(first, spot);
            match storage.get(&last) {
                Some(to) => planned.finals.push((ty, spot, *to)),
                None => drop(storage.insert(last, spot)),
            }
            return;
        }
        let slices = if history.is_kept() { scan.length + 1 } else { 2 };
        let whole = self.arena(Type::new(ty.dtype, [&[slices], ty.shape.as_slice()].concat()), name.clone());
        let elements = whole.layout.elements(&ty.shape);
        let whole = self.spots[whole.number as usize].clone();
        let track = match history.is_kept() {
            true => Track::history(&whole, elements, depth, &scan),
            false => Track::alternating(&whole, elements, depth),
        };
        for (y, at) in [(history.new, &track.new), (history.old, &track.old)] {
            if let Some(y) = y {
                storage.insert(scan.ys[y], self.spot(whole.after(at.offset)));
            }
        }
        storage.insert(first, self.spot(track.first));
        let from = self.spot(track.old);
        planned.storage.insert(old, from);
        planned.storage.insert(new, self.spot(track.new));
        if is_read {
            let to = *storage.entry(last).or_insert_with(|| self.arena(ty.clone(), name));
            planned.finals.push((ty, from, to));
        }
    }

    /// What a loop takes of a place in each iteration: a part of this shape.
    fn slice(&mut self, whole: Spot, shape: &[usize], depth: usize) -> Spot {
        let step = Step { depth, pick: Pick::Position, stride: whole.layout.elements(shape) };
        self.spot(self.spots[whole.number as usize].moved(0, step))
    }

    /// The loop of a scan; `outer` has the places of its arguments.
    pub(super) fn looped(&mut self, planned: Planned, outer: &Storage, depth: usize) -> Loop {
        let Planned { scan, cx, grouping, mut storage, finals } = planned;
        let positions = self.positions(*scan.length);
        storage.insert(scan.position(), self.slice(positions, &[], depth));
        storage.extend(scan.const_inputs().into_iter().zip(scan.consts.iter().map(|v| outer[v])));
        for (input, x) in scan.slice_inputs().into_iter().zip(scan.xs) {
            storage.insert(input, self.slice(outer[x], cx.shape(input), depth));
        }
        let condition = scan.while_carry.then(|| {
            let flag = self.spots[storage[&scan.carry_inputs()[0]].number as usize].clone();
            Condition { flag, barrier: false }
        });
        let (items, _) = self.block(&cx, &grouping, storage, depth + 1);
        let after = finals.into_iter().flat_map(|(ty, from, to)| self.copy(ty, from, to, depth + 1)).collect();
        Loop { length: *scan.length, reverse: scan.reverse, condition, shares: None, items, after }
    }

    /// 0, 1, 2, … as a constant.
    fn positions(&mut self, length: usize) -> Spot {
        let data = (0..length as i32).flat_map(i32::to_le_bytes).collect();
        let buffer = self.constant(Type::new(DType::I32, vec![length]), data, "positions");
        self.spot(buffer.into())
    }

    fn copy(&mut self, ty: Type, from: Spot, to: Spot, depth: usize) -> Vec<Item> {
        let mut graph = Graph::new("copy");
        let x = graph.input("x", InputRole::Arg, ty.clone(), Origin::default());
        let op = Op::Reshape { shape: ty.shape.clone() };
        let y = graph.push(op, vec![x], vec![ty], Origin::default())[0];
        graph.output("y", OutputRole::Result, y);
        let cx = Context::body(&graph, vec![]);
        self.block(&cx, &super::group(&cx), Storage::from([(x, from), (y, to)]), depth).0
    }
}

/// A carry that is to be placed, in loop `depth`.
struct Carry<'a> {
    number: usize,
    history: &'a History,
    name: String,
    depth: usize,
}
