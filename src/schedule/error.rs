//! Errors of the back end.

use crate::diag::{Code, Diagnostic};
use crate::ops::{DType, Op};
use crate::tensor::Inst;

pub fn unsupported_dtype(dtype: DType, inst: &Inst) -> Diagnostic {
    Diagnostic::error(Code(900), format!("`{dtype}` is not supported by the CPU back end yet"))
        .label(inst.origin.span, format!("this computes with `{dtype}`"))
        .help("convert to `f32` or `i32` first")
}

pub fn no_kernel(inst: &Inst) -> Diagnostic {
    let name = match &inst.op {
        Op::Composite { name } => name.clone(),
        op => super::print::op_name(op),
    };
    Diagnostic::error(Code(901), format!("the CPU back end has no kernel for `{name}` yet"))
        .label(inst.origin.span, "needed here")
}
