//! The interpreter's values: all floats in f64, all integers and bools in i64.

use super::Precision;
use crate::ops::{DType, Literal, Type};
use crate::tensor::data::{Data, Tensor};
use ndarray::{ArrayD, IxDyn};

#[derive(Clone, Debug)]
pub enum Array {
    Float(ArrayD<f64>),
    Int(ArrayD<i64>),
}

/// The same expression on either kind of element; the result is of that kind.
macro_rules! same_kind {
    ($array:expr, $x:ident => $body:expr) => {
        match $array {
            Array::Float($x) => Array::Float($body),
            Array::Int($x) => Array::Int($body),
        }
    };
}
pub(super) use same_kind;

impl Array {
    pub fn float(shape: &[usize], data: Vec<f64>) -> Array {
        Array::Float(ArrayD::from_shape_vec(IxDyn(shape), data).expect("as many elements as the shape says"))
    }

    pub fn int(shape: &[usize], data: Vec<i64>) -> Array {
        Array::Int(ArrayD::from_shape_vec(IxDyn(shape), data).expect("as many elements as the shape says"))
    }

    pub fn zeros(ty: &Type) -> Array {
        let n = ty.elements();
        if ty.dtype.is_float() { Array::float(&ty.shape, vec![0.0; n]) } else { Array::int(&ty.shape, vec![0; n]) }
    }

    pub fn table(literals: &[Literal], shape: &[usize], dtype: DType) -> Result<Array, String> {
        if shape.iter().product::<usize>() != literals.len() {
            return Err(format!("{} elements for shape {shape:?}", literals.len()));
        }
        if dtype.is_float() {
            return Ok(Array::float(shape, literals.iter().map(literal_float).collect()));
        }
        Ok(Array::int(shape, literals.iter().map(literal_int).collect()))
    }

    pub fn iota(shape: &[usize], axis: usize, dtype: DType) -> Array {
        let ints = ArrayD::from_shape_fn(IxDyn(shape), |index| index[axis] as i64);
        if dtype.is_float() { Array::Float(ints.mapv(|i| i as f64)) } else { Array::Int(ints) }
    }

    pub fn is_float(&self) -> bool {
        matches!(self, Array::Float(_))
    }

    pub fn shape(&self) -> &[usize] {
        match self {
            Array::Float(a) => a.shape(),
            Array::Int(a) => a.shape(),
        }
    }

    pub fn floats(&self) -> Result<&ArrayD<f64>, String> {
        match self {
            Array::Float(a) => Ok(a),
            Array::Int(_) => Err("the operation takes floats".into()),
        }
    }

    pub fn ints(&self) -> Result<&ArrayD<i64>, String> {
        match self {
            Array::Int(a) => Ok(a),
            Array::Float(_) => Err("the operation takes integers".into()),
        }
    }

    /// The only element of an integer scalar; other arrays give their first element, or 0.
    pub fn scalar(&self) -> i64 {
        self.ints().ok().and_then(|a| a.first().copied()).unwrap_or(0)
    }

    /// The only element of a scalar.
    pub fn literal(&self, dtype: DType) -> Option<Literal> {
        match self {
            Array::Float(a) => a.first().map(|x| Literal::Float(*x)),
            Array::Int(a) if dtype == DType::Bool => a.first().map(|x| Literal::Bool(*x != 0)),
            Array::Int(a) => a.first().map(|x| Literal::Int(*x)),
        }
    }

    pub fn reshaped(&self, shape: &[usize]) -> Result<Array, String> {
        if shape.iter().product::<usize>() != self.shape().iter().product::<usize>() {
            return Err(format!("cannot reshape {:?} to {shape:?}", self.shape()));
        }
        Ok(same_kind!(self, a => row_major(a, shape)))
    }

    /// Rounded and wrapped to what `dtype` can hold.
    pub fn rounded(self, dtype: DType, precision: Precision) -> Array {
        match self {
            Array::Float(a) => Array::Float(a.mapv_into(|x| round(x, dtype, precision))),
            Array::Int(a) => Array::Int(a.mapv_into(|x| wrap(x, dtype))),
        }
    }

    pub fn from_tensor(tensor: &Tensor) -> Array {
        match &tensor.data {
            Data::F32(_) | Data::F64(_) => Array::float(&tensor.shape, tensor.to_f64()),
            Data::I32(v) => Array::int(&tensor.shape, v.iter().map(|&x| x.into()).collect()),
            Data::I64(v) => Array::int(&tensor.shape, v.clone()),
            Data::U8(v) => Array::int(&tensor.shape, v.iter().map(|&x| x.into()).collect()),
            Data::Bool(v) => Array::int(&tensor.shape, v.iter().map(|&x| x.into()).collect()),
        }
    }

    pub fn to_tensor(&self, dtype: DType, precision: Precision) -> Result<Tensor, String> {
        let data = match (self, dtype) {
            (Array::Float(a), DType::F32) if precision == Precision::F32 => {
                Data::F32(a.iter().map(|&x| x as f32).collect())
            }
            (Array::Float(a), DType::F32 | DType::F64) => Data::F64(a.iter().copied().collect()),
            (Array::Int(a), DType::I32) => Data::I32(a.iter().map(|&x| x as i32).collect()),
            (Array::Int(a), DType::I64) => Data::I64(a.iter().copied().collect()),
            (Array::Int(a), DType::U8) => Data::U8(a.iter().map(|&x| x as u8).collect()),
            (Array::Int(a), DType::Bool) => Data::Bool(a.iter().map(|&x| x != 0).collect()),
            _ => return Err(format!("an output of type {dtype} is not supported")),
        };
        Ok(Tensor { shape: self.shape().to_vec(), data })
    }
}

/// The elements in row-major order, under another shape of as many elements.
pub fn row_major<T: Clone>(a: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), a.iter().cloned().collect()).expect("the caller compares element counts")
}

fn literal_float(literal: &Literal) -> f64 {
    match literal {
        Literal::Float(x) => *x,
        Literal::Int(n) => *n as f64,
        Literal::Bool(b) => *b as u8 as f64,
    }
}

fn literal_int(literal: &Literal) -> i64 {
    match literal {
        Literal::Float(x) => *x as i64,
        Literal::Int(n) => *n,
        Literal::Bool(b) => *b as i64,
    }
}

/// The nearest value of the type, ties to even.
pub fn round(x: f64, dtype: DType, precision: Precision) -> f64 {
    match dtype {
        DType::F32 if precision == Precision::F32 => flush(x as f32) as f64,
        DType::Bf16 => to_significand(x, 8, -126, 3.3895313892515355e38),
        DType::F16 => to_significand(x, 11, -14, 65504.0),
        _ => x,
    }
}

/// Compiled code runs with denormals flushed to zero.
fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0.0_f32.copysign(x) } else { x }
}

/// Rounds to `bits` significant bits with exponents from `min_exponent`; beyond `largest` lies infinity.
fn to_significand(x: f64, bits: i32, min_exponent: i32, largest: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = libm::ilogb(x).max(min_exponent);
    let quantum = 2f64.powi(exponent - bits + 1);
    let rounded = (x / quantum).round_ties_even() * quantum;
    if rounded.abs() > largest { f64::INFINITY.copysign(x) } else { rounded }
}

pub fn wrap(x: i64, dtype: DType) -> i64 {
    match dtype {
        DType::I32 => x as i32 as i64,
        DType::U8 => x as u8 as i64,
        DType::Bool => (x != 0) as i64,
        _ => x,
    }
}
