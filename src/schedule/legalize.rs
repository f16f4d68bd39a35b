//! Rewrites a graph into the operations that kernels exist for.
//!
//! Afterwards: dots are `[batch] M K × K N` (the left one may lie as `K M`), convolutions are valid and without adjoint in
//! x, a weight gradient has a leading axis of slices, reductions alternate between kept and reduced axes and are split where
//! they are long and few, arg-reductions are reductions, sorting counts, attention has its keys crossed ([`attention`]). Everything that depends on shapes only, and so on bits, is decided here.

pub mod attention;
mod conv;
mod dot;
mod invariant;
mod order;
mod parts;
mod reduce;
mod saved;
mod scan;

pub use dot::wants_rows;
pub use reduce::identity;
pub use scan::{History, histories};

use super::error;
use crate::diag::Diagnostic;
use crate::ops::{Binary, DType, Literal, Op, Pad, Reduce, Type};
use crate::tensor::build::Builder;
use crate::tensor::scan::Scan;
use crate::tensor::{Graph, Inst, Origin, Output, OutputRole, Value};
use std::collections::HashMap;

pub fn legalize(graph: &Graph) -> Result<Graph, Diagnostic> {
    let mut legal = Legalizer {
        graph,
        out: Graph::new(graph.name.clone()),
        map: vec![None; graph.types.len()],
        origin: Origin::default(),
        masks: HashMap::new(),
        padded: HashMap::new(),
        crossed: HashMap::new(),
    };
    for inst in &graph.insts {
        legal.inst(inst)?;
    }
    legal.outputs();
    sweep(&mut legal.out);
    Ok(legal.out)
}

struct Legalizer<'a> {
    graph: &'a Graph,
    out: Graph,
    map: Vec<Option<Value>>,
    origin: Origin,
    /// Masks of rectifiers, and the equal ones of their results.
    masks: HashMap<Value, Value>,
    /// What was padded with zeros, by value and pads.
    padded: HashMap<(Value, Vec<Pad>), Value>,
    /// Keys and values with the last two axes exchanged.
    crossed: HashMap<Value, Value>,
}

