//! Loops with checkpoints: how they are divided, and what stays in a segment.

use super::scans::{gradients_of_language_model, inside, is_dot, loops, outside, ports};
use super::{matmul, optimized, program};
use crate::ops::{DType, Op, Type, Unary};
use crate::passes::{GRAD, OPT};
use crate::tensor::Graph;
use crate::tensor::build::{Builder, Loop, ScanArgs};

/// h ← sin(x W + h V + t), all h, and h after the last step; the outputs stay the same around each pass.
fn recurrent(how: Loop) -> Graph {
    let graph = program(&[&[3, 4], &[4, 4], &[2, 4], &[how.length, 2, 3]], |b, x| {
        let args = ScanArgs { consts: &x[..2], inits: &x[2..3], xs: &x[3..] };
        b.scan(how, args, |b, step| {
            let from_x = matmul(b, step.slices[0], step.consts[0], 4);
            let from_h = matmul(b, step.carries[0], step.consts[1], 4);
            let position = b.cast(step.position, DType::F32);
            let position = b.broadcast(position, &[2, 4], &[]);
            let sum = b.add(from_x, from_h);
            let sum = b.add(sum, position);
            let h = b.unary(Unary::Sin, sum);
            [vec![h], vec![h]]
        })
    });
    optimized(graph, &[GRAD, OPT].concat())
}

fn lengths(graph: &Graph) -> Vec<usize> {
    let length = |op: &Op| if let Op::Scan { length, .. } = op { *length } else { unreachable!("a loop") };
    loops(graph).into_iter().map(|inst| length(&inst.op)).collect()
}

#[test]
fn segments_and_a_rest() {
    for reverse in [false, true] {
        let divided = |length, k| lengths(&recurrent(Loop { reverse, checkpoint: Some(k), ..Loop::over(length) }));
        assert_eq!(divided(6, 3), [2, 3]);
        assert_eq!(divided(8, 3), [2, 3, 2]);
        // One step more is no loop.
        assert_eq!(divided(7, 3), [2, 3]);
        // A segment of one step, of all, and of more than there are.
        assert_eq!(divided(6, 1), [6]);
        assert_eq!(divided(6, 6), [6]);
        assert_eq!(divided(6, 9), [6]);
    }
}

/// The product of the inputs is one a segment, and not one for all of them.
#[test]
fn products_stay_in_their_segment() {
    let products = |checkpoint| {
        let graph = recurrent(Loop { checkpoint, ..Loop::over(6) });
        let steps = loops(&graph).pop().expect("a loop").regions[0].insts.iter().filter(|i| is_dot(&i.op)).count();
        (steps, inside(&graph, is_dot), outside(&graph, is_dot))
    };
    assert_eq!(products(None), (1, 1, 1));
    assert_eq!(products(Some(3)), (1, 2, 0));
    assert_eq!(products(Some(1)), (2, 2, 0));
}

/// A weight gradient is one product a segment; only the loop over the segments adds them up.
#[test]
fn a_recurrent_net_accumulates_by_segments() {
    let graph = gradients_of_language_model(Loop { checkpoint: Some(3), ..Loop::over(6) });
    // Forward, and backward, where the steps run again before their gradient.
    assert_eq!(lengths(&graph), [2, 3, 2, 3, 3], "{graph}");
    let outer: Vec<&Graph> = graph.insts.iter().flat_map(|inst| &inst.regions).collect();
    let dots: Vec<usize> = outer.iter().map(|body| outside(body, is_dot)).collect();
    // The rows by the first weights and the logits; the rows again, both of them backward, and five weight gradients.
    assert_eq!(dots, [2, 1 + 2 + 5], "{graph}");
    // In a step what depends on the step before: three products of states, and as many of their adjoints.
    assert_eq!(outer.iter().map(|body| inside(body, is_dot)).sum::<usize>(), 3 + 3 + 3, "{graph}");
    assert_eq!(outside(&graph, is_dot), 0, "{graph}");
    // The loops over steps carry the four states or their adjoints, the backward one over segments eight gradients more.
    let carries = |op: &Op| if let Op::Scan { carries, .. } = op { *carries } else { unreachable!("a loop") };
    assert_eq!(loops(&graph).iter().map(|inst| carries(&inst.op)).collect::<Vec<_>>(), [4, 4, 4 + 8, 4, 4], "{graph}");
}

/// With a checkpoint in every step a sum moves only where the loop has all that it is of: Σ aᵀb, but not Σ aᵀh.
#[test]
fn only_sums_of_what_is_stacked_move() {
    let graph = program(&[&[3, 4], &[3, 4], &[2, 4], &[5, 2, 3], &[5, 2, 4]], |b, x| {
        let args = ScanArgs { consts: &[], inits: &x[..3], xs: &x[3..] };
        let how = Loop { checkpoint: Some(1), ..Loop::over(5) };
        b.scan(how, args, |b, step| {
            let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![0], rhs_contract: vec![0] };
            let product = |b: &mut Builder, right| {
                let ty = Type::new(DType::F32, vec![3, 4]);
                b.op(op.clone(), &[step.slices[0], right], ty)
            };
            let (of_xs, of_state) = (product(b, step.slices[1]), product(b, step.carries[2]));
            let h = b.mul(step.carries[2], step.slices[1]);
            let (first, second) = (b.add(step.carries[0], of_xs), b.add(step.carries[1], of_state));
            [vec![first, second, h], vec![]]
        })
    });
    let graph = optimized(graph, OPT);
    assert_eq!((inside(&graph, is_dot), outside(&graph, is_dot)), (1, 1), "{graph}");
    assert_eq!(ports(&graph), [0, 2, 2, 0], "{graph}");
}
