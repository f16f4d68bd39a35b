//! Elementwise operations.

use super::Precision;
use super::array::{Array, round, wrap};
use crate::ops::{Binary, Compare, DType, Unary};
use ndarray::{ArrayD, Zip};

pub fn unary(op: Unary, x: &Array, dtype: DType) -> Result<Array, String> {
    match x {
        Array::Float(a) => {
            let f = float_unary(op).ok_or_else(|| format!("{op:?} is not defined on floats"))?;
            Ok(Array::Float(a.mapv(f)))
        }
        Array::Int(a) => {
            let f = int_unary(op, dtype).ok_or_else(|| format!("{op:?} is not defined on {dtype}"))?;
            Ok(Array::Int(a.mapv(f)))
        }
    }
}

fn float_unary(op: Unary) -> Option<fn(f64) -> f64> {
    Some(match op {
        Unary::Neg => |x| -x,
        Unary::Abs => f64::abs,
        Unary::Sign => sign,
        Unary::Floor => f64::floor,
        Unary::Ceil => f64::ceil,
        Unary::RoundEven => f64::round_ties_even,
        Unary::Sqrt => f64::sqrt,
        Unary::Exp => libm::exp,
        Unary::Expm1 => libm::expm1,
        Unary::Log => libm::log,
        Unary::Log1p => libm::log1p,
        Unary::Sin => libm::sin,
        Unary::Cos => libm::cos,
        Unary::Tanh => libm::tanh,
        Unary::Erf => libm::erf,
        Unary::Not => return None,
    })
}

fn sign(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

fn int_unary(op: Unary, dtype: DType) -> Option<fn(i64) -> i64> {
    Some(match op {
        Unary::Neg => i64::wrapping_neg,
        Unary::Abs => i64::wrapping_abs,
        Unary::Sign => i64::signum,
        Unary::Not if dtype == DType::Bool => |x| 1 - x,
        Unary::Not => |x| !x,
        _ => return None,
    })
}

pub fn binary(op: Binary, a: &Array, b: &Array, dtype: DType, precision: Precision) -> Result<Array, String> {
    match (a, b) {
        (Array::Float(a), Array::Float(b)) => {
            let undefined = || format!("{op:?} is not defined on floats");
            let r = |x| round(x, dtype, precision);
            zip(a, b, |a, b| float_binary(op, a, b, r)).and_then(|a| all(a, undefined)).map(Array::Float)
        }
        (Array::Int(a), Array::Int(b)) => {
            let undefined = || format!("{op:?} is not defined on {dtype}");
            zip(a, b, |a, b| int_binary(op, a, b, dtype)).and_then(|a| all(a, undefined)).map(Array::Int)
        }
        _ => Err("the arguments have different types".into()),
    }
}

/// `r` rounds intermediate results, which decide what a floor gives.
fn float_binary(op: Binary, a: f64, b: f64, r: impl Fn(f64) -> f64) -> Option<f64> {
    Some(match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => libm::pow(a, b),
        Binary::Max => extreme(a, b, a > b),
        Binary::Min => extreme(a, b, a < b),
        Binary::FloorDiv => r(a / b).floor(),
        Binary::Rem => a - r(b * r(a / b).floor()),
        _ => return None,
    })
}

/// NaN where one is NaN, else the first where it is strictly better, else the second.
pub fn extreme(a: f64, b: f64, first: bool) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if first {
        a
    } else {
        b
    }
}

fn int_binary(op: Binary, a: i64, b: i64, dtype: DType) -> Option<i64> {
    Some(match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Sub => a.wrapping_sub(b),
        Binary::Mul => a.wrapping_mul(b),
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::FloorDiv => floor_div(a, b),
        Binary::Rem if b == 0 => 0,
        Binary::Rem => a.wrapping_sub(b.wrapping_mul(floor_div(a, b))),
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
        Binary::Shl => shift(a, b, dtype, |bits, by| bits << by),
        Binary::Shr => shift(a, b, dtype, |bits, by| bits >> by),
        Binary::Div | Binary::Pow => return None,
    })
}