impl Legalizer<'_> {
    fn inst(&mut self, inst: &Inst) -> Result<(), Diagnostic> {
        self.origin = inst.origin.clone();
        self.check_types(inst)?;
        let args: Vec<Value> = inst.args.iter().map(|a| self.current(*a)).collect();
        let results = match inst.op {
            Op::Sort { axis, descending } => self.sort(args[0], axis, descending).to_vec(),
            Op::TopK { k } => self.top_k(args[0], k).to_vec(),
            Op::Scan { .. } => self.scan(inst, &args)?,
            Op::Attention { ref scores } => self.attention(scores, &args),
            Op::AttentionGrad { ref scores } => self.attention_grad(scores, &args),
            Op::AttentionBiasGrad { ref scores } => vec![self.attention_bias_grad(scores, &args)],
            _ => vec![self.rewrite(inst, &args)?],
        };
        for (value, result) in inst.results.iter().zip(results) {
            self.map[value.0 as usize] = Some(result);
        }
        Ok(())
    }

    /// What stands for a value of the source graph.
    fn current(&self, value: Value) -> Value {
        let value = self.map[value.0 as usize].expect("defined before use");
        self.masks.get(&value).copied().unwrap_or(value)
    }

    fn rewrite(&mut self, inst: &Inst, args: &[Value]) -> Result<Value, Diagnostic> {
        let ty = self.graph.ty(inst.results[0]).clone();
        Ok(match &inst.op {
            Op::Input { name } => self.input(inst, name, ty),
            Op::StopGradient => args[0],
            Op::DimValue(n) => self.constant(Literal::Int(*n as i64), DType::I32),
            Op::Cast(to) if self.dtype(args[0]) == *to => args[0],
            Op::Compare(op) if matches!(self.dtype(args[0]), DType::Bool | DType::U8) => {
                let wide: Vec<Value> = args.iter().map(|a| self.b().cast(*a, DType::I32)).collect();
                self.push(Op::Compare(*op), &wide, ty)
            }
            Op::Select => self.select(args, ty),
            Op::Binary(Binary::Add) => self.side_by_side(args).unwrap_or_else(|| self.push(inst.op.clone(), args, ty)),
            Op::Reduce { op: Reduce::Sum, axes } => {
                let x = self.before_spread(args[0], axes);
                self.reduce(Reduce::Sum, x, axes)
            }
            Op::Reduce { op: Reduce::All, .. } if ty.rank() == 0 && self.is_check(inst.results[0]) => {
                self.check_all(args[0])
            }
            Op::Reduce { op, axes } => self.reduce(*op, args[0], axes),
            Op::ArgMax { axis } => self.arg_extreme(Reduce::Max, args[0], *axis),
            Op::ArgMin { axis } => self.arg_extreme(Reduce::Min, args[0], *axis),
            Op::Dot { .. } => self.dot(&inst.op, args, ty),
            Op::Conv { window, groups } => self.conv(args[0], args[1], window, *groups),
            Op::ConvInputGrad { window, groups, input } => {
                self.conv_input_grad(args[0], args[1], window, *groups, *input)
            }
            Op::ConvWeightGrad { window, groups } => {
                let y_adj = self.shared_pad(inst.args[1], args[1]);
                self.conv_weight_grad(args[0], y_adj, window, *groups)
            }
            Op::Composite { .. } | Op::Scan { .. } | Op::Grad => return Err(error::no_kernel(inst)),
            op => self.push(op.clone(), args, ty),
        })
    }

    fn check_types(&self, inst: &Inst) -> Result<(), Diagnostic> {
        let values = inst.args.iter().chain(&inst.results);
        let mut dtypes = values.map(|v| self.graph.ty(*v).dtype);
        if let Some(dtype) = dtypes.find(|d| matches!(d, DType::F64 | DType::F16 | DType::Bf16 | DType::I64)) {
            return Err(error::unsupported_dtype(dtype, inst));
        }
        let computes = matches!(inst.op, Op::Unary(_) | Op::Binary(_) | Op::Reduce { .. } | Op::CumSum { .. });
        let Some(result) = inst.results.first().map(|r| self.graph.ty(*r).dtype) else { return Ok(()) };
        let to_u8 = inst.op == Op::Cast(DType::U8) && self.graph.ty(inst.args[0]).dtype != DType::U8;
        if result == DType::U8 && (computes || to_u8 || matches!(inst.op, Op::Iota { .. })) {
            return Err(error::unsupported_dtype(DType::U8, inst));
        }
        let contracts = matches!(
            inst.op,
            Op::Conv { .. }
                | Op::ConvInputGrad { .. }
                | Op::ConvWeightGrad { .. }
                | Op::Attention { .. }
                | Op::AttentionGrad { .. }
                | Op::AttentionBiasGrad { .. }
        );
        if contracts && result != DType::F32 {
            return Err(error::unsupported_dtype(result, inst));
        }
        Ok(())
    }

    fn input(&mut self, inst: &Inst, name: &str, ty: Type) -> Value {
        let role = self.graph.inputs.iter().find(|i| i.0 == inst.results[0]).expect("an input has a role").1;
        self.out.input(name, role, ty, self.origin.clone())
    }

    /// An update by another input's old value goes through a copy, so that no order of updates matters. So does what
    /// is part of a larger buffer.
    fn outputs(&mut self) {
        for output in &self.graph.outputs {
            let mut value = self.map[output.value.0 as usize].expect("outputs are defined");
            let role = match output.role {
                OutputRole::Report { weight } => {
                    OutputRole::Report { weight: self.map[weight.0 as usize].expect("weights are defined") }
                }
                ref role => role.clone(),
            };
            let is_part = Scan::of(self.def(value)).is_some() && !scan::has_own_place(&self.out, value);
            if is_part || role == OutputRole::Update && self.is_other_input(value, &output.name) {
                let ty = self.out.ty(value).clone();
                value = self.push(Op::Reshape { shape: ty.shape.clone() }, &[value], ty);
            }
            self.out.outputs.push(Output { name: output.name.clone(), role, value });
        }
    }

    /// Whether the value is nothing but a check.
    fn is_check(&self, value: Value) -> bool {
        let is_read = self.graph.insts.iter().any(|i| i.args.contains(&value));
        !is_read && self.graph.outputs.iter().any(|o| o.role == OutputRole::Check && o.value == value)
    }

    fn is_other_input(&self, value: Value, name: &str) -> bool {
        let source = |i: &&Inst| i.results.contains(&value) && matches!(&i.op, Op::Input { name: n } if n != name);
        self.out.insts.iter().any(|i| source(&i))
    }

    // ── building ──

    /// Appends to the legal graph.
    fn b(&mut self) -> Builder<'_> {
        Builder::new(&mut self.out, self.origin.clone())
    }

    fn push(&mut self, op: Op, args: &[Value], ty: Type) -> Value {
        self.b().op(op, args, ty)
    }

    fn dtype(&self, x: Value) -> DType {
        self.out.ty(x).dtype
    }

    fn shape(&self, x: Value) -> Vec<usize> {
        self.out.ty(x).shape.clone()
    }

    /// The same dtype with another shape.
    fn like(&self, x: Value, shape: &[usize]) -> Type {
        Type::new(self.dtype(x), shape.to_vec())
    }

    /// What defines a value: results of the legal graph are numbered in order.
    fn def(&self, value: Value) -> &Inst {
        let after = self.out.insts.partition_point(|i| i.results[0] <= value);
        &self.out.insts[after - 1]
    }

    fn constant(&mut self, literal: Literal, dtype: DType) -> Value {
        self.push(Op::Const(literal), &[], Type::scalar(dtype))
    }

    fn full(&mut self, literal: Literal, dtype: DType, shape: &[usize]) -> Value {
        let scalar = self.constant(literal, dtype);
        self.b().broadcast(scalar, shape, &[])
    }

    fn pad(&mut self, x: Value, pads: Vec<Pad>, fill: Literal) -> Value {
        if pads.iter().all(|p| p.low == 0 && p.high == 0 && p.interior == 0) {
            return x;
        }
        let fill = self.constant(fill, self.dtype(x));
        self.b().pad(x, fill, pads)
    }
}

/// A divisor of `n` in 8..=64, as near to 32 as there is one: the number of slices of a long loop. It follows
/// from the shape alone, since it decides the order of summation.
fn slices(n: usize) -> Option<usize> {
    let far = |d: usize| if d > 32 { d as f64 / 32.0 } else { 32.0 / d as f64 };
    (8..=64).filter(|d| n.is_multiple_of(*d)).min_by(|a, b| far(*a).total_cmp(&far(*b)))
}

/// Drops instructions that no output needs.
fn sweep(graph: &mut Graph) {
    let mut needed = vec![false; graph.types.len()];
    for output in &graph.outputs {
        needed[output.value.0 as usize] = true;
        if let OutputRole::Report { weight } = output.role {
            needed[weight.0 as usize] = true;
        }
    }
    for inst in graph.insts.iter().rev() {
        if inst.results.iter().any(|r| needed[r.0 as usize]) {
            inst.args.iter().for_each(|a| needed[a.0 as usize] = true);
        }
    }
    graph.insts.retain(|i| matches!(i.op, Op::Input { .. }) || i.results.iter().any(|r| needed[r.0 as usize]));
}
