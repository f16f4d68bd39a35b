//! `checkpoint K`: a loop of T steps as a loop over segments of K steps.
//!
//! The outer loop has a checkpoint in every step: of all segments only what is carried from one to the next is saved, and
//! its backward pass runs the K steps of a segment again. All that a gradient needs besides, and all that is computed
//! for several steps at once, is so for one segment at a time. Steps that do not fill a segment come last in either
//! direction, as a loop of their own: the backward pass starts with them, so there is nothing to gain from computing them
//! again. Where a segment would have all steps, the loop stays as it is.
//!
//! Loops that no gradient passes through are divided as well: they need no more memory than the others.

use super::{in_regions, rewrite};
use crate::ops::{DType, Op};
use crate::tensor::build::{Builder, Loop, ScanArgs, Step};
use crate::tensor::scan::Scan;
use crate::tensor::{Graph, Value};

pub fn segment(graph: Graph) -> Graph {
    rewrite(in_regions(graph, segment), |r, inst| {
        let scan = Scan::of(inst)?;
        steps(&scan).map(|steps| divided(&mut r.b, &scan, steps))
    })
}

/// Steps of a segment, where there are several segments of several steps.
fn steps(scan: &Scan) -> Option<usize> {
    scan.checkpoint.filter(|k| !scan.while_carry && (2..*scan.length).contains(k))
}

/// Appends the loop over segments and the rest; gives the scan's results.
fn divided(b: &mut Builder, scan: &Scan, steps: usize) -> Vec<Value> {
    let (segments, rest) = (scan.length / steps, scan.length % steps);
    let first = if scan.reverse { rest } else { 0 };
    let mut results = over_segments(b, scan, steps, segments, first);
    if rest == 0 {
        return results;
    }
    let divided = results.split_off(scan.inits.len());
    let mut results = over_rest(b, scan, results, segments * steps, rest);
    let remaining = results.split_off(scan.inits.len());
    let joined = divided.into_iter().zip(remaining).map(|(divided, rest)| {
        let parts = if scan.reverse { [rest, divided] } else { [divided, rest] };
        concat(b, parts)
    });
    results.extend(joined.collect::<Vec<_>>());
    results
}

fn over_segments(b: &mut Builder, scan: &Scan, steps: usize, segments: usize, first: usize) -> Vec<Value> {
    let xs: Vec<Value> = scan.xs.iter().map(|x| in_segments(b, *x, first, segments, steps)).collect();
    let how = Loop { length: segments, reverse: scan.reverse, while_carry: false, checkpoint: Some(1) };
    let args = ScanArgs { consts: scan.consts, inits: scan.inits, xs: &xs };
    let mut results = b.scan(how, args, |b, step| {
        let start = b.scale(step.position, steps as f64);
        let from = b.shift(start, first as f64);
        let mut next = part(b, scan, steps, from, step);
        let ys = next.split_off(scan.inits.len());
        [next, ys]
    });
    let ys = results.split_off(scan.inits.len());
    results.extend(ys.into_iter().map(|y| b.merge_leading(y)));
    results
}

/// The steps beside the segments, with the carries that the segments give.
fn over_rest(b: &mut Builder, scan: &Scan, carries: Vec<Value>, divided: usize, rest: usize) -> Vec<Value> {
    let from = if scan.reverse { 0 } else { divided };
    let xs = scan.xs.iter().map(|x| rows(b, *x, from, rest)).collect();
    let position = b.scalar(from as f64, DType::I32);
    let step = Step { position, consts: scan.consts.to_vec(), carries, slices: xs };
    part(b, scan, rest, position, &step)
}

/// Some steps in a row, from position `from` on.
fn part(b: &mut Builder, scan: &Scan, steps: usize, from: Value, of: &Step) -> Vec<Value> {
    let how = Loop { reverse: scan.reverse, ..Loop::over(steps) };
    let consts = [&of.consts[..], &[from]].concat();
    let args = ScanArgs { consts: &consts, inits: &of.carries, xs: &of.slices };
    b.scan(how, args, |b, step| {
        let (from, consts) = step.consts.split_last().expect("the first position");
        let position = b.add(step.position, *from);
        let inputs = [&[position], consts, &step.carries, &step.slices].concat();
        let mut next = b.splice(scan.body, &inputs);
        let ys = next.split_off(scan.inits.len());
        [next, ys]
    })
}

fn rows(b: &mut Builder, x: Value, from: usize, count: usize) -> Value {
    let mut size = b.shape(x);
    if size[0] == count {
        return x;
    }
    size[0] = count;
    let mut start = vec![0; size.len()];
    start[0] = from;
    b.slice(x, &start, &size, &vec![1; size.len()])
}

/// `[segments, steps, …]`
fn in_segments(b: &mut Builder, x: Value, from: usize, segments: usize, steps: usize) -> Value {
    let part = rows(b, x, from, segments * steps);
    let shape = [&[segments, steps], &b.shape(x)[1..]].concat();
    b.reshape(part, &shape)
}

fn concat(b: &mut Builder, parts: [Value; 2]) -> Value {
    let mut ty = b.ty(parts[0]);
    ty.shape[0] += b.shape(parts[1])[0];
    b.op(Op::Concat { axis: 0 }, &parts, ty)
}
