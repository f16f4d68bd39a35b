//! `checkpoint K`: a loop of T steps as a loop over chunks of K steps.
//!
//! The outer loop saves only what it carries from chunk to chunk; its backward pass runs the K steps again. The steps
//! that do not fill a chunk come last in either direction, as a loop of their own: the backward pass starts with them,
//! so there is nothing to gain from computing them again.

use crate::ops::{Binary, DType, Op};
use crate::tensor::build::{Builder, Loop, ScanArgs, Step};
use crate::tensor::scan::Scan;
use crate::tensor::{Inst, Value};

/// Whether the checkpoints divide the loop.
pub fn divides(inst: &Inst) -> bool {
    Scan::of(inst).is_some_and(|scan| !scan.while_carry && steps(&scan).is_some())
}

/// Steps of a chunk, where there are several chunks of several steps.
fn steps(scan: &Scan) -> Option<usize> {
    scan.checkpoint.filter(|k| (2..*scan.length).contains(k))
}

/// Appends the loop over chunks and the rest; gives the scan's results.
pub fn chunked(b: &mut Builder, inst: &Inst) -> Vec<Value> {
    let scan = Scan::of(inst).expect("the caller has a scan");
    let steps = steps(&scan).expect("the caller has checked that there are chunks");
    let (chunks, rest) = (scan.length / steps, scan.length % steps);
    let first = if scan.reverse { rest } else { 0 };
    let mut results = over_chunks(b, &scan, steps, chunks, first);
    if rest == 0 {
        return results;
    }
    let chunked = results.split_off(scan.inits.len());
    let mut results = over_rest(b, &scan, results, chunks * steps, rest);
    let remaining = results.split_off(scan.inits.len());
    let joined = chunked.into_iter().zip(remaining).map(|(chunked, rest)| {
        let parts = if scan.reverse { [rest, chunked] } else { [chunked, rest] };
        concat(b, parts)
    });
    results.extend(joined.collect::<Vec<_>>());
    results
}

fn over_chunks(b: &mut Builder, scan: &Scan, steps: usize, chunks: usize, first: usize) -> Vec<Value> {
    let xs: Vec<Value> = scan.xs.iter().map(|x| in_chunks(b, *x, first, chunks, steps)).collect();
    let how = Loop { length: chunks, reverse: scan.reverse, while_carry: false, checkpoint: Some(1) };
    let args = ScanArgs { consts: scan.consts, inits: scan.inits, xs: &xs };
    let mut results = b.scan(how, args, |b, step| {
        let chunk = scaled(b, step.position, steps);
        let from = shifted(b, chunk, first);
        let mut next = part(b, scan, steps, from, step);
        let ys = next.split_off(scan.inits.len());
        [next, ys]
    });
    let ys = results.split_off(scan.inits.len());
    results.extend(ys.into_iter().map(|y| b.merge_leading(y)));
    results
}

/// The steps beside the chunks, with the carries that the chunks give.
fn over_rest(b: &mut Builder, scan: &Scan, carries: Vec<Value>, chunked: usize, rest: usize) -> Vec<Value> {
    let from = if scan.reverse { 0 } else { chunked };
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

fn scaled(b: &mut Builder, x: Value, by: usize) -> Value {
    let factor = b.scalar(by as f64, DType::I32);
    b.binary(Binary::Mul, x, factor)
}

fn shifted(b: &mut Builder, x: Value, by: usize) -> Value {
    let offset = b.scalar(by as f64, DType::I32);
    b.add(x, offset)
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

/// `[chunks, steps, …]`
fn in_chunks(b: &mut Builder, x: Value, from: usize, chunks: usize, steps: usize) -> Value {
    let part = rows(b, x, from, chunks * steps);
    let shape = [&[chunks, steps], &b.shape(x)[1..]].concat();
    b.reshape(part, &shape)
}

fn concat(b: &mut Builder, parts: [Value; 2]) -> Value {
    let mut ty = b.ty(parts[0]);
    ty.shape[0] += b.shape(parts[1])[0];
    b.op(Op::Concat { axis: 0 }, &parts, ty)
}
