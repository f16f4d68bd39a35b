//! Cases of attention and its gradients: masks, biases shared by batch or heads, groups, dropped weights.

use super::cases::{Case, around, floats};
use super::{Function, What, program};
use nnc::ops::shape::infer;
use nnc::ops::{DType, Op, Scores, Type};
use nnc::tensor::build::Builder;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::{Origin, Value};

/// Sizes B, H, G, T, S, D, E.
type Sizes = [usize; 7];

const PLAIN: Scores =
    Scores { scale: 0.7, causal: false, masked: false, biased: false, keep: None, empty_is_zero: false };

fn bools(shape: &[usize], truth: impl Fn(usize) -> bool) -> Tensor {
    Tensor::new(shape.to_vec(), Data::Bool((0..shape.iter().product()).map(truth).collect())).unwrap()
}

/// q, k, v, mask, bias and keep. Every query sees the first key.
fn arguments(scores: &Scores, [b, h, g, t, s, d, e]: Sizes, bias: [usize; 2]) -> Vec<Tensor> {
    let mut args = vec![floats(&[b, h, t, d], 1), floats(&[b, g, s, d], 2), floats(&[b, g, s, e], 3)];
    if scores.masked {
        args.push(bools(&[b, h, t, s], |i| i % 3 != 1 || i % s == 0));
    }
    if scores.biased {
        args.push(floats(&[bias[0], bias[1], t, s], 4));
    }
    if scores.keep.is_some() {
        args.push(bools(&[b, h, t, s], |i| i % 4 != 2));
    }
    args
}

fn case(op: Op, args: Vec<Tensor>) -> Case {
    let ty = |t: &Tensor| Type::new(if t.dtype() == DType::F64 { DType::F32 } else { t.dtype() }, t.shape.clone());
    let types: Vec<Type> = args.iter().map(ty).collect();
    let results = infer(&op, &types.iter().collect::<Vec<_>>()).unwrap().unwrap();
    Case { op, args, results, regions: vec![] }
}

/// Of the operation itself and of its gradients, with a log-sum that need not be the true one.
fn family(scores: Scores, sizes: Sizes, bias: [usize; 2]) -> Vec<Case> {
    let args = arguments(&scores, sizes, bias);
    let [b, h, _, t, _, _, e] = sizes;
    let adjoints = [around(2.0, 0.5, &[b, h, t], 5), floats(&[b, h, t, e], 6), floats(&[b, h, t], 7)];
    let all = [args.clone(), adjoints.to_vec()].concat();
    let mut cases = vec![case(Op::AttentionGrad { scores }, all.clone())];
    if scores.biased {
        cases.push(case(Op::AttentionBiasGrad { scores }, all));
    }
    cases.push(case(Op::Attention { scores }, args));
    cases
}

pub fn cases() -> Vec<Case> {
    let small: Sizes = [2, 2, 2, 3, 3, 2, 3];
    let empty_is_zero = true;
    [
        family(PLAIN, [1, 1, 1, 1, 1, 1, 1], [1, 1]),
        family(PLAIN, [1, 4, 2, 2, 3, 2, 1], [1, 1]),
        family(Scores { causal: true, ..PLAIN }, [1, 1, 1, 2, 4, 3, 2], [1, 1]),
        family(Scores { biased: true, scale: 1.0, ..PLAIN }, small, [2, 2]),
        family(Scores { biased: true, causal: true, ..PLAIN }, small, [1, 2]),
        family(Scores { masked: true, empty_is_zero, ..PLAIN }, small, [1, 1]),
        family(Scores { masked: true, biased: true, empty_is_zero, causal: true, ..PLAIN }, small, [2, 1]),
        family(Scores { keep: Some(1.25), ..PLAIN }, small, [1, 1]),
        family(Scores { keep: Some(2.0), masked: true, biased: true, empty_is_zero, ..PLAIN }, small, [1, 1]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A query that sees nothing gives 0 and takes no gradient (pytorch#103963); NaN or infinity at a key that it does not
/// see changes nothing (pytorch#101967).
#[test]
fn what_is_hidden_does_not_count() {
    let scores = Scores { masked: true, biased: true, empty_is_zero: true, keep: Some(2.0), ..PLAIN };
    let mut args = arguments(&scores, [1, 2, 1, 3, 4, 2, 2], [1, 2]);
    // Nobody sees the last key, and the second query of each head no key.
    args[3] = bools(&[1, 2, 3, 4], |i| i % 4 != 3 && i / 4 % 3 != 1);
    let clean = gradients(scores, &args);
    assert!(clean.iter().flatten().all(|x| x.is_finite()), "{clean:?}");
    for head in 0..2 {
        let at = |width: usize| head * 3 * width + width..head * 3 * width + 2 * width;
        assert!(clean[0][at(2)].iter().chain(&clean[4][at(4)]).all(|x| *x == 0.0), "{clean:?}");
    }
    for garbage in [f64::NAN, f64::INFINITY] {
        let mut dirty = args.clone();
        for bias in 0..6 {
            set(&mut dirty[4], bias * 4 + 3, garbage);
        }
        assert_eq!(gradients(scores, &dirty), clean);
    }
}

fn set(tensor: &mut Tensor, at: usize, x: f64) {
    let Data::F64(data) = &mut tensor.data else { unreachable!("floats") };
    data[at] = x;
}

/// Of Σ w o², by each argument (empty for those that are not floats).
fn gradients(scores: Scores, args: &[Tensor]) -> Vec<Vec<f64>> {
    let types = case(Op::Attention { scores }, args.to_vec()).results;
    let body = |b: &mut Builder, args: &[Value]| {
        let op = Op::Attention { scores };
        b.graph.push(op, args.to_vec(), types.clone(), Origin::default())[0]
    };
    let function = Function { name: "attention".into(), args: args.to_vec(), body: Box::new(body) };
    let mut found = program(&function, What::Gradients).run(args).into_iter();
    args.iter().map(|a| if a.dtype() == DType::F64 { found.next().unwrap() } else { vec![] }).collect()
}
