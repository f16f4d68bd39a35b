//! Buffers of the interpreter: typed vectors in the order of memory (see [`Param::elements`] and `Layout`).

use crate::ops::DType;
use crate::tile::{Layout, Param};

#[derive(Clone, PartialEq, Debug)]
pub enum BufferData {
    F32(Vec<f32>),
    I32(Vec<i32>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
}

impl BufferData {
    /// Zeros for a parameter. Panics for element types that kernels do not have.
    pub fn zeros(param: &Param) -> BufferData {
        let n = param.elements();
        match param.dtype {
            DType::F32 => BufferData::F32(vec![0.0; n]),
            DType::I32 => BufferData::I32(vec![0; n]),
            DType::U8 => BufferData::U8(vec![0; n]),
            DType::Bool => BufferData::Bool(vec![false; n]),
            other => panic!("kernels have no buffers of {other}"),
        }
    }

    /// Data given in logical (row-major) order, laid out as the parameter wants it; padding is zero.
    pub fn laid_out(param: &Param, logical: &BufferData) -> BufferData {
        let mut out = BufferData::zeros(param);
        for (from, to) in addresses(param).enumerate() {
            out.set(to, logical.get(from));
        }
        out
    }

    /// The elements in logical (row-major) order.
    pub fn logical(&self, param: &Param) -> BufferData {
        let mut out = BufferData::zeros(&Param { layout: Layout::RowMajor, ..param.clone() });
        for (to, from) in addresses(param).enumerate() {
            out.set(to, self.get(from));
        }
        out
    }

    /// The element as 32 bits: f32 and i32 as they are, u8 and bool widened.
    pub fn get(&self, at: usize) -> u32 {
        match self {
            BufferData::F32(data) => data[at].to_bits(),
            BufferData::I32(data) => data[at] as u32,
            BufferData::U8(data) => data[at].into(),
            BufferData::Bool(data) => data[at].into(),
        }
    }

    /// The reverse of `get`; u8 takes the low byte.
    pub fn set(&mut self, at: usize, bits: u32) {
        match self {
            BufferData::F32(data) => data[at] = f32::from_bits(bits),
            BufferData::I32(data) => data[at] = bits as i32,
            BufferData::U8(data) => data[at] = bits as u8,
            BufferData::Bool(data) => data[at] = bits != 0,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            BufferData::F32(data) => data.len(),
            BufferData::I32(data) => data.len(),
            BufferData::U8(data) => data.len(),
            BufferData::Bool(data) => data.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Addresses of the elements of a parameter in logical order.
fn addresses(param: &Param) -> impl Iterator<Item = usize> + '_ {
    let count: usize = param.shape.iter().product();
    (0..count).map(|element| param.layout.position(&param.shape, element))
}
