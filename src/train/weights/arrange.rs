//! Moving the elements of stored tensors: element types, the order of axes, joining and splitting.

use crate::ops::{DType, Type};
use crate::train::checkpoint::Tensor;

/// Elements in another type: floats to floats, and every type to itself; `None` for other pairs.
pub(super) fn converted(bytes: &[u8], from: DType, to: DType) -> Option<Vec<u8>> {
    match (from, to) {
        _ if from == to => Some(bytes.to_vec()),
        (DType::Bf16, DType::F32) => Some(each(bytes, |[a, b]| [0, 0, a, b])),
        (DType::F16, DType::F32) => Some(each(bytes, |half| wide(u16::from_le_bytes(half)).to_le_bytes())),
        (DType::F64, DType::F32) => Some(each(bytes, |double| (f64::from_le_bytes(double) as f32).to_le_bytes())),
        _ => None,
    }
}

fn each<const N: usize, const M: usize>(bytes: &[u8], of: impl Fn([u8; N]) -> [u8; M]) -> Vec<u8> {
    bytes.as_chunks::<N>().0.iter().flat_map(|element| of(*element)).collect()
}

/// An IEEE half, exactly: 1 sign, 5 exponent, 10 fraction bits.
fn wide(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(half >> 10 & 0x1f), u32::from(half & 0x3ff));
    match exponent {
        // Subnormal halves are normal in f32: the fraction counts in units of 2^-24.
        0 => f32::from_bits(sign | (fraction as f32 / (1 << 24) as f32).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// Axis i of the result is axis `order[i]` of the tensor.
pub(super) fn permuted(tensor: &Tensor, order: &[usize]) -> Tensor {
    if order.iter().copied().eq(0..order.len()) {
        return tensor.clone();
    }
    let shape: Vec<usize> = order.iter().map(|&axis| tensor.ty.shape[axis]).collect();
    let strides = strides(&tensor.ty.shape);
    let steps: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
    let size = tensor.ty.dtype.size();
    let mut bytes = Vec::with_capacity(tensor.bytes.len());
    append(&tensor.bytes, size, &shape, &steps, 0, &mut bytes);
    Tensor { name: tensor.name.clone(), ty: Type::new(tensor.ty.dtype, shape), bytes }
}

/// Appends the elements of a view in row-major order.
fn append(from: &[u8], size: usize, shape: &[usize], steps: &[usize], at: usize, out: &mut Vec<u8>) {
    let element = |i: usize| &from[i * size..(i + 1) * size];
    match (shape, steps) {
        ([n, shape @ ..], [step, steps @ ..]) if !shape.is_empty() => {
            (0..*n).for_each(|i| append(from, size, shape, steps, at + i * step, out));
        }
        ([n], [step]) => (0..*n).for_each(|i| out.extend_from_slice(element(at + i * step))),
        _ => out.extend_from_slice(element(at)),
    }
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Bytes of all that one position of the axes before `axis` has.
fn row(ty: &Type, axis: usize) -> usize {
    ty.dtype.size() * ty.shape[axis..].iter().product::<usize>()
}

/// Tensors one after the other along an axis; their other dimensions are equal.
pub(super) fn join(mut parts: Vec<Tensor>, axis: usize) -> Tensor {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut ty = parts[0].ty.clone();
    let rows: usize = ty.shape[..axis].iter().product();
    ty.shape[axis] = parts.iter().map(|p| p.ty.shape[axis]).sum();
    let of = |part: &Tensor, i: usize| {
        let n = row(&part.ty, axis);
        part.bytes[i * n..(i + 1) * n].to_vec()
    };
    let bytes = (0..rows).flat_map(|i| parts.iter().flat_map(move |part| of(part, i))).collect();
    Tensor { name: String::new(), ty, bytes }
}

/// The parts of these lengths along an axis.
pub(super) fn split(whole: &Tensor, axis: usize, lengths: &[usize]) -> Vec<Tensor> {
    let rows: usize = whole.ty.shape[..axis].iter().product();
    let stride = row(&whole.ty, axis);
    let mut start = 0;
    let mut part = |length: &usize| {
        let mut ty = whole.ty.clone();
        ty.shape[axis] = *length;
        let n = row(&ty, axis);
        let bytes = (0..rows).flat_map(|i| whole.bytes[i * stride + start..][..n].to_vec()).collect();
        start += n;
        Tensor { name: String::new(), ty, bytes }
    };
    lengths.iter().map(&mut part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize]) -> Tensor {
        let count = shape.iter().product::<usize>() as i32;
        let bytes = (0..count).flat_map(i32::to_le_bytes).collect();
        Tensor { name: "t".into(), ty: Type::new(DType::I32, shape.to_vec()), bytes }
    }

    fn numbers(tensor: &Tensor) -> Vec<i32> {
        tensor.bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect()
    }

    #[test]
    fn axes_change_places_and_come_back() {
        let t = tensor(&[2, 3]);
        let turned = permuted(&t, &[1, 0]);
        assert_eq!((&turned.ty.shape[..], numbers(&turned)), (&[3, 2][..], vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(permuted(&turned, &[1, 0]), t);
        let t = tensor(&[2, 3, 5, 7]);
        assert_eq!(permuted(&permuted(&t, &[2, 3, 1, 0]), &[3, 2, 0, 1]), t);
        assert_eq!(permuted(&tensor(&[]), &[]), tensor(&[]));
        assert_eq!(permuted(&tensor(&[2, 0, 3]), &[2, 1, 0]).ty.shape, [3, 0, 2]);
    }

    #[test]
    fn what_is_split_is_joined_again() {
        for (shape, axis, lengths) in [(&[7, 3][..], 0, [4, 3]), (&[2, 7], 1, [1, 6]), (&[2, 5, 3], 1, [5, 0])] {
            let t = Tensor { name: String::new(), ..tensor(shape) };
            let parts = split(&t, axis, &lengths);
            assert_eq!(parts[0].ty.shape[axis], lengths[0]);
            assert_eq!(join(parts, axis), t);
        }
        assert_eq!(numbers(&split(&tensor(&[2, 3]), 1, &[1, 2])[1]), [1, 2, 4, 5]);
    }

    #[test]
    fn halves_become_floats_exactly() {
        let halves: [(u16, f32); 9] = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5),
            (0x7c00, f32::INFINITY),
        ];
        for (half, float) in halves {
            assert_eq!(wide(half).to_bits(), float.to_bits(), "{half:04x}");
        }
        assert!(wide(0x7e01).is_nan());
    }

    #[test]
    fn brain_floats_are_the_upper_half() {
        let bytes = [0x80, 0x3f, 0x49, 0xc0];
        let floats = converted(&bytes, DType::Bf16, DType::F32).unwrap();
        let floats: Vec<f32> = floats.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!(floats, [1.0, -3.140_625]);
        assert_eq!(converted(&bytes, DType::I32, DType::F32), None);
    }
}