fn floor_div(a: i64, b: i64) -> i64 {
    if b == 0 {
        return 0;
    }
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

fn shift(a: i64, by: i64, dtype: DType, f: impl Fn(u64, u32) -> u64) -> i64 {
    let width = dtype.size() as i64 * 8;
    if !(0..width).contains(&by) {
        return 0;
    }
    let bits = if width == 64 { a as u64 } else { a as u64 & ((1 << width) - 1) };
    wrap(f(bits, by as u32) as i64, dtype)
}

pub fn compare(op: Compare, a: &Array, b: &Array) -> Result<Array, String> {
    match (a, b) {
        (Array::Float(a), Array::Float(b)) => zip(a, b, |a, b| holds(op, &a, &b) as i64).map(Array::Int),
        (Array::Int(a), Array::Int(b)) => zip(a, b, |a, b| holds(op, &a, &b) as i64).map(Array::Int),
        _ => Err("the arguments have different types".into()),
    }
}

fn holds<T: PartialOrd>(op: Compare, a: &T, b: &T) -> bool {
    match op {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
    }
}

pub fn select(cond: &Array, then: &Array, otherwise: &Array) -> Result<Array, String> {
    let cond = cond.ints()?;
    match (then, otherwise) {
        (Array::Float(a), Array::Float(b)) => choose(cond, a, b).map(Array::Float),
        (Array::Int(a), Array::Int(b)) => choose(cond, a, b).map(Array::Int),
        _ => Err("the branches have different types".into()),
    }
}

fn choose<T: Copy>(cond: &ArrayD<i64>, a: &ArrayD<T>, b: &ArrayD<T>) -> Result<ArrayD<T>, String> {
    if cond.shape() != a.shape() || a.shape() != b.shape() {
        return Err(format!("shapes differ: {:?}, {:?}, {:?}", cond.shape(), a.shape(), b.shape()));
    }
    Ok(Zip::from(cond).and(a).and(b).map_collect(|&c, &x, &y| if c != 0 { x } else { y }))
}

pub fn cast(x: &Array, to: DType) -> Array {
    match x {
        Array::Float(a) if to.is_float() => Array::Float(a.clone()),
        Array::Float(a) if to == DType::Bool => Array::Int(a.mapv(|x| (x != 0.0) as i64)),
        Array::Float(a) => Array::Int(a.mapv(|x| saturate(x as i64, to))),
        Array::Int(a) if to.is_float() => Array::Float(a.mapv(|x| x as f64)),
        Array::Int(a) => Array::Int(a.mapv(|x| saturate(x, to))),
    }
}

fn saturate(x: i64, to: DType) -> i64 {
    match to {
        DType::I32 => x.clamp(i32::MIN.into(), i32::MAX.into()),
        DType::U8 => x.clamp(0, 255),
        DType::Bool => (x != 0) as i64,
        _ => x,
    }
}

pub fn bitcast(x: &Array, from: DType, to: DType) -> Result<Array, String> {
    match (x, from, to) {
        (Array::Float(a), DType::F32, DType::I32) => Ok(Array::Int(a.mapv(|x| (x as f32).to_bits() as i32 as i64))),
        (Array::Int(a), DType::I32, DType::F32) => Ok(Array::Float(a.mapv(|x| f32::from_bits(x as u32) as f64))),
        (Array::Float(a), DType::F64, DType::I64) => Ok(Array::Int(a.mapv(|x| x.to_bits() as i64))),
        (Array::Int(a), DType::I64, DType::F64) => Ok(Array::Float(a.mapv(|x| f64::from_bits(x as u64)))),
        _ if from == to => Ok(x.clone()),
        _ => Err(format!("a bitcast from {from} to {to} is not supported")),
    }
}

fn zip<T: Copy, R>(a: &ArrayD<T>, b: &ArrayD<T>, f: impl Fn(T, T) -> R) -> Result<ArrayD<R>, String> {
    if a.shape() != b.shape() {
        return Err(format!("shapes differ: {:?} and {:?}", a.shape(), b.shape()));
    }
    Ok(Zip::from(a).and(b).map_collect(|&x, &y| f(x, y)))
}

fn all<T: Copy>(a: ArrayD<Option<T>>, undefined: impl Fn() -> String) -> Result<ArrayD<T>, String> {
    match a.iter().copied().collect::<Option<Vec<T>>>() {
        Some(elements) => Ok(ArrayD::from_shape_vec(a.raw_dim(), elements).expect("same shape")),
        None => Err(undefined()),
    }
}
