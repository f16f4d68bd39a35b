//! Loops: the body runs once for each position.

use super::array::{Array, same_kind};
use super::{InterpError, Precision, run_region};
use crate::ops::Type;
use crate::tensor::Inst;
use crate::tensor::scan::Scan;
use ndarray::Axis;

/// The last carries and the stacked results.
pub fn run(inst: &Inst, args: &[&Array], types: &[&Type], precision: Precision) -> Result<Vec<Array>, InterpError> {
    let scan = Scan::of(inst).expect("the caller has a scan");
    let (consts, rest) = args.split_at(scan.consts.len());
    let (inits, xs) = rest.split_at(scan.inits.len());
    let mut carries: Vec<Array> = inits.iter().map(|a| (*a).clone()).collect();
    let mut ys: Vec<Array> = types[carries.len()..].iter().map(|ty| Array::zeros(ty)).collect();
    for at in scan.positions() {
        if scan.while_carry && carries[0].scalar() == 0 {
            break;
        }
        let slices = xs.iter().map(|x| slice(x, at));
        let position = Array::int(&[], vec![at as i64]);
        let consts = consts.iter().map(|a| (*a).clone());
        let inputs = std::iter::once(position).chain(consts).chain(carries).chain(slices).collect();
        let mut results = run_region(scan.body, inputs, precision)?.into_iter();
        carries = results.by_ref().take(inits.len()).collect();
        ys.iter_mut().zip(results).for_each(|(y, slice)| place(y, at, &slice));
    }
    carries.extend(ys);
    Ok(carries)
}

fn slice(x: &Array, at: usize) -> Array {
    same_kind!(x, a => a.index_axis(Axis(0), at).to_owned())
}

fn place(y: &mut Array, at: usize, slice: &Array) {
    match (y, slice) {
        (Array::Float(y), Array::Float(slice)) => y.index_axis_mut(Axis(0), at).assign(slice),
        (Array::Int(y), Array::Int(slice)) => y.index_axis_mut(Axis(0), at).assign(slice),
        _ => unreachable!("the verifier compares the types"),
    }
}
